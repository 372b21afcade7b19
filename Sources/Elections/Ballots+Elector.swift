import Base
import Identity
import Mandates
import Vocabulary

// The elector: called, it votes; without a mandate or a manager it moves to the next term. Every vote is on disk before it leaves.

extension Ballots {
  // MARK: On a call

  /// Votes for the first candidate, or helps a portal that calls again: with the mandate, or by repeating the vote.
  mutating func onCall(
    _ envelope: Signed<Envelope>, _ evidence: [SignedEnvelope], from caller: NodeID, theirWall: WallTime, _ time: Moment
  ) -> [BallotEffect] {
    let request = envelope.request
    let skew = theirWall - time.wall
    guard max(skew, .zero - skew) <= Limits.clockSkew else {
      return [.send(caller, .refusal(request, .clockSkew(time.wall)))]
    }
    var effects: [BallotEffect]
    do { effects = try admit(envelope, evidence, time) } catch { return [.send(caller, .refusal(request, error))] }
    guard let ballot = ballots[request] else { return effects }
    if !ballot.callers.contains(caller), ballot.callers.count < Limits.callers {
      ballots[request]?.callers.append(caller)
    }
    guard !ballot.record.ended else { return [.send(caller, .refusal(request, .ended))] }
    guard !lapsed.contains(request) else { return [.send(caller, .refusal(request, .expired))] }
    if let mandate = ballot.mandate {
      effects.append(.send(caller, .elected(mandate)))
    } else if let term = ballot.record.promised {
      effects += repeatedVote(ballot) + [.send(caller, .refusal(request, .electing(term)))]
    } else {
      effects += castVote(request, Term(epoch: ballot.epoch, 1), time)
    }
    return effects
  }

  /// Begins a ballot for a request that was not known; nothing when it was.
  /// - Parameter isMandated: a quorum has found the request sound already.
  mutating func admit(
    _ envelope: Signed<Envelope>, _ evidence: [SignedEnvelope] = [], handovers: [Handover] = [],
    renewal: Signed<Renewal>? = nil, isMandated: Bool = false, _ time: Moment
  ) throws(ElectionRefusal) -> [BallotEffect] {
    let (request, body) = (envelope.request, envelope.body)
    guard ballots[request] == nil else { return [] }
    try checkAdmission(envelope, Succession(envelope, handovers), renewal: renewal, time)
    if !isMandated {
      let number = ClientNumber(client: envelope.client, counter: body.counter)
      if let first = firsts[number].flatMap({ ballots[$0] }) { throw .duplicate(of: first.record.envelope) }
      do {
        try view.checkPlausibility(of: body.electorate, for: body.source, at: time.now)
      } catch { throw .implausible(omitted: error.omitted, reason: error.reason) }
      do { try envelope.checkOrder(against: evidence, using: &verified) } catch { throw .disorder("\(error)") }
    }
    var ballot = Ballot(envelope, evidence: evidence)
    if let renewal, envelope.isRenewed(by: renewal) { ballot.record.renewal = renewal }
    if !handovers.isEmpty { ballot.enter(handovers) }
    enter(ballot)
    return [expiryTimer(ballot, time)]
  }

  /// What can be said of an unknown request without looking at a signature: whoever shows a mandate or a handover for one passes here first,
  /// so that nobody has this peer check hundreds for nothing. Only members are heard at all.
  func checkUnknown(_ mandate: Mandate, _ succession: Succession, _ time: Moment) throws(ElectionRefusal) {
    try checkAdmission(mandate.envelope, succession, renewal: mandate.renewal, time)
    do {
      try view.checkSize(of: succession, at: time.now)
    } catch { throw .implausible(omitted: error.omitted, reason: error.reason) }
  }

  private func checkAdmission(
    _ envelope: Signed<Envelope>, _ succession: Succession, renewal: Signed<Renewal>?, _ time: Moment
  ) throws(ElectionRefusal) {
    let body = envelope.body
    guard succession.electorate.contains(node) else { throw .notAnElector }
    guard envelope.notAfter(renewedBy: renewal) + Limits.clockSkew >= time.wall else { throw .expired }
    // It may have promised something, missed the renewal and forgotten: to begin anew would be to break its word.
    if body.notAfter + Limits.clockSkew < time.wall, succession.mayHaveElectedBefore(node) { throw .expired }
    guard body.issued <= time.wall + Limits.clockSkew,
      envelope.notAfter(renewedBy: renewal) <= time.wall.longestValidity
    else { throw .clockSkew(time.wall) }
    if let lost = generation?.bornAfterLoss, defect != .lostStoreForgotten, body.issued <= lost + Limits.clockSkew {
      throw .lostStore
    }
    guard hasRoom(for: envelope.client) else { throw .busy }
    if let contest = body.contest { throw .disorder("\(contest.rawValue) is no order under the quorum protocol") }
  }

