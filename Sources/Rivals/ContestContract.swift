import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// What ``Contests`` is told.
public enum ContestInput: Hashable, Sendable {
  /// Once, first: restored members go on.
  /// - Parameter lostBefore: when this peer's promises were lost, if ever: it may have voted in what was called before.
  case start(lostBefore: WallTime?)
  /// What this peer believes of the overlay; whenever it changed.
  case members(MemberView)
  /// A client asks through this peer: have a manager elected.
  case call(Signed<Envelope>)
  /// This portal has lost sight of the manager that it follows: ask the members once more.
  case seek(Signed<Envelope>)
  /// A checked message from the peer that the link is bound to, or from this one.
  case received(from: NodeID, ContestMessage)
  /// A timer set by ``ContestEffect/setTimer(_:at:)`` has come; stale ones are harmless.
  case timer(ContestTimer)
  /// This peer's manager has a new version.
  case propose(RequestID, SnapshotDraft)
  /// This peer's manager ends the service: the last version.
  case end(RequestID, state: [UInt8])
  /// This peer no longer wants to manage the request.
  case decline(RequestID)
  /// A service node has heeded this later term.
  case fenced(RequestID, by: Term)
}

/// What ``Contests`` asks for, to be done in order.
public enum ContestEffect: Hashable, Sendable {
  /// Send over a link. To this peer itself too: then hand it back as ``ContestInput/received(from:_:)``.
  case send(NodeID, ContestMessage)
  /// Write the record and only when it is on disk do what follows.
  case persist(ContestRecord, then: [ContestEffect])
  /// The request is past its end: delete its record.
  case forget(RequestID)
  /// Wake at this time; replaces the timer of the same name.
  case setTimer(ContestTimer, at: Instant)
  /// This peer manages the request, by its own belief. `newest` is what it knows a predecessor to have left.
  case elected(ManagerClaim, newest: Signed<ContestVersion>?)
  /// Who manages, by its own word; for a portal that called.
  case managerKnown(ManagerClaim)
  /// The call came to nothing.
  case callFailed(RequestID, ContestFailure)
  /// This manager's version is in force: with raft a majority has it on disk, with the others it was sent.
  case snapshotAccepted(RequestID, version: UInt64)
  /// A version cannot be proposed.
  case proposalRefused(RequestID, ProposalFault)
  /// This manager's time is over.
  case lost(RequestID, LossReason)
  /// The service has ended.
  case ended(RequestID)
  /// A peer's message was dropped: count it.
  case rejected(NodeID, String)
}

/// What can be waited for.
public enum ContestTimer: Hashable, Sendable {
  /// The protocol's own one timer.
  case member(RequestID)
  /// A portal's next repetition of its call.
  case call(RequestID)
  /// A manager's next notice of the end.
  case end(RequestID)
  /// The request is past its end.
  case expiry(RequestID)
}

/// Why a call came to nothing.
public enum ContestFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// Nobody said that it manages within ``Limits/callPatience``; these members did not answer at all.
  case nobody(silent: [NodeID])
  /// So many members refused that none is left; one of the reasons.
  case refused(ContestRefusal, by: [NodeID])
  /// The request is past its end.
  case expired
  /// This portal waits for ``Limits/calls`` elections already.
  case tooMany

  public var description: String {
    switch self {
    case .nobody(let silent):
      "nobody manages after \(Limits.callPatience.seconds) s; silent: \(silent.map(\.short).joined(separator: ", "))"
    case .refused(let refusal, let members): "\(members.count) members refuse: \(refusal)"
    case .expired: "the request has expired"
    case .tooMany: "this portal waits for \(Limits.calls) elections already"
    }
  }
}

/// Why a member takes no part.
public enum ContestRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// It does not know the request: send the envelope.
  case unknownRequest
  /// Its operator chose another way to find managers.
  case otherStrategy(own: ElectionStrategy)
  /// The service has ended.
  case ended
  /// The request is past its end.
  case expired
  /// It takes part in as many as it may.
  case busy
  /// It is not one of those named, or finds them implausible.
  case notAMember
  /// It lost its store after the request was issued, and with it a vote, perhaps.
  case lostStore

  public var description: String {
    switch self {
    case .unknownRequest: "it does not know the request"
    case .otherStrategy(let own): "it elects by \(own.rawValue)"
    case .ended: "the service has ended"
    case .expired: "the request has expired"
    case .busy: "it takes part in as many elections as it may"
    case .notAMember: "it is not one of the members, or finds them implausible"
    case .lostStore: "it lost its store since, and a vote with it, perhaps"
    }
  }
}

/// What a member of ``Raft`` keeps on disk: its vote, and the newest version that it acknowledged.
public struct ContestRecord: Hashable, Sendable {
  /// What the client signed.
  public var envelope: Signed<Envelope>
  /// See the type.
  public var promises: RivalPromises
  /// Nil before the first.
  public var newest: Signed<ContestVersion>?
  /// A tombstone.
  public var hasEnded: Bool
}
