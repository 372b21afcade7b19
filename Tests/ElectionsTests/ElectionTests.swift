import Base
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary
import Wire

@testable import Elections

@Suite struct ElectionTests {
  /// A calm overlay in which a request has been called for and settled.
  private func settled(_ size: Int, appendEvery: Int64 = 0) -> (Overlay, Signed<Envelope>, manager: Int) {
    var overlay = Overlay(size, seed: 1)
    overlay.appendEvery = appendEvery
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(50)
    return (overlay, envelope, overlay.index(envelope.body.electorate.candidate(of: envelope.request, in: Term(1))!))
  }

  private func mandates(_ overlay: Overlay) -> [Mandate] {
    overlay.reports.compactMap { if case .elected(let mandate, _) = $0.effect { mandate } else { nil } }
  }

  @Test("k, f and the quorum are those of the design, and any two quorums share an honest elector")
  func quorums() {
    let ids = Overlay(7, seed: 1).ids
    let expected = [(0, 1), (0, 2), (0, 2), (1, 3), (1, 4), (1, 4), (2, 5)]
    for (k, (faults, quorum)) in zip(1...7, expected) {
      let electorate = Electorate(Array(ids.prefix(k)))!
      #expect(electorate.faults == faults && electorate.quorum == quorum)
      #expect(2 * quorum - k >= faults + 1)
      #expect(quorum <= k)
    }
    #expect(Electorate([]) == nil && Electorate([ids[0], ids[0]]) == nil)
  }

  @Test("the draw depends on the source alone, and candidates rotate through the whole electorate")
  func draw() {
    let overlay = Overlay(10, seed: 1)
    let source = SourceKey(Digest.of([9], kind: "test"))
    let drawn = Electorate.draw(for: source, from: overlay.ids)!
    #expect(drawn == Electorate.draw(for: source, from: overlay.ids.reversed()))
    #expect(drawn.size == 7)
    let request = RequestID(Digest.of([1], kind: "test"))
    let candidates = (1...14).map { drawn.candidate(of: request, in: Term(UInt32($0)))! }
    #expect(Set(candidates.prefix(7)) == Set(drawn.members))
    #expect(Array(candidates.prefix(7)) == Array(candidates.suffix(7)))
    #expect(drawn.candidate(of: request, in: Term(0)) == nil)
  }

  @Test("an election takes one round trip: a call, and a vote straight to the candidate", arguments: 1...7)
  func oneRoundTrip(_ size: Int) throws {
    var overlay = Overlay(size, seed: 3)
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(20) { !self.mandates($0).isEmpty }
    let mandate = try #require(mandates(overlay).first)
    // Two messages of 1 ms and one write of 2 ms.
    #expect(overlay.time <= 4_000)
    #expect(mandate.votes.count == envelope.body.electorate.quorum && mandate.term == Term(1))
    #expect(mandate.manager == envelope.body.electorate.candidate(of: envelope.request, in: Term(1)))
    var verified = VerifiedDigests()
    try mandate.verify(
      for: envelope.request, in: Term(1), wall: overlay.wall, view: overlay.view, at: overlay.now, using: &verified)
    overlay.run(5)
    #expect(overlay.reports.contains { $0.peer == 0 && $0.effect == .managerKnown(mandate) })
  }

