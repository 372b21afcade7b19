import Assignments
import Base
import Identity
import Vocabulary

// What Core tells a service node's desk, and what the desk asks of Core. All cases are plain values.

/// What happens at a service node.
public enum DeskInput: Hashable, Sendable {
  // MARK: From managers

  /// A checked message from a manager; also from a manager on this very node.
  case message(SessionMessage, from: NodeID)

  // MARK: From this node

  /// What the node can give in all, of which the desk subtracts what it has promised. Rates of 0 are unknown: no bound.
  case capacity(Capacity)
  /// The last subscriber of a group's output left.
  case unconsumed(StreamKey)
  /// Clients read from the sink, or the last one left.
  case clients(DeliveryID, present: Bool)
  /// An input went on with another upstream by itself.
  case switched(LocalUser, stream: StreamKey, to: NodeID)
  /// An input has tried all its upstreams in vain.
  case starved(LocalUser, stream: StreamKey)
  /// A group's worker failed; `lasting` when another start would not help or did not.
  case failed(StreamKey, kind: String, detail: String, lasting: Bool)
  /// A group's last position is acknowledged by all; a sink's is written to its clients.
  case ended(LocalUser)
  /// How the sockets of a group or sink stand; kept for the managers' next renewal.
  case counters(LocalUser, [StreamCounters])
  /// The timer that ``DeskEffect/setTimer(_:at:)`` asked for.
  case timer(DeskTimer)
}

/// What a service node's desk wants done. Effects are carried out in order.
public enum DeskEffect: Hashable, Sendable {
  /// Run a group. Armed: not before its first subscriber.
  case openGroup(GroupOrder)
  /// The open group has other upstreams or another assignment to show them; without loss. An armed group that is told to
  /// start at once is opened again with ``openGroup(_:)`` instead.
  case updateGroup(GroupOrder)
  /// End a group.
  case closeGroup(StreamKey)
  /// Hold a sink for clients of this portal.
  case openSink(SinkOrder)
  /// The sink has other upstreams or another assignment to show them; without loss.
  case updateSink(SinkOrder)
  /// End a sink.
  case closeSink(DeliveryID)
  /// Send over the link, or hand back as an input when it is this node.
  case send(SessionMessage, to: NodeID)
  /// Write the records first, then carry out the rest: a fence that was forgotten is no fence.
  case persist([Fence], then: [DeskEffect])
  /// Call back then. Replaces the earlier time of the same timer.
  case setTimer(DeskTimer, at: Instant)
  /// What is promised has changed: worth a new measurement.
  case promised(Promised)
  /// An assignment or subscription was refused: for counters and the event log.
  case refused(RequestID?, AssignmentError, from: NodeID)
}

extension DeskEffect {
  /// What effects change, so that two on the same must keep their order.
  public enum Subject: Hashable, Sendable {
    case stream(StreamKey)
    case sink(DeliveryID)
  }

  /// What this effect changes, and those that wait behind it; empty for what may overtake.
  public var subjects: Set<Subject> {
    switch self {
    case .openGroup(let order), .updateGroup(let order): [.stream(order.spec.output)]
    case .closeGroup(let key): [.stream(key)]
    case .openSink(let order), .updateSink(let order): [.sink(order.id)]
    case .closeSink(let id): [.sink(id)]
    case .persist(_, let rest): Set(rest.flatMap(\.subjects))
    case .send, .setTimer, .promised, .refused: []
    }
  }
}

/// The desk's timers.
public enum DeskTimer: Hashable, Sendable {
  /// The earliest of all TTLs, leases and graces. One that fires early or late does no harm.
  case sweep
}

/// Names a sink: one output of one request.
public struct DeliveryID: Hashable, Sendable {
  /// The request.
  public var request: RequestID
  /// The output's name, e.g. `main`.
  public var output: String
  /// See the properties.
  public init(request: RequestID, output: String) {
    self.request = request
    self.output = output
  }
}

