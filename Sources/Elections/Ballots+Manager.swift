import Base
import Identity
import Mandates
import Vocabulary

/// A manager's time in office: from its mandate to a successor's, a decline, or the end.
struct Tenure: Sendable {
  /// Newer renewals go into it.
  var mandate: Mandate
  /// Electors of today that said in this tenure that they keep the mandate's renewal.
  var renewalKeepers: Set<NodeID> = []
  /// A quorum of them does; what a quorum of an earlier epoch kept proves nothing to this one.
  var isRenewalInForce = false
  let electorate: Electorate
  /// When the newest heartbeat that each elector answered was sent.
  var renewed: OrderedDictionary<NodeID, Instant> = [:]
  let begun: Instant
  var isFrozen = false
  /// An elector promised a later term: it never answers this manager again.
  var isOutpaced = false
  /// Of the newest version of this term. Every term counts from 1: whatever number a predecessor took, this one has all of its own.
  var sequence: UInt64 = 0
  /// The newest version that was sent, in force or not.
  var proposal: Proposal?
  /// What waits for it.
  var waiting: [SnapshotDraft] = []
  /// Who is to elect in the next epoch, once this manager has proposed it; no other version is proposed after that.
  var succession: Electorate?
  /// When it was proposed.
  var proposedAt: Instant?
  /// The certificates up to the next epoch, once the old one is over.
  var handedOver: [Handover]?
  /// End notices sent so far; nil while the service lives.
  var endNotices: Int?
  /// Electors and portals that know of the end.
  var toldOfEnd: Set<NodeID> = []

  struct Proposal {
    let snapshot: Signed<Snapshot>
    var answers: OrderedDictionary<NodeID, Answer> = [:]
    /// It rewrites what a predecessor left.
    var adopts = false
    var isAccepted = false
    var isWaitingForClaims = false
  }
  struct Answer {
    let statement: Signed<Acknowledgement>
    let earlier: [EarlierClaim]
  }

  /// The end of the lease: the quorum's oldest renewal, counted from sending.
  var leaseEnd: Instant {
    let renewals = renewed.values.sorted(by: >)
    guard renewals.count >= electorate.quorum else { return begun + Limits.managerLease }
    return max(renewals[electorate.quorum - 1], begun) + Limits.managerLease
  }
}

// The candidate becomes manager with a quorum's votes, takes over what a predecessor left, and keeps a quorum behind it.

extension Ballots {
  // MARK: Taking office

  /// Makes the mandate once a quorum, this peer included, voted for it in the promised term, at most once a term.
  mutating func formMandate(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let ballot = ballots[request], let term = ballot.record.promised, ballot.candidate(in: term) == node,
      term > ballot.barredUpTo ?? Term(0), tenures[request]?.mandate.term != term,
      ballot.heard[node]?.vote.body.term == term
    else { return [] }
    let votes = ballot.order.compactMap { ballot.heard[$0] }.filter { $0.vote.body.term == term }
    let quorum = needed(ballot.electorate)
    guard votes.count >= quorum,
      let mandate = Mandate(
        envelope: ballot.record.envelope, handovers: ballot.record.handovers, term: term,
        votes: votes.prefix(quorum).map(\.vote.envelope), renewal: ballot.record.renewal)
    else { return [] }
    let before = tenures[request]
    var effects = stepDown(request, for: term)
    ballots[request]?.barredUpTo = term
    ballots[request]?.mandate = mandate
    ballots[request]?.mandateIsVerified = true
    let newest = votes.compactMap(\.newest).max { $0.snapshot.mark < $1.snapshot.mark }
    tenures[request] = Tenure(mandate: mandate, electorate: ballot.electorate, begun: time.now)
    // The end that was wished for while the epochs changed.
    tenures[request]?.waiting = before?.waiting.filter { $0.label == Snapshot.ended } ?? []
    effects += heartbeats(request, time)
    if let old = ballot.succession.electorate(in: term.epoch &- 1), term.epoch > 0 {
      effects += old.members.filter { !ballot.electorate.contains($0) }.map { .send($0, .elected(mandate)) }
    }
    effects += ballot.callers.map { .send($0, .elected(mandate)) }
    guard let left = newest?.snapshot.body else { return effects + [.elected(mandate, newest: nil)] }
    let successors = left.term.epoch == term.epoch ? left.successors : nil
    // Its patience with the electors begins anew: it cannot know when a predecessor's began, and without one it would wait for ever.
    if successors != nil { (tenures[request]!.succession, tenures[request]!.proposedAt) = (successors, time.now) }
    let draft = SnapshotDraft(
      version: left.version, label: left.label, state: left.state, claims: left.claims, successors: successors)
    return effects + send(draft, request, adopting: true)
  }

  /// Electors whose word makes something so.
  private func needed(_ electorate: Electorate) -> Int { electorate.quorum - (defect == .quorumOffByOne ? 1 : 0) }

  /// Leaves office for a later term's manager.
  mutating func stepDown(_ request: RequestID, for term: Term) -> [BallotEffect] {
    guard let tenure = tenures[request], tenure.mandate.term < term else { return [] }
    tenures[request] = nil
    return [.lost(request, .succeeded(term))]
  }

