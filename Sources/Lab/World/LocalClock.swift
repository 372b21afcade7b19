import Base

/// One machine's two clocks, as they really are: the monotonic one has its own zero and runs a little fast or slow, the wall clock
/// is off by some seconds besides. Integers only, so that every build reckons alike.
struct LocalClock {
  /// Parts per million that it runs fast; negative: slow.
  var drift: Int64
  /// What the monotonic clock shows at the simulation's zero.
  var zero: Int64
  /// Milliseconds that the wall clock is ahead of true time.
  var skew: Int64

  /// A fixed day of the simulated world, in milliseconds since the Unix epoch.
  static let dawn: Int64 = 1_900_000_000_000

  /// The monotonic clock at a moment of the simulation.
  func monotonic(_ now: Instant) -> Instant {
    Instant(nanoseconds: now.nanoseconds + drifted(now) + zero)
  }
  /// The monotonic clock begins anew with its machine.
  mutating func restart(at now: Instant, showing start: Int64) { zero += start - monotonic(now).nanoseconds }
  /// The wall clock at a moment of the simulation.
  func wall(_ now: Instant) -> WallTime {
    WallTime(milliseconds: LocalClock.dawn + skew + (now.nanoseconds + drifted(now)) / 1_000_000)
  }
  /// Exact, and rising with time, for simulations of up to a day.
  private func drifted(_ now: Instant) -> Int64 { now.nanoseconds * drift / 1_000_000 }
  /// The first moment of the simulation at which the monotonic clock shows at least that.
  func moment(_ local: Instant) -> Instant {
    let shown = local.nanoseconds - zero
    var guess = Instant(nanoseconds: shown - shown / (1_000_000 + drift) * drift)
    while monotonic(guess) < local { guess += .nanoseconds(max(1, (local - monotonic(guess)).nanoseconds)) }
    return guess
  }
}
