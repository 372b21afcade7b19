import Base
import Identity
import Vocabulary

/// Measures paths by packet trains: datagrams sent back to back arrive as far apart as the narrowest link spreads them, so
/// bytes over dispersion is what the path carries now (Dovrolis, Ramanathan, Moore, INFOCOM 2001). At a bounded rate.
///
/// One train proves little: a receiver that was busy reads the cars late and all at once, and sees a fast path, or the last
/// one late, and sees a slow one. So the median of the last few trains counts.
struct PathProber: Sendable {
  private var paths: OrderedDictionary<NodeID, Path> = [:]
  private var arriving: OrderedDictionary<NodeID, Arriving> = [:]
  private var next: UInt64 = 0
  /// What is known of each path, the thinnest first.
  private(set) var rates: [PathRate] = []
  /// The widest path each way: what the access link carries at least.
  private(set) var best: (up: Int64, down: Int64) = (0, 0)
  /// Rises whenever ``rates`` may be others.
  private(set) var version: UInt64 = 0
  /// Something was measured since they were put together.
  private var isStale = false

  private struct Path: Sendable {
    /// Towards the peer, by its own account of this node's trains.
    var up = Readings()
    /// From the peer, by its trains.
    var down = Readings()
    var used = RateMeter()
    var trains = 0
    var probed: Instant?
    var train: UInt64?
  }
  private struct Arriving: Sendable {
    var train: UInt64
    var first: Instant
    var last: Instant
    var seen: UInt64
    var cars: Int { seen.nonzeroBitCount }
  }

  /// The last few readings of a path's capacity.
  struct Readings: Sendable {
    private var recent: [Int64] = []
    /// The median, the lower one of two; 0 before the first.
    private(set) var capacity: Int64 = 0

    mutating func add(_ reading: Int64) {
      recent.append(reading)
      if recent.count > Limits.trainReadings { recent.removeFirst() }
      capacity = recent.sorted()[(recent.count - 1) / 2]
    }
  }

  /// Paths that are measured.
  var count: Int { paths.count }
  /// Trains on their way to this node.
  var arrivals: Int { arriving.count }

  /// A dispersion below a clock's doubt: more than anyone here needs.
  static let most: Int64 = 10_000_000_000

  /// Bits a second out of the bytes after the first car and the time that they took.
  static func capacity(bytes: UInt64, dispersion nanoseconds: Int64) -> Int64 {
    nanoseconds < 10_000 ? most : min(most, Int64(Double(bytes) * 8e9 / Double(nanoseconds)))
  }

  /// Puts together what there is to report; nothing to do when nothing was measured since.
  mutating func settle() {
    guard isStale else { return }
    isStale = false
    version += 1
    var known: [PathRate] = []
    best = (0, 0)
    for (node, path) in paths {
      let capacity = capacity(of: path)
      best = (max(best.up, capacity), max(best.down, path.down.capacity))
      if capacity > 0 { known.append(PathRate(to: node, capacity: capacity, used: Int64(path.used.rate * 8))) }
    }
    rates = Array(known.sorted { $0.capacity < $1.capacity }.prefix(Limits.reportedPaths))
  }

  /// What flows is carried, whatever trains say; before any train it says nothing of what more there is.
  private func capacity(of path: Path) -> Int64 {
    path.up.capacity == 0 ? 0 : max(path.up.capacity, Int64(path.used.rate * 8))
  }

  mutating func follow(_ node: NodeID, at now: Instant) -> [BoardEffect] {
    guard paths[node] == nil else { return [] }
    paths[node] = Path()
    return [.setTimer(.train, at: now + Limits.trainPause)]
  }

  mutating func leave(_ node: NodeID) { if paths.removeValue(forKey: node) != nil { isStale = true } }

  mutating func count(_ traffic: [(node: NodeID, sent: UInt64, received: UInt64)], at now: Instant) {
    for peer in traffic { paths[peer.node]?.used.read(peer.sent, at: now) }
    isStale = true
  }

  /// A saturated link to this peer carried so much: as good as a train.
  mutating func reached(_ node: NodeID, _ bits: Int64) {
    if bits > 0 { read(node) { $0.up.add(min(bits, PathProber.most)) } }
  }

