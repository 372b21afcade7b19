import Base
import Core
import Foundation
import Testing

@testable import Lab

/// `MILLRACE_SWARM=2000 MILLRACE_SEED=7 swift test` looks longer and elsewhere.
private let runs = ProcessInfo.processInfo.environment["MILLRACE_SWARM"].flatMap { Int($0) } ?? 200
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
