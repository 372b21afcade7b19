import Base
import Foundation
import Identity
import Mandates
import Vocabulary
import Wire

// Election messages to checked values and back: one place a message. Signatures of what a message carries are checked here, once a
// peer (`VerifiedDigests`), those of a mandate's votes excepted: whoever relies on a mandate verifies it.

extension ElectionMessage {
  /// Checks a received message; `verified` remembers good signatures, so that a repeated envelope costs a hash.
  public init(validating wire: WireElectionMessage, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    switch wire.body {
    case .lotCall(let call): self = .lotCall(try Field.bytes32(call.draw, "ElectionLotCall.draw"))
    case .lot(let answer): self = .lot(try Signed(signed: answer.lot, "ElectionLot.lot", using: &verified))
    case .call(let call):
      self = .call(
        try Signed(signed: call.envelope, "ElectionCall.envelope", using: &verified),
        wall: try Field.wall(call.wallMs, "ElectionCall.wall_ms"),
        evidence: try evidence(call.orderEvidence, "ElectionCall.order_evidence"))
    case .vote(let cast):
      self = .vote(
        try Signed(signed: cast.vote, "ElectionVote.vote", using: &verified),
        try Signed(signed: cast.envelope, "ElectionVote.envelope", using: &verified),
        newest: cast.hasNewest ? try MandatedSnapshot(validating: cast.newest, using: &verified) : nil,
        evidence: try evidence(cast.orderEvidence, "ElectionVote.order_evidence"))
    case .elected(let mandate): self = .elected(try Mandate(validating: mandate, using: &verified))
    case .heartbeat(let beat):
      self = .heartbeat(
        try RequestID(validating: beat.request, "ElectionHeartbeat.request"),
        try Term(validating: beat.term, "ElectionHeartbeat.term"),
        sent: Instant(nanoseconds: beat.sentNs),
        beat.hasMandate ? try Mandate(validating: beat.mandate, using: &verified) : nil)
    case .heartbeatAnswer(let answer):
      self = .heartbeatAnswer(
        try RequestID(validating: answer.request, "ElectionHeartbeatAnswer.request"),
        try Term(validating: answer.term, "ElectionHeartbeatAnswer.term"), sent: Instant(nanoseconds: answer.sentNs))
    case .proposal(let proposal):
      self = .proposal(
        try Signed(signed: proposal.snapshot, "ElectionProposal.snapshot", using: &verified),
        proposal.hasMandate ? try Mandate(validating: proposal.mandate, using: &verified) : nil)
    case .acknowledgement(let answer):
      var earlier: [EarlierClaim] = []
      for claim in try Field.list(answer.earlier, "ElectionAcknowledgement.earlier", limit: Limits.earlierClaims) {
        earlier.append(
          EarlierClaim(
            request: try RequestID(validating: claim.request, "EarlierClaim.request"),
            claim: Claim(
              stream: StreamKey(try Field.bytes32(claim.stream, "EarlierClaim.stream")),
              node: try Field.node(claim.node, "EarlierClaim.node"))))
      }
      self = .acknowledgement(
        try Signed(signed: answer.acknowledgement, "ElectionAcknowledgement.acknowledgement", using: &verified),
        earlier: earlier)
    case .decline(let decline):
      self = .decline(try Signed(signed: decline.decline, "ElectionDecline.decline", using: &verified))
    case .refusal(let refusal):
      self = .refusal(
        try RequestID(validating: refusal.request, "ElectionRefusal.request"),
        try ElectionRefusal(validating: refusal, using: &verified))
    case .end(let end):
      self = .end(
        try RequestID(validating: end.request, "ElectionEnd.request"),
        try Term(validating: end.term, "ElectionEnd.term"))
    case .handover(let handover):
      self = .handover(
        try MandatedSnapshot(validating: handover.newest, using: &verified),
        try Handover.list(handover.handovers, "ElectionHandover.handovers"))
    case .renewal(let renewal):
      self = .renewal(
        try Signed(signed: renewal.renewal, "ElectionRenewal.renewal", using: &verified),
        try Signed(signed: renewal.envelope, "ElectionRenewal.envelope", using: &verified),
        isKept: renewal.isKept)
    case nil: throw InvalidMessage("ElectionMessage.body", "empty, or of a newer version")
    }
  }

