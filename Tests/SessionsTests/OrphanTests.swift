import Base
import Testing

@testable import Assignments
@testable import Desks
@testable import Sessions

@Suite("What nobody renews") struct OrphanTests {
  var counter = Counter()

  @Test("a consumed group whose shares have all lapsed stays, and waits for no time that is past")
  mutating func allLapsed() {
    let stream = counter.work().stream
    for number: UInt8 in 1...2 {
      counter.request = testRequest(number)
      let work = number == 1 ? counter.work() : AssignedWork.share(stream)
      _ = counter.reserve([work])
      #expect(counter.commit(counter.assignment(work)) == nil)
    }
    let answer = counter.desk.authorize(
      subscriber: counter.other.id, stream: stream,
      showing: counter.shown(stream, to: counter.other.id, publisher: counter.keys.id), at: counter.now,
      in: counter.context)
    #expect(answer == .success(counter.request))
    for _ in 0..<4 {
      let effects = counter.flat(counter.wait(Limits.orphanTimeout))
      #expect(!effects.contains(.closeGroup(stream)))
      for case .setTimer(.sweep, let at) in effects { #expect(at > counter.now, "a time that never comes") }
    }
    // One manager is back: the other's share goes, the group stays; without a consumer it is let go as ever.
    _ = counter.hear(.renew(counter.mark()))
    _ = counter.wait(.seconds(1))
    #expect(counter.desk.look.groups.first?.shares.map(\.request) == [counter.request])
    _ = counter.desk.handle(.unconsumed(stream), at: counter.now, in: counter.context)
    #expect(counter.flat(counter.wait(Limits.orphanTimeout)).contains(.closeGroup(stream)))
  }
}
