import Base
import CSodium
import Identity
import NIOSSL
import SwiftASN1

/// The X.509 certificate that a node's key makes for itself (RFC 8410), so that TLS authenticates node IDs.
///
/// Only the key in it means anything: TLS 1.3's CertificateVerify proves that the peer holds it. Names, dates and the
/// self-signature are there because the format wants them.
enum NodeCertificate {
  /// id-Ed25519.
  private static let algorithm: ASN1ObjectIdentifier = [1, 3, 101, 112]

  static func make(for keys: KeyPair) throws -> (NIOSSLCertificate, NIOSSLPrivateKey) {
    (
      try NIOSSLCertificate(bytes: certificate(for: keys), format: .der),
      try NIOSSLPrivateKey(bytes: privateKey(of: keys), format: .der)
    )
  }

  /// The node that a certificate speaks for; nil when its key is not Ed25519 or it comes with a chain.
  static func node(of chain: [NIOSSLCertificate]) -> NodeID? { chain.count == 1 ? node(of: chain[0]) : nil }

  /// The node that a certificate speaks for; nil when its key is not Ed25519.
  static func node(of certificate: NIOSSLCertificate) -> NodeID? {
    guard let found = try? certificate.extractPublicKey().toSPKIBytes(), found.count == 44,
      let key = Bytes32(found.suffix(32)), let expected = try? publicKey(NodeID(key)), found == expected
    else { return nil }
    return NodeID(key)
  }

  private static func certificate(for keys: KeyPair) throws -> [UInt8] {
    let body = try encoded { body in
      try body.serialize(2, explicitlyTaggedWithTagNumber: 0, tagClass: .contextSpecific)  // X.509 v3
      try body.serialize(1)  // serial number
      try algorithm(into: &body)
      try name(into: &body)
      try body.appendConstructedNode(identifier: .sequence) { validity in
        try validity.serialize(UTCTime(year: 2000, month: 1, day: 1, hours: 0, minutes: 0, seconds: 0))
        // RFC 5280 §4.1.2.5: no well-defined expiration date.
        try validity.serialize(
          GeneralizedTime(
            year: 9999, month: 12, day: 31, hours: 23, minutes: 59, seconds: 59, rawFractionalSeconds: []))
      }
      try name(into: &body)
      body.serializeRawBytes(try publicKey(keys.id))
    }
    return try encoded { certificate in
      certificate.serializeRawBytes(body)
      try algorithm(into: &certificate)
      try certificate.serialize(ASN1BitString(bytes: sign(body, keys)[...]))
    }
  }

  /// PKCS #8.
  private static func privateKey(of keys: KeyPair) throws -> [UInt8] {
    try encoded { key in
      try key.serialize(0)
      try algorithm(into: &key)
      let seed = try encoded(as: .octetString, keys.seed.bytes)
      try key.serialize(ASN1OctetString(contentBytes: seed[...]))
    }
  }

  /// SubjectPublicKeyInfo.
  private static func publicKey(_ node: NodeID) throws -> [UInt8] {
    try encoded { info in
      try algorithm(into: &info)
      try info.serialize(ASN1BitString(bytes: node.bytes[...]))
    }
  }

  private static func algorithm(into coder: inout DER.Serializer) throws {
    try coder.appendConstructedNode(identifier: .sequence) { try $0.serialize(algorithm) }
  }

  private static func name(into coder: inout DER.Serializer) throws {
    try coder.appendConstructedNode(identifier: .sequence) { names in
      try names.appendConstructedNode(identifier: .set) { set in
        try set.appendConstructedNode(identifier: .sequence) { attribute in
          try attribute.serialize([2, 5, 4, 3] as ASN1ObjectIdentifier)  // common name
          try attribute.serialize(ASN1UTF8String("millrace node"))
        }
      }
    }
  }

  private static func encoded(_ content: (inout DER.Serializer) throws -> Void) throws -> [UInt8] {
    var coder = DER.Serializer()
    try coder.appendConstructedNode(identifier: .sequence, content)
    return coder.serializedBytes
  }

  private static func encoded(as identifier: ASN1Identifier, _ bytes: [UInt8]) throws -> [UInt8] {
    var coder = DER.Serializer()
    coder.appendPrimitiveNode(identifier: identifier) { $0.append(contentsOf: bytes) }
    return coder.serializedBytes
  }

  /// A plain Ed25519 signature, as X.509 wants it. It cannot serve as one of Millrace's statements: those begin with
  /// `millrace/`, DER with 0x30.
  private static func sign(_ bytes: [UInt8], _ keys: KeyPair) -> [UInt8] {
    var publicKey = [UInt8](repeating: 0, count: Int(crypto_sign_PUBLICKEYBYTES))
    var secretKey = [UInt8](repeating: 0, count: Int(crypto_sign_SECRETKEYBYTES))
    defer { sodium_memzero(&secretKey, secretKey.count) }
    crypto_sign_seed_keypair(&publicKey, &secretKey, keys.seed.bytes)
    var signature = [UInt8](repeating: 0, count: Int(crypto_sign_BYTES))
    crypto_sign_detached(&signature, nil, bytes, UInt64(bytes.count), secretKey)
    return signature
  }
}

/// The two TLS contexts of a peer: 1.3 only, Ed25519 only, certificates required both ways, no certificate authorities.
struct LinkSecurity {
  let server: NIOSSLContext
  let client: NIOSSLContext

  init(keys: KeyPair) throws {
    let (certificate, key) = try NodeCertificate.make(for: keys)
    func configured(_ base: TLSConfiguration) -> TLSConfiguration {
      var tls = base
      tls.certificateChain = [.certificate(certificate)]
      tls.privateKey = .privateKey(key)
      tls.minimumTLSVersion = .tlsv13
      tls.maximumTLSVersion = .tlsv13
      // Not `.none`, which would ask no certificate of the client and skip the verification callback.
      tls.certificateVerification = .noHostnameVerification
      // Not the default, which loads the system's authorities: 1 MB and 15 ms a context.
      tls.trustRoots = .certificates([])
      tls.signingSignatureAlgorithms = [.ed25519]
      tls.verifySignatureAlgorithms = [.ed25519]
      return tls
    }
    server = try NIOSSLContext(
      configuration: configured(
        .makeServerConfiguration(certificateChain: [.certificate(certificate)], privateKey: .privateKey(key))))
    client = try NIOSSLContext(configuration: configured(.makeClientConfiguration()))
  }
}
