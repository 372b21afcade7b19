import Base
import Vocabulary

/// This peer's network coordinate: Vivaldi with height (Dabek, Cox, Kaashoek, Morris, SIGCOMM 2004), each peer's round trips
/// passed through a median of the last few, as serf does, because single probes are noisy.
public struct CoordinateEstimator: Sendable {
  /// Where this peer stands now.
  public private(set) var coordinate = Coordinate.origin
  private var recent: OrderedDictionary<Key, [Double]> = [:]

  typealias Key = Bytes32
  /// c_c and c_e of the paper, section 2.4.
  static let force = 0.25
  static let smoothing = 0.25
  static let window = 5
  static let leastHeight = 0.01

  /// At the origin, unsure.
  public init() {}

  /// Moves after a round trip of `milliseconds` to a peer at `other`.
  public mutating func observe(
    _ milliseconds: Double, of peer: Bytes32, at other: Coordinate, using random: inout SeededRandom
  ) {
    guard milliseconds.isFinite, milliseconds >= 0, milliseconds < 60_000 else { return }
    var samples = recent[peer] ?? []
    samples.append(milliseconds)
    if samples.count > CoordinateEstimator.window { samples.removeFirst() }
    if recent[peer] == nil, recent.count >= 512 { recent.removeFirst() }
    recent[peer] = samples
    move(toMatch: max(0.01, samples.sorted()[samples.count / 2]), other, using: &random)
  }

  /// Forgets a peer's round trips.
  public mutating func forget(_ peer: Bytes32) { recent[peer] = nil }

  private mutating func move(toMatch roundTrip: Double, _ other: Coordinate, using random: inout SeededRandom) {
    let predicted = coordinate.roundTrip(to: other)
    let weight = coordinate.error / max(coordinate.error + other.error, 1e-6)
    let relative = abs(predicted - roundTrip) / roundTrip
    let share = CoordinateEstimator.smoothing * weight
    coordinate.error = min(1.5, max(0.01, relative * share + coordinate.error * (1 - share)))

    let push = CoordinateEstimator.force * weight * (roundTrip - predicted)
    var away = zip(coordinate.vector, other.vector).map { $0 - $1 }
    var length = away.reduce(0) { $0 + $1 * $1 }.squareRoot()
    if length < 1e-6 {
      away = (0..<Coordinate.dimensions).map { _ in random.fraction() - 0.5 }
      length = max(away.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-6)
    }
    let whole = max(coordinate.roundTrip(to: other), 1e-6)
    for i in coordinate.vector.indices { coordinate.vector[i] += push * away[i] / length }
    coordinate.height = max(
      CoordinateEstimator.leastHeight, coordinate.height + push * (coordinate.height + other.height) / whole)
  }
}
