import Base
import Identity
import Testing
import Vocabulary

@testable import Sessions

/// A plan may come to make a stream of other inputs than the group that makes it now.
@Suite struct RemakeTests {
  var counter = Counter()

  @Test("a newer plan that makes a stream of other inputs makes the group over") mutating func remade() {
    let upstream = ChainPlanner.stream([1], 7)
    guard case .group(var spec, let role, let start) = counter.work() else { return }
    let first = counter.reserve([.group(spec, role: role, start: start)])
    let error = counter.commit(counter.assignment(.group(spec, role: role, start: start)))
    #expect(first.result.isGranted && error == nil)
    spec.inputs = [upstream]
    let work = AssignedWork.group(spec, role: role, start: start)
    let input = InputAssignment(
      stream: upstream, upstreams: [Provider(node: counter.other.id, address: PeerAddress(host: "10.0.0.9", port: 1))])
    let second = counter.reserve([work], version: 2)
    #expect(second.result.isGranted, "the request's own group costs no slot more")
    let effects = counter.hear(
      .commit(
        Commit(
          mark: counter.mark(2), mandate: counter.mandate(),
          assignments: [counter.signed(counter.assignment(work, version: 2, inputs: [input]))])))
    let closed = counter.flat(effects).contains { if case .closeGroup(spec.output) = $0 { true } else { false } }
    let opened = counter.flat(effects).compactMap { effect -> GroupOrder? in
      if case .openGroup(let order) = effect { order } else { nil }
    }
    #expect(
      closed && opened.map(\.spec.inputs) == [[upstream]] && opened.map { $0.inputs.map(\.stream) } == [[upstream]])
    #expect(counter.desk.promised.slots == 1)
  }
}

extension Result where Success == [SharedStream], Failure == ReserveAnswer.ItemRefused {
  fileprivate var isGranted: Bool { if case .success = self { true } else { false } }
}
