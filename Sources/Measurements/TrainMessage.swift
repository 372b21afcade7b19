import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// A car of a packet train, or what its receiver saw.
public enum TrainMessage: Hashable, Sendable {
  /// One of `count` datagrams sent back to back, all of ``Base/Limits/trainBytes``.
  case car(train: UInt64, index: Int, count: Int)
  /// Bytes that came after the first car, and the nanoseconds that they took.
  case arrival(train: UInt64, bytes: UInt64, nanoseconds: Int64)

  public init(validating wire: WireMeasurementDatagram) throws(InvalidMessage) {
    switch wire.body {
    case .car(let car):
      let count = Int(try Field.number(car.count, "TrainCar.count", in: 2...64))
      self = .car(
        train: wire.train, index: Int(try Field.number(car.index, "TrainCar.index", in: 0...UInt32(count - 1))),
        count: count)
    case .arrival(let arrival):
      self = .arrival(
        train: wire.train, bytes: try Field.number(arrival.bytes, "TrainArrival.bytes", in: 0...1_000_000),
        nanoseconds: try Field.number(arrival.dispersionNs, "TrainArrival.dispersion_ns", in: 0...60_000_000_000))
    case nil: throw InvalidMessage("MeasurementDatagram", "says nothing")
    }
  }

  /// For the datagram.
  public var wire: WireMeasurementDatagram {
    .with {
      switch self {
      case .car(let train, let index, let count):
        $0.train = train
        $0.car = .with {
          $0.index = UInt32(index)
          $0.count = UInt32(count)
          $0.padding = Data(count: Limits.trainBytes - 60)
        }
      case .arrival(let train, let bytes, let nanoseconds):
        $0.train = train
        $0.arrival = .with {
          $0.bytes = bytes
          $0.dispersionNs = nanoseconds
        }
      }
    }
  }
}
