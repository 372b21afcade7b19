import Base

/// A rate limit that allows bursts: `rate` tokens flow in each second, up to `capacity`.
struct TokenBucket {
  private let rate: Double
  private let capacity: Double
  private var tokens: Double
  private var filled: Instant?

  /// Starts full.
  init(rate: Double, capacity: Double) {
    self.rate = rate
    self.capacity = capacity
    tokens = capacity
  }

  /// The share that is left, 0…1.
  mutating func level(at now: Instant) -> Double {
    fill(at: now)
    return tokens / capacity
  }

  /// Takes one token; false when there is none.
  mutating func take(at now: Instant) -> Bool {
    fill(at: now)
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }

  private mutating func fill(at now: Instant) {
    if let filled, now > filled { tokens = min(capacity, tokens + (now - filled).seconds * rate) }
    filled = max(filled ?? now, now)
  }
}
