import Base
import Identity
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

/// A planner that a reader can predict: a chain of `read → scale → mux`, the reader on the first node, every other group on the
/// first node of the list that has not refused, its standby on the next; grafted on the last stream that is served.
struct ChainPlanner: Sendable {
  var nodes: [NodeID] = []
  /// What a group takes.
  var demand = Demand(cores: 1, memory: 64 << 20, up: 1_000_000, down: 1_000_000)
  /// The middle group's component.
  var component = "video.scale"
  /// Of streams that have ended, gossip still says that they run here; what a node itself said of them counts more.
  var rumours: OrderedDictionary<StreamKey, NodeID> = [:]
  /// Until then gossip says that all nodes are full.
  var isFull = false
  /// Where the search for the middle and the last group begins.
  var first = [1, 2]

  static let chain = ["read", "scale", "mux"]

  /// Equal documents make equal streams.
  static func stream(_ document: [UInt8], _ stage: Int) -> StreamKey {
    StreamKey(Digest.of(document + [UInt8(stage)], kind: "test-stream"))
  }

  func name(_ stream: StreamKey) -> String {
    for document in 0..<8 {
      for stage in 0..<3 where ChainPlanner.stream([UInt8(document)], stage) == stream {
        return ChainPlanner.chain[stage]
      }
    }
    return stream.short
  }

  func spec(_ document: [UInt8], _ stage: Int) -> GroupSpec {
    let component = ["source.video", component, "mux.webm"][stage]
    return GroupSpec(
      stages: [
        StageSpec(
          id: stage, component: component, parameters: [.init("width", .integer(640))],
          inputs: stage == 0 ? [] : [.socket(0)])
      ], inputs: stage == 0 ? [] : [ChainPlanner.stream(document, stage - 1)],
      output: ChainPlanner.stream(document, stage), mezzanine: .intra, rateCap: 0)
  }

  func fits(_ node: NodeID, _ wish: PlanningWish, _ component: String) -> Bool {
    !wish.excluded.contains(node) && (wish.corrections[node].map { $0.slots > 0 && $0.cores >= demand.cores } ?? true)
      && !(wish.notOffered[node]?.contains(component) ?? false)
  }

  func plan(_ wish: PlanningWish, known: Set<NodeID>) -> Result<Blueprint, PlanningProblem> {
    let document = wish.order.document
    var groups: [ServiceGroup] = []
    if isFull { return .failure(.noRoom("all nodes are full")) }
    func rumoured(_ stream: StreamKey) -> NodeID? {
      rumours[stream].flatMap { node in
        wish.open[node].map { $0.contains(stream) } ?? true && wish.notServed[stream]?.contains(node) != true
          ? node : nil
      }
    }
    let last = wish.part.flatMap { part in (0..<3).first { ChainPlanner.stream(document, $0) == part.stream } } ?? 2
    for stage in (0...last).reversed() {
      let spec = spec(document, stage)
      if let node = wish.served[spec.output] ?? rumoured(spec.output), known.contains(node) {
        groups.append(
          ServiceGroup(ordinal: UInt32(stage), kind: .shared(spec.output), node: node, demand: Demand(up: demand.up)))
        break
      }
      if stage == 0 {
        guard fits(nodes[0], wish, "source.video"), known.contains(nodes[0]) else {
          return .failure(.noNodes("the reader is not to be had"))
        }
        groups.append(ServiceGroup(ordinal: 0, kind: .own(spec), node: nodes[0], demand: demand, isPinned: true))
        continue
      }
      let order = (0..<nodes.count).map { nodes[(first[stage - 1] + $0) % nodes.count] }
      let able = order.filter { known.contains($0) && fits($0, wish, spec.stages[0].component) && $0 != nodes[0] }
      guard let node = able.first else { return .failure(.noNodes("no node for \(ChainPlanner.chain[stage])")) }
      let standby = able.dropFirst(2).first ?? able.dropFirst().first
      groups.append(
        ServiceGroup(
          ordinal: UInt32(stage), kind: .own(spec), node: node, standbys: standby.map { [$0] } ?? [], demand: demand))
    }
    let delivery = ServiceDelivery(
      ordinal: 100, output: "main", stream: ChainPlanner.stream(document, 2), node: wish.order.portal,
      demand: Demand(down: demand.down))
    let deliveries = wish.part == nil ? [delivery] : []
    return .success(Blueprint(plan: ServicePlan(groups: groups.reversed(), deliveries: deliveries)))
  }

  func seat(_ wish: SeatWish, known: Set<NodeID>) -> NodeID? {
    let able = nodes.dropFirst().filter {
      known.contains($0) && !wish.taken.contains($0) && fits($0, wish.planning, wish.spec.stages[0].component)
    }
    return able.first { !wish.used.contains($0) } ?? able.first
  }
}

/// Stands for Elections: a mandate that says who manages.
enum TestMandate {
  static func bytes(manager: NodeID, request: RequestID, term: Term, quality: UInt8 = 1) -> [UInt8] {
    manager.bytes + request.hash.bytes + [UInt8(term.number), quality]
  }

  static func digest(_ bytes: [UInt8]) -> Bytes32 { Digest.of(bytes, kind: "test-mandate") }

  static func verify(_ bytes: [UInt8], _ request: RequestID, _ term: Term) -> Result<VerifiedMandate, MandateProblem> {
    guard bytes.count == 66, Array(bytes[32..<64]) == request.hash.bytes, bytes[64] == UInt8(term.number) else {
      return .failure(.invalid("not of this request and term"))
    }
    if bytes[65] == 2 { return .failure(.invalid("two votes where three are a quorum")) }
    if bytes[65] == 3 { return .failure(.implausible("nobody here knows five of its electors")) }
    return .success(
      VerifiedMandate(
        manager: NodeID(Bytes32(bytes[..<32])!), digest: digest(bytes), notAfter: WallTime(milliseconds: 100_000_000)))
  }
}

func testRequest(_ number: UInt8) -> RequestID {
  RequestID(Bytes32([number] + [UInt8](repeating: 7, count: 31))!)
}
