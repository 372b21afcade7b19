import Base
import CSodium

// A verifiable random function: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381 (§5.1–5.5), out of libsodium's public calls. Only the holder
// of a key can compute its output for an input, and anyone can check from the proof that there was no choice in it.
//
// The key is the node's own Ed25519 key, as the suite wants it (§5.5). Its nonces cannot meet those of signatures: a signature's hash
// covers `millrace/v1/…`, a proof's the 32 bytes of a point of the curve.

/// A proof of an output: Gamma ‖ c ‖ s, 80 bytes. Holding one says nothing yet: ``NodeID/output(of:on:)`` does.
public struct VRFProof: Hashable, Sendable {
  /// 32 bytes of a point, 16 of the challenge, 32 of a scalar.
  public let bytes: [UInt8]

  /// - Parameter bytes: exactly 80.
  public init(validating bytes: [UInt8]) throws(VRFFault) {
    guard bytes.count == 80 else { throw .length(bytes.count) }
    self.bytes = bytes
  }

  var gamma: [UInt8] { Array(bytes[..<32]) }
  var challenge: [UInt8] { Array(bytes[32..<48]) }
  var scalar: [UInt8] { Array(bytes[48...]) }

  /// The output that the proof stands for, whoever's it is: `ECVRF_proof_to_hash`. Means nothing before the proof was checked.
  public func output() throws(VRFFault) -> VRFOutput {
    guard let cleared = Curve.timesEight(gamma) else { throw .gamma }
    return VRFOutput(Curve.hash([Curve.suite, 0x03] + cleared + [0x00]))
  }
}

/// What the function gives: 64 bytes, uniform to everyone who does not hold the key. Ordered as unsigned bytes from the left.
public struct VRFOutput: Hashable, Comparable, Sendable {
  /// 64 bytes.
  public let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }
  public static func < (a: VRFOutput, b: VRFOutput) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

/// Why a proof does not hold.
public enum VRFFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Not 80 bytes.
  case length(Int)
  /// The key is no point of the prime-order group, so that it could prove more than one output.
  case key
  /// The proof's first part is no point of the prime-order group.
  case gamma
  /// The proof's last part is no scalar below the group's order.
  case scalar
  /// The parts do not belong together, or to this key and input.
  case challenge

  public var description: String {
    switch self {
    case .length(let count): "\(count) bytes where a proof has 80"
    case .key: "the key is not a point of the prime-order group"
    case .gamma: "its first 32 bytes are not a point of the prime-order group"
    case .scalar: "its last 32 bytes are not a scalar below the group's order"
    case .challenge: "it is not this key's for this input"
    }
  }
}

extension KeyPair {
  /// Proves this key's output for `input`: `ECVRF_prove`. Deterministic.
  public func prove(_ input: [UInt8]) -> VRFProof {
    Sodium.start()
    var hashed = Curve.hash(seed.bytes)
    defer { sodium_memzero(&hashed, hashed.count) }
    var secret = Array(hashed[..<32])
    defer { sodium_memzero(&secret, secret.count) }
    secret[0] &= 248
    secret[31] = secret[31] & 127 | 64
    let point = Curve.point(of: input, salt: id.bytes)
    let gamma = Curve.product(secret, point)!
    var nonce = Curve.reduced(Curve.hash(hashed[32...] + point))
    defer { sodium_memzero(&nonce, nonce.count) }
    let challenge = Curve.challenge(id.bytes, point, gamma, Curve.baseProduct(nonce)!, Curve.product(nonce, point)!)
    return try! VRFProof(validating: gamma + challenge + Curve.sum(nonce, Curve.scalarProduct(challenge, secret)))
  }
}

