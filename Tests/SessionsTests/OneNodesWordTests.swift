import Base
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

/// What one node can do to a service that it has no part in, or a small one.
@Suite("One node's word does not end a service") struct OneNodesWordTests {
  private let life = ServiceLifeTests()
  private let stranger = KeyPair(seed: Bytes32([UInt8](repeating: 99, count: 32))!).id

  @Test("a report counts from those who work for the service, and the end of a delivery from where it is delivered")
  func reports() throws {
    var (yard, order) = life.running()
    func report(_ event: NodeEvent, from node: NodeID) -> Manager? {
      let counter = StreamCounters(
        owner: .delivery("main"), stream: ChainPlanner.stream([1], 2), isIncoming: true, peer: node, format: "",
        bytes: 1, packets: 1)
      let report = NodeReport(request: order.request, events: [event], counters: [counter])
      yard.manage(.message(.report(report), from: node), order.request, at: yard.node(4))
      return yard.peers[yard.node(4)]!.director.services[order.request]
    }
    let output = try #require(yard.manager(of: order.request)?.current?.deliveries.first).output
    let lost = ChainPlanner.stream([1], 1)
    let owner = StreamUser.group(ChainPlanner.stream([1], 2))
    for event in [
      NodeEvent.ended(.delivery(output)), .starved(owner, stream: lost), .holdsNothing,
      .failed(lost, kind: "not_media", detail: "", lasting: true),
    ] {
      #expect(report(event, from: stranger)?.phase == .running, "\(event)")
    }
    #expect(yard.manager(of: order.request)?.counters[stranger] == nil)
    #expect(yard.manager(of: order.request)?.unanswered[stranger] == nil)
    // The reader works for it, and has no say about its end.
    #expect(report(.ended(.delivery(output)), from: yard.node(0))?.phase == .running)
    #expect(yard.manager(of: order.request)?.counters[yard.node(0)] != nil)
    #expect(report(.ended(.delivery(output)), from: yard.node(5))?.phase == .ending)
  }

  @Test(
    "that it heeds a later term stops a manager whom only nodes can tell; one with a quorum behind it does without it")
  func laterTerm() throws {
    for isProved in [false, true] {
      var yard = Yard()
      let order = life.order(1, in: yard)
      let liar = yard.node(1)
      yard.peers[liar]!.desk = Desk(
        node: liar, capacity: Capacity(slots: 8, cores: 8, memory: 1 << 33),
        restoring: [Fence(request: order.request, term: Term(9), until: order.notAfter)])
      yard.elect(4, for: order, isProved: isProved)
      yard.run(for: .milliseconds(500))
      let manager = yard.peers[yard.node(4)]!.director.services[order.request]
      #expect((manager != nil) == isProved)
      guard let manager else { continue }
      #expect(manager.phase == .running && yard.isStreaming)
      #expect(manager.current?.nodes.contains(liar) == false)
    }
  }
}
