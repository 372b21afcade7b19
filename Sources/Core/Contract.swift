import Assignments
import Base
import Composition
import Desks
import Elections
import Identity
import Mandates
import Measurements
import Membership
import Sessions
import Streams
import Vocabulary
import Wire

// What a peer can meet, and what it can want. All cases are plain values: `Runtime` makes them of sockets, processes and a
// clock, `Lab` of a simulation.

/// What happens to a peer. Large and seldom ones lie on the heap, so that the many small ones are cheap to pass on.
public enum Input: Sendable {
  // MARK: From the network

  /// A datagram came from this peer, opened and not replayed.
  case datagram(WireDatagramMessage, from: NodeID, at: PeerAddress)
  /// The same, where no bytes lie between: in a simulation.
  case gossip(GossipDatagram, from: NodeID, at: PeerAddress)
  /// A message came over a link.
  indirect case link(WireLinkMessage, from: NodeID)
  /// An exchange over a link, where no bytes lie between: in a simulation.
  case exchange(GossipExchange, from: NodeID)
  /// A link to this peer is up.
  case linkUp(NodeID)
  /// The link to this peer closed or could not be opened.
  case linkDown(NodeID)

  // MARK: From this machine

  /// A timer that was asked for.
  case timer(Timer)
  /// A worker spoke about its stream.
  indirect case worker(WorkerID, WorkerReport)
  /// A worker told how it fares: frames due and late since the last time.
  case workerProgress(WorkerID, due: UInt64, late: UInt64)
  /// A worker's process ended.
  case workerDied(WorkerID, String)
  /// The records of this token are on disk.
  case persisted(PersistToken)
  /// A probe that was asked for: what is at the path, or why not.
  indirect case probed(path: String, Result<SourceDescription, WorkerFault>)
  /// What /proc says.
  case sample(MachineSample)
  /// Bytes moved over links and datagrams so far, to and from each peer.
  case traffic([PeerTraffic])
  /// Encode, decode and filter throughput of this machine, calibrated: megapixels a second and core.
  case calibrated(decode: Double, encode: Double, filter: Double)

  // MARK: From clients

  /// A client of this portal asks.
  indirect case client(ClientToken, ClientQuestion)
  /// Clients of a sink wrote everything up to and with this position.
  case delivered(SinkID, through: Position)
  /// Whether a sink has clients.
  case clients(SinkID, present: Bool)

  // MARK: The operator

  /// Join through these.
  case join([Contact])
  /// Leave in good order.
  case leave
}

/// A peer to join through.
public struct Contact: Hashable, Sendable {
  /// Who it must prove to be.
  public var node: NodeID
  /// Where.
  public var address: PeerAddress
  /// See the properties.
  public init(node: NodeID, address: PeerAddress) {
    self.node = node
    self.address = address
  }
}

/// Payload bytes to and from one peer since the start.
public struct PeerTraffic: Hashable, Sendable {
  /// The peer.
  public var node: NodeID
  /// Sent.
  public var sent: UInt64
  /// Received.
  public var received: UInt64
  /// See the properties.
  public init(node: NodeID, sent: UInt64, received: UInt64) {
    self.node = node
    self.sent = sent
    self.received = received
  }
}

/// Joins a client's question to its answer.
public struct ClientToken: Hashable, Sendable {
  /// Chosen by the shell, never used twice.
  public let number: UInt64
  /// - Parameter number: never used twice.
  public init(_ number: UInt64) { self.number = number }
}

/// What a client of this portal asks.
public enum ClientQuestion: Sendable {
  /// A service, in the canonical form of its request; a key under which a repetition is the same request; milliseconds of the connection's round trip.
  case submit(ServiceRequest, idempotencyKey: String?, place: Coordinate?, extra: Double)
  /// What the builder makes of a request; nothing runs but a probe of the source.
  case plan(ServiceRequest)
  /// How a service fares; with the explanation of its plan, or without.
  case inquire(RequestID, explanation: Bool)
  /// To end a service.
  case end(RequestID)
}
