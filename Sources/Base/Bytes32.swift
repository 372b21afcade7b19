/// Thirty-two bytes held inline: a public key, a hash, an identifier. Ordered as unsigned bytes from the left.
public struct Bytes32: Hashable, Comparable, Sendable {
  private let a: UInt64
  private let b: UInt64
  private let c: UInt64
  private let d: UInt64

  /// All zero.
  public static let zero = Bytes32([UInt8](repeating: 0, count: 32))!

  /// - Parameter bytes: exactly 32; nil otherwise.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    // One call for all bytes: a generic loop over them is not specialised beyond this module, and every identifier passes here.
    if let found = bytes.withContiguousStorageIfAvailable({ Bytes32(loading: UnsafeRawBufferPointer($0)) }) {
      self = found
    } else {
      self = Array(bytes).withUnsafeBytes { Bytes32(loading: $0) }
    }
  }

  private init(loading bytes: UnsafeRawBufferPointer) {
    func word(_ number: Int) -> UInt64 {
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: number * 8, as: UInt64.self))
    }
    (a, b, c, d) = (word(0), word(1), word(2), word(3))
  }

  /// The 32 bytes, leftmost first.
  public var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
      let target = UnsafeMutableRawBufferPointer(buffer)
      for (number, word) in [a, b, c, d].enumerated() {
        target.storeBytes(of: word.bigEndian, toByteOffset: number * 8, as: UInt64.self)
      }
      count = 32
    }
  }

  /// The first eight bytes as a big-endian number: a uniform value where the bytes are a hash.
  public var prefix64: UInt64 { a }

  /// Keys and hashes are uniform: eight bytes tell them apart as well as all, and every identifier is looked up many times.
  public func hash(into hasher: inout Hasher) { hasher.combine(a) }

  public static func < (x: Bytes32, y: Bytes32) -> Bool {
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
