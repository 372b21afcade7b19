import Base
import Identity
import Vocabulary

public struct StreamTable: Sendable {
  public let node: NodeID
  public init(node: NodeID) { self.node = node }
  public mutating func handle(_ input: StreamInput, at now: Instant) -> [StreamEffect] { [] }
  /// All groups, in the order in which they were opened.
  public var groups: [GroupSnapshot] { [] }
  /// The group of this output.
  public func group(_ key: StreamKey) -> GroupSnapshot? { nil }
  /// All sinks, in the order in which they were opened.
  public var sinks: [SinkSnapshot] { [] }
  /// What measurements say this node serves.
  public func servedStreams() -> [ServedStream] { [] }
}
