/// The overlay as one peer sees it.
public struct OverlayStatus: Codable, Hashable, Sendable {
  /// Node ID of the peer that answers.
  public var node: String
  /// Milliseconds since 1970-01-01T00:00:00Z, at this peer.
  public var atMs: Int64
  /// Every member it knows, itself first, the others by node ID.
  public var members: [MemberView]
  /// IDs of the services that it knows to be running.
  public var services: [String]
  /// Worker processes that run here.
  public var workers: Int
  /// What an electorate drawn now would bear.
  public var tolerance: ToleranceView
  /// How this peer has managers found, e.g. `rendezvous`.
  public var strategy: String
  /// What may be believed of them: `quorum`, `majorityCrashOnly` or `unsafe`.
  public var safety: String
  /// For a person, e.g. that one more loss would freeze services.
  public var warnings: [String]
  /// Proofs of fraud that this peer knows, in the order in which it learnt them; their culprits elect nobody.
  public var frauds: [FraudView]

  /// See the properties.
  public init(
    node: String, atMs: Int64, members: [MemberView], services: [String] = [], workers: Int = 0,
    tolerance: ToleranceView, strategy: String = "rendezvous", safety: String = "quorum", warnings: [String] = [],
    frauds: [FraudView] = []
  ) {
    self.strategy = strategy
    self.safety = safety
    self.node = node
    self.atMs = atMs
    self.members = members
    self.services = services
    self.workers = workers
    self.tolerance = tolerance
    self.warnings = warnings
    self.frauds = frauds
  }
}

/// A proof of fraud.
public struct FraudView: Codable, Hashable, Sendable {
  /// Node ID of the member that is ignored in elections.
  public var culprit: String
  /// `twoVotes`, `brokenPromise` or `twoVersions`.
  public var kind: String
  /// The request in whose election it happened.
  public var request: String
  /// For a person, one line.
  public var summary: String
  /// When this peer learnt of it, milliseconds since 1970-01-01T00:00:00Z.
  public var sinceMs: Int64
  /// Until then its culprit is ignored.
  public var untilMs: Int64
  /// See the properties.
  public init(culprit: String, kind: String, request: String, summary: String, sinceMs: Int64, untilMs: Int64) {
    self.culprit = culprit
    self.kind = kind
    self.request = request
    self.summary = summary
    self.sinceMs = sinceMs
    self.untilMs = untilMs
  }
}

/// What an electorate bears.
public struct ToleranceView: Codable, Hashable, Sendable {
  /// Electors.
  public var k: Int
  /// Lying electors that it bears.
  public var f: Int
  /// Signatures that make a mandate.
  public var quorum: Int
  /// Crashed electors that it bears: k − quorum.
  public var crashes: Int
  /// See the properties.
  public init(k: Int, f: Int, quorum: Int) {
    self.k = k
    self.f = f
    self.quorum = quorum
    self.crashes = k - quorum
  }
}

/// A member with its last signed measurement.
public struct MemberView: Codable, Hashable, Sendable {
  /// How its peers see it.
  public enum State: String, Codable, Sendable, CaseIterable { case alive, suspect, dead, left }

  /// Node ID.
  public var node: String
  /// `HOST:PORT` of UDP and TCP.
  public var address: String
  /// How this peer sees it.
  public var state: State
  /// It is the peer that answers.
  public var isSelf: Bool
  /// Seconds since anything was heard of it.
  public var ageSeconds: Double
  /// Where a browser reaches its portal, e.g. `http://127.0.0.2:8080`; nil when it told nobody.
  public var portal: String?
  /// Smoothed round trip from this peer in milliseconds; nil before the first.
  public var roundTripMs: Double?
  /// Vivaldi coordinate in milliseconds, four dimensions; nil before the first.
  public var coordinate: [Double]?
  /// The coordinate's height in milliseconds.
  public var coordinateHeightMs: Double?
  /// The coordinate's relative error, 0…1.5.
  public var coordinateError: Double?
  /// Components that it offers.
  public var components: [String] = []
  /// Its load; nil before its first measurement came.
  public var load: LoadView?
  /// Streams that it serves and that others may be grafted on.
  public var streams: [ServedStreamView] = []
  /// Paths from it to single peers, as it measured them, the thinnest first.
  public var paths: [PathView] = []

  /// See the properties.
  public init(node: String, address: String, state: State, isSelf: Bool = false, ageSeconds: Double) {
    self.node = node
    self.address = address
    self.state = state
    self.isSelf = isSelf
    self.ageSeconds = ageSeconds
  }
}

