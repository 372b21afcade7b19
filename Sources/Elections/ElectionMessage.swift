import Base
import Identity
import Mandates
import Vocabulary

/// What peers say to each other about who manages a request. Signed statements in it have been verified, votes inside a ``Mandate``
/// excepted. A peer sends messages to itself too, when it is an elector of its own request: see ``BallotEffect/send(to:_:)``.
public enum ElectionMessage: Hashable, Sendable {
  /// Portal → every elector, before a call by sortition: your lot for this draw, please.
  case lotCall(Bytes32)
  /// Elector → portal: its lot.
  case lot(Signed<Lot>)
  /// Portal → every elector: elect a manager, or say who it is. With the portal's wall clock, and what the order follows from.
  case call(Signed<Envelope>, wall: WallTime, evidence: [SignedEnvelope] = [])
  /// Elector → the term's candidate, from term 2 on to all electors. `newest` is the version that the vote names; for the candidate.
  case vote(Signed<Vote>, Signed<Envelope>, newest: MandatedSnapshot?, evidence: [SignedEnvelope] = [])
  /// Manager → portals, elector → a portal that calls again: this is the manager.
  case elected(Mandate)
  /// Manager → electors: renew my lease. `sent` is the manager's own clock; the mandate for those who may lack it.
  case heartbeat(RequestID, Term, sent: Instant, Mandate?)
  /// Elector → manager: renewed, for the heartbeat sent then.
  case heartbeatAnswer(RequestID, Term, sent: Instant)
  /// Manager → electors: keep this version.
  case proposal(Signed<Snapshot>, Mandate?)
  /// Elector → manager: kept; others claimed these streams before.
  case acknowledgement(Signed<Acknowledgement>, earlier: [EarlierClaim])
  /// Manager → old and new electors: the next epoch has begun, from this version; with the certificates of all epochs so far.
  case handover(MandatedSnapshot, [Handover])
  /// Portal or manager → electors: the client wants more time. Elector → whoever told it, and the manager: it is on disk.
  case renewal(Signed<Renewal>, Signed<Envelope>, isKept: Bool)
  /// Candidate or manager → electors: not me in this term.
  case decline(Signed<Decline>)
  /// Elector → whoever asked: no, and why.
  case refusal(RequestID, ElectionRefusal)
  /// Manager → electors and portals: a quorum keeps the last version.
  case end(RequestID, Term)

  /// The request that it is about; for a lot, which comes before any request has an ID, the draw.
  public var request: RequestID {
    switch self {
    case .lotCall(let draw): RequestID(draw)
    case .lot(let lot): RequestID(lot.body.draw)
    case .call(let envelope, _, _): envelope.request
    case .vote(let vote, _, _, _): vote.body.request
    case .elected(let mandate): mandate.request
    case .heartbeat(let request, _, _, _), .heartbeatAnswer(let request, _, _), .refusal(let request, _),
      .end(let request, _):
      request
    case .handover(let newest, _): newest.snapshot.body.request
    case .proposal(let snapshot, _): snapshot.body.request
    case .acknowledgement(let acknowledgement, _): acknowledgement.body.request
    case .renewal(let renewal, _, _): renewal.body.request
    case .decline(let decline): decline.body.request
    }
  }
}

extension ElectionMessage {
  /// Whether it asks on a client's behalf, or only passes on what proves itself.
  var isPortals: Bool {
    switch self {
    case .call, .lotCall, .elected, .renewal: true
    default: false
    }
  }
}

/// Why an elector does not do what it was asked.
public enum ElectionRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// The electorate is not the one it expects; these members of its own draw were left out.
  case implausible(omitted: [NodeID], reason: String)
  /// The order of candidates does not follow from the evidence; why.
  case disorder(String)
  /// The client used this counter before, for this request.
  case duplicate(of: Signed<Envelope>)
  /// It promised to support nothing below this term.
  case staleTerm(promised: Term)
  /// The request is past its end.
  case expired
  /// The clocks of the two peers are too far apart; this is the elector's.
  case clockSkew(WallTime)
  /// The service has ended.
  case ended
  /// It lost its store after the request was issued, so it may have voted and forgotten.
  case lostStore
  /// It keeps as many ballots as it may, of all or of this client.
  case busy
  /// It is not in the electorate.
  case notAnElector
  /// No refusal: it cast its vote for this term and waits for the mandate. Tells a calling portal that it is there.
  case electing(Term)
  /// It does not know the request and was not told enough to judge: send the mandate.
  case unknownRequest

  public var description: String {
    switch self {
    case .implausible(let omitted, let reason): "\(reason); left out: \(omitted.map(\.short).joined(separator: ", "))"
    case .disorder(let reason): "the order of candidates does not follow from its evidence: \(reason)"
    case .duplicate(let first): "the client used this counter before, for request \(first.request.short)…"
    case .staleTerm(let promised): "it supports nothing below term \(promised)"
    case .expired: "the request has expired"
    case .clockSkew(let theirs):
      "the clocks differ by more than \(Limits.clockSkew.seconds) s: the elector's says \(theirs.milliseconds) ms"
    case .ended: "the service has ended"
    case .lostStore: "it lost its store after the request was issued"
    case .busy: "it keeps as many ballots as it may"
    case .notAnElector: "it is not one of the electors"
    case .electing(let term): "it waits for the mandate of term \(term)"
    case .unknownRequest: "it does not know the request"
    }
  }
}
