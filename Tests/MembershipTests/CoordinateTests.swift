import Base
import Identity
import Testing
import Vocabulary

@testable import Membership

@Suite("Coordinates")
struct CoordinateTests {
  /// Places on a plane in milliseconds, and the height of each access link.
  private struct Plane {
    var places: [(x: Double, y: Double, height: Double)]

    init(_ count: Int, seed: UInt64) {
      var random = SeededRandom(seed: seed)
      places = (0..<count).map { _ in (100 * random.fraction(), 100 * random.fraction(), 1 + 9 * random.fraction()) }
    }
    func roundTrip(_ a: Int, _ b: Int) -> Double {
      let (dx, dy) = (places[a].x - places[b].x, places[a].y - places[b].y)
      return (dx * dx + dy * dy).squareRoot() + places[a].height + places[b].height
    }
  }

  /// The median over all pairs of |predicted − true| / true.
  private func medianError(_ coordinates: [Coordinate], _ plane: Plane) -> Double {
    var errors: [Double] = []
    for a in coordinates.indices {
      for b in coordinates.indices where a < b {
        let truth = plane.roundTrip(a, b)
        errors.append(abs(coordinates[a].roundTrip(to: coordinates[b]) - truth) / truth)
      }
    }
    return errors.sorted()[errors.count / 2]
  }

  @Test(
    "predict round trips on a plane within 15 % after 120 rounds, though each is noisy",
    arguments: 1...5 as ClosedRange<UInt64>)
  func converge(seed: UInt64) {
    let plane = Plane(25, seed: seed)
    var random = SeededRandom(seed: seed &+ 100)
    var estimators = plane.places.map { _ in CoordinateEstimator() }
    let before = medianError(estimators.map(\.coordinate), plane)
    for _ in 0..<120 {
      for number in estimators.indices {
        let other = (number + 1 + random.index(below: estimators.count - 1)) % estimators.count
        let measured =
          plane.roundTrip(number, other) * (0.95 + 0.1 * random.fraction()) + (random.fraction() < 0.05 ? 200 : 0)
        let (name, place) = (Digest.of([UInt8(other)], kind: "plane"), estimators[other].coordinate)
        estimators[number].observe(measured, of: name, at: place, using: &random)
      }
    }
    let after = medianError(estimators.map(\.coordinate), plane)
    #expect(before > 0.9, "at first nothing is known: \(before)")
    #expect(after < 0.15, "\(after)")
  }

  @Test("come out of the probes of living members")
  func fromProbes() {
    let plane = Plane(8, seed: 3)
    var village = Village(8, seed: 3)
    village.roundTrip = { plane.roundTrip($0, $1) }
    village.joinAll()
    village.run(for: .seconds(120))
    let error = medianError(village.houses.map(\.table.estimator.coordinate), plane)
    #expect(error < 0.15, "\(error)")
    let direct = village.houses[0].table[village.id(5)]?.roundTrip ?? 0
    #expect(abs(direct - plane.roundTrip(0, 5)) < 1, "a member's own round trip is shown as measured")
  }

  @Test("stay finite whatever is measured")
  func absurd() {
    var random = SeededRandom(seed: 1)
    var estimator = CoordinateEstimator()
    let far = Coordinate(vector: [1e5, -1e5, 1e5, 1e5], height: 0, error: 0)
    for milliseconds in [0, -1, .infinity, .nan, 1e-9, 59_999, 0, 59_999] {
      for place in [Coordinate.origin, far] {
        estimator.observe(milliseconds, of: Digest.of([1], kind: "plane"), at: place, using: &random)
      }
    }
    #expect(estimator.coordinate.vector.allSatisfy(\.isFinite) && estimator.coordinate.height.isFinite)
    #expect((0.01...1.5).contains(estimator.coordinate.error))
  }
}
