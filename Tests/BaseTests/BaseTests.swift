import Base
import Testing

@Suite("Base")
struct BaseTests {
  @Test("one seed gives one sequence, in every process and build")
  func seeded() {
    var random = SeededRandom(seed: 42)
    // Computed by an independent implementation of SplitMix64 and xoshiro256** (see the papers in the type's docs).
    #expect(
      (0..<3).map { _ in random.next() } == [
        1_546_998_764_402_558_742, 6_990_951_692_964_543_102, 12_544_586_762_248_559_009,
      ])
  }

  @Test("indices are uniform and within bounds")
  func indices() {
    var random = SeededRandom(seed: 7)
    var counts = Array(repeating: 0, count: 6)
    for _ in 0..<60_000 { counts[random.index(below: 6)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 }, "\(counts)")
  }

  @Test("a permutation keeps all elements")
  func permutation() {
    var random = SeededRandom(seed: 1)
    #expect(random.permuted(0..<100).sorted() == Array(0..<100))
  }

  @Test("base32 goes both ways and refuses what it did not write")
  func base32() {
    let bytes = (0..<32).map { UInt8($0 * 7 & 255) }
    let text = TextForm.base32(bytes)
    #expect(text.count == 52)
    #expect(TextForm.bytes(base32: text) == bytes)
    #expect(TextForm.bytes(base32: "MZXW6") == nil)
    #expect(TextForm.bytes(base32: "mzxw6ytboi") == Array("foobar".utf8))
    #expect(TextForm.bytes(base32: "mzxw6ytbo7") == nil, "stray bits at the end")
  }

  @Test("thirty-two bytes are ordered as bytes")
  func order() {
    var low = [UInt8](repeating: 0, count: 32)
    var high = low
    low[31] = 255
    high[30] = 1
    #expect(Bytes32(low)! < Bytes32(high)!)
    #expect(Bytes32(low)!.bytes == low)
    #expect(Bytes32(Array(low.dropLast())) == nil)
  }

  @Test("instants and durations keep nanoseconds")
  func time() {
    let later = Instant.zero + .milliseconds(1_500)
    #expect((later - .zero).seconds == 1.5)
    #expect(later - .nanoseconds(1) < later)
    #expect(WallTime(milliseconds: 10) + .seconds(1) == WallTime(milliseconds: 1_010))
  }

  @Test("times that another peer makes up stop nobody: what would overflow is the nearest that fits")
  func farTimes() {
    for far in [Int64.min, -1, 0, 1 << 48, .max - 1, .max] {
      let wall = WallTime(milliseconds: far)
      for near in [
        WallTime(milliseconds: 1_764_000_000_000), WallTime(milliseconds: .min), WallTime(milliseconds: .max),
      ] {
        #expect((near - wall).nanoseconds == 0 || (near - wall > .zero) == (near > wall))
        #expect(
          (wall + (near - wall) > wall) == (near > wall) || near.milliseconds == wall.milliseconds || abs(far) > 1 << 48
        )
      }
      #expect(wall + .seconds(3_600) >= wall)
      let moment = Instant(nanoseconds: far)
      #expect(moment + .seconds(1) >= moment && moment - .seconds(1) <= moment)
      #expect((Instant.zero - moment).nanoseconds <= 0 || far < 0)
    }
    #expect(Duration.milliseconds(Int64.max).nanoseconds == .max)
    #expect(Duration.fromSeconds(.infinity).nanoseconds == .max)
    #expect(Duration.fromSeconds(-1e300).nanoseconds == .min)
    #expect(Duration.fromSeconds(.nan) == .zero)
  }
}
