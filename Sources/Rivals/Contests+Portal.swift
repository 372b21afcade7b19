import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// A portal's call, until somebody says that it manages.
struct ContestCall: Sendable {
  let begun: Instant
  var repetitions = 0
  var refusals: OrderedDictionary<NodeID, ContestRefusal> = [:]
}

// The portal: calls every member, repeats, follows whoever says that it manages.

extension Contests {
  // MARK: On a client's request

  mutating func onCall(_ envelope: Signed<Envelope>, _ time: Moment, _ random: inout SeededRandom) -> [ContestEffect] {
    let request = envelope.request
    guard calls[request] == nil else { return [] }
    if let leader = contests[request]?.leader, contests[request]?.hasEnded == false { return [.managerKnown(leader)] }
    guard calls.count < Limits.calls else { return [.callFailed(request, .tooMany)] }
    var effects: [ContestEffect]
    do { effects = try admit(envelope, time) } catch {
      return [.callFailed(request, .refused(error, by: [node]))]
    }
    // Its own clients come before another portal's.
    if let callers = contests[request]?.callers, !callers.contains(node), callers.count >= Limits.callers {
      contests[request]?.callers.removeLast()
    }
    contests[request]?.callers.append(node)
    calls[request] = ContestCall(begun: time.now)
    // First of all everybody else: this very peer may be a manager at once.
    effects += callMembers(request)
    effects += tell(request, .call, time, &random)
    return effects + [.setTimer(.call(request), at: time.now + Limits.callRepetition)]
  }

  /// First responder's own call goes to everybody already; the others' members hear of it from their portal.
  private func callMembers(_ request: RequestID) -> [ContestEffect] {
    guard let contest = contests[request], strategy != .firstResponder else { return [] }
    let call = ContestMessage(request, .call(isPortal: true), envelope: contest.envelope)
    return contest.members.filter { $0 != node }.map { .send($0, call) }
  }

  mutating func onSeek(_ envelope: Signed<Envelope>, _ time: Moment, _ random: inout SeededRandom) -> [ContestEffect] {
    let request = envelope.request
    guard let contest = contests[request] else { return onCall(envelope, time, &random) }
    guard !contest.hasEnded else { return [.ended(request)] }
    guard contest.tenure == nil else { return [] }
    let call = ContestMessage(request, .call(isPortal: true), envelope: contest.envelope)
    return contest.members.filter { $0 != node }.map { .send($0, call) }
  }

  // MARK: On silence

  mutating func onCallTimer(_ request: RequestID, _ time: Moment) -> [ContestEffect] {
    guard let call = calls[request], let contest = contests[request] else { return [] }
    guard time.now - call.begun < Limits.callPatience else {
      calls[request] = nil
      return [.callFailed(request, .nobody(silent: contest.members.filter { call.refusals[$0] == nil && $0 != node }))]
    }
    calls[request]?.repetitions += 1
    let wait = Limits.callRepetition * (1 << min(call.repetitions + 1, 3))
    return callMembers(request) + [.setTimer(.call(request), at: time.now + wait)]
  }

  // MARK: On a manager, and on refusals

  mutating func onManagerKnown(_ claim: ManagerClaim) -> [ContestEffect] {
    calls[claim.request] = nil
    return [.managerKnown(claim)]
  }

  /// Gives up when no other member is left.
  mutating func onRefusedCall(
    _ request: RequestID, _ refusal: ContestRefusal, from sender: NodeID
  ) -> [ContestEffect] {
    guard let contest = contests[request], contest.members.contains(sender) else { return [] }
    let told = ContestEffect.rejected(sender, "\(refusal)")
    guard calls[request] != nil else { return [told] }
    calls[request]?.refusals[sender] = refusal
    let refusals = calls[request]?.refusals ?? [:]
    guard contest.members.allSatisfy({ refusals[$0] != nil }) else { return [told] }
    calls[request] = nil
    return [told, .callFailed(request, .refused(refusal, by: Array(refusals.keys)))]
  }
}
