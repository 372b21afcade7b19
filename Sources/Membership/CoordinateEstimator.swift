import Base
import Vocabulary

/// This peer's network coordinate: Vivaldi with height (Dabek, Cox, Kaashoek, Morris, SIGCOMM 2004), fed with the least of each
/// peer's last few round trips, as NTP's clock filter does (RFC 5905, section 10): what delays a probe only ever adds, and a peer whose
/// processors are busy adds tens of milliseconds to most of them, which a median of three, as serf has it, would take for distance.
public struct CoordinateEstimator: Sendable {
  /// Where this peer stands now. Always finite and within the bounds of the wire.
  public private(set) var coordinate = Coordinate.origin
  /// Round trips taken in so far.
  public private(set) var observations = 0
  private var recent: OrderedDictionary<Bytes32, [Double]> = [:]

  /// c_c and c_e of the paper, section 3.
  private static let force = 0.25
  private static let smoothing = 0.25
  /// Round trips of one peer among which the least counts; a route that got longer is believed after so many.
  private static let window = 8
  private static let leastHeight = 0.01
  /// Peers whose round trips are remembered: a few rounds' worth in any overlay.
  private static let remembered = 512
  /// Milliseconds that one round trip can move this peer at most: a liar far away cannot throw it off in one step.
  private static let longestStep = 50.0
  /// A coordinate so far out that no network explains it; starting anew is better.
  private static let outermost = 50_000.0

  /// At the origin, unsure.
  public init() {}

  /// Moves after a round trip of `milliseconds` (0…60,000, else ignored) to a peer at `other`.
  public mutating func observe(
    _ milliseconds: Double, of peer: Bytes32, at other: Coordinate, using random: inout SeededRandom
  ) {
    guard milliseconds.isFinite, milliseconds >= 0, milliseconds < 60_000 else { return }
    observations += 1
    let place: Int
    if let known = recent.index(forKey: peer) {
      place = known
      recent.values[place].append(milliseconds)
      if recent.values[place].count > CoordinateEstimator.window { recent.values[place].removeFirst() }
    } else {
      if recent.count >= CoordinateEstimator.remembered { recent.removeFirst() }
      recent[peer] = [milliseconds]
      place = recent.count - 1
    }
    let least = recent.values[place].min() ?? milliseconds
    move(toMatch: max(0.01, least), other, using: &random)
  }

  /// Forgets a peer's round trips.
  public mutating func forget(_ peer: Bytes32) { recent[peer] = nil }

  private mutating func move(toMatch roundTrip: Double, _ other: Coordinate, using random: inout SeededRandom) {
    let predicted = coordinate.roundTrip(to: other)
    let weight = coordinate.error / max(coordinate.error + other.error, 1e-6)
    let relative = abs(predicted - roundTrip) / roundTrip
    let share = CoordinateEstimator.smoothing * weight
    coordinate.error = min(1.5, max(0.01, relative * share + coordinate.error * (1 - share)))

    let wanted = CoordinateEstimator.force * weight * (roundTrip - predicted)
    let push = max(-CoordinateEstimator.longestStep, min(CoordinateEstimator.longestStep, wanted))
    var away = coordinate.away(from: other)
    var length = away.length
    if length < 1e-6 {
      away = .anyhow(using: &random)
      length = max(away.length, 1e-6)
    }
    // The paper's unit vector of the height space: the plane's part and the heights' share the push.
    let whole = max(predicted, 1e-6)
    coordinate.move(push, along: away, of: length)
    coordinate.height = max(
      CoordinateEstimator.leastHeight, coordinate.height + push * (coordinate.height + other.height) / whole)
    if !isPlausible { coordinate = .origin }
  }

  private var isPlausible: Bool { coordinate.isWithin(CoordinateEstimator.outermost) }
}
