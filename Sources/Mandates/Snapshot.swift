import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// One version of a service's state as its manager signs it. It takes effect once a quorum of electors has acknowledged it;
/// a successor takes over the newest and goes on from there.
public struct Snapshot: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "snapshot"

  /// The request.
  public var request: RequestID
  /// The manager's.
  public var term: Term
  /// Rises by one with every version of its term.
  public var sequence: UInt64
  /// The manager's own number of the version, e.g. of its plan; opaque here.
  public var version: UInt64
  /// Where the service stands, for people: `composing`, `running`…; ``ended`` is the last.
  public var label: String
  /// Graph, plan and whatever a successor needs; opaque here.
  public var state: [UInt8]
  /// The streams that this request starts, and where.
  public var claims: [Claim]
  /// Who elects in the next epoch: in the version that ends an epoch, nil in all others.
  public var successors: Electorate?

  /// The label of a service's last snapshot.
  public static let ended = "ended"

  /// See the properties.
  public init(
    request: RequestID, term: Term, sequence: UInt64, version: UInt64, label: String, state: [UInt8], claims: [Claim],
    successors: Electorate? = nil
  ) {
    self.request = request
    self.term = term
    self.sequence = sequence
    self.version = version
    self.label = label
    self.state = state
    self.claims = claims
    self.successors = successors
  }

  /// Whether nothing follows.
  public var isEnd: Bool { label == Snapshot.ended }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    guard bytes.count <= Limits.snapshotBytes else {
      throw InvalidMessage("Snapshot", "\(bytes.count) bytes where at most \(Limits.snapshotBytes) are allowed")
    }
    let wire = try WireSnapshotStatement(parsing: bytes)
    var claims: [Claim] = []
    for claim in try Field.list(wire.claims, "Snapshot.claims", limit: Limits.claims) {
      let stream = StreamKey(try Field.bytes32(claim.stream, "Snapshot.claims.stream"))
      claims.append(Claim(stream: stream, node: try Field.node(claim.node, "Snapshot.claims.node")))
    }
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "Snapshot.request")),
      term: try Term(validating: wire.term, "Snapshot.term"),
      sequence: try Field.number(wire.sequence, "Snapshot.sequence", in: 1...1 << 62),
      version: try Field.number(wire.version, "Snapshot.version", in: 0...UInt64(UInt32.max)),
      label: try Field.text(wire.label, "Snapshot.label", limit: 64), state: Array(wire.state), claims: claims,
      successors: try Electorate(validating: wire.successors, "Snapshot.successors"))
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireSnapshotStatement.with {
      $0.request = request.hash.data
      $0.term = term.wire
      $0.sequence = sequence
      $0.version = version
      $0.label = label
      $0.state = Data(state)
      $0.successors = (successors?.members ?? []).map(\.data)
      $0.claims = claims.map { claim in
        .with {
          $0.stream = claim.stream.hash.data
          $0.node = claim.node.data
        }
      }
    }.wireBytes
  }
}

/// A request starts this stream at this node.
public struct Claim: Hashable, Sendable {
  /// What is started.
  public var stream: StreamKey
  /// Where.
  public var node: NodeID
  /// See the properties.
  public init(stream: StreamKey, node: NodeID) {
    self.stream = stream
    self.node = node
  }
}

/// Another live request of the same source claimed a stream before: the later manager grafts on it.
public struct EarlierClaim: Hashable, Sendable {
  /// Whose claim.
  public var request: RequestID
  /// What it starts and where.
  public var claim: Claim
  /// See the properties.
  public init(request: RequestID, claim: Claim) {
    self.request = request
    self.claim = claim
  }
}

/// What a manager asks the electors to keep: a ``Snapshot`` without what the election gives it (term, sequence, signature).
public struct SnapshotDraft: Hashable, Sendable {
  /// The manager's own number of the version; comes back with its acceptance.
  public var version: UInt64
  /// Where the service stands, for people; at most 64 bytes.
  public var label: String
  /// Opaque here; with claims at most ``Limits/snapshotBytes``.
  public var state: [UInt8]
  /// The streams that this request starts, and where; at most ``Limits/claims``.
  public var claims: [Claim]
  /// Who elects in the next epoch; the electors' own affair.
  package var successors: Electorate?
  /// See the properties.
  public init(version: UInt64, label: String, state: [UInt8], claims: [Claim] = []) {
    self.init(version: version, label: label, state: state, claims: claims, successors: nil)
  }

  package init(version: UInt64, label: String, state: [UInt8], claims: [Claim], successors: Electorate?) {
    self.successors = successors
    self.version = version
    self.label = label
    self.state = state
    self.claims = claims
  }
}

extension Signed where Body == Snapshot {
  /// Names this version.
  public var mark: SnapshotMark { SnapshotMark(term: body.term, sequence: body.sequence, digest: digest) }
}

/// A version with the mandate under which its manager signed it.
public struct MandatedSnapshot: Hashable, Sendable {
  /// The version.
  public var snapshot: Signed<Snapshot>
  /// The manager's mandate.
  public var mandate: Mandate
  /// See the properties.
  public init(snapshot: Signed<Snapshot>, mandate: Mandate) {
    self.snapshot = snapshot
    self.mandate = mandate
  }

  /// Checks that the mandate holds and makes the signer the manager of the snapshot's request and term.
  public func verify(using verified: inout VerifiedDigests) throws(MandateFault) {
    guard snapshot.body.request == mandate.request else { throw .otherRequest(mandate.request) }
    guard snapshot.body.term == mandate.term else { throw .otherTerm(mandate.term) }
    guard snapshot.signer == mandate.manager else { throw .notTheManager(snapshot.signer, manager: mandate.manager) }
    try mandate.verify(using: &verified)
  }
}
