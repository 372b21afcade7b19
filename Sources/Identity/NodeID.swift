import Base

/// A peer's name: its Ed25519 public key, shown as 52 characters of lower-case base32.
public struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The public key.
  public let key: Bytes32

  /// - Parameter key: an Ed25519 public key; not checked to be a point of the curve, which the first signature does.
  public init(_ key: Bytes32) { self.key = key }

  /// - Parameter text: 52 characters of lower-case base32; nil otherwise.
  public init?(_ text: some StringProtocol) {
    guard let bytes = TextForm.bytes(base32: text), let key = Bytes32(bytes) else { return nil }
    self.key = key
  }

  /// The 32 bytes of the key.
  public var bytes: [UInt8] { key.bytes }
  /// 52 characters of lower-case base32.
  public var description: String { TextForm.base32(key.bytes) }
  /// The first eight characters: for people and logs, never for decisions.
  public var short: String { TextForm.base32(Array(key.bytes.prefix(5))) }

  public static func < (a: NodeID, b: NodeID) -> Bool { a.key < b.key }
}

/// An Ed25519 signature: 64 bytes (RFC 8032).
public struct Signature: Hashable, Sendable {
  /// R ‖ S.
  public let bytes: [UInt8]

  /// - Parameter bytes: exactly 64; nil otherwise.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == 64 else { return nil }
    self.bytes = bytes
  }
}