/// Whose input it is, on this node.
public enum LocalUser: Hashable, Sendable {
  /// The group with this output.
  case group(StreamKey)
  /// A sink.
  case delivery(DeliveryID)
}

/// A group as it is to run. One node never needs two of one output key, so the key names the group.
public struct GroupOrder: Hashable, Sendable {
  /// Stages, inputs, output.
  public var spec: GroupSpec
  /// One for each of the specification's inputs.
  public var inputs: [InputAssignment]
  /// Whether its worker waits for the first subscriber.
  public var isArmed: Bool
  /// What to show to the upstreams: the assignment and its mandate.
  public var authorization: [UInt8]
}

/// A sink as it is to be held.
public struct SinkOrder: Hashable, Sendable {
  /// Which.
  public var id: DeliveryID
  /// The stream to deliver and who serves it.
  public var input: InputAssignment
  /// What to show to the upstreams: the assignment and its mandate.
  public var authorization: [UInt8]
}

/// The highest term of a request that this node has acted for: on disk before it acts, so that a restart forgets no fence.
public struct Fence: Hashable, Sendable {
  /// The request.
  public var request: RequestID
  /// Nothing older is heeded.
  public var term: Term
  /// After this nothing of the request is valid anyway, and the record may go.
  public var until: WallTime
  /// See the properties.
  public init(request: RequestID, term: Term, until: WallTime) {
    self.request = request
    self.term = term
    self.until = until
  }
}

/// What a node has promised to all managers together.
public struct Promised: Hashable, Sendable {
  /// Workers, running, armed or reserved.
  public var slots = 0
  /// Everything else.
  public var demand = Demand.none
  /// Nothing.
  public init() {}
}

/// What this node knows that the desk does not: the time of day, the members, the operator's offer.
public struct DeskContext: Sendable {
  /// Now, by the wall clock.
  public var wall: WallTime
  /// What Elections says of a mandate's bytes, given this node's own view of the members.
  public var verifyMandate: @Sendable ([UInt8], RequestID, Term) -> Result<VerifiedMandate, MandateProblem>
  /// Whether the operator offers the components and the catalogue allows the parameters.
  public var checkStages: @Sendable ([StageSpec]) -> Result<Void, StageProblem>
  /// Streams that run here and can no longer be had from their beginning.
  public var begun: OrderedSet<StreamKey>

  /// See the properties.
  public init(
    wall: WallTime, begun: OrderedSet<StreamKey> = [],
    verifyMandate: @escaping @Sendable ([UInt8], RequestID, Term) -> Result<VerifiedMandate, MandateProblem>,
    checkStages: @escaping @Sendable ([StageSpec]) -> Result<Void, StageProblem>
  ) {
    self.wall = wall
    self.begun = begun
    self.verifyMandate = verifyMandate
    self.checkStages = checkStages
  }
}

/// What a sound mandate says.
public struct VerifiedMandate: Hashable, Sendable {
  /// The candidate that a quorum voted for.
  public var manager: NodeID
  /// Names the mandate.
  public var digest: Bytes32
  /// The end of the request's validity.
  public var notAfter: WallTime
  /// See the properties.
  public init(manager: NodeID, digest: Bytes32, notAfter: WallTime) {
    self.manager = manager
    self.digest = digest
    self.notAfter = notAfter
  }
}

/// Why a mandate does not hold.
public enum MandateProblem: Error, Hashable, Sendable {
  /// Of another request or term, without a quorum, or badly signed.
  case invalid(String)
  /// Its electors are not those that this node would have expected.
  case implausible(String)
  /// There is none, only the manager's own claim, under a protocol that this node's operator did not choose.
  case unproved(String)
}

/// Why a stage cannot run here.
public enum StageProblem: Error, Hashable, Sendable {
  /// The operator does not offer this component.
  case notOffered(String)
  /// Component, parameter, value and what is allowed.
  case outOfRange(String)
}
