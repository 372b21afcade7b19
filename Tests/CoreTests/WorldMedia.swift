import Base
import Composition
import Identity
import Streams
import Vocabulary

/// The source that the world's peer 0 shares: twelve seconds of video.
enum Talk {
  static let path = "talk.mkv"
  static let sharedBy = 0
  static let frames: UInt64 = 300
  /// A frame each 40 ms.
  static let pace = Duration.milliseconds(40)

  static let source: SourceDescription = {
    var video = SourceTrack(stream: 0, kind: .video, codec: "h264")
    (video.width, video.height, video.frameRate) = (1_280, 720, Rational(25))
    return SourceDescription(
      key: SourceKey(Digest.of([1], kind: "test")), container: "matroska,webm", duration: 12, size: 1_000_000,
      tracks: [video])
  }()

  static func request(from node: NodeID) throws -> ServiceRequest {
    try ServiceRequest(
      document:
        "source: millrace://\(node)/\(path)\nvideo: {height: 360, overlay: {text: Hello}}\naudio: none\ncaptions: none")
  }

  /// What one process without nodes or failures would make of a frame.
  static func value(_ index: UInt64, through components: [String]) -> UInt64 {
    components.reduce(index) { Talk.mix($0, $1) }
  }

  static func mix(_ value: UInt64, _ component: String) -> UInt64 {
    component.utf8.reduce(value &+ 0x9E37_79B9_7F4A_7C15) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}

/// A worker whose output is a pure function of its input: packet n is made of input packet n by the group's stages in turn.
/// A source reads frame numbers at the pace of its file. Values travel in the payload.
struct FakeWorker {
  let job: WorkerJob
  let components: [String]
  let packetBytes: Int
  var isAwake = false
  private(set) var problem: String?
  private var next: UInt64
  private var credit = 0
  private var queue: [Packet] = []
  private var inputIsOver = false
  private var hasFormat = false
  private var hasEnded = false

  init(job: WorkerJob, packetBytes: Int) {
    self.job = job
    self.packetBytes = packetBytes
    components = job.spec.stages.map(\.component)
    next = job.resumeAt?.index ?? 0
    if job.spec.inputs.count > 1 { problem = "this world's groups have one input" }
  }

  var isSource: Bool { job.spec.inputs.isEmpty }
  /// Until the next step.
  var pause: Duration { isSource && hasFormat ? Talk.pace : .milliseconds(1) }
  /// Without being told anything more.
  var canGoOn: Bool { !hasEnded && credit > 0 && (isSource || !queue.isEmpty || inputIsOver) }

  mutating func take(_ command: WorkerCommand) {
    switch command {
    case .credit(let bytes): credit += bytes
    case .inputFormat: break
    case .inputPacket(_, let packet): queue.append(packet)
    case .inputEnd: inputIsOver = true
    }
  }

  /// Makes what it can: a source one packet, others all that their queue gives.
  mutating func step() -> [WorkerReport] {
    guard !hasEnded else { return [] }
    guard hasFormat else {
      hasFormat = true
      return [.format(format)]
    }
    if isSource {
      guard credit > 0 else { return [] }
      return next < Talk.frames ? [.packet(make(next))] : end()
    }
    var said: [WorkerReport] = []
    while credit > 0, !queue.isEmpty {
      let packet = queue.removeFirst()
      said.append(.consumed(socket: 0, bytes: packet.payload.count))
      // Before the place where it takes over: only to warm up.
      guard packet.position.index >= next else { continue }
      if packet.position.index > next { problem = "input \(packet.position) where \(next) was due" }
      said.append(.packet(make(FakeWorker.value(of: packet))))
    }
    return queue.isEmpty && inputIsOver ? said + end() : said
  }

  private mutating func end() -> [WorkerReport] {
    hasEnded = true
    return [.end]
  }

  private mutating func make(_ input: UInt64) -> Packet {
    let value = Talk.value(input, through: components)
    let payload =
      (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } + [UInt8](repeating: 0, count: packetBytes - 8)
    defer { next += 1 }
    credit -= payload.count
    return Packet(
      position: Position(next), timestamp: Int64(next * 40), duration: 40, isKey: next % 25 == 0,
      origins: [Origin(input: 0, position: Position(next + 1), timestamp: Int64(next + 1) * 40)], payload: payload)
  }

  static func value(of packet: Packet) -> UInt64 {
    packet.payload.prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
  }

  private var format: MediaFormat {
    let isMuxed = components.last?.hasPrefix("mux.") ?? false
    return MediaFormat(kind: isMuxed ? .muxed : .video, codec: isMuxed ? "webm" : "h264", timeBase: Rational(1, 1_000)!)
  }
}

/// Watches one sink and notes all that it was given.
struct Viewer {
  let request: RequestID
  let output: String
  private(set) var positions: [UInt64] = []
  private(set) var values: [UInt64] = []
  private(set) var hasEnded = false
  /// The longest time between two packets.
  private(set) var worstGap = Duration.zero
  private var last: Instant?
  var isClosed = false

  init(request: RequestID, output: String) {
    self.request = request
    self.output = output
  }

  mutating func take(_ delivery: Streams.Delivery, at now: Instant) {
    switch delivery {
    case .format: break
    case .end: hasEnded = true
    case .packet(let packet):
      positions.append(packet.position.index)
      values.append(FakeWorker.value(of: packet))
      if let last { worstGap = max(worstGap, now - last) }
      last = now
    }
  }
}
