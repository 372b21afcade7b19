import Base
import Identity
import Measurements
import Membership
import Wire

// What peers say of members and of measurements, as values. A node makes and takes most of what it ever says in this form; the shell turns it
// into bytes where a socket begins, and a simulation of very many nodes need not.

/// What one datagram carries.
public struct GossipDatagram: Sendable {
  /// Whose words.
  public enum Body: Sendable {
    /// A probe or an answer.
    case membership(MemberDatagram)
    /// A car of a packet train, or the report of its arrival.
    case train(TrainMessage)
  }
  /// Whose words.
  public var body: Body
  /// Parts of reports that ride beside it.
  public var reports: [SignedEnvelope]

  /// For the wire.
  public var wire: WireDatagramMessage {
    .with {
      switch body {
      case .membership(let datagram): $0.membership = datagram.wire
      case .train(let train): $0.train = train.wire
      }
      $0.measurements = reports.map(\.wire)
    }
  }

  /// Bytes on the wire at most, from what its parts take; without sealing.
  public var estimatedBytes: Int {
    let reported = reports.reduce(0) { $0 + $1.byteCount + Limits.envelopeBytes }
    switch body {
    case .membership(let datagram): return datagram.estimatedBytes + reported
    case .train(.car): return Limits.trainBytes + reported
    case .train(.arrival): return 32 + reported
    }
  }
}

/// What two peers tell each other over a link: all that they know.
public enum GossipExchange: Sendable {
  /// Whole views of the members.
  case view([MemberUpdate], isAnswer: Bool)
  /// Whole boards of measurements.
  case board([SignedEnvelope], isAnswer: Bool)

  /// For the wire.
  public var wire: WireLinkMessage {
    .with {
      switch self {
      case .view(let updates, let isAnswer):
        $0.membership = .with {
          $0.isAnswer = isAnswer
          $0.updates = updates.exchange
        }
      case .board(let reports, let isAnswer):
        $0.measurements = .with {
          $0.isAnswer = isAnswer
          $0.reports = reports.map(\.wire)
        }
      }
    }
  }

  /// Bytes on the wire at most, from what its parts take; without TLS.
  public var estimatedBytes: Int {
    switch self {
    case .view(let updates, _): updates.reduce(8) { $0 + $1.size }
    case .board(let reports, _): reports.reduce(8) { $0 + $1.byteCount + Limits.envelopeBytes }
    }
  }
}
