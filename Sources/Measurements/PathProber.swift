import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// A car of a packet train, or what its receiver saw.
public enum TrainMessage: Hashable, Sendable {
  /// One of `count` datagrams sent back to back, all of ``Base/Limits/trainBytes``.
  case car(train: UInt64, index: Int, count: Int)
  /// Bytes that came after the first car, and the nanoseconds that they took.
  case arrival(train: UInt64, bytes: UInt64, nanoseconds: Int64)

  public init(validating wire: WireMeasurementDatagram) throws(InvalidMessage) {
    switch wire.body {
    case .car(let car):
      let count = Int(try Field.number(car.count, "TrainCar.count", in: 2...64))
      self = .car(
        train: wire.train, index: Int(try Field.number(car.index, "TrainCar.index", in: 0...UInt32(count - 1))),
        count: count)
    case .arrival(let arrival):
      self = .arrival(
        train: wire.train, bytes: try Field.number(arrival.bytes, "TrainArrival.bytes", in: 0...1_000_000),
        nanoseconds: try Field.number(arrival.dispersionNs, "TrainArrival.dispersion_ns", in: 0...60_000_000_000))
    case nil: throw InvalidMessage("MeasurementDatagram", "says nothing")
    }
  }

  /// For the datagram.
  public var wire: WireMeasurementDatagram {
    .with {
      switch self {
      case .car(let train, let index, let count):
        $0.train = train
        $0.car = .with {
          $0.index = UInt32(index)
          $0.count = UInt32(count)
          $0.padding = Data(count: Limits.trainBytes - 60)
        }
      case .arrival(let train, let bytes, let nanoseconds):
        $0.train = train
        $0.arrival = .with {
          $0.bytes = bytes
          $0.dispersionNs = nanoseconds
        }
      }
    }
  }
}

/// Measures paths by packet trains: datagrams sent back to back arrive as far apart as the narrowest link spreads them, so
/// bytes over dispersion is what the path carries now (Dovrolis, Ramanathan, Moore, INFOCOM 2001). At a bounded rate.
struct PathProber: Sendable {
  private var paths: OrderedDictionary<NodeID, Path> = [:]
  private var arriving: OrderedDictionary<NodeID, Arriving> = [:]
  private var next: UInt64 = 0
  private(set) var best: (up: Int64, down: Int64) = (0, 0)

  private struct Path: Sendable {
    var capacity: Int64 = 0
    var used = RateMeter()
    var probed: Instant?
    var train: UInt64?
  }
  private struct Arriving: Sendable {
    var train: UInt64
    var first: Instant
    var last: Instant
    var cars = 1
  }
  /// A dispersion below a clock's doubt: more than anyone here needs.
  static let most: Int64 = 10_000_000_000

  /// What is known of each path, the thinnest first.
  var rates: [PathRate] {
    let known = paths.filter { $0.value.capacity > 0 }.sorted { $0.value.capacity < $1.value.capacity }
    return known.prefix(Limits.reportedPaths).map {
      PathRate(to: $0.key, capacity: $0.value.capacity, used: Int64($0.value.used.rate * 8))
    }
  }

  mutating func follow(_ nodes: [NodeID], at now: Instant) -> [BoardEffect] {
    let wanted = Set(nodes)
    for node in Array(paths.keys) where !wanted.contains(node) { paths.removeValue(forKey: node) }
    let isFirst = paths.isEmpty
    for node in nodes where paths[node] == nil { paths[node] = Path() }
    return isFirst && !paths.isEmpty ? [.setTimer(.train, at: now + Limits.trainPause)] : []
  }

  mutating func count(_ traffic: [(node: NodeID, sent: UInt64, received: UInt64)], at now: Instant) {
    for peer in traffic { paths[peer.node]?.used.read(peer.sent, at: now) }
  }

  // MARK: - Sending

  mutating func sendNext(isBusy: Bool, at now: Instant, using random: inout SeededRandom) -> [BoardEffect] {
    guard !paths.isEmpty else { return [] }
    let again = BoardEffect.setTimer(
      .train, at: now + .fromSeconds(Limits.trainPause.seconds * (0.75 + random.fraction() / 2)))
    let interval = isBusy ? Limits.busyTrainInterval : Limits.trainInterval
    let due = paths.filter { path in path.value.probed.map { now - $0 >= interval } ?? true }
    guard let (node, _) = due.min(by: { ($0.value.probed ?? .zero) < ($1.value.probed ?? .zero) }) else {
      return [again]
    }
    next += 1
    paths[node]!.probed = now
    paths[node]!.train = next
    return (0..<Limits.trainCars).map { .sendTrain(.car(train: next, index: $0, count: Limits.trainCars), to: node) }
      + [again]
  }

  // MARK: - Receiving

  mutating func onTrain(_ message: TrainMessage, from sender: NodeID, at now: Instant) -> [BoardEffect] {
    switch message {
    case .car(let train, let index, let count):
      guard var seen = arriving[sender], seen.train == train else {
        if arriving[sender] == nil, arriving.count >= 256 { arriving.removeFirst() }
        arriving[sender] = Arriving(train: train, first: now, last: now)
        return [.setTimer(.arrival(sender, train), at: now + Limits.trainTimeout)]
      }
      seen.last = now
      seen.cars += 1
      arriving[sender] = seen
      return index == count - 1 ? judge(sender, train) : []
    case .arrival(let train, let bytes, let nanoseconds):
      guard var path = paths[sender], path.train == train, bytes > 0 else { return [] }
      path.train = nil
      let reading =
        nanoseconds < 10_000 ? PathProber.most : min(PathProber.most, Int64(Double(bytes) * 8e9 / Double(nanoseconds)))
      // A train can be held up by chance, never sped up: a better reading counts at once, a worse one by half.
      path.capacity = path.capacity == 0 || reading > path.capacity ? reading : (path.capacity + reading) / 2
      paths[sender] = path
      best.up = paths.values.map(\.capacity).max() ?? 0
      return []
    }
  }

  /// The train is complete, or the rest of it is late: what came is told to the sender.
  mutating func judge(_ sender: NodeID, _ train: UInt64) -> [BoardEffect] {
    guard let seen = arriving[sender], seen.train == train else { return [] }
    arriving.removeValue(forKey: sender)
    guard seen.cars > 1 else { return [] }
    let bytes = UInt64((seen.cars - 1) * Limits.trainBytes)
    let nanoseconds = (seen.last - seen.first).nanoseconds
    let reading =
      nanoseconds < 10_000 ? PathProber.most : min(PathProber.most, Int64(Double(bytes) * 8e9 / Double(nanoseconds)))
    best.down = max(best.down, reading)
    return [.sendTrain(.arrival(train: train, bytes: bytes, nanoseconds: nanoseconds), to: sender)]
  }
}
