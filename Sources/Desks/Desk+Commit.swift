import Assignments
import Base
import Identity
import Vocabulary

extension Desk {
  // MARK: On a commit

  /// Puts each sound assignment in force; answers which were refused. The same commit again changes nothing.
  mutating func onCommit(
    _ commit: Commit, from sender: NodeID, at now: Instant, in context: DeskContext
  ) -> [DeskEffect] {
    var effects: [DeskEffect] = []
    var fence: Fence?
    var rejected: [CommitAnswer.Rejection] = []
    for (index, claimed) in commit.assignments.enumerated() {
      do throws(AssignmentError) {
        let (assignment, admission) = try check(claimed, mandate: commit.mandate, in: context)
        fence = admission.fence ?? fence
        enter(admission, request: assignment.body.request, at: now)
        let item = try claimReservation(for: assignment.body, in: context)
        effects += enforce(assignment, taking: item, mandate: commit.mandate, at: now)
      } catch {
        rejected.append(CommitAnswer.Rejection(index: index, reason: error))
        effects.append(.refused(commit.mark.request, error, from: sender))
      }
    }
    effects.append(.send(.committed(CommitAnswer(mark: commit.mark, rejected: rejected)), to: sender))
    return behind(fence, effects)
  }

  /// The checks that need no reservation, each with its own error, in the order of ``AssignmentError``.
  private mutating func check(
    _ claimed: ClaimedAssignment, mandate: [UInt8], in context: DeskContext
  ) throws(AssignmentError) -> (Signed<Assignment>, Admission) {
    let assignment = try verifySignature(claimed)
    let body = assignment.body
    guard body.expires + Limits.clockSkew >= context.wall else { throw .expired(body.expires) }
    let admission = try admit(
      request: body.request, term: body.term, mandate: mandate, signer: assignment.signer, in: context)
    let known = admission.manager ?? dossiers[body.request]?.manager
    guard known?.mandate == body.mandate else { throw .mandateInvalid("the assignment names another mandate") }
    guard body.node == node else { throw .notForThisNode(body.node) }
    return (assignment, admission)
  }

  /// What was reserved for the work; nil where the request holds the work already.
  private mutating func claimReservation(
    for body: Assignment, in context: DeskContext
  ) throws(AssignmentError) -> Reserve.Item? {
    let dossier = dossiers[body.request]!
    guard body.version >= dossier.floor else { throw .superseded }
    let isHeld =
      switch body.work {
      case .group(let spec, _, _): holds(spec, for: body.request)
      case .share(let stream): groups[stream]?.shares[body.request] != nil
      case .delivery(let output, _): sinks[DeliveryID(request: body.request, output: output)] != nil
      }
    var item: Reserve.Item?
    if !isHeld {
      guard let reservation = dossier.reservation, reservation.version == body.version,
        let reserved = reservation.items[body.ordinal], reserved.work.isSameWork(as: body.work)
      else { throw dossier.lapsed == body.version ? .reservationLate : .noReservation }
      item = reserved
    }
    if case .group(let spec, _, _) = body.work, case .failure(let problem) = context.checkStages(spec.stages) {
      throw AssignmentError(problem)
    }
    // The stream may have closed between reservation and commit.
    if case .share(let stream) = body.work, groups[stream] == nil { throw .noReservation }
    dossiers[body.request]!.floor = body.version
    if item != nil { dossiers[body.request]!.reservation!.items[body.ordinal] = nil }
    if dossiers[body.request]!.reservation?.items.isEmpty ?? false { dossiers[body.request]!.reservation = nil }
    return item
  }

  // MARK: Carrying it out

