import Assignments
import Base
import Identity
import Vocabulary

extension Manager {
  enum RepairProblem: Error {
    /// No plan can help.
    case hopeless(ServiceFailure)
    /// More is missing than a seat: nobody serves these streams of the plan, which is repaired as far as that goes.
    case missing([StreamKey], of: ServicePlan)
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
    var missing: [StreamKey] = []
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
          missing.append(stream)
        }
      }
      group.formats = group.formats.filter { group.providers.contains($0.key) }
      plan.groups[index] = group
    }
    guard missing.isEmpty else { return .failure(.missing(missing, of: plan)) }
    seatStandbys(in: &plan, in: context)
    return .success(plan)
  }

  /// The plan with what is missing made anew, and only that: what takes from it does its work as soon as it is supplied, and to leave it for
  /// another's, which may lack the same, would leave the missing to nobody. Nil where that cannot be had, or a client lacks it.
  func supplied(_ missing: [StreamKey], of plan: ServicePlan, in context: ManagerContext) -> ServicePlan? {
    var plan = plan
    for stream in missing {
      guard !plan.deliveries.contains(where: { $0.stream == stream }) else { return nil }
      guard let consumer = plan.groups.first(where: { $0.spec?.inputs.contains(stream) ?? false }) else { continue }
      // Whoever lacks it is missing too, and will be made with it.
      guard !missing.contains(consumer.output) else { continue }
      var wish = self.wish
      wish.showing = plan.showing
      wish.part = PlanningWish.Part(stream: stream, consumer: consumer.node)
      for group in plan.groups {
        if isWell(group.output, in: plan) {
          wish.served[group.output] = group.node
        } else if wish.served[group.output] != group.node {
          wish.notServed[group.output, default: []].formUnion(group.providers)
        }
      }
      guard case .success(let blueprint) = context.plan(wish) else { return nil }
      plan = plan.supplied(by: blueprint.plan.groups, instead: stream)
    }
    return plan
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
  /// The plan with these groups for the one that made a stream; what it has already stays, what nobody takes from any more goes.
  fileprivate func supplied(by made: [ServiceGroup], instead stream: StreamKey) -> ServicePlan {
    var result = self
    result.groups.removeAll { $0.output == stream }
    for var group in made where result[group.output] == nil {
      group.ordinal = result.freshOrdinal
      result.groups.append(group)
    }
    var ordered: [ServiceGroup] = []
    func take(_ stream: StreamKey) {
      guard let group = result[stream], !ordered.contains(where: { $0.output == stream }) else { return }
      for input in group.spec?.inputs ?? [] { take(input) }
      ordered.append(group)
    }
    for delivery in deliveries { take(delivery.stream) }
    result.groups = ordered
    return result
  }

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
