import Base
import Identity
import Mandates
import Vocabulary

// From one epoch's electors to the next one's. The manager sees that one more loss would freeze the service and proposes its state once
// more, with the electorate that it would draw today; a quorum's acknowledgements end the epoch. Then it tells the new electors, who keep
// that version and vote, for this same manager first, in the new epoch's first term. Its first act there is what every new manager's is: to
// have the version kept by a quorum, now of the new electorate.

extension Ballots {
  // MARK: The manager

  /// A handover, when it is time: no elector can be spared, one at least is gone, and today's draw could spare some.
  mutating func handOverIfNeeded(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    if let tenure = tenures[request], tenure.handedOver == nil, let since = tenure.proposedAt {
      // The electors do not think this electorate plausible, or are gone. It cannot be taken back, but a successor may not find it.
      return time.now - since > Limits.handoverPatience ? onDeclineWish(request, .outpaced) : []
    }
    guard let tenure = tenures[request], tenure.endNotices == nil, !tenure.isFrozen, tenure.succession == nil,
      let proposal = tenure.proposal, proposal.isAccepted, tenure.mandate.term.epoch < Limits.epochs,
      let next = view.electorate(for: tenure.mandate.envelope.body.source)
    else { return [] }
    let alive = tenure.electorate.members.count { view.isAlive($0) }
    guard alive == tenure.electorate.quorum, alive < tenure.electorate.size, next.size > next.quorum else { return [] }
    tenures[request]?.succession = next
    tenures[request]?.proposedAt = time.now
    let left = proposal.snapshot.body
    let draft = SnapshotDraft(
      version: left.version, label: left.label, state: left.state, claims: left.claims, successors: next)
    return send(draft, request)
  }

  /// The version that ends the epoch is in force: the epoch is over, and all who elected or will elect hear of it.
  mutating func beginHandingOver(_ request: RequestID) -> [BallotEffect] {
    guard let tenure = tenures[request], let proposal = tenure.proposal, let next = proposal.snapshot.body.successors
    else { return [] }
    tenures[request]?.succession = next
    let words = tenure.electorate.members.compactMap { proposal.answers[$0]?.statement.envelope }
    let handover = Handover(mark: proposal.snapshot.mark, electorate: next, words: words)
    tenures[request]?.handedOver = tenure.mandate.succession.handovers + [handover]
    return handoverNotices(request)
  }

  /// To the new electors first; repeated with every heartbeat until somebody manages in the new epoch.
  func handoverNotices(_ request: RequestID) -> [BallotEffect] {
    guard let tenure = tenures[request], let handovers = tenure.handedOver, let proposal = tenure.proposal,
      let next = handovers.last?.electorate
    else { return [] }
    let news = ElectionMessage.handover(
      MandatedSnapshot(snapshot: proposal.snapshot, mandate: tenure.mandate), handovers)
    return (next.members + tenure.electorate.members.filter { !next.contains($0) }).map { .send($0, news) }
  }

  // MARK: On a handover

  /// Enters a later epoch, with the version that it begins from; an old elector that is not drawn again keeps the certificates, to point on
  /// whoever asks, and says nothing more in the old epoch.
  mutating func onHandover(
    _ newest: MandatedSnapshot, _ handovers: [Handover], from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    let (envelope, request) = (newest.mandate.envelope, newest.snapshot.body.request)
    let succession = Succession(envelope, handovers)
    if let ballot = ballots[request] {
      guard !ballot.record.ended else { return [.send(sender, .refusal(request, .ended))] }
      guard succession.epoch > ballot.epoch else {
        return succession.epoch < ballot.epoch ? pointOn(sender, ballot) : whoManages(now: ballot, tell: sender, newest)
      }
    }
    if ballots[request] == nil {
      guard view.isAlive(sender) else { return [.rejected(sender, .notAMember)] }
      do throws(ElectionRefusal) {
        try checkUnknown(newest.mandate, succession, time)
        do { try view.checkPlausibility(of: succession, at: time.now) } catch {
          throw .implausible(omitted: error.omitted, reason: error.reason)
        }
      } catch { return [.send(sender, .refusal(request, error))] }
    }
    if let fault = check(newest, succession) { return [.rejected(sender, .mandate(fault))] }
    var effects = keep(newest.mandate.renewal, request, time)
    do {
      effects += try admit(envelope, handovers: handovers, renewal: newest.mandate.renewal, isMandated: true, time)
    } catch { return [.send(sender, .refusal(request, error))] }
    guard var ballot = ballots[request] else { return effects }
    guard !lapsed.contains(request) else { return [.send(sender, .refusal(request, .expired))] }
    ballot.enter(handovers)
    if defect != .entersWithoutVersion, ballot.record.accepted.map({ $0.snapshot.mark < newest.snapshot.mark }) ?? true
    {
      ballot.record.claimOrdinals = ordinals(for: newest.snapshot.body.claims, in: ballot.record)
      ballot.record.accepted = newest
    }
    if defect == .entersWithoutVersion { (ballot.record.accepted, ballot.record.claimOrdinals) = (nil, []) }
    ballots[request] = ballot
    let first = Term(epoch: ballot.epoch, 1)
    // What this peer managed in the epoch that is over is another's now; unless it was this one that handed over, and is to tell of it.
    if tenures[request]?.handedOver == nil { effects += stepDown(request, for: first) }
    if ballot.electorate.contains(node) { return effects + castVote(request, first, time) }
    ballot.record.promised = first
    ballots[request] = ballot
    return effects + [.persist([.ballot(ballot.record)], then: [])]
  }

  /// The version must be what the certificates say the epoch began from, or a later one of it.
  private mutating func check(_ newest: MandatedSnapshot, _ succession: Succession) -> MandateFault? {
    let own = newest.mandate.succession.handovers
    guard own.count <= succession.handovers.count, own == Array(succession.handovers.prefix(own.count)),
      let last = succession.handovers.last, newest.snapshot.mark >= last.mark
    else { return .otherTerm(newest.snapshot.body.term) }
    do throws(MandateFault) {
      try newest.verify(using: &verified)
      try succession.verify(using: &verified)
    } catch { return error }
    return nil
  }

  /// Tells whoever is still in an earlier epoch what it missed.
  func pointOn(_ sender: NodeID, _ ballot: Ballot) -> [BallotEffect] {
    guard sender != node else { return [] }
    var effects: [BallotEffect] = []
    if let promised = ballot.record.promised {
      effects.append(.send(sender, .refusal(ballot.request, .staleTerm(promised: promised))))
    }
    if let mandate = ballot.mandate { effects.append(.send(sender, .elected(mandate))) }
    if let accepted = ballot.record.accepted {
      effects.append(.send(sender, .handover(accepted, ballot.record.handovers)))
    }
    return effects
  }

  /// Whoever handed over tells of it until it hears who manages now: it may be an elector no more, so that no heartbeat tells it.
  private func whoManages(now ballot: Ballot, tell sender: NodeID, _ newest: MandatedSnapshot) -> [BallotEffect] {
    guard sender != node, sender == newest.snapshot.signer, newest.snapshot.body.term.epoch < ballot.epoch,
      let mandate = ballot.mandate
    else { return [] }
    return [.send(sender, .elected(mandate))]
  }

  /// An elector that votes in an earlier epoch did not hear of the later one; one that votes in a later one will say how it began.
  func onVoteOfAnotherEpoch(_ vote: Signed<Vote>, _ ballot: Ballot) -> [BallotEffect] {
    vote.body.term.epoch < ballot.epoch ? pointOn(vote.signer, ballot) : []
  }
}
