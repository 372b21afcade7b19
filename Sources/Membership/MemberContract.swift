import Base
import Identity
import Vocabulary

// What Core tells this room, and what it asks of Core.

/// What happens to a peer's view of the members.
public enum MemberInput: Sendable {
  /// Begin, or begin again after a leave; join through these, or alone.
  case join([(node: NodeID, address: PeerAddress)])
  /// Go in good order.
  case leave
  /// A datagram of this room came, opened.
  case datagram(MemberDatagram, from: NodeID, at: PeerAddress)
  /// A whole view came over a link.
  case exchange([MemberUpdate], isAnswer: Bool, from: NodeID)
  /// A link to this peer broke: it is probed at once.
  case linkBroken(NodeID)
  /// Ping this many members now, so that what is piggybacked spreads at once.
  case nudge(Int)
  /// A timer that was asked for.
  case timer(MembershipTimer)
}

/// What this room wants done.
public enum MemberEffect: Sendable {
  /// Send, with whatever measurements fit beside it.
  case send(MemberDatagram, to: NodeID, at: PeerAddress)
  /// Send a whole view over a link.
  case exchange([MemberUpdate], isAnswer: Bool, to: NodeID, at: PeerAddress)
  /// A member came, went, or changed; `from` is nil for one not known before.
  case changed(Member, from: Member.State?)
  /// A member was forgotten, so that there is room for another.
  case dropped(NodeID)
  /// Call back then. Replaces the earlier time of the same timer.
  case setTimer(MembershipTimer, at: Instant)
  /// What that timer was for has come: it need not ring.
  case stopTimer(MembershipTimer)
}

/// The room's timers.
public enum MembershipTimer: Hashable, Sendable {
  /// The next probe is due.
  case period
  /// There are news that should not wait for it.
  case gossip
  /// The probe of this sequence number was not answered in time: not directly, and later not by way of others.
  case probe(UInt64)
  /// A helper gives up on a target that it was asked to try.
  case nack(UInt64)
  /// A suspicion ends.
  case suspicion(NodeID)
  /// Views are exchanged.
  case exchange
  /// A dead member is tried.
  case reclaim
  /// Joining is tried again.
  case join
}

/// A probe, an answer, or a request to probe for somebody else; with updates beside it.
public struct MemberDatagram: Hashable, Sendable {
  /// What it is.
  public enum Body: Hashable, Sendable {
    /// Answer, please. Carries the sender's coordinate.
    case ping(Coordinate)
    /// The answer to a ping of the same sequence number.
    case ack(Coordinate)
    /// Try that member for me.
    case indirectPing(NodeID)
    /// I tried; it did not answer yet.
    case nack

    var isPing: Bool { if case .ping = self { true } else { false } }
  }
  /// Joins answers to questions; chosen by the asker.
  public var sequence: UInt64
  /// What it is.
  public var body: Body
  /// What is said of members.
  public var updates: [MemberUpdate]
  /// See the properties.
  public init(sequence: UInt64, body: Body, updates: [MemberUpdate]) {
    self.sequence = sequence
    self.body = body
    self.updates = updates
  }
  /// It answers a probe of the addressee's.
  public var isAnswer: Bool { if case .ack = body { true } else { false } }
  /// Bytes on the wire, from above.
  public var estimatedBytes: Int { updates.reduce(48) { $0 + $1.size } }
}
