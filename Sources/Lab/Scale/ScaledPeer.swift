import Base
import Core
import Identity
import Measurements
import Streams
import Vocabulary

/// One machine of a ``ScaledSimulation`` with the peer that runs on it. Only its shard's thread touches what changes, and nothing that is
/// called meanwhile comes back here: what every happening touches is not checked for that.
final class ScaledPeer: @unchecked Sendable {
  // First, side by side, what everything that happens to it touches.
  let number: Int
  @exclusivity(unchecked) var isUp = false
  /// Happenings that it has asked for.
  @exclusivity(unchecked) var asked: UInt32 = 0
  let clock: LocalClock
  /// In memory of its own, as it is as large as the rest is small.
  let node: UnsafeMutablePointer<Node>
  @exclusivity(unchecked) var trace = TraceHash()
  /// The node's own chance.
  @exclusivity(unchecked) var random: SeededRandom
  /// The world's chance, for what happens to what this machine sends and writes.
  @exclusivity(unchecked) var lots: SeededRandom
  /// When its uplink is free again.
  @exclusivity(unchecked) var upFree = Instant.zero
  /// What each timer that waits is withdrawn by.
  @exclusivity(unchecked) var timers = TimerBook()

  let id: NodeID
  let settings: NodeSettings
  let diskDelay: Duration
  var disk = SimulatedDisk()
  var workers: OrderedDictionary<WorkerID, SimulatedWorker> = [:]
  /// When the last message on each of its links arrives. Looked up, never iterated.
  @exclusivity(unchecked) var lanes: [Int: Instant] = [:]
  var sinks: OrderedDictionary<SinkID, SimulatedClient> = [:]
  /// Of the scenario's requests, those that come in here.
  var asks: [Int] = []

  init(
    _ number: Int, _ machine: Scenario.Machine, keys: KeyPair, settings: NodeSettings, view: Int?,
    using random: inout SeededRandom
  ) {
    self.number = number
    id = keys.id
    self.settings = settings
    diskDelay = .fromSeconds(machine.disk / 1_000)
    clock = LocalClock(drift: machine.drift, zero: Int64(random.index(below: 1_000_000_000)), skew: machine.skew)
    let start = Instant.seconds(machine.startsAt)
    node = .allocate(capacity: 1)
    node.initialize(
      to: Node(
        keys: keys, settings: settings, memory: Memory(records: []), now: clock.monotonic(start),
        wall: clock.wall(start)))
    if let view { node.pointee.boundView(to: view) }
    self.random = SeededRandom(seed: random.next())
    lots = SeededRandom(seed: random.next())
  }

  deinit {
    node.deinitialize(count: 1)
    node.deallocate()
  }
}
