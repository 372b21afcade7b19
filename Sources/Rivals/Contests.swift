import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// A peer's part in all elections under a protocol without a quorum of signed votes: ``Bully``, ``Raft`` or ``FirstResponder``, whichever
/// its operator chose. The members of a request's contest are its electorate, drawn as for the quorum protocol; the protocol itself
/// decides who manages and who follows.
///
/// What a successor finds: with raft what a majority had on disk, so a version in force is never lost while members only crash; with the
/// others whatever the newest heartbeat brought to it, so a version can be lost, and with it the memory of what nodes were asked to do. They
/// then refuse or lapse, and the successor plans anew.
///
/// A value without clock, disk, network or chance of its own, as ``Ballots`` is; messages to this peer itself are effects like the others.
public struct Contests: Sendable {
  /// This peer.
  public let node: NodeID
  /// What its operator chose; contests of another are refused.
  public let strategy: ElectionStrategy
  let keys: KeyPair
  var view = MemberView([])
  var contests: OrderedDictionary<RequestID, Contest> = [:]
  /// Contests of services that have ended.
  var tombstones = 0
  /// When this peer's votes were lost; nil: never.
  private var lostBefore: WallTime?
  /// As portal.
  var calls: OrderedDictionary<RequestID, ContestCall> = [:]
  /// A fault planted by a test of the tests, see ``Raft``; false everywhere else.
  private var forgetsVotes = false

  /// - Parameters:
  ///   - keys: this peer's.
  ///   - strategy: as configured; one of the quorum's takes part in no contest.
  ///   - records: all that the store holds. ``ContestInput/start`` comes next.
  public init(keys: KeyPair, strategy: ElectionStrategy, restoring records: [ContestRecord] = []) {
    self.keys = keys
    self.strategy = strategy
    node = keys.id
    for record in records where record.envelope.body.contest == strategy {
      var contest = Contest(record.envelope)
      contest.promises = record.promises
      contest.newest = record.newest
      contest.hasEnded = record.hasEnded
      if record.hasEnded { tombstones += 1 }
      if !record.hasEnded { contest.rival = rival(for: record.envelope, restoring: record.promises) }
      contests[record.envelope.request] = contest
    }
  }

  /// One request as a member, a manager or a portal knows it.
  struct Contest: Sendable {
    let envelope: Signed<Envelope>
    /// The protocol at work; nil at a portal that is no member, and after the end.
    var rival: (any Rival)?
    var promises = RivalPromises(term: 0, vote: nil)
    /// The newest version heard of.
    var newest: Signed<ContestVersion>?
    /// The newest manager's word.
    var leader: ManagerClaim?
    var tenure: ContestTenure?
    /// Portals that are to hear of every manager; this peer itself too, where it called. First the one that the client asked: however many
    /// others call, it keeps its place.
    var callers: OrderedSet<NodeID>
    var hasEnded = false

    var request: RequestID { envelope.request }
    var members: [NodeID] { envelope.body.electorate.members }
    init(_ envelope: Signed<Envelope>) {
      self.envelope = envelope
      callers = [envelope.body.portal]
    }
  }

  /// Takes in one input and says what is to be done, in order.
  public mutating func handle(
    _ input: ContestInput, at now: Instant, wall: WallTime, using random: inout SeededRandom
  ) -> [ContestEffect] {
    let time = Moment(now: now, wall: wall)
    switch input {
    case .start(let lostBefore):
      self.lostBefore = lostBefore
      return contests.keys.flatMap { request in
        [expiryTimer(request, time)] + tell(request, .start, time, &random)
      }
    case .members(let view):
      self.view = view
      return []
    case .call(let envelope): return onCall(envelope, time, &random)
    case .seek(let envelope): return onSeek(envelope, time, &random)
    case .received(let sender, let message): return onMessage(message, from: sender, time, &random)
    case .timer(.member(let request)):
      return tell(request, .timer, time, &random) + tellCallers(request)
    case .timer(.call(let request)): return onCallTimer(request, time)
    case .timer(.end(let request)): return onEndTimer(request, time)
    case .timer(.expiry(let request)): return onExpiry(request, time)
    case .propose(let request, let draft): return onPropose(request, draft, time)
    case .end(let request, let state): return onEndWish(request, state, time)
    case .decline(let request):
      guard let term = contests[request]?.tenure?.claim.term.number else { return [] }
      return tell(request, .seen(term: term + 1), time, &random)
    case .fenced(let request, let term): return tell(request, .seen(term: term.number), time, &random)
    }
  }

  struct Moment {
    let now: Instant
    let wall: WallTime
  }

  // MARK: What others look at

