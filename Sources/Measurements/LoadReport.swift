import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// What a node measured of itself, under its signature: its load, its link, where it stands, what it serves and offers.
public struct LoadReport: Statement {
  public static let kind = "load-report"
  /// Who measured.
  public var node: NodeID
  /// Rises with every report over all starts of the node; the highest is believed.
  public var sequence: UInt64
  /// When it was measured.
  public var wall: WallTime
  /// Load and calibrated throughput.
  public var load = LoadVector()
  /// The access link.
  public var rates = LinkRates()
  /// Towards single peers, at most ``Base/Limits/reportedPaths``.
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

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireLoadReport(parsing: bytes)
    self.init(
      node: try Field.node(wire.node, "LoadReport.node"), sequence: wire.sequence,
      wall: WallTime(milliseconds: wire.wallMs))
    load = try LoadVector(validating: wire.load)
    let bits: ClosedRange<Int64> = 0...1_000_000_000_000
    rates = LinkRates(
      upCapacity: try Field.number(wire.rates.upCapacity, "Rates.up_capacity", in: bits),
      downCapacity: try Field.number(wire.rates.downCapacity, "Rates.down_capacity", in: bits),
      upUsed: try Field.number(wire.rates.upUsed, "Rates.up_used", in: bits),
      downUsed: try Field.number(wire.rates.downUsed, "Rates.down_used", in: bits))
    for path in try Field.list(wire.paths, "LoadReport.paths", limit: Limits.reportedPaths) {
      paths.append(
        PathRate(
          to: try Field.node(path.to, "PathMark.to"),
          capacity: try Field.number(path.capacity, "PathMark.capacity", in: bits),
          used: try Field.number(path.used, "PathMark.used", in: bits)))
    }
    coordinate = try Coordinate(validating: wire.coordinate, "LoadReport.coordinate")
    for stream in try Field.list(wire.streams, "LoadReport.streams", limit: Limits.reportedStreams) {
      streams.append(
        ServedStream(
          key: StreamKey(try Field.bytes32(stream.stream, "Served.stream")),
          bitrate: try Field.number(stream.bitrate, "Served.bitrate", in: bits),
          spareFanOut: Int(stream.spare), firstHeld: stream.firstHeld))
    }
    components = nil
    if !wire.offersAll {
      var names: [String] = []
      for name in try Field.list(wire.components, "LoadReport.components", limit: 64) {
        names.append(try Field.text(name, "LoadReport.components", limit: 64))
      }
      components = names
    }
    promisedSlots = Int(try Field.number(wire.promisedSlots, "LoadReport.promised_slots", in: 0...65_536))
    promisedCores = try Field.number(wire.promisedCores, "LoadReport.promised_cores", in: 0...65_536)
  }

  /// The bytes that are signed.
  public func encoded() -> [UInt8] {
    WireLoadReport.with {
      $0.node = node.data
      $0.sequence = sequence
      $0.wallMs = wall.milliseconds
      $0.load = load.wire
      $0.rates = .with {
        $0.upCapacity = rates.upCapacity
        $0.downCapacity = rates.downCapacity
        $0.upUsed = rates.upUsed
        $0.downUsed = rates.downUsed
      }
      $0.paths = paths.map { path in
        .with {
          $0.to = path.to.data
          $0.capacity = path.capacity
          $0.used = path.used
        }
      }
      $0.coordinate = coordinate.wire
      $0.streams = streams.map { stream in
        .with {
          $0.stream = stream.key.hash.data
          $0.bitrate = stream.bitrate
          $0.spare = UInt32(clamping: stream.spareFanOut)
          $0.firstHeld = stream.firstHeld
        }
      }
      $0.offersAll = components == nil
      $0.components = components ?? []
      $0.promisedSlots = UInt32(clamping: promisedSlots)
      $0.promisedCores = promisedCores
    }.wireBytes
  }

  /// Whether this differs enough from an earlier report of the node to be told at once.
  func movedNoticeably(since earlier: LoadReport) -> Bool {
    func moved(_ a: Double, _ b: Double, by step: Double) -> Bool { abs(a - b) >= step }
    func changed(_ a: Int64, _ b: Int64) -> Bool { abs(a - b) > max(200_000, max(a, b) / 4) }
    if streams.map(\.key) != earlier.streams.map(\.key) || promisedSlots != earlier.promisedSlots
      || components != earlier.components
    {
      return true
    }
    if streams.map({ $0.firstHeld == 0 }) != earlier.streams.map({ $0.firstHeld == 0 }) { return true }
    if moved(load.ownCPU, earlier.load.ownCPU, by: 0.15) || moved(load.machineCPU, earlier.load.machineCPU, by: 0.15) {
      return true
    }
    if moved(load.deadlineMisses, earlier.load.deadlineMisses, by: 0.05)
      || moved(load.memory, earlier.load.memory, by: 0.1)
    {
      return true
    }
    if changed(rates.upUsed, earlier.rates.upUsed) || changed(rates.downUsed, earlier.rates.downUsed) { return true }
    return moved(
      coordinate.roundTrip(to: earlier.coordinate) - coordinate.height - earlier.coordinate.height, 0, by: 10)
      || load.encodeRate != earlier.load.encodeRate
  }
}

extension LoadVector {
  init(validating wire: WireLoad) throws(InvalidMessage) {
    let share = 0.0...1.0
    let rate = 0.0...1e6
    self.init(
      ownCPU: try Field.number(wire.ownCpu, "Load.own_cpu", in: share),
      machineCPU: try Field.number(wire.machineCpu, "Load.machine_cpu", in: share),
      cpuPressure: try Field.number(wire.cpuPressure, "Load.cpu_pressure", in: share),
      memory: try Field.number(wire.memory, "Load.memory", in: share),
      deadlineMisses: try Field.number(wire.deadlineMisses, "Load.deadline_misses", in: share),
      slotsUsed: Int(try Field.number(wire.slotsUsed, "Load.slots_used", in: 0...65_536)),
      slots: Int(try Field.number(wire.slots, "Load.slots", in: 0...65_536)),
      cores: try Field.number(wire.cores, "Load.cores", in: 0...65_536),
      decodeRate: try Field.number(wire.decodeRate, "Load.decode_rate", in: rate),
      encodeRate: try Field.number(wire.encodeRate, "Load.encode_rate", in: rate),
      filterRate: try Field.number(wire.filterRate, "Load.filter_rate", in: rate))
  }
  var wire: WireLoad {
    .with {
      $0.ownCpu = ownCPU
      $0.machineCpu = machineCPU
      $0.cpuPressure = cpuPressure
      $0.memory = memory
      $0.deadlineMisses = deadlineMisses
      $0.slotsUsed = UInt32(clamping: slotsUsed)
      $0.slots = UInt32(clamping: slots)
      $0.cores = cores
      $0.decodeRate = decodeRate
      $0.encodeRate = encodeRate
      $0.filterRate = filterRate
    }
  }
}
