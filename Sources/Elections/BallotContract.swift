import Base
import Identity
import Mandates
import Vocabulary

/// What ``Ballots`` is told.
public enum BallotInput: Hashable, Sendable {
  /// Once, first: restored ballots go on. `identityIsNew` says that the node's key was made together with this store, so that an
  /// empty store has lost nothing.
  case start(identityIsNew: Bool)
  /// What this peer believes of the overlay; whenever it changed.
  case members(MemberView)
  /// A client is about to ask by sortition: collect the lots for this envelope, which has no order yet and is to be signed by this peer.
  case draw(Envelope)
  /// A client asks through this peer: have a manager elected. Also after a restart, to find the manager again. With what the envelope's
  /// order of candidates follows from.
  case call(Signed<Envelope>, evidence: [SignedEnvelope] = [])
  /// This portal has lost sight of the manager that it follows: ask the electors who manages now, or whether it has ended.
  case seek(Signed<Envelope>)
  /// This portal's client wants a request to last longer; its own word.
  case renew(Signed<Renewal>)
  /// A message, checked by `ElectionMessage.init(validating:using:)`, from the peer that the link is bound to (or from this one).
  case received(from: NodeID, ElectionMessage)
  /// A timer set by ``BallotEffect/setTimer(_:at:)`` has come; stale ones are harmless.
  case timer(BallotTimer)
  /// This peer's manager wants a new version kept.
  case propose(RequestID, SnapshotDraft)
  /// This peer's manager ends the service: the last version, with the label ``Snapshot/ended``.
  case end(RequestID, state: [UInt8])
  /// This peer no longer wants to manage the request.
  case decline(RequestID, Decline.Reason)
  /// Whether this peer stands as a candidate from now on; if not, it declines with this reason. What it manages it keeps.
  case standing(Decline.Reason?)
}

/// What ``Ballots`` asks for, to be done in order.
public enum BallotEffect: Hashable, Sendable {
  /// Send over a link. To this peer itself too: then hand it back as ``BallotInput/received(from:_:)``, without encoding it.
  case send(NodeID, ElectionMessage)
  /// Write the records, all or none, and only when they are on disk do what follows. What is asked for first is on disk first and
  /// followed up first; without records it only waits for what was asked for before. Promises are kept by this order.
  case persist([ElectionRecord], then: [BallotEffect])
  /// Wake at this time; replaces the timer of the same name.
  case setTimer(BallotTimer, at: Instant)
  /// This peer manages the request now. `newest` is what a predecessor left, rewritten in this term and kept by a quorum; nil at
  /// the very beginning.
  case elected(Mandate, newest: Signed<Snapshot>?)
  /// A draw is done: sign the envelope, which has its order now, and call with the evidence.
  case drawn(Bytes32, Envelope, evidence: [SignedEnvelope])
  /// Too few electors gave their lots; these did not.
  case drawFailed(Bytes32, silent: [NodeID])
  /// This peer's call succeeded, or a successor took over: who manages.
  case managerKnown(Mandate)
  /// The client used the call's counter before: the first request stands, and its manager will be reported.
  case answeredByFirst(RequestID, first: Signed<Envelope>)
  /// This peer's call failed.
  case callFailed(RequestID, CallFailure)
  /// This manager's version is kept by a quorum and in force. Who claimed the same streams before is in `earlier`.
  case snapshotAccepted(RequestID, version: UInt64, sequence: UInt64, earlier: [EarlierClaim])
  /// A manager's version cannot be proposed.
  case proposalRefused(RequestID, version: UInt64, ProposalFault)
  /// A quorum of electors keeps the client's renewal: the mandate, which carries it, is valid until then.
  case renewed(RequestID, Mandate)
  /// The same, at the portal that asked for it.
  case renewalKept(RequestID, until: WallTime)
  /// This manager's mandate is over: stop acting for the request.
  case lost(RequestID, LossReason)
  /// Fewer than a quorum of electors answer this manager: no new version takes effect, what runs goes on.
  case frozen(RequestID)
  /// A quorum answers again.
  case thawed(RequestID)
  /// The service has ended: at a manager, with a quorum; at a portal or elector, by its word.
  case ended(RequestID)
  /// A peer's message was dropped: count it.
  case rejected(NodeID, BallotFault)
}

/// What can be waited for.
public enum BallotTimer: Hashable, Sendable {
  /// An elector's patience with its candidate, or the end of its lease to a manager.
  case patience(RequestID)
  /// A manager's next heartbeat.
  case heartbeat(RequestID)
  /// A manager has waited long enough for the elector whose order of claims decides.
  case claims(RequestID)
  /// A portal has waited long enough for the lots of a draw.
  case draw(Bytes32)
  /// A portal's next repetition of its call.
  case call(RequestID)
  /// The request is past its end.
  case expiry(RequestID)
}

/// Why a call came to nothing.
public enum CallFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// So many electors refused that no quorum is left; the most frequent reason, and who gave it.
  case refused(ElectionRefusal, by: [NodeID])
  /// No mandate within ``Limits/callPatience``; these electors did not answer.
  case noQuorum(silent: [NodeID])
  /// The request is past its end.
  case expired
  /// This portal waits for ``Limits/calls`` elections already.
  case tooMany

  public var description: String {
    switch self {
    case .refused(let refusal, let electors): "\(electors.count) electors refuse: \(refusal)"
    case .noQuorum(let silent):
      "no quorum within \(Limits.callPatience.seconds) s; silent: \(silent.map(\.short).joined(separator: ", "))"
    case .expired: "the request has expired"
    case .tooMany: "this portal waits for \(Limits.calls) elections already"
    }
  }
}

/// Why a manager lost its request.
public enum LossReason: Hashable, Sendable {
  /// Another peer holds a mandate for this later term.
  case succeeded(Term)
  /// It declined.
  case declined
  /// The request is past its end.
  case expired
}

/// Why a version cannot be proposed.
public enum ProposalFault: Hashable, Sendable {
  /// This peer does not manage the request.
  case notTheManager
  /// ``Limits/waitingSnapshots`` versions wait already.
  case tooManyWaiting
  /// More than ``Limits/snapshotBytes``, ``Limits/claims`` or a label's length.
  case tooLarge
}

/// Why a peer's message was dropped.
public enum BallotFault: Hashable, Sendable {
  /// It speaks for another.
  case notTheSender
  /// It does not belong to the electorate.
  case notAnElector
  /// It is not a living member.
  case notAMember
  /// Its lot does not hold.
  case lot(VRFFault)
  /// It is not the candidate of the term.
  case notTheCandidate
  /// A vote for someone who does not stand in its term.
  case misdirectedVote
  /// A renewal that is not the client's, or of another request.
  case misdirectedRenewal
  /// It acknowledges a version, but not the next electorate that the version names: no part of a certificate.
  case otherSuccessors
  /// A vote names a version that does not come with it, or another one.
  case snapshotMissing
  /// A mandate that does not hold.
  case mandate(MandateFault)
  /// Two versions under one term and sequence: proof of fraud.
  case equivocation(SnapshotMark)
  /// The elector's store is not the one that it spoke from before.
  case otherGeneration
  /// Nothing is known of the request and the message does not explain it.
  case unknownRequest
  /// There is a proof of fraud against it: it is not heard as an elector or manager.
  case provenLiar
  /// The elector refused, for the counters.
  case refused(ElectionRefusal)
}
