import Base
import Synchronization

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
///
/// One allocation, shared by all who hold it: tables of thousands of records copy references.
public struct Signed<Body: Statement>: Sendable, Hashable {
  @usableFromInline let box: VerifiedBox<Body>

  /// The checked statement.
  @inlinable public var body: Body { box.body }
  /// The bytes that were signed.
  @inlinable public var bytes: [UInt8] { box.bytes }
  /// How many these are.
  @inlinable public var byteCount: Int { box.count }
  /// Who signed.
  @inlinable public var signer: NodeID { box.signer }
  /// The signature over ``bytes``, domain-separated by `Body.kind`.
  @inlinable public var signature: Signature { box.signature }

  /// Signs `body`.
  public init(_ body: Body, by keys: KeyPair) {
    let bytes = body.encoded()
    box = VerifiedBox(body, bytes, keys.id, keys.sign(bytes, kind: Body.kind), isChecked: false)
  }

  /// Checks what was received; the signature first, then the content.
  public init(verifying envelope: SignedEnvelope, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    if let known = envelope.verified(as: Body.self) {
      self = known
      return
    }
    guard verified.check(envelope, kind: Body.kind) else { throw Signed.refusal(of: envelope) }
    try self.init(trusting: envelope)
  }

  /// Checks what was received, without a cache of earlier checks.
  public init(verifying envelope: SignedEnvelope) throws(InvalidMessage) {
    if let known = envelope.verified(as: Body.self) {
      self = known
      return
    }
    guard envelope.isSigned(as: Body.kind) else { throw Signed.refusal(of: envelope) }
    try self.init(trusting: envelope)
  }

  /// Checks the signature under what was read before.
  public init(verifying claim: Unverified<Body>) throws(InvalidMessage) {
    guard claim.envelope.isSigned(as: Body.kind) else { throw Signed.refusal(of: claim.envelope) }
    self.init(trusting: claim)
  }

  private init(trusting envelope: SignedEnvelope) throws(InvalidMessage) {
    self.init(trusting: try Unverified(reading: envelope))
  }

  private init(trusting claim: Unverified<Body>) {
    let envelope = claim.envelope
    box = VerifiedBox(claim.body, envelope.bytes, envelope.signer, envelope.signature, isChecked: true)
    (envelope.box as? VerifiedBox<Body>)?.remember(box)
  }

  private static func refusal(of envelope: SignedEnvelope) -> InvalidMessage {
    InvalidMessage(Body.kind, "the signature is not \(envelope.signer.short)…'s over these bytes")
  }

  @usableFromInline init(_ box: VerifiedBox<Body>) { self.box = box }

  /// For the wire.
  @inlinable public var envelope: SignedEnvelope { SignedEnvelope(box) }

  /// Whether an envelope holds the same bytes, under whatever signature.
  public func saysTheSame(as envelope: SignedEnvelope) -> Bool { box === envelope.box || bytes == envelope.bytes }

  /// Names this signed statement.
  public var digest: Bytes32 { Digest.of(bytes + signer.bytes, kind: Body.kind) }

  public static func == (a: Self, b: Self) -> Bool { a.envelope == b.envelope }
  public func hash(into hasher: inout Hasher) { envelope.hash(into: &hasher) }
}

/// Signed bytes as they travel, not yet checked.
public struct SignedEnvelope: Hashable, Sendable {
  @usableFromInline let box: EnvelopeBox

  /// What was signed.
  @inlinable public var bytes: [UInt8] { box.bytes }
  /// How many these are.
  @inlinable public var byteCount: Int { box.count }
  /// Who is said to have signed.
  @inlinable public var signer: NodeID { box.signer }
  /// The signature to be checked.
  @inlinable public var signature: Signature { box.signature }

  /// Unchecked parts; see ``Signed/init(verifying:using:)``.
  public init(bytes: [UInt8], signer: NodeID, signature: Signature) { box = EnvelopeBox(bytes, signer, signature) }

  @usableFromInline init(_ box: EnvelopeBox) { self.box = box }

  /// The statement, where this envelope is that of a value whose signature and content were checked in this very process: what was
  /// verified once is not verified again. Nil for whatever came as bytes, and for what was signed here and never checked.
  @inlinable public func verified<Body: Statement>(as kind: Body.Type) -> Signed<Body>? {
    guard type(of: box) == VerifiedBox<Body>.self else { return nil }
    let own = unsafeDowncast(box, to: VerifiedBox<Body>.self)
    return own.isChecked ? Signed(own) : own.checked.map { Signed($0) }
  }

