import Base
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks

@Suite("A node promises no more deliveries than it can hold") struct DeliveryBoundTests {
  var counter = Counter()

  /// Reserves so many deliveries for a request.
  private mutating func reserve(_ count: Int, for number: UInt8, version: UInt32 = 1) -> ReserveAnswer {
    counter.request = testRequest(number)
    let works = (0..<count).map {
      AssignedWork.delivery(output: "out-\($0)", stream: ChainPlanner.stream([number], $0))
    }
    return counter.reserve(works, version: version, demand: .none)
  }
  private func isGranted(_ answer: ReserveAnswer) -> Bool { if case .success = answer.result { true } else { false } }

  @Test("those that take no download are counted too: the first beyond is refused, by name, until others lapse")
  mutating func deliveries() {
    let rounds = Limits.sinks / Limits.workItems
    for number in 0..<rounds { #expect(isGranted(reserve(Limits.workItems, for: UInt8(number)))) }
    #expect(counter.desk.deliveries == Limits.sinks)
    guard case .failure(let refused) = reserve(1, for: 200).result else {
      Issue.record("one more is promised")
      return
    }
    #expect(refused.item.reason == .busy)
    #expect(isGranted(reserve(Limits.workItems, for: 0, version: 2)), "the same once more is not one more")
    #expect(counter.desk.deliveries == Limits.sinks)
    _ = counter.wait(Limits.reservationTTL + .seconds(1))
    #expect(counter.desk.deliveries == 0 && isGranted(reserve(1, for: 200, version: 2)))
  }
}
