import Base
import Elections
import Foundation
import Identity
import Mandates
import Vocabulary
import Wire

/// A manager's own word that it manages a request in a term: all that it has to show where no quorum votes. It proves who said so, and
/// nothing else: another may say the same, and both may be right by their protocol.
public struct ClaimStatement: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "manager-claim"
  /// What is managed.
  public var request: RequestID
  /// The protocol by which the signer believes itself elected; never one of the quorum's.
  public var strategy: ElectionStrategy
  /// The protocol's own count of managers, from 1. It orders managers one after another, but two may have the same.
  public var term: UInt32
  /// When it was said, by the signer's clock.
  public var wall: WallTime

  /// See the properties.
  public init(request: RequestID, strategy: ElectionStrategy, term: UInt32, wall: WallTime) {
    precondition(!strategy.isOrder, "the quorum's managers show votes")
    self.request = request
    self.strategy = strategy
    self.term = term
    self.wall = wall
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireClaimStatement(parsing: bytes)
    guard let strategy = ElectionStrategy(rawValue: wire.strategy), !strategy.isOrder else {
      throw InvalidMessage("ClaimStatement.strategy", "“\(wire.strategy.prefix(64))” is no protocol without a quorum")
    }
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "ClaimStatement.request")), strategy: strategy,
      term: try Field.number(wire.term, "ClaimStatement.term", in: 1...1 << 30),
      wall: try Field.wall(wire.wallMs, "ClaimStatement.wall_ms"))
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireClaimStatement.with {
      $0.request = request.hash.data
      $0.strategy = strategy.rawValue
      $0.term = term
      $0.wallMs = wall.milliseconds
    }.wireBytes
  }
}

/// A claim with the request that it is about. One that exists says what its signer said: signatures, request and strategy agree.
public struct ManagerClaim: Hashable, Sendable {
  /// What the client signed.
  public let envelope: Signed<Envelope>
  /// The manager's word.
  public let statement: Signed<ClaimStatement>

  /// - Throws: where the two are not about one request and strategy, or the signer is not of those who may stand.
  public init(_ envelope: Signed<Envelope>, _ statement: Signed<ClaimStatement>) throws(InvalidMessage) {
    guard statement.body.request == envelope.request else {
      throw InvalidMessage("ManagerClaim.request", "of request \(statement.body.request.short)…")
    }
    guard statement.body.strategy == envelope.body.contest else {
      throw InvalidMessage(
        "ManagerClaim.strategy",
        "\(statement.body.strategy.rawValue) where the client signed \(envelope.body.strategy.rawValue)")
    }
    guard envelope.body.electorate.contains(statement.signer) else {
      throw InvalidMessage("ManagerClaim.signer", "\(statement.signer.short)… is not of the electorate")
    }
    self.envelope = envelope
    self.statement = statement
  }

  /// The request.
  public var request: RequestID { statement.body.request }
  /// Who claims.
  public var manager: NodeID { statement.signer }
  /// For fencing.
  public var term: Term { Term(statement.body.term) }
  /// Names the claim in assignments.
  public var digest: Bytes32 { statement.digest }
}

/// What a manager shows so that it is obeyed: a quorum's mandate, or no more than its own claim.
public enum Warrant: Hashable, Sendable {
  /// Proved by votes.
  case mandate(Mandate)
  /// Unproved; believed only by peers whose operators chose the same protocol.
  case claim(ManagerClaim)

  /// What the client signed.
  public var envelope: Signed<Envelope> {
    switch self {
    case .mandate(let mandate): mandate.envelope
    case .claim(let claim): claim.envelope
    }
  }
  /// The request.
  public var request: RequestID {
    switch self {
    case .mandate(let mandate): mandate.request
    case .claim(let claim): claim.request
    }
  }
  /// Who manages, or says so.
  public var manager: NodeID {
    switch self {
    case .mandate(let mandate): mandate.manager
    case .claim(let claim): claim.manager
    }
  }
  /// For fencing.
  public var term: Term {
    switch self {
    case .mandate(let mandate): mandate.term
    case .claim(let claim): claim.term
    }
  }
  /// Names it in assignments.
  public var digest: Bytes32 {
    switch self {
    case .mandate(let mandate): mandate.digest
    case .claim(let claim): claim.digest
    }
  }
  /// Who elects, or takes part.
  public var electorate: Electorate {
    switch self {
    case .mandate(let mandate): mandate.electorate
    case .claim(let claim): claim.envelope.body.electorate
    }
  }
  /// How the manager was found.
  public var strategy: ElectionStrategy { envelope.body.strategy }
  /// Until when it counts: a mandate's request may have been renewed.
  public var notAfter: WallTime {
    switch self {
    case .mandate(let mandate): mandate.notAfter
    case .claim(let claim): claim.envelope.body.notAfter
    }
  }
  /// The votes, where a quorum gave them.
  public var mandate: Mandate? { if case .mandate(let mandate) = self { mandate } else { nil } }

