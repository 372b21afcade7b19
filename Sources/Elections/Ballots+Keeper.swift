import Base
import Identity
import Mandates
import Vocabulary

// The elector under a manager: it renews the lease, keeps the versions, and remembers who claimed a stream first.

extension Ballots {
  // MARK: On a heartbeat

  /// Renews the manager's lease: this elector casts no later vote for ``Limits/lease``. A manager of a later term is believed on its
  /// mandate; the candidate that this elector voted for needs to show it, but its votes are checked only when a version is to be kept.
  mutating func onHeartbeat(
    _ request: RequestID, _ term: Term, sent: Instant, _ mandate: Mandate?, from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    let followed: [BallotEffect]
    switch follow(request, term, mandate, from: sender, mustBeVerified: tenures[request] != nil && sender != node, time)
    {
    case .refused(let effects): return effects
    case .followed(let effects): followed = effects
    }
    guard var ballot = ballots[request] else { return followed }
    // Whoever knows that f+1 moved on lets the lease run out.
    if let supported = ballot.supportedTerm, supported > term { return followed }
    let lease = time.now + Limits.lease
    ballot.leaseUntil = lease
    ballot.deadline = lease
    let raised = ballot.record.promised != term
    ballot.record.promised = term
    ballots[request] = ballot
    let answer = BallotEffect.send(sender, .heartbeatAnswer(request, term, sent: sent))
    // The answer waits in any case: the promise of an earlier heartbeat may not be on disk yet.
    return followed + [.persist(raised ? [.ballot(ballot.record)] : [], then: [answer])]
      + [.setTimer(.patience(request), at: lease)]
  }

  private enum Following {
    case followed([BallotEffect])
    case refused([BallotEffect])
  }

  /// Whether `sender` may speak as the manager of `term`. Remembers its mandate; the promise itself is raised by the caller.
  private mutating func follow(
    _ request: RequestID, _ term: Term, _ shown: Mandate?, from sender: NodeID, mustBeVerified: Bool, _ time: Moment
  ) -> Following {
    var effects: [BallotEffect] = []
    if let shown, shown.request != request || shown.term != term || shown.manager != sender {
      return .refused([.rejected(sender, .notTheCandidate)])
    }
    if ballots[request] == nil {
      guard let shown else { return .refused([.send(sender, .refusal(request, .unknownRequest))]) }
      guard view.isAlive(sender) else { return .refused([.rejected(sender, .notAMember)]) }
      do { try checkUnknown(shown, shown.succession, time) } catch {
        return .refused([.send(sender, .refusal(request, error))])
      }
      do { try shown.verify(using: &verified) } catch { return .refused([.rejected(sender, .mandate(error))]) }
      do {
        effects = try admit(
          shown.envelope, handovers: shown.succession.handovers, renewal: shown.renewal, isMandated: true, time)
      } catch { return .refused([.send(sender, .refusal(request, error))]) }
      ballots[request]?.mandate = shown
      ballots[request]?.mandateIsVerified = true
    }
    effects += keep(shown?.renewal, request, time)
    guard var ballot = ballots[request] else { return .refused([]) }
    guard !ballot.record.ended else { return .refused([.send(sender, .refusal(request, .ended))]) }
    guard !lapsed.contains(request) else {
      return .refused([.send(sender, .refusal(request, shown == nil ? .unknownRequest : .expired))])
    }
    if term.epoch < ballot.epoch { return .refused(pointOn(sender, ballot)) }
    if term.epoch > ballot.epoch {
      guard let shown else { return .refused([.send(sender, .refusal(request, .unknownRequest))]) }
      guard shown.electorate.contains(node) else { return .refused([.send(sender, .refusal(request, .notAnElector))]) }
      do { try shown.verify(using: &verified) } catch { return .refused([.rejected(sender, .mandate(error))]) }
      ballot.enter(shown.succession.handovers)
    }
    guard ballot.candidate(in: term) == sender else { return .refused([.rejected(sender, .notTheCandidate)]) }
    let promised = ballot.record.promised ?? Term(0)
    guard term >= promised else { return .refused([.send(sender, .refusal(request, .staleTerm(promised: promised)))]) }
    if ballot.mandate?.term != term {
      guard let shown else { return .refused([.send(sender, .refusal(request, .unknownRequest))]) }
      ballot.mandate = shown
      ballot.mandateIsVerified = false
    }
    if mustBeVerified || term > promised, !ballot.mandateIsVerified, let mandate = ballot.mandate {
      do { try mandate.verify(using: &verified) } catch { return .refused([.rejected(sender, .mandate(error))]) }
      ballot.mandateIsVerified = true
    }
    ballots[request] = ballot
    if ballot.mandateIsVerified { effects += stepDown(request, for: term) }
    return .followed(effects)
  }

