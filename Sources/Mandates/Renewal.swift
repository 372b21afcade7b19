import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// The client's word that its request is to last longer (design §8), under the key that signed the envelope. It changes nothing but the end:
/// tombstones, fences and all that is kept "until the end" follow the newest one.
public struct Renewal: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "renewal"
  /// Which request.
  public var request: RequestID
  /// By the signer's clock.
  public var issued: WallTime
  /// After this, and the tolerated skew, nobody heeds the request; at most ``Limits/requestLifetime`` after ``issued``.
  public var notAfter: WallTime

  /// See the properties.
  public init(request: RequestID, issued: WallTime, notAfter: WallTime) {
    self.request = request
    self.issued = issued
    self.notAfter = notAfter
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireRenewalStatement(parsing: bytes)
    let lifetime = Duration.milliseconds(
      try Field.number(wire.notAfterMs &- wire.issuedMs, "Renewal.not_after", in: 0...1 << 40))
    guard lifetime <= Limits.requestLifetime else {
      throw InvalidMessage(
        "Renewal.not_after", "\(lifetime) after issued where at most \(Limits.requestLifetime) is allowed")
    }
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "Renewal.request")),
      issued: try Field.wall(wire.issuedMs, "Renewal.issued"),
      notAfter: try Field.wall(wire.notAfterMs, "Renewal.not_after"))
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireRenewalStatement.with {
      $0.request = request.hash.data
      $0.issuedMs = issued.milliseconds
      $0.notAfterMs = notAfter.milliseconds
    }.wireBytes
  }
}

extension Signed where Body == Envelope {
  /// Until when the request is valid: as it was signed first, or as its client renewed it. A renewal of anybody else's counts nothing.
  public func notAfter(renewedBy renewal: Signed<Renewal>?) -> WallTime {
    guard let renewal, isRenewed(by: renewal) else { return body.notAfter }
    return max(body.notAfter, renewal.body.notAfter)
  }

  package func isRenewed(by renewal: Signed<Renewal>) -> Bool {
    renewal.signer == client && renewal.body.request == request
  }
}

extension WallTime {
  /// The latest end of whatever was issued by now: a client that signs its renewal years ahead has nobody keep its request for so long.
  package var longestValidity: WallTime { self + Limits.requestLifetime + Limits.clockSkew }
}
