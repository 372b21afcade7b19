import Base
import Foundation
import Identity
import Mandates
import Vocabulary
import Wire

/// What members of a contest say to each other, about one request.
public struct ContestMessage: Hashable, Sendable {
  /// The request.
  public var request: RequestID
  /// Where its receiver may not have heard of it.
  public var envelope: Signed<Envelope>?
  /// What is said.
  public var body: Body

  /// What is said; see ``RivalMessage``, whose words these are on the wire.
  public enum Body: Hashable, Sendable {
    /// A client wants a manager. A portal is to hear of every manager.
    case call(isPortal: Bool)
    /// With the newest version that the sender keeps, as (term, sequence); nil for none.
    case election(term: UInt32, newest: VersionMark?)
    /// Its meaning is the protocol's.
    case answer(term: UInt32)
    /// I manage. The version for who has not said that it keeps it.
    case coordinator(Signed<ClaimStatement>, newest: Signed<ContestVersion>?)
    /// I keep this version of yours.
    case kept(VersionMark)
    /// The service of this term's manager is over.
    case end(term: UInt32)
    /// No.
    case refusal(ContestRefusal)
  }

  /// Names a version.
  public struct VersionMark: Hashable, Comparable, Sendable {
    /// The manager's term.
    public var term: UInt32
    /// Rises with every version, over all terms.
    public var sequence: UInt64
    public static func < (a: VersionMark, b: VersionMark) -> Bool { (a.term, a.sequence) < (b.term, b.sequence) }
  }

  init(_ request: RequestID, _ body: Body, envelope: Signed<Envelope>? = nil) {
    self.request = request
    self.envelope = envelope
    self.body = body
  }
}

extension ContestMessage {
  /// Checks a received message; what is signed in it is verified.
  public init(validating wire: WireRivalMessage, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    func term(_ number: UInt32, _ field: String) throws(InvalidMessage) -> UInt32 {
      try Field.number(number, field, in: 0...1 << 30)
    }
    request = RequestID(try Field.bytes32(wire.request, "RivalMessage.request"))
    if wire.hasEnvelope {
      envelope = try Signed(
        verifying: SignedEnvelope(validating: wire.envelope, "RivalMessage.envelope"), using: &verified)
      guard envelope?.request == request else { throw InvalidMessage("RivalMessage.envelope", "of another request") }
    }
    switch wire.body {
    case .call(let call): body = .call(isPortal: call.isPortal)
    case .election(let election):
      let mark = VersionMark(
        term: try term(election.newestTerm, "RivalElection.newest_term"), sequence: election.newestSequence)
      body = .election(
        term: try term(election.term, "RivalElection.term"), newest: election.newestTerm == 0 ? nil : mark)
    case .answer(let answer): body = .answer(term: try term(answer.term, "RivalAnswer.term"))
    case .coordinator(let wire):
      let claim: Signed<ClaimStatement> = try Signed(
        verifying: SignedEnvelope(validating: wire.claim, "RivalCoordinator.claim"), using: &verified)
      guard claim.body.request == request else { throw InvalidMessage("RivalCoordinator.claim", "of another request") }
      var newest: Signed<ContestVersion>?
      if wire.hasSnapshot {
        newest = try Signed(
          verifying: SignedEnvelope(validating: wire.snapshot, "RivalCoordinator.snapshot"), using: &verified)
        guard let version = newest?.body.snapshot, version.request == request, newest?.signer == claim.signer,
          version.term == Term(claim.body.term)
        else { throw InvalidMessage("RivalCoordinator.snapshot", "not the claimant's, of its request and term") }
      }
      body = .coordinator(claim, newest: newest)
    case .kept(let kept):
      body = .kept(VersionMark(term: try term(kept.term, "RivalKept.term"), sequence: kept.sequence))
    case .end(let end): body = .end(term: try term(end.term, "RivalEnd.term"))
    case .refusal(let refusal): body = .refusal(try ContestRefusal(validating: refusal))
    case nil: throw InvalidMessage("RivalMessage", "says nothing")
    }
  }

  /// For a link.
  public var wire: WireRivalMessage {
    .with {
      $0.request = request.hash.data
      if let envelope { $0.envelope = envelope.envelope.wire }
      switch body {
      case .call(let isPortal): $0.call = .with { $0.isPortal = isPortal }
      case .election(let term, let newest):
        $0.election = .with {
          $0.term = term
          $0.newestTerm = newest?.term ?? 0
          $0.newestSequence = newest?.sequence ?? 0
        }
      case .answer(let term): $0.answer = .with { $0.term = term }
      case .coordinator(let claim, let newest):
        $0.coordinator = .with {
          $0.claim = claim.envelope.wire
          if let newest { $0.snapshot = newest.envelope.wire }
        }
      case .kept(let mark):
        $0.kept = .with {
          $0.term = mark.term
          $0.sequence = mark.sequence
        }
      case .end(let term): $0.end = .with { $0.term = term }
      case .refusal(let refusal): $0.refusal = refusal.wire
      }
    }
  }
}

extension ContestRefusal {
  init(validating wire: WireRivalRefusal) throws(InvalidMessage) {
    switch wire.kind {
    case "unknownRequest": self = .unknownRequest
    case "otherStrategy":
      guard let own = ElectionStrategy(rawValue: wire.strategy) else {
        throw InvalidMessage("RivalRefusal.strategy", "unknown: “\(wire.strategy.prefix(64))”")
      }
      self = .otherStrategy(own: own)
    case "ended": self = .ended
    case "expired": self = .expired
    case "busy": self = .busy
    case "notAMember": self = .notAMember
    case "lostStore": self = .lostStore
    default: throw InvalidMessage("RivalRefusal.kind", "unknown: “\(wire.kind.prefix(64))”")
    }
  }

  var wire: WireRivalRefusal {
    .with {
      switch self {
      case .unknownRequest: $0.kind = "unknownRequest"
      case .otherStrategy(let own): ($0.kind, $0.strategy) = ("otherStrategy", own.rawValue)
      case .ended: $0.kind = "ended"
      case .expired: $0.kind = "expired"
      case .busy: $0.kind = "busy"
      case .notAMember: $0.kind = "notAMember"
      case .lostStore: $0.kind = "lostStore"
      }
    }
  }
}

extension ContestRecord {
  /// Reads what ``encoded()`` wrote.
  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireRivalRecord(parsing: bytes)
    envelope = try Signed(verifying: try SignedEnvelope(validating: wire.envelope, "RivalRecord.envelope"))
    promises = RivalPromises(
      term: wire.term, vote: wire.vote.isEmpty ? nil : try Field.node(wire.vote, "RivalRecord.vote"))
    newest =
      wire.hasSnapshot
      ? try Signed(verifying: try SignedEnvelope(validating: wire.snapshot, "RivalRecord.snapshot")) : nil
    hasEnded = wire.ended
  }

  /// For the store.
  public func encoded() -> [UInt8] {
    WireRivalRecord.with {
      $0.envelope = envelope.envelope.wire
      $0.term = promises.term
      if let vote = promises.vote { $0.vote = vote.data }
      if let newest { $0.snapshot = newest.envelope.wire }
      $0.ended = hasEnded
    }.wireBytes
  }
}
