import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// What a member says of itself, under its own signature: nobody else can give it an address, or say that it left.
public struct MemberRecord: Statement {
  public static let kind = "member"
  /// Who.
  public var node: NodeID
  /// Where it listens.
  public var address: PeerAddress
  /// Rises with every start and every refutation; the highest is believed.
  public var incarnation: UInt64
  /// Of the protocol.
  public var version: UInt32
  /// It goes in good order.
  public var isLeaving: Bool
  /// `http://HOST:PORT` of its portal.
  public var portal: String

  /// See the properties.
  public init(
    node: NodeID, address: PeerAddress, incarnation: UInt64, version: UInt32 = Limits.protocolVersion,
    isLeaving: Bool = false, portal: String = ""
  ) {
    self.node = node
    self.address = address
    self.incarnation = incarnation
    self.version = version
    self.isLeaving = isLeaving
    self.portal = portal
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireMemberRecord(parsing: bytes)
    node = try Field.node(wire.node, "MemberRecord.node")
    address = try PeerAddress(validating: wire.address, "MemberRecord.address")
    incarnation = wire.incarnation
    version = wire.version
    isLeaving = wire.leaving
    portal = try Field.text(wire.portal, "MemberRecord.portal", limit: 300)
  }

  /// The bytes that are signed.
  public func encoded() -> [UInt8] {
    WireMemberRecord.with {
      $0.node = node.data
      $0.address = address.wire
      $0.incarnation = incarnation
      $0.version = version
      $0.leaving = isLeaving
      $0.portal = portal
    }.wireBytes
  }
}

/// A peer as this one sees it.
public struct Member: Hashable, Sendable {
  /// How it stands.
  public enum State: String, Hashable, Sendable {
    /// Answers. Can become: suspect, dead, left.
    case alive
    /// Did not answer somebody; may refute. Can become: alive, dead, left.
    case suspect
    /// Did not refute in time. Can become: alive, by a higher incarnation.
    case dead
    /// Said that it goes. Can become: alive, by a higher incarnation.
    case left
  }
  /// Its newest signed record.
  public var record: Signed<MemberRecord>
  /// How it stands.
  public var state: State
  /// When this peer first heard of it, or of its return.
  public var knownSince: Instant
  /// When its state last changed.
  public var stateSince: Instant
  /// When it itself was last heard.
  public var lastHeard: Instant?
  /// Smoothed round trip in milliseconds; nil before the first.
  public var roundTrip: Double?
  /// Its own coordinate, as it last said; nil before.
  public var coordinate: Coordinate?

  /// Who.
  public var node: NodeID { record.body.node }
  /// Where it listens.
  public var address: PeerAddress { record.body.address }
  /// It takes part: neither dead nor gone.
  public var isMember: Bool { state == .alive || state == .suspect }
}

/// What somebody says of a member.
public enum MemberUpdate: Hashable, Sendable {
  /// Its own word: alive, or leaving.
  case record(SignedEnvelope)
  /// Somebody could not reach it at this incarnation.
  case suspect(NodeID, incarnation: UInt64, by: NodeID)
  /// It did not refute.
  case dead(NodeID, incarnation: UInt64, by: NodeID)

  /// Bytes on the wire, roughly, from above.
  var size: Int {
    switch self {
    case .record(let envelope): envelope.bytes.count + 108
    default: 84
    }
  }
}

extension MemberUpdate {
  init(validating wire: WireMemberUpdate) throws(InvalidMessage) {
    switch wire.body {
    case .record(let record): self = .record(try SignedEnvelope(validating: record, "MemberUpdate.record"))
    case .suspect(let doubt):
      self = .suspect(
        try Field.node(doubt.node, "Doubt.node"), incarnation: doubt.incarnation,
        by: try Field.node(doubt.by, "Doubt.by"))
    case .dead(let doubt):
      self = .dead(
        try Field.node(doubt.node, "Doubt.node"), incarnation: doubt.incarnation,
        by: try Field.node(doubt.by, "Doubt.by"))
    case nil: throw InvalidMessage("MemberUpdate", "says nothing")
    }
  }
  var wire: WireMemberUpdate {
    func doubt(_ node: NodeID, _ incarnation: UInt64, _ by: NodeID) -> WireDoubt {
      .with {
        $0.node = node.data
        $0.incarnation = incarnation
        $0.by = by.data
      }
    }
    return .with {
      switch self {
      case .record(let envelope): $0.record = envelope.wire
      case .suspect(let node, let incarnation, let by): $0.suspect = doubt(node, incarnation, by)
      case .dead(let node, let incarnation, let by): $0.dead = doubt(node, incarnation, by)
      }
    }
  }
}
