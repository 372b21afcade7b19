import Assignments
import Base
import Identity
import Vocabulary

// While media flows: renewals, reports, repairs.

extension Manager {
  // MARK: On a report

  /// What happened at a service node. Most of it the nodes have mended by themselves; the manager makes the plan follow.
  mutating func onReport(
    _ report: NodeReport, from node: NodeID, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    if case .closing = state { return [] }
    // Whoever knows the request's name could end it else, or have it mended where nothing is broken.
    guard worksForIt(node) else { return [] }
    unanswered[node] = 0
    if !report.counters.isEmpty {
      counters[node] = report.counters
      countedAt[node] = now
    }
    var isTroubled = false
    for event in report.events {
      switch event {
      case .switched(_, let stream, let chosenNode):
        guard let group = current?[stream], group.standbys.contains(chosenNode) else { continue }
        chosen[stream] = chosenNode
        isTroubled = true
      case .starved(_, let stream):
        guard let group = current?[stream], isOwnOrLast(group) else { continue }
        for provider in group.providers where provider != group.pinnedNode {
          lost.append(Seat(stream: stream, node: provider))
        }
        isTroubled = true
      case .failed(let stream, let kind, let detail, let lasting):
        guard lasting, let group = plan?[stream], group.providers.contains(node) else { continue }
        if Manager.isOfTheMedia(kind) { return close(.media(kind: kind, detail: detail), at: now) }
        if group.isPinned, group.node == node { return close(.media(kind: kind, detail: detail), at: now) }
        lost.append(Seat(stream: stream, node: node))
        isTroubled = true
      case .ended(.delivery(let output)):
        guard let plan, plan.deliveries.contains(where: { $0.output == output && $0.node == node }) else { continue }
        endedOutputs.append(output)
        if plan.deliveries.allSatisfy({ endedOutputs.contains($0.output) }) { return close(nil, at: now) }
      case .ended(.group): continue
      case .inherited(let legacy):
        guard let group = newest?[legacy.spec.output] else { continue }
        if group.isShared {
          legacies[legacy.spec.output] = legacy
        } else {
          // This plan's own work, which the node did for another's until now, and shows that one's assignment for it: it is assigned anew.
          guard case .running = state, group.providers.contains(node), inForce[node] != nil else { continue }
          inForce[node] = nil
        }
        isTroubled = true
      case .standbysChanged(let shared):
        guard let group = current?[shared.stream], group.isShared, group.node == node else { continue }
        let standbys = shared.standbys.map(\.node).filter { $0 != node && isWilling($0, for: shared.stream) }
        guard standbys != group.standbys else { continue }
        sharedStandbys[shared.stream] = standbys
        isTroubled = true
      case .holdsNothing:
        guard case .running = state, inForce[node] != nil else { continue }
        inForce[node] = nil
        isTroubled = true
      }
    }
    return isTroubled ? react(at: now, in: context) : []
  }

  /// Whether the node has work of this request, by a plan or by what it was told before.
  private func worksForIt(_ node: NodeID) -> Bool {
    inForce[node] != nil || releasing[node] != nil || current?.nodes.contains(node) ?? false
      || newest?.nodes.contains(node) ?? false
  }

  /// The plan on its way, or else the one in force.
  private var newest: ServicePlan? {
    switch state {
    case .recording(let change), .reserving(let change), .committing(let change): change.plan
    default: current
    }
  }

  /// Failures that another node would only repeat.
  static func isOfTheMedia(_ kind: String) -> Bool {
    ["source_missing", "not_media", "truncated", "unsupported"].contains(kind)
  }

  /// A shared stream's repair is its owner's; only when it has nowhere to go is it this manager's concern.
  private func isOwnOrLast(_ group: ServiceGroup) -> Bool { !group.isShared || group.standbys.isEmpty }

  // MARK: On a lost node

  /// Every seat on the node is empty from now on.
  mutating func onNodeLost(_ node: NodeID, at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    ban(node, at: now)
    inForce[node] = nil
    unanswered[node] = nil
    counters[node] = nil
    countedAt[node] = nil
    releasing[node] = nil
    if case .closing(var closing) = state {
      closing.awaiting.remove(node)
      state = .closing(closing)
      return overIfDone()
    }
    return react(at: now, in: context)
  }

  /// The node is as good as any from now on: a service that can do with no other must not end while it is back.
  mutating func onNodeFound(_ node: NodeID, at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    guard banned.removeValue(forKey: node) != nil else { return [] }
    lost.removeAll { $0.node == node }
    guard case .waiting = state else { return [] }
    return proceed(at: now, in: context)
  }

  /// Starts a repair, or starts it afresh when what is on its way counts on what is lost.
  private mutating func react(at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    switch state {
    case .running: return proceed(at: now, in: context)
    case .recording(let change), .reserving(let change), .committing(let change):
      let countsOnLost = change.plan.groups.contains { group in
        group.providers.contains { !isGood($0, for: group.output) }
      }
      let isPortalLost = change.plan.deliveries.contains { banned[$0.node] != nil }
      return countsOnLost || isPortalLost ? proceed(at: now, in: context) : []
    case .idle, .waiting, .closing, .over, .deposed: return []
    }
  }

  // MARK: On a renewal

  /// The client wants more time. What nodes were assigned ends with the old: all of it is assigned anew, as a version of its own.
  mutating func onRenewed(
    _ notAfter: WallTime, _ mandate: [UInt8], at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    guard notAfter > order.notAfter else { return [] }
    order.notAfter = notAfter
    wish.order = order
    self.mandate.bytes = mandate
    guard case .running = state else { return [] }
    return proceed(at: now, in: context)
  }

  // MARK: On time

  /// Tells every node that the service lives; looks after what nobody reports.
  mutating func onRenewTimer(at now: Instant, in context: ManagerContext) -> [ManagerEffect] {
    if case .closing = state { return [] }
    guard context.wall <= order.notAfter else { return close(.expired, at: now) }
    var effects: [ManagerEffect] = [.setTimer(.renew, at: now + Limits.renewInterval)]
    var silent: [NodeID] = []
    for node in inForce.keys {
      unanswered[node, default: 0] += 1
      if unanswered[node]! > Limits.missedRenewals { silent.append(node) }
      effects.append(.send(.renew(mark(version)), to: node))
    }
    for node in silent { effects += onNodeLost(node, at: now, in: context) }
    renewals += 1
    changesInARow = 0
    if case .running = state, let current {
      let isUnfinished =
        !lost.isEmpty || !chosen.isEmpty || !legacies.isEmpty || current.nodes.contains { !isInForce($0) }
      let isSearchDue = renewals % Limits.standbySearch == 0 && lacksStandbys(current)
      if isUnfinished || isSearchDue { effects += proceed(at: now, in: context) }
    }
    return effects
  }
}

extension ServiceGroup {
  /// The only node that can have the group, if it is so.
  fileprivate var pinnedNode: NodeID? { isPinned ? node : nil }
}