  /// For sending.
  public var wire: WireElectionMessage {
    .with { message in
      switch self {
      case .lotCall(let draw): message.lotCall = .with { $0.draw = draw.data }
      case .lot(let lot): message.lot = .with { $0.lot = lot.envelope.wire }
      case .call(let envelope, let wall, let evidence):
        message.call = .with {
          $0.envelope = envelope.envelope.wire
          $0.wallMs = wall.milliseconds
          $0.orderEvidence = evidence.map(\.wire)
        }
      case .vote(let vote, let envelope, let newest, let evidence):
        message.vote = .with {
          $0.orderEvidence = evidence.map(\.wire)
          $0.vote = vote.envelope.wire
          $0.envelope = envelope.envelope.wire
          if let newest { $0.newest = newest.wire }
        }
      case .elected(let mandate): message.elected = mandate.wire
      case .heartbeat(let request, let term, let sent, let mandate):
        message.heartbeat = .with {
          $0.request = request.hash.data
          $0.term = term.wire
          $0.sentNs = sent.nanoseconds
          if let mandate { $0.mandate = mandate.wire }
        }
      case .heartbeatAnswer(let request, let term, let sent):
        message.heartbeatAnswer = .with {
          $0.request = request.hash.data
          $0.term = term.wire
          $0.sentNs = sent.nanoseconds
        }
      case .proposal(let snapshot, let mandate):
        message.proposal = .with {
          $0.snapshot = snapshot.envelope.wire
          if let mandate { $0.mandate = mandate.wire }
        }
      case .acknowledgement(let acknowledgement, let earlier):
        message.acknowledgement = .with {
          $0.acknowledgement = acknowledgement.envelope.wire
          $0.earlier = earlier.map(\.wire)
        }
      case .handover(let newest, let handovers):
        message.handover = .with {
          $0.newest = newest.wire
          $0.handovers = handovers.map(\.wire)
        }
      case .renewal(let renewal, let envelope, let isKept):
        message.renewal = .with {
          $0.renewal = renewal.envelope.wire
          $0.envelope = envelope.envelope.wire
          $0.isKept = isKept
        }
      case .decline(let decline): message.decline = .with { $0.decline = decline.envelope.wire }
      case .refusal(let request, let refusal):
        message.refusal = refusal.wire
        message.refusal.request = request.hash.data
      case .end(let request, let term):
        message.end = .with {
          $0.request = request.hash.data
          $0.term = term.wire
        }
      }
    }
  }
}

extension ElectionRefusal {
  init(validating wire: WireElectionRefusal, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    switch wire.kind {
    case "implausible":
      var omitted: [NodeID] = []
      for node in try Field.list(wire.nodes, "ElectionRefusal.nodes", limit: Limits.electors) {
        omitted.append(try Field.node(node, "ElectionRefusal.nodes"))
      }
      self = .implausible(omitted: omitted, reason: try Field.text(wire.detail, "ElectionRefusal.detail", limit: 512))
    case "disorder": self = .disorder(try Field.text(wire.detail, "ElectionRefusal.detail", limit: 512))
    case "duplicate":
      self = .duplicate(of: try Signed(signed: wire.envelope, "ElectionRefusal.envelope", using: &verified))
    case "staleTerm": self = .staleTerm(promised: try Term(validating: wire.term, "ElectionRefusal.term"))
    case "electing": self = .electing(try Term(validating: wire.term, "ElectionRefusal.term"))
    case "expired": self = .expired
    case "clockSkew": self = .clockSkew(try Field.wall(wire.wallMs, "ElectionRefusal.wall_ms"))
    case "ended": self = .ended
    case "lostStore": self = .lostStore
    case "busy": self = .busy
    case "notAnElector": self = .notAnElector
    case "unknownRequest": self = .unknownRequest
    default: throw InvalidMessage("ElectionRefusal.kind", "unknown kind “\(wire.kind.prefix(64))”")
    }
  }

  /// The case's name: on the wire, and as the label of a counter.
  public var kind: String {
    switch self {
    case .implausible: "implausible"
    case .disorder: "disorder"
    case .duplicate: "duplicate"
    case .staleTerm: "staleTerm"
    case .expired: "expired"
    case .clockSkew: "clockSkew"
    case .ended: "ended"
    case .lostStore: "lostStore"
    case .busy: "busy"
    case .notAnElector: "notAnElector"
    case .electing: "electing"
    case .unknownRequest: "unknownRequest"
    }
  }

  var wire: WireElectionRefusal {
    .with {
      $0.kind = kind
      switch self {
      case .implausible(let omitted, let reason):
        $0.nodes = omitted.map(\.data)
        $0.detail = reason
      case .disorder(let reason): $0.detail = String(reason.prefix(500))
      case .duplicate(let first): $0.envelope = first.envelope.wire
      case .staleTerm(let term), .electing(let term): $0.term = term.wire
      case .clockSkew(let wall): $0.wallMs = wall.milliseconds
      case .expired, .ended, .lostStore, .busy, .notAnElector, .unknownRequest: break
      }
    }
  }
}

/// What an order of candidates follows from: lengths are checked here, the rest by ``Signed/checkOrder(against:using:)``.
private func evidence(_ wire: [WireSignedBytes], _ field: String) throws(InvalidMessage) -> [SignedEnvelope] {
  var statements: [SignedEnvelope] = []
  for statement in try Field.list(wire, field, limit: Limits.electors + 1) {
    statements.append(try SignedEnvelope(validating: statement, field))
  }
  return statements
}
