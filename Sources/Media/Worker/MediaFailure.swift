import Wire

/// Why a job cannot go on, as the node is told: a kind it can act on, and a sentence for people.
public struct MediaFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong.
  public enum Kind: String, Hashable, Sendable {
    /// No regular file is at the path, or it cannot be read.
    case sourceMissing = "source_missing"
    /// The file is not media that this worker reads.
    case notMedia = "not_media"
    /// The file ends, or breaks, before its own header says. What was readable has been delivered.
    case truncated
    /// The stage, parameter, codec or track is not one that this worker can serve.
    case unsupported
    /// An input did not hold the positions that the group was promised.
    case gap
    /// The node sent something that is not a valid message.
    case badMessage = "bad_message"
    /// A defect, or the machine is out of memory.
    case `internal`
  }
  /// What went wrong.
  public var kind: Kind
  /// What was found, where, and what was expected.
  public var message: String
  /// The stage's id, where one is to blame.
  public var stage: Int?

  /// See the properties.
  public init(_ kind: Kind, _ message: String, stage: Int? = nil) {
    self.kind = kind
    self.message = message
    self.stage = stage
  }

  public var description: String { "\(kind.rawValue): \(message)" }

  /// For the wire.
  public var wire: WireWorkerFailure {
    .with {
      $0.kind = kind.rawValue
      $0.stage = UInt32(stage ?? 0)
      $0.message = message
    }
  }
}
