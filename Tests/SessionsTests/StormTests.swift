import Base
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

/// Many services, lost and reordered messages, deaths: from a seed. What must always hold is checked after every event, from
/// what the nodes really run and not from their books; then the weather clears, and what must come true is demanded.
struct Storm {
  var yard: Yard
  var orders: [ServiceOrder] = []
  let capacity = Capacity(slots: 3, cores: 3, memory: 1 << 33)
  var faults: [String] = []

  init(seed: UInt64, books capacity: Capacity? = nil) {
    yard = Yard(peers: 12, seed: seed)
    for node in yard.peers.keys { yard.peers[node]!.desk = Desk(node: node, capacity: capacity ?? self.capacity) }
    yard.peers[yard.node(0)]!.desk = Desk(node: yard.node(0), capacity: Capacity(slots: 8, cores: 8, memory: 1 << 33))
    yard.planner.nodes = (0..<8).map { yard.node($0) }
    yard.loss = 0.1
    yard.jitter = 0.05
  }

  /// Twenty seconds of weather: managers and portals on nodes 8–11 live, of the others two die.
  mutating func blow() {
    for number in 0..<6 {
      let order = ServiceOrder(
        request: testRequest(UInt8(number + 1)), document: [UInt8(yard.random.index(below: 4) + 1)],
        portal: yard.node(8 + yard.random.index(below: 4)), notAfter: WallTime(milliseconds: 100_000_000))
      orders.append(order)
      yard.planner.first = [1 + yard.random.index(below: 7), 1 + yard.random.index(below: 7)]
      yard.elect(8 + yard.random.index(below: 4), for: order)
      run(.fromSeconds(3 * yard.random.fraction()))
      if number == 2 || number == 4 { yard.kill(1 + yard.random.index(below: 7)) }
    }
    run(.seconds(5))
  }

  mutating func clear() {
    yard.loss = 0
    yard.jitter = 0
    run(.seconds(60))
    yard.reconnect()
  }

  mutating func run(_ duration: Duration) {
    var found: [String] = []
    let capacity = capacity
    yard.run(for: duration) { yard in
      for (node, peer) in yard.peers where node != yard.peers.keys[0] {
        if peer.groups.count > capacity.slots {
          found.append("\(yard.name(node)) runs \(peer.groups.count) groups in \(capacity.slots) slots")
        }
      }
    }
    faults += found.prefix(3)
  }
}

@Suite("Services in a storm") struct StormTests {
  @Test("capacity is never oversold; when the storm is over every service runs or says why not", arguments: 1...8)
  func storm(seed: Int) {
    var storm = Storm(seed: UInt64(seed))
    storm.blow()
    #expect(storm.faults == [])
    storm.clear()
    #expect(storm.faults == [])
    for order in storm.orders {
      let phase = storm.yard.manager(of: order.request)?.phase
      #expect(phase == .running || phase == .failed, "seed \(seed)")
    }
    #expect(storm.yard.isStreaming, "seed \(seed)")
    for (node, peer) in storm.yard.peers where peer.isAlive {
      #expect(
        Set(peer.desk.groups.keys) == Set(peer.groups.keys), "books and workers of \(storm.yard.name(node)) differ")
    }
    for order in storm.orders {
      for node in storm.yard.peers.keys { storm.yard.manage(.endRequested, order.request, at: node) }
    }
    storm.run(.seconds(60))
    for (node, peer) in storm.yard.peers where peer.isAlive {
      #expect(peer.desk.promised == Promised(), "\(storm.yard.name(node)) keeps \(peer.desk.served.count) groups")
    }
  }

  @Test("the checker catches a node whose books are wrong") func canary() {
    let faults = (1...2).flatMap { seed -> [String] in
      var storm = Storm(seed: UInt64(seed), books: Capacity(slots: 100, cores: 100, memory: 1 << 40))
      storm.blow()
      return storm.faults
    }
    #expect(!faults.isEmpty)
  }

  @Test("the same seed gives the same story") func deterministic() {
    func story(_ seed: UInt64) -> [String] {
      var storm = Storm(seed: seed)
      storm.blow()
      return storm.yard.trace
    }
    #expect(story(5) == story(5))
    #expect(story(5) != story(6))
  }
}
