import Base
import Identity
import Testing
import Vocabulary

@testable import Membership

/// What no peer can make another keep, however often it says the same.
@Suite("Room for what others say")
struct RoomTests {
  /// A member that knows so many others.
  private func table(knowing count: Int) -> (MemberTable, [Signed<MemberRecord>], SeededRandom) {
    var table = MemberTable(keys: Overlay.keys(0), address: BoundaryTests.here, incarnation: 1)
    var random = SeededRandom(seed: 1)
    let records = (1...count).map { number in
      Signed(
        MemberRecord(
          node: Overlay.keys(number).id, address: PeerAddress(host: "10.0.1.1", port: UInt16(number)), incarnation: 1),
        by: Overlay.keys(number))
    }
    _ = table.handle(.join([]), at: .zero, using: &random)
    _ = table.handle(
      .exchange(records.map { .record($0.envelope) }, isAnswer: true, from: records[0].signer), at: .zero,
      using: &random)
    return (table, records, random)
  }

  @Test("a view that holds many for dead has some of them asked at once, however often it is shown")
  func hearsay() {
    var (table, records, random) = table(knowing: 100)
    func show() -> Int {
      let dead = records.map { MemberUpdate.dead($0.signer, incarnation: 1, by: records[0].signer) }
      let effects = table.handle(.exchange(dead, isAnswer: true, from: records[0].signer), at: .zero, using: &random)
      return effects.count { if case .send = $0 { true } else { false } }
    }
    #expect(show() == Limits.hearsay)
    #expect((1...5).map { _ in show() } == [0, 0, 0, 0, 0], "they are being asked")
    #expect(table.openHearsay == Limits.hearsay)
    // Those who answer make room for others.
    for (number, probe) in table.probes {
      let answer = MemberDatagram(sequence: number, body: .ack(.origin), updates: [])
      _ = table.handle(
        .datagram(answer, from: probe.target, at: BoundaryTests.here), at: .zero + .milliseconds(5), using: &random)
    }
    #expect(table.openHearsay == 0 && show() == Limits.hearsay)
  }

  @Test("who leaves and comes back all the time is probed once a round, like everybody else")
  func flapping() {
    var (table, records, random) = table(knowing: 5)
    let before = table.restOfRound
    for incarnation in 1...50 as ClosedRange<UInt64> {
      for isLeaving in [true, false] {
        let record = MemberRecord(
          node: records[0].signer, address: BoundaryTests.here, incarnation: 2 * incarnation + (isLeaving ? 0 : 1),
          isLeaving: isLeaving)
        let word = MemberUpdate.record(Signed(record, by: Overlay.keys(1)).envelope)
        _ = table.handle(.exchange([word], isAnswer: true, from: records[0].signer), at: .zero, using: &random)
      }
    }
    #expect(table[records[0].signer]?.state == .alive)
    #expect(table.restOfRound == before)
    #expect(table.openNews <= 6)
  }
}
