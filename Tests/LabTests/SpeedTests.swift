import Base
import Foundation
import Testing

@testable import Lab

/// `MILLRACE_SPEED=1000,0,60,2 swift test -c release -Xswiftc -enable-testing --filter SpeedTests` plays 1,000 nodes with full views and a minute of
/// requests on two threads; a number in the second place bounds their views. `millrace lab scale` tells the same at more length.
@Suite struct SpeedTests {
  private static let wish = ProcessInfo.processInfo.environment["MILLRACE_SPEED"]?.split(separator: ",").compactMap {
    Int($0)
  }

  @Test("(by hand) how fast very many nodes gossip, with a request a second", .enabled(if: wish?.count == 4))
  func speed() throws {
    let (nodes, view, seconds, threads) = (Self.wish![0], Self.wish![1], Self.wish![2], Self.wish![3])
    let scenario = Scenario.crowd(nodes: nodes, view: view > 0 ? view : nil, seconds: Double(seconds))
    let outcome = try ScaledSimulation(scenario, threads: threads).run()
    FileHandle.standardError.write(
      Data(
        ("\(nodes) nodes, \(outcome.simulated) s simulated in \(outcome.wall) s, \(outcome.cpu) s of processor, "
          + "\(Int(outcome.happeningsPerSecond)) happenings a second, \(outcome.counts), \(outcome.ends), \(outcome.sight), \(outcome.mandates.sorted().dropFirst(outcome.mandates.count / 2).first ?? -1) s to a mandate, \(outcome.problems), "
          + "\(outcome.peakMemory >> 20) MiB, \(outcome.traceHash), \(outcome.bounds(of: 100_000))\n").utf8))
    #expect(outcome.simulated > 0)
  }
}