  /// Whether the request is one of a contest here.
  public func has(_ request: RequestID) -> Bool { contests[request] != nil }
  /// Contests kept.
  package var kept: (live: Int, tombstones: Int) { (contests.count - tombstones, tombstones) }
  /// Calls that wait.
  package var waitingCalls: Int { calls.count }
  /// Portals of the request that most are told of.
  package var mostCallers: Int { contests.values.map(\.callers.count).max() ?? 0 }
  /// Versions that wait at the manager where most do.
  package var mostWaiting: Int { contests.values.compactMap { $0.tenure?.waiting.count }.max() ?? 0 }
  /// Those who have said that they know of an end, of which most have.
  package var mostToldOfEnd: Int { contests.values.compactMap { $0.tenure?.toldOfEnd.count }.max() ?? 0 }
  /// In every contest that begins or is taken up again: it comes before ``ContestInput/start``.
  package mutating func plantForgottenVotes() {
    forgetsVotes = true
    for (request, contest) in contests where contest.rival != nil {
      let forgetful = rival(for: contest.envelope, restoring: contest.promises)
      contests[request]?.rival = forgetful
    }
  }
  /// Who takes part in a request.
  package func members(of request: RequestID) -> Electorate? { contests[request]?.envelope.body.electorate }

  // MARK: Taking part

  /// Begins a contest that was not known; nothing when it was.
  mutating func admit(_ envelope: Signed<Envelope>, _ time: Moment) throws(ContestRefusal) -> [ContestEffect] {
    let request = envelope.request
    guard contests[request] == nil else { return [] }
    guard envelope.body.contest == strategy else { throw .otherStrategy(own: strategy) }
    guard envelope.body.notAfter + Limits.clockSkew >= time.wall,
      envelope.body.issued <= time.wall + Limits.clockSkew
    else { throw .expired }
    guard kept.live < Limits.ballots, kept.live + tombstones < Limits.tombstones else { throw .busy }
    // Only Raft stands or falls by its votes on disk.
    if strategy == .raft, let lostBefore, envelope.body.issued <= lostBefore + Limits.clockSkew { throw .lostStore }
    let isMember = envelope.body.electorate.contains(node)
    guard isMember || envelope.body.portal == node else { throw .notAMember }
    do { try view.checkPlausibility(of: envelope.body.electorate, for: envelope.body.source, at: time.now) } catch {
      throw .notAMember
    }
    var contest = Contest(envelope)
    // The portal of this protocol is a part of it, member or not.
    if isMember || strategy == .firstResponder { contest.rival = rival(for: envelope, restoring: nil) }
    contests[request] = contest
    return [expiryTimer(request, time)]
  }

  private func rival(for envelope: Signed<Envelope>, restoring promises: RivalPromises?) -> (any Rival)? {
    let members = envelope.body.electorate.members
    switch strategy {
    case .bully: return Bully(node: node, members: members, restoring: promises)
    case .firstResponder: return FirstResponder(node: node, members: members, restoring: promises)
    case .raft:
      // The paper's timing: a broadcast takes a tenth of the timeout (§5.6), disk included.
      let timeout = max(Limits.raftTimeout, view.longestRoundTrip(to: members) * 10)
      var raft = Raft(node: node, members: members, restoring: promises, timeout: timeout, spread: timeout)
      raft.forgetsVotes = forgetsVotes
      return raft
    case .rendezvous, .sortition, .nearest, .leastLoaded: return nil
    }
  }

  func expiryTimer(_ request: RequestID, _ time: Moment) -> ContestEffect {
    let left = (contests[request]?.envelope.body.notAfter ?? time.wall) + Limits.clockSkew - time.wall
    return .setTimer(.expiry(request), at: time.now + max(left, .zero) + .milliseconds(1))
  }

  private mutating func onExpiry(_ request: RequestID, _ time: Moment) -> [ContestEffect] {
    guard let contest = contests[request] else { return [] }
    guard time.wall > contest.envelope.body.notAfter + Limits.clockSkew else { return [expiryTimer(request, time)] }
    contests[request] = nil
    if contest.hasEnded { tombstones -= 1 }
    let wasCalled = calls.removeValue(forKey: request) != nil
    return [.forget(request)] + (contest.tenure?.isTold ?? false ? [.lost(request, .expired)] : [])
      + (wasCalled ? [.callFailed(request, .expired)] : [])
  }

  // MARK: The protocol's word

  /// Tells the protocol, and carries out what it wants.
  mutating func tell(
    _ request: RequestID, _ input: RivalInput, _ time: Moment, _ random: inout SeededRandom
  ) -> [ContestEffect] {
    guard let effects = contests[request]?.rival?.handle(input, at: time.now, using: &random) else { return [] }
    return effects.flatMap { perform($0, request, time) }
  }

  private mutating func perform(_ effect: RivalEffect, _ request: RequestID, _ time: Moment) -> [ContestEffect] {
    switch effect {
    case .send(let member, let message):
      return translated(message, to: member, of: request).map { [.send(member, $0)] } ?? []
    case .persist(let promises, let rest):
      contests[request]?.promises = promises
      let then = rest.flatMap { perform($0, request, time) }
      return record(of: request).map { [.persist($0, then: then)] } ?? then
    case .setTimer(let at): return [.setTimer(.member(request), at: at)]
    case .elected(let term): return onElected(request, term, time)
    case .lost: return onLost(request)
    }
  }

