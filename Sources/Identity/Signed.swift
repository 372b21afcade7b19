import Base

/// A statement that can be signed: it has a kind, for domain separation, and one checked way in and out of bytes.
public protocol Statement: Sendable, Hashable {
  /// Names the kind in the signature, e.g. `vote`; never reused for another meaning.
  static var kind: String { get }
  /// The only way from bytes to a checked value: past it, no re-checks.
  init(validating bytes: [UInt8]) throws(InvalidMessage)
  /// The bytes that are signed. Called once, by the signer: everyone after keeps the bytes it received.
  func encoded() -> [UInt8]
}

/// What came over the wire and is not a valid value: what was wrong, in which field, and what was expected.
public struct InvalidMessage: Error, Hashable, Sendable, CustomStringConvertible {
  /// The message and field, e.g. `Vote.term`.
  public let field: String
  /// What was found and what was expected.
  public let reason: String

  /// - Parameters:
  ///   - field: the message and field, e.g. `Vote.term`.
  ///   - reason: what was found and what was expected.
  public init(_ field: String, _ reason: String) {
    self.field = field
    self.reason = reason
  }

  public var description: String { "\(field): \(reason)" }
}

/// A statement with the exact bytes that were signed, so that relays pass it on as it is.
/// A value of this type has been verified: it is made by signing or by checking, never otherwise.
public struct Signed<Body: Statement>: Sendable, Hashable {
  /// The checked statement.
  public let body: Body
  /// The bytes that were signed.
  public let bytes: [UInt8]
  /// Who signed.
  public let signer: NodeID
  /// The signature over ``bytes``, domain-separated by `Body.kind`.
  public let signature: Signature

  /// Signs `body`.
  public init(_ body: Body, by keys: KeyPair) {
    self.body = body
    bytes = body.encoded()
    signer = keys.id
    signature = keys.sign(bytes, kind: Body.kind)
  }

  /// Checks what was received; the signature first, then the content.
  public init(verifying envelope: SignedEnvelope, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    guard verified.check(envelope, kind: Body.kind) else {
      throw InvalidMessage(Body.kind, "the signature is not \(envelope.signer.short)…'s over these bytes")
    }
    try self.init(trusting: envelope)
  }

  /// Checks what was received, without a cache of earlier checks.
  public init(verifying envelope: SignedEnvelope) throws(InvalidMessage) {
    guard envelope.signer.hasSigned(envelope.bytes, kind: Body.kind, envelope.signature) else {
      throw InvalidMessage(Body.kind, "the signature is not \(envelope.signer.short)…'s over these bytes")
    }
    try self.init(trusting: envelope)
  }

  private init(trusting envelope: SignedEnvelope) throws(InvalidMessage) {
    body = try Body(validating: envelope.bytes)
    bytes = envelope.bytes
    signer = envelope.signer
    signature = envelope.signature
  }

  /// For the wire.
  public var envelope: SignedEnvelope { SignedEnvelope(bytes: bytes, signer: signer, signature: signature) }

  /// Names this signed statement.
  public var digest: Bytes32 { Digest.of(bytes + signer.bytes, kind: Body.kind) }
}

/// Signed bytes as they travel, not yet checked.
public struct SignedEnvelope: Hashable, Sendable {
  /// What was signed.
  public let bytes: [UInt8]
  /// Who is said to have signed.
  public let signer: NodeID
  /// The signature to be checked.
  public let signature: Signature

  /// Unchecked parts; see ``Signed/init(verifying:using:)``.
  public init(bytes: [UInt8], signer: NodeID, signature: Signature) {
    self.bytes = bytes
    self.signer = signer
    self.signature = signature
  }
}

/// Remembers which signed bytes were found good, so that a record that arrives by ten ways is verified once.
public struct VerifiedDigests: Sendable {
  private var known: OrderedSet<Bytes32> = []
  private let capacity: Int
  /// Signatures checked by public-key work so far.
  public private(set) var verifications = 0

  /// - Parameter capacity: digests remembered; the oldest half goes when it is full.
  public init(capacity: Int = 16_384) { self.capacity = capacity }

  /// Whether the signature is good; costs a hash when the same was asked before.
  public mutating func check(_ envelope: SignedEnvelope, kind: String) -> Bool {
    let digest = Digest.of(envelope.bytes + envelope.signer.bytes + envelope.signature.bytes, kind: kind)
    if known.contains(digest) { return true }
    verifications += 1
    guard envelope.signer.hasSigned(envelope.bytes, kind: kind, envelope.signature) else { return false }
    if known.count >= capacity { known.removeFirst(capacity / 2) }
    known.append(digest)
    return true
  }
}