  // MARK: On a proposal

  /// Keeps a version: on disk first, then acknowledged, with the claims that others made before.
  mutating func onProposal(
    _ snapshot: Signed<Snapshot>, _ mandate: Mandate?, from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    let (request, term) = (snapshot.body.request, snapshot.body.term)
    guard snapshot.signer == sender else { return [.rejected(sender, .notTheSender)] }
    var effects: [BallotEffect]
    switch follow(request, term, mandate, from: sender, mustBeVerified: sender != node, time) {
    case .refused(let refusal): return refusal
    case .followed(let followed): effects = followed
    }
    guard var ballot = ballots[request], let known = ballot.mandate else { return effects }
    let mark = snapshot.mark
    var records: [ElectionRecord] = []
    if let kept = ballot.record.accepted?.snapshot {
      if kept.mark > mark { return effects }
      if kept.mark.term == mark.term, kept.mark.sequence == mark.sequence, kept.mark.digest != mark.digest {
        return effects + [.rejected(sender, .equivocation(mark))]
      }
    }
    if let successors = snapshot.body.successors, sender != node, !isVouchedFor(successors, in: ballot) {
      do { try view.checkPlausibility(of: successors, for: known.envelope.body.source, at: time.now) } catch {
        return effects + [
          .send(sender, .refusal(request, .implausible(omitted: error.omitted, reason: error.reason)))
        ]
      }
    }
    if ballot.record.accepted?.snapshot.mark != mark {
      ballot.record.claimOrdinals = ordinals(for: snapshot.body.claims, in: ballot.record)
      ballot.record.accepted = MandatedSnapshot(snapshot: snapshot, mandate: known)
      ballot.record.promised = term
      ballots[request] = ballot
    }
    // Again, too, when it is known: the first writing may still be under way.
    records.append(.ballot(ballot.record))
    let statement = Acknowledgement(
      request: request, mark: mark, successors: snapshot.body.successors, counter: nextCounter(&records),
      generation: generation?.number ?? 0)
    let answer = ElectionMessage.acknowledgement(
      Signed(statement, by: keys), earlier: earlierClaims(than: ballot.record, source: known.envelope.body.source, time)
    )
    effects.append(.persist(records, then: [.send(sender, answer)]))
    if ballot.deadline == nil {
      let deadline = time.now + Limits.lease
      ballots[request]?.deadline = deadline
      effects.append(.setTimer(.patience(request), at: deadline))
    }
    return effects
  }

  /// Whether the next epoch's electors need no look at this elector's own view: it has found them plausible before, or f+1 electors keep them,
  /// one of them honest. Views differ, and change: a version that names electors cannot be taken back once some keep it, so whoever
  /// finds them implausible, today, must not hold up the others for ever.
  private func isVouchedFor(_ successors: Electorate, in ballot: Ballot) -> Bool {
    let kept = ballot.record.accepted?.snapshot.body
    if let kept, kept.term.epoch == ballot.epoch, kept.successors == successors { return true }
    return ballot.vouched.values.count { $0 == successors } > ballot.electorate.faults
  }

