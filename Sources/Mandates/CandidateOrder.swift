import Base
import Foundation
import Identity
import Vocabulary
import Wire

// Orders of candidates that follow from evidence instead of hashing. The client signs the order and the evidence's digest, so that the
// request's ID binds both; the call carries the evidence, and no elector votes before it has found that the order follows from it. Afterwards
// the envelope alone says who stands in which term: a mandate needs no evidence, its quorum has checked it.

/// The order of candidates that a client signs in place of the default.
public struct CandidateOrder: Hashable, Sendable {
  /// What it was made by: an order other than ``ElectionStrategy/rendezvous``.
  public let strategy: ElectionStrategy
  /// The kind of the signed measurements that ``ElectionStrategy/nearest`` and ``ElectionStrategy/leastLoaded`` follow from.
  public static let measurementKind = "load-report"
  /// Places in the electorate, the first candidate's first.
  public let places: [Int]
  /// Of the evidence that it follows from.
  public let evidence: Bytes32

  init(strategy: ElectionStrategy, places: [Int], evidence: Bytes32) {
    self.strategy = strategy
    self.places = places
    self.evidence = evidence
  }

  /// Makes an order.
  /// - Parameters:
  ///   - strategy: other than ``ElectionStrategy/rendezvous``, and an order.
  ///   - envelope: what the client is about to sign; its own order is ignored.
  ///   - client: who will sign it.
  ///   - evidence: for `sortition` the electors' signed ``Lot``s; else signed load reports of the electors and, for `nearest`, the portal.
  public init(
    by strategy: ElectionStrategy, for envelope: Envelope, of client: NodeID, from evidence: [SignedEnvelope],
    using verified: inout VerifiedDigests
  ) throws(OrderFault) {
    precondition(strategy.isOrder && strategy != .rendezvous, "\(strategy) needs no evidence")
    let members = envelope.electorate.members
    let keys =
      strategy == .sortition
      ? try lots(evidence, envelope, client, &verified) : try bearings(evidence, envelope, strategy, &verified)
    let electorate = envelope.electorate
    let needed = electorate.size - electorate.faults
    guard keys.count >= needed else { throw .tooFew(found: keys.count, needed: needed) }
    // Who did not speak stands last, in the order of the draw.
    let placed = members.indices.sorted { a, b in
      switch (keys[members[a]], keys[members[b]]) {
      case (let x?, let y?): x != y ? x.lexicographicallyPrecedes(y) : a < b
      case (nil, nil): a < b
      case (let x, _): x != nil
      }
    }
    self.init(strategy: strategy, places: placed, evidence: CandidateOrder.digest(of: evidence))
  }

  static func digest(of evidence: [SignedEnvelope]) -> Bytes32 {
    Digest.of(
      evidence.flatMap { Digest.of($0.bytes + $0.signer.bytes + $0.signature.bytes, kind: "evidence").bytes },
      kind: "order-evidence")
  }
}

/// Why an order does not follow from its evidence.
public enum OrderFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The evidence is not the one whose digest was signed.
  case otherEvidence
  /// Fewer electors than k − f spoke.
  case tooFew(found: Int, needed: Int)
  /// Somebody spoke who was not asked.
  case foreign(NodeID)
  /// Somebody speaks twice.
  case twice(NodeID)
  /// A statement is not signed by its signer, or says nothing of use.
  case statement(of: NodeID, String)
  /// Measured too long before, or after, the request was issued.
  case stale(NodeID)
  /// `nearest` without the portal's own coordinate.
  case portalSilent
  /// The evidence gives another order.
  case otherOrder

  public var description: String {
    switch self {
    case .otherEvidence: "the evidence is not what the client signed"
    case .tooFew(let found, let needed): "\(found) electors spoke where at least \(needed) are needed"
    case .foreign(let node): "\(node.short)… speaks and was not asked"
    case .twice(let node): "\(node.short)… speaks twice"
    case .statement(let node, let why): "the statement of \(node.short)…: \(why)"
    case .stale(let node):
      "the measurement of \(node.short)… is more than \(Int(Limits.bearingAge.seconds)) s from the request's time"
    case .portalSilent: "the portal's own coordinate is missing"
    case .otherOrder: "the evidence gives another order"
    }
  }
}

extension Envelope {
  /// How the manager is to be found.
  public var strategy: ElectionStrategy { contest ?? order?.strategy ?? .rendezvous }

  /// What lots are drawn for: everything that the client decides before it knows the lots.
  public func draw(of client: NodeID) -> Bytes32 {
    func number(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }
    let parts: [[UInt8]] = [
      Digest.of(document, kind: "document").bytes, number(counter), source.hash.bytes, portal.bytes, client.bytes,
      number(issued.milliseconds), number(notAfter.milliseconds), electorate.members.flatMap(\.bytes),
    ]
    return Digest.of(parts.flatMap { $0 }, kind: "draw")
  }
}

extension Signed where Body == Envelope {
  /// The order in which the electors become candidates.
  public var order: [NodeID] {
    let members = body.electorate.members
    return body.order.map { order in order.places.map { members[$0] } } ?? body.electorate.order(of: request)
  }

  /// The one candidate of a term: order[(t−1) mod k]. Nobody stands in term 0.
  public func candidate(in term: Term) -> NodeID? {
    term.number > 0 ? order[Int(term.number - 1) % body.electorate.size] : nil
  }

