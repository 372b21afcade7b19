import Base
import Identity
import Streams
import Vocabulary
import Wire

// What the node says to a worker and what a worker says back, as bytes on their socket pair. A worker reads hostile media,
// so what it says is checked like anything from outside.

extension WorkerJob {
  /// The first message to a worker that is to run this job.
  /// - Parameter sourcePath: of the file that a source stage opens; empty for jobs without one.
  func wireStart(sourcePath: String) -> WireToWorker {
    .with {
      $0.start = .with {
        $0.group = spec.wire
        $0.sourcePath = sourcePath
        $0.resuming = resumeAt != nil
        if let resumeAt { $0.resumeAt = resumeAt.wire }
        $0.origins = origins.map(\.wire)
      }
    }
  }
}

extension WorkerCommand {
  /// For the socket pair.
  var wire: WireToWorker {
    .with {
      switch self {
      case .inputFormat(let socket, let format):
        $0.inputFormat = .with {
          $0.socket = UInt32(socket)
          $0.format = format.wire
        }
      case .inputPacket(let socket, let packet):
        $0.inputPacket = .with {
          $0.socket = UInt32(socket)
          $0.packet = packet.wire
        }
      case .inputEnd(let socket): $0.inputEnd = .with { $0.socket = UInt32(socket) }
      case .credit(let bytes): $0.credit = .with { $0.bytes = UInt64(bytes) }
      }
    }
  }
}

/// What a worker says that is not about its group's stream.
enum WorkerRemark {
  /// It can take a job.
  case ready
  /// About the stream.
  case report(WorkerReport)
  /// Frames due and late since the last, CPU seconds and memory bytes of the worker so far.
  case progress(due: UInt64, late: UInt64, cpuSeconds: Double, memory: UInt64)
  /// The answer to a probe.
  case probed(SourceDescription)
  /// The answer to a calibration: megapixels a second and core.
  case calibrated(decode: Double, encode: Double, filter: Double)
}

extension WorkerRemark {
  init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireFromWorker(parsing: bytes)
    switch wire.body {
    case .ready: self = .ready
    case .outputFormat(let format): self = .report(.format(try MediaFormat(validating: format)))
    case .outputPacket(let packet): self = .report(.packet(try Packet(validating: packet)))
    case .outputEnd: self = .report(.end)
    case .consumed(let consumed):
      let bytes = try Field.number(consumed.bytes, "Consumed.bytes", in: 0...UInt64(Limits.linkMessageBytes) * 16)
      self = .report(.consumed(socket: Int(consumed.socket), bytes: Int(bytes)))
    case .progress(let progress):
      let seconds = try Field.number(progress.cpuSeconds, "Progress.cpu_seconds", in: 0...1e12)
      self = .progress(due: progress.due, late: progress.late, cpuSeconds: seconds, memory: progress.memoryBytes)
    case .failure(let failure):
      let kind = try Field.text(failure.kind, "WorkerFailure.kind", limit: 64)
      self = .report(
        .failure(WorkerFault(kind: kind, stage: Int(failure.stage), message: String(failure.message.prefix(500)))))
    case .probed(let source): self = .probed(try SourceDescription(validating: source))
    case .calibrated(let rates):
      let range = 0.01...1e6
      self = .calibrated(
        decode: try Field.number(rates.decodeRate, "Calibration.decode_rate", in: range),
        encode: try Field.number(rates.encodeRate, "Calibration.encode_rate", in: range),
        filter: try Field.number(rates.filterRate, "Calibration.filter_rate", in: range))
    case nil: throw InvalidMessage("FromWorker", "says nothing that this version knows")
    }
  }
}
