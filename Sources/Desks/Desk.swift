import Assignments
import Base
import Identity
import Vocabulary

/// A service node's side of all assignments (design §11). The node alone decides what it can carry: managers reserve (all or
/// nothing, for a TTL), then commit signed assignments, then renew, then release; the desk refuses with a closed error whatever
/// is not covered by a mandate, a term and a reservation.
///
/// Identity of a group: there is one group per output stream and node. It is immutable; requests hold **shares** of it, and it
/// closes when the last share is gone and nobody consumes it. A share goes when its manager releases it, or as an orphan: when
/// the manager has been silent for ``Base/Limits/orphanTimeout`` and nobody consumes. So a chain lives while anything
/// downstream of it does, and dissolves from its end, link by link.
///
/// The oldest share's manager cares for a group (standbys, upstreams); when it goes, the next is told that it inherits.
public struct Desk: Sendable {
  /// This node.
  public let node: NodeID
  /// What the node can give in all.
  public internal(set) var capacity: Capacity
  var dossiers: OrderedDictionary<RequestID, Dossier> = [:]
  var groups: OrderedDictionary<StreamKey, LiveGroup> = [:]
  var sinks: OrderedDictionary<DeliveryID, LiveSink> = [:]
  var verified: VerifiedDigests
  var lastPromised = Promised()
  var sweepAt: Instant?
  /// A fault planted by a test of the tests: nothing is too old. False everywhere else.
  package var isFenceRemoved = false

  /// A node that has promised nothing, but remembers its fences.
  /// - Parameters:
  ///   - node: this node.
  ///   - capacity: what it can give in all.
  ///   - fences: as persisted before.
  ///   - verified: what the peer's other rooms found good as well.
  public init(
    node: NodeID, capacity: Capacity, restoring fences: [Fence] = [], verified: VerifiedDigests = VerifiedDigests()
  ) {
    self.node = node
    self.verified = verified
    self.capacity = capacity
    for fence in fences { dossiers[fence.request] = Dossier(fence: fence) }
  }

  // MARK: State

  /// What the node knows of one request.
  struct Dossier: Sendable {
    /// The highest term that was acted for.
    var fence: Fence
    /// Who manages under that term; nil after a restart, until the manager speaks again.
    var manager: Manager?
    /// Plans of the fence's term below this version are void.
    var floor: UInt32 = 0
    var reservation: Reservation?
    /// The version whose reservation lapsed, to tell “too late” from “never asked”.
    var lapsed: UInt32?
    /// When the fence last moved up; assignments of older terms may still be shown for a grace.
    var takenOver: Instant?

    struct Manager: Sendable {
      var id: NodeID
      var mandate: Bytes32
      var mandateBytes: [UInt8]
    }
  }

  struct Reservation: Sendable {
    var version: UInt32
    var items: OrderedDictionary<UInt32, Reserve.Item>
    var until: Instant
  }

  struct LiveGroup: Sendable {
    var spec: GroupSpec
    var isArmed: Bool
    /// Cores, memory and download of the group itself; what its subscribers take is in the shares.
    var demand: Demand
    /// By request, the oldest first. Empty only while a consumer remains.
    var shares: OrderedDictionary<RequestID, Share>
    var inputs: [InputAssignment]
    var authorization: [UInt8]
    var standbys: [Provider]
    /// Whose assignment the inputs, the standbys and the repair follow: the oldest share's, once it knows.
    var caretaker: RequestID
    var isConsumed = false
    /// Since when nobody holds a share.
    var sharelessSince: Instant?
    var health = Health()
  }

  struct Share: Sendable {
    var version: UInt32
    var term: Term
    /// Upload that this request's subscribers take.
    var up: Int64
    var leaseEnds: Instant
    var assignment: Bytes32
  }

  struct LiveSink: Sendable {
    var version: UInt32
    var term: Term
    var input: InputAssignment
    var authorization: [UInt8]
    var demand: Demand
    var leaseEnds: Instant
    var assignment: Bytes32
    var hasClients = false
    var health = Health()
  }

