import Base
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

@Suite struct RenewalTests {
  static let life = Duration.seconds(60)

  private func running(_ size: Int = 7) -> (Overlay, Signed<Envelope>, manager: Int) {
    var overlay = Overlay(size, seed: 1)
    let envelope = overlay.envelope(lifetime: Self.life)
    overlay.give(0, .call(envelope))
    overlay.run(50)
    let manager = overlay.index(envelope.order[0])
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 7, label: "running", state: [42])))
    overlay.run(50)
    return (overlay, envelope, manager)
  }
  private func renewal(
    _ overlay: Overlay, _ envelope: Signed<Envelope>, by peer: Int = 0, life: Duration = .seconds(600)
  )
    -> Signed<Renewal>
  {
    Signed(
      Renewal(request: envelope.request, issued: overlay.wall, notAfter: overlay.wall + life),
      by: overlay.peers[peer].keys)
  }
  private func effects(_ overlay: Overlay, _ matches: (BallotEffect) -> Bool) -> [Int] {
    overlay.reports.filter { matches($0.effect) }.map(\.peer)
  }

  @Test("without a renewal a request is over at its time, everywhere, and nothing of it is kept")
  func expires() {
    var (overlay, envelope, manager) = running()
    overlay.run(91_000)
    #expect(effects(overlay) { $0 == .lost(envelope.request, .expired) } == [manager])
    #expect(overlay.peers.allSatisfy { $0.ballots.kept.live == 0 })
    overlay.give(0, .call(envelope))
    #expect(overlay.reports.last?.effect == .callFailed(envelope.request, .expired))
  }

  @Test("a renewal that a quorum keeps carries manager, electors and successors past the first end, and to the second")
  func renewed() throws {
    var (overlay, envelope, manager) = running()
    overlay.run(30_000)
    let word = renewal(overlay, envelope)
    overlay.give(0, .renew(word))
    overlay.run(50)
    #expect(effects(overlay) { if case .renewed = $0 { true } else { false } } == [manager])
    #expect(effects(overlay) { $0 == .renewalKept(envelope.request, until: word.body.notAfter) } == [0])
    #expect(overlay.peers.allSatisfy { $0.ballots.notAfter(of: envelope.request) == word.body.notAfter })
    overlay.run(80_000)
    #expect(overlay.peers[manager].ballots.tenures[envelope.request] != nil, "past the envelope's own end")
    // A successor after that end finds both the version and the renewal.
    overlay.crash(manager)
    overlay.run(10_000)
    let heir = try #require(
      overlay.peers.indices.first {
        overlay.peers[$0].isUp && overlay.peers[$0].ballots.tenures[envelope.request] != nil
      })
    let mandate = try #require(overlay.peers[heir].ballots.tenures[envelope.request]).mandate
    #expect(mandate.renewal == word && mandate.notAfter == word.body.notAfter)
    var verified = VerifiedDigests()
    try mandate.verify(
      for: envelope.request, in: mandate.term, wall: overlay.wall, view: overlay.view, at: overlay.now, using: &verified
    )
    #expect(try Mandate(validating: mandate.encoded(), using: &verified) == mandate)
    overlay.run(600_000)
    #expect(overlay.peers.allSatisfy { !$0.isUp || $0.ballots.kept.live == 0 })
    #expect(overlay.witness.violations == [])
  }

  @Test("electors that were away, or that lose their power, have the renewal afterwards")
  func away() throws {
    var (overlay, envelope, manager) = running()
    let others = overlay.peers.indices.filter { $0 != manager && $0 != 0 }
    overlay.peers[others[0]].isCutOff = true
    let word = renewal(overlay, envelope)
    overlay.give(0, .renew(word))
    overlay.run(100)
    overlay.crash(others[1])
    try overlay.restart(others[1])
    overlay.peers[others[0]].isCutOff = false
    overlay.run(3_000)
    #expect(overlay.peers.allSatisfy { $0.ballots.notAfter(of: envelope.request) == word.body.notAfter })
  }

  @Test("only the client renews, only its own request, never backwards and never for longer than a request may last")
  func strangers() throws {
    var (overlay, envelope, manager) = running()
    let before = envelope.body.notAfter
    let stranger = renewal(overlay, envelope, by: 3)
    overlay.give(manager, .received(from: overlay.ids[3], .renewal(stranger, envelope, isKept: false)))
    #expect(overlay.reports.last?.effect == .rejected(overlay.ids[3], .misdirectedRenewal))
    let other = overlay.envelope(counter: 9)
    overlay.give(manager, .received(from: overlay.ids[0], .renewal(renewal(overlay, other), envelope, isKept: false)))
    #expect(overlay.reports.last?.effect == .rejected(overlay.ids[0], .misdirectedRenewal))
    overlay.give(0, .renew(renewal(overlay, envelope, life: .seconds(5))))
    overlay.run(100)
    #expect(overlay.peers.allSatisfy { $0.ballots.notAfter(of: envelope.request) == before })
    let long = renewal(overlay, envelope, life: Limits.requestLifetime + .seconds(1))
    #expect(throws: InvalidMessage.self) { try Renewal(validating: long.bytes) }
  }

  @Test("an ended request stays ended until its renewed time is over; after that what is left of it is refused")
  func tombstone() {
    var (overlay, envelope, manager) = running()
    let word = renewal(overlay, envelope)
    overlay.give(0, .renew(word))
    overlay.run(100)
    overlay.give(manager, .end(envelope.request, state: []))
    overlay.run(1_000)
    #expect(overlay.peers.allSatisfy { $0.ballots.kept == (live: 0, tombstones: 1) })
    overlay.run(200_000)
    func answers() -> [ElectionRefusal] {
      overlay.peers[2].ballots.handle(
        .received(from: overlay.ids[5], .call(envelope, wall: overlay.wall)), at: overlay.now, wall: overlay.wall
      ).compactMap { if case .send(_, .refusal(_, let refusal)) = $0 { refusal } else { nil } }
    }
    #expect(answers() == [.ended])
    overlay.run(450_000)
    #expect(overlay.peers.allSatisfy { $0.ballots.kept == (live: 0, tombstones: 0) })
    #expect(answers() == [.expired])
  }

  @Test("what has ended does not take the place of what lives")
  func room() throws {
    var overlay = Overlay(1, seed: 1)
    for counter in 1...3 as ClosedRange<UInt64> {
      let envelope = overlay.envelope(counter: counter)
      overlay.give(0, .call(envelope))
      overlay.run(20)
      overlay.give(0, .end(envelope.request, state: []))
      overlay.run(100)
    }
    #expect(overlay.peers[0].ballots.kept == (live: 0, tombstones: 3))
    let records = try overlay.peers[0].disk.map { try ElectionRecord(key: $0.key, value: $0.value) }
    let restored = Ballots(keys: overlay.peers[0].keys, restoring: records)
    #expect(restored.kept == (live: 0, tombstones: 3))
    for case .ballot(let record) in records { #expect(record.accepted == nil && record.orderEvidence.isEmpty) }
  }

  @Test("a portal that was cut off when it renewed tells the same word again, until a quorum keeps it")
  func repeated() throws {
    var (overlay, envelope, manager) = running()
    #expect(manager != 0)
    overlay.peers[0].isCutOff = true
    let word = renewal(overlay, envelope)
    overlay.give(0, .renew(word))
    overlay.run(200)
    overlay.peers[0].isCutOff = false
    overlay.give(0, .renew(word))
    overlay.run(100)
    let kept = BallotEffect.renewalKept(envelope.request, until: word.body.notAfter)
    #expect(effects(overlay) { $0 == kept } == [0])
    #expect(overlay.peers.allSatisfy { $0.ballots.notAfter(of: envelope.request) == word.body.notAfter })
    overlay.give(0, .renew(word))
    overlay.run(100)
    #expect(effects(overlay) { $0 == kept } == [0], "it is told once")
  }
}
