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
    var capacity: Int64 { recent.isEmpty ? 0 : recent.sorted()[(recent.count - 1) / 2] }

    mutating func add(_ reading: Int64) {
      recent.append(reading)
      if recent.count > Limits.trainReadings { recent.removeFirst() }
    }
  }

  /// A dispersion below a clock's doubt: more than anyone here needs.
  static let most: Int64 = 10_000_000_000

  /// Bits a second out of the bytes after the first car and the time that they took.
  static func capacity(bytes: UInt64, dispersion nanoseconds: Int64) -> Int64 {
    nanoseconds < 10_000 ? most : min(most, Int64(Double(bytes) * 8e9 / Double(nanoseconds)))
  }

  /// What is known of each path, the thinnest first.
  var rates: [PathRate] {
    let known = paths.map { (node: $0.key, capacity: capacity(of: $0.value), used: Int64($0.value.used.rate * 8)) }
    return known.filter { $0.capacity > 0 }.sorted { $0.capacity < $1.capacity }.prefix(Limits.reportedPaths).map {
      PathRate(to: $0.node, capacity: $0.capacity, used: $0.used)
    }
  }

  /// The widest path each way: what the access link carries at least.
  var best: (up: Int64, down: Int64) {
    (paths.values.map { capacity(of: $0) }.max() ?? 0, paths.values.map(\.down.capacity).max() ?? 0)
  }

  /// What flows is carried, whatever trains say; before any train it says nothing of what more there is.
  private func capacity(of path: Path) -> Int64 {
    path.up.capacity == 0 ? 0 : max(path.up.capacity, Int64(path.used.rate * 8))
  }

  mutating func follow(_ nodes: [NodeID], at now: Instant) -> [BoardEffect] {
    let wanted = Set(nodes)
    for node in Array(paths.keys) where !wanted.contains(node) { paths.removeValue(forKey: node) }
    let before = paths.count
    for node in nodes where paths[node] == nil { paths[node] = Path() }
    return paths.count > before ? [.setTimer(.train, at: now + Limits.trainPause)] : []
  }

  mutating func count(_ traffic: [(node: NodeID, sent: UInt64, received: UInt64)], at now: Instant) {
    for peer in traffic { paths[peer.node]?.used.read(peer.sent, at: now) }
  }

  /// A saturated link to this peer carried so much: as good as a train.
  mutating func reached(_ node: NodeID, _ bits: Int64) {
    if bits > 0 { paths[node]?.up.add(min(bits, PathProber.most)) }
  }

  // MARK: - Sending

  mutating func sendNext(isBusy: Bool, at now: Instant, using random: inout SeededRandom) -> [BoardEffect] {
    guard !paths.isEmpty else { return [] }
    let wanted = paths.count <= Limits.freshPaths ? Limits.firstTrains : 1
    // Fresh paths first, then the one measured longest ago.
    let fresh = paths.filter { $0.value.trains < wanted }.min {
      ($0.value.trains, $0.value.probed ?? .zero) < ($1.value.trains, $1.value.probed ?? .zero)
    }
    let oldest = paths.min { ($0.value.probed ?? .zero) < ($1.value.probed ?? .zero) }
    guard let (node, path) = fresh ?? oldest else { return [] }
    let interval = fresh != nil ? .zero : isBusy ? Limits.busyTrainInterval : Limits.trainInterval
    let jitter = 0.75 + random.fraction() / 2
    // A path of a busy node is due a while after its own last train; on an idle one, any train a while after the last of all.
    let last = isBusy || fresh != nil ? path.probed : paths.values.compactMap(\.probed).max()
    if let last, now - last < interval {
      let pause = isBusy ? Limits.trainPause : min(Limits.busyTrainInterval, interval - (now - last))
      return [.setTimer(.train, at: now + .fromSeconds(pause.seconds * jitter))]
    }
    next += 1
    paths[node]!.probed = now
    paths[node]!.trains += 1
    paths[node]!.train = next
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
        return [.setTimer(.arrival(sender, train), at: now + Limits.trainTimeout)]
      }
      seen.last = now
      seen.seen |= 1 << UInt64(index)
      arriving[sender] = seen
      return seen.cars == count ? judge(sender, train, at: now) : []
    case .arrival(let train, let bytes, let nanoseconds):
      guard paths[sender]?.train == train, bytes > 0 else { return [] }
      paths[sender]?.train = nil
      paths[sender]?.up.add(PathProber.capacity(bytes: bytes, dispersion: nanoseconds))
      return []
    }
  }

  /// The train is complete, or the rest of it is late: what came is told to the sender.
  mutating func judge(_ sender: NodeID, _ train: UInt64, at now: Instant) -> [BoardEffect] {
    guard let seen = arriving[sender], seen.train == train else { return [] }
    arriving.removeValue(forKey: sender)
    // Two cars are a pair's noise; a thin path may well drop the tail of a train.
    guard seen.cars > 2 else { return [] }
    let bytes = UInt64((seen.cars - 1) * Limits.trainBytes)
    let nanoseconds = (seen.last - seen.first).nanoseconds
    paths[sender]?.down.add(PathProber.capacity(bytes: bytes, dispersion: nanoseconds))
    return [.sendTrain(.arrival(train: train, bytes: bytes, nanoseconds: nanoseconds), to: sender)]
  }
}
