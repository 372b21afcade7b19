import Base
import Identity
import Mandates
import Vocabulary

/// A peer's part in all elections (design §8), as elector, as candidate and manager, and as the portal that calls.
///
/// A request is a small replicated object with a rotating manager, in the shape of Viewstamped Replication (Liskov and Cowling,
/// 2012): the term alone says who may manage, so votes cannot split. A portal calls; every elector that finds the call sound writes its
/// vote down and sends it straight to the candidate of term 1: one round trip in all. What can go wrong moves electors to the next
/// term, never back: the candidate's silence or decline, a lapsed lease, or f+1 others who moved.
///
/// Promised: at most one tenure for a request and term; a version that a quorum acknowledged is found by every later manager;
/// nothing for a lower term follows a vote. Safety rests on promises on disk and on terms, never on leases or clocks.
///
/// A value without clock, disk or network: ``handle(_:at:wall:)`` says what is to be done. Messages to this peer itself are effects like
/// the others, because its own vote too counts only once it is on disk: hand them back as ``BallotInput/received(from:_:)``.
public struct Ballots: Sendable {
  /// This peer.
  public let node: NodeID
  let keys: KeyPair
  var view = MemberView([])
  var generation: StoreGeneration?
  /// The next statement's counter, below ``reservedCounters``.
  var counter: UInt64
  /// What the disk allows.
  var reservedCounters: UInt64
  /// The next claim heard of for the first time.
  var claimOrdinal: UInt64 = 1
  /// As elector and candidate.
  var ballots: OrderedDictionary<RequestID, Ballot> = [:]
  /// As manager.
  var tenures: OrderedDictionary<RequestID, Tenure> = [:]
  /// As portal.
  var calls: OrderedDictionary<RequestID, PendingCall> = [:]
  /// As portal, before a call by sortition.
  var draws: OrderedDictionary<Bytes32, PendingDraw> = [:]
  /// The first request under each client's counter.
  var firsts: [ClientNumber: RequestID] = [:]
  var requestsOfClient: [NodeID: Int] = [:]
  /// Ballots of services that have ended.
  var tombstones = 0
  /// Ballots whose time is over as far as this elector knows, the oldest first; see ``Ballots/lapse(_:_:)``.
  var lapsed: OrderedSet<RequestID> = []
  /// Whose claims may concern each other.
  var requestsOfSource: [SourceKey: OrderedSet<RequestID>] = [:]
  /// Why this peer does not stand as a candidate; nil when it does.
  var unwilling: Decline.Reason?
  /// Votes inside mandates that were found good.
  var verified: VerifiedDigests
  /// A fault planted by a test of the tests; nil everywhere else.
  package var defect: Defect?

  /// What a test may break, to see its checkers notice.
  package enum Defect: CaseIterable, Sendable {
    case promiseNotPersisted, quorumOffByOne, effectiveBeforeQuorum
    /// Seen only where stores are lost.
    case lostStoreForgotten
    /// Seen only where electors leave for good.
    case entersWithoutVersion
    /// Seen only where they leave, and the rest are cut off from each other.
    case effectiveBeforeQuorumAfterHandover
  }

  struct ClientNumber: Hashable {
    let client: NodeID
    let counter: UInt64
  }

  /// - Parameters:
  ///   - keys: this peer's.
  ///   - records: all that the store holds, in any order. ``BallotInput/start(identityIsNew:)`` comes next.
  ///   - verified: what the peer's other rooms found good as well.
  public init(
    keys: KeyPair, restoring records: [ElectionRecord] = [], verified: VerifiedDigests = VerifiedDigests()
  ) {
    self.keys = keys
    self.verified = verified
    node = keys.id
    counter = 1
    reservedCounters = 1
    for record in records {
      switch record {
      case .generation(let stored): generation = stored
      case .counters(let bound): (counter, reservedCounters) = (bound, bound)
      case .ballot(let record):
        let ballot = Ballot(restoring: record)
        enter(ballot)
        claimOrdinal = max(claimOrdinal, (record.claimOrdinals.max() ?? 0) + 1)
      case .forget: break
      }
    }
  }

