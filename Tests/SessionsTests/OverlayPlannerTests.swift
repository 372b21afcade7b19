import Base
import Composition
import Identity
import Placement
import Testing
import Vocabulary

@testable import Sessions

@Suite("Placement at the manager's service") struct OverlayPlannerTests {
  let nodes = (1...5).map { KeyPair(seed: Bytes32([UInt8](repeating: UInt8($0), count: 32))!).id }

  /// A 720p file with sound on node 0, asked as 360p WebM; encoders only on nodes 2 and 3, muxers on 3 and 4.
  func planner() throws -> OverlayPlanner {
    var request = ServiceRequest(source: SourceReference(node: nodes[0], path: "talk.mkv")!)
    var video = VideoWish()
    video.size = .height(360)
    request.video = .asked(video)
    var picture = SourceTrack(stream: 0, kind: .video, codec: "h264")
    (picture.width, picture.height, picture.frameRate) = (1_280, 720, Rational(30))
    let source = SourceDescription(
      key: SourceKey(Bytes32.zero), container: "matroska,webm", duration: 60, size: 1 << 24, tracks: [picture])
    let graph = try GraphBuilder.graph(for: request, on: source)
    let offers: [[String]] = [
      ["source.video"], ["video.scale"], ["video.scale", "video.vp8"], ["video.vp8", "mux.webm"], ["mux.webm"],
    ]
    let views = nodes.enumerated().map { index, id in
      var view = NodeView(
        id: id, host: "10.0.0.\(index + 1)", coordinate: .origin, offers: OrderedSet(offers[index]))
      view.rates = LinkRates(upCapacity: 100_000_000, downCapacity: 100_000_000)
      return view
    }
    let inputs = PlacementInputs(graph: graph, nodes: views, client: ClientPlace(coordinate: .origin, portal: nodes[4]))
    return OverlayPlanner(inputs: inputs, portal: nodes[4], seed: 1)
  }

  var wish: PlanningWish {
    PlanningWish(
      order: ServiceOrder(
        request: testRequest(1), document: [], portal: nodes[4], notAfter: WallTime(milliseconds: 100_000_000)))
  }

  @Test("a placement becomes work: every input has a maker, the reader is pinned, demands are counted once") func work()
    throws
  {
    let plan = try planner().plan(wish).get().plan
    for group in plan.groups {
      for input in group.spec!.inputs { #expect(plan[input] != nil) }
      #expect(group.demand.cores > 0)
      #expect(!group.standbys.contains(group.node))
    }
    #expect(plan.groups.filter(\.isPinned).map(\.node) == [nodes[0]])
    #expect(plan.deliveries.map(\.node) == [nodes[4]])
    let ordinals = plan.groups.map(\.ordinal) + plan.deliveries.map(\.ordinal)
    #expect(Set(ordinals).count == ordinals.count)
    let record = RecordedService(
      phase: .recording, version: 3, plan: plan, endedOutputs: ["main"], problem: "", repairs: 1)
    #expect(try RecordedService(validating: record.encoded()) == record)
  }

  @Test("what nodes refused is not asked of them again") func corrections() throws {
    let planner = try planner()
    let plan = try planner.plan(wish).get().plan
    let last = plan.groups.last!
    var corrected = wish
    corrected.corrections[last.node] = Capacity(slots: 0, cores: 0, memory: 0)
    let other = try planner.plan(corrected).get().plan
    #expect(!other.groups.contains { $0.node == last.node })
    corrected.excluded = OrderedSet(nodes)
    guard case .failure(.noNodes) = planner.plan(corrected) else {
      Issue.record("nobody is left")
      return
    }
  }

  @Test("a claimed stream is shared, and not started again") func claims() throws {
    let planner = try planner()
    let plan = try planner.plan(wish).get().plan
    let root = plan.deliveries[0].stream
    var claimed = wish
    claimed.served[root] = plan[root]!.node
    let other = try planner.plan(claimed).get().plan
    #expect(other.groups.map(\.kind) == [.shared(root)])
  }

  @Test("a seat is found among those that offer all, apart from those that have it") func seat() throws {
    let planner = try planner()
    let plan = try planner.plan(wish).get().plan
    let group = plan.groups.first { !$0.isPinned }!
    var asked = SeatWish(
      planning: wish, spec: group.spec!, demand: group.demand, neighbours: [nodes[0]], taken: [group.node], used: [])
    let seat = planner.seat(asked)
    #expect(seat != group.node)
    asked.taken = nodes
    #expect(planner.seat(asked) == nil)
  }
}