  // MARK: Heartbeats

  mutating func onHeartbeatTimer(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let sent = tenures[request]?.endNotices else {
      return heartbeats(request, time) + judgeLease(request, time) + handOverIfNeeded(request, time)
    }
    guard let tenure = tenures[request], sent < Limits.endNotices else {
      tenures[request] = nil
      return []
    }
    tenures[request]?.endNotices = sent + 1
    return tenure.electorate.members.flatMap { missingVersion(at: $0, tenure) } + endNotices(tenure)
      + [.setTimer(.heartbeat(request), at: time.now + Limits.heartbeatInterval)]
  }

  /// To every elector, with the mandate for those that have not answered yet, and with the newest version for those that lack it.
  private mutating func heartbeats(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let tenure = tenures[request] else { return [] }
    let (term, next) = (tenure.mandate.term, time.now + Limits.heartbeatInterval)
    // The old electors have said their last word.
    if tenure.handedOver != nil { return handoverNotices(request) + [.setTimer(.heartbeat(request), at: next)] }
    return tenure.electorate.members.flatMap { elector -> [BallotEffect] in
      let mandate = tenure.renewed[elector] == nil ? tenure.mandate : nil
      return missingVersion(at: elector, tenure) + [.send(elector, .heartbeat(request, term, sent: time.now, mandate))]
    } + renewalNotices(tenure) + [.setTimer(.heartbeat(request), at: next)]
  }

  /// The newest version once more, unless the elector has acknowledged it.
  private func missingVersion(at elector: NodeID, _ tenure: Tenure) -> [BallotEffect] {
    guard let proposal = tenure.proposal, proposal.answers[elector] == nil else { return [] }
    return vouch(for: proposal, to: elector, tenure)
      + [.send(elector, .proposal(proposal.snapshot, tenure.renewed[elector] == nil ? tenure.mandate : nil))]
  }

  mutating func onHeartbeatAnswer(
    _ request: RequestID, _ term: Term, sent: Instant, from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    guard let tenure = tenures[request], tenure.mandate.term == term, sent <= time.now, sent >= tenure.begun else {
      return []
    }
    guard tenure.electorate.contains(sender) else { return [.rejected(sender, .notAnElector)] }
    tenures[request]?.renewed[sender] = max(sent, tenure.renewed[sender] ?? sent)
    return judgeLease(request, time)
  }

  /// Frozen without a quorum's lease, thawed with it. What runs goes on either way. A frozen manager that some elector has left for good
  /// makes way: the others would renew its lease, and wait, for ever.
  private mutating func judgeLease(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let tenure = tenures[request], tenure.endNotices == nil, tenure.handedOver == nil else { return [] }
    let isFrozen = time.now > tenure.leaseEnd
    if isFrozen, tenure.isOutpaced { return onDeclineWish(request, .outpaced) }
    guard isFrozen != tenure.isFrozen else { return [] }
    tenures[request]?.isFrozen = isFrozen
    return [isFrozen ? .frozen(request) : .thawed(request)]
  }

  // MARK: Versions

  mutating func onPropose(_ request: RequestID, _ draft: SnapshotDraft) -> [BallotEffect] {
    func refused(_ fault: ProposalFault) -> [BallotEffect] {
      [.proposalRefused(request, version: draft.version, fault)]
    }
    guard let tenure = tenures[request], tenure.endNotices == nil else { return refused(.notTheManager) }
    // Claims and headers take at most 72 bytes each beside the state.
    guard draft.state.count + 72 * draft.claims.count + 256 <= Limits.snapshotBytes,
      draft.claims.count <= Limits.claims,
      draft.label.utf8.count <= 64
    else { return refused(.tooLarge) }
    if tenure.succession != nil || !(tenure.proposal?.isAccepted ?? true) {
      guard tenure.waiting.count < Limits.waitingSnapshots else { return refused(.tooManyWaiting) }
      tenures[request]?.waiting.append(draft)
      return []
    }
    return send(draft, request)
  }

  /// The service's end is a version too: what waits before it is dropped.
  mutating func onEndWish(_ request: RequestID, state: [UInt8]) -> [BallotEffect] {
    tenures[request]?.waiting = []
    // A predecessor may have used the numbers up; nobody reckons on from the last one.
    let version = min((tenures[request]?.proposal?.snapshot.body.version ?? 0) + 1, UInt64(UInt32.max))
    return onPropose(request, SnapshotDraft(version: version, label: Snapshot.ended, state: state))
  }

  mutating func send(_ draft: SnapshotDraft, _ request: RequestID, adopting: Bool = false) -> [BallotEffect] {
    guard var tenure = tenures[request] else { return [] }
    tenure.sequence += 1
    let body = Snapshot(
      request: request, term: tenure.mandate.term, sequence: tenure.sequence, version: draft.version,
      label: draft.label,
      state: draft.state, claims: draft.claims, successors: draft.successors)
    let snapshot = Signed(body, by: keys)
    tenure.proposal = Tenure.Proposal(snapshot: snapshot, adopts: adopting)
    tenures[request] = tenure
    return tenure.electorate.members.map { elector in
      .send(elector, .proposal(snapshot, tenure.renewed[elector] == nil ? tenure.mandate : nil))
    }
  }

