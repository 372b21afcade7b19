import Base
import Identity

/// A point of the Vivaldi model with height (Dabek et al., SIGCOMM 2004): the distance of two coordinates predicts a round trip.
public struct Coordinate: Hashable, Sendable {
  /// Euclidean part, in milliseconds; always ``dimensions`` long.
  public var vector: [Double]
  /// The access link's share, in milliseconds, at least 0.
  public var height: Double
  /// Relative error of predictions, 0 (sure) … 1.5 (new).
  public var error: Double
  /// Dimensions of the Euclidean part.
  public static let dimensions = 4
  /// A newcomer's: at the origin, unsure.
  public static let origin = Coordinate(vector: Array(repeating: 0, count: dimensions), height: 0.1, error: 1.5)

  /// See the properties.
  public init(vector: [Double], height: Double, error: Double) {
    precondition(vector.count == Coordinate.dimensions)
    self.vector = vector
    self.height = height
    self.error = error
  }

  /// The predicted round trip in milliseconds, at least 0.
  public func roundTrip(to other: Coordinate) -> Double {
    var sum = 0.0
    for (a, b) in zip(vector, other.vector) { sum += (a - b) * (a - b) }
    return sum.squareRoot() + height + other.height
  }
}

/// Where a peer listens: one port number for UDP and TCP.
public struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
  /// An IP address in text form.
  public let host: String
  /// 1…65535.
  public let port: UInt16
  /// - Parameters:
  ///   - host: an IP address in text form.
  ///   - port: 1…65535.
  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }
  /// `10.0.0.1:7400`, `[::1]:7400`; nil for anything else. Host names are not resolved here.
  public init?(_ text: some StringProtocol) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
      return nil
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard !host.isEmpty, host.utf8.count <= 255 else { return nil }
    self.init(host: host, port: port)
  }
  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// What a node has left and how it fares: measured by itself, never configured.
public struct LoadVector: Hashable, Sendable {
  /// CPU that this peer and its workers use, of the operator's share of the machine: 0…1.
  public var ownCPU: Double
  /// CPU that everything on the machine uses, of the machine: 0…1. Work of others counts.
  public var machineCPU: Double
  /// Share of recent time in which runnable tasks of the machine waited for a CPU (Linux pressure stall): 0…1.
  public var cpuPressure: Double
  /// Memory in use, of the operator's share: 0…1.
  public var memory: Double
  /// Frames late / frames due in the workers, the last 10 s: 0…1. The real sign of saturation.
  public var deadlineMisses: Double
  /// Workers running now.
  public var slotsUsed: Int
  /// Workers that the operator allows.
  public var slots: Int
  /// Cores of the operator's share.
  public var cores: Double
  /// Calibrated once: megapixels a second and core, decoding.
  public var decodeRate: Double
  /// Calibrated once: megapixels a second and core, encoding.
  public var encodeRate: Double
  /// Calibrated once: megapixels a second and core, scaling.
  public var filterRate: Double

  /// See the properties.
  public init(
    ownCPU: Double = 0, machineCPU: Double = 0, cpuPressure: Double = 0, memory: Double = 0,
    deadlineMisses: Double = 0, slotsUsed: Int = 0, slots: Int = 4, cores: Double = 1,
    decodeRate: Double = 100, encodeRate: Double = 30, filterRate: Double = 200
  ) {
    self.ownCPU = ownCPU
    self.machineCPU = machineCPU
    self.cpuPressure = cpuPressure
    self.memory = memory
    self.deadlineMisses = deadlineMisses
    self.slotsUsed = slotsUsed
    self.slots = slots
    self.cores = cores
    self.decodeRate = decodeRate
    self.encodeRate = encodeRate
    self.filterRate = filterRate
  }
}

/// A node's access link, in bits a second.
public struct LinkRates: Hashable, Sendable {
  /// What the node can send: probed, or what real links reached; the operator's cap if lower. 0 = not yet known.
  public var upCapacity: Int64
  /// What the node can receive. 0 = not yet known.
  public var downCapacity: Int64
  /// What it sends now, EWMA over seconds.
  public var upUsed: Int64
  /// What it receives now, EWMA over seconds.
  public var downUsed: Int64
  /// See the properties.
  public init(upCapacity: Int64 = 0, downCapacity: Int64 = 0, upUsed: Int64 = 0, downUsed: Int64 = 0) {
    self.upCapacity = upCapacity
    self.downCapacity = downCapacity
    self.upUsed = upUsed
    self.downUsed = downUsed
  }
}

/// A rate reached or capped towards one other node, in bits a second: a path can be thinner than both access links.
public struct PathRate: Hashable, Sendable {
  /// The other end; the reporting node is the sender.
  public var to: NodeID
  /// Bits a second that the path carried when it was saturated or probed.
  public var capacity: Int64
  /// Bits a second on it now.
  public var used: Int64
  /// See the properties.
  public init(to: NodeID, capacity: Int64, used: Int64) {
    self.to = to
    self.capacity = capacity
    self.used = used
  }
}

/// A stream that a node serves and others may be grafted on.
public struct ServedStream: Hashable, Sendable {
  /// What is served.
  public var key: StreamKey
  /// Bits a second now.
  public var bitrate: Int64
  /// Subscribers that it can still take.
  public var spareFanOut: Int
  /// The earliest position that its replay window still holds; 0 = from the beginning.
  public var firstHeld: UInt64
  /// See the properties.
  public init(key: StreamKey, bitrate: Int64, spareFanOut: Int, firstHeld: UInt64) {
    self.key = key
    self.bitrate = bitrate
    self.spareFanOut = spareFanOut
    self.firstHeld = firstHeld
  }
}
