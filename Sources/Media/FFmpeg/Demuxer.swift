import CFFmpeg
import Foundation
import Vocabulary

/// Owns an open media file. Only regular files of this machine, only containers that open nothing else: no playlist, no concatenation,
/// no protocol but `file`.
struct Demuxer: ~Copyable {
  private static let containers =
    "matroska,webm,mov,mp4,mpegts,mpeg,avi,flv,ogg,wav,flac,mp3,aac,asf,ivf,h264,hevc,m4v,mpegvideo,srt,webvtt,ass"

  let context: UnsafeMutablePointer<AVFormatContext>

  /// Opens the file and looks at its tracks. Throws source_missing, not_media, truncated or unsupported.
  init(path: String) throws(MediaFailure) {
    let name = (path as NSString).lastPathComponent
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw MediaFailure(.sourceMissing, "“\(name)”: \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw MediaFailure(.sourceMissing, "“\(name)” is not a regular file")
    }
    guard access(path, R_OK) == 0 else { throw MediaFailure(.sourceMissing, "“\(name)” may not be read") }
    guard status.st_size > 0 else { throw MediaFailure(.notMedia, "“\(name)” is empty") }
    let damage = Truncation.find(path: path)

    var fresh: UnsafeMutablePointer<AVFormatContext>?
    do {
      try withOptions(["protocol_whitelist": "file", "format_whitelist": Self.containers]) {
        _ = try check(avformat_open_input(&fresh, "file:" + path, nil, $0), "opening")
      }
      try check(avformat_find_stream_info(fresh, nil), "looking at the tracks")
      guard fresh!.pointee.nb_streams > 0 else { throw AVFailure(MR_INVALIDDATA, "no tracks") }
    } catch {
      avformat_close_input(&fresh)
      if let damage { throw MediaFailure(.truncated, "“\(name)” cannot be read: \(damage)") }
      throw MediaFailure(.notMedia, "“\(name)” is not media that this worker reads: \(error)")
    }
    context = fresh!
  }

  deinit {
    var owned: UnsafeMutablePointer<AVFormatContext>? = context
    avformat_close_input(&owned)
  }

  /// FFmpeg's name of the container.
  var container: String { context.pointee.iformat.pointee.name.text }
  var streamCount: Int { Int(context.pointee.nb_streams) }
  func stream(_ index: Int) -> UnsafeMutablePointer<AVStream> { context.pointee.streams[index]! }

  /// Where the container's own timeline starts, in microseconds.
  var startTime: Int64 { context.pointee.start_time == MR_NOPTS ? 0 : context.pointee.start_time }

  /// After a seek, timestamps are those of a reading from the start; elsewhere they are guesses.
  var seeksExactly: Bool {
    ["matroska", "mov", "mpegts", "avi", "flv", "wav", "flac"].contains {
      container.split(separator: ",").contains(Substring($0))
    }
  }

  /// Spares the reading of tracks that nobody wants.
  mutating func keepOnly(_ kept: Int) {
    for index in 0..<streamCount where index != kept { stream(index).pointee.discard = AVDISCARD_ALL }
  }

  mutating func read(_ packet: CodedPacket) throws(AVFailure) -> Step {
    try step(av_read_frame(context, packet.pointer), "reading")
  }

  /// Goes to a key frame at or before `timestamp` (in the stream's time base); false where the container cannot.
  mutating func seek(_ stream: Int, before timestamp: Int64) -> Bool {
    avformat_seek_file(context, Int32(stream), .min, timestamp, timestamp, 0) >= 0
  }
}

/// Whether a file ends before its own structure says: told from the sizes in the headers of ISO media, Matroska and RIFF.
enum Truncation {
  /// What is missing, for people; nil where nothing is, or where the container does not say.
  static func find(path: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: path), let length = try? file.seekToEnd() else { return nil }
    defer { try? file.close() }
    func bytes(_ offset: UInt64, _ count: Int) -> [UInt8] {
      guard (try? file.seek(toOffset: offset)) != nil, let data = try? file.read(upToCount: count) else { return [] }
      return Array(data)
    }
    func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    let head = bytes(0, 64)
    var declared: UInt64?
    if head.count >= 12, head[4..<8].elementsEqual("ftyp".utf8) {
      declared = isoEnd(length: length) { number(bytes($0, $1)) }
    } else if head.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) {
      declared = matroskaEnd(head)
    } else if head.count >= 12, head.starts(with: Array("RIFF".utf8)) {
      declared = 8 + number(head[4..<8].reversed())
    }
    guard let declared, declared > length else { return nil }
    return "it ends after \(length) bytes where its header says at least \(declared)"
  }

  /// The end of the top-level box that reaches beyond the file, or one byte more where the index (`moov`) never comes.
  private static func isoEnd(length: UInt64, _ number: (UInt64, Int) -> UInt64) -> UInt64? {
    var offset: UInt64 = 0
    var hasIndex = false
    for _ in 0..<100_000 where offset + 8 <= length {
      var size = number(offset, 4)
      if number(offset + 4, 4) == 0x6D6F_6F76 { hasIndex = true }
      if size == 1 { size = number(offset + 8, 8) }
      if size == 0 { return nil }
      guard size >= 8, size < 1 << 60 else { break }
      offset += size
    }
    return offset > length ? offset : hasIndex ? nil : length + 1
  }

  /// The end of the segment, where its size is known.
  private static func matroskaEnd(_ head: [UInt8]) -> UInt64? {
    func size(at offset: Int) -> (value: UInt64, length: Int)? {
      guard offset < head.count, head[offset] != 0 else { return nil }
      let length = head[offset].leadingZeroBitCount + 1
      guard offset + length <= head.count else { return nil }
      let all = head[offset..<offset + length].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      let unknown = (UInt64(1) << UInt64(7 * length)) - 1
      return all & unknown == unknown ? nil : (all & unknown, length)
    }
    guard let header = size(at: 4) else { return nil }
    let segment = 4 + header.length + Int(clamping: header.value)
    guard segment + 4 < head.count, head[segment..<segment + 4].elementsEqual([0x18, 0x53, 0x80, 0x67]),
      let content = size(at: segment + 4)
    else { return nil }
    return UInt64(segment + 4 + content.length) + content.value
  }
}
