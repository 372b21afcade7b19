import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// A manager's time in office, by its own belief.
struct ContestTenure: Sendable {
  let claim: ManagerClaim
  /// Whether the peer was told that it manages: a leader of raft first has what it takes over at a majority.
  var isTold = false
  /// Of the newest version, over all terms.
  var sequence: UInt64 = 0
  var newest: Signed<ContestVersion>?
  /// Members that said that they keep it.
  var kept: OrderedSet<NodeID> = []
  var isAccepted = true
  /// What waits for it to be in force.
  var waiting: [SnapshotDraft] = []
  /// Notices of the end sent so far; nil while the service lives.
  var endNotices: Int?
  var toldOfEnd: OrderedSet<NodeID> = []

  /// The newest version, unless the member keeps it.
  func missing(at member: NodeID) -> Signed<ContestVersion>? { kept.contains(member) ? nil : newest }
}

// The manager: takes over what it knows of, tells everybody of every version, and of the end.

extension Contests {
  // MARK: Taking office

  mutating func onElected(_ request: RequestID, _ term: UInt32, _ time: Moment) -> [ContestEffect] {
    guard let contest = contests[request] else { return [] }
    let statement = Signed(
      ClaimStatement(request: request, strategy: strategy, term: term, wall: time.wall), by: keys)
    // Only members are elected, of the envelope's own strategy: the claim agrees with it.
    guard let claim = try? ManagerClaim(contest.envelope, statement) else { return [] }
    contests[request]?.tenure = ContestTenure(claim: claim, sequence: contest.newest?.body.snapshot.sequence ?? 0)
    contests[request]?.leader = claim
    var effects = contest.callers.contains(node) ? onManagerKnown(claim) : []
    effects += tellCallers(request)
    guard let left = contest.newest?.body.snapshot else {
      contests[request]?.tenure?.isTold = true
      return effects + [.elected(claim, newest: nil)]
    }
    let draft = SnapshotDraft(version: left.version, label: left.label, state: left.state, claims: left.claims)
    return effects + send(draft, request)
  }

  mutating func onLost(_ request: RequestID) -> [ContestEffect] {
    guard let tenure = contests[request]?.tenure, tenure.endNotices == nil else { return [] }
    contests[request]?.tenure = nil
    return tenure.isTold ? [.lost(request, .succeeded(tenure.claim.term.next))] : []
  }

  func heartbeat(_ tenure: ContestTenure, to node: NodeID, _ request: RequestID) -> [ContestEffect] {
    guard node != self.node, tenure.endNotices == nil else { return [] }
    let isMember = contests[request]?.members.contains(node) ?? false
    let newest = isMember ? tenure.missing(at: node) : nil
    return [.send(node, ContestMessage(request, .coordinator(tenure.claim.statement, newest: newest)))]
  }

  /// Portals that are no members hear of the manager too, as often as members do.
  func tellCallers(_ request: RequestID) -> [ContestEffect] {
    guard let contest = contests[request], let tenure = contest.tenure else { return [] }
    return contest.callers.filter { !contest.members.contains($0) }.flatMap { heartbeat(tenure, to: $0, request) }
  }

  // MARK: Versions

  mutating func onPropose(_ request: RequestID, _ draft: SnapshotDraft, _ time: Moment) -> [ContestEffect] {
    guard let tenure = contests[request]?.tenure, tenure.endNotices == nil else {
      return [.proposalRefused(request, .notTheManager)]
    }
    guard draft.state.count + 72 * draft.claims.count + 256 <= Limits.snapshotBytes, draft.claims.count <= Limits.claims
    else { return [.proposalRefused(request, .tooLarge)] }
    guard tenure.isAccepted else {
      guard tenure.waiting.count < Limits.waitingSnapshots else { return [.proposalRefused(request, .tooManyWaiting)] }
      contests[request]?.tenure?.waiting.append(draft)
      return []
    }
    return send(draft, request)
  }

  mutating func onEndWish(_ request: RequestID, _ state: [UInt8], _ time: Moment) -> [ContestEffect] {
    contests[request]?.tenure?.waiting = []
    let version = min((contests[request]?.tenure?.newest?.body.snapshot.version ?? 0) + 1, UInt64(UInt32.max))
    return onPropose(request, SnapshotDraft(version: version, label: Snapshot.ended, state: state), time)
  }

  private mutating func send(_ draft: SnapshotDraft, _ request: RequestID) -> [ContestEffect] {
    guard let contest = contests[request], var tenure = contest.tenure else { return [] }
    tenure.sequence += 1
    let newest = Signed(
      ContestVersion(
        Snapshot(
          request: request, term: tenure.claim.term, sequence: tenure.sequence, version: draft.version,
          label: draft.label, state: draft.state, claims: draft.claims)), by: keys)
    (tenure.newest, tenure.kept, tenure.isAccepted) = (newest, [], false)
    contests[request]?.tenure = tenure
    contests[request]?.newest = newest
    let others = contest.members.filter { $0 != node }.flatMap { heartbeat(tenure, to: $0, request) }
    // Its own word counts like the others', once it is on disk.
    let own = ContestEffect.send(node, ContestMessage(request, .kept(newest.versionMark)))
    guard strategy == .raft, let record = record(of: request) else { return others + [own] }
    return [.persist(record, then: others + [own])]
  }

