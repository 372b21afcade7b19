import Assignments
import Base
import Identity
import Vocabulary

// What Core tells a service's manager, and what the manager asks of Core. All cases are plain values.

/// What happens to a service's manager.
public enum ManagerInput: Hashable, Sendable {
  /// The election is won. With the newest snapshot's content among the votes, if there is one: a predecessor got so far.
  case elected(snapshot: [UInt8]?)
  /// A quorum of electors has acknowledged the snapshot of this version, naming earlier claims of other requests on the streams
  /// that it claims.
  case recorded(version: UInt32, earlier: [StreamClaim])
  /// A quorum has the service's end on record.
  case endRecorded
  /// A checked message from a service node; also from this very node.
  case message(SessionMessage, from: NodeID)
  /// Membership has found a node dead, or it left.
  case nodeLost(NodeID)
  /// Membership sees a node alive that it had missed.
  case nodeFound(NodeID)
  /// The client, or its portal for it, wants the service to end; the signature has been checked.
  case endRequested
  /// Whether a quorum of electors is out of reach: no plan can change, media flows on.
  case frozen(Bool)
  /// The client's renewal is in force: the request is valid until then, and the mandate's bytes say so.
  case renewed(notAfter: WallTime, mandate: [UInt8])
  /// The timer that ``ManagerEffect/setTimer(_:at:)`` asked for.
  case timer(ManagerTimer)
}

/// What a service's manager wants done. Effects are carried out in order.
public enum ManagerEffect: Hashable, Sendable {
  /// Have a snapshot acknowledged by a quorum, repeating it until that is so; then ``ManagerInput/recorded(version:earlier:)``.
  /// A newer one replaces it. A final one ends the mandate once it is acknowledged.
  case record(version: UInt32, content: [UInt8], claims: [StreamClaim], isFinal: Bool)
  /// Send over the link, or hand back as an input when it is this node.
  case send(SessionMessage, to: NodeID)
  /// Call back then. Replaces the earlier time of the same timer.
  case setTimer(ManagerTimer, at: Instant)
  /// The service has entered another phase: an event for its client.
  case entered(ServicePhase, reason: String)
  /// A plan was made: for `explain`; the text is the planner's.
  case planned(version: UInt32, explanation: String, took: Double)
  /// A service node has seen this later term: the table must forget this manager, who may not act any more.
  case deposed(by: Term)
  /// Nothing is left to do: the table may forget it.
  case finished
}

/// A manager's timers.
public enum ManagerTimer: Hashable, Sendable {
  /// Ask again whoever has not answered; or place again.
  case retry
  /// Tell the service nodes that the service lives.
  case renew
}

/// What the manager was elected for.
public struct ServiceOrder: Hashable, Sendable {
  /// The request.
  public var request: RequestID
  /// The request document and the source's description, as the client's envelope carries them; read by the planner alone.
  public var document: [UInt8]
  /// The peer that the client talks to, whose node holds the sinks.
  public var portal: NodeID
  /// After this nothing of the request is valid.
  public var notAfter: WallTime
  /// Bound on delay in milliseconds; 0 = none.
  public var latency: Double
  /// See the properties.
  public init(request: RequestID, document: [UInt8], portal: NodeID, notAfter: WallTime, latency: Double = 0) {
    self.request = request
    self.document = document
    self.portal = portal
    self.notAfter = notAfter
    self.latency = latency
  }
}

/// The manager's own mandate.
public struct HeldMandate: Hashable, Sendable {
  /// The term that it was elected for.
  public var term: Term
  /// Names the mandate in assignments.
  public var digest: Bytes32
  /// As Elections encodes it.
  public var bytes: [UInt8]
  /// A quorum's signatures. Its electors tell a manager that it has a successor, within a lease; else only the nodes can.
  public var isProved: Bool
  /// See the properties.
  public init(term: Term, digest: Bytes32, bytes: [UInt8], isProved: Bool) {
    self.term = term
    self.digest = digest
    self.bytes = bytes
    self.isProved = isProved
  }
}

/// What the manager knows that gossip does not say, or says otherwise.
public struct PlanningWish: Hashable, Sendable {
  /// For whom.
  public var order: ServiceOrder
  /// Nodes that are out of the question for new work: dead, failing, or refusing without saying why.
  public var excluded: OrderedSet<NodeID> = []
  /// What nodes have left, by their own refusals: replaces gossip.
  public var corrections: OrderedDictionary<NodeID, Capacity> = [:]
  /// Components that nodes do not offer, by their own refusals.
  public var notOffered: OrderedDictionary<NodeID, OrderedSet<String>> = [:]
  /// Streams that may be had at these nodes although gossip does not say so yet: claims, refusals, and the service's own.
  public var served: OrderedDictionary<StreamKey, NodeID> = [:]
  /// Streams that cannot be had from these nodes although gossip says so.
  public var notServed: OrderedDictionary<StreamKey, OrderedSet<NodeID>> = [:]
  /// All that these nodes have open, by their own refusals: replaces gossip, so that one stream after another need not be refused.
  public var open: OrderedDictionary<NodeID, OrderedSet<StreamKey>> = [:]
  /// Streams that these nodes serve, but no longer from their beginning, by their own refusals.
  public var passed: OrderedDictionary<StreamKey, OrderedSet<NodeID>> = [:]
  /// The showing of the source that the service takes part in; nil before it takes part in any.
  public var showing: Int?
  /// All that is to be planned, where the rest of the service does its work; nil for the whole service.
  public var part: Part?