  /// Whether one more request of this client may live here. Each that lives will want a tombstone.
  func hasRoom(for client: NodeID) -> Bool {
    kept.live < Limits.ballots && kept.live + tombstones < Limits.tombstones
      && requestsOfClient[client, default: 0] < Limits.ballotsPerClient
  }

  // MARK: Voting

  /// Promises `term` and votes for its candidate: to the candidate with the newest version, from term 2 on to all others without.
  mutating func castVote(_ request: RequestID, _ asked: Term, _ time: Moment) -> [BallotEffect] {
    let term = skippingLiars(asked, request)
    guard var ballot = ballots[request], !lapsed.contains(request), term > ballot.record.promised ?? Term(0),
      ballot.electorate.contains(node), let candidate = ballot.candidate(in: term)
    else { return [] }
    var records: [ElectionRecord] = []
    let vote = Vote(
      request: request, term: term, candidate: candidate,
      newest: ballot.record.accepted?.snapshot.mark,
      counter: nextCounter(&records), generation: generation?.number ?? 0)
    ballot.record.promised = term
    let signed = Signed(vote, by: keys)
    // It comes back in the mandate.
    verified.note(own: signed)
    ballot.record.vote = signed
    ballot.mandate = nil
    ballot.mandateIsVerified = false
    ballot.leaseUntil = nil
    ballot.repetitions = 0
    let deadline = time.now + patience(of: ballot)
    ballot.deadline = deadline
    ballots[request] = ballot
    if defect != .promiseNotPersisted { records.append(.ballot(ballot.record)) }
    var effects = [BallotEffect.persist(records, then: sendVote(ballot)), .setTimer(.patience(request), at: deadline)]
    if vote.candidate == node, let unwilling {
      ballots[request]?.barredUpTo = term
      effects.append(signedDecline(ballot, term, unwilling))
    }
    return effects
  }

  /// The next term whose candidate is no proven liar: its turn passes as if it had declined.
  private func skippingLiars(_ asked: Term, _ request: RequestID) -> Term {
    guard let ballot = ballots[request], !view.ignored.isEmpty else { return asked }
    var term = asked
    for _ in 0..<ballot.electorate.size {
      guard let candidate = ballot.candidate(in: term), view.ignores(candidate) else { return term }
      term = term.next
    }
    return asked
  }

  private func sendVote(_ ballot: Ballot) -> [BallotEffect] {
    guard let vote = ballot.record.vote else { return [] }
    let (candidate, envelope) = (vote.body.candidate, ballot.record.envelope)
    let evidence = ballot.record.orderEvidence
    var effects = [
      BallotEffect.send(candidate, .vote(vote, envelope, newest: ballot.record.accepted, evidence: evidence))
    ]
    // The candidate may have missed the client's renewal; with a quorum's votes it has it.
    if let renewal = ballot.record.renewal, candidate != node {
      effects = [.send(candidate, .renewal(renewal, envelope, isKept: true))] + effects
    }
    // Whoever did not hear of the epoch cannot count the vote.
    if let accepted = ballot.record.accepted, ballot.epoch > 0 {
      let others = vote.body.term.number > 1 ? ballot.electorate.members : [candidate]
      let news = ElectionMessage.handover(accepted, ballot.record.handovers)
      effects = others.filter { $0 != node }.map { .send($0, news) } + effects
    }
    if vote.body.term.number > 1 {
      effects += ballot.electorate.members.filter { $0 != candidate }.map {
        .send($0, .vote(vote, envelope, newest: nil, evidence: evidence))
      }
    }
    return effects
  }

  /// The current vote once more, with its promise: the first writing may still be under way.
  private func repeatedVote(_ ballot: Ballot) -> [BallotEffect] {
    guard ballot.hasOpenVote else { return [] }
    return [.persist(defect == .promiseNotPersisted ? [] : [.ballot(ballot.record)], then: sendVote(ballot))]
  }

  /// How long to wait for a mandate: by round trips, doubled with each full round of candidates and each repetition.
  func patience(of ballot: Ballot) -> Duration {
    let rounds = Int((ballot.record.promised?.number ?? 1) - 1) / ballot.electorate.size + ballot.repetitions
    let once = Limits.electionPatience + view.longestRoundTrip(to: ballot.electorate.members) * 4
    return min(once * (1 << min(rounds, 10)), Limits.longestElectionPatience)
  }

