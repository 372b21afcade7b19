import Base
import Composition
import Identity
import Placement
import Vocabulary

/// Placement at the manager's service: turns what a manager has learnt into inputs of a placement, and the placement's plan
/// into a plan of work with demands. Made afresh for each input of a ``Manager``; it decides only when asked.
public struct OverlayPlanner: Sendable {
  /// What is to be placed; nodes, client and bound as gossip and the request say.
  public var inputs: PlacementInputs
  /// The peer whose node holds the sinks.
  public var portal: NodeID
  /// Of the choice among plans that are as good.
  public var seed: UInt64

  /// See the properties.
  public init(inputs: PlacementInputs, portal: NodeID, seed: UInt64) {
    self.inputs = inputs
    self.portal = portal
    self.seed = seed
  }

  // MARK: The whole service

  /// For ``ManagerContext/plan``.
  public func plan(_ wish: PlanningWish) -> Result<Blueprint, PlanningProblem> {
    var random = SeededRandom(seed: seed)
    do throws(PlacementError) {
      let decision = try Placer().place(corrected(by: wish), using: &random)
      return .success(Blueprint(plan: servicePlan(decision.plan), explanation: "\(decision.explanation)"))
    } catch { return .failure(.noNodes("\(error)")) }
  }

  /// Gossip, corrected by what nodes told the manager themselves.
  private func corrected(by wish: PlanningWish) -> PlacementInputs {
    var inputs = inputs
    for node in wish.excluded {
      inputs.exclusions.append(Exclusion(node: node, reason: "failed or unreachable just now"))
    }
    inputs.claims += wish.served.map { Claim(key: $0.key, node: $0.value) }
    for index in inputs.nodes.indices {
      let id = inputs.nodes[index].id
      if let missing = wish.notOffered[id] { inputs.nodes[index].offers.subtract(missing) }
      inputs.nodes[index].serves.removeAll { wish.notServed[$0.key]?.contains(id) ?? false }
      if let left = wish.corrections[id] { inputs.nodes[index].pending.correct(to: left, of: inputs.nodes[index]) }
    }
    return inputs
  }

  private func servicePlan(_ plan: Plan) -> ServicePlan {
    /// Bits a second of each stream that leave its node for others.
    func sent(_ stream: StreamKey, from node: NodeID) -> Int64 {
      plan.links.filter { $0.key == stream && $0.from == node && ($0.to ?? portal) != node }.map(\.bitrate).reduce(0, +)
    }
    func received(_ stream: StreamKey, at node: NodeID) -> Int64 {
      plan.links.first { $0.key == stream && ($0.to ?? portal) == node && $0.from != node }?.bitrate ?? 0
    }
    var groups: [ServiceGroup] = []
    for graft in plan.grafts where !plan.groups.contains(where: { $0.spec.output == graft.input.key }) {
      guard !groups.contains(where: { $0.output == graft.input.key }) else { continue }
      groups.append(
        ServiceGroup(
          ordinal: UInt32(groups.count), kind: .shared(graft.input.key), node: graft.input.primary,
          standbys: [], demand: Demand(up: sent(graft.input.key, from: graft.input.primary))))
    }
    for group in plan.groups {
      var planned = ServiceGroup(
        ordinal: UInt32(groups.count), kind: .own(group.spec), node: group.node,
        standbys: group.backup.map { [$0.node] } ?? [],
        demand: Demand(
          cores: group.cores, memory: Limits.workerMemory, up: sent(group.spec.output, from: group.node),
          down: group.spec.inputs.map { received($0, at: group.node) }.reduce(0, +)),
        isPinned: group.isReader && group.backup == nil)
      if let backup = group.backup, backup.spec != group.spec {
        planned.formats[backup.node] = ServiceGroup.LinkFormat(
          mezzanine: backup.spec.mezzanine, rateCap: backup.spec.rateCap)
      }
      groups.append(planned)
    }
    let deliveries = plan.deliveries.enumerated().map { index, delivery in
      ServiceDelivery(
        ordinal: UInt32(groups.count + index), output: delivery.output, stream: delivery.input.key, node: portal,
        demand: Demand(down: received(delivery.input.key, at: portal)))
    }
    return ServicePlan(groups: groups, deliveries: deliveries)
  }

  // MARK: One seat

  /// For ``ManagerContext/seat``: of the nodes that can take the group the one that is nearest to its neighbours, rather one
  /// that does nothing else for the service, rather on another host than those that have the group.
  public func seat(_ wish: SeatWish) -> NodeID? {
    let inputs = corrected(by: wish.planning)
    let places = OrderedDictionary(uniqueKeysWithValues: inputs.nodes.map { ($0.id, $0) })
    let hosts = Set(wish.taken.compactMap { places[$0]?.host })
    let able = inputs.nodes.filter { node in
      node.policy == .open && !wish.taken.contains(node.id) && !wish.planning.excluded.contains(node.id)
        && wish.spec.stages.allSatisfy { node.offers.contains($0.component) }
        && (!wish.spec.readsSource || inputs.readers.contains(node.id))
        && node.load.slots - node.load.slotsUsed - node.pending.slots > 0
        && node.load.cores * (1 - max(node.load.ownCPU, node.load.machineCPU)) - node.pending.cores >= wish.demand.cores
    }
    func distance(_ node: NodeView) -> Double {
      var sum = 0.0
      for neighbour in wish.neighbours where neighbour != node.id {
        sum += places[neighbour].map { node.coordinate.roundTrip(to: $0.coordinate) } ?? 0
      }
      return sum
    }
    func rank(_ node: NodeView) -> (Int, Double, NodeID) {
      ((hosts.contains(node.host) ? 2 : 0) + (wish.used.contains(node.id) ? 1 : 0), distance(node), node.id)
    }
    return able.min { rank($0) < rank($1) }?.id
  }
}

extension NodeView.Pending {
  /// What must be pending for the node to have no more than this left.
  fileprivate mutating func correct(to left: Capacity, of node: NodeView) {
    let load = node.load
    slots = max(slots, load.slots - load.slotsUsed - left.slots)
    cores = max(cores, load.cores * (1 - max(load.ownCPU, load.machineCPU)) - left.cores)
    if node.rates.upCapacity > 0, left.up > 0 { up = max(up, node.rates.upCapacity - node.rates.upUsed - left.up) }
    if node.rates.downCapacity > 0, left.down > 0 {
      down = max(down, node.rates.downCapacity - node.rates.downUsed - left.down)
    }
  }
}
