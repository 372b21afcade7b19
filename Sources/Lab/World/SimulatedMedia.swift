import Base
import Composition
import Identity
import Streams
import Vocabulary

/// Media without codecs: a packet's value is a pure function of its position and of the stages that made it, and travels in its
/// payload. So whoever receives it can tell whether it is what one process without nodes or failures would have made.
enum SimulatedMedia {
  /// What the node that shares a source would find in it.
  static func description(of source: Scenario.Source, number: Int) -> SourceDescription {
    var video = SourceTrack(stream: 0, kind: .video, codec: "h264")
    (video.width, video.height, video.frameRate) = (640, 360, Rational(source.rate))
    return SourceDescription(
      key: SourceKey(Digest.of([UInt8(truncatingIfNeeded: number)] + Array(source.path.utf8), kind: "lab-source")),
      container: "matroska,webm", duration: source.seconds, size: 1_000_000, tracks: [video])
  }

  /// What clients ask of it.
  static func request(_ ask: Scenario.Ask, of source: Scenario.Source, at node: NodeID) -> ServiceRequest? {
    try? ServiceRequest(
      document: "source: millrace://\(node)/\(source.path)\nvideo: {height: 180, overlay: {text: v\(ask.variant)}}\n"
        + "audio: none\ncaptions: none")
  }

  /// The components of its chain, in order: who offers one of them can be on it.
  static let components = ["source.video", "video.scale", "video.overlay", "video.vp8", "mux.webm"]

  static func frames(of source: Scenario.Source) -> UInt64 { UInt64(source.seconds * Double(source.rate)) }

  /// The value of a position after some stages.
  static func value(_ index: UInt64, through components: some Sequence<String>) -> UInt64 {
    components.reduce(index &+ 0x9E37_79B9_7F4A_7C15) { mix($0, $1) }
  }
  static func mix(_ value: UInt64, _ component: String) -> UInt64 {
    component.utf8.reduce(value &+ 0x9E37_79B9_7F4A_7C15) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
  static func value(of packet: Packet) -> UInt64 {
    packet.payload.prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
  }

  /// Milliseconds that a stage keeps a core busy with one frame.
  static func cost(of component: String) -> Double {
    switch component {
    case "video.vp8", "video.h264": 8
    case "source.video": 3
    case "video.scale", "video.overlay", "video.burn": 2
    default: 0.3
    }
  }
}

/// A worker whose packet n is made of input packet n by the group's stages in turn, each of which takes its time. A source reads
/// frames at the pace of its file.
struct SimulatedWorker {
  let job: WorkerJob
  let components: [String]
  private let source: Scenario.Source?
  var isAwake = false
  /// What the streams told it that they should not have; nil in a sound world.
  private(set) var problem: String?
  private var next: UInt64
  private var credit = 0
  private var queue: [Packet] = []
  private var inputIsOver = false
  private var hasFormat = false
  private var hasEnded = false

  /// - Parameter source: the file that its first stage reads, if it has such a stage.
  init(job: WorkerJob, source: Scenario.Source?) {
    self.job = job
    self.source = source
    components = job.spec.stages.map(\.component)
    next = job.resumeAt?.index ?? 0
  }

  /// From waking to its next packet.
  var pause: Duration {
    if let source, hasFormat { return .nanoseconds(1_000_000_000 / source.rate) }
    return .nanoseconds(Int64(components.reduce(0) { $0 + SimulatedMedia.cost(of: $1) } * 1e6))
  }
  /// Without being told anything more.
  var canGoOn: Bool {
    !hasEnded && (!hasFormat || (credit > 0 && (source != nil || !queue.isEmpty || inputIsOver)))
  }

  mutating func take(_ command: WorkerCommand) {
    switch command {
    case .credit(let bytes): credit += bytes
    case .inputFormat: break
    case .inputPacket(_, let packet): queue.append(packet)
    case .inputEnd: inputIsOver = true
    }
  }

  /// Makes at most one packet.
  mutating func step() -> [WorkerReport] {
    guard !hasEnded else { return [] }
    guard hasFormat else {
      hasFormat = true
      return [.format(format)]
    }
    guard credit > 0 else { return [] }
    if let source {
      guard next < SimulatedMedia.frames(of: source) else { return end() }
      return [.packet(make(SimulatedMedia.value(next, through: components), bytes: source.frameBytes))]
    }
    var said: [WorkerReport] = []
    while let packet = queue.first {
      queue.removeFirst()
      said.append(.consumed(socket: 0, bytes: packet.payload.count))
      // Before the place where it takes over: only to warm up.
      guard packet.position.index >= next else { continue }
      if packet.position.index > next { problem = "input \(packet.position) where \(next) was due" }
      let value = components.reduce(SimulatedMedia.value(of: packet)) { SimulatedMedia.mix($0, $1) }
      return said + [.packet(make(value, bytes: packet.payload.count))]
    }
    return inputIsOver ? said + end() : said
  }

  private mutating func end() -> [WorkerReport] {
    hasEnded = true
    return [.end]
  }

  private mutating func make(_ value: UInt64, bytes: Int) -> Packet {
    let payload =
      (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      + [UInt8](repeating: 0, count: max(0, bytes - 8))
    defer { next += 1 }
    credit -= payload.count
    return Packet(
      position: Position(next), timestamp: Int64(next * 100), duration: 100, isKey: next % 10 == 0,
      origins: [Origin(input: 0, position: Position(next + 1), timestamp: Int64(next + 1) * 100)],
      payload: payload)
  }

  private var format: MediaFormat {
    let isMuxed = components.last?.hasPrefix("mux.") ?? false
    return MediaFormat(kind: isMuxed ? .muxed : .video, codec: isMuxed ? "webm" : "h264", timeBase: Rational(1, 1_000)!)
  }
}
