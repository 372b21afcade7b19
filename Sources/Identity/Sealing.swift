import Base
import CSodium

/// The symmetric key of two peers for sealed datagrams (XChaCha20-Poly1305): BLAKE2b over their X25519 agreement, both
/// identities and both incarnations, so that a restart voids old datagrams. Costs 115 µs to make: cache it.
public struct PairwiseKey: Sendable {
  private let key: [UInt8]
  /// Which of the two directions this peer sends in, so that both may count from zero under the one key.
  private let sendsLow: Bool
  /// Names this key on the wire: eight bytes that say nothing of the key and that a stranger cannot guess.
  public let session: UInt64

  /// Nil when `peer` is not a point of the curve.
  /// - Parameters:
  ///   - ownIncarnation: drawn by this peer at its start.
  ///   - peerIncarnation: as last heard from the peer; 0 before the first contact.
  public init?(_ own: KeyPair, ownIncarnation: UInt64, peer: NodeID, peerIncarnation: UInt64) {
    Sodium.start()
    var point = [UInt8](repeating: 0, count: Int(crypto_scalarmult_curve25519_BYTES))
    var shared = [UInt8](repeating: 0, count: Int(crypto_scalarmult_BYTES))
    guard crypto_sign_ed25519_pk_to_curve25519(&point, peer.bytes) == 0,
      crypto_scalarmult(&shared, own.agreementSecret, point) == 0
    else { return nil }
    func line(_ id: NodeID, _ incarnation: UInt64) -> [UInt8] {
      id.bytes + withUnsafeBytes(of: incarnation.bigEndian) { Array($0) }
    }
    let (mine, theirs) = (line(own.id, ownIncarnation), line(peer, peerIncarnation))
    key = Digest.of(shared + (own.id < peer ? mine + theirs : theirs + mine), kind: "pairwise").bytes
    sendsLow = own.id < peer
    session = Digest.of(key, kind: "pairwise-session").prefix64
  }

  /// nonce (24) ‖ ciphertext ‖ tag (16): 40 bytes longer than `plain`. `context` is authenticated, not sent.
  public func seal(_ plain: [UInt8], context: [UInt8]) -> [UInt8] {
    var nonce = [UInt8](repeating: 0, count: 24)
    randombytes_buf(&nonce, 24)
    var sealed = [UInt8](repeating: 0, count: plain.count + 16)
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      &sealed, nil, plain, UInt64(plain.count), context, UInt64(context.count), nil, nonce, key)
    return nonce + sealed
  }

  /// The plain bytes; nil when the datagram is not from the peer, was altered, or belongs to another incarnation.
  public func open(_ datagram: [UInt8], context: [UInt8]) -> [UInt8]? {
    guard datagram.count >= 40 else { return nil }
    var plain = [UInt8](repeating: 0, count: datagram.count - 40)
    let opened = datagram.withUnsafeBufferPointer { bytes in
      crypto_aead_xchacha20poly1305_ietf_decrypt(
        &plain, nil, nil, bytes.baseAddress! + 24, UInt64(datagram.count - 24), context, UInt64(context.count),
        bytes.baseAddress!, key)
    }
    return opened == 0 ? plain : nil
  }

  /// ciphertext ‖ tag (16), with direction and counter as the nonce, which need not be sent: 16 bytes longer than `plain`.
  /// - Parameter counter: never twice for one key; the caller counts.
  public func seal(_ plain: [UInt8], counter: UInt64, context: [UInt8]) -> [UInt8] {
    var sealed = [UInt8](repeating: 0, count: plain.count + 16)
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      &sealed, nil, plain, UInt64(plain.count), context, UInt64(context.count), nil,
      PairwiseKey.nonce(counter, low: sendsLow), key)
    return sealed
  }

  /// The plain bytes of what the peer sealed under this counter; nil when it did not.
  public func open(_ sealed: ArraySlice<UInt8>, counter: UInt64, context: [UInt8]) -> [UInt8]? {
    guard sealed.count >= 16 else { return nil }
    var plain = [UInt8](repeating: 0, count: sealed.count - 16)
    let opened = sealed.withUnsafeBufferPointer { bytes in
      crypto_aead_xchacha20poly1305_ietf_decrypt(
        &plain, nil, nil, bytes.baseAddress!, UInt64(bytes.count), context, UInt64(context.count),
        PairwiseKey.nonce(counter, low: !sendsLow), key)
    }
    return opened == 0 ? plain : nil
  }

  private static func nonce(_ counter: UInt64, low: Bool) -> [UInt8] {
    [low ? 1 : 2] + [UInt8](repeating: 0, count: 15) + withUnsafeBytes(of: counter.bigEndian) { Array($0) }
  }
}