  /// Checks the votes of a mandate. A claim has nothing more to check, which makes it no truer.
  public func verify(using verified: inout VerifiedDigests) throws(MandateFault) {
    if case .mandate(let mandate) = self { try mandate.verify(using: &verified) }
  }

  /// Everything that a node checks before it obeys a stranger.
  /// - Parameter own: what this node's operator chose: a claim counts only under the very same protocol.
  public func verify(
    for request: RequestID, in term: Term, own: ElectionStrategy, wall: WallTime, view: MemberView, at now: Instant,
    using verified: inout VerifiedDigests
  ) throws(WarrantFault) {
    switch self {
    case .mandate(let mandate):
      do { try mandate.verify(for: request, in: term, wall: wall, view: view, at: now, using: &verified) } catch {
        throw .mandate(error)
      }
    case .claim(let claim):
      guard claim.request == request else { throw .mandate(.otherRequest(claim.request)) }
      guard claim.term == term else { throw .mandate(.otherTerm(claim.term)) }
      guard strategy == own else { throw .unproved(strategy, own: own) }
      let end = claim.envelope.body.notAfter
      guard end + Limits.clockSkew >= wall else { throw .mandate(.expired(end)) }
      guard end <= wall.longestValidity else { throw .mandate(.tooLong(end)) }
      do { try view.checkPlausibility(of: electorate, for: envelope.body.source, at: now) } catch {
        throw .mandate(.implausibleElectorate(error))
      }
    }
  }

  /// As messages of other rooms carry it.
  public func encoded() -> [UInt8] {
    switch self {
    case .mandate(let mandate): mandate.encoded()
    case .claim(let claim):
      WireMandateProof.with {
        $0.envelope = claim.envelope.envelope.wire
        $0.term = claim.term.wire
        $0.claim = claim.statement.envelope.wire
      }.wireBytes
    }
  }

  /// Reads what ``encoded()`` wrote, and checks the signatures of client and claimant; votes wait for ``verify(using:)``.
  public init(validating bytes: [UInt8], using verified: inout VerifiedDigests) throws(InvalidMessage) {
    let wire = try WireMandateProof(parsing: bytes)
    guard wire.hasClaim else {
      self = .mandate(try Mandate(validating: bytes, using: &verified))
      return
    }
    guard wire.votes.isEmpty, wire.handovers.isEmpty else {
      throw InvalidMessage("Mandate.claim", "comes with votes or handovers")
    }
    let claim = try ManagerClaim(
      try Signed(verifying: SignedEnvelope(validating: wire.envelope, "Mandate.envelope"), using: &verified),
      try Signed(verifying: SignedEnvelope(validating: wire.claim, "Mandate.claim"), using: &verified))
    guard Term(wire.term) == claim.term else { throw InvalidMessage("Mandate.term", "not the claim's") }
    self = .claim(claim)
  }
}

/// Why a manager is not obeyed.
public enum WarrantFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Its mandate does not hold; or a claim is of another request or term, or too old.
  case mandate(MandateFault)
  /// It shows only its own word, under a protocol that this node's operator did not choose.
  case unproved(ElectionStrategy, own: ElectionStrategy)

  public var description: String {
    switch self {
    case .mandate(let fault): "\(fault)"
    case .unproved(let strategy, let own):
      "the manager shows its own claim alone (\(strategy.warning ?? strategy.rawValue)); this node elects by \(own.rawValue)"
        + (own.isOrder ? " and obeys a quorum's mandates only" : "")
    }
  }
}
