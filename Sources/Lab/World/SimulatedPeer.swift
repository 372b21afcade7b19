import Base
import Core
import Identity
import Streams
import Vocabulary

/// One machine with the peer that runs on it.
struct SimulatedPeer {
  let keys: KeyPair
  var settings: NodeSettings
  var node: Node
  var random: SeededRandom
  var clock: LocalClock
  var disk = SimulatedDisk()
  /// A write takes this long, slow disks included.
  var diskDelay: Duration
  var workers: OrderedDictionary<WorkerID, SimulatedWorker> = [:]
  /// Looked up, never iterated: the number of the newest setting of each timer.
  var timers: [Core.Timer: UInt64] = [:]
  /// Can become: up. A machine that has not started is down too.
  var isUp = false
  /// It lost its power without anybody being told.
  var isSilent = false
  /// It stands still until then.
  var pausedUntil: Instant?
  /// It has left and not joined again.
  var hasLeft = false
  /// Counts starts, so that what was meant for an earlier life is dropped.
  var life = 0
  var workersStarted = 0
  var starts = 0
  /// Payload bytes to and from each peer, for the gauges.
  var sent: OrderedDictionary<Int, UInt64> = [:]
  var received: OrderedDictionary<Int, UInt64> = [:]
}
