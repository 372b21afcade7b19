import Assignments
import Base
import Identity
import Vocabulary

// A version of the plan on its way: recorded, reserved, committed.

extension Manager {
  // MARK: On a record

  /// A quorum has the snapshot. Where another request has claimed a stream before, this one shares it; otherwise the nodes are
  /// asked.
  mutating func onRecorded(
    _ version: UInt32, earlier: [StreamClaim], at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    switch state {
    case .closing where version == self.version: return onEndRecorded()
    case .recording(let change) where version == change.version:
      if current == nil, graft(on: earlier, instead: change.plan, at: now) {
        trouble = "an equal request came first"
        return place(at: now, in: context)
      }
      return reserve(change, at: now, in: context)
    default: return []
    }
  }

  /// Notes the streams that others have claimed before; false when that changes nothing.
  private mutating func graft(on earlier: [StreamClaim], instead plan: ServicePlan, at now: Instant) -> Bool {
    var learnt = false
    for claim in earlier where claim.request != order.request {
      guard let group = plan[claim.stream], !group.isShared, wish.served[claim.stream] == nil,
        wish.notServed[claim.stream]?.contains(claim.node) != true
      else { continue }
      wish.served[claim.stream] = claim.node
      awaited[claim.stream] = Awaited(since: now, claimant: claim.request)
      learnt = true
    }
    return learnt
  }

  // MARK: Reserving

  /// Asks all nodes with new work at once.
  private mutating func reserve(_ change: Change, at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    var change = change
    change.awaiting = change.plan.nodes.filter { !holdsAll($0, of: change.plan) }
    guard !change.awaiting.isEmpty else { return commit(change, at: now, in: context) }
    change.tries = 1
    state = .reserving(change)
    return change.awaiting.map { ask($0, for: change) } + [.setTimer(.retry, at: now + Limits.sessionRetry)]
  }

  private func holdsAll(_ node: NodeID, of plan: ServicePlan) -> Bool {
    guard let held = inForce[node] else { return false }
    return plan.items(of: node, start: start).allSatisfy { item in
      held.contains { $0.work.stream == item.work.stream && $0.work.isDelivery == item.work.isDelivery }
    }
  }

  private func ask(_ node: NodeID, for change: Change) -> ManagerEffect {
    .send(
      .reserve(
        Reserve(
          mark: mark(change.version), mandate: mandate.bytes, items: change.plan.items(of: node, start: start),
          isFresh: current == nil)),
      to: node)
  }

  // MARK: On a node's answer

  /// The last grant leads to the commit; a refusal to another plan, or to one without that standby.
  mutating func onReserved(
    _ answer: ReserveAnswer, from node: NodeID, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    guard case .reserving(var change) = state, answer.mark == mark(change.version), change.awaiting.contains(node)
    else { return [] }
    switch answer.result {
    case .success(let shared):
      change.awaiting.remove(node)
      for stream in shared.map(\.stream) { awaited[stream] = nil }
      let asked = follow(shared, of: node, in: &change)
      guard change.awaiting.isEmpty else {
        state = .reserving(change)
        return asked
      }
      return commit(change, at: now, in: context)
    case .failure(let refused): return onRefusal(refused.item, from: node, change, at: now, in: context)
    }
  }

  /// The owner of a shared stream names its standbys: they are asked for shares too, so that they let our consumers in.
  private func follow(_ shared: [SharedStream], of node: NodeID, in change: inout Change) -> [ManagerEffect] {
    var asked: OrderedSet<NodeID> = []
    for stream in shared {
      guard let index = change.plan.groups.firstIndex(where: { $0.output == stream.stream && $0.isShared }),
        change.plan.groups[index].node == node
      else { continue }
      let standbys = stream.standbys.map(\.node).filter { $0 != node && isWilling($0, for: stream.stream) }
      let fresh = standbys.filter { !change.plan.groups[index].standbys.contains($0) }
      change.plan.groups[index].standbys = standbys
      asked.formUnion(fresh)
    }
    change.awaiting.formUnion(asked)
    return asked.map { ask($0, for: change) }
  }

