import Base
import Identity
import Vocabulary

// What people and the API see of the streams of a node (`GET /v1/services/ID`): sockets with peer, format and counters.

/// A group, its input sockets and its output socket, at a moment.
public struct GroupSnapshot: Hashable, Sendable {
  /// The output's key.
  public var key: StreamKey
  /// What the group does now.
  public var state: GroupState
  /// In the order of the specification.
  public var inputs: [InputSnapshot]
  /// The output socket.
  public var output: OutputSnapshot
  /// Times that its worker died and was started again.
  public var restarts: Int
  /// Nobody subscribes, nor has left so recently that a replacement may still come.
  public var isUnconsumed: Bool { output.subscribers.isEmpty && output.departed == 0 }
}

/// What a group does.
public enum GroupState: Hashable, Sendable {
  /// Waits for its first subscriber; no worker. Can become: running.
  case armed
  /// Its worker runs. Can become: paused, ended, failed; armed, when its last subscriber has left.
  case running(WorkerID)
  /// Its worker was stopped because its window is full of tiny packets. Can become: running.
  case paused
  /// All output is made; some may not be acknowledged yet. Can become: running, for a subscriber who begins further back.
  case ended
  /// For good, until a new plan. Can become: running.
  case failed(WorkerFault)
}

/// An input socket, or a sink's.
public struct InputSnapshot: Hashable, Sendable {
  /// What it subscribes to.
  public var key: StreamKey
  /// The upstream in use, or tried next.
  public var peer: NodeID
  /// `idle`, `waiting`, `asking`, `flowing`, `done`.
  public var state: String
  /// What the publisher's preamble said; nil before it.
  public var format: MediaFormat?
  /// Payload bytes received and passed on, duplicates excluded.
  public var bytes: UInt64
  /// Packets received and passed on, duplicates excluded.
  public var packets: UInt64
  /// Packets dropped because their position had been received before.
  public var duplicates: UInt64
  /// The first position received.
  public var first: Position?
  /// The newest position received.
  public var last: Position?
  /// Everything below is acknowledged upstream.
  public var acknowledgedBelow: Position?
  /// Times that it turned to another upstream.
  public var switches: Int
  /// Bits a second, over the last seconds.
  public var bitrate: Int64
}

/// An output socket.
public struct OutputSnapshot: Hashable, Sendable {
  /// What the worker announced; nil before.
  public var format: MediaFormat?
  /// Payload bytes made.
  public var bytes: UInt64
  /// Packets made.
  public var packets: UInt64
  /// The first position made since the group last started.
  public var first: Position?
  /// The newest position made.
  public var last: Position?
  /// Everything below is acknowledged by all subscribers.
  public var acknowledgedBelow: Position?
  /// The earliest position in the replay window.
  public var firstHeld: Position?
  /// Payload bytes in the replay window.
  public var heldBytes: Int
  /// Bits a second, over the last seconds.
  public var bitrate: Int64
  /// Who is served.
  public var subscribers: [SubscriberSnapshot]
  /// Subscribers lately gone whose marks still hold the window.
  public var departed: Int
}

/// One subscriber of an output socket.
public struct SubscriberSnapshot: Hashable, Sendable {
  /// The subscribing node; may be this one.
  public var peer: NodeID
  /// Payload bytes sent.
  public var bytes: UInt64
  /// Packets sent.
  public var packets: UInt64
  /// The next position to send; nil before the stream's first.
  public var next: Position?
  /// Everything below is acknowledged.
  public var acknowledgedBelow: Position?
}

/// A sink, at a moment.
public struct SinkSnapshot: Hashable, Sendable {
  /// Core's name for it.
  public var id: SinkID
  /// Its subscription.
  public var input: InputSnapshot
  /// Payload bytes that the clients have not yet confirmed.
  public var unconfirmedBytes: Int
}

extension StreamTable {
  /// All groups, in the order in which they were opened.
  public func groups(at now: Instant) -> [GroupSnapshot] { groups.values.map { $0.snapshot(at: now) } }

  /// The group with this output; nil when this node has none.
  public func group(_ key: StreamKey, at now: Instant) -> GroupSnapshot? { groups[key]?.snapshot(at: now) }

  /// All sinks, in the order in which they were opened.
  public func sinks(at now: Instant) -> [SinkSnapshot] { sinks.values.map { $0.snapshot(at: now) } }

  /// The sink of this name; nil when it is closed.
  public func sink(_ id: SinkID, at now: Instant) -> SinkSnapshot? { sinks[id]?.snapshot(at: now) }

  /// Streams that cannot be had from their beginning here any more, unless everybody who reads them leaves.
  public var begun: OrderedSet<StreamKey> { OrderedSet(groups.values.lazy.filter { !$0.canBegin }.map(\.key)) }

  /// What measurements say this node serves: groups whose worker runs or has made everything.
  public func servedStreams(at now: Instant) -> [ServedStream] { groups.values.compactMap { $0.served(at: now) } }
}

extension Group {
  func snapshot(at now: Instant) -> GroupSnapshot {
    let readers = subscribers.map {
      SubscriberSnapshot(
        peer: $0.peer, bytes: $0.sent, packets: $0.packets, next: $0.next, acknowledgedBelow: $0.acknowledgedBelow)
    }
    let output = OutputSnapshot(
      format: window.format, bytes: bytes, packets: packets, first: firstMade, last: lastMade,
      acknowledgedBelow: acknowledgedBelow, firstHeld: window.first, heldBytes: window.bytes,
      bitrate: rate.value(at: now), subscribers: readers, departed: departed.count)
    return GroupSnapshot(
      key: key, state: state, inputs: inlets.map { $0.snapshot(at: now) }, output: output, restarts: restarts)
  }

  /// Whether a new subscriber can have the stream from its beginning.
  var canBegin: Bool {
    switch state {
    case .armed, .failed: true
    case .running, .paused, .ended: window.holdsBeginning || (subscribers.isEmpty && departed.isEmpty)
    }
  }

  /// Nil while nothing is served. A joiner begins at a key packet, so that is what counts as held.
  func served(at now: Instant) -> ServedStream? {
    switch state {
    case .armed, .failed: return nil
    case .running, .paused, .ended: break
    }
    let held = canBegin ? 0 : (window.firstKey ?? seat.position)?.index ?? 0
    return ServedStream(
      key: key, bitrate: rate.value(at: now), spareFanOut: Limits.subscribers - subscribers.count, firstHeld: held)
  }
}
