/// Thirty-two bytes held inline: a public key, a hash, an identifier. Ordered as unsigned bytes from the left.
public struct Bytes32: Hashable, Comparable, Sendable {
  @usableFromInline let a: UInt64
  @usableFromInline let b: UInt64
  @usableFromInline let c: UInt64
  @usableFromInline let d: UInt64

  /// All zero.
  public static let zero = Bytes32([UInt8](repeating: 0, count: 32))!

  /// - Parameter bytes: exactly 32; nil otherwise.
  @inlinable public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    // Every identifier passes here: specialised where it is called, and no loop.
    if let found = bytes.withContiguousStorageIfAvailable({ Bytes32(loading: UnsafeRawBufferPointer($0)) }) {
      self = found
    } else {
      self = Array(bytes).withUnsafeBytes { Bytes32(loading: $0) }
    }
  }

  /// - Parameter bytes: at least 32.
  @inlinable init(loading bytes: UnsafeRawBufferPointer) {
    a = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    b = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    c = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
    d = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
  }

  /// The 32 bytes, leftmost first.
  @inlinable public var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
      store(in: UnsafeMutableRawBufferPointer(buffer))
      count = 32
    }
  }

  /// Lends the 32 bytes, leftmost first, without an array of them.
  @inlinable public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { buffer in
      store(in: buffer)
      return body(UnsafeRawBufferPointer(buffer))
    }
  }

  @inlinable func store(in target: UnsafeMutableRawBufferPointer) {
    target.storeBytes(of: a.bigEndian, toByteOffset: 0, as: UInt64.self)
    target.storeBytes(of: b.bigEndian, toByteOffset: 8, as: UInt64.self)
    target.storeBytes(of: c.bigEndian, toByteOffset: 16, as: UInt64.self)
    target.storeBytes(of: d.bigEndian, toByteOffset: 24, as: UInt64.self)
  }

  /// The first eight bytes as a big-endian number: a uniform value where the bytes are a hash.
  @inlinable public var prefix64: UInt64 { a }

  /// Keys and hashes are uniform: eight bytes tell them apart as well as all, and every identifier is looked up many times.
  @inlinable public func hash(into hasher: inout Hasher) { hasher.combine(a) }

  @inlinable public static func == (x: Bytes32, y: Bytes32) -> Bool {
    x.a == y.a && x.b == y.b && x.c == y.c && x.d == y.d
  }

  @inlinable public static func < (x: Bytes32, y: Bytes32) -> Bool {
    if x.a != y.a { return x.a < y.a }
    if x.b != y.b { return x.b < y.b }
    if x.c != y.c { return x.c < y.c }
    return x.d < y.d
  }
}

/// Text forms of bytes.
public enum TextForm {
  private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

  /// Lower-case base32 without padding (RFC 4648 §6): 32 bytes become 52 characters.
  public static func base32(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: (bytes.count * 8 + 4) / 5) { text in
      var length = 0
      var buffer: UInt32 = 0
      var bits: UInt32 = 0
      func put(_ value: UInt32) {
        text[length] = alphabet[Int(value & 31)]
        length += 1
      }
      for byte in bytes {
        buffer = buffer << 8 | UInt32(byte)
        bits += 8
        while bits >= 5 {
          bits -= 5
          put(buffer >> bits)
        }
      }
      if bits > 0 { put(buffer << (5 - bits)) }
      return length
    }
  }

  /// The bytes of lower-case base32 text; nil for a character outside the alphabet or stray bits at the end.
  public static func bytes(base32 text: some StringProtocol) -> [UInt8]? {
    var result = [UInt8]()
    var buffer: UInt32 = 0
    var bits: UInt32 = 0
    for character in text.utf8 {
      guard let value = alphabet.firstIndex(of: character) else { return nil }
      buffer = buffer << 5 | UInt32(value)
      bits += 5
      if bits >= 8 {
        bits -= 8
        result.append(UInt8(truncatingIfNeeded: buffer >> bits))
        buffer &= (1 << bits) - 1
      }
    }
    return buffer == 0 && bits < 5 ? result : nil
  }

  /// Lower-case hexadecimal.
  public static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