  func record(of request: RequestID) -> ContestRecord? {
    contests[request].map {
      ContestRecord(envelope: $0.envelope, promises: $0.promises, newest: $0.newest, hasEnded: $0.hasEnded)
    }
  }

  private func translated(_ message: RivalMessage, to member: NodeID, of request: RequestID) -> ContestMessage? {
    guard let contest = contests[request] else { return nil }
    switch message {
    case .call:
      return ContestMessage(request, .call(isPortal: contest.callers.contains(node)), envelope: contest.envelope)
    case .election(let term):
      return ContestMessage(
        request, .election(term: term, newest: contest.newest?.versionMark), envelope: contest.envelope)
    case .answer(let term): return ContestMessage(request, .answer(term: term))
    case .coordinator(let term):
      guard let tenure = contest.tenure, tenure.claim.term.number == term else { return nil }
      return ContestMessage(request, .coordinator(tenure.claim.statement, newest: tenure.missing(at: member)))
    }
  }

  // MARK: On a message

  private mutating func onMessage(
    _ message: ContestMessage, from sender: NodeID, _ time: Moment, _ random: inout SeededRandom
  ) -> [ContestEffect] {
    let request = message.request
    func no(_ refusal: ContestRefusal) -> [ContestEffect] {
      [.send(sender, ContestMessage(request, .refusal(refusal)))]
    }
    if case .refusal(let refusal) = message.body { return onRefusal(request, refusal, from: sender, time) }
    var effects: [ContestEffect] = []
    if contests[request] == nil {
      // An answer to what this peer has forgotten asks for nothing.
      if case .kept = message.body { return [] }
      guard let envelope = message.envelope else { return no(.unknownRequest) }
      do { effects = try admit(envelope, time) } catch { return no(error) }
    }
    guard let contest = contests[request] else { return effects }
    if case .end(let term) = message.body { return onEnd(request, term, from: sender) }
    guard !contest.hasEnded else { return no(.ended) }
    if case .call(let isPortal) = message.body {
      if isPortal, contest.callers.count < Limits.callers { contests[request]?.callers.append(sender) }
      effects += tell(request, .received(from: sender, .call), time, &random)
      // Who asks again may have lost sight of the manager.
      if let tenure = contests[request]?.tenure { effects += heartbeat(tenure, to: sender, request) }
      return effects
    }
    // From here on only members speak, and to first responders the portal.
    guard contest.members.contains(sender) || contest.envelope.body.portal == sender else {
      return effects + [.rejected(sender, "it is not a member")]
    }
    switch message.body {
    case .election(let term, let newest):
      // The paper's up-to-date rule; the others know no versions.
      let isBehind =
        strategy == .raft && (contest.newest?.versionMark).map { $0 > newest ?? .init(term: 0, sequence: 0) } ?? false
      let input: RivalInput = isBehind ? .seen(term: term) : .received(from: sender, .election(term: term))
      effects += tell(request, input, time, &random)
    case .answer(let term): effects += tell(request, .received(from: sender, .answer(term: term)), time, &random)
    case .coordinator(let claim, let newest):
      effects += onCoordinator(request, claim, newest, from: sender, time, &random)
    case .kept(let mark): effects += onKept(request, mark, from: sender, time)
    case .call, .end, .refusal: break
    }
    return effects
  }

  private mutating func onCoordinator(
    _ request: RequestID, _ statement: Signed<ClaimStatement>, _ newest: Signed<ContestVersion>?, from sender: NodeID,
    _ time: Moment, _ random: inout SeededRandom
  ) -> [ContestEffect] {
    guard let contest = contests[request], statement.signer == sender else {
      return [.rejected(sender, "it speaks for another")]
    }
    let claim: ManagerClaim
    do { claim = try ManagerClaim(contest.envelope, statement) } catch { return [.rejected(sender, "\(error)")] }
    let term = claim.term.number
    var effects = tell(request, .received(from: sender, .coordinator(term: term)), time, &random)
    if strategy == .raft, contests[request]?.promises.term ?? 0 > term { return effects }
    if contests[request]?.leader.map({ $0.term < claim.term }) ?? true {
      contests[request]?.leader = claim
      if contest.callers.contains(node) { effects += onManagerKnown(claim) }
    }
    guard let newest else { return effects }
    let mark = newest.versionMark
    let kept = ContestEffect.send(sender, ContestMessage(request, .kept(mark)))
    if contests[request]?.newest.map({ $0.versionMark < mark }) ?? true { contests[request]?.newest = newest }
    guard contests[request]?.newest == newest else { return effects }
    // Again, too, when it is known: the first writing may still be under way.
    guard strategy == .raft, let record = record(of: request) else { return effects + [kept] }
    return effects + [.persist(record, then: [kept])]
  }
}