  // MARK: On lost patience

  /// No mandate in time, or the lease lapsed: the next term. From term 2 on an elector moves only when a quorum came as far, so that one
  /// that is cut off does not run away from the others; until then it repeats its vote.
  mutating func onPatience(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard var ballot = ballots[request], !ballot.record.ended, let deadline = ballot.deadline else { return [] }
    guard time.now >= deadline else { return [.setTimer(.patience(request), at: deadline)] }
    let promised = ballot.record.promised ?? Term(0)
    let mayHaveManager = ballot.leaseUntil != nil || !ballot.hasOpenVote
    if promised.number > 1, !mayHaveManager, ballot.supporters(of: promised) < ballot.electorate.quorum,
      ballot.supportedTerm ?? promised <= promised
    {
      ballot.repetitions += 1
      let deadline = time.now + patience(of: ballot)
      ballot.deadline = deadline
      ballots[request] = ballot
      return repeatedVote(ballot) + [.setTimer(.patience(request), at: deadline)]
    }
    return castVote(request, max(promised.next, ballot.supportedTerm ?? promised), time)
  }

  // MARK: On another's vote

  /// Counts a vote for this peer; learns from any vote that its elector moved on.
  mutating func onVote(
    _ vote: Signed<Vote>, _ envelope: Signed<Envelope>, newest: MandatedSnapshot?, _ evidence: [SignedEnvelope],
    from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    let request = envelope.request
    guard vote.signer == sender else { return [.rejected(sender, .notTheSender)] }
    guard vote.body.request == request else { return [.rejected(sender, .unknownRequest)] }
    var effects: [BallotEffect]
    do { effects = try admit(envelope, evidence, time) } catch { return [.rejected(sender, .refused(error))] }
    guard let ballot = ballots[request] else { return effects }
    guard !ballot.record.ended else { return [.send(sender, .refusal(request, .ended))] }
    guard !lapsed.contains(request) else { return [.rejected(sender, .refused(.expired))] }
    guard vote.body.term.epoch == ballot.epoch else { return effects + onVoteOfAnotherEpoch(vote, ballot) }
    guard ballot.electorate.contains(sender) else { return [.rejected(sender, .notAnElector)] }
    guard vote.body.candidate == ballot.candidate(in: vote.body.term) else {
      return [.rejected(sender, .misdirectedVote)]
    }
    if let before = ballot.heard[sender] {
      guard before.vote.body.generation == vote.body.generation else {
        return effects + [.rejected(sender, .otherGeneration)]
      }
      guard before.vote.body.term <= vote.body.term else { return effects }
    }
    var heard = Ballot.Heard(vote: vote, newest: nil)
    if vote.body.candidate == node, let mark = vote.body.newest {
      guard let newest, newest.snapshot.mark == mark, newest.snapshot.body.request == request else {
        return effects + [.rejected(sender, .snapshotMissing)]
      }
      if sender != node, let fault = check(newest) { return effects + [.rejected(sender, .mandate(fault))] }
      heard.newest = newest
    }
    ballots[request]?.heard[sender] = heard
    if ballot.record.promised == nil { effects += castVote(request, Term(epoch: ballot.epoch, 1), time) }
    return effects + followOthers(request, time) + formMandate(request, time)
  }

  private mutating func check(_ newest: MandatedSnapshot) -> MandateFault? {
    do { try newest.verify(using: &verified) } catch { return error }
    return nil
  }

  /// f+1 electors moved to a later term: so does this one, once its word to the manager allows.
  private mutating func followOthers(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let ballot = ballots[request], let supported = ballot.supportedTerm,
      supported > ballot.record.promised ?? Term(0)
    else {
      return []
    }
    if let lease = ballot.leaseUntil, time.now < lease { return [] }
    return castVote(request, supported, time)
  }

  // MARK: On a decline

  /// The candidate or manager of the promised term gives it up, and with it its lease.
  mutating func onDecline(_ decline: Signed<Decline>, from sender: NodeID, _ time: Moment) -> [BallotEffect] {
    guard decline.signer == sender else { return [.rejected(sender, .notTheSender)] }
    guard let ballot = ballots[decline.body.request] else { return [.rejected(sender, .unknownRequest)] }
    guard ballot.candidate(in: decline.body.term) == sender else { return [.rejected(sender, .notTheCandidate)] }
    guard !ballot.record.ended, decline.body.term == ballot.record.promised else { return [] }
    return castVote(ballot.request, max(decline.body.term.next, ballot.supportedTerm ?? decline.body.term), time)
  }
}
