import Base
import Core
import Elections
import Foundation
import Mandates
import Testing

@testable import Lab

/// The manager is killed in each of its states: its successor finishes the request or ends it cleanly, and no service node holds two plans,
/// which `PlanChecker` and `FenceChecker` watch.
@Suite struct FailoverTests {
  /// Nine machines, of which seven elect, far enough apart that every state lasts; the victim comes back after half a minute.
  static func scenario(_ state: Fault.ManagerState, seed: UInt64, strategy: ElectionStrategy? = nil) -> Scenario {
    let parts = ["video.scale", "video.overlay", "video.vp8", "mux.webm"]
    // Source and portal do nothing else, so that little depends on them; they elect like all others.
    var machines = (0..<9).map { _ in Scenario.Machine(components: parts) }
    machines[0].components = ["source.video", "source.audio", "source.text"]
    machines[1].components = []
    var scenario = Scenario(seed: seed, nodes: machines, healsAt: 90, endsAt: 200)
    scenario.topology = .plane(side: 60, least: 5)
    scenario.election = strategy
    scenario.sources = [Scenario.Source(node: 0, path: "talk.mkv", seconds: 40)]
    scenario.requests = [Scenario.Ask(at: 8, portal: 1, source: 0, variant: 0)]
    let victim: Fault.Target = state == .electing ? .candidate(of: 0, term: 1) : .manager(of: 0)
    let kill = Fault.Kind.crash(victim, losesStore: false, silent: seed % 2 == 0)
    // While it runs: a while after the start.
    let from = state == .running ? 12.0 : 8.0
    scenario.faults = [Fault(at: from, lasts: 30, kill, when: Fault.Trigger(manager: 0, reaches: state))]
    switch state {
    case .repairing:
      // Whoever scales dies first; the plan needs another then.
      scenario.faults.insert(
        Fault(at: 12, lasts: 60, .crash(.stage(of: 0, 1), losesStore: false, silent: false)), at: 0)
      scenario.faults[1].at = 12
    case .handingOver:
      // Two of seven electors die: one more would freeze the service.
      for place in 0..<2 {
        scenario.faults.insert(
          Fault(at: 12 + Double(place), lasts: 60, .crash(.bystander(of: 0, place), losesStore: false, silent: false)),
          at: 0)
      }
      scenario.faults[2].at = 13
    default: break
    }
    return scenario
  }

  private func play(_ state: Fault.ManagerState, seeds: ClosedRange<UInt64> = 1...6) throws {
    var finished = 0
    for seed in seeds {
      let scenario = Self.scenario(state, seed: seed)
      let outcome = try Simulation(scenario).run()
      #expect(outcome.findings == [], "seed \(seed)")
      let strike = try #require(outcome.strikes.first, "seed \(seed): the state was never reached")
      let victim = try #require(strike.nodes.first, "seed \(seed): nobody was struck")
      // The state was hit: the world itself says so of the victim at that moment.
      let election = try #require(outcome.elections.first)
      if state == .electing {
        #expect(strike.standing == "" && election.mandateAt.map { $0 > strike.at } ?? true, "seed \(seed)")
      } else {
        #expect(strike.standing.contains("n\(victim) manages it: "), "seed \(seed): \(strike.standing)")
        #expect(strike.standing.contains(Self.word(for: state)), "seed \(seed): \(strike.standing)")
        let others = election.tenures.filter { $0.at > strike.at }
        #expect(!others.isEmpty, "seed \(seed): nobody took over")
      }
      let request = try #require(outcome.requests.first)
      // Finished, or ended for a reason that the client was told; a portal that was killed itself can tell nobody.
      let isTold = (request.end == .refused || request.end == .failed) && !request.problem.isEmpty
      #expect(
        request.end == .whole || isTold || victim == 1,
        "seed \(seed): \(String(describing: request.end)) \(request.problem)")
      if request.end == .whole { finished += 1 }
    }
    // Most are not only ended, but served: a successor that always gave up would not do.
    #expect(finished >= seeds.count / 2, "\(finished) of \(seeds.count) finished after \(state)")
  }

  private static func word(for state: Fault.ManagerState) -> String {
    switch state {
    case .composing: "recording at version"
    case .handingOver: ", handing over"
    default: "\(state.rawValue) at version"
    }
  }

  @Test("killed while it is being elected: the next candidate manages") func electing() throws { try play(.electing) }
  @Test("killed while its first plan is on its way to a quorum") func composing() throws { try play(.composing) }
  @Test("killed while nodes are asked") func reserving() throws { try play(.reserving) }
  @Test("killed while nodes get their assignments") func committing() throws { try play(.committing) }
  @Test("killed while media flows") func running() throws { try play(.running) }
  @Test("killed while it repairs") func repairing() throws { try play(.repairing) }
  @Test("killed while it hands over to the next electorate") func handingOver() throws { try play(.handingOver) }

  @Test("a trigger whose state never comes does not strike, and the outcome says so")
  func never() throws {
    var scenario = Self.scenario(.repairing, seed: 1)
    scenario.faults.removeFirst()
    let outcome = try Simulation(scenario).run()
    #expect(outcome.strikes == [] && outcome.requests.map(\.end) == [.whole])
  }

  @Test("scenarios written before there were triggers and strategies are read as they were meant")
  func old() throws {
    var scenario = MendedTests.scenario(at: 7, lasts: 1, .rain(0.1))
    var json = try #require(JSONSerialization.jsonObject(with: JSONEncoder().encode(scenario)) as? [String: Any])
    #expect(json["election"] == nil)
    let read = try JSONDecoder().decode(Scenario.self, from: JSONSerialization.data(withJSONObject: json))
    #expect(read == scenario && read.safety == .quorum && read.faults[0].trigger == nil)
    scenario.election = .bully
    json["election"] = "bully"
    let other = try JSONDecoder().decode(Scenario.self, from: JSONSerialization.data(withJSONObject: json))
    #expect(other == scenario && other.safety == .unsafe)
  }
}

/// The electorate changes while the overlay is parted.
@Suite struct HandoverTests {
  /// Two of seven electors die; when the manager hands over, it is cut off with two others for a while; later a part of the plan dies.
  static func parted(seed: UInt64) -> Scenario {
    var scenario = FailoverTests.scenario(.handingOver, seed: seed)
    scenario.faults[2] = Fault(
      at: 13, lasts: 6, .partition([.manager(of: 0), .portal(of: 0), .stage(of: 0, 0)]),
      when: Fault.Trigger(manager: 0, reaches: .handingOver))
    scenario.faults.append(Fault(at: 34, lasts: 10, .crash(.stage(of: 0, 1), losesStore: false, silent: false)))
    return scenario
  }

  @Test(
    "parted in the middle of a handover, nothing is lost and the service goes on; a version in force too soon is noticed"
  )
  func canary() throws {
    var caught: [UInt64] = []
    for seed in 1...4 as ClosedRange<UInt64> {
      let scenario = Self.parted(seed: seed)
      let sound = try Simulation(scenario).run()
      #expect(sound.findings == [], "seed \(seed)")
      #expect(
        sound.strikes.count == 1 && sound.elections[0].tenures.contains { $0.term.hasPrefix("1.") }, "seed \(seed)")
      let broken = try Simulation(scenario, defect: .effectiveBeforeQuorumAfterHandover).run()
      if broken.findings.contains(where: { $0.checker == VersionChecker.name }) { caught.append(seed) }
    }
    #expect(caught.count >= 2, "a version effective before its quorum after a handover was noticed in \(caught) alone")
  }
}
