import Base
import Identity
import Vocabulary

/// What managers and service nodes say to each other. A message to one's own node is an effect like any other: Core hands
/// it back as an input, so a manager may be its own service node.
public enum SessionMessage: Hashable, Sendable {
  /// Manager → node: hold this for me.
  case reserve(Reserve)
  /// Node → manager.
  case reserved(ReserveAnswer)
  /// Manager → node: do it.
  case commit(Commit)
  /// Node → manager.
  case committed(CommitAnswer)
  /// Manager → node: stop.
  case release(Release)
  /// Node → manager: it is as if it had never been, however often it is asked.
  case released(PlanMark)
  /// Manager → node: the service lives.
  case renew(PlanMark)
  /// Node → manager: what happened, how it goes.
  case report(NodeReport)
}

/// Which version of which plan, under which term: on every message, for fencing.
public struct PlanMark: Hashable, Sendable {
  /// The request.
  public var request: RequestID
  /// The manager's term.
  public var term: Term
  /// The plan's version, rising within a term.
  public var version: UInt32
  /// See the properties.
  public init(request: RequestID, term: Term, version: UInt32) {
    self.request = request
    self.term = term
    self.version = version
  }
}

/// Hold capacity until the TTL, all items or none.
public struct Reserve: Hashable, Sendable {
  /// Whose.
  public var mark: PlanMark
  /// The mandate, as Elections encodes it.
  public var mandate: [UInt8]
  /// The work, without its upstreams.
  public var items: [Item]
  /// Nothing of the service was delivered yet: streams that it shares must be had from their beginning.
  public var isFresh: Bool
  /// See the properties.
  public init(mark: PlanMark, mandate: [UInt8], items: [Item], isFresh: Bool = false) {
    self.mark = mark
    self.mandate = mandate
    self.items = items
    self.isFresh = isFresh
  }
  /// One piece of work and its price.
  public struct Item: Hashable, Sendable {
    /// The work's number in the plan.
    public var ordinal: UInt32
    /// The work.
    public var work: AssignedWork
    /// What it takes.
    public var demand: Demand
    /// See the properties.
    public init(ordinal: UInt32, work: AssignedWork, demand: Demand) {
      self.ordinal = ordinal
      self.work = work
      self.demand = demand
    }
  }
}

/// A node's answer to a reservation.
public struct ReserveAnswer: Hashable, Sendable {
  /// What is answered.
  public var mark: PlanMark
  /// Granted for the TTL, with who else has the shared streams armed; or refused.
  public var result: Result<[SharedStream], ItemRefused>
  /// See the properties.
  public init(mark: PlanMark, result: Result<[SharedStream], ItemRefused>) {
    self.mark = mark
    self.result = result
  }
  /// The first item that cannot be had.
  public struct ItemRefused: Error, Hashable, Sendable {
    /// Which, and why.
    public var item: RefusedItem
    /// See the property.
    public init(_ item: RefusedItem) { self.item = item }
  }
}

/// Of a stream that several requests share: the nodes that have it armed.
public struct SharedStream: Hashable, Sendable {
  /// The stream.
  public var stream: StreamKey
  /// Where else it is armed.
  public var standbys: [Provider]
  /// See the properties.
  public init(stream: StreamKey, standbys: [Provider]) {
    self.stream = stream
    self.standbys = standbys
  }
}

/// Signed assignments for what was reserved, or newer ones for what the node does already.
public struct Commit: Hashable, Sendable {
  /// Whose.
  public var mark: PlanMark
  /// The mandate, as Elections encodes it.
  public var mandate: [UInt8]
  /// Not yet verified; an absent signature is nil, so that the node can say so.
  public var assignments: [ClaimedAssignment]
  /// See the properties.
  public init(mark: PlanMark, mandate: [UInt8], assignments: [ClaimedAssignment]) {
    self.mark = mark
    self.mandate = mandate
    self.assignments = assignments
  }
}

/// An assignment as it came, before any check.
public enum ClaimedAssignment: Hashable, Sendable {
  /// With a signature, which may be wrong.
  case signed(SignedEnvelope)
  /// Without one.
  case unsigned
}

/// A node's answer to a commit: which of the assignments it refused; the others are in force.
public struct CommitAnswer: Hashable, Sendable {
  /// What is answered.
  public var mark: PlanMark
  /// By index in the commit.
  public var rejected: [Rejection]
  /// See the properties.
  public init(mark: PlanMark, rejected: [Rejection]) {
    self.mark = mark
    self.rejected = rejected
  }
  /// One refused assignment.
  public struct Rejection: Hashable, Sendable {
    /// Index in the commit.
    public var index: Int
    /// Why.
    public var reason: AssignmentError
    /// See the properties.
    public init(index: Int, reason: AssignmentError) {
      self.index = index
      self.reason = reason
    }
  }
}

/// Stop work of a request.
public struct Release: Hashable, Sendable {
  /// Whose; what is older than this version is void from now on.
  public var mark: PlanMark
  /// The mandate, as Elections encodes it: a successor may end what it never renewed.
  public var mandate: [UInt8]
  /// What.
  public var scope: Scope
  /// See the properties.
  public init(mark: PlanMark, mandate: [UInt8], scope: Scope) {
    self.mark = mark
    self.mandate = mandate
    self.scope = scope
  }
  /// How much of it.
  public enum Scope: Hashable, Sendable {
    /// All work and reservations of the request: it ended, or left this node.
    case everything
    /// Shares of these streams and deliveries of these outputs; also a reservation of this version, if there is one.
    case some(streams: [StreamKey], outputs: [String])
  }
}
