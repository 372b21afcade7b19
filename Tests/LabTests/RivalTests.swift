import Base
import Core
import Elections
import Mandates
import Testing

@testable import Lab

/// The rival protocols through whole nodes: what they promise is demanded, what they give up is counted.
@Suite struct RivalLabTests {
  static let rivals = ElectionStrategy.allCases.filter { !$0.isOrder }

  @Test(
    "a calm overlay serves a request whole under every strategy, and one machine manages it",
    arguments: ElectionStrategy.allCases)
  func calm(_ strategy: ElectionStrategy) throws {
    var scenario = MendedTests.scenario(at: 6, lasts: 1, .rain(0), seed: 2)
    scenario.election = strategy
    let outcome = try Simulation(scenario).run()
    #expect(outcome.findings == [] && outcome.requests.map(\.end) == [.whole])
    let election = try #require(outcome.elections.first)
    #expect(election.tenures.count == 1 && election.sharedTerms == [] && election.secondsOfTwo == 0)
    #expect(election.messages > 0 && election.mandateAt != nil)
  }

  @Test("the manager is killed while media flows: a successor goes on under every rival", arguments: rivals)
  func failover(_ strategy: ElectionStrategy) throws {
    var whole = 0
    for seed in 1...6 as ClosedRange<UInt64> {
      let outcome = try Simulation(FailoverTests.scenario(.running, seed: seed, strategy: strategy)).run()
      #expect(outcome.findings == [], "seed \(seed)")
      #expect(outcome.strikes.count == 1 && outcome.elections[0].tenures.count > 1, "seed \(seed)")
      // With the only source, or the portal, more dies than a manager.
      if outcome.strikes.first?.nodes.allSatisfy({ $0 < 2 }) ?? true { continue }
      #expect(outcome.requests.map(\.end) == [.whole], "seed \(seed): \(outcome.requests[0].problem)")
      whole += 1
    }
    #expect(whole >= 2, "the manager was the source or the portal in almost every world")
  }

  /// The manager dies, and the others are parted into two halves that do not hear each other.
  private func parted(_ strategy: ElectionStrategy, seed: UInt64) throws -> Outcome {
    var scenario = FailoverTests.scenario(.running, seed: seed, strategy: strategy)
    scenario.nodes = Array(scenario.nodes.prefix(7))
    scenario.faults.append(
      Fault(at: 12, lasts: 20, .partition([.node(1), .node(2), .node(3)]), when: scenario.faults[0].trigger))
    return try Simulation(scenario).run()
  }

  @Test("the swarm finds managers in every way, protocols without a quorum only where nobody lies")
  func drawn() {
    var ways: [ElectionStrategy: Int] = [:]
    for seed in 1...400 as ClosedRange<UInt64> {
      let scenario = ScenarioMaker.scenario(seed: seed)
      ways[scenario.election ?? .rendezvous, default: 0] += 1
      #expect(scenario.safety == .quorum || scenario.liars.isEmpty, "seed \(seed)")
      #expect(throws: Never.self, "seed \(seed)") { try scenario.check() }
    }
    #expect(ways.count == ElectionStrategy.allCases.count && ways.values.allSatisfy { $0 >= 8 }, "\(ways)")
  }

  @Test("(canary) members of raft that forget their votes elect two leaders of one term, and that is noticed")
  func forgottenVotes() throws {
    var caught = 0
    for seed in 1...12 as ClosedRange<UInt64> where caught == 0 {
      var scenario = FailoverTests.scenario(.running, seed: seed, strategy: .raft)
      scenario.endsAt = 60
      (scenario.healsAt, scenario.faults) = (40, [])
      #expect(try Simulation(scenario).run().findings == [], "seed \(seed)")
      let broken = try Simulation(scenario, defect: .raftVoteForgotten).run()
      caught += broken.findings.contains { $0.checker == MajorityChecker.name } ? 1 : 0
    }
    #expect(caught > 0)
  }

  @Test("parted, bully has two managers of one term, which is counted and no finding; a quorum never has")
  func twoManagers() throws {
    var two: [ElectionStrategy: Int] = [:]
    for strategy in [ElectionStrategy.bully, .rendezvous, .raft] {
      for seed in 1...5 as ClosedRange<UInt64> {
        let outcome = try parted(strategy, seed: seed)
        #expect(outcome.findings == [], "\(strategy), seed \(seed)")
        #expect(outcome.strikes.count == 2, "\(strategy), seed \(seed)")
        two[strategy, default: 0] += outcome.elections[0].sharedTerms.isEmpty ? 0 : 1
      }
    }
    #expect(two[.bully] ?? 0 > 0 && two[.rendezvous] == 0 && two[.raft] == 0, "\(two)")
  }
}