  /// Checks that the signed order follows from the evidence.
  public func checkOrder(
    against evidence: [SignedEnvelope], using verified: inout VerifiedDigests
  ) throws(OrderFault) {
    guard let order = body.order else {
      guard evidence.isEmpty else { throw .otherEvidence }
      return
    }
    guard CandidateOrder.digest(of: evidence) == order.evidence else { throw .otherEvidence }
    guard
      try CandidateOrder(by: order.strategy, for: body, of: client, from: evidence, using: &verified) == order
    else { throw .otherOrder }
  }
}

// MARK: - Sortition

/// An elector's lot: its verifiable random output for a draw. Signed too, so that evidence is of one shape.
public struct Lot: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "lot"
  /// What is drawn for; see ``Envelope/draw(of:)``.
  public var draw: Bytes32
  /// Of the signer's output.
  public var proof: VRFProof

  /// Draws a lot.
  public init(draw: Bytes32, by keys: KeyPair) {
    self.draw = draw
    proof = keys.prove(Lot.input(draw))
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireLotStatement(parsing: bytes)
    draw = try Field.bytes32(wire.draw, "Lot.draw")
    do { proof = try VRFProof(validating: Array(wire.proof)) } catch { throw InvalidMessage("Lot.proof", "\(error)") }
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireLotStatement.with {
      $0.draw = draw.data
      $0.proof = Data(proof.bytes)
    }.wireBytes
  }

  package static func input(_ draw: Bytes32) -> [UInt8] { Array("millrace/v1/sortition".utf8) + [0] + draw.bytes }
}

/// Each elector's key of the order: its output, the lowest first.
private func lots(
  _ evidence: [SignedEnvelope], _ envelope: Envelope, _ client: NodeID, _ verified: inout VerifiedDigests
) throws(OrderFault) -> [NodeID: [UInt8]] {
  let draw = envelope.draw(of: client)
  var keys: [NodeID: [UInt8]] = [:]
  for statement in evidence {
    let node = statement.signer
    guard envelope.electorate.contains(node) else { throw .foreign(node) }
    guard keys[node] == nil else { throw .twice(node) }
    let lot: Signed<Lot>
    do { lot = try Signed(verifying: statement, using: &verified) } catch { throw .statement(of: node, "\(error)") }
    guard lot.body.draw == draw else { throw .statement(of: node, "drawn for another request") }
    do { keys[node] = try node.output(of: lot.body.proof, on: Lot.input(draw)).bytes } catch {
      throw .statement(of: node, "\(error)")
    }
  }
  return keys
}

// MARK: - Nearest and least loaded

/// What an order takes from the pulse of a node's signed load report. The report itself is of another room; its bytes and kind are the wire's.
struct Bearing {
  static let kind = CandidateOrder.measurementKind
  let wall: WallTime
  let coordinate: Coordinate
  /// 0…1 and more: the tightest of what a manager needs.
  let load: Double

  init(_ statement: SignedEnvelope, using verified: inout VerifiedDigests) throws(OrderFault) {
    let node = statement.signer
    guard verified.check(statement, kind: Bearing.kind) else { throw .statement(of: node, "not signed by it") }
    do throws(InvalidMessage) {
      let wire = try WireReportPart(parsing: statement.bytes)
      guard try Field.node(wire.node, "ReportPart.node") == node else {
        throw InvalidMessage("ReportPart.node", "is not the signer")
      }
      guard case .pulse(let pulse) = wire.content else { throw InvalidMessage("ReportPart.content", "is no pulse") }
      wall = try Field.wall(wire.wallMs, "ReportPart.wall_ms")
      coordinate = try Coordinate(validating: pulse.place, "Pulse.place")
      let shares = [pulse.ownCpu, pulse.machineCpu, pulse.cpuPressure, pulse.deadlineMisses]
      for share in shares { _ = try Field.number(share, "Pulse", in: 0...1_000) }
      let slots = Double(pulse.slotsUsed) / Double(max(pulse.slots, 1))
      load = max(Double(shares.max() ?? 0) / 1_000, slots)
    } catch { throw .statement(of: node, "\(error)") }
  }
}

/// Each elector's key of the order: a number of at least 0 in the bytes of its big-endian bit pattern, which order as the numbers do.
private func bearings(
  _ evidence: [SignedEnvelope], _ envelope: Envelope, _ strategy: ElectionStrategy, _ verified: inout VerifiedDigests
) throws(OrderFault) -> [NodeID: [UInt8]] {
  var known: OrderedDictionary<NodeID, Bearing> = [:]
  for statement in evidence {
    let node = statement.signer
    guard envelope.electorate.contains(node) || node == envelope.portal else { throw .foreign(node) }
    guard known[node] == nil else { throw .twice(node) }
    let bearing = try Bearing(statement, using: &verified)
    let age = envelope.issued - bearing.wall
    guard max(age, .zero - age) <= Limits.bearingAge else { throw .stale(node) }
    known[node] = bearing
  }
  func key(_ number: Double) -> [UInt8] { withUnsafeBytes(of: number.bitPattern.bigEndian, Array.init) }
  var keys: [NodeID: [UInt8]] = [:]
  let portal = known[envelope.portal]?.coordinate
  for (node, bearing) in known where envelope.electorate.contains(node) {
    switch strategy {
    case .nearest:
      guard let portal else { throw .portalSilent }
      keys[node] = key(node == envelope.portal ? 0 : bearing.coordinate.roundTrip(to: portal))
    default: keys[node] = key(bearing.load)
    }
  }
  if strategy == .nearest, portal == nil { throw .portalSilent }
  return keys
}
