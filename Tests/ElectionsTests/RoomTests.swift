import Base
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

/// What no client and no peer can make an elector keep.
@Suite struct RoomTests {
  private func renewal(_ overlay: Overlay, _ envelope: Signed<Envelope>) -> Signed<Renewal> {
    Signed(
      Renewal(request: envelope.request, issued: overlay.wall, notAfter: overlay.wall + .seconds(600)),
      by: overlay.peers[0].keys)
  }

  @Test("a request that was given up comes back with its renewal only where its client has room for one more")
  func revival() throws {
    var (overlay, envelope, _, others) = try HandoverTests.running(lifetime: .seconds(60))
    let other = others[0]
    overlay.run(91_000)
    #expect(overlay.peers[other].ballots.kept.live == 0 && overlay.peers[other].ballots.keptLapsed == 1)
    let word = ElectionMessage.renewal(renewal(overlay, envelope), envelope, isKept: false)
    overlay.peers[other].ballots.requestsOfClient[envelope.client] = Limits.ballotsPerClient
    overlay.give(other, .received(from: overlay.ids[0], word))
    #expect(overlay.peers[other].ballots.mostOfOneClient == Limits.ballotsPerClient)
    #expect(overlay.peers[other].ballots.kept.live == 0 && overlay.peers[other].ballots.keptLapsed == 1)
    // It is told again, and by then there is room.
    overlay.peers[other].ballots.requestsOfClient[envelope.client] = Limits.ballotsPerClient - 1
    overlay.give(other, .received(from: overlay.ids[0], word))
    #expect(overlay.peers[other].ballots.mostOfOneClient == Limits.ballotsPerClient)
    #expect(overlay.peers[other].ballots.kept.live == 1 && overlay.peers[other].ballots.keptLapsed == 0)
  }

  @Test("whoever lives has its tombstone's place: none that ends is one too many")
  func tombstones() throws {
    var overlay = Overlay(7, seed: 1)
    let envelope = overlay.envelope()
    // Of as many as there may be, all but one place are taken.
    for peer in overlay.peers.indices { overlay.peers[peer].ballots.tombstones = 0 }
    var ballots = overlay.peers[1].ballots
    let ended = try Self.ended(Limits.tombstones - 1, overlay)
    for ballot in ended { ballots.enter(ballot) }
    #expect(ballots.kept == (live: 0, tombstones: Limits.tombstones - 1))
    func call(_ envelope: Signed<Envelope>) -> [BallotEffect] {
      ballots.handle(
        .received(from: overlay.ids[0], .call(envelope, wall: overlay.wall, evidence: [])), at: overlay.now,
        wall: overlay.wall)
    }
    _ = call(envelope)
    #expect(ballots.kept == (live: 1, tombstones: Limits.tombstones - 1))
    let next = overlay.envelope(counter: 2)
    #expect(call(next) == [.send(overlay.ids[0], .refusal(next.request, .busy))])
    _ = ballots.bury(envelope.request)
    #expect(ballots.kept == (live: 0, tombstones: Limits.tombstones))
  }

  /// Ballots of as many requests, all ended.
  private static func ended(_ count: Int, _ overlay: Overlay) throws -> [Ballot] {
    let first = overlay.envelope()
    return (0..<count).map { number in
      var body = first.body
      body.counter = UInt64(number) + 100
      // Nobody checks a signature here: one that is not made spares most of the time.
      let envelope = Signed(body, by: overlay.peers[0].keys)
      var ballot = Ballot(envelope, evidence: [])
      ballot.record.bury()
      return ballot
    }
  }

  @Test("a renewal that is issued years ahead keeps nothing: no ballot, no mandate")
  func ahead() throws {
    var (overlay, envelope, manager, others) = try HandoverTests.running(lifetime: .seconds(60))
    let (other, year) = (others[0], Duration.seconds(365 * 24 * 3_600))
    let far = Signed(
      Renewal(request: envelope.request, issued: overlay.wall + year, notAfter: overlay.wall + year + .seconds(60)),
      by: overlay.peers[0].keys)
    let mandate = try #require(overlay.peers[manager].ballots.tenures[envelope.request]).mandate
    let shown = mandate.renewed(by: far)
    #expect(shown.notAfter == far.body.notAfter)
    let beat = ElectionMessage.heartbeat(envelope.request, mandate.term, sent: overlay.now, shown)
    overlay.give(other, .received(from: overlay.ids[manager], beat))
    #expect(overlay.peers[other].ballots.ballots[envelope.request]?.record.notAfter == envelope.body.notAfter)
    // One that had no part in it so far does not begin with it.
    overlay.peers[other].ballots = Ballots(keys: overlay.peers[other].keys)
    overlay.give(other, .start(identityIsNew: true))
    overlay.give(other, .members(overlay.view))
    overlay.give(other, .received(from: overlay.ids[manager], beat))
    #expect(overlay.peers[other].ballots.ballots[envelope.request] == nil)
    // Nor does a service node obey it.
    var verified = VerifiedDigests()
    func obeys(_ mandate: Mandate) -> MandateFault? {
      do {
        try mandate.verify(
          for: envelope.request, in: mandate.term, wall: overlay.wall, view: overlay.view, at: overlay.now,
          using: &verified)
      } catch { return error }
      return nil
    }
    #expect(obeys(mandate) == nil && obeys(shown) == .tooLong(far.body.notAfter))
  }

  @Test("who has no part in a request does not count as told of its end")
  func strangers() throws {
    var (overlay, envelope, manager, _) = try HandoverTests.running()
    for peer in overlay.peers.indices where peer != manager { overlay.peers[peer].isCutOff = true }
    overlay.peers[manager].ballots.tenures[envelope.request]?.endNotices = 0
    for number in 0..<50 {
      let stranger = KeyPair(seed: Digest.of(Array("\(number)".utf8), kind: "stranger")).id
      overlay.give(manager, .received(from: stranger, .refusal(envelope.request, .ended)))
    }
    #expect(overlay.peers[manager].ballots.mostToldOfEnd == 0)
    let elector = overlay.ids[overlay.index(envelope.order[1])]
    overlay.give(manager, .received(from: elector, .refusal(envelope.request, .ended)))
    #expect(overlay.peers[manager].ballots.mostToldOfEnd == 1)
  }
}
