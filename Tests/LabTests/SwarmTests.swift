import Base
import Core
import Foundation
import Testing

@testable import Lab

/// With the checks of a debug build. The two hundred of every test run are played by the release build, many times as fast: see `Tools/test`.
/// `MILLRACE_SWARM=2000 MILLRACE_SEED=7 swift test` looks longer and elsewhere.
private let runs = ProcessInfo.processInfo.environment["MILLRACE_SWARM"].flatMap { Int($0) } ?? 20
private let seed = ProcessInfo.processInfo.environment["MILLRACE_SEED"].flatMap { UInt64($0) } ?? 1
private let isLoud = ProcessInfo.processInfo.environment["MILLRACE_LOUD"] != nil

/// To standard error, so that a crash loses nothing.
private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

@Suite struct SwarmTests {
  @Test("in random trouble nothing unsafe happens, and when it has healed everything asked for comes to an end")
  func swarm() async {
    let start = Date()
    var swarm = Swarm(seed: seed, runs: runs)
    swarm.begins = { if isLoud { say("seed \($0)") } }
    let result = await swarm.run(threads: 1) { number, part in
      for failure in part.failures {
        say("seed \(failure.name): millrace lab replay \(failure.shortest)")
        for finding in failure.findings.prefix(3) { say("  \(finding)") }
      }
    }
    say(
      "\(result.runs) runs, \(result.ends), \(result.problems), \(Int(result.simulated)) s simulated, \(result.happenings) happenings, "
        + "\(Int(Date().timeIntervalSince(start))) s")
    #expect(result.runs == runs)
    #expect(result.failures.map { "\($0.shortest): \($0.findings.first!)" } == [])
  }

  /// Of the first so many scenarios it is told in how many a canary was caught; one that none of them catches has all 500.
  static let counted = ProcessInfo.processInfo.environment["MILLRACE_CANARIES"].flatMap { Int($0) } ?? 20

  @Test("(canary) every planted defect is caught within 500 scenarios", arguments: Defect.allCases)
  func canary(_ defect: Defect) {
    var (caught, played, first) = (0, 0, Int?.none)
    var by: [String: Int] = [:]
    var swarm = Swarm(seed: 1, runs: 500, defect: defect)
    swarm.shrinks = false
    while played < Self.counted || (first == nil && played < 500) {
      let failures = swarm.play(played).failures
      played += 1
      guard let finding = failures.first?.findings.first else { continue }
      caught += 1
      first = first ?? played
      by[finding.checker, default: 0] += 1
    }
    say(
      "\(defect): caught in \(caught) of \(played) scenarios, first in number \(first.map(String.init) ?? "none"), by \(by)"
    )
    #expect(first != nil, "\(defect) stayed unnoticed in \(played) scenarios: checkers or scenarios are too weak")
  }

  /// `MILLRACE_REPLAY=4711-f3 swift test --filter replay` plays one and tells everything.
  @Test(
    "(by hand) a scenario of the swarm, told",
    .enabled(if: ProcessInfo.processInfo.environment["MILLRACE_REPLAY"] != nil))
  func replay() throws {
    let name = try #require(ReplayName(ProcessInfo.processInfo.environment["MILLRACE_REPLAY"]!))
    let scenario = name.scenario
    say("nodes:")
    for (number, node) in scenario.nodes.enumerated() { say("  n\(number) \(node)") }
    for fault in scenario.faults { say("\(fault)") }
    for ask in scenario.requests { say("\(ask)") }
    let outcome = try Simulation(scenario, trace: TraceWriter(say)).run()
    for request in outcome.requests { say("\(request)") }
    for finding in outcome.findings { say("\(finding)") }
    say(outcome.traceHash)
  }
}