extension NodeID {
  /// Checks a proof of this key for `input` and returns what it proves: `ECVRF_verify`, with the key validated (§5.4.5).
  public func output(of proof: VRFProof, on input: [UInt8]) throws(VRFFault) -> VRFOutput {
    Sodium.start()
    guard crypto_core_ed25519_is_valid_point(bytes) == 1 else { throw .key }
    guard crypto_core_ed25519_is_valid_point(proof.gamma) == 1 else { throw .gamma }
    guard Curve.isReduced(proof.scalar) else { throw .scalar }
    let point = Curve.point(of: input, salt: bytes)
    let padded = proof.challenge + [UInt8](repeating: 0, count: 16)
    guard let sB = Curve.baseProduct(proof.scalar), let cY = Curve.product(padded, bytes),
      let sH = Curve.product(proof.scalar, point), let cGamma = Curve.product(padded, proof.gamma),
      let u = Curve.difference(sB, cY), let v = Curve.difference(sH, cGamma),
      Curve.challenge(bytes, point, proof.gamma, u, v) == proof.challenge
    else { throw .challenge }
    return try proof.output()
  }
}

/// The suite's arithmetic, as libsodium offers it. Points and scalars are 32 bytes, little-endian; nil where libsodium refuses.
private enum Curve {
  static let suite: UInt8 = 0x03

  static func hash(_ bytes: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 64)
    crypto_hash_sha512(&result, bytes, UInt64(bytes.count))
    return result
  }

  /// `ECVRF_encode_to_curve_try_and_increment` (§5.4.1.1): half of all strings are points, so 256 tries fail never.
  static func point(of input: [UInt8], salt: [UInt8]) -> [UInt8] {
    for counter in UInt8.min...UInt8.max {
      let candidate = Array(hash([suite, 0x01] + salt + input + [counter, 0x00])[..<32])
      if isCanonical(candidate), let point = timesEight(candidate), point != identity { return point }
    }
    preconditionFailure("no point of the curve in 256 tries")
  }

  private static let identity: [UInt8] = [1] + [UInt8](repeating: 0, count: 31)

  /// Whether the y coordinate is below 2^255 − 19, as RFC 8032 §5.1.3 wants it; libsodium's addition does not ask.
  private static func isCanonical(_ point: [UInt8]) -> Bool {
    guard point[31] & 127 == 127, point[1..<31].allSatisfy({ $0 == 255 }) else { return true }
    return point[0] < 0xED
  }

  /// Clears the cofactor by doubling thrice; nil for what is no point of the curve.
  static func timesEight(_ point: [UInt8]) -> [UInt8]? {
    Sodium.start()
    var result = point
    for _ in 0..<3 {
      var doubled = [UInt8](repeating: 0, count: 32)
      guard crypto_core_ed25519_add(&doubled, result, result) == 0 else { return nil }
      result = doubled
    }
    return result
  }

  static func challenge(_ points: [UInt8]...) -> [UInt8] {
    Array(hash([suite, 0x02] + points.flatMap { $0 } + [0x00])[..<16])
  }

  static func product(_ scalar: [UInt8], _ point: [UInt8]) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: 32)
    return crypto_scalarmult_ed25519_noclamp(&result, scalar, point) == 0 ? result : nil
  }

  static func baseProduct(_ scalar: [UInt8]) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: 32)
    return crypto_scalarmult_ed25519_base_noclamp(&result, scalar) == 0 ? result : nil
  }

  static func difference(_ a: [UInt8], _ b: [UInt8]) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: 32)
    return crypto_core_ed25519_sub(&result, a, b) == 0 ? result : nil
  }

  static func reduced(_ wide: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 32)
    crypto_core_ed25519_scalar_reduce(&result, wide)
    return result
  }

  static func isReduced(_ scalar: [UInt8]) -> Bool {
    reduced(scalar + [UInt8](repeating: 0, count: 32)) == scalar
  }

  /// c·x, where c is a challenge of 16 bytes.
  static func scalarProduct(_ challenge: [UInt8], _ scalar: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 32)
    crypto_core_ed25519_scalar_mul(&result, challenge + [UInt8](repeating: 0, count: 16), scalar)
    return result
  }

  static func sum(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 32)
    crypto_core_ed25519_scalar_add(&result, a, b)
    return result
  }
}
