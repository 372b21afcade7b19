import Base

/// Bits a second as an exponentially weighted average, with a time constant of two seconds.
struct RateMeter: Sendable {
  private var average: Double?
  private var since: Instant?
  private var bytes = 0

  private static let timeConstant = 2.0
  private static let shortestSample = 0.5

  mutating func add(_ count: Int, at now: Instant) {
    bytes += count
    guard let start = since else {
      since = now
      return
    }
    let span = (now - start).seconds
    guard span >= RateMeter.shortestSample else { return }
    average = blended(span)
    bytes = 0
    since = now
  }

  /// The rate as of now: silence lowers it.
  func value(at now: Instant) -> Int64 {
    guard let since else { return 0 }
    let span = (now - since).seconds
    if span < RateMeter.shortestSample { return Int64(average ?? 0) }
    return Int64(blended(span))
  }

  private func blended(_ span: Double) -> Double {
    let sample = Double(bytes) * 8 / span
    guard let average else { return sample }
    return average + (sample - average) * span / (span + RateMeter.timeConstant)
  }
}
