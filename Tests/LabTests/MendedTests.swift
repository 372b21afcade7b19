import Base
import Core
import Testing

@testable import Lab

/// What the swarm found once, made small: each of these failed before the node was mended.
@Suite struct MendedTests {
  /// Five machines that offer everything, one request, one trouble.
  static func scenario(
    seconds: Double = 9, clientDelay: Double = 1, at: Double, lasts: Double, _ kind: Fault.Kind, seed: UInt64 = 1
  ) -> Scenario {
    let parts = [
      "source.video", "source.audio", "source.text", "video.scale", "video.overlay", "video.vp8", "mux.webm",
    ]
    var scenario = Scenario(
      seed: seed, nodes: (0..<5).map { _ in Scenario.Machine(components: parts) }, healsAt: at + lasts + 1,
      endsAt: at + lasts + 90)
    scenario.sources = [Scenario.Source(node: 0, path: "talk.mkv", seconds: seconds)]
    scenario.requests = [Scenario.Ask(at: 6, portal: 1, source: 0, variant: 0, clientDelay: clientDelay)]
    scenario.faults = [Fault(at: at, lasts: lasts, kind)]
    return scenario
  }

  @Test("without trouble a request is served whole", arguments: 1...3)
  func calm(seed: Int) throws {
    let outcome = try Simulation(
      Self.scenario(at: 6, lasts: 1, .rain(0), seed: UInt64(seed))
    ).run()
    #expect(outcome.findings == [])
    #expect(outcome.requests.map(\.end) == [.whole] && outcome.requests[0].packets == 90)
  }

  @Test("a manager that is cut off while its successor ends the service forgets it", arguments: 1...4)
  func cutOffManager(seed: Int) throws {
    let outcome = try Simulation(
      Self.scenario(at: 11, lasts: 7, .partition([.manager(of: 0)]), seed: UInt64(seed))
    ).run()
    #expect(outcome.findings == [])
  }

  @Test("a portal that is cut off while its service ends hears of the end from the electors", arguments: 1...4)
  func cutOffPortal(seed: Int) throws {
    let outcome = try Simulation(
      Self.scenario(at: 8, lasts: 20, .partition([.portal(of: 0)]), seed: UInt64(seed))
    ).run()
    #expect(outcome.findings == [])
    #expect(outcome.requests.allSatisfy { $0.end != nil })
  }

  @Test("a peer that hears nobody but is heard does not hold what it works on for ever", arguments: 1...4)
  func deafPortal(seed: Int) throws {
    let all = (0..<5).map { Fault.Target.node($0) }
    let outcome = try Simulation(
      Self.scenario(clientDelay: 60, at: 7, lasts: 6, .oneWay(from: all, to: [.portal(of: 0)]), seed: UInt64(seed))
    ).run()
    #expect(outcome.findings == [])
  }

  /// 117: each of three services left a missing reader to the others. 158: what a subscriber had in hand counted as acknowledged. 196: a plan
  /// that was given up half in force was taken for the one before. 1190: a desk woke for ever at a time that was past. 181: one of three electors
  /// found the electorate implausible that the others had kept, and all three were needed. 73: a portal called again, and its client was not
  /// known by the new name. 100: what a desk had decided, and the disk had not written, was missed. 20008: a manager died over the end of what
  /// never came to run, and the portal waited for ever. 40081: who took a stage over acknowledged what no client had written. 40141: a fence was
  /// believed that a crash had kept from the disk. 50087: a member of raft that could not win kept all others from standing. 60075: a node that did a
  /// stage's work for another service first went on showing that one's assignment, which was worth nothing any more. 70173: what a lying portal
  /// asked for itself was taken for a client's.
  @Test(
    "what the swarm found, as it shortened it",
    arguments: [
      "117-q-m-v-f5-f4-h2-f1-h2", "158-q-m-v-l0-h5-h4-h1-f4-f0-h3-h1-h3", "196-q-m-v-f3-f0-h0", "1190-q-m-v",
      "181-q-m-r3-f4-f2-f0-v1-h1-h0-h1", "73-f8-f7-f6-f5-f4-f3-f2-f0-v-s-h0-h0", "100-r3-f7-f6-f5-f4-f3-f0-h1-r2-h1-h0",
      "20008-r2-f5-f4-f3-f2-f0-h1-h0-h0",
      "40081-r2-r1-f1-n-c-k-s-h0-n-s-h0-s", "40141-l0-f7-f2-f0-h4-h2-h1-f3-f1-s-h2-h2", "50087-r3-r1-f2-f0-s",
      "60075-f7-f4-f2-f1-f0-v1-h0-r1-f0-c-k-s",
      "70173-q-r2-f5-f4-f3-f2-f1-f0-v-c-k-s-r1-s",
    ])
  func found(name: String) throws {
    let scenario = try #require(ReplayName(name)).scenario
    #expect(try Simulation(scenario).run().findings == [])
  }
}

@Suite struct FenceTests {
  @Test(
    "a manager that wakes after its successor took over is not obeyed; without the fence it is, and that is noticed")
  func wakes() throws {
    var caught = 0
    for step in 0..<10 {
      var scenario = MendedTests.scenario(
        at: 6.1 + Double(step) * 0.03, lasts: 4, .pause(.manager(of: 0)), seed: UInt64(step % 3 + 1))
      scenario.topology = .plane(side: 60, least: 5)
      let sound = try Simulation(scenario).run()
      #expect(sound.findings == [])
      let broken = try Simulation(scenario, defect: .fenceRemoved).run()
      caught += broken.findings.contains { $0.checker == FenceChecker.name } ? 1 : 0
    }
    #expect(caught > 0)
  }
}
