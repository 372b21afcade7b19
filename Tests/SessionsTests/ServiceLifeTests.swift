import Base
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

@Suite("The life of a service") struct ServiceLifeTests {
  /// A service on nodes 0 (reader), 1 (scale), 2 (mux), its portal on node 5, managed by node `manager`.
  func order(_ number: UInt8, in yard: Yard, document: UInt8 = 1, portal: Int = 5) -> ServiceOrder {
    ServiceOrder(
      request: testRequest(number), document: [document], portal: yard.node(portal),
      notAfter: WallTime(milliseconds: 100_000_000))
  }

  func running(_ number: UInt8 = 1, manager: Int = 4, peers: Int = 6) -> (Yard, ServiceOrder) {
    var yard = Yard(peers: peers)
    let order = order(number, in: yard)
    yard.elect(manager, for: order)
    yard.run(for: .milliseconds(100))
    return (yard, order)
  }

  @Test("a request becomes a running chain: recorded, reserved, committed") func runs() {
    let (yard, order) = running()
    #expect(yard.phases[order.request] == [.recording, .reserving, .committing, .running])
    #expect(yard.isStreaming)
    #expect(yard.servers(of: ChainPlanner.stream([1], 0)) == [yard.node(0)])
    #expect(yard.servers(of: ChainPlanner.stream([1], 1)).count == 2)
    #expect(yard.refusals.isEmpty)
    #expect(yard.peers.values.map(\.workersStarted).reduce(0, +) == 3)
  }

  @Test("the manager may be its own service node") func ownNode() {
    let (yard, _) = running(manager: 1)
    #expect(yard.isStreaming)
  }

  @Test("a refusal for want of capacity leads to another place, within the first attempt's second") func replaces() {
    var yard = Yard()
    yard.peers[yard.node(1)]!.desk = Desk(
      node: yard.node(1), capacity: Capacity(slots: 0, cores: 1, memory: 1 << 30))
    let order = order(1, in: yard)
    yard.elect(4, for: order)
    yard.run(for: .milliseconds(200))
    let service = yard.manager(of: order.request)!
    #expect(service.phase == .running)
    #expect(service.current?[ChainPlanner.stream([1], 1)]?.node == yard.node(2))
    #expect(yard.isStreaming)
  }

  @Test(
    "a node whose capacity shrinks while a plan is sought is asked again; one that refuses what fits its own word is not"
  )
  func shrinking() throws {
    var yard = Yard()
    let order = order(1, in: yard)
    yard.elect(4, for: order)
    for (left, isBanned) in [(3.0, false), (2.0, false), (2.0, true)] {
      var service = yard.manager(of: order.request)!
      while service.phase != .reserving {
        yard.run(for: .microseconds(100))
        service = yard.manager(of: order.request)!
      }
      guard case .reserving(let change) = service.state else { return #expect(Bool(false), "\(service.state)") }
      #expect(change.awaiting.contains(yard.node(1)))
      let item = RefusedItem(
        ordinal: 1, reason: .capacity(.cores, left: Capacity(slots: 8, cores: left, memory: 1 << 33)))
      let answer = ReserveAnswer(mark: service.mark(change.version), result: .failure(ReserveAnswer.ItemRefused(item)))
      yard.manage(.message(.reserved(answer), from: yard.node(1)), order.request, at: yard.node(4))
      #expect((yard.manager(of: order.request)!.banned[yard.node(1)] != nil) == isBanned, "\(left) cores left")
    }
    yard.run(for: .milliseconds(200))
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.manager(of: order.request)!.current?[ChainPlanner.stream([1], 1)]?.node == yard.node(2))
  }

  @Test("of streams that gossip still tells of after their end, a node's first refusal corrects all") func rumours() {
    var yard = Yard()
    let order = order(1, in: yard)
    for stage in 0..<3 { yard.planner.rumours[ChainPlanner.stream([1], stage)] = yard.node(1) }
    yard.elect(4, for: order)
    yard.run(for: .milliseconds(200))
    let service = yard.manager(of: order.request)!
    #expect(service.phase == .running)
    #expect(service.version == 2, "one plan that was refused, and one that holds")
    #expect(yard.isStreaming)
  }