  private mutating func onRefusal(
    _ item: RefusedItem, from node: NodeID, _ change: Change, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    if case .unauthorized(.staleTerm(let seen)) = item.reason, isDeposed(by: seen) { return depose(by: seen) }
    let corrected = wish.corrections[node]
    if case .capacity(_, let left) = item.reason { wish.corrections[node] = left }
    if let index = change.plan.groups.firstIndex(where: { $0.ordinal == item.ordinal && $0.node != node }),
      change.plan.groups[index].standbys.contains(node)
    {
      return goWithout(node, asStandbyOf: index, in: change, at: now, in: context)
    }
    trouble = "node \(node.short)…: \(item.reason)"
    switch item.reason {
    case .capacity(let resource, let left):
      // Others may have taken more of it meanwhile; a node that refuses what fits its own word is left alone.
      if let corrected, !left.isLess(than: corrected, of: resource) { ban(node, at: now) }
    case .alreadyServed(let stream):
      wish.served[stream] = node
      wish.notServed[stream]?.remove(node)
      lost.removeAll { $0 == Seat(stream: stream, node: node) }
      awaited[stream] = Awaited(since: now, claimant: nil)
    case .passed(let stream):
      wish.passed[stream, default: []].append(node)
      giveUpWaiting(for: stream)
    case .notServed(let stream, let open):
      if isPatient(with: stream, at: now) {
        var patient = change
        patient.isPatient = true
        state = .reserving(patient)
        return [.setTimer(.retry, at: now + Limits.graftRetry)]
      }
      giveUpWaiting(for: stream)
      wish.notServed[stream, default: []].append(node)
      wish.open[node] = OrderedSet(open)
      if current != nil { lost.append(Seat(stream: stream, node: node)) }
    case .unauthorized(.componentNotOffered(let component)):
      wish.notOffered[node, default: []].append(component)
    case .unauthorized(.superseded):
      // Without a quorum a manager may come back in the term that it had, and have forgotten how far it got.
      version += 16
    case .unauthorized(.unproved(let reason)):
      disbelief = reason
      ban(node, at: now)
    case .unauthorized, .busy: ban(node, at: now)
    }
    return again(at: now, in: context)
  }

  /// A claimed stream may not be open yet. Of two requests that wait for each other, the one with the lower ID gives up first.
  private func isPatient(with stream: StreamKey, at now: Instant) -> Bool {
    guard let wait = awaited[stream] else { return false }
    let isFirst = wait.claimant.map { order.request < $0 } ?? false
    return now - wait.since < (isFirst ? Limits.graftPatienceOfFirst : Limits.graftPatience)
  }

  /// What a claimant did not open, it did not open as a whole: its plan has changed, and the next record will tell how.
  private mutating func giveUpWaiting(for stream: StreamKey) {
    let claimant = awaited[stream]?.claimant
    for (other, wait) in awaited where other == stream || (claimant != nil && wait.claimant == claimant) {
      wish.served[other] = nil
      awaited[other] = nil
    }
    wish.served[stream] = nil
  }

  /// A standby is worth having, not worth another plan: the rest of the node's work is asked for once more.
  private mutating func goWithout(
    _ node: NodeID, asStandbyOf index: Int, in change: Change, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    var change = change
    unwilling[Seat(stream: change.plan.groups[index].output, node: node)] = now + Limits.exclusion
    change.plan.groups[index].standbys.removeAll { $0 == node }
    if change.plan.nodes.contains(node), !holdsAll(node, of: change.plan) {
      state = .reserving(change)
      return [ask(node, for: change)]
    }
    change.awaiting.remove(node)
    guard change.awaiting.isEmpty else {
      state = .reserving(change)
      return []
    }
    return commit(change, at: now, in: context)
  }

  /// Plans again with what was learnt: the whole before the first commit, what is missing afterwards.
  private mutating func again(at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    guard current != nil else { return place(at: now, in: context) }
    attempts += 1
    guard attempts <= Limits.placementTries else { return close(.unplaceable(lastTrouble), at: now) }
    return proceed(at: now, in: context)
  }

  /// Whether a node's word that it heeds a later term stops this manager. One that electors follow would be the only one for ever: it takes the
  /// node for one that does not work for it, and if the word is true, its electors leave it before a lease is over.
  private func isDeposed(by seen: Term) -> Bool { !mandate.isProved && seen > mandate.term }

  private mutating func depose(by seen: Term) -> [ManagerEffect] {
    state = .deposed
    return [.deposed(by: seen)]
  }

  // MARK: Committing

