import Assignments
import Base
import Identity
import Vocabulary

extension Manager {
  // MARK: Deciding what comes next

  /// Plans what is missing: everything before the first commit, later whatever no longer does its work.
  mutating func proceed(at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    forgetBans(at: now)
    guard let current else { return place(at: now, in: context) }
    switch repaired(current, in: context) {
    case .success(let plan):
      if plan == current, isInForce(plan, in: context) { return rest(at: now) }
      // Each change may bring the next; one that brings no rest waits for the next renewal.
      changesInARow += 1
      guard changesInARow <= Limits.placementTries else {
        state = .running
        return []
      }
      return propose(plan, at: now, in: context)
    case .failure(.hopeless(let failure)): return close(failure, at: now)
    case .failure(.missing(let missing, let plan)):
      return place(supplying: missing, of: plan, at: now, in: context)
    }
  }

  /// Nothing is missing.
  private mutating func rest(at now: Instant) -> [ManagerEffect] {
    state = .running
    attempts = 0
    changesInARow = 0
    lost = []
    chosen = [:]
    // What was learnt while planning is older than gossip soon.
    wish.corrections = [:]
    wish.served = [:]
    wish.notServed = [:]
    wish.open = [:]
    wish.passed = [:]
    return []
  }

  /// Whether every node has been told of its work in this plan: one that was given up may have been in force at some of them already.
  private func isInForce(_ plan: ServicePlan, in context: ManagerContext) -> Bool {
    plan.nodes.allSatisfy { node in
      guard isInForce(node), let held = inForce[node] else { return false }
      return assignments(for: node, in: plan, version: version, in: context).allSatisfy { wanted in
        held.contains { $0.says(theSameAs: wanted) }
      }
    }
  }

  /// Whether the node has been told of its work, and that it lasts as long as the request does.
  func isInForce(_ node: NodeID) -> Bool {
    inForce[node]?.allSatisfy { $0.expires >= order.notAfter } ?? false
  }

  /// Why no plan held; where nobody refused, that itself is told.
  var lastTrouble: String {
    trouble.isEmpty
      ? "\(Limits.placementTries) plans in a row were overtaken by changes before they were in force" : trouble
  }

  // MARK: Planning the whole

  /// Has the planner place the service with all that was learnt; of one that runs only what is missing, where that will do.
  mutating func place(
    supplying missing: [StreamKey] = [], of repaired: ServicePlan? = nil, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    guard context.wall <= order.notAfter else { return close(.expired, at: now) }
    attempts += 1
    guard attempts <= Limits.placementTries else { return close(.unplaceable(lastTrouble), at: now) }
    forgetBans(at: now)
    if let repaired, var plan = supplied(missing, of: repaired, in: context) {
      seatStandbys(in: &plan, in: context)
      return plan == current ? wait(at: now) : propose(plan, at: now, in: context)
    }
    var wish = self.wish
    var base = current
    wish.showing = base?.showing
    if base != nil { takeUpLegacies(in: &base!) }
    if base != nil { shareWhatOthersRun(in: &base!) }
    for group in base?.groups ?? [] {
      if isWell(group.output, in: base!) {
        wish.served[group.output] = group.node
      } else if wish.served[group.output] != group.node || !group.isShared {
        wish.served[group.output] = nil
        wish.notServed[group.output, default: []].formUnion(group.providers)
      }
    }
    switch context.plan(wish) {
    case .success(let blueprint):
      var plan = blueprint.plan
      if let base { plan = plan.keeping(base) }
      seatStandbys(in: &plan, in: context)
      if plan == current { return wait(at: now) }
      let planned = ManagerEffect.planned(
        version: version + 1, explanation: blueprint.explanation, took: blueprint.took)
      return [planned] + propose(plan, at: now, in: context)
    case .failure(.impossible(let reason)): return close(.impossible(reason), at: now)
    case .failure(.noNodes(let reason)):
      trouble = reason + (disbelief.map { "; refused: \($0)" } ?? "")
      return wait(at: now)
    case .failure(.noRoom(let reason)):
      trouble = reason + (disbelief.map { "; refused: \($0)" } ?? "")
      return wait(at: now, forRoom: true)
    }
  }

  /// A node that came back may run a stream of this service for another request by now, and says so when it is asked to run it.
  private func shareWhatOthersRun(in plan: inout ServicePlan) {
    for index in plan.groups.indices where !plan.groups[index].isShared {
      let group = plan.groups[index]
      guard wish.served[group.output] == group.node else { continue }
      plan.groups[index] = ServiceGroup(
        ordinal: group.ordinal, kind: .shared(group.output), node: group.node, standbys: [],
        demand: Demand(up: group.demand.up))
    }
  }

