import Base
import Core
import Elections
import Identity
import Mandates
import Vocabulary

// Electors that break their promises.

extension LyingPeer {
  // MARK: - Two votes

  /// Beside its vote for the candidate goes one for another elector of the same term, to that elector; and a deposed manager is answered as
  /// if nothing had been promised since.
  mutating func equivocated(_ said: ElectionMessage, to: NodeID, _ effect: Effect) -> [Effect] {
    switch said {
    case .vote(let vote, let envelope, _, let evidence) where vote.signer == me:
      guard doubled.insert(vote.digest).inserted,
        let other = envelope.order.first(where: { $0 != vote.body.candidate && friends[$0] == nil })
      else { return [effect] }
      var second = vote.body
      second.candidate = other
      second.newest = nil
      return [effect] + send(.vote(Signed(second, by: keys), envelope, newest: nil, evidence: evidence), to: other)
    case .refusal(let request, .staleTerm(let promised)):
      switch heard {
      case .heartbeat(request, let term, let sent, _): return send(.heartbeatAnswer(request, term, sent: sent), to: to)
      case .proposal(let snapshot, _):
        let word = Acknowledgement(
          request: request, mark: snapshot.mark, counter: 1 << 60 + UInt64(promised.number), generation: generation)
        return send(.acknowledgement(Signed(word, by: keys), earlier: []), to: to)
      default: return [effect]
      }
    default: return [effect]
    }
  }

  // MARK: - Nothing kept

  /// Its votes say that it never kept a version.
  mutating func stale(_ said: ElectionMessage, to: NodeID, _ effect: Effect) -> [Effect] {
    guard case .vote(let vote, let envelope, _, let evidence) = said, vote.signer == me, vote.body.newest != nil else {
      return [effect]
    }
    var old = vote.body
    old.newest = nil
    return send(.vote(Signed(old, by: keys), envelope, newest: nil, evidence: evidence), to: to)
  }

  // MARK: - Others' names

  /// With its own vote go votes in the names of all others, and a mandate made of such votes, for the first term in which it stands.
  mutating func forged(_ said: ElectionMessage, to: NodeID, _ effect: Effect) -> [Effect] {
    guard case .vote(let vote, let envelope, _, _) = said, vote.signer == me,
      usurped.insert(envelope.request).inserted, let place = envelope.order.firstIndex(of: me)
    else { return [effect] }
    func forgery(_ name: NodeID, _ vote: Vote) -> SignedEnvelope {
      let bytes = vote.encoded()
      return SignedEnvelope(bytes: bytes, signer: name, signature: keys.sign(bytes, kind: Vote.kind))
    }
    let term = Term(UInt32(place) + 1)
    let electors = envelope.body.electorate.members
    let votes = electors.map { name in
      forgery(
        name,
        Vote(request: envelope.request, term: term, candidate: me, newest: nil, counter: 1, generation: 1))
    }
    var effects = [effect]
    for name in electors where name != me {
      var wire = said.wire
      wire.vote.vote = forgery(name, vote.body).wire
      effects += send(.with { $0.election = wire }, to: to)
    }
    if let mandate = Mandate(envelope: envelope, term: term, votes: votes) {
      for node in electors + [envelope.body.portal] where node != me {
        effects += send(.heartbeat(envelope.request, term, sent: .zero, mandate), to: node)
        effects += send(.elected(mandate), to: node)
      }
      effects += orders(under: mandate, to: Array(addresses.keys))
    }
    return effects
  }
}
