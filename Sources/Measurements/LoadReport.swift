import Base
import Identity
import Vocabulary

/// What a node measured of itself: its load, its link, where it stands, what it serves and offers; put together from the parts
/// in which it travels (see ``ReportPart``).
public struct LoadReport: Hashable, Sendable {
  /// Who measured.
  public var node: NodeID
  /// Rises with every part over all starts of the node; here that of the newest pulse.
  public var sequence: UInt64
  /// When the pulse was measured, by the node's own wall clock.
  public var wall: WallTime
  /// Load and calibrated throughput.
  public var load = LoadVector()
  /// The access link.
  public var rates = LinkRates()
  /// Towards single peers, at most ``Base/Limits/reportedPaths``, the thinnest.
  public var paths: [PathRate] = []
  /// Where it stands.
  public var coordinate = Coordinate.origin
  /// Streams that others may be grafted on, at most ``Base/Limits/reportedStreams``.
  public var streams: [ServedStream] = []
  /// Components that it offers; nil = all that it knows.
  public var components: [String]?
  /// Workers promised to managers: running, armed and reserved.
  public var promisedSlots = 0
  /// Cores promised to managers.
  public var promisedCores = 0.0

  /// See the properties.
  public init(node: NodeID, sequence: UInt64, wall: WallTime) {
    self.node = node
    self.sequence = sequence
    self.wall = wall
  }

  // MARK: - In parts

  /// What travels in pages of a datagram each.
  static func pages<Item>(_ items: [Item], of size: Int, most: Int) -> [(index: Int, items: [Item])] {
    stride(from: 0, to: min(items.count, most), by: size).map { start in
      (start / size, Array(items[start..<min(start + size, items.count, most)]))
    }
  }

  mutating func take(_ part: ReportPart) {
    switch part.content {
    case .pulse(let pulse):
      (sequence, wall) = (part.sequence, part.wall)
      (load, rates, coordinate) = (pulse.load, pulse.rates, pulse.coordinate)
      (promisedSlots, promisedCores) = (pulse.promisedSlots, pulse.promisedCores)
    case .offer(let components): self.components = components
    case .streams(_, let streams): self.streams += streams
    case .paths(_, let paths): self.paths += paths
    }
  }
}

extension ReportPart.Content {
  /// Whether this differs enough from what was told earlier to be told at once.
  func movedNoticeably(since earlier: ReportPart.Content) -> Bool {
    switch (self, earlier) {
    case (.pulse(let now), .pulse(let before)): now.movedNoticeably(since: before)
    case (.offer(let now), .offer(let before)): now != before
    case (.streams(_, let now), .streams(_, let before)):
      now.map(\.key) != before.map(\.key) || now.map { $0.firstHeld == 0 } != before.map { $0.firstHeld == 0 }
        || now.map { $0.spareFanOut > 0 } != before.map { $0.spareFanOut > 0 }
        || zip(now, before).contains { moved($0.bitrate, $1.bitrate) }
    case (.paths(_, let now), .paths(_, let before)):
      now.map(\.to) != before.map(\.to)
        || zip(now, before).contains { moved($0.capacity, $1.capacity) || moved($0.used, $1.used) }
    default: true
    }
  }
}

extension ReportPart.Pulse {
  fileprivate func movedNoticeably(since earlier: Self) -> Bool {
    let (a, b) = (load, earlier.load)
    if promisedSlots != earlier.promisedSlots || a.slotsUsed != b.slotsUsed
      || abs(promisedCores - earlier.promisedCores) >= 0.1
    {
      return true
    }
    if abs(a.ownCPU - b.ownCPU) >= 0.15 || abs(a.machineCPU - b.machineCPU) >= 0.15
      || abs(a.cpuPressure - b.cpuPressure) >= 0.2
    {
      return true
    }
    if abs(a.deadlineMisses - b.deadlineMisses) >= 0.05 || abs(a.memory - b.memory) >= 0.1 { return true }
    if a.decodeRate != b.decodeRate || a.encodeRate != b.encodeRate || a.filterRate != b.filterRate { return true }
    if moved(rates.upUsed, earlier.rates.upUsed) || moved(rates.downUsed, earlier.rates.downUsed) { return true }
    if moved(rates.upCapacity, earlier.rates.upCapacity) || moved(rates.downCapacity, earlier.rates.downCapacity) {
      return true
    }
    return coordinate.roundTrip(to: earlier.coordinate) - coordinate.height - earlier.coordinate.height >= 10
  }
}

/// By more than a quarter, and by more than a trickle.
private func moved(_ a: Int64, _ b: Int64) -> Bool { abs(a - b) > max(200_000, max(a, b) / 4) }
