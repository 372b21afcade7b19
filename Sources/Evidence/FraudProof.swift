import Base
import Foundation
import Identity
import Mandates
import Vocabulary
import Wire

/// Two signed statements of one peer of which an honest peer makes at most one (design §8). It holds by its two signatures alone, for
/// anyone, for ever: no roster, no trust in who brings it.
public struct FraudProof: Hashable, Sendable {
  /// What was done.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// Two different votes of one elector for one request and term.
    case twoVotes
    /// A vote or acknowledgement of a lower term after one of a higher, by the elector's own counter.
    case brokenPromise
    /// A manager's two versions under one term and sequence.
    case twoVersions
  }
  /// What was done.
  public let kind: Kind
  /// The earlier statement by its counter; where that does not say, the one whose bytes sort first.
  public let first: Utterance
  /// The other.
  public let second: Utterance

  /// Who did it.
  public var culprit: NodeID { first.statement.signer }
  /// In which request's election.
  public var request: RequestID { first.request }

  /// Checks everything: both signatures, and that the two contradict each other.
  public init(_ a: Utterance, _ b: Utterance, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    guard let kind = a.contradicts(b) else {
      throw InvalidMessage("FraudProof", "an honest peer may have made both statements")
    }
    let isInOrder = a.precedes(b)
    first = isInOrder ? a : b
    second = isInOrder ? b : a
    self.kind = kind
    try first.check("FraudProof.first", using: &verified)
    try second.check("FraudProof.second", using: &verified)
  }

  /// For a person, one line.
  public var summary: String {
    let what =
      switch (first.content, second.content) {
      case (.version(_, let mark), _): "signed two versions \(mark)"
      case (.vote(let vote), .vote) where kind == .twoVotes: "cast two votes for term \(vote.term)"
      default:
        "promised term \(first.mark?.term ?? Term(0)) (statement \(first.mark?.counter ?? 0)) and then said something of term "
          + "\(second.mark?.term ?? Term(0)) (statement \(second.mark?.counter ?? 0))"
      }
    return "\(culprit.short)… \(what) of request \(request.short)…"
  }

  /// Bytes that it takes to keep.
  var size: Int { first.statement.bytes.count + second.statement.bytes.count + 256 }
}

extension Utterance {
  /// By the speaker's own counter; where that does not say, by bytes.
  fileprivate func precedes(_ other: Utterance) -> Bool {
    if let own = mark?.counter, let others = other.mark?.counter, own != others { return own < others }
    return statement.bytes.lexicographicallyPrecedes(other.statement.bytes)
  }

  fileprivate func check(_ field: String, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    guard verified.check(statement, kind: kind) else {
      throw InvalidMessage(field, "not signed by \(statement.signer.short)…")
    }
  }
}

extension FraudProof {
  init(validating wire: WireFraudProofFields, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    func utterance(_ wire: WireFraudStatement, _ field: String) throws(InvalidMessage) -> Utterance {
      try Utterance(wire.kind, try SignedEnvelope(validating: wire.statement, field))
    }
    try self.init(
      try utterance(wire.first, "FraudProof.first"), try utterance(wire.second, "FraudProof.second"), using: &verified)
  }

  var wire: WireFraudProofFields {
    func statement(_ part: Utterance) -> WireFraudStatement {
      .with {
        $0.kind = part.kind
        $0.statement = part.statement.wire
      }
    }
    return .with {
      $0.first = statement(first)
      $0.second = statement(second)
    }
  }
}

/// A proof as it is kept on disk.
public struct FraudRecord: Hashable, Sendable {
  /// The proof.
  public var proof: FraudProof
  /// When this peer learnt of it.
  public var since: WallTime
  /// Until then its culprit is ignored.
  public var until: WallTime { since + Limits.fraudMemory }

  init(_ proof: FraudProof, since: WallTime) {
    self.proof = proof
    self.since = since
  }

  /// Reads what ``bytes`` gave.
  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireFraudRecord(parsing: bytes)
    var verified = VerifiedDigests(capacity: 4)
    self.init(
      try FraudProof(validating: wire.proof, using: &verified),
      since: try Field.wall(wire.sinceMs, "FraudRecord.since_ms"))
  }

  /// For the store.
  public var bytes: [UInt8] {
    WireFraudRecord.with {
      $0.proof = proof.wire
      $0.sinceMs = since.milliseconds
    }.wireBytes
  }
}
