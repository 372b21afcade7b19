import Base
import Composition
import Identity
import Testing
import Vocabulary

@testable import Placement

/// All ways to place a tree, one by one, by the definition of cost alone: no bounds, no order, no pruning.
private func exhaustive(_ problem: Problem, _ ledger: Ledger) -> (cost: Double, count: Int)? {
  var best: Double?
  var count = 0
  func place(_ stage: Int, _ moves: inout [Bounds.Move?]) {
    guard stage >= 0 else {
      count += 1
      var after = ledger
      guard let cost = problem.cost(of: Assignment(moves: moves), on: &after)?.terms.total else { return }
      best = min(best ?? .infinity, cost)
      return
    }
    var to: Int?
    if let parent = problem.parent[stage] {
      guard let move = moves[parent], problem.options[parent][move.option].graft == nil else {
        moves[stage] = nil
        return place(stage - 1, &moves)
      }
      to = move.hop.from
    }
    for (index, option) in problem.options[stage].enumerated() {
      for hop in problem.hops(stage, option, to: to) {
        moves[stage] = Bounds.Move(option: index, hop: hop, bound: 0)
        place(stage - 1, &moves)
      }
    }
    moves[stage] = nil
  }
  var moves = [Bounds.Move?](repeating: nil, count: problem.stages.count)
  place(problem.stages.count - 1, &moves)
  return best.map { ($0, count) }
}

@Suite("The search")
struct BruteForceTests {
  private static let documents = [
    "video: {height: 360}\naudio: none\ncaptions: none", "video: none\naudio: {rate: 24000}\ncaptions: none",
    "video: {size: 1280x720}\naudio: {channels: 2}\ncaptions: none", "delivery: webvtt\ncaptions: {shift: 1s}",
    "video: {captions: burn}\naudio: none",
  ]

  /// A small overlay of anything: places, loads up to saturation, thin links, few slots, partial offers, running streams.
  private static func overlay(_ random: inout SeededRandom) -> PlacementInputs {
    let graph = Overlay.graph(documents[random.index(below: documents.count)])
    let names = Array("abcd".prefix(2 + random.index(below: 3)))
    let nodes = names.map { name in
      var node = Overlay.node(name, random.fraction() * 60, random.fraction() * 60)
      if name != "a" {
        node.offers = OrderedSet(Overlay.all.filter { _ in random.fraction() < 0.9 })
      }
      if random.fraction() < 0.3 { node.host = "10.0.0.1" }
      node.load.cores = [0.5, 1, 4][random.index(below: 3)]
      node.load.ownCPU = random.fraction() * 0.5
      node.load.machineCPU = random.fraction()
      node.load.cpuPressure = random.fraction() * 0.3
      node.load.deadlineMisses = random.fraction() < 0.3 ? random.fraction() : 0
      node.load.slots = 1 + random.index(below: 4)
      node.rates = LinkRates(
        upCapacity: Int64(1_000_000 + random.fraction() * 60_000_000),
        downCapacity: Int64(1_000_000 + random.fraction() * 60_000_000),
        upUsed: Int64(random.fraction() * 1_000_000))
      for other in names where other != name && random.fraction() < 0.3 {
        node.paths.append(
          PathRate(to: Overlay.id(other), capacity: Int64(500_000 + random.fraction() * 40_000_000), used: 0))
      }
      for stage in graph.stages where random.fraction() < 0.1 {
        node.serves.append(
          ServedStream(
            key: stage.key, bitrate: stage.shape.bitrate(.intra), spareFanOut: random.index(below: 2), firstHeld: 0))
      }
      return node
    }
    var inputs = PlacementInputs(
      graph: graph, nodes: nodes,
      client: ClientPlace(coordinate: Overlay.at(random.fraction() * 60, random.fraction() * 60)))
    if random.fraction() < 0.3 { inputs.client.portal = Overlay.id("b") }
    if random.fraction() < 0.3 { inputs.latencyBound = 200 + random.fraction() * 200 }
    return inputs
  }

  @Test("finds exactly what trying everything finds, in hundreds of random overlays")
  func equalsBruteForce() throws {
    var random = SeededRandom(seed: 2)
    var (planned, unplanned, joint, tried) = (0, 0, 0, 0)
    for number in 0..<600 {
      let inputs = Self.overlay(&random)
      let pool = Pool(inputs, using: &random)
      let ledger = Ledger(pool, .standard)
      let problem = Problem(inputs, tree: inputs.graph.outputs[0].stages, pool: pool, weights: .standard, started: [])
      let bounds = Bounds(problem, ledger)
      let found = Search.cheapest(problem, bounds, ledger)
      let truth = exhaustive(problem, ledger)
      tried += truth?.count ?? 0
      guard let truth else {
        unplanned += 1
        #expect(found == nil, "overlay \(number)")
        continue
      }
      planned += 1
      guard let cost = found?.cost else {
        Issue.record("overlay \(number) has a plan")
        continue
      }
      #expect(
        abs(cost - truth.cost) <= 1e-6 * max(1, truth.cost), "overlay \(number): \(cost), by trying all \(truth.cost)")
      #expect(bounds.cheapest! <= truth.cost + 1e-6, "the programme is a lower bound")
      if bounds.cheapest! < truth.cost - 1e-6 { joint += 1 }
    }
    #expect(planned > 150 && unplanned > 30, "\(planned) with a plan, \(unplanned) without")
    #expect(joint > 50, "in \(joint) overlays a programme without joint costs would be wrong")
    #expect(tried > 10_000)
  }

  @Test("never books a node twice: stages that each fit on the near node, but not together, part")
  func jointCapacity() throws {
    let away: OrderedSet<String> = ["video.scale", "video.overlay", "video.vp8", "mux.webm"]
    func place(_ cores: Double) throws -> Plan {
      var nodes = [
        Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 5, offers: away),
        Overlay.node("c", 60, offers: away),
      ]
      nodes[1].load.cores = cores
      let document = "video: {size: 1278x720, overlay: {text: Hi}}\naudio: none\ncaptions: none"
      return try Overlay.decide(Overlay.inputs(nodes, document)).plan
    }
    let whole = try place(4)
    #expect(Overlay.letters(whole) == "abbbb")
    let parted = try place(1.6)
    #expect(parted.nodes.count > 2, "\(Overlay.letters(parted))")
    let onNear = parted.groups.filter { $0.node == Overlay.id("b") }.map(\.cores).reduce(0, +)
    #expect(onNear < 1.6 * Limits.nodeCeiling)
  }

  @Test("of a large overlay is quick and proved")
  func large() throws {
    var random = SeededRandom(seed: 3)
    var nodes = [Overlay.node("a")]
    for number in 0..<300 {
      var key = [UInt8](repeating: 9, count: 32)
      (key[0], key[1]) = (UInt8(number / 256 + 30), UInt8(number % 256))
      var node = Overlay.node("b", random.fraction() * 200, random.fraction() * 200)
      node.id = NodeID(Bytes32(key)!)
      node.host = "10.1.\(number / 256).\(number % 256)"
      node.load.ownCPU = random.fraction() * 0.9
      nodes.append(node)
    }
    let inputs = Overlay.inputs(
      nodes, client: Overlay.at(150, 150),
      "video: {height: 360, overlay: {text: Hi}, captions: burn}\ncaptions: {deliver: webvtt}")
    let decision = try Overlay.decide(inputs)
    #expect(decision.plan.isProved)
  }
}
