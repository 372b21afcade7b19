import Identity
import Vocabulary

/// Names one subscription between two nodes, chosen by the subscriber, never used twice by it. Every attempt is a new
/// subscription, so that what still arrives of an abandoned one is recognised as stale.
public struct SubscriptionID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Counts from 1.
  public let number: UInt64
  /// - Parameter number: from 1.
  public init(_ number: UInt64) { self.number = number }
  public var description: String { "s\(number)" }
  public static func < (a: SubscriptionID, b: SubscriptionID) -> Bool { a.number < b.number }
}

/// Names one run of a worker process. A restart is a new run: what a dead run still says is recognised as stale.
public struct WorkerID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Counts from 1.
  public let number: UInt64
  /// - Parameter number: from 1.
  public init(_ number: UInt64) { self.number = number }
  public var description: String { "w\(number)" }
  public static func < (a: WorkerID, b: WorkerID) -> Bool { a.number < b.number }
}

/// Names one delivery to clients, chosen by Core.
public struct SinkID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Whatever Core counts by.
  public let number: UInt64
  /// - Parameter number: whatever Core counts by; never used twice.
  public init(_ number: UInt64) { self.number = number }
  public var description: String { "sink\(number)" }
  public static func < (a: SinkID, b: SinkID) -> Bool { a.number < b.number }
}

/// Joins a question ``StreamEffect/authorize(_:subscriber:key:assignment:)`` to its answer.
public struct AuthorizationToken: Hashable, Sendable, CustomStringConvertible {
  /// Counts from 1.
  public let number: UInt64
  /// - Parameter number: from 1.
  public init(_ number: UInt64) { self.number = number }
  public var description: String { "a\(number)" }
}

extension Position {
  /// The position that follows without a discontinuity.
  public var next: Position { Position(epoch: epoch, index + 1) }

  /// Whether a packet here continues a stream whose next position is `expected`: exactly there, or at the start of the
  /// source's next epoch.
  func continues(_ expected: Position) -> Bool {
    self == expected || (epoch == expected.epoch &+ 1 && index == 0)
  }
}
