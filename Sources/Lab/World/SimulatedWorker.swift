import Base
import Streams
import Vocabulary

/// A worker that makes of its inputs what the group's stages in turn make of them, each of which takes its time; sources are read at the
/// pace of their file. It moves as real ones do (`GroupRunner`): from the root down, each stage takes from the input that it needs next.
struct SimulatedWorker {
  let job: WorkerJob
  var isAwake = false
  private var tree: SimulatedTree
  private var credit = 0
  private var hasFormat = false
  private var hasEnded = false

  /// - Parameters:
  ///   - source: the file that its first stages read, if it has such stages.
  ///   - chunk: milliseconds of a muxer's chunk; nil: each packet is one.
  init(job: WorkerJob, source: Scenario.Source?, chunk: Int64?) {
    self.job = job
    tree = SimulatedTree(job, source, chunk: chunk)
  }

  /// What the streams told it that they should not have; nil in a sound world.
  var problem: String? { tree.problem }
  /// From waking to its next packet.
  var pause: Duration { hasFormat ? tree.pause : tree.cost }
  /// Without being told anything more.
  var canGoOn: Bool { !hasEnded && (!hasFormat || (credit > 0 && tree.canGoOn)) }

  mutating func take(_ command: WorkerCommand) {
    switch command {
    case .credit(let bytes): credit += bytes
    case .inputFormat(let socket, let format): tree.arrive(format, at: socket)
    case .inputPacket(let socket, let packet): tree.arrive(packet, at: socket)
    case .inputEnd(let socket): tree.arriveEnd(at: socket)
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
    let (supply, consumed) = tree.step()
    let said = consumed.map { WorkerReport.consumed(socket: $0.socket, bytes: $0.bytes) }
    switch supply {
    case .starved: return said
    case .ended:
      hasEnded = true
      return said + [.end]
    case .element(let element):
      let packet = element.packet
      credit -= packet.payload.count
      return said + [.packet(packet)]
    }
  }

  private var format: MediaFormat {
    let last = job.spec.stages.last?.component ?? ""
    let isMuxed = last.hasPrefix("mux.")
    let (kind, codec): (MediaKind, String) =
      if isMuxed {
        (.muxed, String(last.dropFirst(4)))
      } else if last.hasPrefix("audio.") || last == "source.audio" {
        (.audio, last == "audio.opus" ? "opus" : "flac")
      } else if last.hasPrefix("text.") || last == "source.text" {
        (.text, "cues")
      } else {
        (.video, "h264")
      }
    return MediaFormat(kind: kind, codec: codec, timeBase: Rational(1, 1_000)!)
  }
}

/// One position of a stream inside a worker.
struct SimulatedElement {
  var index: UInt64
  /// Milliseconds.
  var timestamp: Int64
  var duration: Int64
  var value: UInt64
  var bytes: Int
  var isKey: Bool
  var isPicture: Bool
  /// What the group's inputs must hold to make this and all after it again.
  var before: [Origin]
  /// What they must hold to make all after it.
  var after: [Origin]

  var end: Int64 { timestamp + duration }

  var packet: Packet {
    let payload =
      (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } + [UInt8](repeating: 0, count: max(0, bytes - 8))
    return Packet(
      position: Position(index), timestamp: timestamp, duration: duration, isKey: isKey, origins: after,
      payload: payload)
  }
}
