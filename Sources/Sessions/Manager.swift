import Assignments
import Base
import Identity
import Vocabulary

/// The manager's side of one service (design §11), from its election to its end.
///
/// Every version of the plan, the first and each repair, goes the same way: recorded (a quorum of electors has it, and has
/// named earlier claims on its streams), reserved at all nodes in parallel, committed by signed assignments. A refusal teaches
/// the manager something (``PlanningWish``) and it plans again. What runs is not touched before its replacement is reserved.
///
/// A successor needs nothing but the newest record: it takes the same way once more under its own term. Nodes that do the work
/// already just learn of the new manager, so the stream does not notice.
public struct Manager: Sendable {
  /// What it was elected for.
  public internal(set) var order: ServiceOrder
  /// Its mandate.
  public internal(set) var mandate: HeldMandate
  /// Where the service stands.
  public internal(set) var state = State.idle
  /// What the nodes do, as last committed; nil before the first commit.
  public internal(set) var current: ServicePlan?
  /// Of the newest plan, rising over all terms.
  public internal(set) var version: UInt32 = 0
  /// Plans after the first that replaced a part.
  public internal(set) var repairs: UInt32 = 0
  /// Outputs that have ended.
  public internal(set) var endedOutputs: OrderedSet<String> = []
  /// Whether a quorum is out of reach; media flows on.
  public internal(set) var isFrozen = false
  /// When those came.
  public internal(set) var countedAt: OrderedDictionary<NodeID, Instant> = [:]
  /// The newest counters of each node's sockets.
  public internal(set) var counters: OrderedDictionary<NodeID, [StreamCounters]> = [:]
  /// Why the last attempt did not succeed; empty when nothing went wrong.
  public internal(set) var trouble = ""

  /// What was learnt beyond gossip.
  var wish: PlanningWish
  /// Nodes that are out of the question, and until when.
  var banned: OrderedDictionary<NodeID, Instant> = [:]
  /// Streams whose provider no longer serves, to be replaced by the next version.
  var lost: OrderedSet<Seat> = []
  /// Upstreams that consumers have chosen by themselves.
  var chosen: OrderedDictionary<StreamKey, NodeID> = [:]
  /// Groups that this request has inherited and not yet taken up.
  var legacies: OrderedDictionary<StreamKey, InheritedGroup> = [:]
  /// Standbys of shared streams, by their owners' word.
  var sharedStandbys: OrderedDictionary<StreamKey, [NodeID]> = [:]
  /// Since when a claimed stream is waited for, and whose claim it is.
  var awaited: OrderedDictionary<StreamKey, Awaited> = [:]
  /// Signed and accepted, by node; what differs is committed anew.
  var inForce: OrderedDictionary<NodeID, [Assignment]> = [:]
  /// Work that nodes are to stop, until they confirm.
  var releasing: OrderedDictionary<NodeID, Releasing> = [:]
  /// Renewals that a node has left unanswered.
  var unanswered: OrderedDictionary<NodeID, Int> = [:]
  /// Seats that refused to be a standby, and until when they are not asked again.
  var unwilling: OrderedDictionary<Seat, Instant> = [:]
  /// Why a node does not believe that this is the manager at all, once one has said so.
  var disbelief: String?
  var attempts = 0
  /// Changes since the service last had all that it needs.
  var changesInARow = 0
  var renewals = 0

  /// A manager to be.
  public init(order: ServiceOrder, mandate: HeldMandate) {
    self.order = order
    self.mandate = mandate
    wish = PlanningWish(order: order)
  }

  // MARK: States

  /// Where the service stands.
  public enum State: Hashable, Sendable {
    /// Not yet elected. Can become: waiting, recording, failed, over.
    case idle
    /// Places again at the retry timer. Can become: recording, closing.
    case waiting
    /// A plan is on its way to a quorum. Can become: reserving, waiting, recording (of another plan), closing.
    case recording(Change)
    /// Nodes are asked. Can become: committing, recording (of another plan), waiting, closing.
    case reserving(Change)
    /// Nodes get their assignments. Can become: running, recording (of another plan), closing.
    case committing(Change)
    /// Media flows. Can become: recording, waiting, closing.
    case running
    /// Work is being released, the end recorded. Can become: over.
    case closing(Closing)
    /// Nothing is left to do.
    case over(ServiceFailure?)
    /// A node has seen a later term: another manages. Only that one may act.
    case deposed
  }

  /// A version of the plan on its way.
  public struct Change: Hashable, Sendable {
    /// Its version.
    public var version: UInt32
    /// What is to be.
    public var plan: ServicePlan
    /// Nodes that have not answered in this state.
    public var awaiting: OrderedSet<NodeID> = []
    /// Times that they have been asked.
    public var tries = 0
    /// Whether a claimed stream is waited for, which is no fault of its node.
    var isPatient = false
    /// What is committed, by node; empty before.
    var assignments: OrderedDictionary<NodeID, [Assignment]> = [:]
  }

