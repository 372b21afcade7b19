/// The answer to a request that was taken.
public struct ServiceAccepted: Codable, Hashable, Sendable {
  /// The request's, and therefore the service's, ID.
  public var id: String
  /// What it is doing now.
  public var state: ServiceState
  /// The elected manager's node ID; nil before the election is done.
  public var manager: String?
  /// The term of its mandate, e.g. `1`.
  public var term: String?
  /// What can be played, and where.
  public var outputs: [OutputView]
  /// The same idempotency key with the same document came before: this is that service. Answered 200, not 201.
  public var isRepeat: Bool

  /// See the properties.
  public init(
    id: String, state: ServiceState, manager: String? = nil, term: String? = nil, outputs: [OutputView] = [],
    isRepeat: Bool = false
  ) {
    self.id = id
    self.state = state
    self.manager = manager
    self.term = term
    self.outputs = outputs
    self.isRepeat = isRepeat
  }
}

/// The life of a service.
public enum ServiceState: String, Codable, Sendable, CaseIterable {
  /// The electors are voting.
  case electing
  /// The manager probes the source, builds the graph and places it.
  case planning
  /// Nodes are being reserved.
  case reserving
  /// Media may flow.
  case running
  /// Running on, but fewer than a quorum of electors answer: no repair until they do.
  case frozen
  /// Over, as asked or at the source's end.
  case ended
  /// Over, for the reason given in ``ServiceView/failure``.
  case failed

  /// Nothing happens to it any more.
  public var isOver: Bool { self == .ended || self == .failed }
}

/// A service with its live chain.
public struct ServiceView: Codable, Hashable, Sendable {
  /// The request's ID.
  public var id: String
  /// What it is doing now.
  public var state: ServiceState
  /// Seconds since the request came.
  public var ageSeconds: Double
  /// Seconds since what is shown here was last heard of.
  public var heardSecondsAgo: Double?
  /// The request document, canonical.
  public var request: String
  /// Node ID of the manager; nil before there is one.
  public var manager: String?
  /// The mandate's term.
  public var term: String?
  /// The electorate's epoch.
  public var epoch: Int?
  /// Node IDs of the electors.
  public var electorate: [String]
  /// Node ID of the portal that took the request.
  public var portal: String
  /// The graph, placed, in dependency order.
  public var stages: [StageView] = []
  /// Input and output sockets of its groups, standby ones too.
  public var sockets: [SocketView] = []
  /// Links between different nodes on the longest way from a source to the edge, the edge included.
  public var hops: Int = 0
  /// What can be played.
  public var outputs: [OutputView]
  /// How long its beginnings took.
  public var timings = TimingsView()
  /// Below a quorum: streams on, cannot be repaired.
  public var frozen = false
  /// For a person, e.g. that one more loss would freeze it.
  public var warnings: [String] = []
  /// Why it failed.
  public var failure: Problem?

  /// See the properties.
  public init(
    id: String, state: ServiceState, ageSeconds: Double, request: String, portal: String, electorate: [String] = [],
    outputs: [OutputView] = []
  ) {
    self.id = id
    self.state = state
    self.ageSeconds = ageSeconds
    self.request = request
    self.portal = portal
    self.electorate = electorate
    self.outputs = outputs
  }
}

/// A stage of the graph and where it runs.
public struct StageView: Codable, Hashable, Sendable {
  /// Its index in the graph.
  public var id: Int
  /// E.g. `video.scale`.
  public var component: String
  /// All parameters, defaults filled in.
  public var parameters: [String: JSONValue]
  /// The stages that feed it.
  public var inputs: [Int]
  /// Node ID; nil in a plan that nobody placed.
  public var node: String?
  /// Which group of its node it is fused into.
  public var group: Int?
  /// Grafted onto what ran already: nothing was started for it.
  public var reused: Bool

  /// See the properties.
  public init(
    id: Int, component: String, parameters: [String: JSONValue] = [:], inputs: [Int] = [], node: String? = nil,
    group: Int? = nil, reused: Bool = false
  ) {
    self.id = id
    self.component = component
    self.parameters = parameters
    self.inputs = inputs
    self.node = node
    self.group = group
    self.reused = reused
  }
}

