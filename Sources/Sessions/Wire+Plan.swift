import Assignments
import Base
import Identity
import Vocabulary
import Wire

// What a snapshot holds of a service: wire words to checked values and back.

extension RecordedService {
  /// From a snapshot's content.
  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireServiceSnapshot(parsing: bytes)
    guard let phase = ServicePhase(rawValue: wire.state) else {
      throw InvalidMessage("ServiceSnapshot.state", "unknown state “\(wire.state.prefix(64))”")
    }
    var ordinals: Set<UInt32> = []
    func fresh(_ ordinal: UInt32) throws(InvalidMessage) -> UInt32 {
      guard ordinals.insert(ordinal).inserted else {
        throw InvalidMessage("ServiceSnapshot.ordinal", "\(ordinal) stands twice")
      }
      return try Field.step(ordinal, "ServiceSnapshot.ordinal")
    }
    var groups: [ServiceGroup] = []
    for group in try Field.list(wire.groups, "ServiceSnapshot.groups", limit: Limits.workItems) {
      _ = try fresh(group.ordinal)
      groups.append(try ServiceGroup(validating: group))
    }
    var deliveries: [ServiceDelivery] = []
    for delivery in try Field.list(wire.deliveries, "ServiceSnapshot.deliveries", limit: Limits.workItems) {
      deliveries.append(
        ServiceDelivery(
          ordinal: try fresh(delivery.ordinal),
          output: try Field.text(delivery.output, "ServiceSnapshot.deliveries.output", limit: 64),
          stream: StreamKey(try Field.bytes32(delivery.stream, "ServiceSnapshot.deliveries.stream")),
          node: try Field.node(delivery.node, "ServiceSnapshot.deliveries.node"),
          demand: try Demand(validating: delivery.demand, "ServiceSnapshot.deliveries.demand")))
    }
    var ended: [String] = []
    for output in try Field.list(wire.endedOutputs, "ServiceSnapshot.ended_outputs", limit: Limits.workItems) {
      ended.append(try Field.text(output, "ServiceSnapshot.ended_outputs", limit: 64))
    }
    self.init(
      phase: phase, version: try Field.step(wire.version, "ServiceSnapshot.version"),
      plan: ServicePlan(
        groups: groups, deliveries: deliveries,
        showing: Int(try Field.number(wire.showing, "ServiceSnapshot.showing", in: 0...65_535))),
      endedOutputs: ended, problem: try Field.text(wire.problem, "ServiceSnapshot.problem"),
      repairs: try Field.step(wire.repairs, "ServiceSnapshot.repairs"))
  }

  /// For a snapshot.
  public func encoded() -> [UInt8] {
    WireServiceSnapshot.with {
      $0.state = phase.rawValue
      $0.version = version
      $0.groups = plan.groups.map(\.wire)
      $0.deliveries = plan.deliveries.map { delivery in
        .with {
          $0.ordinal = delivery.ordinal
          $0.output = delivery.output
          $0.stream = delivery.stream.hash.data
          $0.node = delivery.node.data
          $0.demand = delivery.demand.wire
        }
      }
      $0.endedOutputs = endedOutputs
      $0.problem = String(problem.prefix(1_024))
      $0.repairs = repairs
      $0.showing = UInt32(clamping: plan.showing)
    }.wireBytes
  }
}

extension ServiceGroup {
  init(validating wire: WireServiceGroup) throws(InvalidMessage) {
    let kind: Kind =
      wire.hasGroup
      ? .own(try GroupSpec(validating: wire.group))
      : .shared(StreamKey(try Field.bytes32(wire.shared, "ServiceGroup.shared")))
    var standbys: [NodeID] = []
    for node in try Field.list(wire.standbys, "ServiceGroup.standbys", limit: Limits.upstreams - 1) {
      standbys.append(try Field.node(node, "ServiceGroup.standbys"))
    }
    self.init(
      ordinal: try Field.step(wire.ordinal, "ServiceGroup.ordinal"), kind: kind,
      node: try Field.node(wire.node, "ServiceGroup.node"), standbys: standbys,
      demand: try Demand(validating: wire.demand, "ServiceGroup.demand"), isPinned: wire.pinned)
    for format in try Field.list(wire.formats, "ServiceGroup.formats", limit: Limits.upstreams) {
      guard let mezzanine = Mezzanine(rawValue: format.mezzanine) else {
        throw InvalidMessage("ServiceGroup.formats", "unknown mezzanine “\(format.mezzanine.prefix(64))”")
      }
      formats[try Field.node(format.node, "ServiceGroup.formats.node")] = LinkFormat(
        mezzanine: mezzanine,
        rateCap: try Field.number(format.rateCap, "ServiceGroup.formats.rate_cap", in: 0...1 << 50))
    }
  }

  var wire: WireServiceGroup {
    .with {
      $0.ordinal = ordinal
      switch kind {
      case .own(let spec): $0.group = spec.wire
      case .shared(let stream): $0.shared = stream.hash.data
      }
      $0.node = node.data
      $0.standbys = standbys.map(\.data)
      $0.demand = demand.wire
      $0.pinned = isPinned
      $0.formats = formats.map { node, format in
        .with {
          $0.node = node.data
          $0.mezzanine = format.mezzanine.rawValue
          $0.rateCap = format.rateCap
        }
      }
    }
  }
}
