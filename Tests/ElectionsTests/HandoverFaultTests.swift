import Base
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

/// What liars, strangers and lost messages do to a handover.
@Suite struct HandoverFaultTests {
  private func isHandingOver(_ overlay: Overlay, _ envelope: Signed<Envelope>, by manager: Int) -> Bool {
    overlay.peers[manager].ballots.isHandingOver(envelope.request)
  }

  /// Two of seven electors are gone, and the manager has just proposed the next electorate.
  private func proposed() throws -> (Overlay, Signed<Envelope>, manager: Int, others: [Int]) {
    var (overlay, envelope, manager, others) = try HandoverTests.running()
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.peers[others[2]].isCutOff = true
    overlay.run(600) { $0.peers[manager].ballots.isHandingOver(envelope.request) }
    #expect(isHandingOver(overlay, envelope, by: manager))
    return (overlay, envelope, manager, others)
  }

  @Test(
    "an elector that acknowledges a handover without its electorate is not counted: the certificate is made without its word"
  )
  func bareWord() throws {
    var (overlay, envelope, manager, others) = try proposed()
    let liar = others[2]
    let mark = try #require(overlay.peers[manager].ballots.tenures[envelope.request]?.proposal?.snapshot.mark)
    let generation = try #require(overlay.peers[liar].ballots.generation).number
    let word = Signed(
      Acknowledgement(request: envelope.request, mark: mark, counter: 1 << 40, generation: generation),
      by: overlay.peers[liar].keys)
    overlay.give(manager, .received(from: overlay.ids[liar], .acknowledgement(word, earlier: [])))
    #expect(overlay.reports.last?.effect == .rejected(overlay.ids[liar], .otherSuccessors))
    overlay.run(400)
    #expect(
      overlay.peers[manager].ballots.tenures[envelope.request]?.handedOver == nil, "four words of seven are no quorum")
    // With one honest elector more it is made, and holds.
    overlay.peers[liar].isCutOff = false
    overlay.run(2_000)
    let mandate = try #require(
      overlay.reports.compactMap { if case .elected(let mandate, _) = $0.effect { mandate } else { nil } }.last)
    #expect(mandate.term.epoch == 1)
    var verified = VerifiedDigests()
    try mandate.verify(using: &verified)
    #expect(overlay.witness.violations == [])
  }

  /// The members but some, as a peer may see them that cannot reach those.
  private func view(_ overlay: Overlay, without absent: [Int]) -> MemberView {
    MemberView(overlay.view.members.values.filter { !absent.contains(overlay.index($0.id)) })
  }

  @Test("a manager whose electors handed over without it hears so from the certificate, before it has a successor")
  func drawnOut() throws {
    var (overlay, envelope, manager, others) = try HandoverTests.running()
    // Cut off, and one is gone: the rest hand over to an electorate without either.
    overlay.depart(others[0])
    overlay.peers[manager].isCutOff = true
    let peers = overlay.peers.indices.filter { $0 != manager }
    for peer in peers { overlay.give(peer, .members(view(overlay, without: [manager]))) }
    overlay.run(9_000) { overlay in
      peers.contains { overlay.peers[$0].ballots.ballots[envelope.request]?.epoch == 1 }
    }
    #expect(overlay.peers[manager].ballots.tenures[envelope.request] != nil)
    let record = try #require(
      peers.compactMap { overlay.peers[$0].ballots.ballots[envelope.request] }.first { $0.epoch == 1 }?.record)
    #expect(!record.handovers[0].electorate.contains(overlay.ids[manager]))
    let word = ElectionMessage.handover(try #require(record.accepted), record.handovers)
    overlay.give(manager, .received(from: overlay.ids[others[1]], word))
    #expect(overlay.peers[manager].ballots.tenures[envelope.request] == nil)
    #expect(
      overlay.reports.contains {
        $0.peer == manager && $0.effect == .lost(envelope.request, .succeeded(Term(epoch: 1, 1)))
      })
  }

  @Test("whoever handed over and goes on telling of it is told who manages now")
  func tellingOn() throws {
    var (overlay, envelope, manager, others) = try HandoverTests.running()
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.run(600) { $0.peers[manager].ballots.tenures[envelope.request]?.handedOver != nil }
    let old = try #require(overlay.peers[manager].ballots.tenures[envelope.request])
    let handovers = try #require(old.handedOver)
    let last = MandatedSnapshot(snapshot: try #require(old.proposal).snapshot, mandate: old.mandate)
    overlay.run(1_000)
    let elector = others[2]
    let mandate = try #require(overlay.peers[elector].ballots.ballots[envelope.request]?.mandate)
    #expect(mandate.term.epoch == 1)
    let answer = overlay.peers[elector].ballots.handle(
      .received(from: overlay.ids[manager], .handover(last, handovers)), at: overlay.now, wall: overlay.wall)
    #expect(answer == [.send(overlay.ids[manager], .elected(mandate))])
  }

  @Test("a successor that can only repeat a handover makes way in time when no quorum keeps it")
  func repeatedInVain() throws {
    var (overlay, envelope, manager, _) = try HandoverTests.running()
    // Two hear what the manager proposes, who believes that two others are gone: the rest make no quorum without either.
    let hearers = envelope.order[1...2].map(overlay.index)
    let heir = hearers[0]
    let rest = overlay.peers.indices.filter { $0 != manager && !hearers.contains($0) }
    let absent = envelope.body.electorate.members.map(overlay.index).filter { $0 != 0 && rest.contains($0) }.prefix(2)
    for peer in rest { overlay.peers[peer].isCutOff = true }
    overlay.give(manager, .members(view(overlay, without: Array(absent))))
    func heard(_ overlay: Overlay, _ peer: Int) -> Electorate? {
      overlay.peers[peer].ballots.ballots[envelope.request]?.record.accepted?.snapshot.body.successors
    }
    overlay.run(700) { overlay in hearers.allSatisfy { heard(overlay, $0) != nil } }
    let next = try #require(heard(overlay, heir))
    overlay.crash(manager)
    // The rest live, and believe three of the new electors to be gone.
    let doubted = next.members.map(overlay.index).filter { $0 != 0 && rest.contains($0) }.prefix(3)
    for peer in rest {
      overlay.peers[peer].isCutOff = false
      overlay.give(peer, .members(view(overlay, without: Array(doubted))))
    }
    overlay.run(5_000) { $0.peers[heir].ballots.tenures[envelope.request] != nil }
    let isRepeated = overlay.peers[heir].ballots.isHandingOver(envelope.request)
    try #require(isRepeated)
    func isOver(_ overlay: Overlay) -> Bool {
      overlay.reports.contains { $0.peer == heir && $0.effect == .lost(envelope.request, .declined) }
    }
    overlay.run(9_000)
    let isEarly = isOver(overlay)
    #expect(!isEarly, "ten seconds are not over")
    overlay.run(3_000)
    let isInTime = isOver(overlay)
    #expect(isInTime)
    #expect(overlay.witness.violations == [])
  }

  /// The dead come back, or one elector never missed them: it may never agree, and every elector that is left is needed.
  @Test("an elector that finds the next electorate implausible keeps it on the word of f+1 others, and of no fewer")
  func vouched() throws {
    var (overlay, envelope, manager, others) = try HandoverTests.running()
    let doubter = others[2]
    // Of the new electors it knows none, of the old ones it lacks one that lives and keeps the dead.
    let newcomers = overlay.peers.indices.filter { !envelope.body.electorate.contains(overlay.ids[$0]) }
    let own = view(overlay, without: newcomers + [others[3]])
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.give(doubter, .members(own))
    func epoch(_ overlay: Overlay) -> UInt32? {
      overlay.peers[doubter].ballots.ballots[envelope.request]?.epoch
    }
    overlay.run(450) { $0.peers[manager].ballots.isHandingOver(envelope.request) }
    let vouchers = [manager, others[3]].map { overlay.peers[$0].keys }
    let successors = try #require(overlay.peers[manager].ballots.tenures[envelope.request]?.succession)
    let mark = SnapshotMark(term: Term(1), sequence: 9, digest: .zero)
    // What one elector says is counted once, whatever it says it of; others' words are nothing.
    for (number, keys) in (vouchers + vouchers + [KeyPair.generate()]).enumerated() {
      let word = Acknowledgement(
        request: envelope.request, mark: mark, successors: successors, counter: UInt64(number), generation: 0)
      overlay.give(
        doubter, .received(from: overlay.ids[manager], .acknowledgement(Signed(word, by: keys), earlier: [])))
    }
    #expect(overlay.peers[doubter].ballots.ballots[envelope.request]?.vouched.count == 2)
    overlay.run(3_000) { epoch($0) == 1 }
    #expect(epoch(overlay) == 1, "it learns of four that keep it")
    overlay.run(2_000)
    let manages = overlay.peers.indices.filter { overlay.peers[$0].ballots.tenures[envelope.request] != nil }
    #expect(manages.count == 1 && overlay.peers[manages[0]].ballots.tenures[envelope.request]?.mandate.term.epoch == 1)
    #expect(overlay.witness.violations == [])
  }
}