  /// A manager passes on who keeps its handover already.
  func vouch(for proposal: Tenure.Proposal, to elector: NodeID, _ tenure: Tenure) -> [BallotEffect] {
    guard proposal.snapshot.body.successors != nil, proposal.answers.count > tenure.electorate.faults else { return [] }
    return proposal.answers.values.map { .send(elector, .acknowledgement($0.statement, earlier: [])) }
  }

  mutating func onPassedOn(_ word: Signed<Acknowledgement>, from sender: NodeID) -> [BallotEffect] {
    guard let ballot = ballots[word.body.request], let successors = word.body.successors,
      ballot.electorate.contains(word.signer), word.body.mark.term.epoch == ballot.epoch
    else { return word.signer == sender ? [] : [.rejected(sender, .notTheSender)] }
    ballots[word.body.request]?.vouched[word.signer] = successors
    return []
  }

  /// A stream keeps the number that it got when it was claimed first.
  mutating func ordinals(for claims: [Claim], in record: BallotRecord) -> [UInt64] {
    let before = record.accepted?.snapshot.body.claims ?? []
    return claims.map { claim in
      if let index = before.firstIndex(where: { $0.stream == claim.stream }) { return record.claimOrdinals[index] }
      defer { claimOrdinal += 1 }
      return claimOrdinal
    }
  }

  /// Claims of other live requests of the source on the same streams that this elector heard of before.
  private func earlierClaims(than record: BallotRecord, source: SourceKey, _ time: Moment) -> [EarlierClaim] {
    guard let claims = record.accepted?.snapshot.body.claims, !claims.isEmpty else { return [] }
    let mine = Dictionary(zip(claims.map(\.stream), record.claimOrdinals), uniquingKeysWith: min)
    var earlier: [EarlierClaim] = []
    for other in requestsOfSource[source] ?? [] where other != record.envelope.request {
      guard let ballot = ballots[other], !ballot.record.ended, let accepted = ballot.record.accepted,
        !accepted.snapshot.body.isEnd, ballot.record.notAfter >= time.wall
      else { continue }
      for (claim, ordinal) in zip(accepted.snapshot.body.claims, ballot.record.claimOrdinals) {
        guard let own = mine[claim.stream], ordinal < own, earlier.count < Limits.earlierClaims else { continue }
        earlier.append(EarlierClaim(request: other, claim: claim))
      }
    }
    return earlier
  }

  // MARK: On the end

  /// A quorum keeps the last version: the ballot becomes a tombstone, and the manager hears that it need not say so again.
  mutating func onEnd(_ request: RequestID, _ term: Term, from sender: NodeID) -> [BallotEffect] {
    var effects: [BallotEffect] = []
    if case .following(let mandate) = calls[request]?.state, mandate.manager == sender {
      calls[request] = nil
      effects.append(.ended(request))
    }
    let known = BallotEffect.send(sender, .refusal(request, .ended))
    guard let ballot = ballots[request], !ballot.record.ended else { return effects + [known] }
    guard ballot.candidate(in: term) == sender, let last = ballot.record.accepted?.snapshot.body, last.isEnd,
      last.term == term
    else { return effects }
    return effects + bury(request, then: [known])
  }

  mutating func bury(_ request: RequestID, then rest: [BallotEffect] = []) -> [BallotEffect] {
    guard var ballot = ballots[request] else { return [] }
    // One whose time is over has no place among them reserved; without one it stays as silent as it is.
    guard !lapsed.contains(request) || kept.live + tombstones < Limits.tombstones else { return [] }
    if !ballot.record.ended {
      if lapsed.remove(request) == nil { discount(ballot.record.envelope.client) }
      tombstones += 1
    }
    ballot.record.bury()
    ballot.leaseUntil = nil
    ballot.deadline = nil
    ballots[request] = ballot
    return [.persist([.ballot(ballot.record)], then: rest)]
  }
}
