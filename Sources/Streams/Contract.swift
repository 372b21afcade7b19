import Base
import Identity
import Vocabulary

// What Core tells this room, and what it asks of Core. All cases are plain values.

/// What happens to the streams of a node.
public enum StreamInput: Sendable {
  // MARK: From Sessions, through Core

  /// Opens the group, or gives an open one a new plan: its upstream lists are replaced without loss, an armed one opened
  /// with `.now` starts, a failed one starts afresh where its output stopped. Groups are known by their output's key: one
  /// node never needs two of a key.
  case open(GroupPlan, Activation)
  /// Ends the group: its worker stops, its subscribers are refused `closed`.
  case close(StreamKey)
  /// Opens a delivery to clients.
  case openSink(SinkID, InputPlan, from: StartPoint)
  /// Gives a sink another list of upstreams, without loss.
  case replaceSinkUpstreams(SinkID, [Upstream])
  /// Ends a delivery.
  case closeSink(SinkID)
  /// The client side has written everything up to and with this position.
  case delivered(SinkID, through: Position)
  /// The answer to ``StreamEffect/authorize(_:subscriber:key:assignment:)``: serve this subscriber.
  case authorized(AuthorizationToken)
  /// The answer to ``StreamEffect/authorize(_:subscriber:key:assignment:)``: do not; the text is told to the subscriber.
  case unauthorized(AuthorizationToken, String)

  // MARK: From other nodes

  /// A checked message from a link; also messages of this node to itself, which the room passes round by itself.
  case message(StreamMessage, from: NodeID)
  /// A message of this room that could not be read came from this node.
  case garbage(from: NodeID)
  /// The link to this node closed, could not be opened, or membership has found the node dead. What was sent and not
  /// acknowledged may be lost.
  case linkClosed(NodeID)

  // MARK: From workers

  /// A worker spoke.
  case worker(WorkerID, WorkerReport)
  /// A worker's process ended, or could not be started; the text says how. Expected after its end or
  /// ``StreamEffect/stopWorker(_:)``, and then ignored.
  case workerDied(WorkerID, String)

  /// The timer that ``StreamEffect/setTimer(_:at:)`` asked for.
  case timer(StreamTimer)
}

/// What this room wants done. Effects are carried out in order.
public enum StreamEffect: Sendable {
  /// Send over the link to this other node, opening one if need be; when that fails, answer ``StreamInput/linkClosed(_:)``.
  case send(StreamMessage, to: NodeID)
  /// Does this assignment entitle the subscriber to the stream of this node? Answer with ``StreamInput/authorized(_:)`` or
  /// ``StreamInput/unauthorized(_:_:)``; at once, or later. The subscriber may be this node.
  case authorize(AuthorizationToken, subscriber: NodeID, key: StreamKey, assignment: [UInt8])
  /// Start a worker on this job. What follows for it may be queued until it is ready; that is bounded by its credit.
  case startWorker(WorkerID, WorkerJob)
  /// Tell a worker.
  case toWorker(WorkerID, WorkerCommand)
  /// End a worker; its death needs no report. Also after its end of output.
  case stopWorker(WorkerID)
  /// Hand this to the clients of a sink.
  case deliver(SinkID, Delivery)
  /// Tell Sessions, events and counters.
  case report(StreamReport)
  /// Call back then. Replaces the earlier time of the same timer.
  case setTimer(StreamTimer, at: Instant)
}

/// The room's timers.
public enum StreamTimer: Hashable, Sendable {
  /// Beats, silence, retries, graces: whatever is due first. One that fires early or late does no harm.
  case pulse
}

/// When a group's worker starts.
public enum Activation: Hashable, Sendable {
  /// At once, from the beginning of its stream.
  case now
  /// With its first authorised subscriber, where that one wants to begin: a standby, or the replacement of a dead group.
  case armed
}

/// A group as Sessions has been assigned it.
public struct GroupPlan: Hashable, Sendable {
  /// Stages, input keys, output key.
  public var spec: GroupSpec
  /// One for each of the specification's inputs, in its order.
  public var inputs: [InputPlan]

  /// - Precondition: as many inputs as the specification has, with its keys.
  public init(spec: GroupSpec, inputs: [InputPlan]) {
    precondition(spec.inputs == inputs.map(\.key), "a plan names its inputs in the specification's order")
    self.spec = spec
    self.inputs = inputs
  }

  /// Whether a stage reads a file, whose path Core adds to the worker's job.
  public var readsSource: Bool { spec.stages.contains { $0.component.hasPrefix("source.") } }
}

/// Where an input's stream may be had.
public struct InputPlan: Hashable, Sendable {
  /// Which stream.
  public var key: StreamKey
  /// In order of preference: the primary, then standbys; at most ``Limits/upstreams``, of which the rest is dropped.
  public var upstreams: [Upstream]
  /// - Precondition: at least one upstream.
  public init(key: StreamKey, upstreams: [Upstream]) {
    precondition(!upstreams.isEmpty, "an input has at least one upstream")
    self.key = key
    self.upstreams = upstreams
  }
}

/// A node that may publish a stream, with what entitles us to it.
public struct Upstream: Hashable, Sendable {
  /// The publisher; may be this node.
  public var node: NodeID
  /// Signed bytes to show it; opaque here.
  public var assignment: [UInt8]
  /// See the properties.
  public init(node: NodeID, assignment: [UInt8]) {
    self.node = node
    self.assignment = assignment
  }
}

