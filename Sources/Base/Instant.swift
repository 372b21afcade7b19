/// A moment on a peer's own monotonic clock. Only the difference of two instants of one peer means something;
/// the pure rooms are told the time and never read a clock.
public struct Instant: Hashable, Comparable, Sendable {
  /// Nanoseconds since an arbitrary zero, which each peer chooses at its start.
  public var nanoseconds: Int64

  /// - Parameter nanoseconds: since the peer's own zero.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The peer's own zero.
  public static let zero = Instant(nanoseconds: 0)

  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
  public static func + (a: Instant, b: Duration) -> Instant {
    Instant(nanoseconds: a.nanoseconds.saturating(adding: b.nanoseconds))
  }
  public static func - (a: Instant, b: Duration) -> Instant {
    Instant(nanoseconds: a.nanoseconds.saturating(subtracting: b.nanoseconds))
  }
  public static func - (a: Instant, b: Instant) -> Duration {
    .nanoseconds(a.nanoseconds.saturating(subtracting: b.nanoseconds))
  }
  public static func += (a: inout Instant, b: Duration) { a = a + b }
}

extension Duration {
  /// The whole duration in nanoseconds; exact for anything under 292 years, the nearest that fits beyond.
  public var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflows else { return seconds < 0 ? .min : .max }
    return whole.saturating(adding: attoseconds / 1_000_000_000)
  }
  /// The duration in seconds.
  public var seconds: Double { Double(nanoseconds) / 1e9 }
  /// The duration in milliseconds.
  public var milliseconds: Double { Double(nanoseconds) / 1e6 }
  /// - Parameter value: seconds; fractions are kept to the nanosecond. Beyond 292 years the nearest that fits; 0 for what is no number.
  public static func fromSeconds(_ value: Double) -> Duration {
    guard !value.isNaN else { return .zero }
    return .nanoseconds(Int64(exactly: (value * 1e9).rounded(.towardZero)) ?? (value < 0 ? .min : .max))
  }
}

extension Int64 {
  /// The sum, or the nearest that fits: times come from other peers, whose numbers must not stop this one.
  fileprivate func saturating(adding other: Int64) -> Int64 {
    let (sum, overflows) = addingReportingOverflow(other)
    return overflows ? (other < 0 ? .min : .max) : sum
  }
  /// The difference, or the nearest that fits.
  fileprivate func saturating(subtracting other: Int64) -> Int64 {
    let (difference, overflows) = subtractingReportingOverflow(other)
    return overflows ? (other < 0 ? .max : .min) : difference
  }
}

/// Wall-clock time, for what must mean the same at two peers: expiry, `notAfter`, ages shown to people.
/// Peers tolerate a skew of ``Limits/clockSkew`` and say so beyond it.
public struct WallTime: Hashable, Comparable, Sendable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  public var milliseconds: Int64

  /// - Parameter milliseconds: since the Unix epoch.
  public init(milliseconds: Int64) { self.milliseconds = milliseconds }

  public static func < (a: WallTime, b: WallTime) -> Bool { a.milliseconds < b.milliseconds }
  public static func + (a: WallTime, b: Duration) -> WallTime {
    WallTime(milliseconds: a.milliseconds.saturating(adding: b.nanoseconds / 1_000_000))
  }
  public static func - (a: WallTime, b: WallTime) -> Duration {
    .milliseconds(a.milliseconds.saturating(subtracting: b.milliseconds))
  }
}
