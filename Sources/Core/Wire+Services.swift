import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// What a node found at a path that it shares, under its signature: anyone may be the manager without probing again.
public struct SourceStatement: Statement {
  public static let kind = "source"
  /// Relative to the node's share.
  public let path: String
  /// What is there.
  public let source: SourceDescription
  /// When it was looked at.
  public let wall: WallTime

  /// See the properties.
  public init(path: String, source: SourceDescription, wall: WallTime) {
    self.path = path
    self.source = source
    self.wall = wall
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireSourceStatement(parsing: bytes)
    path = try Field.text(wire.path, "SourceStatement.path")
    source = try SourceDescription(validating: wire.source)
    wall = try Field.wall(wire.wallMs, "SourceStatement.wall_ms")
  }

  /// The bytes that are signed.
  public func encoded() -> [UInt8] {
    WireSourceStatement.with {
      $0.path = path
      $0.source = source.wire
      $0.wallMs = wall.milliseconds
    }.wireBytes
  }
}

/// What a client's envelope carries: everything a manager needs to begin.
public struct ClientCall: Hashable, Sendable {
  /// The canonical request document.
  public let request: [UInt8]
  /// By the node that shares the source.
  public let source: Signed<SourceStatement>
  /// The client's coordinate, or its portal's.
  public let client: Coordinate
  /// Milliseconds of the client's connection on top of ``client``.
  public let clientExtra: Double

  /// See the properties.
  public init(request: [UInt8], source: Signed<SourceStatement>, client: Coordinate, clientExtra: Double) {
    self.request = request
    self.source = source
    self.client = client
    self.clientExtra = clientExtra
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireClientCall(parsing: bytes)
    guard wire.request.count <= Limits.requestBytes else {
      throw InvalidMessage(
        "ClientCall.request", "\(wire.request.count) bytes where at most \(Limits.requestBytes) are allowed")
    }
    request = Array(wire.request)
    source = try Signed(verifying: SignedEnvelope(validating: wire.source, "ClientCall.source"))
    client = try Coordinate(validating: wire.client, "ClientCall.client")
    clientExtra = try Field.number(wire.clientExtraMs, "ClientCall.client_extra_ms", in: 0...10_000)
  }

  /// For the envelope.
  public var bytes: [UInt8] {
    WireClientCall.with {
      $0.request = Data(request)
      $0.source = source.envelope.wire
      $0.client = client.wire
      $0.clientExtraMs = clientExtra
    }.wireBytes
  }
}

/// A client's wish to end its service, signed with the key that signed the request's envelope.
public struct EndWish: Statement {
  public static let kind = "end-wish"
  /// Which service.
  public let request: RequestID
  /// When it was wished.
  public let wall: WallTime

  /// See the properties.
  public init(request: RequestID, wall: WallTime) {
    self.request = request
    self.wall = wall
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireEndWish(parsing: bytes)
    request = RequestID(try Field.bytes32(wire.request, "EndWish.request"))
    wall = try Field.wall(wire.wallMs, "EndWish.wall_ms")
  }

  /// The bytes that are signed.
  public func encoded() -> [UInt8] {
    WireEndWish.with {
      $0.request = request.hash.data
      $0.wallMs = wall.milliseconds
    }.wireBytes
  }
}
