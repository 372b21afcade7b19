import Base
import Identity
import Mandates
import Vocabulary

/// A portal's call, and afterwards what it knows of the manager.
struct PendingCall: Sendable {
  let envelope: Signed<Envelope>
  /// What the order of candidates follows from.
  var evidence: [SignedEnvelope] = []
  var state: State
  /// The client's newest wish for more time, and the electors that keep it.
  var renewal: Signed<Renewal>?
  var renewedAt: OrderedSet<NodeID> = []
  /// Until when the request is valid.
  var notAfter: WallTime { envelope.notAfter(renewedBy: renewal) }

  enum State {
    /// Can become: following, or dropped after a failure.
    case calling(Attempt)
    /// Until the end of the request.
    case following(Mandate)
  }
  struct Attempt {
    let begun: Instant
    var repetitions = 0
    var refusals: OrderedDictionary<NodeID, ElectionRefusal> = [:]
    /// Electors that are electing.
    var heard: OrderedSet<NodeID> = []
  }
}

// The portal: calls every elector, repeats, follows whoever is elected, and says why when nobody is.

extension Ballots {
  // MARK: On a client's request

  mutating func onClientCall(
    _ envelope: Signed<Envelope>, _ evidence: [SignedEnvelope], renewal: Signed<Renewal>? = nil, _ time: Moment
  ) -> [BallotEffect] {
    let request = envelope.request
    switch calls[request]?.state {
    case .following(let mandate): return [.managerKnown(mandate)]
    case .calling: return []
    case nil: break
    }
    guard calls.count < Limits.calls else { return [.callFailed(request, .tooMany)] }
    guard envelope.notAfter(renewedBy: renewal) >= time.wall else { return [.callFailed(request, .expired)] }
    calls[request] = PendingCall(
      envelope: envelope, evidence: evidence, state: .calling(PendingCall.Attempt(begun: time.now)), renewal: renewal)
    return envelope.body.electorate.members.map { .send($0, .call(envelope, wall: time.wall, evidence: evidence)) }
      + [
        .setTimer(.call(request), at: time.now + repetition(of: envelope, 0)),
        expiryTimer(request, envelope.notAfter(renewedBy: renewal), time),
      ]
  }

  /// Calls again for a request that it followed: the end notices may have passed it by.
  mutating func onSeek(_ envelope: Signed<Envelope>, _ time: Moment) -> [BallotEffect] {
    let known = calls[envelope.request]
    if case .following = known?.state { calls[envelope.request] = nil }
    return onClientCall(envelope, known?.evidence ?? [], renewal: known?.renewal, time)
  }

  private func repetition(of envelope: Signed<Envelope>, _ count: Int) -> Duration {
    let once = Limits.callRepetition + view.longestRoundTrip(to: envelope.body.electorate.members) * 2
    return min(once * (1 << min(count, 4)), Limits.callRepetition * 10)
  }

  // MARK: On silence

  mutating func onCallTimer(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard var call = calls[request], case .calling(var attempt) = call.state else { return [] }
    let electors = call.envelope.body.electorate.members
    guard time.now - attempt.begun < Limits.callPatience else {
      calls[request] = nil
      let silent = electors.filter { !attempt.heard.contains($0) && attempt.refusals[$0] == nil }
      return [.callFailed(request, .noQuorum(silent: silent))]
    }
    attempt.repetitions += 1
    call.state = .calling(attempt)
    calls[request] = call
    return electors.map { .send($0, .call(call.envelope, wall: time.wall, evidence: call.evidence)) }
      + [.setTimer(.call(request), at: time.now + repetition(of: call.envelope, attempt.repetitions))]
  }

  // MARK: On a mandate

  /// The manager's word, or an elector's: believed on its signatures, whoever brings it.
  mutating func onElected(_ mandate: Mandate, from sender: NodeID) -> [BallotEffect] {
    let request = mandate.request
    guard !view.ignores(mandate.manager) else { return [.rejected(sender, .mandate(.provenLiar(mandate.manager)))] }
    var isNews = calls[request] != nil
    if case .following(let known) = calls[request]?.state, known.term >= mandate.term { isNews = false }
    let isOusted = tenures[request].map { $0.mandate.term < mandate.term } ?? false
    guard isNews || isOusted else { return [] }
    do { try mandate.verify(using: &verified) } catch { return [.rejected(sender, .mandate(error))] }
    let effects = stepDown(request, for: mandate.term)
    guard isNews else { return effects }
    calls[request]?.state = .following(mandate)
    // Other electors now: their words are needed for what the former ones keep.
    if let call = calls[request], call.renewedAt.contains(where: { !mandate.electorate.contains($0) }) {
      calls[request]?.renewedAt.removeAll { !mandate.electorate.contains($0) }
    }
    return effects + [.managerKnown(mandate)]
  }

