import Base
import Identity
import Testing
import Vocabulary

@testable import Membership

/// Coordinates predict round trips that were never measured.
@Suite("Prediction of round trips")
struct EstimatorTests {
  /// Places on a plane of 120 ms × 120 ms, each behind an access link of its own.
  struct Plane {
    var places: [(x: Double, y: Double, access: Double)] = []
    init(_ count: Int, using random: inout SeededRandom) {
      for _ in 0..<count {
        places.append((random.fraction() * 120, random.fraction() * 120, 1 + random.fraction() * 10))
      }
    }
    func roundTrip(_ a: Int, _ b: Int) -> Double {
      let (dx, dy) = (places[a].x - places[b].x, places[a].y - places[b].y)
      return (dx * dx + dy * dy).squareRoot() + places[a].access + places[b].access
    }
  }

  static func errors(of coordinates: [Coordinate], on plane: Plane) -> [Double] {
    var errors: [Double] = []
    for a in coordinates.indices {
      for b in coordinates.indices where b > a {
        errors.append(abs(coordinates[a].roundTrip(to: coordinates[b]) - plane.roundTrip(a, b)) / plane.roundTrip(a, b))
      }
    }
    return errors.sorted()
  }

  @Test("estimators agree on a plane with access links to within 15 % in the median", arguments: [1, 2, 3] as [UInt64])
  func plane(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let plane = Plane(40, using: &random)
    var estimators = Array(repeating: CoordinateEstimator(), count: 40)
    for _ in 0..<200 {
      for a in 0..<40 {
        let b = (a + 1 + random.index(below: 39)) % 40
        // A probe in ten is held up.
        let noise = random.fraction() < 0.1 ? 1 + random.fraction() * 3 : 1 + random.fraction() * 0.05
        estimators[a].observe(
          plane.roundTrip(a, b) * noise, of: Overlay.keys(b).id.key, at: estimators[b].coordinate, using: &random)
      }
    }
    let errors = EstimatorTests.errors(of: estimators.map(\.coordinate), on: plane)
    print("coordinates: median relative error \(errors[errors.count / 2]), p90 \(errors[errors.count * 9 / 10])")
    #expect(errors[errors.count / 2] < 0.15)
  }

  @Test("members of a running overlay know how far they are from each other")
  func overlay() {
    var random = SeededRandom(seed: 9)
    let plane = Plane(20, using: &random)
    var overlay = Overlay(20, seed: 5)
    overlay.distance = { plane.roundTrip($0, $1) / 2 }
    overlay.start()
    overlay.run(for: .seconds(240))
    #expect(overlay.isWhole)
    #expect(overlay.deaths() == 0)
    let errors = EstimatorTests.errors(of: overlay.peers.map(\.table.estimator.coordinate), on: plane)
    print("coordinates of a running overlay after four minutes: median relative error \(errors[errors.count / 2])")
    #expect(errors[errors.count / 2] < 0.15)
  }

  @Test("a liar with certainty cannot throw a coordinate out of this world")
  func liar() {
    var (estimator, random) = (CoordinateEstimator(), SeededRandom(seed: 1))
    let far = Coordinate(vector: [90_000, -90_000, 90_000, 0], height: 0, error: 0)
    estimator.observe(20, of: .zero, at: far, using: &random)
    #expect(estimator.coordinate.roundTrip(to: .origin) < 110)
    for _ in 0..<10_000 { estimator.observe(59_999, of: .zero, at: far, using: &random) }
    #expect(estimator.coordinate.vector.allSatisfy { $0.isFinite && abs($0) <= 100_000 })
    #expect((try? Coordinate(validating: estimator.coordinate.mark, "place")) != nil)
  }

  @Test("round trips that cannot be are ignored")
  func absurd() {
    var (estimator, random) = (CoordinateEstimator(), SeededRandom(seed: 1))
    for value in [-1, .nan, .infinity, 60_000] { estimator.observe(value, of: .zero, at: .origin, using: &random) }
    #expect(estimator.coordinate == .origin)
  }
}
