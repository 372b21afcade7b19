import Foundation
import Identity
import Testing
import Vocabulary
import Wire

@testable import Media

/// The real executable, over a real socket pair, as a node drives it.
final class WorkerProcess {
  private let process = Process()
  private let descriptor: Int32
  private var incoming: [UInt8] = []
  let ready: WireWorkerReady

  init() throws {
    var pair: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0 else { throw CancellationError() }
    descriptor = pair[0]
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    let products = Bundle.main.bundleURL
    let binary = [
      products, products.deletingLastPathComponent(),
      URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent(),
    ]
    .map { $0.appending(path: "millrace-worker") }.first { FileManager.default.isExecutableFile(atPath: $0.path) }
    // The shell hands the socket on as descriptor 3.
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", "exec \"$0\" 3<&0 </dev/null", try #require(binary).path]
    process.standardInput = FileHandle(fileDescriptor: pair[1])
    try process.run()
    close(pair[1])
    guard case .ready(let first)? = try Self.next(descriptor, &incoming) else { throw CancellationError() }
    ready = first
  }

  deinit {
    close(descriptor)
    process.waitUntilExit()
  }

  var exitCode: Int32 {
    process.waitUntilExit()
    return process.terminationStatus
  }
  var isRunning: Bool { process.isRunning }

  func say(_ body: WireToWorker.OneOf_Body) {
    let bytes = WireToWorker.with { $0.body = body }.wireBytes
    let framed = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bytes.count >> $0) } + bytes
    var sent = 0
    while sent < framed.count {
      let count = framed.withUnsafeBytes {
        send(descriptor, $0.baseAddress! + sent, framed.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      sent += count
    }
  }

  /// Nil once the worker has closed its end, or after `seconds` of silence.
  func hear(within seconds: Double = 20) throws -> WireFromWorker.OneOf_Body? {
    try Self.next(descriptor, &incoming, seconds)
  }

  func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  private static func next(_ descriptor: Int32, _ incoming: inout [UInt8], _ seconds: Double = 20) throws
    -> WireFromWorker.OneOf_Body?
  {
    while true {
      if incoming.count >= 4 {
        let length = incoming[0..<4].reduce(0) { $0 << 8 | Int($1) }
        if incoming.count >= 4 + length {
          let message = try WireFromWorker(parsing: Array(incoming[4..<4 + length]))
          incoming.removeFirst(4 + length)
          return message.body
        }
      }
      var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&watched, 1, Int32(seconds * 1000)) > 0 else { return nil }
      var room = [UInt8](repeating: 0, count: 64 << 10)
      let count = recv(descriptor, &room, room.count, 0)
      guard count > 0 else { return nil }
      incoming += room[..<count]
    }
  }
}

@Suite("The worker process") struct WorkerTests {
  private func start(_ group: GroupSpec, source: String = "", after packet: Packet? = nil) -> WireToWorker.OneOf_Body {
    .start(
      .with {
        $0.group = group.wire
        $0.sourcePath = source
        if let packet {
          $0.resuming = true
          $0.resumeAt = Position(packet.position.index + 1).wire
          $0.origins = packet.origins.map(\.wire)
        }
      })
  }

  private func failure(_ message: WireFromWorker.OneOf_Body?) -> WireWorkerFailure? {
    if case .failure(let failure)? = message { failure } else { nil }
  }

  @Test("says that it is ready and what it can do") func ready() throws {
    let worker = try WorkerProcess()
    #expect(worker.ready.components.contains("video.vp8"))
    #expect(worker.ready.components.count == 16)
  }

  @Test("probes a source: tracks, rates, digest") func probe() throws {
    let worker = try WorkerProcess()
    worker.say(.probe(.with { $0.path = TestMedia.talk }))
    guard case .probed(let info)? = try worker.hear() else {
      Issue.record("no answer")
      return
    }
    let source = try SourceDescription(validating: info)
    #expect(source.tracks.map(\.kind) == [.video, .audio, .text])
    #expect(source.tracks[0].frameRate == Rational(30))
    #expect(!source.tracks[0].isVariableRate)
    #expect(source.tracks[1].sampleRate == 44_100)
    var digest = IncrementalDigest(kind: "source")
    digest.update(Array(try Data(contentsOf: URL(filePath: TestMedia.talk))))
    let hash = digest.finish()
    #expect(source.key.hash == hash)
    #expect(abs(source.duration - 4) < 0.1)
    #expect(worker.exitCode == 0)
  }

