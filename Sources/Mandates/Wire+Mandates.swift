import Base
import Foundation
import Identity
import Vocabulary
import Wire

// Proofs and certificates as messages carry them.

extension Mandate {
  package init(validating wire: WireMandateProof, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    var votes: [SignedEnvelope] = []
    for vote in try Field.list(wire.votes, "Mandate.votes", limit: Limits.electors) {
      votes.append(try SignedEnvelope(validating: vote, "Mandate.votes"))
    }
    let envelope: Signed<Envelope> = try Signed(signed: wire.envelope, "Mandate.envelope", using: &verified)
    guard
      let mandate = Mandate(
        envelope: envelope, handovers: try Handover.list(wire.handovers, "Mandate.handovers"),
        term: try Term(validating: wire.term, "Mandate.term"), votes: votes,
        renewal: wire.hasRenewal ? try Signed(signed: wire.renewal, "Mandate.renewal", using: &verified) : nil)
    else {
      throw InvalidMessage("Mandate.term", "nobody stands in it")
    }
    self = mandate
  }

  package var wire: WireMandateProof {
    .with {
      $0.envelope = envelope.envelope.wire
      $0.term = term.wire
      $0.votes = votes.map(\.wire)
      $0.handovers = succession.handovers.map(\.wire)
      if let renewal { $0.renewal = renewal.envelope.wire }
    }
  }
}

extension MandatedSnapshot {
  package init(validating wire: WireCertifiedSnapshot, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    self.init(
      snapshot: try Signed(signed: wire.snapshot, "CertifiedSnapshot.snapshot", using: &verified),
      mandate: try Mandate(validating: wire.mandate, using: &verified))
  }
  package var wire: WireCertifiedSnapshot {
    .with {
      $0.snapshot = snapshot.envelope.wire
      $0.mandate = mandate.wire
    }
  }
}

extension EarlierClaim {
  package var wire: WireEarlierClaimFields {
    .with {
      $0.request = request.hash.data
      $0.stream = claim.stream.hash.data
      $0.node = claim.node.data
    }
  }
}

extension Signed {
  package init(signed wire: WireSignedBytes, _ field: String, using verified: inout VerifiedDigests)
    throws(InvalidMessage)
  {
    try self.init(verifying: try SignedEnvelope(validating: wire, field), using: &verified)
  }
}

extension RequestID {
  package init(validating data: Data, _ field: String) throws(InvalidMessage) {
    self.init(try Field.bytes32(data, field))
  }
}
