import Base
import Identity
import Testing

private struct Remark: Statement {
  static let kind = "remark"
  let text: [UInt8]
  init(_ text: String) { self.text = Array(text.utf8) }
  init(validating bytes: [UInt8]) throws(InvalidMessage) {
    guard bytes.count < 10 else {
      throw InvalidMessage("Remark.text", "\(bytes.count) bytes where at most 9 are allowed")
    }
    text = bytes
  }
  func encoded() -> [UInt8] { text }
}

@Suite("Identity")
struct IdentityTests {
  let keys = KeyPair(seed: Bytes32((0..<32).map { UInt8($0) })!)

  @Test("a node ID is the Ed25519 public key of the seed")
  func identifier() {
    // RFC 8032's key derivation for the seed 00 01 … 1f, as other implementations give it.
    #expect(TextForm.hexadecimal(keys.id.bytes) == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
    #expect(NodeID(keys.id.description) == keys.id)
    #expect(NodeID("short") == nil)
  }

  @Test("a signed statement keeps its bytes and verifies")
  func signing() throws {
    let signed = Signed(Remark("hello"), by: keys)
    #expect(try Signed<Remark>(verifying: signed.envelope) == signed)
  }

  @Test("one changed bit anywhere is refused", arguments: ["bytes", "signature", "signer"])
  func tampering(part: String) {
    let good = Signed(Remark("hello"), by: keys).envelope
    var (bytes, signature, signer) = (good.bytes, good.signature.bytes, good.signer.bytes)
    switch part {
    case "bytes": bytes[0] ^= 1
    case "signature": signature[40] ^= 1
    default: signer[3] ^= 1
    }
    let bad = SignedEnvelope(bytes: bytes, signer: NodeID(Bytes32(signer)!), signature: Signature(signature)!)
    #expect(throws: InvalidMessage.self) { try Signed<Remark>(verifying: bad) }
    // Its content may well be fine.
    if let unverified = try? Unverified<Remark>(reading: bad) {
      #expect(throws: InvalidMessage.self) { try Signed(verifying: unverified) }
    }
  }

  @Test("what was read before its signature was checked is what was signed, and from then on looked at where it lies")
  func unverified() throws {
    let envelope = Signed(Remark("hello"), by: keys).envelope
    #expect(envelope.look(as: Remark.self) { $0.text } == nil, "nobody has checked it yet")
    let unverified = try Unverified<Remark>(reading: envelope)
    #expect(unverified.body == Remark("hello"))
    #expect(envelope.look(as: Remark.self) { $0.text } == nil, "its signature is not checked yet")
    let signed = try Signed(verifying: unverified)
    #expect(signed.envelope == envelope && signed.byteCount == envelope.bytes.count)
    #expect(envelope.look(as: Remark.self) { $0.text } == Array("hello".utf8))
    #expect(signed.envelope.look(as: Remark.self) { $0.text } == Array("hello".utf8))
    #expect(asReceived(signed).look(as: Remark.self) { $0.text } == nil, "as bytes it is unchecked again")
  }

  @Test("a signature serves for one kind of statement only")
  func kinds() {
    let signature = keys.sign([1, 2, 3], kind: "vote")
    #expect(keys.id.hasSigned([1, 2, 3], kind: "vote", signature))
    #expect(!keys.id.hasSigned([1, 2, 3], kind: "snapshot", signature))
  }

  @Test("the same signed bytes are verified once")
  func cache() throws {
    var verified = VerifiedDigests()
    let envelope = Signed(Remark("hello"), by: keys).envelope
    for _ in 0..<5 { _ = try Signed<Remark>(verifying: envelope, using: &verified) }
    #expect(verified.verifications == 1)
  }

  @Test("all rooms of a peer that share a table verify the same bytes once, and never what the peer signed itself")
  func sharedCache() throws {
    var (one, signed) = (VerifiedDigests(), Signed(Remark("own"), by: keys))
    var other = one
    let envelope = asReceived(Signed(Remark("hello"), by: KeyPair.generate()))
    _ = try Signed<Remark>(verifying: envelope, using: &one)
    _ = try Signed<Remark>(verifying: envelope, using: &other)
    #expect(one.verifications == 1 && other.verifications == 1)
    one.note(own: signed)
    signed = try Signed(verifying: asReceived(signed), using: &other)
    #expect(other.verifications == 1)
    // Another's signature over the same bytes was not seen.
    let forged = SignedEnvelope(bytes: signed.bytes, signer: signed.signer, signature: envelope.signature)
    let isTaken = other.check(forged, kind: Remark.kind)
    #expect(!isTaken)
  }

  /// As bytes bring it, without the knowledge that this process made it.
  private func asReceived(_ statement: Signed<Remark>) -> SignedEnvelope {
    SignedEnvelope(bytes: statement.bytes, signer: statement.signer, signature: statement.signature)
  }

  @Test("a good signature over invalid content is still refused")
  func content() {
    let envelope = Signed(Remark("far too long a remark"), by: keys).envelope
    #expect(throws: InvalidMessage("Remark.text", "21 bytes where at most 9 are allowed")) {
      try Signed<Remark>(verifying: envelope)
    }
  }

  @Test("two peers seal for each other, and for no other incarnation")
  func sealing() throws {
    let other = KeyPair.generate()
    let mine = try #require(PairwiseKey(keys, ownIncarnation: 5, peer: other.id, peerIncarnation: 9))
    let theirs = try #require(PairwiseKey(other, ownIncarnation: 9, peer: keys.id, peerIncarnation: 5))
    let sealed = mine.seal([1, 2, 3], context: [7])
    #expect(theirs.open(sealed, context: [7]) == [1, 2, 3])
    #expect(theirs.open(sealed, context: [8]) == nil)
    let restarted = try #require(PairwiseKey(other, ownIncarnation: 10, peer: keys.id, peerIncarnation: 5))
    #expect(restarted.open(sealed, context: [7]) == nil)
    #expect(theirs.open(Array(sealed.dropLast()), context: [7]) == nil)
  }

  @Test("a digest in pieces is the digest of the whole")
  func digest() {
    var pieces = IncrementalDigest(kind: "source")
    pieces.update([1, 2])
    pieces.update([3])
    #expect(pieces.finish() == Digest.of([1, 2, 3], kind: "source"))
  }

  @Test("no description shows a secret")
  func secrecy() {
    #expect(!"\(keys)".contains(TextForm.hexadecimal(keys.seed.bytes).prefix(8)))
    #expect("\(keys)".count < 30)
  }
}
