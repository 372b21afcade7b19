import Base
import Identity
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
}