  @Test("tells variable from constant rate") func variableRate() throws {
    #expect(try SourceProbe.look(at: TestMedia.variable).tracks[0].isVariableRate)
    #expect(try !SourceProbe.look(at: TestMedia.film).tracks[0].isVariableRate)
    #expect(try SourceProbe.look(at: TestMedia.film).tracks[0].frameRate == Rational(24_000, 1001))
    #expect(try !SourceProbe.look(at: TestMedia.odd).tracks[0].isVariableRate)
  }

  @Test("refuses what it cannot probe, each with its own word")
  func badSources() throws {
    let playlist = TestMedia.write("list.m3u8", Data("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n".utf8))
    let concatenation = TestMedia.write("list.ffconcat", Data("ffconcat version 1.0\nfile \(TestMedia.talk)\n".utf8))
    for (path, kind) in [
      (TestMedia.folder.path + "/absent.mkv", "source_missing"), (TestMedia.folder.path, "source_missing"),
      ("/dev/zero", "source_missing"),
      ("http://127.0.0.1:9/x.mkv", "source_missing"), (TestMedia.noise, "not_media"), (playlist, "not_media"),
      (concatenation, "not_media"),
      (TestMedia.headless, "truncated"),
    ] {
      let worker = try WorkerProcess()
      worker.say(.probe(.with { $0.path = path }))
      #expect(failure(try worker.hear())?.kind == kind, "\(path)")
      #expect(worker.exitCode == 1)
    }
  }

  @Test("calibrates in well under a second") func calibrate() throws {
    let worker = try WorkerProcess()
    worker.say(.calibrate(.init()))
    guard case .calibrated(let rates)? = try worker.hear() else {
      Issue.record("no answer")
      return
    }
    #expect(rates.decodeRate > 1 && rates.encodeRate > 1 && rates.filterRate > 1)
  }

