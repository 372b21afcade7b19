import Base
import Identity
import Vocabulary

/// What a service node tells the manager of a request: at once what happened, with each renewal how it goes.
public struct NodeReport: Hashable, Sendable {
  /// The request.
  public var request: RequestID
  /// In the order in which they happened.
  public var events: [NodeEvent]
  /// All sockets that this node has for the request; empty when only events are told.
  public var counters: [StreamCounters]
  /// See the properties.
  public init(request: RequestID, events: [NodeEvent] = [], counters: [StreamCounters] = []) {
    self.request = request
    self.events = events
    self.counters = counters
  }
}

/// Whose input a stream goes to.
public enum StreamUser: Hashable, Sendable {
  /// The group with this output.
  case group(StreamKey)
  /// The sink of this output of the request.
  case delivery(String)
}

/// What happened at a service node.
public enum NodeEvent: Hashable, Sendable {
  /// An input fell silent and goes on with another upstream, by itself.
  case switched(StreamUser, stream: StreamKey, to: NodeID)
  /// An input has no upstream left that serves it.
  case starved(StreamUser, stream: StreamKey)
  /// A group's worker failed; `lasting` when starting it again cannot help (the source is no media, say) or did not.
  case failed(StreamKey, kind: String, detail: String, lasting: Bool)
  /// A group or sink has passed on its last position.
  case ended(StreamUser)
  /// This request's share is now the oldest of a group that another request opened: repair it, renew its upstreams.
  case inherited(InheritedGroup)
  /// The owner of a shared stream changed its standbys.
  case standbysChanged(SharedStream)
  /// The node does no work for this request: it restarted, or gave the work up.
  case holdsNothing
}

/// A shared group whose care passes to the next oldest share.
public struct InheritedGroup: Hashable, Sendable {
  /// The group.
  public var spec: GroupSpec
  /// Whom it takes its inputs from.
  public var inputs: [InputAssignment]
  /// Where it is armed.
  public var standbys: [Provider]
  /// What it takes of its node.
  public var demand: Demand
  /// See the properties.
  public init(spec: GroupSpec, inputs: [InputAssignment], standbys: [Provider], demand: Demand) {
    self.spec = spec
    self.inputs = inputs
    self.standbys = standbys
    self.demand = demand
  }
}

/// One socket of a group or sink, as it stands.
public struct StreamCounters: Hashable, Sendable {
  /// Whose socket.
  public var owner: StreamUser
  /// What runs through it.
  public var stream: StreamKey
  /// Input or output socket.
  public var isIncoming: Bool
  /// The other end.
  public var peer: NodeID
  /// The other end's address; nil on the node itself.
  public var address: PeerAddress?
  /// Codec, size or rate, for people.
  public var format: String
  /// Payload bytes so far.
  public var bytes: UInt64
  /// Packets so far.
  public var packets: UInt64
  /// The first position that passed.
  public var first: UInt64?
  /// The last position that passed.
  public var last: UInt64?
  /// Everything up to here is acknowledged.
  public var acknowledged: UInt64?
  /// Times that the input turned to another upstream.
  public var switches: UInt32
  /// Payload bits a second lately.
  public var bitsPerSecond: UInt64

  /// See the properties.
  public init(
    owner: StreamUser, stream: StreamKey, isIncoming: Bool, peer: NodeID, address: PeerAddress? = nil,
    format: String = "",
    bytes: UInt64 = 0, packets: UInt64 = 0, first: UInt64? = nil, last: UInt64? = nil, acknowledged: UInt64? = nil,
    switches: UInt32 = 0, bitsPerSecond: UInt64 = 0
  ) {
    self.owner = owner
    self.stream = stream
    self.isIncoming = isIncoming
    self.peer = peer
    self.address = address
    self.format = format
    self.bytes = bytes
    self.packets = packets
    self.first = first
    self.last = last
    self.acknowledged = acknowledged
    self.switches = switches
    self.bitsPerSecond = bitsPerSecond
  }
}