  /// Signs and sends what each node is to do, where that differs from what it does.
  private mutating func commit(_ change: Change, at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    var change = change
    change.assignments = [:]
    for node in change.plan.nodes {
      let assignments = assignments(for: node, in: change.plan, version: change.version, in: context)
      if let held = inForce[node], held.count == assignments.count,
        zip(held, assignments).allSatisfy({ $0.says(theSameAs: $1) })
      {
        continue
      }
      change.assignments[node] = assignments
    }
    change.awaiting = change.assignments.keys
    change.tries = 1
    state = .committing(change)
    guard !change.awaiting.isEmpty else { return settle(change, at: now, in: context) }
    return change.awaiting.map { send(change, to: $0, in: context) }
      + [.setTimer(.retry, at: now + Limits.sessionRetry)]
  }

  private func send(_ change: Change, to node: NodeID, in context: ManagerContext) -> ManagerEffect {
    let signed = (change.assignments[node] ?? []).map {
      ClaimedAssignment.signed(Signed($0, by: context.keys).envelope)
    }
    return .send(
      .commit(Commit(mark: mark(change.version), mandate: mandate.bytes, assignments: signed)), to: node)
  }

  /// The last node's word puts the plan in force; a rejection leads to another.
  mutating func onCommitted(
    _ answer: CommitAnswer, from node: NodeID, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    guard case .committing(var change) = state, answer.mark == mark(change.version), change.awaiting.contains(node)
    else { return [] }
    guard let first = answer.rejected.first else {
      change.awaiting.remove(node)
      putInForce(change.assignments[node] ?? [], at: node)
      state = .committing(change)
      return change.awaiting.isEmpty ? settle(change, at: now, in: context) : []
    }
    trouble = "node \(node.short)…: \(first.reason)"
    switch first.reason {
    case .staleTerm(let seen) where isDeposed(by: seen): return depose(by: seen)
    case .noReservation, .reservationLate: inForce[node] = nil
    case .superseded: version += 16
    case .componentNotOffered(let component): wish.notOffered[node, default: []].append(component)
    default: ban(node, at: now)
    }
    return again(at: now, in: context)
  }

  /// What the node did before and is not told any more stays on the list: once the plan is in force it is released.
  private mutating func putInForce(_ assignments: [Assignment], at node: NodeID) {
    let leftover = (inForce[node] ?? []).filter { held in
      !assignments.contains { $0.work.isDelivery == held.work.isDelivery && $0.work.stream == held.work.stream }
    }
    inForce[node] = assignments + leftover
  }

  /// The plan is in force; what it no longer needs is released.
  private mutating func settle(_ change: Change, at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    if let current, current != change.plan { repairs += 1 }
    current = change.plan
    state = .running
    trouble = ""
    legacies = legacies.filter { change.plan[$0.key]?.isShared ?? false }
    lost = lost.filter { change.plan[$0.stream]?.providers.contains($0.node) ?? false }
    chosen = chosen.filter { change.plan[$0.key].map { $0.standbys.contains(chosen[$0.output]!) } ?? false }
    let released = releaseLeftovers(of: change, at: now)
    return released + proceed(at: now, in: context)
  }

  // MARK: On time

  /// Asks again whoever has not answered; who never does is taken for lost.
  mutating func onRetry(at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    var effects = retryReleases(at: now)
    switch state {
    case .waiting: effects += proceed(at: now, in: context)
    case .reserving(var change):
      if !change.isPatient { change.tries += 1 }
      guard change.tries <= Limits.sessionRetries else { return effects + giveUp(change, at: now, in: context) }
      let wait = change.isPatient ? Limits.graftRetry : Limits.sessionRetry
      change.isPatient = false
      state = .reserving(change)
      effects += change.awaiting.map { ask($0, for: change) } + [.setTimer(.retry, at: now + wait)]
    case .committing(var change):
      change.tries += 1
      guard change.tries <= Limits.sessionRetries else { return effects + giveUp(change, at: now, in: context) }
      state = .committing(change)
      effects += change.awaiting.map { send(change, to: $0, in: context) }
      effects.append(.setTimer(.retry, at: now + Limits.sessionRetry))
    case .closing: effects += retryClosing(at: now)
    case .idle, .recording, .running, .over, .deposed: break
    }
    return effects
  }

  private mutating func giveUp(_ change: Change, at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    for node in change.awaiting { ban(node, at: now) }
    trouble = "no answer from \(change.awaiting.map { "\($0.short)…" }.joined(separator: ", "))"
    return again(at: now, in: context)
  }
}

extension AssignedWork {
  var isDelivery: Bool { if case .delivery = self { true } else { false } }
}
