import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// What a client signs: the request, who is to elect its manager, and until when all of it is valid. A retry through any portal sends
/// the same envelope. A portal signs for clients without keys.
public struct Envelope: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "request"

  /// The request document, opaque here; at most ``Limits/requestBytes``.
  public var document: [UInt8]
  /// The client's own number for this request: electors answer a second request under one number with the first.
  public var counter: UInt64
  /// What the electorate was drawn for.
  public var source: SourceKey
  /// Who elects and oversees the manager.
  public var electorate: Electorate
  /// Who called first, and hears of every manager.
  public var portal: NodeID
  /// By the signer's clock. An elector that lost its store since does not vote.
  public var issued: WallTime
  /// After this, and the tolerated skew, nobody heeds the request.
  public var notAfter: WallTime
  /// The order of candidates, where it is not the default; see ``Signed/order``.
  public var order: CandidateOrder?
  /// The protocol that is to elect, where it is not the quorum protocol: one of `bully`, `raft`, `firstResponder`; excludes ``order``.
  public var contest: ElectionStrategy?

  /// See the properties.
  public init(
    document: [UInt8], counter: UInt64, source: SourceKey, electorate: Electorate, portal: NodeID, issued: WallTime,
    notAfter: WallTime, order: CandidateOrder? = nil, contest: ElectionStrategy? = nil
  ) {
    precondition(contest == nil || order == nil && contest?.isOrder == false, "a contest has no order of candidates")
    self.document = document
    self.counter = counter
    self.source = source
    self.electorate = electorate
    self.portal = portal
    self.issued = issued
    self.notAfter = notAfter
    self.order = order
    self.contest = contest
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireEnvelopeStatement(parsing: bytes)
    guard wire.document.count <= Limits.requestBytes else {
      throw InvalidMessage(
        "Envelope.document", "\(wire.document.count) bytes where at most \(Limits.requestBytes) are allowed")
    }
    guard let electorate = try Electorate(validating: wire.electorate, "Envelope.electorate") else {
      throw InvalidMessage("Envelope.electorate", "empty")
    }
    let lifetime = Duration.milliseconds(
      try Field.number(wire.notAfterMs &- wire.issuedMs, "Envelope.not_after", in: 0...1 << 40))
    guard lifetime <= Limits.requestLifetime else {
      throw InvalidMessage(
        "Envelope.not_after", "\(lifetime) after issued where at most \(Limits.requestLifetime) is allowed")
    }
    self.init(
      document: Array(wire.document), counter: wire.counter,
      source: SourceKey(try Field.bytes32(wire.source, "Envelope.source")),
      electorate: electorate, portal: try Field.node(wire.portal, "Envelope.portal"),
      issued: try Field.wall(wire.issuedMs, "Envelope.issued"),
      notAfter: try Field.wall(wire.notAfterMs, "Envelope.not_after"),
      order: try Envelope.order(wire, electorate), contest: try Envelope.contest(wire))
  }

  private static func contest(_ wire: WireEnvelopeStatement) throws(InvalidMessage) -> ElectionStrategy? {
    guard let strategy = ElectionStrategy(rawValue: wire.strategy), !strategy.isOrder else { return nil }
    guard wire.order.isEmpty, wire.orderEvidence.isEmpty else {
      throw InvalidMessage("Envelope.order", "\(strategy.rawValue) has no order of candidates")
    }
    return strategy
  }

  private static func order(
    _ wire: WireEnvelopeStatement, _ electorate: Electorate
  ) throws(InvalidMessage) -> CandidateOrder? {
    guard !wire.strategy.isEmpty else { return nil }
    guard let strategy = ElectionStrategy(rawValue: wire.strategy), strategy != .rendezvous else {
      throw InvalidMessage(
        "Envelope.strategy",
        "“\(wire.strategy.prefix(64))” is neither an order of candidates with evidence nor a protocol of its own")
    }
    guard strategy.isOrder else { return nil }
    let places = wire.order.map(Int.init)
    guard places.sorted() == Array(0..<electorate.size) else {
      throw InvalidMessage("Envelope.order", "does not name each elector once")
    }
    return CandidateOrder(
      strategy: strategy, places: places,
      evidence: try Field.bytes32(wire.orderEvidence, "Envelope.order_evidence"))
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireEnvelopeStatement.with {
      $0.document = Data(document)
      $0.counter = counter
      $0.source = source.hash.data
      $0.electorate = electorate.members.map(\.data)
      $0.portal = portal.data
      $0.issuedMs = issued.milliseconds
      $0.notAfterMs = notAfter.milliseconds
      if let order {
        $0.strategy = order.strategy.rawValue
        $0.order = Data(order.places.map(UInt8.init))
        $0.orderEvidence = order.evidence.data
      }
      if let contest { $0.strategy = contest.rawValue }
    }.wireBytes
  }
}

extension Signed where Body == Envelope {
  /// Names the request: the digest of what the client signed.
  public var request: RequestID { RequestID(digest) }
  /// Who signed: the client, or its portal.
  public var client: NodeID { signer }
}