  /// Looks at what ``verified(as:)`` would give, where it lies: most of what gossip brings is known already, and to hold it for the
  /// length of a look costs two writes to memory that all who hold it share.
  @inlinable public func look<Body: Statement, Seen>(as kind: Body.Type, _ see: (borrowing Body) -> Seen) -> Seen? {
    guard type(of: box) == VerifiedBox<Body>.self else { return nil }
    let own = unsafeDowncast(box, to: VerifiedBox<Body>.self)
    return own.isChecked ? see(own.body) : own.checked.map { see($0.body) }
  }

  fileprivate func isSigned(as kind: String) -> Bool { signer.hasSigned(bytes, kind: kind, signature) }

  public static func == (a: Self, b: Self) -> Bool {
    a.box === b.box || (a.signer == b.signer && a.bytes == b.bytes && a.signature == b.signature)
  }
  public func hash(into hasher: inout Hasher) { hasher.combine(box.signature) }
}

/// What an envelope says, its content checked and its signature not yet: enough to see that it is no news, which saves a signature check.
/// It is made of the envelope alone, so whoever checks the signature afterwards need not read the bytes again.
public struct Unverified<Body: Statement>: Sendable {
  fileprivate let envelope: SignedEnvelope
  /// What whoever made the envelope says that the signer says.
  public let body: Body

  /// Reads and checks the content.
  public init(reading envelope: SignedEnvelope) throws(InvalidMessage) {
    self.envelope = envelope
    body = try Body(validating: envelope.bytes)
  }
}

/// What an envelope holds. Only a `VerifiedBox` says that it was checked, and only `Signed` makes one.
@usableFromInline class EnvelopeBox: @unchecked Sendable {
  @usableFromInline final let signer: NodeID
  /// Of ``bytes``, which lie elsewhere: each datagram asks how long the records are that it carries, and hardly any what they say.
  @usableFromInline final let count: Int
  @usableFromInline final let bytes: [UInt8]
  @usableFromInline final let signature: Signature

  init(_ bytes: [UInt8], _ signer: NodeID, _ signature: Signature) {
    self.bytes = bytes
    count = bytes.count
    self.signer = signer
    self.signature = signature
  }
}

@usableFromInline final class VerifiedBox<Body: Statement>: EnvelopeBox, @unchecked Sendable {
  @usableFromInline final let body: Body
  /// Signature and content were checked; otherwise it was signed here, out of a value that nobody has read from its bytes.
  @usableFromInline final let isChecked: Bool
  private let fromBytes = Mutex<VerifiedBox<Body>?>(nil)

  init(_ body: Body, _ bytes: [UInt8], _ signer: NodeID, _ signature: Signature, isChecked: Bool) {
    self.body = body
    self.isChecked = isChecked
    super.init(bytes, signer, signature)
  }

  /// The same, as whoever checked it first read it from the bytes; nil before.
  @usableFromInline var checked: VerifiedBox<Body>? { fromBytes.withLock { $0 } }
  func remember(_ read: VerifiedBox<Body>) { fromBytes.withLock { $0 = $0 ?? read } }
}

/// Remembers which signed bytes were found good, so that a record that arrives by ten ways is verified once. Copies share what they
/// remember: all rooms of a peer are given the same. That changes no answer, only what it costs.
public struct VerifiedDigests: Sendable {
  fileprivate final class Table: Sendable {
    struct Content {
      var known: OrderedSet<Bytes32> = []
      var verifications = 0
    }
    let content = Mutex(Content())
  }
  private let table = Table()
  private let capacity: Int

  /// Signatures checked by public-key work so far.
  public var verifications: Int { table.content.withLock { $0.verifications } }

  /// - Parameter capacity: digests remembered; the oldest half goes when it is full.
  public init(capacity: Int = 32_768) { self.capacity = capacity }

  /// Whether the signature is good; costs a hash when the same was asked before.
  public mutating func check(_ envelope: SignedEnvelope, kind: String) -> Bool {
    let digest = VerifiedDigests.digest(of: envelope, kind: kind)
    if table.content.withLock({ $0.known.contains(digest) }) { return true }
    let isGood = envelope.isSigned(as: kind)
    table.content.withLock { content in
      content.verifications += 1
      if isGood { content.remember(digest, capacity) }
    }
    return isGood
  }

  /// What this peer signed itself will come back to it, among others' votes or in a report: that it is good is known.
  public mutating func note<Body: Statement>(own statement: Signed<Body>) {
    let digest = VerifiedDigests.digest(of: statement.envelope, kind: Body.kind)
    table.content.withLock { $0.remember(digest, capacity) }
  }

  private static func digest(of envelope: SignedEnvelope, kind: String) -> Bytes32 {
    Digest.of(envelope.bytes, by: (envelope.signer, envelope.signature), kind: kind)
  }
}

extension VerifiedDigests.Table.Content {
  fileprivate mutating func remember(_ digest: Bytes32, _ capacity: Int) {
    if known.count >= capacity { known.removeFirst(capacity / 2) }
    known.append(digest)
  }
}