  /// Places again after a pause; longer and longer while media flows.
  /// - Parameter forRoom: measurements lag behind what has just ended, so a full overlay is given the time that they take.
  mutating func wait(at now: Instant, forRoom: Bool = false) -> [ManagerEffect] {
    let effects = cancelReservations(except: [])
    state = .waiting
    let longest = current != nil ? Limits.placementTries : forRoom ? Limits.roomPauses : 1
    let pause = Limits.placementPause * max(1, min(attempts, longest))
    return effects + [.setTimer(.retry, at: now + pause)]
  }

  /// Whether a stream's node and everything upstream of it do their work.
  func isWell(_ stream: StreamKey, in plan: ServicePlan) -> Bool {
    guard let group = plan[stream], isGood(group.node, for: stream) else { return false }
    return group.spec?.inputs.allSatisfy { isWell($0, in: plan) } ?? true
  }

  // MARK: Proposing

  /// Takes a plan to the electors; what was on its way is given up.
  mutating func propose(_ plan: ServicePlan, at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    version += 1
    // What the planner seats anew where it was lost is not lost any more.
    lost.removeAll { plan[$0.stream]?.providers.contains($0.node) ?? false }
    let cancelled = cancelReservations(except: plan.nodes)
    state = .recording(Change(version: version, plan: plan))
    return cancelled + [
      .record(version: version, content: record(plan).encoded(), claims: claims(of: plan), isFinal: false)
    ]
  }

  /// What a successor needs.
  func record(_ plan: ServicePlan, phase: ServicePhase? = nil, problem: String = "") -> RecordedService {
    RecordedService(
      phase: phase ?? self.phase, version: version, plan: plan, endedOutputs: Array(endedOutputs), problem: problem,
      repairs: repairs)
  }

  /// Frees at once what a version that is given up holds at nodes that the next does not ask.
  private func cancelReservations(except asked: OrderedSet<NodeID>) -> [ManagerEffect] {
    let change: Change
    switch state {
    case .reserving(let given), .committing(let given): change = given
    default: return []
    }
    return change.plan.nodes.filter { !asked.contains($0) }.map { node in
      .send(
        .release(
          Release(mark: mark(change.version), mandate: mandate.bytes, scope: .some(streams: [], outputs: []))), to: node
      )
    }
  }

  // MARK: Nodes that will not do

  mutating func ban(_ node: NodeID, at now: Instant) { banned[node] = now + Limits.exclusion }

  private mutating func forgetBans(at now: Instant) {
    banned.removeAll { $0.value <= now }
    unwilling.removeAll { $0.value <= now }
    wish.excluded = banned.keys
  }

  func isGood(_ node: NodeID, for stream: StreamKey) -> Bool {
    banned[node] == nil && !lost.contains(Seat(stream: stream, node: node))
  }

  /// Whether a node is good for a standby: it has not refused to be one a moment ago.
  func isWilling(_ node: NodeID, for stream: StreamKey) -> Bool {
    isGood(node, for: stream) && unwilling[Seat(stream: stream, node: node)] == nil
  }
}

extension ServicePlan {
  /// The planner sees a service's own streams as streams to share. Where they are, the groups stay the service's own, with all
  /// that they take from.
  func keeping(_ base: ServicePlan) -> ServicePlan {
    var kept: OrderedSet<StreamKey> = []
    var open = groups.filter { $0.isShared && base[$0.output]?.node == $0.node }.map(\.output)
    while let stream = open.popLast() {
      guard let group = base[stream], kept.append(stream).inserted else { continue }
      open += group.spec?.inputs ?? []
    }
    var ordinals = Set(base.groups.map(\.ordinal) + base.deliveries.map(\.ordinal))
    func fresh(_ ordinal: UInt32) -> UInt32 {
      var ordinal = ordinal
      while !ordinals.insert(ordinal).inserted { ordinal += 1 }
      return ordinal
    }
    var result = ServicePlan(
      groups: base.groups.filter { kept.contains($0.output) }, deliveries: deliveries, showing: showing)
    for group in groups where !kept.contains(group.output) {
      var new = group
      new.ordinal = fresh(group.ordinal)
      result.groups.append(new)
    }
    for index in result.deliveries.indices {
      let known = base.deliveries.first { $0.output == result.deliveries[index].output }
      result.deliveries[index].ordinal = known?.ordinal ?? fresh(result.deliveries[index].ordinal)
    }
    return result
  }
}
