import Base
import Identity
import Vocabulary

// Times and numbers that their receiver reckons on from: with room to do so, whatever another peer says.

extension Field {
  /// A time: from 1970 to the year 10,889, in milliseconds.
  public static func wall(_ milliseconds: Int64, _ field: String) throws(InvalidMessage) -> WallTime {
    WallTime(milliseconds: try number(milliseconds, field, in: 0...1 << 48))
  }
  /// A version, an ordinal, a count: up to 2³⁰.
  public static func step(_ value: UInt32, _ field: String) throws(InvalidMessage) -> UInt32 {
    try number(value, field, in: 0...1 << 30)
  }
}

extension Term {
  /// Terms that are spoken of start at 1, up to number 2³⁰ of epoch 2²⁰: a liar does not exhaust them.
  public init(validating wire: WireTermMark, _ field: String) throws(InvalidMessage) {
    self.init(
      epoch: try Field.number(wire.epoch, "\(field).epoch", in: 0...1 << 20),
      try Field.number(wire.number, "\(field).number", in: 1...1 << 30))
  }
}
