import Base
import Core
import Foundation
import Identity
import Testing

@testable import Lab

/// Very many peers, made few enough for a debug build.
@Suite struct ScaledTests {
  @Test(
    "what is due first happens first, whatever the day; of what is due together, the asker's number and its order decide"
  )
  func calendar() throws {
    var queue = CalendarQueue<Int>(day: 1_000)
    var random = SeededRandom(seed: 3)
    var expected: [Appointment] = []
    var orders = [UInt32](repeating: 0, count: 7)
    func appointment(from start: Int64, within span: Int) -> Appointment {
      let asker = random.index(below: 7)
      orders[asker] += 1
      return Appointment(
        at: start + Int64(random.index(below: span)), asker: Int32(asker), order: orders[asker],
        peer: Int32(expected.count))
    }
    for number in 0..<3_000 {
      let next = appointment(from: 0, within: 40_000_000)
      // What is withdrawn leaves no trace.
      if number % 3 == 0 { queue.withdraw(queue.add(next, -1)) }
      expected.append(next)
      queue.add(next, expected.count - 1)
    }
    var seen: [Int] = []
    while queue.count > 0 {
      while let (next, number) = queue.next() {
        try #require(number >= 0, "it was withdrawn")
        #expect(next.at / 1_000 == queue.number, "on its day")
        #expect(expected[number].at == next.at)
        seen.append(number)
        // Something more today, and something on a later day.
        guard seen.count % 5 == 0, seen.count < 4_000 else { continue }
        for span in [1, 20_000_000] {
          let more = appointment(from: next.at, within: span)
          guard more > next else { continue }
          expected.append(more)
          queue.add(more, expected.count - 1)
        }
      }
      queue.turn()
    }
    #expect(seen.count == expected.count && seen.count > 3_500)
    #expect(seen == expected.indices.sorted { expected[$0] < expected[$1] })
  }

  @Test("a timer is withdrawn by what it was set with last, whatever its kind, and only while it waits")
  func timers() {
    let ids = (0..<3).map { Scenario(seed: 1, nodes: [], healsAt: 0, endsAt: 0).keys(of: $0).id }
    var kinds: [Core.Timer] = [.housekeeping, .streams, .desk, .measurements(.publish), .measurements(.train)]
    kinds += [
      .membership(.period), .membership(.gossip), .membership(.exchange), .membership(.reclaim), .membership(.join),
    ]
    kinds += (0..<5).flatMap { [.membership(.probe($0)), .membership(.nack($0))] }
    kinds += ids.flatMap { [.membership(.suspicion($0)), .measurements(.arrival($0))] }
    var (book, known, random) = (TimerBook(), [Core.Timer: Int32](), SeededRandom(seed: 5))
    for slot in 0..<Int32(5_000) {
      let timer = kinds[random.index(below: kinds.count)]
      if random.fraction() < 0.5 {
        #expect(book.set(timer, slot) == known.updateValue(slot, forKey: timer), "\(timer)")
      } else {
        #expect(book.remove(timer) == known.removeValue(forKey: timer), "\(timer)")
      }
    }
  }

  @Test("every peer has its number, though the first bytes of its ID be another's, and a stranger has none")
  func numbers() {
    func id(_ first: [UInt8], _ last: UInt8) -> NodeID {
      NodeID(Bytes32(first + [UInt8](repeating: 0, count: 31 - first.count) + [last])!)
    }
    let alike = (0..<40).map { id([7, 7, 7, 7, 7, 7, 7, 7], $0) }
    let different = (0..<60).map { id([$0], 0) }
    let numbers = NodeNumbers(alike + different)
    for (number, id) in (alike + different).enumerated() { #expect(numbers[id] == number) }
    #expect(numbers[id([7, 7, 7, 7, 7, 7, 7, 7], 40)] == nil && numbers[id([60], 0)] == nil)
  }

  @Test("three hundred peers that each keep a few of them serve every request; one thread and two play the same course")
  func boundedViews() throws {
    // Nobody has known anybody for a minute: then all that are known count as electors.
    var scenario = Scenario.crowd(nodes: 300, view: 32, seconds: 4, starting: 2)
    for number in scenario.requests.indices { scenario.requests[number].at = 11 + Double(number) }
    scenario.endsAt = 23
    let alone = try ScaledSimulation(scenario, threads: 1).run()
    let together = try ScaledSimulation(scenario, threads: 2).run()
    #expect(together.threads == 2)
    #expect(alone.traceHash == together.traceHash)
    #expect(alone.counts.happenings == together.counts.happenings)
    #expect(
      alone.requests.count == 4 && alone.requests.allSatisfy { $0.end == .whole && $0.packets == 30 },
      "\(alone.problems)")
    #expect(alone.mandates.count == 4)
    #expect(alone.sight.seats > 0.999, "all know those who may be electors")
    #expect(alone.gathering.simulated == 11 && alone.serving.simulated == 12)
    for cost in [alone.gathering, alone.serving, together.gathering, together.serving] {
      #expect(cost.wall > 0 && cost.cpu > 0)
    }
    #expect(alone.notes.contains { $0.contains("each peer keeps 32 members") })
    var other = scenario
    other.seed += 1
    other.endsAt = 3
    var same = scenario
    same.endsAt = 3
    #expect(try ScaledSimulation(other).run().traceHash != ScaledSimulation(same).run().traceHash)
  }

  @Test("what is posted at a day's very beginning comes on the next day, however short its path")
  func days() throws {
    let scenario = Scenario.crowd(nodes: 4, view: nil, seconds: 1)
    let world = try ScaledSimulation(scenario, threads: 2).world
    let least = scenario.nodes.indices.flatMap { a in scenario.nodes.indices.map { world.map.delay(a, $0) } }.min()!
    #expect(least == 10_000_000, "the way to one at the same place")
    let posted = 7 * world.lookahead
    #expect((posted + least) / world.lookahead == 8)
  }

  @Test("a scenario with faults is refused: it needs checkers")
  func faults() {
    var scenario = Scenario.crowd(nodes: 2, view: nil, seconds: 1)
    scenario.faults = [Fault(at: 1, lasts: 1, .rain(0.5))]
    #expect(throws: ScaleError.faults(1)) { try ScaledSimulation(scenario) }
    #expect(throws: ScaleError.threads(0)) { try ScaledSimulation(.crowd(nodes: 2, view: nil, seconds: 1), threads: 0) }
  }
}
