/// Which counters of a session have been seen: the highest and a bitmap of the 128 below it (as in RFC 4303 §3.4.3).
/// Older ones are refused unseen: a datagram overtaken by 128 others is of no use to anyone.
struct ReplayWindow {
  private var next: UInt64 = 0
  /// Bit `i` stands for counter `next - 1 - i`.
  private var seen: UInt128 = 0

  /// Whether `counter` has not been seen and is not too old to know. Costs no cryptography: ask before opening.
  func isFresh(_ counter: UInt64) -> Bool {
    guard counter < next else { return counter < .max }
    let age = next - 1 - counter
    return age < 128 && seen >> UInt128(age) & 1 == 0
  }

  /// Notes an authenticated datagram's counter.
  mutating func mark(_ counter: UInt64) {
    if counter >= next {
      let shift = counter - next + 1
      seen = shift < 128 ? seen << UInt128(shift) | 1 : 1
      next = counter + 1
    } else {
      let age = next - 1 - counter
      if age < 128 { seen |= 1 << UInt128(age) }
    }
  }
}
