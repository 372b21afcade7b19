import Base
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

/// A manager that takes the last of all numbers spoils its own term and no other.
@Suite struct UsedUpTests {
  @Test("the last number and version that a manager can sign leave its successors all of theirs, the end included")
  func successors() throws {
    var overlay = Overlay(7, seed: 1)
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(50)
    let liar = overlay.index(envelope.order[0])
    let mandate = try #require(overlay.peers[liar].ballots.tenures[envelope.request]).mandate
    let last = Signed(
      Snapshot(
        request: envelope.request, term: mandate.term, sequence: 1 << 62, version: UInt64(UInt32.max), label: "running",
        state: [42], claims: []), by: overlay.peers[liar].keys)
    #expect(try Snapshot(validating: last.bytes) == last.body)
    for peer in overlay.peers.indices where peer != liar {
      overlay.give(peer, .received(from: overlay.ids[liar], .proposal(last, mandate)))
    }
    overlay.run(50)
    overlay.crash(liar)
    overlay.run(5_000)
    let heir = try #require(overlay.peers.indices.first { overlay.peers[$0].log != nil })
    #expect(overlay.peers[heir].log == [42])
    // As everybody else would read it.
    func newest() throws -> Snapshot {
      let proposal = try #require(overlay.peers[heir].ballots.tenures[envelope.request]?.proposal)
      return try Snapshot(validating: proposal.snapshot.bytes)
    }
    #expect(try newest().state == [42])
    overlay.give(heir, .propose(envelope.request, SnapshotDraft(version: 8, label: "running", state: [42, 43])))
    overlay.run(50)
    #expect(try newest().state == [42, 43])
    #expect(try newest().sequence == 2)
    overlay.give(
      heir, .propose(envelope.request, SnapshotDraft(version: UInt64(UInt32.max), label: "running", state: [42, 43])))
    overlay.run(50)
    overlay.give(heir, .end(envelope.request, state: [44]))
    #expect(try newest().isEnd)
    overlay.run(50)
    #expect(overlay.reports.contains { $0.peer == heir && $0.effect == .ended(envelope.request) })
    #expect(overlay.witness.violations == [])
  }
}