/// A communication socket of a group: input sockets decompress, output sockets compress.
public struct SocketView: Codable, Hashable, Sendable {
  /// Which end of a link.
  public enum Direction: String, Codable, Sendable {
    case input = "in"
    case output = "out"
  }
  /// What it is for at this moment.
  public enum Role: String, Codable, Sendable { case primary, standby, sink }

  /// The group's number in the plan; nil for a delivery's sink.
  public var group: Int?
  /// Node ID of the owner.
  public var node: String
  /// Which end.
  public var direction: Direction
  /// What it is for.
  public var role: Role
  /// Of the stream: 52 characters.
  public var streamKey: String
  /// Local address, `HOST:PORT`.
  public var address: String
  /// Node ID of the other end (an output has one `SocketView` for each subscriber); nil while unconnected.
  public var peer: String?
  /// Address of the other end.
  public var peerAddress: String?
  /// Codec or container on the link, e.g. `h264`, `flac`, `webm`; nil before the preamble.
  public var codec: String?
  /// In words: `640×360 yuv420p 30/s`, `48000 Hz stereo`.
  public var format: String?
  /// Payload bytes since it opened.
  public var bytes: UInt64 = 0
  /// Packets since it opened.
  public var packets: UInt64 = 0
  /// Bits a second now, EWMA over seconds.
  public var bitsPerSecond: Double = 0
  /// First position that passed.
  public var firstPosition: UInt64?
  /// Last position that passed.
  public var lastPosition: UInt64?
  /// Everything up to here is acknowledged.
  public var acknowledged: UInt64?
  /// Times that an input went over to another upstream.
  public var switches: Int = 0
  /// Seconds since these figures were measured.
  public var ageSeconds: Double = 0

  /// See the properties.
  public init(
    group: Int?, node: String, direction: Direction, role: Role = .primary, streamKey: String, address: String,
    peer: String? = nil
  ) {
    self.group = group
    self.node = node
    self.direction = direction
    self.role = role
    self.streamKey = streamKey
    self.address = address
    self.peer = peer
  }
}

/// Something that can be played.
public struct OutputView: Codable, Hashable, Sendable {
  /// As in the request, e.g. `main`, `captions`.
  public var name: String
  /// Path on any portal, e.g. `/v1/services/ID/media/main`.
  public var url: String
  /// E.g. `video/webm; codecs="vp8, opus"`.
  public var mimeType: String
  /// BCP 47 of captions; nil when unknown.
  public var language: String?

  /// See the properties.
  public init(name: String, url: String, mimeType: String, language: String? = nil) {
    self.name = name
    self.url = url
    self.mimeType = mimeType
    self.language = language
  }
}

/// How long the beginnings of a service took, in milliseconds; nil = has not happened.
public struct TimingsView: Codable, Hashable, Sendable {
  /// From the portal's call to the mandate.
  public var electionMs: Double?
  /// From the mandate to the plan: probing, building, placing.
  public var placementMs: Double?
  /// From the plan to its commit: snapshot at a quorum, reserve, commit.
  public var reservationMs: Double?
  /// From the request's arrival to the first media byte at this portal.
  public var firstMediaMs: Double?
  /// See the properties.
  public init(
    electionMs: Double? = nil, placementMs: Double? = nil, reservationMs: Double? = nil, firstMediaMs: Double? = nil
  ) {
    self.electionMs = electionMs
    self.placementMs = placementMs
    self.reservationMs = reservationMs
    self.firstMediaMs = firstMediaMs
  }
}

/// Something that happened.
public struct ServiceEvent: Codable, Hashable, Sendable {
  /// Increasing at this peer; the `id` of the server-sent event.
  public var sequence: UInt64
  /// Milliseconds since 1970-01-01T00:00:00Z.
  public var atMs: Int64
  /// The service concerned; nil for what concerns the overlay.
  public var service: String?
  /// A word or two with dots, e.g. `election.mandate`, `service.running`, `socket.switched`: letters, digits, dots, hyphens, underscores.
  public var kind: String
  /// For a person, one line.
  public var summary: String
  /// For programs.
  public var details: [String: JSONValue]

  /// See the properties.
  public init(
    sequence: UInt64, atMs: Int64, service: String?, kind: String, summary: String, details: [String: JSONValue] = [:]
  ) {
    self.sequence = sequence
    self.atMs = atMs
    self.service = service
    self.kind = kind
    self.summary = summary
    self.details = details
  }
}