  private mutating func enforce(
    _ assignment: Signed<Assignment>, taking item: Reserve.Item?, mandate: [UInt8], at now: Instant
  ) -> [DeskEffect] {
    let body = assignment.body
    let authorization = AuthorizationBytes.encoded(assignment, mandate: mandate)
    let share = Share(
      version: body.version, term: body.term, up: item?.demand.up ?? 0, leaseEnds: now + Limits.orphanTimeout,
      assignment: assignment.digest)
    switch body.work {
    case .group(let spec, _, let start):
      if let item {
        var demand = item.demand
        demand.up = 0
        groups[spec.output] = LiveGroup(
          spec: spec, isArmed: start == .onSubscribe, demand: demand, shares: [body.request: share],
          inputs: body.inputs,
          authorization: authorization, standbys: body.standbys, caretaker: body.request)
        return [.openGroup(groups[spec.output]!.order)]
      }
      return renew(share, of: body, as: spec, authorization: authorization, start: start)
    case .share(let stream):
      if let held = groups[stream]?.shares[body.request] {
        groups[stream]!.shares[body.request] = share.keeping(held)
      } else {
        groups[stream]!.shares[body.request] = share
        groups[stream]!.sharelessSince = nil
      }
      // It may be the first to come after all others have left; or a plan takes for another's what is this request's own, and then
      // nobody would repair it.
      guard let group = groups[stream], group.shares.keys.first == body.request else { return [] }
      return report(.inherited(group.legacy), to: body.request)
    case .delivery(let output, _):
      return deliver(
        DeliveryID(request: body.request, output: output), share, body.inputs[0], authorization, item?.demand)
    }
  }

  /// A newer assignment for a group that runs: the caretaker's may change upstreams and standbys, cut the chain elsewhere, and
  /// wakes what failed.
  private mutating func renew(
    _ share: Share, of body: Assignment, as spec: GroupSpec, authorization: [UInt8], start: Start
  ) -> [DeskEffect] {
    let stream = body.work.stream
    var group = groups[stream]!
    let held = group.shares[body.request]!
    defer { groups[stream] = group }
    group.shares[body.request] = share.keeping(held)
    guard group.shares.keys.first == body.request, held.assignment != share.assignment else { return [] }
    let before = group.order
    let standbysChanged = group.standbys != body.standbys
    group.caretaker = body.request
    group.spec = spec
    group.inputs = body.inputs
    group.authorization = authorization
    group.standbys = body.standbys
    group.health.follow(body.inputs)
    var effects: [DeskEffect] = []
    if group.health.failure != nil || (group.isArmed && start == .now) {
      group.health.failure = nil
      group.isArmed = false
      effects.append(.openGroup(group.order))
    } else if group.order != before {
      effects.append(.updateGroup(group.order))
    }
    if standbysChanged {
      let event = NodeEvent.standbysChanged(SharedStream(stream: stream, standbys: group.standbys))
      for request in group.shares.keys.dropFirst() { effects += report(event, to: request) }
    }
    return effects
  }

  private mutating func deliver(
    _ id: DeliveryID, _ share: Share, _ input: InputAssignment, _ authorization: [UInt8], _ demand: Demand?
  ) -> [DeskEffect] {
    guard var sink = sinks[id] else {
      sinks[id] = LiveSink(
        version: share.version, term: share.term, input: input, authorization: authorization, demand: demand ?? .none,
        leaseEnds: share.leaseEnds, assignment: share.assignment)
      return [.openSink(SinkOrder(id: id, input: input, authorization: authorization))]
    }
    let isChanged = sink.assignment != share.assignment
    sink.version = share.version
    sink.term = share.term
    sink.input = input
    sink.authorization = authorization
    sink.leaseEnds = share.leaseEnds
    sink.assignment = share.assignment
    sink.health.follow([input])
    sinks[id] = sink
    return isChanged ? [.updateSink(SinkOrder(id: id, input: input, authorization: authorization))] : []
  }
}

extension Desk.Share {
  /// The newer share of the same request: what it takes stays.
  func keeping(_ held: Desk.Share) -> Desk.Share {
    var share = self
    share.up = held.up
    return share
  }
}

extension Desk.LiveGroup {
  var order: GroupOrder {
    GroupOrder(spec: spec, inputs: inputs, isArmed: isArmed, authorization: authorization)
  }
}

extension Desk.Health {
  /// Takes in a newer list of upstreams: a detour that the manager has made the main road is none, and what starved starts anew.
  mutating func follow(_ inputs: [InputAssignment]) {
    starved = []
    for input in inputs {
      guard let current = detours[input.stream] else { continue }
      let isOnList = input.upstreams.dropFirst().contains { $0.node == current }
      if !isOnList { detours[input.stream] = nil }
    }
  }
}

extension AssignedWork {
  /// Whether a commit is for what was reserved.
  func isSameWork(as other: AssignedWork) -> Bool {
    switch (self, other) {
    case (.group(let a, _, _), .group(let b, _, _)): a == b
    case (.share(let a), .share(let b)): a == b
    case (.delivery(let a, let s), .delivery(let b, let t)): a == b && s == t
    default: false
    }
  }
}