  /// A stream that nobody serves any more, with all that it is made of.
  public struct Part: Hashable, Sendable {
    /// What is missing.
    public var stream: StreamKey
    /// Whose input it is.
    public var consumer: NodeID
    /// See the properties.
    public init(stream: StreamKey, consumer: NodeID) {
      self.stream = stream
      self.consumer = consumer
    }
  }
  /// No wishes yet.
  public init(order: ServiceOrder) { self.order = order }
}

/// What the planner answers.
public struct Blueprint: Hashable, Sendable {
  /// The plan; of a part, without deliveries. Streams taken from others are shared groups in it; standbys as far as there are
  /// nodes for them.
  public var plan: ServicePlan
  /// Why so, for `explain`.
  public var explanation: String
  /// Milliseconds that planning took; 0 where not measured.
  public var took: Double
  /// See the properties.
  public init(plan: ServicePlan, explanation: String = "", took: Double = 0) {
    self.plan = plan
    self.explanation = explanation
    self.took = took
  }
}

/// Why there is no plan.
public enum PlanningProblem: Error, Hashable, Sendable, CustomStringConvertible {
  /// The request cannot be had of this source, whoever serves it.
  case impossible(String)
  /// No nodes for it at present.
  case noNodes(String)
  /// There are nodes for it, but they are full, as far as is known.
  case noRoom(String)
  public var description: String {
    switch self {
    case .impossible(let reason), .noNodes(let reason), .noRoom(let reason): reason
    }
  }
}

/// A seat for one group: a standby, or a replacement.
public struct SeatWish: Hashable, Sendable {
  /// What knows more than gossip.
  public var planning: PlanningWish
  /// The group.
  public var spec: GroupSpec
  /// What it takes.
  public var demand: Demand
  /// Nodes that it takes from and gives to: near them is good.
  public var neighbours: [NodeID]
  /// Nodes that have the group already.
  public var taken: [NodeID]
  /// Nodes that hold other work of the service: disjoint is better.
  public var used: [NodeID]
  /// See the properties.
  public init(
    planning: PlanningWish, spec: GroupSpec, demand: Demand, neighbours: [NodeID], taken: [NodeID], used: [NodeID]
  ) {
    self.planning = planning
    self.spec = spec
    self.demand = demand
    self.neighbours = neighbours
    self.taken = taken
    self.used = used
  }
}

/// What the manager asks of its peer: the time of day, keys, addresses, and Composition and Placement at work on the overlay as
/// this peer sees it.
public struct ManagerContext: Sendable {
  /// Now, by the wall clock.
  public var wall: WallTime
  /// The peer's keys, which sign the assignments.
  public var keys: KeyPair
  /// Where a node listens; nil when it is not a member.
  public var address: @Sendable (NodeID) -> PeerAddress?
  /// Places the whole service.
  public var plan: @Sendable (PlanningWish) -> Result<Blueprint, PlanningProblem>
  /// Places one group; nil when no node can take it.
  public var seat: @Sendable (SeatWish) -> NodeID?

  /// See the properties.
  public init(
    wall: WallTime, keys: KeyPair, address: @escaping @Sendable (NodeID) -> PeerAddress?,
    plan: @escaping @Sendable (PlanningWish) -> Result<Blueprint, PlanningProblem>,
    seat: @escaping @Sendable (SeatWish) -> NodeID?
  ) {
    self.wall = wall
    self.keys = keys
    self.address = address
    self.plan = plan
    self.seat = seat
  }
}

/// Why a service failed: a closed list; each says what to do.
public enum ServiceFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The request cannot be had of this source.
  case impossible(String)
  /// No set of nodes can carry it; the last reason.
  case unplaceable(String)
  /// The only node that has the source is gone.
  case sourceLost(NodeID)
  /// The portal that the client talked to is gone.
  case portalLost(NodeID)
  /// The source cannot be read or processed, wherever: the worker's kind of failure and its words.
  case media(kind: String, detail: String)
  /// The time that the client's envelope allows is over.
  case expired

  public var description: String {
    switch self {
    case .impossible(let reason): reason
    case .unplaceable(let reason): "no nodes for this service: \(reason)"
    case .sourceLost(let node): "node \(node.short)…, which alone has the source, is gone"
    case .portalLost(let node): "portal \(node.short)… is gone; ask again at another peer"
    case .media(let kind, let detail): "\(kind): \(detail)"
    case .expired: "the request's time is over; ask again with a later notAfter"
    }
  }
}
