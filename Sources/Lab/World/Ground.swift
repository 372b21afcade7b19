import Base
import Identity

/// Where machines stand and who they are, for whoever plays something else on the same ground: the very distances and identities that a
/// ``Simulation`` of the scenario has.
public struct Ground: Sendable {
  private let map: DelayMap
  private let jitter: Double
  /// What people should know, e.g. how many entries of a matrix had to be filled.
  public let notes: [String]
  /// By number.
  public let ids: [NodeID]

  /// - Throws: ``TopologyError`` when the topology cannot be made.
  public init(_ scenario: Scenario) throws(TopologyError) {
    var random = SeededRandom(seed: scenario.seed)
    map = try DelayMap(scenario.topology, nodes: scenario.nodes.count, using: &random)
    notes = map.notes
    jitter = scenario.weather.jitter
    ids = scenario.nodes.indices.map { Ground.keys(of: $0, seed: scenario.seed).id }
  }

  /// One way, without jitter.
  public func delay(_ a: Int, _ b: Int) -> Duration { a == b ? .zero : .nanoseconds(map.delay(a, b)) }
  /// One way, with jitter.
  public func delay(_ a: Int, _ b: Int, using random: inout SeededRandom) -> Duration {
    delay(a, b) + .nanoseconds(Int64(random.fraction() * jitter * 1e6))
  }
  /// There and back, milliseconds.
  public func roundTrip(_ a: Int, _ b: Int) -> Double { (delay(a, b) + delay(b, a)).milliseconds }

  static func keys(of number: Int, seed: UInt64) -> KeyPair {
    KeyPair(seed: Digest.of(Array("\(seed)/\(number)".utf8), kind: "lab"))
  }
}