  /// Takes in one input and says what is to be done, in order.
  /// - Parameters:
  ///   - now: this peer's monotonic clock, for leases and patience.
  ///   - wall: this peer's wall clock, for the validity of requests.
  public mutating func handle(_ input: BallotInput, at now: Instant, wall: WallTime) -> [BallotEffect] {
    let time = Moment(now: now, wall: wall)
    switch input {
    case .start(let identityIsNew): return onStart(identityIsNew: identityIsNew, time)
    case .members(let view):
      if view.ignored != self.view.ignored { forgetLiars(view) }
      self.view = view
      return []
    case .draw(let envelope): return onDrawWish(envelope, time)
    case .call(let envelope, let evidence): return onClientCall(envelope, evidence, time)
    case .seek(let envelope): return onSeek(envelope, time)
    case .renew(let renewal): return onRenewalWish(renewal, time)
    case .received(let sender, let message): return onMessage(message, from: sender, time)
    case .timer(let timer): return onTimer(timer, time)
    case .propose(let request, let draft): return onPropose(request, draft)
    case .end(let request, let state): return onEndWish(request, state: state)
    case .decline(let request, let reason): return onDeclineWish(request, reason)
    case .standing(let reason):
      unwilling = reason
      return []
    }
  }

  /// The two clocks of one input.
  struct Moment {
    let now: Instant
    let wall: WallTime
  }

  private mutating func onMessage(_ message: ElectionMessage, from sender: NodeID, _ time: Moment) -> [BallotEffect] {
    if view.ignores(sender), !message.isPortals { return [.rejected(sender, .provenLiar)] }
    return switch message {
    case .lotCall(let draw): onLotCall(draw, from: sender)
    case .lot(let lot): onLot(lot, from: sender)
    case .call(let envelope, let theirs, let evidence):
      onCall(envelope, evidence, from: sender, theirWall: theirs, time)
    case .vote(let vote, let envelope, let newest, let evidence):
      onVote(vote, envelope, newest: newest, evidence, from: sender, time)
    case .elected(let mandate): onElected(mandate, from: sender)
    case .heartbeat(let request, let term, let sent, let mandate):
      onHeartbeat(request, term, sent: sent, mandate, from: sender, time)
    case .heartbeatAnswer(let request, let term, let sent):
      onHeartbeatAnswer(request, term, sent: sent, from: sender, time)
    case .proposal(let snapshot, let mandate): onProposal(snapshot, mandate, from: sender, time)
    case .acknowledgement(let statement, let earlier):
      onAcknowledgement(statement, earlier: earlier, from: sender, time)
    case .handover(let newest, let handovers): onHandover(newest, handovers, from: sender, time)
    case .renewal(let renewal, let envelope, let isKept):
      onRenewal(renewal, envelope, isKept: isKept, from: sender, time)
    case .decline(let decline): onDecline(decline, from: sender, time)
    case .refusal(let request, let refusal): onRefusal(request, refusal, from: sender, time)
    case .end(let request, let term): onEnd(request, term, from: sender)
    }
  }

  /// What proven liars have said so far counts no more, mandates that were made with their votes excepted: those hold everywhere or nowhere.
  private mutating func forgetLiars(_ view: MemberView) {
    for request in ballots.keys {
      for liar in view.ignored where ballots[request]?.heard[liar] != nil { ballots[request]?.heard[liar] = nil }
    }
  }

  private mutating func onTimer(_ timer: BallotTimer, _ time: Moment) -> [BallotEffect] {
    switch timer {
    case .patience(let request): onPatience(request, time)
    case .heartbeat(let request): onHeartbeatTimer(request, time)
    case .claims(let request): onClaimsTimer(request)
    case .draw(let draw): onDrawTimer(draw, time)
    case .call(let request): onCallTimer(request, time)
    case .expiry(let request): onExpiry(request, time)
    }
  }

  /// When this peer began anew with a store that had lost its promises; nil: never.
  public var bornAfterLoss: WallTime? { generation?.bornAfterLoss }

  // MARK: On start

