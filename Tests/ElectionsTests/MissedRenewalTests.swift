import Base
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

/// A renewal that some electors have not heard of, or heard of in another epoch.
@Suite struct MissedRenewalTests {
  private static let life = Duration.seconds(60)

  /// A service that runs, its manager, and an elector that is neither that nor the portal.
  private func running() throws -> (Overlay, Signed<Envelope>, manager: Int, other: Int) {
    let (overlay, envelope, manager, others) = try HandoverTests.running(lifetime: Self.life)
    return (overlay, envelope, manager, others.first { overlay.ids[$0] != envelope.order[1] }!)
  }
  private func renewal(_ overlay: Overlay, _ envelope: Signed<Envelope>) -> Signed<Renewal> {
    Signed(
      Renewal(request: envelope.request, issued: overlay.wall, notAfter: overlay.wall + .seconds(600)),
      by: overlay.peers[0].keys)
  }
  private func renewed(_ overlay: Overlay) -> [Mandate] {
    overlay.reports.compactMap { if case .renewed(_, let mandate) = $0.effect { mandate } else { nil } }
  }

  @Test(
    "an elector that was away past the end that it knew goes on with what it promised", arguments: [true, false])
  func away(_ isDown: Bool) throws {
    var (overlay, envelope, manager, other) = try running()
    if isDown { overlay.crash(other) } else { overlay.peers[other].isCutOff = true }
    overlay.run(30_000)
    let word = renewal(overlay, envelope)
    overlay.give(0, .renew(word))
    overlay.run(75_000)
    let before = try #require(overlay.peers[other].ballots.ballots[envelope.request]).record
    #expect(before.vote != nil && before.accepted != nil)
    if isDown { try overlay.restart(other) } else { overlay.peers[other].isCutOff = false }
    overlay.run(20)
    #expect(overlay.peers[other].ballots.kept.live == 0)
    overlay.run(3_000)
    let after = try #require(overlay.peers[other].ballots.ballots[envelope.request]).record
    #expect(after.vote == before.vote && after.accepted?.snapshot == before.accepted?.snapshot)
    #expect(after.renewal == word && overlay.peers[other].ballots.kept.live == 1)
    if isDown {
      // The other has lost patience with this manager, and keeps its word about that too.
      let tenure = try #require(overlay.peers[manager].ballots.tenures[envelope.request])
      let answered = try #require(tenure.renewed[overlay.ids[other]])
      #expect(overlay.now - answered < .seconds(2), "it renews the manager's lease again")
    }
    #expect(overlay.witness.violations == [])
    overlay.run(700_000)
    #expect(overlay.peers.allSatisfy { $0.ballots.kept == (live: 0, tombstones: 0) })
  }

  @Test("an elector that has nothing any more of a request that outlived its envelope does not begin anew")
  func forgotten() throws {
    var (overlay, envelope, manager, other) = try running()
    overlay.crash(other)
    overlay.peers[other].disk["ballot/\(envelope.request)"] = nil
    overlay.run(30_000)
    overlay.give(0, .renew(renewal(overlay, envelope)))
    overlay.run(75_000)
    try overlay.restart(other)
    overlay.run(3_000)
    #expect(overlay.peers[other].ballots.ballots[envelope.request] == nil)
    #expect(
      overlay.reports.contains {
        $0.peer == manager && $0.effect == .rejected(overlay.ids[other], .refused(.expired))
      })
  }

  @Test("what an elector keeps past its time it forgets a day later, and is silent until then")
  func silent() throws {
    var (overlay, envelope, manager, other) = try running()
    overlay.run(91_000)
    #expect(overlay.peers[other].ballots.ballots[envelope.request] != nil)
    let said = overlay.peers[other].ballots.handle(
      .received(from: overlay.ids[manager], .call(envelope, wall: overlay.wall)), at: overlay.now, wall: overlay.wall)
    #expect(said == [.send(overlay.ids[manager], .refusal(envelope.request, .expired))])
    let count = overlay.reports.count
    overlay.run(24 * 3_600_000)
    #expect(overlay.reports.count == count)
    #expect(
      overlay.peers.allSatisfy { $0.ballots.ballots.isEmpty && $0.disk.keys.allSatisfy { !$0.hasPrefix("ballot") } })
  }

  @Test("a successor that missed the renewal finds it among its voters")
  func successor() throws {
    var (overlay, envelope, manager, _) = try running()
    let heir = overlay.index(envelope.order[1])
    overlay.peers[heir].isCutOff = true
    let word = renewal(overlay, envelope)
    overlay.give(0, .renew(word))
    overlay.run(300)
    overlay.crash(manager)
    overlay.peers[heir].isCutOff = false
    overlay.run(4_000)
    let mandate = try #require(overlay.peers[heir].ballots.tenures[envelope.request]).mandate
    #expect(mandate.renewal == word)
    #expect(renewed(overlay).last == mandate, "and has a quorum keep it")
  }

  @Test("after a handover a renewal is in force once a quorum of the new electors keeps it")
  func nextEpoch() throws {
    var (overlay, envelope, manager, others) = try HandoverTests.running(lifetime: Self.life)
    let word = renewal(overlay, envelope)
    overlay.give(0, .renew(word))
    overlay.run(100)
    #expect(renewed(overlay).map(\.term) == [Term(1)])
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.run(2_000) { $0.peers[manager].ballots.tenures[envelope.request]?.mandate.term.epoch == 1 }
    #expect(overlay.peers[manager].ballots.tenures[envelope.request]?.isRenewalInForce == false)
    overlay.run(1_000)
    #expect(renewed(overlay).map(\.term) == [Term(1), Term(epoch: 1, 1)])
    let electors = try #require(renewed(overlay).last).electorate
    #expect(
      electors.members.allSatisfy {
        overlay.peers[overlay.index($0)].ballots.notAfter(of: envelope.request) == word.body.notAfter
      })
  }
}
