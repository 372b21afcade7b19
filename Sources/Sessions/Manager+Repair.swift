import Base
import Identity
import Vocabulary

extension Manager {
  enum RepairProblem: Error {
    /// No plan can help.
    case hopeless(ServiceFailure)
    /// More is missing than a seat.
    case needsPlanner
  }

  // MARK: Repairing

  /// The plan with every group on nodes that do their work: standbys promoted, new seats found, legacies taken up. Groups that
  /// are well stay as they are.
  func repaired(_ plan: ServicePlan, in context: ManagerContext) -> Result<ServicePlan, RepairProblem> {
    var plan = plan
    for delivery in plan.deliveries where banned[delivery.node] != nil && delivery.node != context.keys.id {
      return .failure(.hopeless(.portalLost(delivery.node)))
    }
    takeUpLegacies(in: &plan)
    for index in plan.groups.indices {
      var group = plan.groups[index]
      let stream = group.output
      if group.isShared, let standbys = sharedStandbys[stream] {
        group.standbys = standbys.filter { $0 != group.node && isWilling($0, for: stream) }
      }
      if let node = chosen[stream], node != group.node, group.standbys.contains(node) {
        // The consumer has judged the old primary; it is not kept as a standby.
        group.node = node
        group.standbys.removeAll { $0 == node }
      }
      group.standbys.removeAll { !isGood($0, for: stream) }
      if !isGood(group.node, for: stream) {
        if !group.standbys.isEmpty {
          group.node = group.standbys.removeFirst()
        } else if group.isPinned {
          return .failure(.hopeless(.sourceLost(group.node)))
        } else if let node = seat(for: group, in: plan, in: context) {
          group.node = node
          group.compressForAnyLink(from: node)
        } else {
          return .failure(.needsPlanner)
        }
      }
      group.formats = group.formats.filter { group.providers.contains($0.key) }
      plan.groups[index] = group
    }
    seatStandbys(in: &plan, in: context)
    return .success(plan)
  }

  /// A group that another request left to this one is this one's own from now on; it takes its share of what that takes from.
  func takeUpLegacies(in plan: inout ServicePlan) {
    for (stream, legacy) in legacies {
      guard let index = plan.groups.firstIndex(where: { $0.output == stream && $0.isShared }) else { continue }
      plan.groups[index].kind = .own(legacy.spec)
      plan.groups[index].isPinned = legacy.spec.readsSource
      plan.groups[index].demand = legacy.demand.with(up: plan.groups[index].demand.up)
      plan.groups[index].standbys = legacy.standbys.map(\.node).filter { $0 != plan.groups[index].node }
      for input in legacy.inputs where plan[input.stream] == nil {
        let nodes = input.upstreams.map(\.node)
        plan.groups.insert(
          ServiceGroup(
            ordinal: plan.freshOrdinal, kind: .shared(input.stream), node: nodes[0], standbys: Array(nodes.dropFirst()),
            demand: .none),
          at: 0)
      }
    }
  }

  /// A standby for every own group that can have one, as far as there are nodes.
  func seatStandbys(in plan: inout ServicePlan, in context: ManagerContext) {
    for index in plan.groups.indices {
      let group = plan.groups[index]
      guard !group.isShared, !group.isPinned, group.standbys.isEmpty else { continue }
      if let node = seat(for: group, in: plan, in: context) {
        plan.groups[index].standbys = [node]
        plan.groups[index].compressForAnyLink(from: node)
      }
    }
  }

  /// A node for one group, apart from those that have it and, if possible, from all others of the service.
  private func seat(for group: ServiceGroup, in plan: ServicePlan, in context: ManagerContext) -> NodeID? {
    guard let spec = group.spec else { return nil }
    var wish = SeatWish(
      planning: self.wish, spec: spec, demand: group.demand,
      neighbours: spec.inputs.compactMap { plan[$0]?.node }
        + plan.groups.filter { $0.spec?.inputs.contains(spec.output) ?? false }.map(\.node)
        + plan.deliveries.filter { $0.stream == spec.output }.map(\.node),
      taken: group.providers, used: Array(plan.nodes))
    wish.planning.excluded = banned.keys
    for seat in lost where seat.stream == spec.output { wish.taken.append(seat.node) }
    for seat in unwilling.keys where seat.stream == spec.output { wish.taken.append(seat.node) }
    return context.seat(wish).flatMap { wish.taken.contains($0) || banned[$0] != nil ? nil : $0 }
  }

  /// Groups that could have a standby and have none.
  func lacksStandbys(_ plan: ServicePlan) -> Bool {
    plan.groups.contains { !$0.isShared && !$0.isPinned && $0.standbys.isEmpty }
  }
}

extension ServiceGroup {
  /// Raw frames stay on one host; a seat found without the planner may be on any.
  fileprivate mutating func compressForAnyLink(from node: NodeID) {
    if spec?.mezzanine == .raw { formats[node] = LinkFormat(mezzanine: .intra, rateCap: 0) }
  }
}

extension ServicePlan {
  /// An ordinal that nothing in the plan has.
  fileprivate var freshOrdinal: UInt32 {
    (groups.map(\.ordinal) + deliveries.map(\.ordinal)).max().map { $0 + 1 } ?? 0
  }
}

extension Demand {
  func with(up: Int64) -> Demand {
    var demand = self
    demand.up = up
    return demand
  }
}

extension GroupSpec {
  /// Whether a stage reads a file, which only the node that shares it has.
  public var readsSource: Bool { stages.contains { $0.component.hasPrefix("source.") } }
}