/// What a sink's clients get, in order.
public enum Delivery: Hashable, Sendable {
  /// The preamble; again when it changes.
  case format(MediaFormat)
  /// A packet, to be confirmed by ``StreamInput/delivered(_:through:)``.
  case packet(Packet)
  /// The stream's end: everything before has been confirmed.
  case end
}

/// Who takes a stream on this node.
public enum Consumer: Hashable, Sendable, CustomStringConvertible {
  /// The input socket of this number of the group with this output.
  case group(StreamKey, input: Int)
  /// A delivery.
  case sink(SinkID)
  public var description: String {
    switch self {
    case .group(let key, let input): "\(key.short)[\(input)]"
    case .sink(let id): "\(id)"
    }
  }
}

/// What Sessions, events and counters learn.
public enum StreamReport: Hashable, Sendable {
  /// A standby has its first subscriber and starts there; nil: at the beginning.
  case activated(StreamKey, at: Position?)
  /// A group's first packet of this run is out.
  case producing(StreamKey, from: Position)
  /// A consumer left one upstream for the next by itself; `at` is the position it goes on from, nil before its first.
  case switched(Consumer, key: StreamKey, from: NodeID, to: NodeID, because: Trouble, at: Position?)
  /// The first packet after trouble; the gap counts from the last packet or beat before it.
  case resumed(Consumer, key: StreamKey, from: NodeID, at: Position, gap: Duration)
  /// All upstreams were tried ``Limits/upstreamCycles`` times in vain. Said once an outage; the attempts go on, seldom.
  case exhausted(Consumer, key: StreamKey, because: Trouble)
  /// The group's worker died and was started again at its next output position; `restarts` counts the recent ones.
  case workerRestarted(StreamKey, because: String, restarts: Int)
  /// The group failed for good: its worker cannot do the job, or died too often. Its subscribers were refused.
  case failed(StreamKey, WorkerFault)
  /// The source turned out to be damaged: the stream ends with what was readable of it.
  case damaged(StreamKey, WorkerFault)
  /// A subscriber lagged the whole window behind the others and was cut.
  case cut(StreamKey, subscriber: NodeID)
  /// The last subscriber left, and its grace is over; a group that still ran stands by again, without a worker.
  case unconsumed(StreamKey)
  /// The stream has ended, and every subscriber has acknowledged all of it.
  case finished(StreamKey)
  /// The delivery has ended, everything confirmed.
  case delivered(SinkID)
}

/// Why a consumer turns from an upstream.
public enum Trouble: Hashable, Sendable, CustomStringConvertible {
  /// Two beats were missed, or a subscription was not answered in time.
  case silent
  /// The link closed or could not be opened.
  case linkClosed
  /// The publisher refused.
  case refused(StreamMessage.Refusal)
  /// What it sent could not be read, came without a preamble or beyond the credit.
  case garbage
  /// A position was skipped.
  case jump(expected: Position, found: Position)
  /// The manager's new list leads elsewhere.
  case replaced
  public var description: String {
    switch self {
    case .silent: "silent"
    case .linkClosed: "link closed"
    case .refused(let refusal): "refused: \(refusal)"
    case .garbage: "garbage"
    case .jump(let expected, let found): "jumped from \(expected) to \(found)"
    case .replaced: "replaced"
    }
  }
}

/// What a worker is asked to do: one group, from its beginning or from a position.
public struct WorkerJob: Hashable, Sendable {
  /// The group's stages.
  public var spec: GroupSpec
  /// The first position to emit; nil: from the very start.
  public var resumeAt: Position?
  /// What the first output needs of each input; empty with a position: begin at the inputs' start and discard.
  public var origins: [Origin]
  /// See the properties.
  public init(spec: GroupSpec, resumeAt: Position?, origins: [Origin]) {
    self.spec = spec
    self.resumeAt = resumeAt
    self.origins = origins
  }
}

/// What a running worker is told.
public enum WorkerCommand: Hashable, Sendable {
  /// The format of an input socket's packets; first, and when it changes.
  case inputFormat(socket: Int, MediaFormat)
  /// The next packet of an input socket.
  case inputPacket(socket: Int, Packet)
  /// No packet follows on this input socket.
  case inputEnd(socket: Int)
  /// This many more payload bytes may be emitted.
  case credit(bytes: Int)
}

/// What a running worker says.
public enum WorkerReport: Hashable, Sendable {
  /// The format of the output; before its first packet.
  case format(MediaFormat)
  /// The next output packet.
  case packet(Packet)
  /// No output follows.
  case end
  /// Payload bytes that left the queue of an input socket.
  case consumed(socket: Int, bytes: Int)
  /// It cannot go on.
  case failure(WorkerFault)
}

/// Why a worker cannot go on.
public struct WorkerFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// `source_missing`, `not_media`, `truncated`, `unsupported`, `internal`, … Only `internal` is worth another try.
  public var kind: String
  /// Which stage; nil when none in particular.
  public var stage: Int?
  /// For people.
  public var message: String
  /// See the properties.
  public init(kind: String, stage: Int?, message: String) {
    self.kind = kind
    self.stage = stage
    self.message = message
  }
  /// Whether a new run may fare better.
  public var isTransient: Bool { kind == "internal" }
  /// Whether a worker that says so has made all that there is: its end follows.
  public var isOfTheEnd: Bool { kind == "truncated" }
  public var description: String { "\(kind): \(message)" }
}
