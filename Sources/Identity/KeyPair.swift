import Base
import CSodium

/// A peer's or client's Ed25519 key pair. The seed is wiped when the last copy goes, and no description shows it.
public struct KeyPair: Sendable, CustomStringConvertible {
  /// The public half.
  public let id: NodeID
  private let secret: Secret

  /// A fresh pair from the system's randomness.
  public static func generate() -> KeyPair {
    Sodium.start()
    var seed = [UInt8](repeating: 0, count: 32)
    randombytes_buf(&seed, seed.count)
    return KeyPair(seed: Bytes32(seed)!)
  }

  /// - Parameter seed: the 32-byte Ed25519 seed (RFC 8032 §5.1.5).
  public init(seed: Bytes32) {
    Sodium.start()
    var publicKey = [UInt8](repeating: 0, count: Int(crypto_sign_PUBLICKEYBYTES))
    var secretKey = [UInt8](repeating: 0, count: Int(crypto_sign_SECRETKEYBYTES))
    crypto_sign_seed_keypair(&publicKey, &secretKey, seed.bytes)
    id = NodeID(Bytes32(publicKey)!)
    secret = Secret(secretKey)
    sodium_memzero(&secretKey, secretKey.count)
  }

  /// The seed, for the key file and for TLS only.
  public var seed: Bytes32 { Bytes32(secret.bytes.prefix(32))! }

  /// Signs `"millrace/v1/<kind>" ‖ 0 ‖ bytes`; deterministic.
  public func sign(_ bytes: [UInt8], kind: String) -> Signature {
    var signature = [UInt8](repeating: 0, count: Int(crypto_sign_BYTES))
    let message = Domain.separated(bytes, kind: kind)
    crypto_sign_detached(&signature, nil, message, UInt64(message.count), secret.bytes)
    return Signature(signature)!
  }

  /// The X25519 secret of this identity (32 bytes), for ``PairwiseKey``.
  var agreementSecret: [UInt8] {
    var result = [UInt8](repeating: 0, count: Int(crypto_scalarmult_curve25519_BYTES))
    crypto_sign_ed25519_sk_to_curve25519(&result, secret.bytes)
    return result
  }

  public var description: String { "KeyPair(\(id.short)…)" }

  private final class Secret: Sendable {
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
    deinit {
      bytes.withUnsafeBytes { sodium_memzero(UnsafeMutableRawPointer(mutating: $0.baseAddress!), $0.count) }
    }
  }
}

extension NodeID {
  /// Whether `signature` is this key's over `"millrace/v1/<kind>" ‖ 0 ‖ bytes`. About 75 µs.
  public func hasSigned(_ bytes: [UInt8], kind: String, _ signature: Signature) -> Bool {
    Sodium.start()
    let message = Domain.separated(bytes, kind: kind)
    return key.withBytes { key in
      crypto_sign_verify_detached(
        signature.bytes, message, UInt64(message.count), key.baseAddress!.assumingMemoryBound(to: UInt8.self)) == 0
    }
  }
}

/// One signature never serves for another kind of statement.
enum Domain {
  static func separated(_ bytes: [UInt8], kind: String) -> [UInt8] {
    var message = [UInt8]()
    message.reserveCapacity(kind.utf8.count + bytes.count + 13)
    begin(kind) { message.append(contentsOf: $0) }
    message.append(contentsOf: bytes)
    return message
  }

  /// `"millrace/v1/<kind>" ‖ 0`, in pieces.
  static func begin(_ kind: String, _ take: (UnsafeBufferPointer<UInt8>) -> Void) {
    var (house, kind, end) = ("millrace/v1/", kind, UInt8(0))
    house.withUTF8(take)
    kind.withUTF8(take)
    withUnsafePointer(to: &end) { take(UnsafeBufferPointer(start: $0, count: 1)) }
  }
}

enum Sodium {
  /// libsodium wants one `sodium_init` before anything else; later calls are a load and a compare.
  static let started: Void = {
    precondition(sodium_init() >= 0, "libsodium could not start: no source of randomness")
  }()
  static func start() { _ = started }
}

/// BLAKE2b (RFC 7693), 32 bytes, domain-separated by `kind`.
public enum Digest {
  /// The digest of `"millrace/v1/<kind>" ‖ 0 ‖ bytes`.
  public static func of(_ bytes: [UInt8], kind: String) -> Bytes32 {
    of(bytes, by: nil, kind: kind)
  }

  /// The digest of `bytes`, who signed them, and the signature, in a row.
  static func of(_ bytes: [UInt8], by signed: (signer: NodeID, signature: Signature)?, kind: String) -> Bytes32 {
    var digest = IncrementalDigest(kind: kind)
    digest.update(bytes)
    if let signed {
      signed.signer.key.withBytes { digest.update($0) }
      digest.update(signed.signature.bytes)
    }
    return digest.finish()
  }
}

/// BLAKE2b over what comes in pieces: a file's content, say.
public struct IncrementalDigest: ~Copyable {
  private let state: UnsafeMutableRawPointer

  /// - Parameter kind: domain separation, as in ``Digest/of(_:kind:)``.
  public init(kind: String) {
    Sodium.start()
    state = .allocate(byteCount: crypto_generichash_statebytes(), alignment: 64)
    crypto_generichash_init(OpaquePointer(state), nil, 0, 32)
    let state = OpaquePointer(state)
    Domain.begin(kind) { crypto_generichash_update(state, $0.baseAddress, UInt64($0.count)) }
  }

  deinit { state.deallocate() }

  /// Takes in the next piece.
  public mutating func update(_ bytes: [UInt8]) {
    crypto_generichash_update(OpaquePointer(state), bytes, UInt64(bytes.count))
  }

  /// Takes in the next piece.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    crypto_generichash_update(OpaquePointer(state), start, UInt64(bytes.count))
  }

  /// The digest of all pieces.
  public consuming func finish() -> Bytes32 {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { result in
      crypto_generichash_final(OpaquePointer(state), result.baseAddress!, result.count)
      return Bytes32(result)!
    }
  }
}