  @Test("killed in the middle, its replacement goes on with the next position") func killed() throws {
    let spec = group(
      source(0, "video", stream: 0), stage(1, "video.fps", ["rate": .rational(Rational(20))], from: .stage(0)),
      stage(2, "video.vp8", ["bitrate": .integer(200_000)], from: .stage(1)))
    var packets: [Packet] = []
    func serve(_ worker: WorkerProcess, until count: Int) throws {
      while packets.count < count {
        switch try worker.hear() {
        case .outputPacket(let packet)?: packets.append(try Packet(validating: packet))
        case .outputEnd?, nil: return
        case .failure(let failure)?: Issue.record("\(failure)"); return
        default: continue
        }
      }
    }
    do {
      let worker = try WorkerProcess()
      worker.say(start(spec, source: TestMedia.talk))
      worker.say(.credit(.with { $0.bytes = 1 << 30 }))
      try serve(worker, until: 33)
      worker.hangUp()
    }
    let replacement = try WorkerProcess()
    replacement.say(start(spec, source: TestMedia.talk, after: packets.last))
    replacement.say(.credit(.with { $0.bytes = 1 << 30 }))
    try serve(replacement, until: .max)
    #expect(
      packets.map(\.position.index) == Array(0..<UInt64(TestMedia.framesOfOneProcess(TestMedia.talk, filter: "fps=20")))
    )
    #expect(packets[33].isKey)
    #expect(replacement.exitCode == 0)
  }

  @Test("emits nothing without credit, reads no input that it cannot use, and stays small") func credit() throws {
    let read = try run(group(source(0, "video", stream: 0), mezzanine: .raw), source: TestMedia.talk)
    let worker = try WorkerProcess()
    worker.say(
      start(
        group(
          stage(0, "video.scale", ["width": .integer(64), "height": .integer(36)], from: .socket(0)), mezzanine: .raw)))
    worker.say(.inputFormat(.with { $0.format = read.format.wire }))
    for packet in read.packets.prefix(20) { worker.say(.inputPacket(.with { $0.packet = packet.wire })) }
    var consumed: UInt64 = 0
    var emitted = 0
    var progress = 0
    func listen(until stop: () -> Bool) throws {
      while !stop(), let message = try worker.hear(within: 5) {
        switch message {
        case .consumed(let more): consumed += more.bytes
        case .outputPacket: emitted += 1
        case .progress(let report):
          progress += 1
          #expect(report.memoryBytes < 200 << 20)
        default: break
        }
      }
    }
    try listen { progress >= 2 }
    #expect(emitted == 0 && consumed == 0)
    // One byte of credit is good for one packet: the credit may be overdrawn by the packet that uses it up.
    worker.say(.credit(.with { $0.bytes = 1 }))
    try listen { emitted > 0 }
    let reports = progress
    try listen { progress >= reports + 2 }
    #expect(emitted == 1)
    #expect(consumed <= UInt64(read.packets[0].payload.count * 2))
    worker.say(.credit(.with { $0.bytes = 1 << 30 }))
    let all = UInt64(read.packets.prefix(20).map(\.payload.count).reduce(0, +))
    try listen { emitted == 20 && consumed == all }
    #expect(emitted == 20 && consumed == all)
  }

  @Test("goes away when the node does") func orphan() throws {
    let worker = try WorkerProcess()
    worker.say(start(group(source(0, "video", stream: 0)), source: TestMedia.talk))
    worker.hangUp()
    #expect(worker.exitCode == 0)
  }

  @Test("live pacing: a burst of a second, then real time") func pacing() throws {
    let worker = try WorkerProcess()
    worker.say(start(group(source(0, "audio", stream: 1, pacing: "live")), source: TestMedia.talk))
    worker.say(.credit(.with { $0.bytes = 1 << 30 }))
    let begun = Date()
    var arrivals: [Double] = []
    while arrivals.count < 90, let message = try worker.hear() {
      if case .outputPacket = message { arrivals.append(Date().timeIntervalSince(begun)) }
    }
    #expect(arrivals.count == 90)
    #expect(arrivals[89] - arrivals[0] > 0.7, "slot 89 lies 1.78 s in, of which one second may go at once")
  }

  @Test("delivers what is readable of a truncated source, then says so, then ends") func truncated() throws {
    let worker = try WorkerProcess()
    worker.say(start(group(source(0, "video", stream: 0)), source: TestMedia.truncated))
    worker.say(.credit(.with { $0.bytes = 1 << 30 }))
    var frames = 0
    var tail: [String] = []
    while let message = try worker.hear() {
      switch message {
      case .outputPacket: frames += 1
      case .failure(let failure): tail.append(failure.kind)
      case .outputEnd: tail.append("end")
      default: break
      }
    }
    #expect(frames > 40 && frames < 120)
    #expect(tail == ["truncated", "end"])
  }

  @Test("refuses a track that is not there, a component and a parameter that it does not know, noise")
  func unsupported() throws {
    for (group, words) in [
      (group(source(0, "audio", stream: 0)), "no audio track 0"),
      (group(source(0, "video", stream: 9)), "no video track 9"),
      (group(source(0, "video", stream: 0), stage(1, "video.denoise", from: .stage(0))), "video.denoise"),
      (group(source(0, "video", stream: 0), stage(1, "video.scale", ["width": .integer(1)], from: .stage(0))), "width"),
    ] {
      let worker = try WorkerProcess()
      worker.say(start(group, source: TestMedia.talk))
      let heard = failure(try worker.hear())
      #expect(heard?.kind == "unsupported")
      #expect(heard?.message.contains(words) == true, "\(heard?.message ?? "nothing")")
    }
    let worker = try WorkerProcess()
    worker.say(.inputEnd(.with { $0.socket = 3 }))
    #expect(failure(try worker.hear())?.kind == "bad_message")
  }
}