  /// With raft a majority's word puts the version in force; with the others the manager's own does.
  mutating func onKept(
    _ request: RequestID, _ mark: ContestMessage.VersionMark, from sender: NodeID, _ time: Moment
  ) -> [ContestEffect] {
    guard let contest = contests[request], var tenure = contest.tenure, tenure.newest?.versionMark == mark,
      contest.members.contains(sender)
    else { return [] }
    tenure.kept.append(sender)
    contests[request]?.tenure = tenure
    let needed = strategy == .raft ? contest.members.count / 2 + 1 : 1
    guard !tenure.isAccepted, tenure.kept.count >= needed else { return [] }
    return accept(request, time)
  }

  private mutating func accept(_ request: RequestID, _ time: Moment) -> [ContestEffect] {
    guard var tenure = contests[request]?.tenure, let newest = tenure.newest else { return [] }
    tenure.isAccepted = true
    contests[request]?.tenure = tenure
    var effects: [ContestEffect]
    if newest.body.snapshot.isEnd, tenure.isTold {
      return beginEnding(request, time)
    } else if tenure.isTold {
      effects = [.snapshotAccepted(request, version: newest.body.snapshot.version)]
    } else {
      contests[request]?.tenure?.isTold = true
      effects = [.elected(tenure.claim, newest: newest)]
    }
    guard !tenure.waiting.isEmpty else { return effects }
    let next = tenure.waiting[0]
    contests[request]?.tenure?.waiting.removeFirst()
    effects += send(next, request)
    return effects
  }

  // MARK: The end

  private mutating func beginEnding(_ request: RequestID, _ time: Moment) -> [ContestEffect] {
    contests[request]?.tenure?.endNotices = 0
    contests[request]?.tenure?.toldOfEnd = [node]
    return bury(request) + onEndTimer(request, time) + [.ended(request)]
  }

  /// The request lives no more here; its name stays, so that late words are answered.
  mutating func bury(_ request: RequestID) -> [ContestEffect] {
    if contests[request]?.hasEnded == false { tombstones += 1 }
    contests[request]?.hasEnded = true
    contests[request]?.rival = nil
    calls[request] = nil
    guard strategy == .raft, let record = record(of: request) else { return [] }
    return [.persist(record, then: [])]
  }

  mutating func onEndTimer(_ request: RequestID, _ time: Moment) -> [ContestEffect] {
    guard let contest = contests[request], let tenure = contest.tenure, let sent = tenure.endNotices else { return [] }
    let audience = OrderedSet(contest.members + contest.callers).filter { !tenure.toldOfEnd.contains($0) }
    guard sent < Limits.endNotices, !audience.isEmpty else {
      contests[request]?.tenure = nil
      return []
    }
    contests[request]?.tenure?.endNotices = sent + 1
    let notice = ContestMessage(request, .end(term: tenure.claim.term.number))
    return audience.map { .send($0, notice) }
      + [.setTimer(.end(request), at: time.now + Limits.rivalHeartbeat)]
  }

  /// Believed of any member: nothing could prove it.
  mutating func onEnd(_ request: RequestID, _ term: UInt32, from sender: NodeID) -> [ContestEffect] {
    let known = ContestEffect.send(sender, ContestMessage(request, .refusal(.ended)))
    guard let contest = contests[request], contest.members.contains(sender) else { return [] }
    // A manager of an earlier term ends what is its own no more.
    guard term >= contest.leader?.term.number ?? 0 else { return [] }
    return end(request) + [known]
  }

  private mutating func end(_ request: RequestID) -> [ContestEffect] {
    guard let contest = contests[request], !contest.hasEnded else { return [] }
    contests[request]?.tenure = nil
    let concerns = contest.callers.contains(node) || contest.tenure?.isTold ?? false
    return bury(request) + (concerns ? [.ended(request)] : [])
  }

  // MARK: On a refusal

  mutating func onRefusal(
    _ request: RequestID, _ refusal: ContestRefusal, from sender: NodeID, _ time: Moment
  ) -> [ContestEffect] {
    guard let contest = contests[request] else { return [] }
    switch refusal {
    case .unknownRequest:
      // It restarted, or never heard of the request.
      guard !contest.hasEnded else { return [] }
      let isPortal = contest.callers.contains(node)
      return [.send(sender, ContestMessage(request, .call(isPortal: isPortal), envelope: contest.envelope))]
    case .ended:
      if contest.hasEnded {
        if contest.members.contains(sender) || contest.callers.contains(sender) {
          contests[request]?.tenure?.toldOfEnd.append(sender)
        }
        return []
      }
      return contest.members.contains(sender) ? end(request) : []
    case .otherStrategy, .expired, .busy, .notAMember, .lostStore: return onRefusedCall(request, refusal, from: sender)
    }
  }
}
