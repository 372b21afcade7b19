import Base
import Identity
import Mandates
import Vocabulary

// A request outlives its envelope by its client's word. The portal brings it to all electors and to the manager; each elector writes it down
// and says so; with a quorum's word it is in force, because any later manager finds it. Until then both portal and
// manager go on telling those that are silent.

extension Ballots {
  // MARK: The portal

  /// The client wants more time.
  mutating func onRenewalWish(_ renewal: Signed<Renewal>, _ time: Moment) -> [BallotEffect] {
    let request = renewal.body.request
    // The portal says it again while no quorum has said that it keeps it.
    if calls[request]?.renewal == renewal { return repeatRenewal(request) }
    guard let call = calls[request], call.envelope.isRenewed(by: renewal),
      renewal.body.notAfter > call.envelope.notAfter(renewedBy: call.renewal)
    else { return [] }
    calls[request]?.renewal = renewal
    calls[request]?.renewedAt = []
    return repeatRenewal(request) + [expiryTimer(request, calls[request]?.notAfter ?? renewal.body.notAfter, time)]
  }

  /// To whoever has not said that it keeps the renewal; the caller says how often.
  func repeatRenewal(_ request: RequestID) -> [BallotEffect] {
    guard let call = calls[request], let renewal = call.renewal else { return [] }
    return electors(of: call).members.filter { !call.renewedAt.contains($0) }.map {
      .send($0, .renewal(renewal, call.envelope, isKept: false))
    }
  }

  private func electors(of call: PendingCall) -> Electorate {
    if case .following(let mandate) = call.state { mandate.electorate } else { call.envelope.body.electorate }
  }

  // MARK: On a renewal

  /// An elector writes it down and says so, to whoever told it and to the manager.
  mutating func onRenewal(
    _ renewal: Signed<Renewal>, _ envelope: Signed<Envelope>, isKept: Bool, from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    let request = envelope.request
    guard envelope.isRenewed(by: renewal) else { return [.rejected(sender, .misdirectedRenewal)] }
    guard renewal.body.issued <= time.wall + Limits.clockSkew else {
      return [.send(sender, .refusal(request, .clockSkew(time.wall)))]
    }
    var effects: [BallotEffect] = []
    if ballots[request]?.record.ended == false { effects += keep(renewal, request, time) }
    if isKept { return effects + count(renewal, from: sender) }
    guard let ballot = ballots[request] else { return effects }
    guard !ballot.record.ended else { return [.send(sender, .refusal(request, .ended))] }
    guard ballot.record.renewal == renewal, ballot.electorate.contains(node), !lapsed.contains(request) else {
      return effects
    }
    let kept = ElectionMessage.renewal(renewal, ballot.record.envelope, isKept: true)
    let listeners = OrderedSet([sender, ballot.mandate?.manager ?? sender])
    return effects + [.persist([], then: listeners.map { .send($0, kept) })]
  }

  /// Takes in what a mandate or a message shows, and writes it down.
  mutating func keep(_ renewal: Signed<Renewal>?, _ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let renewal, let ballot = ballots[request], renewal.body.notAfter > ballot.record.notAfter,
      ballot.record.envelope.isRenewed(by: renewal), renewal.body.notAfter <= time.wall.longestValidity
    else { return [] }
    // One that was given up comes back only where there is room for it, as for any other; till then it is silent.
    guard !lapsed.contains(request) || hasRoom(for: ballot.record.envelope.client) else { return [] }
    ballots[request]?.record.renewal = renewal
    if let mandate = ballot.mandate { ballots[request]?.mandate = mandate.renewed(by: renewal) }
    if let tenure = tenures[request] {
      tenures[request]?.mandate = tenure.mandate.renewed(by: renewal)
      tenures[request]?.renewalKeepers = []
      tenures[request]?.isRenewalInForce = false
    }
    return [.persist([.ballot(ballots[request]!.record)], then: [])] + revive(request, time)
      + [expiryTimer(request, renewal.body.notAfter, time)]
  }

  // MARK: On the end of its time

  /// An elector may have missed a renewal, and may be told of it later: what it promised for a service that ran it keeps for a while, silently.
  /// Had it forgotten, it would begin anew and break its word.
  mutating func lapse(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard var ballot = ballots[request], !ballot.record.ended else { return [] }
    if lapsed.append(request).inserted {
      discount(ballot.record.envelope.client)
      (ballot.mandate, ballot.leaseUntil, ballot.deadline, ballot.heard) = (nil, nil, nil, [:])
      ballots[request] = ballot
    }
    let left = ballot.record.keepUntil - time.wall
    let effects = [BallotEffect.setTimer(.expiry(request), at: time.now + max(left, .zero) + .milliseconds(1))]
    return lapsed.count > Limits.lapsed ? effects + forgetBallot(of: lapsed[0]) : effects
  }

  /// It lives on, after all: this elector goes on where it stood.
  private mutating func revive(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let ballot = ballots[request], ballot.record.notAfter + Limits.clockSkew >= time.wall,
      lapsed.remove(request) != nil
    else { return [] }
    requestsOfClient[ballot.record.envelope.client, default: 0] += 1
    let deadline = time.now + Limits.lease + patience(of: ballot)
    ballots[request]?.deadline = deadline
    return [.setTimer(.patience(request), at: deadline)]
  }

  /// One more elector keeps it.
  private mutating func count(_ renewal: Signed<Renewal>, from sender: NodeID) -> [BallotEffect] {
    let request = renewal.body.request
    var effects: [BallotEffect] = []
    if let tenure = tenures[request], tenure.mandate.renewal == renewal, tenure.electorate.contains(sender),
      !tenure.isRenewalInForce
    {
      tenures[request]?.renewalKeepers.insert(sender)
      if tenure.renewalKeepers.union([sender]).count >= tenure.electorate.quorum {
        tenures[request]?.isRenewalInForce = true
        effects.append(.renewed(request, tenure.mandate))
      }
    }
    if let call = calls[request], call.renewal == renewal, electors(of: call).contains(sender),
      !call.renewedAt.contains(sender)
    {
      calls[request]?.renewedAt.append(sender)
      let quorum = electors(of: call).quorum
      if call.renewedAt.count + 1 == quorum { effects.append(.renewalKept(request, until: renewal.body.notAfter)) }
    }
    return effects
  }

  /// The manager's part of the repetition, with each heartbeat.
  func renewalNotices(_ tenure: Tenure) -> [BallotEffect] {
    guard let renewal = tenure.mandate.renewal else { return [] }
    return tenure.electorate.members.filter { !tenure.renewalKeepers.contains($0) }.map {
      .send($0, .renewal(renewal, tenure.mandate.envelope, isKept: false))
    }
  }

  /// When all that is kept of the request goes.
  func expiryTimer(_ request: RequestID, _ notAfter: WallTime, _ time: Moment) -> BallotEffect {
    let left = notAfter + Limits.clockSkew - time.wall
    return .setTimer(.expiry(request), at: time.now + max(left, .zero) + .milliseconds(1))
  }
}
