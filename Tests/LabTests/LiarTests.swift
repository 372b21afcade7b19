import Base
import Core
import Foundation
import Testing

@testable import Lab

/// `MILLRACE_LIARS=500 swift test --filter LiarTests` plays more.
private let runs = ProcessInfo.processInfo.environment["MILLRACE_LIARS"].flatMap { Int($0) } ?? 60
private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

@Suite struct LiarTests {
  /// Seven machines that offer everything, of which the first so many lie, and three requests at honest portals; an elector that is neither
  /// source nor portal stands still for so long that, where it manages, it gets a successor.
  static func scenario(_ way: Liar.Way, liars: Int, seed: UInt64, nodes: Int = 7) -> Scenario {
    var scenario = Scenario(
      seed: seed, nodes: (0..<nodes).map { _ in Scenario.Machine() }, healsAt: 26, endsAt: 116)
    let honest = liars..<nodes
    scenario.sources = [Scenario.Source(node: nodes - 1, path: "talk.mkv", seconds: 8)]
    scenario.requests = (0..<3).map { number in
      Scenario.Ask(
        at: 6 + Double(number) * 3, portal: honest[liars + number % honest.count], source: 0, variant: number)
    }
    scenario.faults = [Fault(at: 8, lasts: 4, .pause(.node(5)))]
    scenario.liars = (0..<liars).map { Liar(node: $0, way) }
    if [.grinds, .namesFriends, .sendsTwoEnvelopes].contains(way) {
      for liar in 0..<liars {
        scenario.requests.append(Scenario.Ask(at: 7 + Double(liar), portal: liar, source: 0, variant: 7 + liar))
      }
    }
    return scenario
  }

  @Test(
    "with as many liars as an electorate bears nothing unsafe happens and honest requests are served",
    arguments: Liar.Way.allCases)
  func bearable(_ way: Liar.Way) throws {
    for seed in 1...2 as ClosedRange<UInt64> {
      let outcome = try Simulation(Self.scenario(way, liars: 2, seed: seed)).run()
      #expect(outcome.findings == [], "\(way), seed \(seed)")
      let liars = try #require(outcome.liars)
      #expect(liars.served == 3 && liars.spoiled == 0 || way == .plansNonsense, "\(way), seed \(seed): \(liars)")
    }
  }

  @Test("who votes twice is convicted by everybody's proof, and stands no more")
  func convicted() throws {
    var convicted = 0
    for seed in 1...3 as ClosedRange<UInt64> {
      let outcome = try Simulation(Self.scenario(.equivocates, liars: 2, seed: seed)).run()
      convicted += try #require(outcome.liars).convicted.count
      #expect(outcome.findings == [])
    }
    #expect(convicted >= 3, "\(convicted) of 6")
  }

  @Test("(canary) with more liars than that something goes wrong, and a checker says so")
  func unbearable() throws {
    var findings: [String: Int] = [:]
    for seed in 1...12 as ClosedRange<UInt64> where findings.isEmpty {
      // The successor is cut off while the versions come, and hears of none of them from liars when it is back and the manager is gone.
      var scenario = Self.scenario(.answersStale, liars: 5, seed: seed)
      scenario.requests = [scenario.requests[0]]
      scenario.faults = [
        Fault(at: 6 + Double(seed) * 0.02, lasts: 3, .partition([.candidate(of: 0, term: 2)])),
        Fault(at: 8.9, lasts: 6, .crash(.manager(of: 0), losesStore: false, silent: false)),
      ]
      let outcome = try Simulation(scenario).run()
      for finding in outcome.findings { findings[finding.checker, default: 0] += 1 }
    }
    say("more than f stale electors: found by \(findings)")
    #expect(!findings.isEmpty)
  }

  @Test("friends who elect each other are obeyed by nobody once members are settled")
  func friends() throws {
    var scenario = Self.scenario(.namesFriends, liars: 2, seed: 3)
    for index in scenario.requests.indices { scenario.requests[index].at += 80 }
    (scenario.faults, scenario.healsAt, scenario.endsAt) = ([], 110, 190)
    let outcome = try Simulation(scenario).run()
    #expect(outcome.findings == [])
    #expect(outcome.liars?.obeyedFriends == 0 && outcome.liars?.served == 3)
    #expect(outcome.counts.events["assignment.refused"] ?? 0 > 0, "they tried")
  }

  @Test(
    "what liars gain is measured: a portal that grinds elects friends as it likes for its own requests, for nobody else's"
  )
  func gain() throws {
    var (own, ownWon, won, tenures, share) = (0, 0, 0, 0, 0.0)
    for seed in 1...4 as ClosedRange<UInt64> {
      let liars = try #require(try Simulation(Self.scenario(.grinds, liars: 2, seed: seed)).run().liars)
      own += liars.ownTenures
      ownWon += liars.ownWon
      won += liars.won
      tenures += liars.tenures
      share = Double(liars.liars) / Double(liars.population)
    }
    say(
      "grinding: \(ownWon) of \(own) own requests are managed by friends, \(won) of \(tenures) of others'; share \(share)"
    )
    #expect(own >= 6 && Double(ownWon) / Double(own) > 0.8)
    #expect(Double(won) / Double(tenures) < 2 * share)
  }

  @Test(
    "in random trouble with random liars, as many as are borne, nothing unsafe happens and honest requests come to an end"
  )
  func swarm() async {
    let start = Date()
    var swarm = Swarm(seed: 1, runs: runs)
    swarm.hasLiars = true
    let result = await swarm.run(threads: 1) { _, part in
      for failure in part.failures {
        say("liars, seed \(failure.name.seed): \(failure.shortest)")
        for finding in failure.findings.prefix(3) { say("  \(finding)") }
      }
    }
    say("liars: \(result.runs) runs, \(result.ends), \(Int(Date().timeIntervalSince(start))) s")
    #expect(result.failures.map { "\($0.name): \($0.findings.first!)" } == [])
  }

  @Test("a scenario that was written before there were liars can be read")
  func older() throws {
    var scenario = ScenarioMaker.scenario(seed: 3)
    var json = try #require(JSONSerialization.jsonObject(with: JSONEncoder().encode(scenario)) as? [String: Any])
    json["liars"] = nil
    #expect(try JSONDecoder().decode(Scenario.self, from: JSONSerialization.data(withJSONObject: json)) == scenario)
    scenario.liars = [Liar(node: 1, .forges)]
    #expect(try JSONDecoder().decode(Scenario.self, from: JSONEncoder().encode(scenario)) == scenario)
  }
}

@Suite struct GenerationTests {
  @Test("a peer that loses its store takes no part in what began before; without that rule it does, and it is noticed")
  func lostStore() throws {
    var caught = 0
    for seed in 1...4 as ClosedRange<UInt64> {
      let scenario = MendedTests.scenario(
        at: 8, lasts: 1.5, .crash(.elector(of: 0, Int(seed)), losesStore: true, silent: false), seed: seed)
      #expect(try Simulation(scenario).run().findings == [])
      let broken = try Simulation(scenario, defect: .lostStoreForgotten).run()
      caught += broken.findings.contains { $0.checker == GenerationChecker.name } ? 1 : 0
    }
    #expect(caught >= 2, "\(caught) of 4")
  }
}