  // MARK: On a refusal

  mutating func onRefusal(
    _ request: RequestID, _ refusal: ElectionRefusal, from sender: NodeID, _ time: Moment
  ) -> [BallotEffect] {
    switch refusal {
    case .electing:
      if case .calling(var attempt) = calls[request]?.state, isElector(sender, of: request) {
        attempt.heard.append(sender)
        attempt.refusals[sender] = nil
        calls[request]?.state = .calling(attempt)
      }
      return []
    case .unknownRequest:
      guard let tenure = tenures[request], tenure.electorate.contains(sender) else { return [] }
      // It restarted, or never heard of the election: it needs the mandate again.
      tenures[request]?.renewed[sender] = nil
      return [.send(sender, .heartbeat(request, tenure.mandate.term, sent: time.now, tenure.mandate))]
        + (tenure.proposal.map { [.send(sender, .proposal($0.snapshot, tenure.mandate))] } ?? [])
    case .staleTerm(let promised):
      if let tenure = tenures[request], tenure.electorate.contains(sender), promised > tenure.mandate.term {
        tenures[request]?.isOutpaced = true
      }
    case .duplicate(let first): return onDuplicate(request, first: first, time)
    case .ended: return onEndedElsewhere(request, from: sender)
    default: break
    }
    return [.rejected(sender, .refused(refusal))] + countRefusal(request, refusal, from: sender)
  }

  private func isElector(_ node: NodeID, of request: RequestID) -> Bool {
    calls[request]?.envelope.body.electorate.contains(node) ?? false
  }

  /// The client's own signature proves it: this counter was used before.
  private mutating func onDuplicate(_ request: RequestID, first: Signed<Envelope>, _ time: Moment) -> [BallotEffect] {
    guard let call = calls[request], case .calling = call.state, first.client == call.envelope.client,
      first.body.counter == call.envelope.body.counter, first.request != request
    else { return [] }
    calls[request] = nil
    return [.answeredByFirst(request, first: first)] + onClientCall(first, [], time)
  }

  /// One elector may lie about the end; f+1 do not.
  private mutating func onEndedElsewhere(_ request: RequestID, from sender: NodeID) -> [BallotEffect] {
    onEndKnown(request, by: sender)
    var effects: [BallotEffect] = []
    if var ballot = ballots[request], !ballot.record.ended, ballot.electorate.contains(sender) {
      ballot.endedBy.append(sender)
      ballots[request] = ballot
      if ballot.endedBy.count > ballot.electorate.faults { effects += bury(request) }
    }
    if tenures[request] != nil, ballots[request]?.record.ended ?? false, tenures[request]?.endNotices == nil {
      tenures[request] = nil
      effects.append(.ended(request))
    }
    guard case .calling(var attempt) = calls[request]?.state, let electorate = calls[request]?.envelope.body.electorate,
      electorate.contains(sender)
    else { return effects }
    attempt.refusals[sender] = .ended
    calls[request]?.state = .calling(attempt)
    guard attempt.refusals.values.count(where: { $0 == .ended }) > electorate.faults else { return effects }
    calls[request] = nil
    return effects + [.ended(request)]
  }

  /// Gives up as soon as no quorum can be left.
  private mutating func countRefusal(
    _ request: RequestID, _ refusal: ElectionRefusal, from sender: NodeID
  ) -> [BallotEffect] {
    guard case .calling(var attempt) = calls[request]?.state, let electorate = calls[request]?.envelope.body.electorate,
      electorate.contains(sender)
    else { return [] }
    attempt.refusals[sender] = refusal
    calls[request]?.state = .calling(attempt)
    guard electorate.size - attempt.refusals.count < electorate.quorum else { return [] }
    calls[request] = nil
    let kinds = OrderedDictionary(grouping: attempt.refusals.keys) { attempt.refusals[$0]?.kind ?? "" }
    let most = kinds.values.max { $0.count < $1.count } ?? []
    return [.callFailed(request, .refused(most.first.flatMap { attempt.refusals[$0] } ?? refusal, by: Array(most)))]
  }
}
