import Base
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

@Suite("Shared stages") struct SharingTests {
  func order(_ number: UInt8, in yard: Yard, portal: Int, document: UInt8 = 1) -> ServiceOrder {
    ServiceOrder(
      request: testRequest(number), document: [document], portal: yard.node(portal),
      notAfter: WallTime(milliseconds: 100_000_000))
  }

  let mux = ChainPlanner.stream([1], 2)
  let scale = ChainPlanner.stream([1], 1)
  let read = ChainPlanner.stream([1], 0)

  func workers(_ yard: Yard) -> Int { yard.peers.values.map(\.workersStarted).reduce(0, +) }

  func shares(_ yard: Yard, _ stream: StreamKey, at node: NodeID) -> Int {
    yard.peers[node]!.desk.groups[stream]?.shares.count ?? 0
  }

  @Test("two equal requests at the same instant make one chain with two shares") func sameInstant() {
    var yard = Yard(peers: 8)
    let (first, second) = (order(1, in: yard, portal: 6), order(2, in: yard, portal: 7))
    yard.elect(4, for: first)
    yard.elect(5, for: second)
    yard.run(for: .seconds(5))
    for order in [first, second] { #expect(yard.manager(of: order.request)?.phase == .running) }
    #expect(workers(yard) == 3, "one reader, one scaler, one muxer")
    #expect(yard.isStreaming)
    let edge = yard.manager(of: first.request)!.current![mux]!.node
    #expect(shares(yard, mux, at: edge) == 2)
    #expect(yard.manager(of: second.request)?.current?.groups.count == 1)
    #expect(yard.manager(of: second.request)?.current?[mux]?.isShared == true)
  }

  @Test(
    "it is so when the two plans name different nodes, and when electors told each of the other",
    arguments: [false, true])
  func crossed(bothTold: Bool) {
    var yard = Yard(peers: 8)
    let (first, second) = (order(1, in: yard, portal: 6), order(2, in: yard, portal: 7))
    yard.elect(4, for: first)
    yard.planner.first = [3, 1]
    yard.elect(5, for: second)
    if bothTold {
      // One elector saw the first first, another the second: both managers hear of an earlier claim.
      let claims = yard.claims.filter { $0.request == second.request }
      yard.manage(.recorded(version: 1, earlier: claims), first.request, at: yard.node(4))
    }
    yard.run(for: .seconds(10))
    for order in [first, second] { #expect(yard.manager(of: order.request)?.phase == .running) }
    #expect(workers(yard) == 3)
    #expect(yard.isStreaming)
  }

  @Test("a later equal request grafts on the running chain, standbys included") func later() {
    var yard = Yard(peers: 8)
    let (first, second) = (order(1, in: yard, portal: 6), order(2, in: yard, portal: 7))
    yard.elect(4, for: first)
    yard.run(for: .seconds(5))
    yard.elect(5, for: second)
    yard.run(for: .seconds(1))
    let group = yard.manager(of: first.request)!.current![mux]!
    #expect(yard.manager(of: second.request)?.current?[mux]?.standbys == group.standbys)
    #expect(shares(yard, mux, at: group.standbys[0]) == 2)
    yard.kill(yard.peers.index(forKey: group.node)!)
    #expect(yard.isStreaming, "both sinks have switched to the same standby")
    yard.run(for: .seconds(10))
    #expect(yard.isStreaming)
    #expect(workers(yard) == 4)
    let after = yard.manager(of: first.request)!.current![mux]!
    #expect(yard.manager(of: second.request)?.current?[mux]?.node == after.node)
    #expect(yard.manager(of: second.request)?.current?[mux]?.standbys == after.standbys)
  }

  @Test("the chain outlives the request that opened it, and dissolves with the last share") func inheritance() {
    var yard = Yard(peers: 8)
    let (first, second) = (order(1, in: yard, portal: 6), order(2, in: yard, portal: 7))
    yard.elect(4, for: first)
    yard.run(for: .seconds(1))
    yard.elect(5, for: second)
    yard.run(for: .seconds(1))
    yard.end(first.request, at: 4)
    yard.run(for: .seconds(5))
    #expect(yard.isStreaming)
    #expect(workers(yard) == 3)
    let heir = yard.manager(of: second.request)!
    #expect(heir.phase == .running)
    #expect(heir.current?.groups.count == 3, "the whole chain is the heir's own now")
    #expect(heir.current?.groups.allSatisfy { !$0.isShared } == true)
    // It cares for what it inherited: the scaler dies, the standby takes over, another is armed.
    yard.kill(yard.peers.index(forKey: heir.current![scale]!.node)!)
    yard.run(for: .seconds(5))
    #expect(yard.isStreaming)
    yard.end(second.request, at: 5)
    yard.run(for: .seconds(2))
    #expect(yard.peers.values.filter(\.isAlive).allSatisfy { $0.groups.isEmpty && $0.desk.promised == Promised() })
  }

  @Test("a request whose manager is silent for good leaves its chain to the one that shares it") func orphanedOwner() {
    var yard = Yard(peers: 9)
    let (first, second) = (order(1, in: yard, portal: 6), order(2, in: yard, portal: 7))
    yard.elect(8, for: first)
    yard.run(for: .seconds(1))
    yard.elect(5, for: second)
    yard.run(for: .seconds(1))
    yard.peers[yard.node(8)]!.isAlive = false
    yard.run(for: .seconds(60))
    #expect(yard.isStreaming)
    #expect(yard.manager(of: second.request)?.current?.groups.allSatisfy { !$0.isShared } == true)
    #expect(shares(yard, mux, at: yard.manager(of: second.request)!.current![mux]!.node) == 1)
  }

  @Test("when a stream that all take from others has gone, whoever cares for its consumer makes it anew, and only it")
  func orphanedReader() {
    var yard = Yard(peers: 9)
    let orders = (1...3).map { order(UInt8($0), in: yard, portal: 5 + $0) }
    yard.elect(4, for: orders[0])
    yard.run(for: .seconds(1))
    yard.elect(5, for: orders[1])
    yard.run(for: .seconds(1))
    // The third muxes by itself, on a node of its own.
    yard.claims = []
    yard.planner.first = [1, 3]
    yard.elect(5, for: orders[2])
    yard.run(for: .seconds(1))
    let seats = yard.manager(of: orders[2].request)!.current!
    #expect(seats.groups.map(\.output) == [scale, mux] && seats[mux]?.isShared == false)
    let other = yard.manager(of: orders[1].request)!.current![mux]!.node
    #expect(other != seats[mux]?.node)
    // The first, which alone cares for the reader, ends when the reader is gone. The second's muxer lacks it as well, but gossip does not
    // say so.
    yard.planner.rumours[mux] = other
    yard.peers[yard.node(0)]!.groups = [:]
    yard.peers[yard.node(0)]!.desk = Desk(
      node: yard.node(0), capacity: yard.peers[yard.node(0)]!.desk.capacity,
      restoring: yard.fences[yard.node(0)] ?? [])
    yard.end(orders[0].request, at: 4)
    yard.run(for: .seconds(10))
    yard.reconnect()
    let heir = yard.manager(of: orders[2].request)!
    #expect(heir.phase == .running && heir.current?.groups.map(\.output) == [read, scale, mux])
    #expect(heir.current?.groups.allSatisfy { !$0.isShared } == true)
    for stream in [scale, mux] { #expect(heir.current?[stream]?.node == seats[stream]?.node, "it stays where it is") }
    #expect(yard.manager(of: orders[1].request)?.current?[mux]?.node == other)
    #expect(yard.isStreaming)
  }

  @Test("requests on other content share nothing") func different() {
    var yard = Yard(peers: 8, slots: 16, cores: 16)
    let (first, second) = (order(1, in: yard, portal: 6), order(2, in: yard, portal: 7, document: 2))
    yard.elect(4, for: first)
    yard.elect(5, for: second)
    yard.run(for: .seconds(5))
    #expect(workers(yard) == 6)
    #expect(yard.isStreaming)
  }
}
