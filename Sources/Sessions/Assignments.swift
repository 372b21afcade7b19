import Assignments
import Base
import Identity
import Vocabulary

// From a plan to what each node is asked to do.

extension ServicePlan {
  /// The work of one node, as it is reserved there.
  func items(of node: NodeID, start: Start) -> [Reserve.Item] {
    var items: [Reserve.Item] = []
    for group in groups where group.providers.contains(node) {
      let work: AssignedWork =
        switch group.kind {
        case .own(let spec):
          .group(
            group.spec(at: node) ?? spec, role: group.node == node ? .primary : .standby,
            start: group.start(at: node, start))
        case .shared(let stream): .share(stream)
        }
      items.append(Reserve.Item(ordinal: group.ordinal, work: work, demand: group.demand))
    }
    for delivery in deliveries where delivery.node == node {
      items.append(
        Reserve.Item(
          ordinal: delivery.ordinal, work: .delivery(output: delivery.output, stream: delivery.stream),
          demand: delivery.demand))
    }
    return items
  }

  /// Streams and outputs that a node has work for.
  func work(of node: NodeID) -> (streams: OrderedSet<StreamKey>, outputs: OrderedSet<String>) {
    (
      OrderedSet(groups.filter { $0.providers.contains(node) }.map(\.output)),
      OrderedSet(deliveries.filter { $0.node == node }.map(\.output))
    )
  }
}

extension ServiceGroup {
  fileprivate func start(at node: NodeID, _ start: Start) -> Start { self.node == node ? start : .onSubscribe }
}

extension Manager {
  /// What one node is to be assigned under a plan. Providers whose address nobody knows are left out; an input without any
  /// provider makes the assignment impossible, and it is left out as well: the node answers for nothing it was not told.
  func assignments(
    for node: NodeID, in plan: ServicePlan, version: UInt32, in context: ManagerContext
  ) -> [Assignment] {
    func providers(_ nodes: [NodeID]) -> [Provider] {
      nodes.prefix(Limits.upstreams).compactMap { node in
        context.address(node).map { Provider(node: node, address: $0) }
      }
    }
    func input(_ stream: StreamKey) -> InputAssignment? {
      let upstreams = providers(plan[stream]?.providers ?? [])
      return upstreams.isEmpty ? nil : InputAssignment(stream: stream, upstreams: upstreams)
    }
    return plan.items(of: node, start: start).compactMap { item in
      var inputs: [InputAssignment] = []
      var standbys: [Provider] = []
      switch item.work {
      case .group(let spec, _, _):
        for stream in spec.inputs {
          guard let known = input(stream) else { return nil }
          inputs.append(known)
        }
        standbys = providers((plan[spec.output]?.providers ?? []).filter { $0 != node })
      case .share: break
      case .delivery(_, let stream):
        guard let known = input(stream) else { return nil }
        inputs = [known]
      }
      return Assignment(
        request: order.request, term: mandate.term, mandate: mandate.digest, node: node, version: version,
        ordinal: item.ordinal, work: item.work, inputs: inputs, expires: order.notAfter, latency: order.latency,
        standbys: standbys)
    }
  }

  /// A new chain warms up in parallel; whatever joins a service that lives waits for its first subscriber, who alone knows
  /// from where.
  var start: Start { current == nil ? .now : .onSubscribe }

  /// The streams that a plan starts for this request.
  func claims(of plan: ServicePlan) -> [StreamClaim] {
    plan.groups.filter { !$0.isShared }.map { StreamClaim(stream: $0.output, node: $0.node, request: order.request) }
  }

  func mark(_ version: UInt32) -> PlanMark { PlanMark(request: order.request, term: mandate.term, version: version) }
}

extension Assignment {
  /// The same work on the same terms, whatever the plan's version and the work's start.
  func says(theSameAs other: Assignment) -> Bool {
    var (a, b) = (self, other)
    (a.version, b.version) = (0, 0)
    if case .group(let spec, let role, _) = a.work { a.work = .group(spec, role: role, start: .now) }
    if case .group(let spec, let role, _) = b.work { b.work = .group(spec, role: role, start: .now) }
    return a == b
  }
}
