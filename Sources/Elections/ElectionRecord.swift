import Base
import Foundation
import Identity
import Mandates
import Vocabulary
import Wire

/// What an elector keeps on disk: its promises outlive it. The store sees a key and bytes; a later record replaces an earlier one of
/// the same key.
public enum ElectionRecord: Hashable, Sendable {
  /// This store's generation, written once.
  case generation(StoreGeneration)
  /// Statement counters below this may have been used; a restart goes on from here.
  case counters(below: UInt64)
  /// An elector's memory of one request.
  case ballot(BallotRecord)
  /// The request is past its end: delete its ballot.
  case forget(RequestID)

  /// What the store files the record under.
  public var key: String {
    switch self {
    case .generation: "generation"
    case .counters: "counters"
    case .ballot(let record): "ballot/\(record.envelope.request)"
    case .forget(let request): "ballot/\(request)"
    }
  }

  /// The bytes to keep; nil to delete what the key holds.
  public var value: [UInt8]? {
    switch self {
    case .generation(let generation):
      WireGenerationRecord.with {
        $0.number = generation.number
        if let born = generation.bornAfterLoss { $0.bornMs = born.milliseconds }
      }.wireBytes
    case .counters(let bound): WireCounterRecord.with { $0.reserved = bound }.wireBytes
    case .ballot(let record): record.wire.wireBytes
    case .forget: nil
    }
  }

  /// Reads what the store kept. A throw means a corrupt store: the peer starts a new generation with an empty one.
  public init(key: String, value: [UInt8]) throws(InvalidMessage) {
    switch key {
    case "generation":
      let wire = try WireGenerationRecord(parsing: value)
      self = .generation(
        StoreGeneration(
          number: wire.number,
          bornAfterLoss: wire.hasBornMs ? try Field.wall(wire.bornMs, "GenerationRecord.born_ms") : nil))
    case "counters": self = .counters(below: try WireCounterRecord(parsing: value).reserved)
    default:
      guard key.hasPrefix("ballot/") else {
        throw InvalidMessage("ElectionRecord.key", "unknown key “\(key.prefix(64))”")
      }
      self = .ballot(try BallotRecord(validating: try WireBallotRecordFields(parsing: value)))
    }
  }
}

/// A peer's memory of its own statements. A lost store starts a new one, which cannot vote where the old one may have.
public struct StoreGeneration: Hashable, Sendable {
  /// Milliseconds of the wall clock at its start: rises.
  public var number: UInt64
  /// When this store was made in place of a lost one; nil for the first store of an identity, which has nothing to forget.
  public var bornAfterLoss: WallTime?
  /// See the properties.
  public init(number: UInt64, bornAfterLoss: WallTime?) {
    self.number = number
    self.bornAfterLoss = bornAfterLoss
  }
}

/// An elector's memory of one request.
public struct BallotRecord: Hashable, Sendable {
  /// What the client signed.
  public var envelope: Signed<Envelope>
  /// Nothing for a lower term is said any more; nil before the first vote.
  public var promised: Term?
  /// What the order of candidates follows from; empty for the default order, and where a mandate came first.
  public var orderEvidence: [SignedEnvelope]
  /// The epochs that have begun after the first, each with its certificate.
  public var handovers: [Handover] = []
  /// This elector's newest vote.
  public var vote: Signed<Vote>?
  /// The newest version that it acknowledged, or wrote down to acknowledge.
  public var accepted: MandatedSnapshot?
  /// For each claim of ``accepted``, when this elector heard of it first, in its own count of claims.
  public var claimOrdinals: [UInt64]
  /// A tombstone: the service has ended.
  public var ended: Bool
  /// The client's newest word that the request is to last longer.
  public var renewal: Signed<Renewal>?

  /// Makes it a tombstone, which holds no more than it needs to refuse whatever else comes for the request.
  mutating func bury() {
    ended = true
    (accepted, claimOrdinals, orderEvidence) = (nil, [], [])
  }

  init(envelope: Signed<Envelope>, orderEvidence: [SignedEnvelope] = []) {
    self.envelope = envelope
    self.orderEvidence = orderEvidence
    claimOrdinals = []
    ended = false
  }

  init(validating wire: WireBallotRecordFields) throws(InvalidMessage) {
    var verified = VerifiedDigests()
    self.init(envelope: try Signed(signed: wire.envelope, "BallotRecord.envelope", using: &verified))
    for statement in try Field.list(wire.orderEvidence, "BallotRecord.order_evidence", limit: Limits.electors + 1) {
      orderEvidence.append(try SignedEnvelope(validating: statement, "BallotRecord.order_evidence"))
    }
    handovers = try Handover.list(wire.handovers, "BallotRecord.handovers")
    promised = wire.hasPromised ? try Term(validating: wire.promised, "BallotRecord.promised") : nil
    vote = wire.hasVote ? try Signed(signed: wire.vote, "BallotRecord.vote", using: &verified) : nil
    accepted = wire.hasAccepted ? try MandatedSnapshot(validating: wire.accepted, using: &verified) : nil
    claimOrdinals = wire.claimOrdinals
    ended = wire.ended
    renewal = wire.hasRenewal ? try Signed(signed: wire.renewal, "BallotRecord.renewal", using: &verified) : nil
    guard claimOrdinals.count == accepted?.snapshot.body.claims.count ?? 0 else {
      throw InvalidMessage("BallotRecord.claim_ordinals", "not as many as claims")
    }
  }

  var wire: WireBallotRecordFields {
    .with {
      $0.envelope = envelope.envelope.wire
      $0.handovers = handovers.map(\.wire)
      $0.orderEvidence = orderEvidence.map(\.wire)
      if let promised { $0.promised = promised.wire }
      if let vote { $0.vote = vote.envelope.wire }
      if let accepted { $0.accepted = accepted.wire }
      $0.claimOrdinals = claimOrdinals
      $0.ended = ended
      if let renewal { $0.renewal = renewal.envelope.wire }
    }
  }
}

extension BallotRecord {
  /// Until when the request is valid, renewals included.
  public var notAfter: WallTime { envelope.notAfter(renewedBy: renewal) }

  /// Until when it is kept: longer where a service ran that may have been renewed while this elector was away.
  public var keepUntil: WallTime {
    notAfter + Limits.clockSkew + (ended || accepted == nil ? .zero : Limits.lapse)
  }
}
