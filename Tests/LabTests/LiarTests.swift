import Base
import Core
import Elections
import Foundation
import Mandates
import Testing

@testable import Lab

private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// Liars in scenarios of their own; ``SwarmTests`` has them in random trouble.
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

  /// Two of seven electors are cut off when the first plan is on its way, so that the other five are just a quorum of it; then the manager and one
  /// more of the five die while the two come back. What the quorum acknowledged is known to three of the new quorum: how many of them say
  /// that they have kept nothing?
  static func forgotten(liars: Int, seed: UInt64) throws -> Scenario {
    var scenario = Scenario(seed: seed, nodes: (0..<9).map { _ in Scenario.Machine() }, healsAt: 40, endsAt: 130)
    scenario.sources = [Scenario.Source(node: 0, path: "talk.mkv", seconds: 20)]
    scenario.requests = [Scenario.Ask(at: 8, portal: 1, source: 0, variant: 0)]
    // Who elects follows from the source; it is shared and asked for where nobody elects.
    let electors = try order(scenario)
    let others = (0..<9).filter { !electors.contains($0) }
    (scenario.sources[0].node, scenario.requests[0].portal) = (others[0], others[1])
    let order = try order(scenario)
    scenario.liars = order[4..<4 + liars].map { Liar(node: $0, .answersStale) }
    scenario.faults = [
      Fault(
        at: 8, lasts: 3.2, .partition([.node(order[1]), .node(order[2])]),
        when: Fault.Trigger(manager: 0, reaches: .composing)),
      Fault(at: 10.7, lasts: 20, .crash(.node(order[0]), losesStore: false, silent: true)),
      Fault(at: 10.7, lasts: 20, .crash(.node(order[3]), losesStore: false, silent: true)),
    ]
    return scenario
  }

  /// The electors of the first request, in the order in which they become candidates, as they are without liars and faults.
  private static func order(_ scenario: Scenario) throws -> [Int] {
    var calm = scenario
    calm.endsAt = 9
    let simulation = try Simulation(calm)
    _ = simulation.run()
    let electorate = try #require(simulation.asks[0].electors.flatMap { Electorate($0) })
    return electorate.order(of: try #require(simulation.asks[0].request)).compactMap { simulation.number(of: $0) }
  }

  @Test("two electors of seven who answer that they kept nothing hide no version: the third of the new quorum tells it")
  func remembered() throws {
    for seed in 1...2 as ClosedRange<UInt64> {
      let outcome = try Simulation(Self.forgotten(liars: 2, seed: seed)).run()
      #expect(outcome.findings == [], "seed \(seed)")
      #expect(outcome.strikes.count == 1 && outcome.elections[0].tenures.count > 1, "seed \(seed): nobody succeeded")
    }
  }

  /// Two mandates of one term are no way to see it: a term has one candidate, whom two votes of an elector cannot change, so that it takes a wrong
  /// count, not a lie, to break ``MandateChecker``'s word; `quorumOffByOne` is its canary.
  @Test("(canary) three of seven are more than an electorate bears: a version that a quorum acknowledged is lost")
  func unbearable() throws {
    for seed in 1...4 as ClosedRange<UInt64> {
      let scenario = try Self.forgotten(liars: 3, seed: seed)
      let outcome = try Simulation(scenario).run()
      #expect(outcome.findings.map(\.checker) == [VersionChecker.name], "seed \(seed)")
      #expect(outcome.findings.first?.what.contains("which a quorum had") ?? false, "seed \(seed): \(outcome.findings)")
    }
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

  @Test("the swarm draws liars of every way, never more than are borne, never where honest clients ask or read")
  func drawn() {
    var ways: [Liar.Way: Int] = [:]
    for seed in 1...200 as ClosedRange<UInt64> {
      let scenario = ScenarioMaker.scenario(seed: seed)
      let plain = ScenarioMaker.honest(seed: seed)
      #expect(plain.liars.isEmpty && scenario.liars.count <= (scenario.nodes.count - 1) / 3, "seed \(seed)")
      let honest = Set(plain.requests.map(\.portal) + plain.sources.map(\.node))
      #expect(scenario.liars.allSatisfy { !honest.contains($0.node) }, "seed \(seed)")
      for liar in scenario.liars { ways[liar.way, default: 0] += 1 }
      // Nothing else is drawn otherwise because of them, nor of what is asked for besides pictures.
      let liars = scenario.liars.map { _ in Shortening.dropLiar(0) }
      let name = ReplayName(seed: seed, steps: [.quorum, .noMoments] + liars + [.picturesOnly])
      #expect(name.scenario == plain && ReplayName("\(name)") == name, "\(name)")
    }
    #expect(ways.count == Liar.Way.allCases.count && ways.values.reduce(0, +) > 60, "\(ways)")
  }

  @Test("a scenario that fails for one of its liars is shortened to that liar, and its name plays it again")
  func shortened() throws {
    let many = try #require(
      (1...200 as ClosedRange<UInt64>).map { ScenarioMaker.scenario(seed: $0) }
        .first { $0.liars.count == 2 && $0.liars[0].way != $0.liars[1].way })
    var shrinker = Shrinker()
    shrinker.budget = 1_000
    for way in many.liars.map(\.way) {
      let short = shrinker.shortest(from: ReplayName(seed: many.seed)) { scenario in
        scenario.liars.contains { $0.way == way }
      }
      let scenario = try #require(ReplayName("\(short)")).scenario
      #expect(scenario.liars.map(\.way) == [way] && scenario.faults.isEmpty && scenario.nodes.count < many.nodes.count)
      #expect(scenario.requests.count == 1, "\(short)")
      #expect(scenario.liars.allSatisfy { scenario.nodes.indices.contains($0.node) })
    }
  }

  @Test("a scenario that was written before there were liars can be read")
  func older() throws {
    var scenario = ScenarioMaker.honest(seed: 3)
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