  /// An empty store begins a generation. Restored ballots wait a lease and then go on; where this peer was the candidate or manager, it
  /// has forgotten what it said and declines, so that nobody waits for it.
  private mutating func onStart(identityIsNew: Bool, _ time: Moment) -> [BallotEffect] {
    var effects: [BallotEffect] = []
    if generation == nil {
      let begun = StoreGeneration(
        number: UInt64(max(time.wall.milliseconds, 0)), bornAfterLoss: identityIsNew ? nil : time.wall)
      generation = begun
      effects.append(.persist([.generation(begun)], then: []))
    }
    for request in ballots.keys {
      guard let ballot = ballots[request] else { continue }
      guard time.wall <= ballot.record.notAfter + Limits.clockSkew else {
        effects += onExpiry(request, time)
        continue
      }
      effects.append(expiryTimer(ballot, time))
      guard !ballot.record.ended else { continue }
      let deadline = time.now + Limits.lease + patience(of: ballot)
      ballots[request]?.deadline = deadline
      effects.append(.setTimer(.patience(request), at: deadline))
      if let term = ballot.record.promised, ballot.candidate(in: term) == node {
        effects.append(signedDecline(ballot, term, .restarted))
      }
    }
    return effects
  }

  // MARK: On expiry

  private mutating func onExpiry(_ request: RequestID, _ time: Moment) -> [BallotEffect] {
    guard let last = [ballots[request]?.record.notAfter, calls[request]?.notAfter].compactMap({ $0 }).max() else {
      return []
    }
    guard time.wall > last + Limits.clockSkew else { return [expiryTimer(request, last, time)] }
    var effects: [BallotEffect] = []
    if let ballot = ballots[request] {
      effects = ballot.record.keepUntil >= time.wall ? lapse(request, time) : forgetBallot(of: request)
    }
    if tenures.removeValue(forKey: request) != nil { effects.append(.lost(request, .expired)) }
    if let call = calls.removeValue(forKey: request) {
      if case .following = call.state {
        effects.append(.ended(request))
      } else {
        effects.append(.callFailed(request, .expired))
      }
    }
    return effects
  }

  // MARK: What the roles share

  /// Keeps a ballot and its indices.
  mutating func enter(_ ballot: Ballot) {
    let envelope = ballot.record.envelope
    ballots[ballot.request] = ballot
    let number = ClientNumber(client: envelope.client, counter: envelope.body.counter)
    if firsts[number] == nil { firsts[number] = ballot.request }
    if ballot.record.ended { tombstones += 1 } else { requestsOfClient[envelope.client, default: 0] += 1 }
    requestsOfSource[envelope.body.source, default: []].append(ballot.request)
  }

  /// One request of this client lives no more.
  mutating func discount(_ client: NodeID) {
    requestsOfClient[client, default: 1] -= 1
    if requestsOfClient[client] == 0 { requestsOfClient[client] = nil }
  }

  mutating func forgetBallot(of request: RequestID) -> [BallotEffect] {
    guard let ballot = ballots.removeValue(forKey: request) else { return [] }
    forget(ballot)
    return [.persist([.forget(request)], then: [])]
  }

  /// Drops a ballot's indices.
  mutating func forget(_ ballot: Ballot) {
    let (request, known) = (ballot.request, ballot.record.envelope)
    let number = ClientNumber(client: known.client, counter: known.body.counter)
    if firsts[number] == request { firsts[number] = nil }
    if ballot.record.ended {
      tombstones -= 1
    } else if lapsed.remove(ballot.request) == nil {
      discount(known.client)
    }
    requestsOfSource[known.body.source]?.remove(request)
    if requestsOfSource[known.body.source]?.isEmpty ?? false { requestsOfSource[known.body.source] = nil }
  }

  /// The next statement's counter; `records` gets the reservation that must be on disk before the statement leaves.
  mutating func nextCounter(_ records: inout [ElectionRecord]) -> UInt64 {
    if counter >= reservedCounters {
      reservedCounters = counter + Limits.counterBlock
      records.append(.counters(below: reservedCounters))
    }
    defer { counter += 1 }
    return counter
  }

  /// A decline to every elector of the request.
  mutating func signedDecline(_ ballot: Ballot, _ term: Term, _ reason: Decline.Reason) -> BallotEffect {
    var records: [ElectionRecord] = []
    let decline = Decline(
      request: ballot.request, term: term, reason: reason, counter: nextCounter(&records),
      generation: generation?.number ?? 0)
    let message = ElectionMessage.decline(Signed(decline, by: keys))
    return .persist(records, then: ballot.electorate.members.map { .send($0, message) })
  }

  func expiryTimer(_ ballot: Ballot, _ time: Moment) -> BallotEffect {
    expiryTimer(ballot.request, ballot.record.notAfter, time)
  }
}
