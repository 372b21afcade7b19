import Base
import Core
import Identity
import Measurements
import Streams
import Vocabulary

/// One machine of a ``ScaledSimulation`` with the peer that runs on it. Only its shard's thread touches what changes, and nothing that is
/// called meanwhile comes back here: what every happening touches is not checked for that.
final class ScaledPeer: @unchecked Sendable {
  let number: Int
  let id: NodeID
  let settings: NodeSettings
  let diskDelay: Duration
  let clock: LocalClock
  @exclusivity(unchecked) var node: Node
  /// The node's own chance.
  @exclusivity(unchecked) var random: SeededRandom
  /// The world's chance, for what happens to what this machine sends and writes.
  @exclusivity(unchecked) var lots: SeededRandom
  var disk = SimulatedDisk()
  var workers: OrderedDictionary<WorkerID, SimulatedWorker> = [:]
  /// Looked up, never iterated: what each timer that waits is withdrawn by.
  @exclusivity(unchecked) var timers: [Core.Timer: Int32] = [:]
  var isUp = false
  /// Happenings that it has asked for.
  @exclusivity(unchecked) var asked: UInt32 = 0
  /// When the last message on each of its links arrives. Looked up, never iterated.
  @exclusivity(unchecked) var lanes: [Int: Instant] = [:]
  /// When its uplink is free again.
  @exclusivity(unchecked) var upFree = Instant.zero
  @exclusivity(unchecked) var trace = TraceHash()
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
    node = Node(
      keys: keys, settings: settings, memory: Memory(records: []), now: clock.monotonic(start), wall: clock.wall(start))
    if let view { node.boundView(to: view) }
    self.random = SeededRandom(seed: random.next())
    lots = SeededRandom(seed: random.next())
  }
}
