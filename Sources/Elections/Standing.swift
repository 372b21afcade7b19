import Base
import Identity
import Mandates
import Vocabulary

/// What a peer knows of one request's election, for people.
public struct Standing: Hashable, Sendable {
  /// The request.
  public var request: RequestID
  /// Its electors, in the order of the draw.
  public var electorate: Electorate
  /// What made the order of candidates.
  public var strategy: ElectionStrategy
  /// The order in which they become candidates.
  public var order: [NodeID]
  /// The term that this elector promised, or the manager's as this portal knows it; nil before the first vote.
  public var term: Term?
  /// The manager, where a mandate is known.
  public var manager: NodeID?
  /// Whether this peer manages it.
  public var isManagedHere: Bool
  /// At the manager: whether fewer than a quorum answer.
  public var isFrozen: Bool
  /// At the manager: electors that answered within a lease; elsewhere those believed to be alive.
  public var answering: Int
  /// A tombstone.
  public var hasEnded: Bool
  /// Electors that may still be lost before the service freezes: 0 is worth a warning, negative is frozen.
  public var spareElectors: Int { answering - electorate.quorum }
}

extension Ballots {
  /// Every request that this peer elects, manages or called for, in the order in which it heard of them.
  public func standings(at now: Instant) -> [Standing] {
    let called = calls.keys.filter { ballots[$0] == nil }
    return (ballots.keys.filter { !lapsed.contains($0) } + called).compactMap { standing(of: $0, at: now) }
  }

  /// One request's standing; nil when this peer has no part in it.
  public func standing(of request: RequestID, at now: Instant) -> Standing? {
    guard let envelope = envelope(of: request) else { return nil }
    let (tenure, ballot, mandate) = (tenures[request], ballots[request], mandate(of: request))
    let electorate = ballot?.electorate ?? mandate?.electorate ?? envelope.body.electorate
    let answering =
      tenure.map { tenure in tenure.renewed.values.count { now - $0 <= Limits.managerLease } }
      ?? electorate.members.count { view.isAlive($0) }
    return Standing(
      request: request, electorate: electorate, strategy: envelope.body.strategy,
      order: ballot?.order ?? envelope.order,
      term: ballot?.record.promised ?? mandate?.term, manager: mandate?.manager, isManagedHere: tenure != nil,
      isFrozen: tenure?.isFrozen ?? false, answering: answering, hasEnded: ballot?.record.ended ?? false)
  }

  /// What the client signed; nil when this peer has no part in the request.
  public func envelope(of request: RequestID) -> Signed<Envelope>? {
    ballots[request]?.record.envelope ?? calls[request]?.envelope
  }

  /// Until when a request is valid, renewals included; nil when this peer has no part in it.
  public func notAfter(of request: RequestID) -> WallTime? {
    [ballots[request]?.record.notAfter, calls[request]?.notAfter].compactMap { $0 }.max()
  }

  /// The newest mandate that this peer knows: as manager, elector or portal.
  public func mandate(of request: RequestID) -> Mandate? {
    if let tenure = tenures[request] { return tenure.mandate }
    var called: Mandate?
    if case .following(let mandate) = calls[request]?.state { called = mandate }
    let known = [ballots[request]?.mandate, called, ballots[request]?.record.accepted?.mandate].compactMap { $0 }
    return known.max { $0.term < $1.term }
  }

  /// The newest version that this peer keeps as an elector, in force or not.
  public func snapshot(of request: RequestID) -> Signed<Snapshot>? { ballots[request]?.record.accepted?.snapshot }

  /// At the manager: the version in force with the quorum's words for it; nil elsewhere, and before the first.
  public func certificate(of request: RequestID) -> (snapshot: Signed<Snapshot>, words: [Signed<Acknowledgement>])? {
    guard let proposal = tenures[request]?.proposal, proposal.isAccepted else { return nil }
    return (proposal.snapshot, proposal.answers.values.map(\.statement))
  }

  /// What the order of candidates follows from; empty for the default order, and where this peer was not told.
  public func orderEvidence(of request: RequestID) -> [SignedEnvelope] { ballots[request]?.record.orderEvidence ?? [] }
}
