import Base
import Identity

/// A point of the Vivaldi model with height (Dabek et al., SIGCOMM 2004): the distance of two coordinates predicts a round trip.
public struct Coordinate: Hashable, Sendable {
  // Inline: a coordinate rides on every probe and is kept for every member, and an array would be an allocation each.
  private var (x, y, z, w) = (0.0, 0.0, 0.0, 0.0)
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
    (x, y, z, w) = (vector[0], vector[1], vector[2], vector[3])
    self.height = height
    self.error = error
  }

  /// Euclidean part, in milliseconds; always ``dimensions`` long.
  public var vector: [Double] {
    get { [x, y, z, w] }
    set {
      precondition(newValue.count == Coordinate.dimensions)
      (x, y, z, w) = (newValue[0], newValue[1], newValue[2], newValue[3])
    }
  }

  /// The predicted round trip in milliseconds, at least 0.
  public func roundTrip(to other: Coordinate) -> Double {
    away(from: other).length + height + other.height
  }

  /// From another coordinate to this one, in the Euclidean part.
  public func away(from other: Coordinate) -> Displacement {
    Displacement(x: x - other.x, y: y - other.y, z: z - other.z, w: w - other.w)
  }

  /// Moves the Euclidean part so far in the direction of `step`, which is `length` long.
  public mutating func move(_ far: Double, along step: Displacement, of length: Double) {
    x += far * step.x / length
    y += far * step.y / length
    z += far * step.z / length
    w += far * step.w / length
  }

  /// As others are told: to 10 µs, far below what a network's jitter lets anyone measure, and within the bounds of the wire.
  public var told: Coordinate {
    func part(_ value: Double) -> Double { max(-1e7, min(1e7, (value * 100).rounded())) / 100 }
    var told = self
    (told.x, told.y, told.z, told.w) = (part(x), part(y), part(z), part(w))
    told.height = max(0, min(1e7, (height * 100).rounded())) / 100
    told.error = max(0, min(1_500, (error * 1_000).rounded())) / 1_000
    return told
  }

  /// All parts are numbers no larger than `bound`.
  public func isWithin(_ bound: Double) -> Bool {
    func isFine(_ value: Double) -> Bool { value.isFinite && abs(value) <= bound }
    return isFine(x) && isFine(y) && isFine(z) && isFine(w) && isFine(height)
  }

  /// A difference of two coordinates' Euclidean parts.
  public struct Displacement: Hashable, Sendable {
    var (x, y, z, w): (Double, Double, Double, Double)
    /// In milliseconds.
    public var length: Double { (x * x + y * y + z * z + w * w).squareRoot() }

    init(x: Double, y: Double, z: Double, w: Double) { (self.x, self.y, self.z, self.w) = (x, y, z, w) }

    /// In a random direction, of at most one millisecond.
    public static func anyhow(using random: inout SeededRandom) -> Displacement {
      let (x, y) = (random.fraction() - 0.5, random.fraction() - 0.5)
      let (z, w) = (random.fraction() - 0.5, random.fraction() - 0.5)
      return Displacement(x: x, y: y, z: z, w: w)
    }
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
