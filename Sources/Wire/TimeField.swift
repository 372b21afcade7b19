import Base
import Identity
import Vocabulary

// Times as they come in.

extension Field {
  /// A time: from 1970 to the year 10,889, in milliseconds, so that what is reckoned with it stays in range.
  public static func wall(_ milliseconds: Int64, _ field: String) throws(InvalidMessage) -> WallTime {
    WallTime(milliseconds: try number(milliseconds, field, in: 0...1 << 48))
  }
}