/// A node's own, signed measurement. Shares are 0…1.
public struct LoadView: Codable, Hashable, Sendable {
  /// Seconds since it was measured.
  public var ageSeconds: Double
  /// CPU that the peer and its workers use, of the operator's share.
  public var ownCpu: Double
  /// CPU that everything on the machine uses.
  public var machineCpu: Double
  /// Share of time in which tasks waited for a CPU.
  public var cpuPressure: Double
  /// Memory in use, of the operator's share.
  public var memory: Double
  /// Frames late / frames due.
  public var deadlineMisses: Double
  /// Workers running.
  public var slotsUsed: Int
  /// Workers allowed.
  public var slots: Int
  /// Cores of the operator's share.
  public var cores: Double
  /// Calibrated: megapixels a second and core, decoding.
  public var decodeMegapixelsPerSecond: Double
  /// Calibrated: megapixels a second and core, encoding.
  public var encodeMegapixelsPerSecond: Double
  /// Calibrated: megapixels a second and core, scaling.
  public var filterMegapixelsPerSecond: Double
  /// It sends now.
  public var upBitsPerSecond: Int64
  /// It receives now.
  public var downBitsPerSecond: Int64
  /// It can send; nil = not yet known.
  public var upCapacityBitsPerSecond: Int64?
  /// It can receive; nil = not yet known.
  public var downCapacityBitsPerSecond: Int64?

  /// See the properties.
  public init(
    ageSeconds: Double, ownCpu: Double, machineCpu: Double, cpuPressure: Double, memory: Double, deadlineMisses: Double,
    slotsUsed: Int, slots: Int, cores: Double, decodeMegapixelsPerSecond: Double, encodeMegapixelsPerSecond: Double,
    filterMegapixelsPerSecond: Double, upBitsPerSecond: Int64, downBitsPerSecond: Int64,
    upCapacityBitsPerSecond: Int64? = nil, downCapacityBitsPerSecond: Int64? = nil
  ) {
    self.ageSeconds = ageSeconds
    self.ownCpu = ownCpu
    self.machineCpu = machineCpu
    self.cpuPressure = cpuPressure
    self.memory = memory
    self.deadlineMisses = deadlineMisses
    self.slotsUsed = slotsUsed
    self.slots = slots
    self.cores = cores
    self.decodeMegapixelsPerSecond = decodeMegapixelsPerSecond
    self.encodeMegapixelsPerSecond = encodeMegapixelsPerSecond
    self.filterMegapixelsPerSecond = filterMegapixelsPerSecond
    self.upBitsPerSecond = upBitsPerSecond
    self.downBitsPerSecond = downBitsPerSecond
    self.upCapacityBitsPerSecond = upCapacityBitsPerSecond
    self.downCapacityBitsPerSecond = downCapacityBitsPerSecond
  }
}

/// A stream that a member serves.
public struct ServedStreamView: Codable, Hashable, Sendable {
  /// Of the stream: 52 characters.
  public var streamKey: String
  /// Bits a second now.
  public var bitsPerSecond: Int64
  /// Subscribers that it can still take.
  public var spareFanOut: Int
  /// See the properties.
  public init(streamKey: String, bitsPerSecond: Int64, spareFanOut: Int) {
    self.streamKey = streamKey
    self.bitsPerSecond = bitsPerSecond
    self.spareFanOut = spareFanOut
  }
}

/// A path that a member measured.
public struct PathView: Codable, Hashable, Sendable {
  /// Node ID of the other end.
  public var to: String
  /// What it carried when it was measured last.
  public var capacityBitsPerSecond: Int64
  /// What the member sends over it now.
  public var usedBitsPerSecond: Int64
  /// See the properties.
  public init(to: String, capacityBitsPerSecond: Int64, usedBitsPerSecond: Int64) {
    self.to = to
    self.capacityBitsPerSecond = capacityBitsPerSecond
    self.usedBitsPerSecond = usedBitsPerSecond
  }
}

/// Whether a peer can take requests.
public struct HealthView: Codable, Hashable, Sendable {
  /// In a word. `ok` and `degraded` are answered 200, the others 503.
  public enum Status: String, Codable, Sendable { case starting, ok, degraded, stopping }
  /// In a word.
  public var status: Status
  /// Node ID.
  public var node: String
  /// Of the program.
  public var version: String
  /// Seconds since the peer started.
  public var uptimeSeconds: Double
  /// Members alive, itself included.
  public var membersAlive: Int
  /// What is not as it should be.
  public var warnings: [String]
  /// See the properties.
  public init(
    status: Status, node: String, version: String, uptimeSeconds: Double, membersAlive: Int, warnings: [String] = []
  ) {
    self.status = status
    self.node = node
    self.version = version
    self.uptimeSeconds = uptimeSeconds
    self.membersAlive = membersAlive
    self.warnings = warnings
  }
}
