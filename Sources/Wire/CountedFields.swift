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

extension Position {
  /// Positions that are spoken of: up to index 2⁶², at one a nanosecond a century. Their receiver reckons on from them.
  public init(validating wire: WirePositionMark, _ field: String) throws(InvalidMessage) {
    self.init(epoch: wire.epoch, try Field.number(wire.index, "\(field).index", in: 0...1 << 62))
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

extension Origin {
  public init(validating wire: WireOriginMark, _ field: String) throws(InvalidMessage) {
    // A stage's mark for its replacement is no position: whatever it says is handed back as it is.
    let isMark = wire.input >= Origin.firstMark
    self.init(
      input: wire.input,
      position: isMark
        ? Position(epoch: wire.position.epoch, wire.position.index) : try Position(validating: wire.position, field),
      timestamp: wire.hasTimestamp ? wire.timestamp : nil)
  }
  /// Origins of one packet or one worker.
  public static func list(_ wire: [WireOriginMark], _ field: String, limit: Int) throws(InvalidMessage) -> [Origin] {
    var origins: [Origin] = []
    for origin in try Field.list(wire, field, limit: limit) {
      origins.append(try Origin(validating: origin, field))
    }
    return origins
  }
  public var wire: WireOriginMark {
    .with {
      $0.input = input
      $0.position = position.wire
      if let timestamp { $0.timestamp = timestamp }
    }
  }
}
