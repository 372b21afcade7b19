import Base
import Elections
import Identity
import Mandates
import Vocabulary

// Election protocols of other designs, for comparison: what they gain and what they give up is measured, not asserted. They keep the
// contract of the pure rooms, a value whose one entry says what is to be done, with randomness passed in. ``Contests`` runs them for
// real requests where an operator chose so; their managers have nothing to show but a ``ManagerClaim``.

/// A protocol of its own; see ``ElectionStrategy`` for what may be believed of its managers.
public protocol Rival: Sendable {
  /// Which one it is.
  static var strategy: ElectionStrategy { get }
  /// - Parameters:
  ///   - node: this member.
  ///   - members: all members of the election, this one included; the same at each.
  ///   - promises: what was on disk; nil at the first start.
  init(node: NodeID, members: [NodeID], restoring promises: RivalPromises?)
  /// Takes in one input and says what is to be done, in order.
  mutating func handle(_ input: RivalInput, at now: Instant, using random: inout SeededRandom) -> [RivalEffect]
  /// The term in which this member believes to manage; nil when it does not.
  var managedTerm: UInt32? { get }
}

/// What a ``Rival`` is told.
public enum RivalInput: Hashable, Sendable {
  /// Once, first; after a crash too.
  case start
  /// A client asks through this member: have a manager elected.
  case call
  /// A message from another member.
  case received(from: NodeID, RivalMessage)
  /// A later term exists, somebody has heeded it; or a candidate of it lacks what this member keeps. Who manages in an earlier one
  /// makes way.
  case seen(term: UInt32)
  /// The one timer has come; stale ones are harmless.
  case timer
}

/// What a ``Rival`` asks for, to be done in order.
public enum RivalEffect: Hashable, Sendable {
  /// Send to another member.
  case send(NodeID, RivalMessage)
  /// Write down, and only when it is on disk do what follows.
  case persist(RivalPromises, then: [RivalEffect])
  /// Wake at this time; replaces the one before.
  case setTimer(Instant)
  /// This member manages now.
  case elected(term: UInt32)
  /// This member manages no longer.
  case lost(term: UInt32)
}

/// What members say to each other. Each protocol uses some.
public enum RivalMessage: Hashable, Sendable {
  /// A client wants a manager.
  case call
  /// Bully: is there anybody higher? Raft: vote for me in this term.
  case election(term: UInt32)
  /// Bully: yes, leave it to me. Raft: my vote. First responder: I would.
  case answer(term: UInt32)
  /// I manage; also a heartbeat.
  case coordinator(term: UInt32)
}

/// What a ``Raft`` member keeps on disk.
public struct RivalPromises: Hashable, Sendable {
  /// The newest term that it knows of.
  public var term: UInt32
  /// Whom it voted for in it.
  public var vote: NodeID?
  /// See the properties.
  public init(term: UInt32, vote: NodeID?) {
    self.term = term
    self.vote = vote
  }
}

extension Limits {
  /// Heartbeats of the protocols for comparison, as of the quorum protocol.
  public static let rivalHeartbeat = Limits.heartbeatInterval
  /// Raft's shortest election timeout, by the paper's rule: some ten times a round trip of tens of milliseconds.
  public static let raftTimeout = Duration.milliseconds(150)
  /// Its spread, as in the paper's §9.3: 150…300 ms.
  public static let raftSpread = Duration.milliseconds(150)
  /// How long a bully waits for somebody higher, and a first responder's caller for anybody.
  public static let rivalPatience = Duration.milliseconds(250)
}
