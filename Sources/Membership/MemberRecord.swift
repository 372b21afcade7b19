import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// What a member says of itself, under its own signature: nobody else can give it an address, or say that it left.
public struct MemberRecord: Statement {
  /// Names these statements in their signatures.
  public static let kind = "member"
  /// Who.
  public var node: NodeID
  /// Where it listens.
  public var address: PeerAddress
  /// Rises with every start, refutation and departure, so that it names this very record; the highest is believed.
  /// At most ``Base/Limits/incarnation``.
  public var incarnation: UInt64
  /// Of the protocol.
  public var version: UInt32
  /// It goes in good order.
  public var isLeaving: Bool
  /// `http://HOST:PORT` of its portal, at most 300 bytes; empty when others should not know it.
  public var portal: String
  /// The overlay's name, at most 64 bytes.
  public var overlay: String

  /// See the properties.
  public init(
    node: NodeID, address: PeerAddress, incarnation: UInt64, version: UInt32 = Limits.protocolVersion,
    isLeaving: Bool = false, portal: String = "", overlay: String = ""
  ) {
    self.node = node
    self.address = address
    self.incarnation = incarnation
    self.version = version
    self.isLeaving = isLeaving
    self.portal = portal
    self.overlay = overlay
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireMemberRecord(parsing: bytes)
    node = try Field.node(wire.node, "MemberRecord.node")
    address = try PeerAddress(validating: wire.address, "MemberRecord.address")
    incarnation = try Field.number(wire.incarnation, "MemberRecord.incarnation", in: 0...Limits.incarnation)
    version = wire.version
    isLeaving = wire.leaving
    portal = try Field.text(wire.portal, "MemberRecord.portal", limit: 300)
    overlay = try Field.text(wire.overlay, "MemberRecord.overlay", limit: 64)
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
      $0.overlay = overlay
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
    /// Did not refute in time. Can become: alive, left, by a higher incarnation.
    case dead
    /// Said that it goes. Can become: alive, by a higher incarnation.
    case left

    /// It is counted with, as far as its liveness goes.
    var takesPart: Bool { self == .alive || self == .suspect }
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
  /// Its incarnation, as far as this peer knows.
  public var incarnation: UInt64 { record.body.incarnation }
  /// It speaks this peer's version of the protocol. One that does not is shown, and otherwise left alone.
  public var speaksOurVersion: Bool { record.body.version == Limits.protocolVersion }
  /// It takes part: neither dead nor gone, and understood.
  public var isMember: Bool { state.takesPart && speaksOurVersion }
}
