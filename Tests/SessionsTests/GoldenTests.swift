import Base
import Foundation
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

/// Transcripts that people read. `MILLRACE_RECORD=1 swift test` writes them anew, to be looked at before they are committed.
@Suite("Transcripts") struct GoldenTests {
  @Test("one service's life: placed after a refusal, repaired after a death, taken over, ended") func life() throws {
    var yard = Yard(peers: 8)
    yard.peers[yard.node(1)]!.desk = Desk(node: yard.node(1), capacity: Capacity(slots: 0, cores: 1, memory: 1 << 30))
    let order = ServiceOrder(
      request: testRequest(1), document: [1], portal: yard.node(5), notAfter: WallTime(milliseconds: 100_000_000))
    func chapter(_ title: String) { yard.trace.append("# \(title)") }
    chapter("elected; node 1 has no slot")
    yard.elect(6, for: order)
    yard.run(for: .seconds(3))
    chapter("node 2, which scales, dies")
    yard.kill(2)
    yard.run(for: .seconds(1))
    chapter("the manager dies; node 7 takes over")
    yard.peers[yard.node(6)]!.isAlive = false
    yard.elect(7, for: order, term: 2, snapshot: yard.records[order.request])
    yard.run(for: .milliseconds(100))
    chapter("the client ends it")
    yard.end(order.request, at: 7)
    yard.run(for: .seconds(1))
    try compare(yard.trace, with: "service")
  }

  @Test("two equal requests at the same instant, and the first one's end") func sharing() throws {
    var yard = Yard(peers: 8)
    func order(_ number: UInt8, portal: Int) -> ServiceOrder {
      ServiceOrder(
        request: testRequest(number), document: [1], portal: yard.node(portal),
        notAfter: WallTime(milliseconds: 100_000_000))
    }
    let orders = [order(1, portal: 6), order(2, portal: 7)]
    yard.elect(4, for: orders[0])
    yard.elect(5, for: orders[1])
    yard.run(for: .seconds(1))
    yard.trace.append("# the first ends")
    yard.end(orders[0].request, at: 4)
    yard.run(for: .milliseconds(900))
    yard.trace.append("# the second ends")
    yard.end(orders[1].request, at: 5)
    yard.run(for: .milliseconds(900))
    try compare(yard.trace, with: "sharing")
  }

  private func compare(_ trace: [String], with name: String, file: String = #filePath) throws {
    let golden = URL(filePath: file).deletingLastPathComponent().appending(path: "Golden/\(name).trace")
    let text = trace.joined(separator: "\n") + "\n"
    if ProcessInfo.processInfo.environment["MILLRACE_RECORD"] != nil {
      try text.write(to: golden, atomically: true, encoding: .utf8)
    }
    let expected = try String(contentsOf: golden, encoding: .utf8)
    let differing = zip(text.split(separator: "\n"), expected.split(separator: "\n")).first { $0 != $1 }
    #expect(text == expected, "first difference: \(differing.map { "“\($0.0)” where “\($0.1)” stood" } ?? "length")")
  }
}