  private mutating func read(_ node: NodeID, _ change: (inout Path) -> Void) {
    guard let place = paths.index(forKey: node) else { return }
    change(&paths.values[place])
    isStale = true
  }

  // MARK: - Sending

  mutating func sendNext(isBusy: Bool, at now: Instant, using random: inout SeededRandom) -> [BoardEffect] {
    guard !paths.isEmpty else { return [] }
    let wanted = paths.count <= Limits.freshPaths ? Limits.firstTrains : 1
    // Fresh paths first, then the one measured longest ago.
    var (fresh, oldest, newest, measured) = (Int?.none, 0, Instant?.none, 0)
    for place in paths.values.indices {
      // Of the path no more than is asked for: a copy holds its readings, too.
      let (trains, probed) = (paths.values[place].trains, paths.values[place].probed)
      let mark = (trains, probed ?? .zero)
      if trains < wanted, fresh.map({ mark < (paths.values[$0].trains, paths.values[$0].probed ?? .zero) }) ?? true {
        fresh = place
      }
      if mark.1 < paths.values[oldest].probed ?? .zero { oldest = place }
      if let probed {
        newest = max(newest ?? probed, probed)
        measured += 1
      }
    }
    let place = fresh ?? oldest
    let (node, path) = paths.elements[place]
    // The first paths soon; in a large overlay the rest one after the other, or a node would send nothing but trains for hours.
    let isInHurry = fresh != nil && measured < Limits.freshPaths
    let interval = isInHurry ? .zero : fresh != nil || isBusy ? Limits.busyTrainInterval : Limits.trainInterval
    let jitter = 0.75 + random.fraction() / 2
    // A path of a busy node is due a while after its own last train; on an idle one, any train a while after the last of all.
    let last = isInHurry || isBusy && fresh == nil ? path.probed : newest
    if let last, now - last < interval {
      let pause = isBusy ? Limits.trainPause : min(Limits.busyTrainInterval, interval - (now - last))
      return [.setTimer(.train, at: now + .fromSeconds(pause.seconds * jitter))]
    }
    next += 1
    paths.values[place].probed = now
    paths.values[place].trains += 1
    paths.values[place].train = next
    return (0..<Limits.trainCars).map { .sendTrain(.car(train: next, index: $0, count: Limits.trainCars), to: node) }
      + [.setTimer(.train, at: now + .fromSeconds(Limits.trainPause.seconds * jitter))]
  }

  // MARK: - Receiving

  mutating func onTrain(_ message: TrainMessage, from sender: NodeID, at now: Instant) -> [BoardEffect] {
    switch message {
    case .car(let train, let index, let count):
      guard var seen = arriving[sender], seen.train == train else {
        if arriving[sender] == nil, arriving.count >= Limits.arrivingTrains { arriving.removeFirst() }
        arriving[sender] = Arriving(train: train, first: now, last: now, seen: 1 << UInt64(index))
        return [.setTimer(.arrival(sender), at: now + Limits.trainTimeout)]
      }
      seen.last = now
      seen.seen |= 1 << UInt64(index)
      arriving[sender] = seen
      return seen.cars == count ? judge(sender, at: now) : []
    case .arrival(let train, let bytes, let nanoseconds):
      guard paths[sender]?.train == train, bytes > 0 else { return [] }
      read(sender) {
        $0.train = nil
        $0.up.add(PathProber.capacity(bytes: bytes, dispersion: nanoseconds))
      }
      return []
    }
  }

  /// The train is complete, or the rest of it is late: what came is told to the sender.
  mutating func judge(_ sender: NodeID, at now: Instant) -> [BoardEffect] {
    guard let seen = arriving.removeValue(forKey: sender) else { return [] }
    // Two cars are a pair's noise; a thin path may well drop the tail of a train.
    guard seen.cars > 2 else { return [] }
    let bytes = UInt64((seen.cars - 1) * Limits.trainBytes)
    let nanoseconds = (seen.last - seen.first).nanoseconds
    read(sender) { $0.down.add(PathProber.capacity(bytes: bytes, dispersion: nanoseconds)) }
    return [.sendTrain(.arrival(train: seen.train, bytes: bytes, nanoseconds: nanoseconds), to: sender)]
  }
}
