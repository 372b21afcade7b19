import Foundation
import Testing

/// Sources made by the `ffmpeg` command, once a test run, and what `ffmpeg` and `ffprobe` say of them and of our output.
enum TestMedia {
  static let folder: URL = {
    let folder = FileManager.default.temporaryDirectory.appending(path: "millrace-media-\(getpid())")
    try! FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }()

  static let captions = """
    1
    00:00:00,400 --> 00:00:01,200
    Hello, <i>world</i> & all

    2
    00:00:01,900 --> 00:00:02,700
    Two lines:
    'quoted' %{n} {x} \\ : done

    3
    00:00:02,900 --> 00:00:03,600
    The end

    """

  /// 4 s of 320×180 at 30/s, a 440 Hz tone at 44.1 kHz in stereo, captions: Matroska with B-frames.
  static let talk = make(
    "talk.mkv", captions: true,
    [
      "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=4", "-f", "lavfi", "-i",
      "sine=frequency=440:sample_rate=44100:duration=4",
      "-i", folder.appending(path: "captions.srt").path, "-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264",
      "-preset", "superfast",
      "-g", "45", "-bf", "2", "-c:a", "flac", "-ac", "2", "-c:s", "srt",
    ])
  /// The same in MP4 with AAC, no captions, 24000/1001 frames a second.
  static let film = make(
    "film.mp4",
    [
      "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=24000/1001:duration=3", "-f", "lavfi", "-i",
      "sine=frequency=440:sample_rate=48000:duration=3", "-c:v", "libx264", "-preset", "superfast", "-g", "20", "-bf",
      "2", "-c:a", "aac",
    ])
  /// Odd size, no sound.
  static let odd = make(
    "odd.mkv",
    [
      "-f", "lavfi", "-i", "testsrc2=size=161x91:rate=25:duration=2", "-c:v", "libvpx", "-deadline", "realtime",
      "-cpu-used", "8",
    ])
  /// Variable rate: every third and seventh frame left out.
  static let variable = make(
    "variable.mkv",
    [
      "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=30:duration=3", "-vf", "select='mod(n,3)*mod(n,7)'", "-vsync",
      "vfr", "-c:v",
      "libx264", "-preset", "superfast", "-bf", "0",
    ])
  /// Sound only, at a rate that does not divide into slots.
  static let speech = make("speech.wav", ["-f", "lavfi", "-i", "sine=frequency=300:sample_rate=11025:duration=1.23"])
  /// Video that starts half a second after its sound.
  static let late = make(
    "late.mkv",
    [
      "-f", "lavfi", "-itsoffset", "0.5", "-i", "testsrc2=size=160x90:rate=30:duration=1.5", "-f", "lavfi", "-i",
      "sine=frequency=440:sample_rate=48000:duration=2", "-c:v", "libx264", "-preset", "superfast", "-c:a", "flac",
    ])

  /// `talk` without its last third.
  static let truncated: String = {
    let data = try! Data(contentsOf: URL(filePath: talk))
    return write("truncated.mkv", data.prefix(data.count * 2 / 3))
  }()
  /// `film` without its end, where its index is.
  static let headless: String = {
    let data = try! Data(contentsOf: URL(filePath: film))
    return write("headless.mp4", data.prefix(data.count / 2))
  }()
  static let noise = write("noise.mkv", Data((0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) }))

  static func write(_ name: String, _ data: some DataProtocol) -> String {
    let url = folder.appending(path: name)
    try! Data(data).write(to: url)
    return url.path
  }

  private static func make(_ name: String, captions: Bool = false, _ arguments: [String]) -> String {
    if captions { _ = write("captions.srt", Data(Self.captions.utf8)) }
    let path = folder.appending(path: name).path
    _ = command("ffmpeg", ["-v", "error", "-y"] + arguments + [path])
    return path
  }

  /// Runs a command; its standard output.
  static func command(_ name: String, _ arguments: [String]) -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [name] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    try! process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    if process.terminationStatus != 0 { Issue.record("\(name) \(arguments) ended with \(process.terminationStatus)") }
    return String(decoding: data, as: UTF8.self)
  }

  /// One line a packet of a stream (`v:0`, `a:0`), as `ffprobe` tells it.
  static func packets(_ path: String, _ stream: String, _ entries: String = "pts_time") -> [String] {
    command(
      "ffprobe",
      ["-v", "error", "-select_streams", stream, "-show_entries", "packet=\(entries)", "-of", "csv=p=0", path]
    ).split(separator: "\n").map { $0.hasSuffix(",") ? String($0.dropLast()) : String($0) }
  }

  /// Frames that can really be decoded.
  static func decodedFrames(_ path: String) -> Int {
    let text = command(
      "ffprobe",
      [
        "-v", "error", "-count_frames", "-select_streams", "v:0", "-show_entries", "stream=nb_read_frames", "-of",
        "csv=p=0", path,
      ])
    return Int(text.filter(\.isNumber)) ?? -1
  }

  /// Frames that one `ffmpeg` process makes of a source.
  static func framesOfOneProcess(_ source: String, filter: String) -> Int {
    let text = command(
      "ffmpeg", ["-v", "error", "-i", source, "-map", "0:v:0", "-vf", filter, "-vsync", "vfr", "-f", "framecrc", "-"])
    return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.count
  }
}
