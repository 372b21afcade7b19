import Base
import Identity
import Vocabulary

// A coordinate as it rides on every probe: rounded to 10 µs, far below what a network's jitter lets anyone measure.

extension Coordinate {
  /// Checks what came; the same bounds as for the long form.
  public init(validating mark: WirePlaceMark, _ field: String) throws(InvalidMessage) {
    guard mark.vector.count == Coordinate.dimensions else {
      throw InvalidMessage(
        "\(field).vector", "\(mark.vector.count) numbers where \(Coordinate.dimensions) were expected")
    }
    var vector: [Double] = []
    for component in mark.vector {
      vector.append(Double(try Field.number(component, "\(field).vector", in: -10_000_000...10_000_000)) / 100)
    }
    self.init(
      vector: vector, height: Double(try Field.number(mark.height, "\(field).height", in: 0...10_000_000)) / 100,
      error: Double(try Field.number(mark.error, "\(field).error", in: 0...1_500)) / 1_000)
  }

  /// For the probe. What is out of bounds is cut to them.
  public var mark: WirePlaceMark {
    .with {
      $0.vector = vector.map { Int32(max(-1e7, min(1e7, ($0 * 100).rounded()))) }
      $0.height = UInt32(max(0, min(1e7, (height * 100).rounded())))
      $0.error = UInt32(max(0, min(1_500, (error * 1_000).rounded())))
    }
  }
}
