/// The only randomness of the pure rooms: xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64.
/// One seed gives one sequence, in every process and build. Never for keys or nonces.
public struct SeededRandom: Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  /// - Parameter seed: any value; nearby seeds give unrelated sequences.
  public init(seed: UInt64) {
    var mixer = seed
    func mixed() -> UInt64 {
      mixer &+= 0x9E37_79B9_7F4A_7C15
      var z = mixer
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    state = (mixed(), mixed(), mixed(), mixed())
  }

  /// The next 64 uniform bits.
  public mutating func next() -> UInt64 {
    func rotated(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
    let result = rotated(state.1 &* 5, 7) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = rotated(state.3, 45)
    return result
  }

  /// A uniform index in `0..<count`, without modulo bias (Lemire, 2019). `count` must be positive.
  public mutating func index(below count: Int) -> Int {
    precondition(count > 0, "an index below \(count) does not exist")
    let bound = UInt64(count)
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return Int(product.high)
  }

  /// A uniform fraction in `0..<1`, with 53 bits.
  public mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// The elements in a uniformly random order (Fisher and Yates).
  public mutating func permuted<Element>(_ elements: some Collection<Element>) -> [Element] {
    var result = Array(elements)
    for last in stride(from: result.count - 1, to: 0, by: -1) { result.swapAt(last, index(below: last + 1)) }
    return result
  }
}
