import Testing
import Vocabulary

@Suite("Vocabulary")
struct VocabularyTests {
  @Test("ratios are in lowest terms with a positive denominator")
  func ratios() {
    #expect(Rational(60_000, 2_002) == Rational(30_000, 1_001))
    #expect(Rational(1, -2)?.description == "-1/2")
    #expect(Rational(1, 0) == nil)
    #expect(Rational("30000/1001")?.value == 30_000.0 / 1_001)
    #expect(Rational("thirty") == nil)
    #expect(Rational(30_000, 1_001)! < Rational(30))
  }

  @Test("terms are ordered by epoch, then number")
  func terms() {
    #expect(Term(epoch: 0, 9) < Term(epoch: 1, 1))
    #expect(Term(3).next == Term(4))
  }

  @Test("an address is HOST:PORT", arguments: [("127.0.0.1:7400", "127.0.0.1:7400"), ("[::1]:80", "[::1]:80")])
  func addresses(text: String, form: String) { #expect(PeerAddress(text)?.description == form) }

  @Test("what is no address is refused", arguments: ["", "127.0.0.1", ":80", "host:0", "host:99999", "host:x"])
  func badAddresses(text: String) { #expect(PeerAddress(text) == nil) }

  @Test("a coordinate predicts a round trip: Euclid plus both heights")
  func coordinates() {
    let a = Coordinate(vector: [0, 0, 0, 0], height: 1, error: 0)
    let b = Coordinate(vector: [3, 4, 0, 0], height: 2, error: 0)
    #expect(a.roundTrip(to: b) == 8)
  }
}
