import Base
import Composition
import Identity
import Vocabulary

// What the placer decides on: what gossip says of the nodes, corrected by what the manager knows better, and where the
// client is. A snapshot: whoever holds the same one, and the same seed, computes the same plan.

/// All inputs of one decision.
public struct PlacementInputs: Hashable, Sendable {
  /// What is to be placed.
  public var graph: ComponentGraph
  /// What is known of each node that may take part; each id once.
  public var nodes: [NodeView]
  /// Where the stream goes.
  public var client: ClientPlace
  /// The nodes that can read the source: its stages run nowhere else.
  public var readers: [NodeID]
  /// Refusals that the manager got, and nodes that it must leave alone.
  public var exclusions: [Exclusion] = []
  /// Streams that others are starting just now, as the electors said: as good as served.
  public var claims: [Claim] = []
  /// What stages and links may add between the reader and the client, in milliseconds; nil for no bound.
  public var latencyBound: Double?

  /// With the source read where the request says.
  public init(graph: ComponentGraph, nodes: [NodeView], client: ClientPlace) {
    self.graph = graph
    self.nodes = nodes
    self.client = client
    readers = [graph.source.node]
  }
}

/// What the manager knows of one node.
public struct NodeView: Hashable, Sendable {
  /// Its name.
  public var id: NodeID
  /// Its IP address in text form: raw frames go only between nodes of one address.
  public var host: String
  /// In the space in which distances predict round trips.
  public var coordinate: Coordinate
  /// As it measured itself.
  public var load = LoadVector()
  /// Of its access link.
  public var rates = LinkRates()
  /// Towards other nodes, where a path turned out thinner than the access links.
  public var paths: [PathRate] = []
  /// Components that its operator offers.
  public var offers: OrderedSet<String>
  /// Streams that others can be grafted on.
  public var serves: [ServedStream] = []
  /// Age of the measurement in seconds.
  public var age = 0.0
  /// What its operator allows.
  public var policy = Policy.open
  /// Somebody could not reach it just now: it is asked for what only it has, and for nothing else.
  public var isSuspect = false
  /// Promised since that measurement, by this manager and by others (gossiped with the record).
  public var pending = Pending()

  /// An idle node with default calibration.
  public init(id: NodeID, host: String, coordinate: Coordinate, offers: OrderedSet<String>) {
    self.id = id
    self.host = host
    self.coordinate = coordinate
    self.offers = offers
  }

  /// What an operator allows.
  public enum Policy: String, Hashable, Sendable, CaseIterable {
    /// New stages and new subscribers.
    case open
    /// Subscribers of what it runs, no new stages.
    case closed
    /// Neither: it is about to leave.
    case draining
  }

  /// Work promised but not yet measured.
  public struct Pending: Hashable, Sendable {
    /// Of the operator's share.
    public var cores = 0.0
    /// Workers.
    public var slots = 0
    /// Bits a second that it will send.
    public var up: Int64 = 0
    /// Bits a second that it will receive.
    public var down: Int64 = 0
    /// Nothing.
    public init() {}
  }
}

/// Where the client is.
public struct ClientPlace: Hashable, Sendable {
  /// Its own, or its portal's.
  public var coordinate: Coordinate
  /// Milliseconds of round trip to be added: from the portal to the client when the coordinate is the portal's.
  public var extra: Double
  /// The peer through which the stream reaches it, so that this peer's link counts; nil when unknown.
  public var portal: NodeID?

  /// See the properties.
  public init(coordinate: Coordinate, extra: Double = 0, portal: NodeID? = nil) {
    self.coordinate = coordinate
    self.extra = extra
    self.portal = portal
  }
}

/// A node that must not be asked, for one stream or for any.
public struct Exclusion: Hashable, Sendable {
  /// Which node.
  public var node: NodeID
  /// For the group that makes this stream; nil for everything.
  public var key: StreamKey?
  /// What it said, for the explanation.
  public var reason: String
  /// See the properties.
  public init(node: NodeID, key: StreamKey? = nil, reason: String) {
    self.node = node
    self.key = key
    self.reason = reason
  }
}

/// A stream that another manager is starting from its beginning.
public struct Claim: Hashable, Sendable {
  /// Which stream.
  public var key: StreamKey
  /// Where it will be served.
  public var node: NodeID
  /// See the properties.
  public init(key: StreamKey, node: NodeID) {
    self.key = key
    self.node = node
  }
}

extension PlacementInputs {
  /// A digest of everything that the decision depends on but the seed; nodes count in the order of their ids.
  public var digest: Bytes32 {
    var bytes = CanonicalBytes()
    for stage in graph.stages {
      bytes.add(stage.key.hash.bytes)
      for input in stage.inputs { bytes.add(Int64(input)) }
    }
    for output in graph.outputs { bytes.add(Int64(output.root)) }
    bytes.add("nodes")
    for node in nodes.sorted(by: { $0.id < $1.id }) { node.add(to: &bytes) }
    bytes.add("client")
    client.coordinate.add(to: &bytes)
    bytes.add(client.extra)
    bytes.add(client.portal?.bytes ?? [])
    bytes.add(latencyBound ?? -1)
    for reader in readers.sorted() { bytes.add(reader.bytes) }
    bytes.add("exclusions")
    for exclusion in exclusions.sorted(by: { ($0.node, $0.reason) < ($1.node, $1.reason) }) {
      bytes.add(exclusion.node.bytes)
      bytes.add(exclusion.key?.hash.bytes ?? [])
      bytes.add(exclusion.reason)
    }
    bytes.add("claims")
    for claim in claims.sorted(by: { ($0.key, $0.node) < ($1.key, $1.node) }) {
      bytes.add(claim.key.hash.bytes)
      bytes.add(claim.node.bytes)
    }
    return Digest.of(bytes.bytes, kind: "placement-inputs")
  }
}

extension NodeView {
  fileprivate func add(to bytes: inout CanonicalBytes) {
    bytes.add(id.bytes)
    bytes.add(host)
    coordinate.add(to: &bytes)
    for value in [
      load.ownCPU, load.machineCPU, load.cpuPressure, load.memory, load.deadlineMisses, load.cores, load.decodeRate,
      load.encodeRate, load.filterRate, age, pending.cores,
    ] { bytes.add(value) }
    for value in [
      Int64(load.slotsUsed), Int64(load.slots), rates.upCapacity, rates.downCapacity, rates.upUsed, rates.downUsed,
      Int64(pending.slots), pending.up, pending.down,
    ] { bytes.add(value) }
    bytes.add(policy.rawValue)
    if isSuspect { bytes.add("suspect") }
    bytes.add(Int64(paths.count))
    for path in paths {
      bytes.add(path.to.bytes)
      bytes.add(path.capacity)
      bytes.add(path.used)
    }
    bytes.add(Int64(offers.count))
    for offer in offers.sorted() { bytes.add(offer) }
    bytes.add(Int64(serves.count))
    for stream in serves {
      bytes.add(stream.key.hash.bytes)
      bytes.add(stream.bitrate)
      bytes.add(Int64(stream.spareFanOut))
      bytes.add(Int64(bitPattern: stream.firstHeld))
    }
  }
}

extension Coordinate {
  fileprivate func add(to bytes: inout CanonicalBytes) { for value in vector + [height, error] { bytes.add(value) } }
}
