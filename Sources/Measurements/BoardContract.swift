import Base
import Identity
import Vocabulary

// What Core tells this room, and what it asks of Core.

/// What happens to a node's board of measurements.
public enum BoardInput: Sendable {
  /// Reports came beside a datagram, or a whole board over a link.
  case reports([SignedEnvelope])
  /// What the kernel says.
  case sample(MachineSample)
  /// Frames due and late in the workers, since the last time.
  case frames(due: UInt64, late: UInt64)
  /// Throughput of this machine: megapixels a second and core.
  case calibrated(decode: Double, encode: Double, filter: Double)
  /// Payload bytes to and from peers so far.
  case traffic([(node: NodeID, sent: UInt64, received: UInt64)])
  /// The node's own state, as other rooms have it.
  case own(OwnState)
  /// Members that take part, this node not among them.
  case members([NodeID])
  /// One more takes part.
  case joined(NodeID)
  /// One takes part no more.
  case gone(NodeID)
  /// What was seen of a node by others than itself.
  case observed(NodeID, Observation)
  /// A car of somebody's train, or the report of an own train's arrival.
  case train(TrainMessage, from: NodeID)
  /// A timer that was asked for.
  case timer(MeasurementTimer)
}

/// What other rooms know of this node.
public struct OwnState: Hashable, Sendable {
  /// Where it stands.
  public var coordinate: Coordinate
  /// What it serves.
  public var streams: [ServedStream]
  /// Workers running.
  public var slotsUsed: Int
  /// Promised to managers.
  public var promisedSlots: Int
  /// Promised to managers.
  public var promisedCores: Double
  /// See the properties.
  public init(
    coordinate: Coordinate, streams: [ServedStream], slotsUsed: Int, promisedSlots: Int, promisedCores: Double
  ) {
    self.coordinate = coordinate
    self.streams = streams
    self.slotsUsed = slotsUsed
    self.promisedSlots = promisedSlots
    self.promisedCores = promisedCores
  }
}

/// What this room wants done.
public enum BoardEffect: Sendable {
  /// The own report is new: spread it soon.
  case published
  /// Send this to measure a path, or to answer.
  case sendTrain(TrainMessage, to: NodeID)
  /// Call back then. Replaces the earlier time of the same timer.
  case setTimer(MeasurementTimer, at: Instant)
}

/// The room's timers.
public enum MeasurementTimer: Hashable, Sendable {
  /// The own report is due.
  case publish
  /// The next train is due.
  case train
  /// The last car of this peer's train may be lost: it is judged without. One timer a peer, however many trains it begins.
  case arrival(NodeID)
}

/// What the operator allows and the machine has.
public struct NodeOffer: Hashable, Sendable {
  /// Components that are offered; nil = all.
  public var components: [String]?
  /// Workers at a time.
  public var slots: Int
  /// Cores of the operator's share.
  public var cores: Double
  /// Cores of the machine.
  public var machineCores: Double
  /// Bytes of the operator's share.
  public var memory: Int64
  /// The operator's caps, bits a second; 0 = none.
  public var upCap: Int64
  /// See ``upCap``.
  public var downCap: Int64
  /// See the properties.
  public init(
    components: [String]?, slots: Int, cores: Double, machineCores: Double, memory: Int64, upCap: Int64 = 0,
    downCap: Int64 = 0
  ) {
    self.components = components
    self.slots = slots
    self.cores = cores
    self.machineCores = machineCores
    self.memory = memory
    self.upCap = upCap
    self.downCap = downCap
  }
}
