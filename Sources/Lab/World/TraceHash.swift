import Base

/// A running hash of everything that all peers did, with the time: two courses are equal exactly when their hashes are (128 bits; not
/// against an adversary, whom a simulation does not have). Eight bytes a step, as it is taken for every message.
struct TraceHash: Sendable {
  private var a: UInt64 = 0x9E37_79B9_7F4A_7C15
  private var b: UInt64 = 0xD1B5_4A32_D192_ED03
  /// Words taken in.
  private(set) var words: UInt64 = 0

  /// In hexadecimal.
  var text: String {
    func padded(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    return padded(a) + padded(b)
  }

  mutating func add(_ word: UInt64) {
    words += 1
    a = (a ^ word) &* 0xFF51_AFD7_ED55_8CCD
    a ^= a >> 32
    b = (b &+ word) &* 0xC4CE_B9FE_1A85_EC53
    b ^= b >> 29
  }
  mutating func add(_ value: Int) { add(UInt64(bitPattern: Int64(value))) }

  mutating func add(_ bytes: [UInt8]) {
    add(bytes.count)
    bytes.withUnsafeBytes { raw in
      var offset = 0
      while offset + 8 <= raw.count {
        add(UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
        offset += 8
      }
      var rest: UInt64 = 0
      while offset < raw.count {
        rest = rest << 8 | UInt64(raw[offset])
        offset += 1
      }
      add(rest)
    }
  }
  mutating func add(_ text: String) { add(Array(text.utf8)) }
}
