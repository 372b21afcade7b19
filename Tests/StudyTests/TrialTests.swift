import Elections
import Mandates
import Testing

@testable import Lab
@testable import Study

/// What a simulation that is over comes to.
@Suite struct TrialTests {
  private static func asked(
    _ number: Int, _ request: String?, _ end: RequestOutcome.End, _ problem: String = "", endedAt: Double = 50
  ) -> RequestOutcome {
    RequestOutcome(
      number: number, request: request, end: end, problem: problem, accepted: nil, firstPacket: nil, packets: 0,
      worstGap: 0, endedAt: endedAt)
  }

  private static func election(_ request: String, by nodes: [Int]) -> ElectionOutcome {
    ElectionOutcome(
      request: request, calledAt: 10, portal: 0, mandateAt: 10.5, electors: 5,
      tenures: nodes.enumerated().map { .init(node: $1, term: "\($0)", at: 10.25 + Double($0)) }, messages: 9,
      bytes: 90,
      messagesToMandate: 8, bytesToMandate: 80)
  }

  private static func trial(
    machines: Int, _ population: Population, _ requests: [RequestOutcome], _ elections: [ElectionOutcome]
  ) -> Trial {
    var scenario = Scenario(seed: 1, nodes: Array(repeating: .init(), count: machines), healsAt: 60, endsAt: 60)
    scenario.requests = requests.map { .init(at: Double($0.number), portal: 1, source: 0, variant: $0.number) }
    scenario.sources = [.init(node: 1, path: "a", seconds: 5)]
    scenario.election = .leastLoaded
    let outcome = Outcome(
      seed: 1, findings: [], requests: requests, elections: elections, strikes: [], counts: .init(), simulated: 60,
      traceHash: "", notes: [], deaths: [])
    return Trial(scenario, outcome, on: nil, population, run: 0)
  }

  @Test(
    "an election that found nobody to elect has no manager; a request whose source could not be asked was no election")
  func refusals() {
    let trial = Self.trial(
      machines: 3, Population(nodes: 3),
      [
        Self.asked(0, "a", .whole), Self.asked(1, nil, .refused, "election(\"2 electors spoke where 5 are needed\")"),
        Self.asked(2, nil, .refused, "sourceNodeUnreachable(x)"), Self.asked(3, nil, .portalLost, "it was down"),
      ], [Self.election("a", by: [2])])
    let summary = StrategySummary("leastLoaded", of: [trial])
    #expect(summary["p_no_manager"].value == 0.5 && summary["p_no_manager"].count == 2)
    #expect(summary["p_uncalled"].value == 0.5 && summary["p_uncalled"].count == 4)
    #expect(trial.rows[1].cells.first { $0.contains("spoke") } != nil && trial.rows[1].calledAt == 1)
  }

  @Test(
    "newcomers' wins count neither for nor against the attacker: half of the first population wins half of its elections"
  )
  func newcomers() {
    let elections = [[0], [1], [2], [3], [3, 0]].enumerated().map { Self.election("\($0)", by: $1) }
    let trial = Self.trial(machines: 4, Population(nodes: 2, attackers: [0]), [], elections)
    let summary = StrategySummary("leastLoaded", of: [trial])
    #expect(summary["attackers_wins_to_share"].value == 1 && summary["attackers_wins_to_share"].count == 2)
    #expect(summary["load_gini"].value == 0 && trial.wins == [1, 1] && trial.newcomersWins == 3)
  }
}
