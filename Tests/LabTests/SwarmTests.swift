import Base
import Core
import Foundation
import Testing

@testable import Lab

/// `MILLRACE_SWARM=2000 MILLRACE_SEED=7 swift test` looks longer and elsewhere.
private let runs = ProcessInfo.processInfo.environment["MILLRACE_SWARM"].flatMap { Int($0) } ?? 200
private let seed = ProcessInfo.processInfo.environment["MILLRACE_SEED"].flatMap { UInt64($0) } ?? 1

@Suite struct SwarmTests {
  @Test("in random trouble nothing unsafe happens, and when it has healed everything asked for comes to an end")
  func swarm() async {
    let start = Date()
    let result = await Swarm(seed: seed, runs: runs).run(threads: 1) { number, part in
      for failure in part.failures {
        print("seed \(failure.name): \(failure.shortest)")
        for finding in failure.findings.prefix(3) { print("  \(finding)") }
      }
    }
    print(
      "\(result.runs) runs, \(result.ends), \(result.problems), \(Int(result.simulated)) s simulated, \(result.happenings) happenings, "
        + "\(Int(Date().timeIntervalSince(start))) s")
    #expect(result.runs == runs)
    #expect(result.failures.map { "\($0.shortest): \($0.findings.first!)" } == [])
  }
}
