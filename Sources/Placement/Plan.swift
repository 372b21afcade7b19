import Base
import Composition
import Identity
import Vocabulary

/// Which node runs which stages, and how the streams flow between them. Everything that Sessions needs to make assignments.
public struct Plan: Hashable, Sendable {
  /// Every stage of the graph, in its order.
  public var stages: [StagePlace]
  /// New groups, each to be assigned to its node, upstream ones first.
  public var groups: [PlannedGroup]
  /// Streams already running that this plan is grafted on.
  public var grafts: [Graft]
  /// What goes to the client, in the order of the graph's outputs.
  public var deliveries: [PlannedDelivery]
  /// All media connections, those to the client last.
  public var links: [PlannedLink]
  /// What the plan costs, by reason.
  public var cost: CostTerms
  /// The best is proved over the candidates; false when the search ended at ``Base/Limits/placementSteps``.
  public var isProved: Bool
  /// Of all inputs: the same snapshot and seed give the same plan.
  public var inputs: Bytes32

  /// The nodes that work for it, grafts included, each once, in the order of the stages.
  public var nodes: OrderedSet<NodeID> { OrderedSet(stages.compactMap(\.node)) }
}

/// Where a stage runs.
public struct StagePlace: Hashable, Sendable {
  /// The stage's id in the graph.
  public var stage: Int
  /// Where; nil for a stage upstream of a graft, which runs for others where they had it placed.
  public var node: NodeID?
  /// Whether it runs already (or is being started by another request, or by another output of this one).
  public var isReused: Bool
}

/// Adjacent stages fused on one node.
public struct PlannedGroup: Hashable, Sendable {
  /// Its index in the plan.
  public var id: Int
  /// Where it runs.
  public var node: NodeID
  /// For the worker.
  public var spec: GroupSpec
  /// One for each of the specification's inputs: where to subscribe.
  public var inputs: [PlannedInput]
  /// Estimated bits a second of its output.
  public var bitrate: Int64
  /// Estimated cores that it keeps busy, on its node.
  public var cores: Double
  /// Takes over when the node fails; nil when no other node can.
  public var backup: Backup?
  /// Whether it reads the source, alone or beside what it takes from other groups.
  public var isReader: Bool { spec.stages.contains { $0.inputs.isEmpty } }
}

/// A standby: the same stages at another node, armed, without a worker.
public struct Backup: Hashable, Sendable {
  /// Another node, at another address where there is one.
  public var node: NodeID
  /// The same stages and streams; the mezzanine may differ, since the link does.
  public var spec: GroupSpec
  /// Estimated cores, on its node.
  public var cores: Double
}

/// Where an input socket finds its stream.
public struct PlannedInput: Hashable, Sendable {
  /// Which stream.
  public var key: StreamKey
  /// Who serves it.
  public var primary: NodeID
  /// Who can take over, best first; none of them is the primary.
  public var standbys: [NodeID]
}

/// A running stream that a plan begins with.
public struct Graft: Hashable, Sendable {
  /// The stage whose output it is.
  public var stage: Int
  /// Where to subscribe.
  public var input: PlannedInput
  /// Bits a second.
  public var bitrate: Int64
}

/// What the client receives of one output.
public struct PlannedDelivery: Hashable, Sendable {
  /// The output's name in the graph: `main` or `captions`.
  public var output: String
  /// The edge: the node whose last stage hands the stream over.
  public var input: PlannedInput
  /// The container.
  public var delivery: Delivery
}

/// A media connection.
public struct PlannedLink: Hashable, Sendable {
  /// Which stream.
  public var key: StreamKey
  /// Who sends.
  public var from: NodeID
  /// Who receives; nil for the client.
  public var to: NodeID?
  /// Estimated bits a second.
  public var bitrate: Int64
  /// Predicted, one way, in milliseconds.
  public var latency: Double
  /// How frames travel.
  public var mezzanine: Mezzanine
}