  /// What the managers should know, told at once and again with every renewal while it is so: a report can be lost with the
  /// manager that it was sent to.
  struct Health: Sendable {
    /// The upstream in use, where it is not the assignment's first.
    var detours: OrderedDictionary<StreamKey, NodeID> = [:]
    var starved: OrderedSet<StreamKey> = []
    var failure: (kind: String, detail: String)?
    var hasEnded = false
    var counters: [StreamCounters] = []
  }

  // MARK: Handling

  /// The desk's one entry.
  public mutating func handle(_ input: DeskInput, at now: Instant, in context: DeskContext) -> [DeskEffect] {
    var effects: [DeskEffect]
    switch input {
    case .message(.reserve(let reserve), let sender): effects = onReserve(reserve, from: sender, at: now, in: context)
    case .message(.commit(let commit), let sender): effects = onCommit(commit, from: sender, at: now, in: context)
    case .message(.release(let release), let sender): effects = onRelease(release, from: sender, at: now, in: context)
    case .message(.renew(let mark), let sender): effects = onRenew(mark, from: sender, at: now)
    case .message: effects = []
    case .capacity(let capacity):
      self.capacity = capacity
      effects = []
    case .unconsumed(let stream): effects = onUnconsumed(stream, at: now)
    case .clients(let id, let present): effects = onClients(id, present: present, at: now)
    case .switched(let user, let stream, let node): effects = onSwitched(user, stream: stream, to: node)
    case .starved(let user, let stream): effects = onStarved(user, stream: stream)
    case .failed(let stream, let kind, let detail, let lasting):
      effects = onFailed(stream, kind: kind, detail: detail, lasting: lasting)
    case .ended(let user): effects = onEnded(user, at: now)
    case .counters(let user, let counters): effects = onCounters(user, counters)
    case .timer(.sweep): effects = sweep(at: now, in: context)
    }
    effects += announcePromises()
    effects += nextSweep(at: now)
    return effects
  }

  // MARK: What is promised

  /// Everything promised: running, armed and reserved.
  public var promised: Promised {
    var sum = Promised()
    for group in groups.values {
      sum.slots += 1
      sum.add(group.demand)
      for share in group.shares.values { sum.add(Demand(up: share.up)) }
    }
    for sink in sinks.values { sum.add(sink.demand) }
    for dossier in dossiers.values {
      guard let reservation = dossier.reservation else { continue }
      for item in reservation.items.values {
        if case .group = item.work { sum.slots += 1 }
        sum.add(item.demand)
      }
    }
    return sum
  }

  /// What the node has left to promise; the correction that goes with a refusal.
  public var left: Capacity {
    let promised = promised
    return Capacity(
      slots: capacity.slots - promised.slots, cores: capacity.cores - promised.demand.cores,
      memory: capacity.memory - promised.demand.memory,
      up: capacity.up == 0 ? 0 : capacity.up - promised.demand.up,
      down: capacity.down == 0 ? 0 : capacity.down - promised.demand.down)
  }

  private mutating func announcePromises() -> [DeskEffect] {
    let now = promised
    guard now != lastPromised else { return [] }
    lastPromised = now
    return [.promised(now)]
  }

  /// Whether the manager of a request has renewed a sink here in time.
  public func isRenewed(_ request: RequestID, at now: Instant) -> Bool {
    sinks.contains { $0.key.request == request && $0.value.leaseEnds > now }
  }

  /// Streams whose groups are open here, with their number of shares: for gossip, status and tests.
  public var served: [(stream: StreamKey, shares: Int, isArmed: Bool)] {
    groups.map { ($0.key, $0.value.shares.count, $0.value.isArmed) }
  }

  /// The requests that this node works for, those that hold a share or a sink.
  public var requests: OrderedSet<RequestID> {
    var result: OrderedSet<RequestID> = []
    for group in groups.values { result.formUnion(group.shares.keys) }
    for sink in sinks.keys { result.append(sink.request) }
    return result
  }
}

extension Promised {
  mutating func add(_ other: Demand) {
    demand.cores += other.cores
    demand.memory += other.memory
    demand.up += other.up
    demand.down += other.down
  }
}