  @Test("no vote leaves before it is on disk")
  func persistBeforeSend() {
    var overlay = Overlay(5, seed: 1)
    overlay.weather.disk = 1_000_000
    overlay.give(0, .call(overlay.envelope()))
    overlay.run(200)
    #expect(
      mandates(overlay).isEmpty
        && overlay.peers.allSatisfy { $0.ballots.ballots.values.allSatisfy { $0.heard.isEmpty } })
  }

  @Test("a version is in force once a quorum keeps it, and not before")
  func versionsNeedAQuorum() {
    var (overlay, envelope, manager) = settled(5)
    for peer in overlay.peers.indices where peer != manager { overlay.peers[peer].isCutOff = true }
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 7, label: "running", state: [1])))
    overlay.run(100)
    #expect(overlay.witness.acceptedVersions == 0)
    for peer in overlay.peers.indices { overlay.peers[peer].isCutOff = false }
    overlay.run(700)
    #expect(overlay.witness.acceptedVersions == 1)
    #expect(overlay.witness.violations == [])
  }

  @Test("the manager dies: the next candidate adopts the newest version, and the portal hears of it")
  func failover() throws {
    var (overlay, envelope, manager) = settled(5)
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 1, label: "running", state: [42])))
    overlay.run(100)
    overlay.crash(manager)
    overlay.run(4_000)
    let elections = overlay.reports.compactMap { report in
      if case .elected(let mandate, let newest) = report.effect { (report.peer, mandate, newest) } else { nil }
    }
    let (successor, mandate, newest) = try #require(elections.last)
    #expect(elections.count == 2 && mandate.term == Term(2) && successor != manager)
    #expect(newest?.body.state == [42] && newest?.body.term == Term(2))
    if manager != 0 { #expect(overlay.reports.contains { $0.peer == 0 && $0.effect == .managerKnown(mandate) }) }
  }

  @Test("without a quorum the manager is frozen and no successor appears; with one it thaws")
  func freezing() {
    var (overlay, envelope, manager) = settled(4)
    let others = overlay.peers.indices.filter { $0 != manager }
    for peer in others.prefix(2) { overlay.peers[peer].isCutOff = true }
    overlay.run(2_200)
    #expect(overlay.reports.contains { $0.peer == manager && $0.effect == .frozen(envelope.request) })
    #expect(mandates(overlay).count == 1)
    for peer in others.prefix(2) { overlay.peers[peer].isCutOff = false }
    overlay.run(20_000)
    let isLed = overlay.peers.contains { $0.ballots.tenures[envelope.request]?.isFrozen == false }
    #expect(isLed)
    #expect(overlay.witness.violations == [])
  }

  @Test("a manager that an elector has left, and that has no quorum without it, makes way")
  func outpaced() throws {
    var (overlay, envelope, manager) = settled(4)
    let others = overlay.peers.indices.filter { $0 != manager }
    overlay.peers[others[0]].isCutOff = true
    overlay.run(3_000)
    #expect(mandates(overlay).count == 1)
    overlay.peers[others[0]].isCutOff = false
    overlay.crash(others[1], losingStore: true)
    try overlay.restart(others[1])
    overlay.run(10_000)
    let terms = mandates(overlay).map(\.term)
    #expect(terms.count > 1)
    #expect(overlay.peers.contains { $0.ballots.tenures[envelope.request]?.isFrozen == false })
  }

  @Test("a candidate that declines is passed over at once")
  func declining() throws {
    var overlay = Overlay(5, seed: 1)
    let envelope = overlay.envelope()
    let first = overlay.index(envelope.body.electorate.candidate(of: envelope.request, in: Term(1))!)
    overlay.give(first, .standing(.busy))
    overlay.give(0, .call(envelope))
    overlay.run(30)
    #expect(mandates(overlay).map(\.term) == [Term(2)])
  }

  @Test("a restarted manager has forgotten what it said: it declines its term and never signs in it again")
  func restartedManager() throws {
    var (overlay, envelope, manager) = settled(5)
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 1, label: "running", state: [42])))
    overlay.run(50)
    overlay.crash(manager)
    try overlay.restart(manager)
    overlay.run(100)
    #expect(mandates(overlay).map(\.term) == [Term(1), Term(2)])
    #expect(overlay.witness.violations == [])
  }

  @Test("an elector whose store was lost does not vote in an election that it may have voted in")
  func lostStore() throws {
    var (overlay, envelope, manager) = settled(3)
    let elector = (0..<3).first { $0 != manager }!
    overlay.crash(elector, losingStore: true)
    try overlay.restart(elector)
    overlay.run(100)
    #expect(overlay.peers[elector].ballots.ballots[envelope.request] == nil)
    overlay.run(31_000)
    overlay.give(elector, .members(overlay.view))
    let later = overlay.envelope(counter: 2)
    overlay.give(0, .call(later))
    overlay.run(50)
    #expect(overlay.peers[elector].ballots.ballots[later.request]?.record.promised == Term(1))
  }

  @Test("a second request under one counter is answered with the first")
  func duplicates() {
    var (overlay, envelope, _) = settled(5)
    let second = overlay.envelope(counter: 1)
    #expect(second.request != envelope.request)
    overlay.give(0, .call(second))
    overlay.run(50)
    #expect(overlay.reports.contains { $0.effect == .answeredByFirst(second.request, first: envelope) })
    #expect(mandates(overlay).map(\.request) == [envelope.request])
  }

  @Test("of two managers that claim one stream, exactly the later one is told so")
  func claims() {
    var overlay = Overlay(7, seed: 5)
    overlay.weather.delay = 1...9
    let envelopes = [overlay.envelope(counter: 1), overlay.envelope(counter: 2)]
    for envelope in envelopes { overlay.give(0, .call(envelope)) }
    overlay.run(60)
    let stream = StreamKey(Digest.of([1], kind: "test"))
    for envelope in envelopes {
      let manager = overlay.peers.firstIndex { $0.ballots.tenures[envelope.request] != nil }!
      let claim = Claim(stream: stream, node: overlay.ids[manager])
      overlay.give(
        manager, .propose(envelope.request, SnapshotDraft(version: 1, label: "composing", state: [], claims: [claim])))
    }
    overlay.run(300)
    let told = overlay.reports.compactMap { report in
      if case .snapshotAccepted(_, _, _, let earlier) = report.effect { earlier.count } else { nil }
    }
    #expect(told.sorted() == [0, 1])
  }

  @Test("the end is a version too; afterwards the request is a tombstone everywhere")
  func ending() {
    var (overlay, envelope, manager) = settled(5)
    overlay.give(manager, .end(envelope.request, state: [9]))
    overlay.run(100)
    #expect(overlay.reports.contains { $0.peer == manager && $0.effect == .ended(envelope.request) })
    #expect(overlay.reports.contains { $0.peer == 0 && $0.effect == .ended(envelope.request) })
    #expect(overlay.peers.allSatisfy { $0.ballots.ballots[envelope.request]?.record.ended == true })
    #expect(overlay.peers[manager].ballots.tenures.isEmpty, "all have said that they know: nobody need be told again")
    #expect(
      overlay.peers.allSatisfy { $0.ballots.requestsOfClient.isEmpty },
      "what has ended no longer counts against its client")
    overlay.run(20_000)
    #expect(mandates(overlay).count == 1)
    overlay.give(1, .call(envelope))
    overlay.run(100)
    #expect(overlay.reports.last { $0.peer == 1 }?.effect == .ended(envelope.request))
  }

  @Test("past its end a request is forgotten, on disk too")
  func expiry() {
    var overlay = Overlay(3, seed: 1)
    let envelope = overlay.envelope(lifetime: .seconds(5))
    overlay.give(0, .call(envelope))
    overlay.run(60_000)
    #expect(
      overlay.peers.allSatisfy { $0.ballots.ballots.isEmpty && $0.ballots.tenures.isEmpty && $0.ballots.calls.isEmpty })
    #expect(overlay.peers.allSatisfy { !$0.disk.keys.contains { $0.hasPrefix("ballot/") } })
    #expect(overlay.reports.contains { $0.effect == .lost(envelope.request, .expired) })
  }

  @Test("a portal gives up with the electors' reason, or with the names of the silent ones")
  func failures() {
    var overlay = Overlay(5, seed: 1)
    let friends = Electorate(Array(overlay.ids.prefix(1)))!
    var body = overlay.envelope().body
    body.electorate = friends
    overlay.run(61_000)
    let grab = Signed(body, by: overlay.peers[0].keys)
    overlay.give(0, .call(grab))
    overlay.run(20)
    guard case .callFailed(_, .refused(.implausible(let omitted, _), let by)) = overlay.reports.last?.effect else {
      Issue.record("not refused: \(String(describing: overlay.reports.last))")
      return
    }
    #expect(by == [overlay.ids[0]] && omitted.count == 4)
    for peer in 1..<5 { overlay.crash(peer) }
    let envelope = overlay.envelope(counter: 2)
    overlay.give(0, .call(envelope))
    overlay.run(20_000)
    let silent = envelope.body.electorate.members.filter { $0 != overlay.ids[0] }
    #expect(overlay.reports.last?.effect == .callFailed(envelope.request, .noQuorum(silent: silent)))
  }
}