  @Test("measurements lag behind what has ended: a service waits for seconds while all nodes are said to be full")
  func fullForAWhile() {
    var yard = Yard()
    let order = order(1, in: yard)
    yard.planner.isFull = true
    yard.elect(4, for: order)
    yard.run(for: .seconds(6))
    #expect(yard.manager(of: order.request)?.failure == nil)
    yard.planner.isFull = false
    yard.run(for: .seconds(1))
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.isStreaming)
  }

  @Test("where all nodes stay full, that is said within nine seconds") func full() {
    var yard = Yard()
    let order = order(1, in: yard)
    yard.planner.isFull = true
    yard.elect(4, for: order)
    yard.run(for: .seconds(9))
    #expect(yard.manager(of: order.request)?.failure == .unplaceable("all nodes are full"))
  }

  @Test("a component that a node turns out not to offer is sought elsewhere; what nobody offers fails with its name")
  func notOffered() {
    var yard = Yard()
    yard.planner.component = "video.unknown"
    let order = order(1, in: yard)
    yard.elect(4, for: order)
    yard.run(for: .seconds(10))
    let service = yard.manager(of: order.request)!
    #expect(service.phase == .failed)
    #expect(service.failure == .unplaceable("no node for scale"))
    #expect(yard.peers.values.allSatisfy { $0.desk.promised == Promised() })
  }

  @Test("a node that never answers is left out") func silentNode() {
    var yard = Yard()
    yard.peers[yard.node(1)]!.isAlive = false
    yard.planner.nodes = yard.planner.nodes
    let order = order(1, in: yard)
    // The manager's view lags: it still believes that the node lives.
    yard.elect(4, for: order)
    yard.run(for: .seconds(5))
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.isStreaming)
  }

  @Test("the end releases everything, and a second end changes nothing") func ends() {
    var (yard, order) = running()
    yard.end(order.request, at: 4)
    yard.end(order.request, at: 4)
    yard.run(for: .seconds(1))
    #expect(yard.manager(of: order.request)?.phase == .ended)
    #expect(yard.finals.contains(order.request))
    #expect(yard.peers.values.allSatisfy { $0.groups.isEmpty && $0.sinks.isEmpty && $0.desk.promised == Promised() })
  }

  @Test("a stream that has ended at its sink ends the service") func streamEnds() {
    var (yard, order) = running()
    yard.tell(.ended(.delivery(DeliveryID(request: order.request, output: "main"))), at: yard.node(5))
    yard.run(for: .seconds(1))
    #expect(yard.manager(of: order.request)?.phase == .ended)
  }

  @Test("a source that is no media fails the service with the worker's words") func notMedia() {
    var (yard, order) = running()
    yard.tell(
      .failed(ChainPlanner.stream([1], 0), kind: "not_media", detail: "no demuxer knows it", lasting: true),
      at: yard.node(0))
    yard.run(for: .seconds(1))
    #expect(yard.manager(of: order.request)?.failure == .media(kind: "not_media", detail: "no demuxer knows it"))
    #expect(yard.peers.values.allSatisfy { $0.groups.isEmpty })
  }

  @Test("renewals keep the leases; counters come back with them") func renewals() {
    var (yard, order) = running()
    let counters = StreamCounters(
      owner: .group(ChainPlanner.stream([1], 1)), stream: ChainPlanner.stream([1], 0), isIncoming: true,
      peer: yard.node(0), bytes: 12_345)
    yard.tell(.counters(.group(ChainPlanner.stream([1], 1)), [counters]), at: yard.node(1))
    yard.run(for: .seconds(60))
    #expect(yard.isStreaming)
    #expect(yard.manager(of: order.request)?.counters[yard.node(1)] == [counters])
    #expect(yard.manager(of: order.request)?.version == 1)
  }

  // MARK: Repair

  @Test("a consumer that switched makes the standby primary, and a new standby is armed, without a gap in the plan")
  func switched() {
    var (yard, order) = running()
    let scale = ChainPlanner.stream([1], 1)
    let standby = yard.manager(of: order.request)!.current![scale]!.standbys[0]
    yard.kill(1)
    #expect(yard.isStreaming, "the consumer has switched by itself, before anybody was told")
    yard.run(for: .milliseconds(500))
    let group = yard.manager(of: order.request)!.current![scale]!
    #expect(group.node == standby)
    #expect(group.standbys.count == 1 && group.standbys != [standby] && group.standbys != [yard.node(1)])
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.manager(of: order.request)?.repairs == 1)
    #expect(yard.isStreaming)
    yard.run(for: .seconds(30))
    #expect(yard.isStreaming)
    #expect(yard.servers(of: scale).count == 2)
  }

  @Test("a node that loses a part of its work, and keeps another, is told so") func lightened() {
    var yard = Yard()
    let mux = ChainPlanner.stream([1], 2)
    // The muxer's node is the portal's too.
    let order = order(1, in: yard, portal: 2)
    yard.elect(4, for: order)
    yard.run(for: .milliseconds(100))
    #expect(yard.manager(of: order.request)?.current?[mux]?.node == yard.node(2))
    yard.tell(.failed(mux, kind: "crashed", detail: "again and again", lasting: true), at: yard.node(2))
    yard.run(for: .seconds(1))
    let look = yard.peers[yard.node(2)]!.desk.look
    #expect(look.groups.allSatisfy { $0.shares.isEmpty }, "\(look.groups)")
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.isStreaming)
  }

  @Test("node after node dies, each after the repair of the last, and the stream stands") func oneAfterTheOther() {
    var yard = Yard(peers: 9)
    let order = order(1, in: yard, portal: 8)
    yard.elect(7, for: order)
    yard.run(for: .milliseconds(100))
    for _ in 0..<3 {
      let node = yard.manager(of: order.request)!.current![ChainPlanner.stream([1], 1)]!.node
      yard.kill(yard.peers.index(forKey: node)!)
      yard.run(for: .seconds(3))
      #expect(yard.isStreaming)
      #expect(yard.manager(of: order.request)?.phase == .running)
    }
  }

  @Test("a group without a standby is seated anew when its node dies") func noStandby() {
    var yard = Yard(peers: 5)
    yard.planner.nodes = [0, 1, 2].map { yard.node($0) }
    let order = order(1, in: yard, portal: 4)
    yard.elect(3, for: order)
    yard.run(for: .milliseconds(100))
    yard.kill(1)
    yard.run(for: .seconds(3))
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.isStreaming)
  }

  @Test("a node that nobody can replace, and that comes back, gets its work again while the service still waits")
  func nobodyElse() {
    var yard = Yard(peers: 5)
    yard.planner.nodes = [0, 1].map { yard.node($0) }
    let order = order(1, in: yard, portal: 4)
    yard.elect(3, for: order)
    yard.run(for: .milliseconds(100))
    yard.kill(1)
    yard.run(for: .seconds(10))
    #expect(yard.manager(of: order.request)?.phase == .repairing)
    yard.restart(1)
    yard.run(for: .seconds(3))
    yard.reconnect()
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.isStreaming)
  }

  @Test("the death of the only node with the source ends the service with that reason") func sourceLost() {
    var (yard, order) = running()
    yard.kill(0)
    yard.run(for: .seconds(4))
    #expect(yard.manager(of: order.request)?.failure == .sourceLost(yard.node(0)))
    #expect(yard.peers.values.filter(\.isAlive).allSatisfy { $0.groups.isEmpty })
  }

  @Test("a node that restarted and knows nothing gets its work again") func restarted() {
    var (yard, order) = running()
    let fences = yard.fences[yard.node(1)] ?? []
    yard.peers[yard.node(1)]!.desk = Desk(
      node: yard.node(1), capacity: Capacity(slots: 8, cores: 8, memory: 1 << 33), restoring: fences)
    yard.peers[yard.node(1)]!.groups = [:]
    yard.run(for: .seconds(5))
    yard.reconnect()
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.isStreaming)
  }

  // MARK: Succession

  @Test("a successor adopts the newest snapshot under its own term, and no node opens or closes anything")
  func successor() {
    var (yard, order) = running(manager: 6, peers: 8)
    let started = yard.peers.values.map(\.workersStarted)
    yard.trace = []
    yard.peers[yard.node(6)]!.isAlive = false
    yard.elect(7, for: order, term: 2, snapshot: yard.records[order.request])
    yard.run(for: .seconds(20))
    #expect(yard.manager(of: order.request)?.phase == .running)
    #expect(yard.manager(of: order.request)?.mandate.term == Term(2))
    #expect(yard.isStreaming)
    #expect(yard.peers.values.map(\.workersStarted) == started)
    #expect(!yard.trace.contains { $0.contains("opens") || $0.contains("closes") })
  }

  @Test("a successor plans on whatever number its predecessor gave to its last plan") func usedUpNumbers() throws {
    var (yard, order) = running(manager: 6, peers: 8)
    var record = try RecordedService(validating: try #require(yard.records[order.request]))
    record.version = 1 << 30
    yard.peers[yard.node(6)]!.isAlive = false
    yard.elect(7, for: order, term: 2, snapshot: record.encoded())
    yard.run(for: .seconds(1))
    let service = try #require(yard.manager(of: order.request))
    #expect(service.phase == .running && service.version > 0)
    #expect(throws: Never.self) { try RecordedService(validating: yard.records[order.request]!) }
    yard.kill(1)
    yard.run(for: .seconds(10))
    #expect(yard.manager(of: order.request)?.phase == .running && yard.isStreaming)
  }

  @Test("the deposed manager is fenced off by the nodes that know its successor") func fenced() {
    var (yard, order) = running()
    yard.elect(3, for: order, term: 2, snapshot: yard.records[order.request])
    yard.run(for: .milliseconds(100))
    // The old one believes that a node died, and wants to repair.
    yard.manage(.nodeLost(yard.node(1)), order.request, at: yard.node(4))
    yard.run(for: .seconds(1))
    #expect(yard.peers[yard.node(4)]!.director.services[order.request] == nil)
    #expect(yard.isStreaming)
  }

  @Test("a successor that finds the end on record releases what is left") func endAdopted() {
    var (yard, order) = running()
    let content = RecordedService(
      phase: .ended, version: 9, plan: yard.manager(of: order.request)!.current!, endedOutputs: [], problem: "",
      repairs: 0
    ).encoded()
    yard.elect(3, for: order, term: 2, snapshot: content)
    yard.run(for: .seconds(2))
    #expect(yard.peers.values.allSatisfy { $0.groups.isEmpty })
    #expect(yard.peers[yard.node(3)]!.director.services[order.request]?.phase == .ended)
  }
}
