import Base
import Identity

/// Names one request and the service it becomes: the hash of the client's signed envelope.
public struct RequestID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The hash.
  public let hash: Bytes32
  /// - Parameter hash: of the client's envelope.
  public init(_ hash: Bytes32) { self.hash = hash }
  /// - Parameter text: 52 characters of lower-case base32; nil otherwise.
  public init?(_ text: some StringProtocol) {
    guard let bytes = TextForm.bytes(base32: text), let hash = Bytes32(bytes) else { return nil }
    self.hash = hash
  }
  /// 52 characters of lower-case base32.
  public var description: String { TextForm.base32(hash.bytes) }
  /// The first eight characters: for people and logs.
  public var short: String { String(description.prefix(8)) }
  public static func < (a: RequestID, b: RequestID) -> Bool { a.hash < b.hash }
}

/// Names interchangeable positions: the hash of the canonical prefix of a stream, source included (design §2).
public struct StreamKey: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The hash.
  public let hash: Bytes32
  /// - Parameter hash: of the canonical prefix.
  public init(_ hash: Bytes32) { self.hash = hash }
  /// - Parameter text: 52 characters of lower-case base32; nil otherwise.
  public init?(_ text: some StringProtocol) {
    guard let bytes = TextForm.bytes(base32: text), let hash = Bytes32(bytes) else { return nil }
    self.hash = hash
  }
  /// 52 characters of lower-case base32.
  public var description: String { TextForm.base32(hash.bytes) }
  /// The first eight characters: for people and logs.
  public var short: String { String(description.prefix(8)) }
  public static func < (a: StreamKey, b: StreamKey) -> Bool { a.hash < b.hash }
}

/// Names a source: of a file, its content's digest.
public struct SourceKey: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The hash.
  public let hash: Bytes32
  /// - Parameter hash: of a file, its content's digest.
  public init(_ hash: Bytes32) { self.hash = hash }
  /// 52 characters of lower-case base32.
  public var description: String { TextForm.base32(hash.bytes) }
  public static func < (a: SourceKey, b: SourceKey) -> Bool { a.hash < b.hash }
}

/// Fencing: what bears an older (epoch, term) of a request is refused. Ordered by epoch, then term.
public struct Term: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Counts electorates of a request; 0 is the one that the request's ID covers.
  public let epoch: UInt32
  /// Counts candidacies within an epoch, from 1. Term 0 is before any vote.
  public let number: UInt32

  /// - Parameters:
  ///   - epoch: of the electorate, from 0.
  ///   - number: from 1; 0 means before any vote.
  public init(epoch: UInt32 = 0, _ number: UInt32) {
    self.epoch = epoch
    self.number = number
  }
  /// The term after this one, in the same epoch.
  public var next: Term { Term(epoch: epoch, number + 1) }
  public var description: String { epoch == 0 ? "\(number)" : "\(epoch).\(number)" }
  public static func < (a: Term, b: Term) -> Bool { (a.epoch, a.number) < (b.epoch, b.number) }
}
