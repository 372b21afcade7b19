import Base
import Foundation

// What figures are worth: shares with Wilson's interval, quantiles with the interval of their ranks, means with that of Student's shape
// at large numbers; all at 95 %.

/// A figure with its interval.
public struct Estimate: Hashable, Sendable, Codable {
  /// The figure; nil: nothing was measured.
  public var value: Double?
  /// 95 %; nil where it cannot be told.
  public var low: Double?
  /// 95 %.
  public var high: Double?
  /// Observations.
  public var count: Int

  /// See the properties.
  public init(value: Double?, low: Double? = nil, high: Double? = nil, count: Int) {
    (self.value, self.low, self.high, self.count) = (value, low, high, count)
  }
  /// Nil where there is none.
  public var interval: ClosedRange<Double>? { low.flatMap { low in high.map { min(low, $0)...max(low, $0) } } }

  static let z = 1.959_964
}

enum Statistics {
  /// Wilson, 1927: right for shares near 0 and 1 and for few observations.
  static func share(_ hits: Int, of count: Int) -> Estimate {
    guard count > 0 else { return Estimate(value: nil, count: 0) }
    let (n, p, z) = (Double(count), Double(hits) / Double(count), Estimate.z)
    let middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    let half = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot() / (1 + z * z / n)
    return Estimate(value: p, low: max(0, middle - half), high: min(1, middle + half), count: count)
  }

  static func mean(_ values: [Double]) -> Estimate {
    guard !values.isEmpty else { return Estimate(value: nil, count: 0) }
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    guard values.count > 1 else { return Estimate(value: mean, count: 1) }
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    let half = student(values.count - 1) * (variance / n).squareRoot()
    return Estimate(value: mean, low: mean - half, high: mean + half, count: values.count)
  }

  /// Between the two nearest ranks (Hyndman and Fan's 7th kind), with the interval of the ranks that a binomial gives.
  static func quantile(_ q: Double, of values: [Double]) -> Estimate {
    let sorted = values.sorted()
    guard let last = sorted.last else { return Estimate(value: nil, count: 0) }
    let place = q * Double(sorted.count - 1)
    let below = Int(place)
    let value =
      below + 1 < sorted.count ? sorted[below] + (place - Double(below)) * (sorted[below + 1] - sorted[below]) : last
    let (n, half) = (Double(sorted.count), Estimate.z * (Double(sorted.count) * q * (1 - q)).squareRoot())
    let (low, high) = (Int((n * q - half).rounded(.down)), Int((n * q + half).rounded(.up)))
    // Where the ranks lie outside the sample, nothing bounds it.
    guard low >= 0, high < sorted.count else { return Estimate(value: value, count: sorted.count) }
    return Estimate(value: value, low: sorted[low], high: sorted[high], count: sorted.count)
  }

  /// Of Student's distribution at 97.5 %, to a hundredth (Cornish and Fisher's expansion; exact at one and two degrees).
  private static func student(_ degrees: Int) -> Double {
    if degrees == 1 { return 12.706 }
    if degrees == 2 { return 4.303 }
    let (z, v) = (Estimate.z, Double(degrees))
    let (z3, z5, z7) = (z * z * z, pow(z, 5), pow(z, 7))
    return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v)
      + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v)
  }

  /// 0: all alike; towards 1: one has everything.
  static func gini(_ loads: [Double]) -> Double? {
    let sum = loads.reduce(0, +)
    guard sum > 0 else { return nil }
    let n = Double(loads.count)
    let weighted = loads.sorted().enumerated().reduce(0) { $0 + Double($1.offset + 1) * $1.element }
    return 2 * weighted / (n * sum) - (n + 1) / n
  }

  /// What ``gini(_:)`` is when each of `count` goes to one of `nodes` by an even lottery: few elections are never spread evenly.
  static func giniOfLottery(_ count: Int, over nodes: Int, seed: UInt64) -> Double? {
    guard count > 0, nodes > 0 else { return nil }
    var random = SeededRandom(seed: seed)
    let samples = (0..<200).compactMap { _ -> Double? in
      var loads = [Double](repeating: 0, count: nodes)
      for _ in 0..<count { loads[random.index(below: nodes)] += 1 }
      return gini(loads)
    }
    return mean(samples).value
  }

  /// How often chance alone strays at least as far to the side where `hits` lie, both sides counted, when each of `count` hits with
  /// probability `p`: the exact binomial's tail, right for the rarest events and a single draw, which standard errors are not.
  static func chance(_ hits: Int, of count: Int, hitting p: Double) -> Double {
    guard p > 0, p < 1 else { return hits == (p > 0 ? count : 0) ? 1 : 0 }
    func exactly(_ k: Int) -> Double {
      let (n, k) = (Double(count), Double(k))
      let ways: Double = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
      let each: Double = k * log(p) + (n - k) * log(1 - p)
      return exp(ways + each)
    }
    let side = Double(hits) < p * Double(count) ? 0...hits : hits...count
    return min(1, 2 * side.reduce(0) { $0 + exactly($1) })
  }

  /// P(more than `most` of `drawn` are marked), where `marked` of `all` are, drawn without putting back.
  static func hypergeometricTail(all: Int, marked: Int, drawn: Int, moreThan most: Int) -> Double {
    func choose(_ n: Int, _ k: Int) -> Double {
      k < 0 || k > n ? -.infinity : lgamma(Double(n) + 1) - lgamma(Double(k) + 1) - lgamma(Double(n - k) + 1)
    }
    guard most < min(drawn, marked) else { return 0 }
    return (most + 1...min(drawn, marked)).reduce(0) {
      $0 + exp(choose(marked, $1) + choose(all - marked, drawn - $1) - choose(all, drawn))
    }
  }
}
