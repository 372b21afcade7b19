import Base
import Identity
import Vocabulary
import Wire

extension MemberDatagram {
  public init(validating wire: WireMembershipDatagram) throws(InvalidMessage) {
    let body: Body
    switch wire.body {
    case .ping(let ping): body = .ping(try Coordinate(validating: ping.place, "Probing.place"))
    case .ack(let ack): body = .ack(try Coordinate(validating: ack.place, "Probing.place"))
    case .indirectPing(let ask): body = .indirectPing(try Field.node(ask.target, "IndirectPing.target"))
    case .nack: body = .nack
    case nil: throw InvalidMessage("MembershipDatagram", "says nothing")
    }
    self.init(
      sequence: wire.sequence, body: body,
      updates: try [MemberUpdate](validating: wire.updates, limit: Limits.datagramUpdates))
  }

  /// For the datagram.
  public var wire: WireMembershipDatagram {
    .with {
      $0.sequence = sequence
      switch body {
      case .ping(let coordinate): $0.ping = .with { $0.place = coordinate.mark }
      case .ack(let coordinate): $0.ack = .with { $0.place = coordinate.mark }
      case .indirectPing(let target): $0.indirectPing = .with { $0.target = target.data }
      case .nack: $0.nack = true
      }
      $0.updates = updates.map(\.wire)
    }
  }
}

extension [MemberUpdate] {
  /// Each checked; the first bad one refuses all.
  public init(validating wire: [WireMemberUpdate], limit: Int) throws(InvalidMessage) {
    self = []
    for update in try Field.list(wire, "MemberUpdate", limit: limit) { append(try MemberUpdate(validating: update)) }
  }
  /// For the exchange.
  public var exchange: [WireMemberUpdate] { map(\.wire) }
}