  /// The end.
  public struct Closing: Hashable, Sendable {
    /// Why; nil for an end as wished.
    public var failure: ServiceFailure?
    /// Nodes that have not confirmed their release.
    public var awaiting: OrderedSet<NodeID>
    /// Times that they have been asked.
    public var tries = 0
    /// Whether a quorum has the end on record.
    public var isRecorded = false
  }

  /// A stream's provider.
  struct Seat: Hashable, Sendable {
    var stream: StreamKey
    var node: NodeID
  }
  struct Awaited: Hashable, Sendable {
    var since: Instant
    var claimant: RequestID?
  }
  struct Releasing: Hashable, Sendable {
    var version: UInt32
    var streams: [StreamKey]
    var outputs: [String]
    var tries = 0
  }

  /// The state in a client's words.
  public var phase: ServicePhase {
    switch state {
    case .idle, .waiting: current == nil ? .placing : .repairing
    case .recording: current == nil ? .recording : .repairing
    case .reserving: current == nil ? .reserving : .repairing
    case .committing: current == nil ? .committing : .repairing
    case .running: .running
    case .closing: .ending
    case .deposed: .repairing
    case .over(let failure): failure == nil ? .ended : .failed
    }
  }

  /// Why the service failed; nil otherwise.
  public var failure: ServiceFailure? {
    switch state {
    case .closing(let closing): closing.failure
    case .over(let failure): failure
    default: nil
    }
  }

  /// The plan that nodes follow, or else the one on its way.
  public var plan: ServicePlan? {
    if let current { return current }
    switch state {
    case .recording(let change), .reserving(let change), .committing(let change): return change.plan
    default: return nil
    }
  }

  /// The assignments in force, as their nodes have them: for evidence, to be signed again by whoever shows them.
  public var assignments: [Assignment] { inForce.values.flatMap { $0 } }

  // MARK: Handling

  /// The manager's one entry.
  public mutating func handle(
    _ input: ManagerInput, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    switch state {
    case .over, .deposed: return []
    default: break
    }
    let before = phase
    var effects: [ManagerEffect]
    switch input {
    case .elected(let snapshot): effects = onElected(snapshot, at: now, in: context)
    case .recorded(let version, let earlier): effects = onRecorded(version, earlier: earlier, at: now, in: context)
    case .endRecorded: effects = onEndRecorded()
    case .message(.reserved(let answer), let node): effects = onReserved(answer, from: node, at: now, in: context)
    case .message(.committed(let answer), let node): effects = onCommitted(answer, from: node, at: now, in: context)
    case .message(.released(let mark), let node): effects = onReleased(mark, from: node)
    case .message(.report(let report), let node): effects = onReport(report, from: node, at: now, in: context)
    case .message: effects = []
    case .nodeLost(let node): effects = onNodeLost(node, at: now, in: context)
    case .nodeFound(let node): effects = onNodeFound(node, at: now, in: context)
    case .endRequested: effects = close(nil, at: now)
    case .frozen(let isFrozen):
      self.isFrozen = isFrozen
      effects = []
    case .renewed(let notAfter, let mandate): effects = onRenewed(notAfter, mandate, at: now, in: context)
    case .timer(.retry): effects = onRetry(at: now, in: context)
    case .timer(.renew): effects = onRenewTimer(at: now, in: context)
    }
    if phase != before { effects.insert(.entered(phase, reason: failure.map { "\($0)" } ?? trouble), at: 0) }
    return effects
  }

  // MARK: On the election

  private mutating func onElected(_ snapshot: [UInt8]?, at now: Instant, in context: ManagerContext) -> [ManagerEffect]
  {
    guard case .idle = state else { return [] }
    let renewal = ManagerEffect.setTimer(.renew, at: now + Limits.renewInterval)
    guard let snapshot, let record = try? RecordedService(validating: snapshot) else {
      return [renewal] + place(at: now, in: context)
    }
    version = min(record.version, Limits.versionsTakenOver)
    repairs = record.repairs
    endedOutputs = OrderedSet(record.endedOutputs)
    trouble = "term \(mandate.term) takes over at version \(record.version)"
    switch record.phase {
    case .ended, .failed, .ending:
      // The predecessor may not have lived to release everything; doing it again does no harm.
      current = record.plan
      return close(record.problem.isEmpty ? nil : .unplaceable(record.problem), at: now)
    default:
      guard !record.plan.groups.isEmpty else { return [renewal] + place(at: now, in: context) }
      // Whether the plan was ever committed nobody knows: what runs goes on, what does not is opened armed, and the first
      // subscriber wakes it.
      current = record.plan
      return [renewal] + proceed(at: now, in: context)
    }
  }
}
