import Base
import Mandates

// How managers are found. As with liars and media it is drawn from a stream of chance of its own, so that all else in a seed's scenario is what it
// would be without.

extension ScenarioMaker {
  /// Of so many scenarios the managers are found otherwise than by default.
  private static let strategyShare = 0.3

  /// Any other strategy. Protocols without a quorum bear no liars, so that none is drawn where machines lie.
  static func addStrategy(to scenario: inout Scenario) {
    var random = SeededRandom(seed: scenario.seed &* 0x27D4_EB2F &+ 11)
    guard random.fraction() < strategyShare else { return }
    let others = ElectionStrategy.allCases.filter { $0 != .rendezvous && ($0.isOrder || scenario.liars.isEmpty) }
    scenario.election = others[random.index(below: others.count)]
  }
}
