import Base
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

/// Readable transcripts. `MILLRACE_RECORD_GOLDEN=1 swift test` writes them anew: read the difference before you commit it.
@Suite struct GoldenTests {
  private func compare(_ overlay: Overlay, with name: String) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name).trace")
    let electorate = overlay.envelope().body.electorate.members.map { overlay.who($0) }.joined(separator: " ")
    let lines = ["electorate, in the order of the draw: \(electorate)", ""] + overlay.trace
    let text = lines.joined(separator: "\n") + "\n"
    if ProcessInfo.processInfo.environment["MILLRACE_RECORD_GOLDEN"] != nil {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    let golden = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    for (index, pair) in zip(golden, text.split(separator: "\n", omittingEmptySubsequences: false)).enumerated() {
      try #require(pair.0 == pair.1, "\(name).trace, line \(index + 1)")
    }
    #expect(golden.count == text.split(separator: "\n", omittingEmptySubsequences: false).count)
  }

  @Test("an election, a version, the end")
  func election() throws {
    var overlay = Overlay(4, seed: 1)
    overlay.isTracing = true
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(20)
    let manager = try #require(overlay.peers.firstIndex { $0.ballots.tenures[envelope.request] != nil })
    overlay.give(
      manager, .propose(envelope.request, SnapshotDraft(version: 1, label: "composing", state: Array("plan 1".utf8))))
    overlay.run(20)
    overlay.give(manager, .end(envelope.request, state: []))
    overlay.run(20)
    try compare(overlay, with: "election")
  }

  @Test("a manager dies, a successor takes over")
  func failover() throws {
    var overlay = Overlay(4, seed: 1)
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(20)
    let manager = try #require(overlay.peers.firstIndex { $0.ballots.tenures[envelope.request] != nil })
    overlay.give(
      manager, .propose(envelope.request, SnapshotDraft(version: 1, label: "running", state: Array("plan 1".utf8))))
    overlay.run(20)
    overlay.isTracing = true
    overlay.trace.append("   40.0 ms  \(overlay.name(manager))      dies")
    overlay.crash(manager)
    overlay.run(2_100)
    try compare(overlay, with: "failover")
  }
}
