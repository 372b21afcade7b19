import Base
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

@Suite("A service node that runs a stream already") struct DeskSharingTests {
  var counter = Counter()

  @Test("a stream that runs here already is to be shared, one that does not cannot be") mutating func sharing() {
    _ = counter.reserve()
    _ = counter.commit(counter.assignment())
    let second = testRequest(2)
    let mandate = TestMandate.bytes(manager: counter.manager.id, request: second, term: Term(1))
    func ask(_ work: AssignedWork, _ version: UInt32) -> Refusal? {
      let effects = counter.hear(
        .reserve(
          Reserve(
            mark: PlanMark(request: second, term: Term(1), version: version), mandate: mandate,
            items: [Reserve.Item(ordinal: 0, work: work, demand: .none)])))
      for case .send(.reserved(let answer), _) in counter.flat(effects) {
        if case .failure(let refused) = answer.result { return refused.item.reason }
      }
      return nil
    }
    #expect(ask(counter.work(), 1) == .alreadyServed(counter.work().stream))
    #expect(ask(.share(counter.work().stream), 2) == nil)
    #expect(
      ask(.share(ChainPlanner.stream([1], 2)), 3)
        == .notServed(ChainPlanner.stream([1], 2), open: [counter.work().stream]))
  }

  @Test("a stream that has moved on is no use to a fresh service, but a running one may be repaired with it")
  mutating func passed() {
    _ = counter.reserve()
    _ = counter.commit(counter.assignment())
    let stream = counter.work().stream
    counter.begun = [stream]
    let second = testRequest(2)
    let mandate = TestMandate.bytes(manager: counter.manager.id, request: second, term: Term(1))
    func ask(_ work: AssignedWork, _ version: UInt32, isFresh: Bool) -> Refusal? {
      let effects = counter.hear(
        .reserve(
          Reserve(
            mark: PlanMark(request: second, term: Term(1), version: version), mandate: mandate,
            items: [Reserve.Item(ordinal: 0, work: work, demand: .none)], isFresh: isFresh)))
      for case .send(.reserved(let answer), _) in counter.flat(effects) {
        if case .failure(let refused) = answer.result { return refused.item.reason }
      }
      return nil
    }
    #expect(ask(counter.work(), 1, isFresh: true) == .passed(stream))
    #expect(ask(.share(stream), 2, isFresh: true) == .passed(stream))
    #expect(ask(counter.work(), 3, isFresh: false) == .alreadyServed(stream))
    #expect(ask(.share(stream), 4, isFresh: false) == nil)
  }

  @Test("a newer plan may cut the chain elsewhere: the group is told its new stages with their inputs")
  mutating func recut() throws {
    guard case .group(var spec, let role, let start) = counter.work() else { return }
    spec.inputs = [ChainPlanner.stream([1], 8)]
    spec.stages[0].inputs = [.socket(0)]
    func input(_ stream: StreamKey) -> [InputAssignment] {
      [
        InputAssignment(
          stream: stream,
          upstreams: [Provider(node: counter.keys.id, address: PeerAddress(host: "10.0.0.1", port: 7_400))])
      ]
    }
    let first = AssignedWork.group(spec, role: role, start: start)
    _ = counter.reserve([first])
    #expect(counter.commit(counter.assignment(first, inputs: input(spec.inputs[0]))) == nil)
    spec.inputs = [ChainPlanner.stream([1], 9)]
    let second = counter.assignment(
      .group(spec, role: role, start: start), version: 2, inputs: input(spec.inputs[0]))
    let effects = counter.hear(
      .commit(
        Commit(mark: counter.mark(2), mandate: counter.mandate(), assignments: [counter.signed(second)])))
    let orders = counter.flat(effects).compactMap { effect -> GroupOrder? in
      if case .updateGroup(let order) = effect { order } else { nil }
    }
    #expect(orders.map(\.spec) == [spec])
    #expect(orders.map { $0.inputs.map(\.stream) } == [spec.inputs], "stages and inputs go together")
  }
}
