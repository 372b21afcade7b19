import Assignments
import Base
import Identity
import Vocabulary

/// Which node does which part of a service: what a manager proposes, records at its electors, and has its nodes do. Node
/// addresses are not part of it: whoever acts on a plan looks them up.
public struct ServicePlan: Hashable, Sendable {
  /// In dependency order.
  public var groups: [ServiceGroup]
  /// One for each output of the request.
  public var deliveries: [ServiceDelivery]
  /// Which showing of the source it takes part in; 0 the first.
  public var showing: Int
  /// See the properties.
  public init(groups: [ServiceGroup], deliveries: [ServiceDelivery], showing: Int = 0) {
    self.groups = groups
    self.deliveries = deliveries
    self.showing = showing
  }

  /// The group that makes a stream.
  public subscript(stream: StreamKey) -> ServiceGroup? { groups.first { $0.output == stream } }

  /// All nodes with work, each once, in the plan's order.
  public var nodes: OrderedSet<NodeID> {
    var result: OrderedSet<NodeID> = []
    for group in groups { result.formUnion(group.providers) }
    for delivery in deliveries { result.append(delivery.node) }
    return result
  }
}

/// A group and its seats.
public struct ServiceGroup: Hashable, Sendable {
  /// Its number in the plan, unique there, deliveries included; stays through all versions.
  public var ordinal: UInt32
  /// Run for this request, or shared with the request that runs it.
  public var kind: Kind
  /// Where consumers subscribe first.
  public var node: NodeID
  /// Where they turn when that falls silent; no two of one group on one node.
  public var standbys: [NodeID]
  /// What it takes of its node; of a shared group, what our subscribers take.
  public var demand: Demand
  /// Bound to its node: it reads a file that no other node has.
  public var isPinned: Bool
  /// Where a seat's link asks for another compression than the group's own.
  public var formats: OrderedDictionary<NodeID, LinkFormat> = [:]

  /// How frames leave a seat.
  public struct LinkFormat: Hashable, Sendable {
    /// How they are compressed.
    public var mezzanine: Mezzanine
    /// Bits a second that the output may take; 0 = no cap.
    public var rateCap: Int64
    /// See the properties.
    public init(mezzanine: Mezzanine, rateCap: Int64) {
      self.mezzanine = mezzanine
      self.rateCap = rateCap
    }
  }

  /// Who answers for a group.
  public enum Kind: Hashable, Sendable {
    /// This request opened it, or inherited it.
    case own(GroupSpec)
    /// Another request did: only a share is held.
    case shared(StreamKey)
  }

  /// See the properties.
  public init(
    ordinal: UInt32, kind: Kind, node: NodeID, standbys: [NodeID] = [], demand: Demand, isPinned: Bool = false
  ) {
    self.ordinal = ordinal
    self.kind = kind
    self.node = node
    self.standbys = standbys
    self.demand = demand
    self.isPinned = isPinned
  }

  /// The stream that it makes.
  public var output: StreamKey {
    switch kind {
    case .own(let spec): spec.output
    case .shared(let stream): stream
    }
  }
  /// Another request runs it.
  public var isShared: Bool { if case .shared = kind { true } else { false } }
  /// Of an own group, what runs.
  public var spec: GroupSpec? { if case .own(let spec) = kind { spec } else { nil } }
  /// What runs at a seat of an own group.
  public func spec(at node: NodeID) -> GroupSpec? {
    guard var spec else { return nil }
    if let format = formats[node] {
      spec.mezzanine = format.mezzanine
      spec.rateCap = format.rateCap
    }
    return spec
  }
  /// The node and its standbys, in the order in which consumers use them.
  public var providers: [NodeID] { [node] + standbys }
}

/// An output's sink.
public struct ServiceDelivery: Hashable, Sendable {
  /// Its number in the plan.
  public var ordinal: UInt32
  /// The output's name, e.g. `main`.
  public var output: String
  /// What is delivered.
  public var stream: StreamKey
  /// The portal's node.
  public var node: NodeID
  /// What it takes of the portal's node: download.
  public var demand: Demand
  /// See the properties.
  public init(ordinal: UInt32, output: String, stream: StreamKey, node: NodeID, demand: Demand) {
    self.ordinal = ordinal
    self.output = output
    self.stream = stream
    self.node = node
    self.demand = demand
  }
}

/// A request's statement to the electors that it starts a stream at a node: equal requests that come later graft there.
public struct StreamClaim: Hashable, Sendable {
  /// What is started.
  public var stream: StreamKey
  /// Where.
  public var node: NodeID
  /// By whom.
  public var request: RequestID
  /// See the properties.
  public init(stream: StreamKey, node: NodeID, request: RequestID) {
    self.stream = stream
    self.node = node
    self.request = request
  }
}

/// The stages of a service's life, as clients and operators see them.
public enum ServicePhase: String, Hashable, Sendable, CaseIterable {
  /// The manager makes a plan.
  case placing
  /// The plan goes to a quorum of electors.
  case recording
  /// Nodes are asked to hold capacity.
  case reserving
  /// Nodes get their assignments.
  case committing
  /// Media flows.
  case running
  /// Media flows while a part of the chain is replaced.
  case repairing
  /// Work is being released.
  case ending
  /// Nothing is left of it but its record.
  case ended
  /// It could not be had, or could not go on.
  case failed
}

/// What a manager's snapshot holds of a service: enough for a successor to go on.
public struct RecordedService: Hashable, Sendable {
  /// Where it stood.
  public var phase: ServicePhase
  /// Of the plan; the snapshot's sequence.
  public var version: UInt32
  /// The plan; empty before the first.
  public var plan: ServicePlan
  /// Outputs that have ended.
  public var endedOutputs: [String]
  /// Why it failed; empty otherwise.
  public var problem: String
  /// Plans after the first that replaced a part.
  public var repairs: UInt32
  /// See the properties.
  public init(
    phase: ServicePhase, version: UInt32, plan: ServicePlan, endedOutputs: [String], problem: String, repairs: UInt32
  ) {
    self.phase = phase
    self.version = version
    self.plan = plan
    self.endedOutputs = endedOutputs
    self.problem = problem
    self.repairs = repairs
  }
}
