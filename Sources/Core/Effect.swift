import Assignments
import Base
import Composition
import Desks
import Elections
import Identity
import Mandates
import Measurements
import Membership
import Rivals
import Sessions
import Streams
import Vocabulary
import Wire

/// What a peer wants done. Effects are carried out in order. Large and seldom ones lie on the heap, as with ``Input``.
public enum Effect: Sendable {
  /// Seal and send.
  case sendDatagram(GossipDatagram, to: NodeID, at: PeerAddress)
  /// Send over a link, opening one if need be, without an address only over one that is open; when that fails, answer ``Input/linkDown(_:)``.
  indirect case sendLink(WireLinkMessage, to: NodeID, at: PeerAddress?, LinkPurpose)
  /// The same, over the link for control.
  case sendExchange(GossipExchange, to: NodeID, at: PeerAddress?)
  /// Call back then with ``Input/timer(_:)``. Replaces the earlier time of the same timer.
  case setTimer(Timer, at: Instant)
  /// Do not call back, if the timer still waits.
  case stopTimer(Timer)
  /// Write these, all or none, and answer with ``Input/persisted(_:)`` once they would survive a loss of power.
  case persist([Record], PersistToken)
  /// Forget these records; no hurry.
  case forget([Record.Name])
  /// Start a worker on this job, with the path in the operator's share that a source stage reads, if it has one.
  indirect case startWorker(WorkerID, WorkerJob, source: String?)
  /// Tell a worker.
  indirect case toWorker(WorkerID, WorkerCommand)
  /// End a worker.
  case stopWorker(WorkerID)
  /// Hand this to the clients of a sink.
  indirect case deliver(SinkID, Streams.Delivery)
  /// A sink is open for this output of a service.
  case sinkOpened(SinkID, RequestID, output: String)
  /// A sink is closed: its clients get what is left, or the reason.
  case sinkClosed(SinkID)
  /// Look at this path of the operator's share and answer with ``Input/probed(path:_:)``.
  case probe(path: String)
  /// Answer a client.
  indirect case answer(ClientToken, ClientAnswer)
  /// Something worth telling: events, trace, log.
  indirect case event(Event)
}

/// Control messages do not wait behind media.
public enum LinkPurpose: Hashable, Sendable {
  case control, media
}

/// Joins records to the moment at which they are safe.
public struct PersistToken: Hashable, Sendable {
  /// Counts from 1.
  public let number: UInt64
}

/// A thing to remember over a restart.
public struct Record: Hashable, Sendable {
  /// What names a record; a later one of the same name replaces it.
  public struct Name: Hashable, Sendable {
    /// The room and kind, e.g. `vote`.
    public var kind: String
    /// Within the kind.
    public var key: [UInt8]
    /// See the properties.
    public init(kind: String, key: [UInt8]) {
      self.kind = kind
      self.key = key
    }
  }
  /// Its name.
  public var name: Name
  /// The content.
  public var bytes: [UInt8]
  /// After this nothing needs it.
  public var keepUntil: WallTime
  /// See the properties.
  public init(kind: String, key: [UInt8], bytes: [UInt8], keepUntil: WallTime) {
    name = Name(kind: kind, key: key)
    self.bytes = bytes
    self.keepUntil = keepUntil
  }
}

/// What a client of this portal is told.
public enum ClientAnswer: Sendable {
  /// The service runs, its sinks are open here.
  case accepted(RequestID, outputs: [String], isRepeat: Bool)
  /// What a request would become.
  case planned(ComponentGraph)
  /// It does not.
  case refused(Refused)
  /// How a service fares.
  case report(ServiceReport)
  /// No peer that was asked knows the service.
  case unknown
}

/// Why a request is not served.
public enum Refused: Error, Hashable, Sendable {
  /// The source cannot be had: the fault's kind, in whose share.
  case source(WorkerFault, node: NodeID)
  /// The node that shares the source is not a member, or does not answer.
  case sourceNodeUnreachable(NodeID)
  /// Request and source do not go together.
  case graph(String)
  /// No manager was elected.
  case election(String)
  /// The manager could not place or start it.
  case manager(String, NodeID?)
  /// The idempotency key stood for another document.
  case idempotencyKeyReused
  /// Too many requests are under way.
  case busy
}

/// The peer's timers.
public enum Timer: Hashable, Sendable {
  case membership(MembershipTimer)
  case measurements(MeasurementTimer)
  case ballots(BallotTimer)
  case contests(ContestTimer)
  case desk
  case director(RequestID, ManagerTimer)
  case streams
  /// Sockets are counted, stale submissions and inquiries end.
  case housekeeping
}

/// Something worth telling.
public struct Event: Hashable, Sendable {
  /// A word or two with dots, e.g. `election.mandate`.
  public var kind: String
  /// Which service; nil for what concerns the overlay.
  public var service: RequestID?
  /// For a person, one line.
  public var summary: String
  /// For programs, in order.
  public var details: [Detail]

  /// See the properties.
  public init(_ kind: String, _ service: RequestID? = nil, _ summary: String, _ details: [Detail] = []) {
    self.kind = kind
    self.service = service
    self.summary = summary
    self.details = details
  }
  /// A name and its value.
  public struct Detail: Hashable, Sendable {
    /// In snake case.
    public var name: String
    /// As text.
    public var value: String
    /// See the properties.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }
}
