import Base
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

/// What somebody can have this peer do who makes up requests, electorates and certificates with keys of his own.
@Suite struct StrangerTests {
  /// Keys that nobody knows.
  private static let keys = (0..<7).map { KeyPair(seed: Digest.of([UInt8($0)], kind: "strangers")) }

  /// Everything signed well, by made-up electors, for an electorate that names the victim: a request, many epochs, a mandate, a version.
  private struct Forgery {
    let newest: MandatedSnapshot
    let handovers: [Handover]
    /// Of the newest epoch.
    let mandate: Mandate

    init(for victim: NodeID, epochs: Int, last: Electorate, in overlay: Overlay) throws {
      let keys = StrangerTests.keys
      let electorate = try #require(Electorate(keys.map(\.id)))
      let request = Signed(
        Envelope(
          document: [1], counter: 1, source: SourceKey(.zero), electorate: electorate, portal: keys[0].id,
          issued: overlay.wall, notAfter: overlay.wall + .seconds(600)), by: keys[0])
      func mandate(_ handovers: [Handover]) throws -> Mandate {
        let succession = Succession(request, handovers)
        let term = Term(epoch: succession.epoch, 1)
        let candidate = try #require(succession.candidate(in: term))
        let votes = keys.filter { succession.electorate.contains($0.id) }.map {
          Signed(
            Vote(request: request.request, term: term, candidate: candidate, newest: nil, counter: 1, generation: 1),
            by: $0
          ).envelope
        }
        return try #require(Mandate(envelope: request, handovers: handovers, term: term, votes: votes))
      }
      var handovers: [Handover] = []
      var newest: MandatedSnapshot?
      for epoch in 1...epochs {
        let own = try mandate(handovers)
        let next = epoch == epochs ? last : electorate
        let manager = try #require(keys.first { $0.id == own.manager })
        let version = Signed(
          Snapshot(
            request: request.request, term: own.term, sequence: 1, version: 1, label: "running", state: [], claims: [],
            successors: next), by: manager)
        newest = MandatedSnapshot(snapshot: version, mandate: own)
        let words = keys.map {
          Signed(
            Acknowledgement(request: request.request, mark: version.mark, successors: next, counter: 1, generation: 1),
            by: $0
          ).envelope
        }
        handovers.append(Handover(mark: version.mark, electorate: next, words: words))
      }
      self.newest = try #require(newest)
      self.handovers = handovers
      self.mandate = try mandate(handovers)
    }
  }

  /// How many signatures the message has the peer check, and whether it keeps anything.
  private func cost(_ message: ElectionMessage, from sender: NodeID, at overlay: inout Overlay) -> Int {
    let before = overlay.peers[1].ballots.verified.verifications
    _ = overlay.peers[1].ballots.handle(.received(from: sender, message), at: overlay.now, wall: overlay.wall)
    #expect(overlay.peers[1].ballots.ballots.isEmpty)
    return overlay.peers[1].ballots.verified.verifications - before
  }

  @Test("a handover or mandate of an unknown request costs no signature when a stranger brings it", arguments: [1, 20])
  func strangers(_ epochs: Int) throws {
    var overlay = Overlay(9, seed: 1)
    let victim = overlay.ids[1]
    let last = try #require(Electorate([victim] + Self.keys.prefix(6).map(\.id)))
    let forgery = try Forgery(for: victim, epochs: epochs, last: last, in: overlay)
    // They are as good as can be: it is not for a fault in them that they are refused.
    var verified = VerifiedDigests()
    try Succession(forgery.mandate.envelope, forgery.handovers).verify(using: &verified)
    try forgery.mandate.verify(using: &verified)
    #expect(verified.verifications > 7 * epochs && forgery.mandate.manager != victim)
    #expect(cost(.handover(forgery.newest, forgery.handovers), from: forgery.newest.mandate.manager, at: &overlay) == 0)
    #expect(
      cost(
        .heartbeat(forgery.mandate.request, forgery.mandate.term, sent: .zero, forgery.mandate),
        from: forgery.mandate.manager, at: &overlay) == 0)
  }

  @Test("nor when a member does whose electors this peer cannot believe, or of whom it is none")
  func members() throws {
    var overlay = Overlay(9, seed: 1)
    overlay.run(90_000)
    let victim = overlay.ids[1]
    for last in [
      [victim] + Self.keys.prefix(2).map(\.id), [victim] + Self.keys.prefix(6).map(\.id), Self.keys.map(\.id),
    ] {
      let forgery = try Forgery(for: victim, epochs: 3, last: try #require(Electorate(last)), in: overlay)
      #expect(cost(.handover(forgery.newest, forgery.handovers), from: overlay.ids[2], at: &overlay) == 0)
    }
  }

  @Test("a node that is shown a mandate judges the electorate before the votes")
  func shown() throws {
    let overlay = Overlay(9, seed: 1)
    let last = try #require(Electorate(Self.keys.map(\.id)))
    let mandate = try Forgery(for: overlay.ids[1], epochs: 20, last: last, in: overlay).mandate
    var verified = VerifiedDigests()
    #expect(throws: MandateFault.self) {
      try mandate.verify(
        for: mandate.request, in: mandate.term, wall: overlay.wall, view: overlay.view, at: overlay.now,
        using: &verified
      )
    }
    #expect(verified.verifications == 0)
  }
}