  // MARK: On an acknowledgement

  mutating func onAcknowledgement(
    _ statement: Signed<Acknowledgement>, earlier: [EarlierClaim], from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    let request = statement.body.request
    guard statement.signer == sender, tenures[request] != nil else { return onPassedOn(statement, from: sender) }
    guard var tenure = tenures[request], var proposal = tenure.proposal, proposal.snapshot.mark == statement.body.mark
    else {
      return []
    }
    guard tenure.electorate.contains(sender) else { return [.rejected(sender, .notAnElector)] }
    guard statement.body.successors == proposal.snapshot.body.successors else {
      return [.rejected(sender, .otherSuccessors)]
    }
    proposal.answers[sender] = Tenure.Answer(statement: statement, earlier: earlier)
    tenure.proposal = proposal
    tenures[request] = tenure
    let isEarly =
      defect == .effectiveBeforeQuorum
      || defect == .effectiveBeforeQuorumAfterHandover && tenure.mandate.term.epoch > 0
    let needed = isEarly ? 1 : needed(tenure.electorate)
    guard !proposal.isAccepted, proposal.answers.count >= needed else { return [] }
    // One elector's order of claims decides, so that of two managers exactly one comes first: the first drawn for the source.
    let arbiter = tenure.electorate.members[0]
    guard proposal.snapshot.body.claims.isEmpty || proposal.answers[arbiter] != nil || !view.isAlive(arbiter) else {
      guard !proposal.isWaitingForClaims else { return [] }
      tenures[request]?.proposal?.isWaitingForClaims = true
      return [.setTimer(.claims(request), at: time.now + Limits.claimPatience)]
    }
    return accept(request)
  }

  /// The deciding elector is silent: the next that answered decides. Two managers may then both begin, or both graft; either is repaired.
  mutating func onClaimsTimer(_ request: RequestID) -> [BallotEffect] {
    guard let proposal = tenures[request]?.proposal, proposal.isWaitingForClaims, !proposal.isAccepted else {
      return []
    }
    return accept(request)
  }

  private mutating func accept(_ request: RequestID) -> [BallotEffect] {
    guard var tenure = tenures[request], var proposal = tenure.proposal else { return [] }
    let body = proposal.snapshot.body
    proposal.isAccepted = true
    tenure.proposal = proposal
    if body.isEnd { tenure.endNotices = 0 }
    tenures[request] = tenure
    if body.isEnd { return endNotices(tenure) + [.ended(request)] }
    if body.successors != nil { return beginHandingOver(request) }
    let decider = tenure.electorate.members.first { proposal.answers[$0] != nil }
    let earlier = decider.flatMap { proposal.answers[$0]?.earlier } ?? []
    let effect: BallotEffect =
      proposal.adopts
      ? .elected(tenure.mandate, newest: proposal.snapshot)
      : .snapshotAccepted(request, version: body.version, sequence: body.sequence, earlier: earlier)
    guard !tenure.waiting.isEmpty else { return [effect] }
    let next = tenure.waiting.removeFirst()
    tenures[request] = tenure
    return [effect] + send(next, request)
  }

  // MARK: Leaving office

  /// To everyone who has not said that it knows of the end; with the mandate for the portals: one that still follows a predecessor would
  /// not believe it.
  private func endNotices(_ tenure: Tenure) -> [BallotEffect] {
    let callers = ballots[tenure.mandate.request]?.callers ?? []
    return audience(of: tenure).filter { !tenure.toldOfEnd.contains($0) }.flatMap { node -> [BallotEffect] in
      (callers.contains(node) ? [.send(node, .elected(tenure.mandate))] : [])
        + [.send(node, .end(tenure.mandate.request, tenure.mandate.term))]
    }
  }

  private func audience(of tenure: Tenure) -> [NodeID] {
    let electors = tenure.electorate.members
    return electors + (ballots[tenure.mandate.request]?.callers ?? []).filter { !electors.contains($0) }
  }

  /// One more knows of the end; once all do, there is nobody left to tell.
  mutating func onEndKnown(_ request: RequestID, by node: NodeID) {
    guard let tenure = tenures[request], tenure.endNotices != nil, audience(of: tenure).contains(node) else { return }
    tenures[request]?.toldOfEnd.insert(node)
    if audience(of: tenure).allSatisfy({ $0 == node || tenure.toldOfEnd.contains($0) }) { tenures[request] = nil }
  }

  mutating func onDeclineWish(_ request: RequestID, _ reason: Decline.Reason) -> [BallotEffect] {
    guard let ballot = ballots[request], let term = ballot.record.promised, ballot.candidate(in: term) == node else {
      return []
    }
    ballots[request]?.barredUpTo = term
    let hadOffice = tenures.removeValue(forKey: request) != nil
    return [signedDecline(ballot, term, reason)] + (hadOffice ? [.lost(request, .declined)] : [])
  }
}
