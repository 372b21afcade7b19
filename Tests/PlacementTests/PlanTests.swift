import Base
import Composition
import Foundation
import Identity
import Testing
import Vocabulary

@testable import Placement

/// Compares with a file under `Golden/`; `MILLRACE_GOLDEN=write` writes it.
private func expectGolden(_ text: String, _ name: String) throws {
  let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name)")
  if ProcessInfo.processInfo.environment["MILLRACE_GOLDEN"] == "write" {
    try text.write(to: file, atomically: true, encoding: .utf8)
  }
  #expect(text == (try String(contentsOf: file, encoding: .utf8)))
}

private let away = Overlay.all.subtracting(Overlay.readers)

@Suite("A plan")
struct PlanTests {
  private static let five = [
    Overlay.node("a", 0, offers: Overlay.readers),
    Overlay.node("b", 8, offers: ["video.scale", "video.fps", "audio.resample"]),
    Overlay.node("c", 16, offers: ["video.overlay", "video.burn", "text.shift", "video.scale"]),
    Overlay.node("d", 24, offers: ["video.vp8", "audio.opus", "mux.webm", "mux.webvtt"]),
    Overlay.node("e", 12, 5, offers: away),
  ]
  private static let document = """
    video: {height: 360, overlay: {text: Hi}, captions: burn}
    captions: {shift: 1s, deliver: webvtt}
    """

  @Test("covers every stage once, its groups are connected, and every input has a publisher")
  func wellFormed() throws {
    let inputs = Overlay.inputs(Self.five, client: Overlay.at(24), Self.document)
    let plan = try Overlay.decide(inputs).plan
    #expect(plan.stages.map(\.stage) == Array(inputs.graph.stages.indices))
    var grouped: [Int] = []
    for group in plan.groups {
      grouped += group.spec.stages.map(\.id)
      #expect(group.inputs.map(\.key) == group.spec.inputs)
      #expect(
        group.spec.output == inputs.graph.stages[group.spec.stages.last!.id].key, "the last stage makes the output")
      var known = Set<Int>()
      for stage in group.spec.stages {
        #expect(plan.stages[stage.id].node == group.node)
        for input in stage.inputs {
          switch input {
          case .stage(let id): #expect(known.contains(id))
          case .socket(let number): #expect(group.spec.inputs.indices.contains(number))
          }
        }
        known.insert(stage.id)
      }
    }
    #expect(grouped.sorted() == plan.stages.filter { !$0.isReused }.map(\.stage))
    for input in plan.groups.flatMap(\.inputs) + plan.deliveries.map(\.input) {
      #expect(plan.groups.contains { $0.spec.output == input.key && $0.node == input.primary })
    }
  }

  @Test("crosses nodes when they offer different components")
  func crosses() throws {
    var nodes = Self.five
    nodes.removeLast()
    let plan = try Overlay.decide(Overlay.inputs(nodes, client: Overlay.at(24))).plan
    #expect(Overlay.letters(plan) == "abcdd" || Overlay.letters(plan) == "accdd")
    #expect(plan.nodes.count >= 3)
    #expect(plan.links.count == plan.groups.count)
  }

  @Test(
    "has a standby for each group that another node can run: never the same node, never another peer of its machine")
  func backups() throws {
    var nodes = Self.five
    var twin = Overlay.node("f", 24, offers: nodes[3].offers)
    twin.host = nodes[3].host
    nodes.append(twin)
    nodes[4].offers = ["video.overlay"]
    nodes[1].offers.formUnion(["video.vp8", "mux.webm"])
    let plan = try Overlay.decide(Overlay.inputs(nodes, client: Overlay.at(24))).plan
    #expect(plan.groups.filter { $0.backup != nil }.count >= 2)
    for group in plan.groups {
      guard let backup = group.backup else {
        let able = nodes.filter { node in
          node.id != group.node && group.spec.stages.allSatisfy { node.offers.contains($0.component) }
        }
        #expect(group.isReader || able.isEmpty, "there is none only where none can be: \(group.id)")
        continue
      }
      #expect(backup.node != group.node)
      #expect(nodes.first { $0.id == backup.node }?.host != nodes.first { $0.id == group.node }?.host)
      #expect(backup.spec.stages == group.spec.stages && backup.spec.output == group.spec.output)
      let offers = nodes.first { $0.id == backup.node }!.offers
      #expect(group.spec.stages.allSatisfy { offers.contains($0.component) })
      for consumer in plan.groups.flatMap(\.inputs) + plan.deliveries.map(\.input)
      where consumer.key == group.spec.output {
        #expect(consumer.standbys == [backup.node])
      }
    }
  }

  @Test("gives readers a standby when two nodes hold the source")
  func twoReaders() throws {
    var inputs = Overlay.inputs([Overlay.node("a"), Overlay.node("b", 3), Overlay.node("c", 6)])
    inputs.readers.append(Overlay.id("b"))
    let plan = try Overlay.decide(inputs).plan
    #expect(plan.groups.map(\.node) == [Overlay.id("a")])
    #expect(plan.groups[0].backup?.node == Overlay.id("b"))
  }

  @Test("starts no more workers than nodes have slots, standbys included")
  func slots() throws {
    var nodes = Self.five
    for index in nodes.indices { nodes[index].load.slots = 2 }
    let plan = try Overlay.decide(Overlay.inputs(nodes, client: Overlay.at(24))).plan
    var taken: OrderedDictionary<NodeID, Int> = [:]
    for group in plan.groups {
      taken[group.node, default: 0] += 1
      if let backup = group.backup { taken[backup.node, default: 0] += 1 }
    }
    #expect(taken.values.allSatisfy { $0 <= 2 })
  }

  @Test("is the same for the same snapshot and seed, whatever the order of the nodes, and says so in its digest")
  func deterministic() throws {
    let inputs = Overlay.inputs(Self.five, client: Overlay.at(24), Self.document)
    var shuffled = inputs
    shuffled.nodes.reverse()
    let one = try Overlay.decide(inputs)
    #expect(try Overlay.decide(shuffled) == one)
    #expect(try Overlay.decide(inputs) == one)
    var other = inputs
    other.nodes[1].load.ownCPU = 0.01
    #expect(other.digest != inputs.digest && one.plan.inputs == inputs.digest)
    var moved = inputs
    moved.client.extra = 1
    #expect(moved.digest != inputs.digest)
  }

  @Test(
    "leaves to chance only what hardly matters: equal nodes share the load of many managers, a worse one gets nothing",
    arguments: [0.0, 1])
  func chance(missed: Double) throws {
    var nodes = [Overlay.node("a", 0, offers: Overlay.readers)]
    // However dear the only reader is: it is the same in every plan.
    nodes[0].load.deadlineMisses = missed
    for (name, angle) in zip("bcd", [0.0, 2.0, 4.0]) {
      nodes.append(
        Overlay.node(name, 10 * Double(angle == 0 ? 1 : -0.5), angle == 0 ? 0 : angle == 2 ? 8.66 : -8.66, offers: away)
      )
    }
    nodes.append(Overlay.node("e", 11.5, offers: away))
    var counts: OrderedDictionary<String, Int> = [:]
    for seed in 0..<60 {
      let plan = try Overlay.decide(Overlay.inputs(nodes), seed: UInt64(seed)).plan
      counts[Overlay.name(plan.stages[1].node), default: 0] += 1
    }
    #expect(counts.keys.sorted() == ["b", "c", "d"])
    #expect(counts.values.allSatisfy { $0 >= 8 }, "\(counts)")
  }

  @Test("explains itself")
  func explained() throws {
    var inputs = Overlay.inputs(Self.five, client: Overlay.at(24))
    inputs.exclusions = [Exclusion(node: Overlay.id("e"), reason: "it refused: no memory")]
    let decision = try Overlay.decide(inputs)
    for stage in decision.explanation.stages {
      #expect(stage.winner == decision.plan.stages[stage.stage].node)
      let costs = stage.candidates.compactMap(\.cost?.total)
      #expect(abs((costs.first ?? 0) - decision.plan.cost.total) <= decision.plan.cost.total * 0.02)
    }
    try expectGolden(decision.explanation.description, "five.explanation")
  }

  @Test("explains a graft")
  func explainedGraft() throws {
    let inputs = Overlay.inputs(Self.five, client: Overlay.at(24))
    let first = try Overlay.decide(inputs).plan
    var again = inputs
    for group in first.groups {
      let index = again.nodes.firstIndex { $0.id == group.node }!
      again.nodes[index].serves.append(
        ServedStream(key: group.spec.output, bitrate: group.bitrate, spareFanOut: 3, firstHeld: 0))
    }
    try expectGolden(try Overlay.decide(again).explanation.description, "graft.explanation")
  }
}

@Suite("Without a plan, the error says why")
struct PlacementErrorTests {
  private static func refusal(_ inputs: PlacementInputs) -> String {
    do {
      _ = try Overlay.decide(inputs)
      return "placed"
    } catch { return "\(error)" }
  }
  private static let source = Overlay.node("a", 0, offers: Overlay.readers)

  @Test("nobody offers a component")
  func nobodyOffers() {
    let nodes = [Self.source, Overlay.node("b", offers: ["video.scale", "video.overlay", "mux.webm"])]
    #expect(Self.refusal(Overlay.inputs(nodes)) == "no node offers video.vp8")
    #expect(Self.refusal(Overlay.inputs([])) == "no node offers source.video")
  }

  @Test("the node with the source is gone")
  func noReader() {
    #expect(
      Self.refusal(Overlay.inputs([Overlay.node("b")]))
        == "no node that can read the source is a member now: \(Overlay.id("a").short)")
  }

  @Test("all that offer it have a reason")
  func nobodyFree() {
    var nodes = [Self.source] + "bcdefg".map { Overlay.node($0, offers: away) }
    nodes[1].load.slotsUsed = 4
    nodes[2].policy = .draining
    nodes[3].load.machineCPU = 0.97
    nodes[3].load.ownCPU = 0.97
    nodes[4].load.memory = 0.99
    nodes[5].age = 99
    var inputs = Overlay.inputs(nodes)
    inputs.exclusions = [Exclusion(node: Overlay.id("g"), reason: "it refused: busy")]
    #expect(
      Self.refusal(inputs) == "no node that offers video.scale can take it now: "
        + "\(Overlay.id("b").short): no free slot (4 of 4 taken); \(Overlay.id("c").short): it is draining; "
        + "\(Overlay.id("d").short): its processors are 97 % busy; \(Overlay.id("e").short): its memory is 99 % full; "
        + "\(Overlay.id("f").short): its last measurement is 99 s old; \(Overlay.id("g").short): it refused: busy")
  }

  @Test("work of others makes a node dear, never impossible")
  func workOfOthers() throws {
    var nodes = [Self.source, Overlay.node("b", offers: away)]
    nodes[1].load.machineCPU = 1
    #expect(try Overlay.decide(Overlay.inputs(nodes)).plan.nodes.contains(Overlay.id("b")))
    nodes.append(Overlay.node("c", 2, offers: away))
    #expect(try Overlay.decide(Overlay.inputs(nodes)).plan.nodes.contains(Overlay.id("c")))
  }

  @Test("old news makes the one reader dear, never impossible; another with fresh news is preferred")
  func oldNews() throws {
    var nodes = [Self.source, Overlay.node("b", offers: away), Overlay.node("c", 1, offers: Overlay.readers)]
    nodes[0].age = 140
    var inputs = Overlay.inputs(nodes)
    #expect(try Overlay.place(inputs) == "abbbb")
    inputs.readers = [Overlay.id("a"), Overlay.id("c")]
    #expect(try Overlay.place(inputs) == "cbbbb")
  }

  @Test("a suspect is asked for the source that it alone has, and for nothing that others can do")
  func suspects() throws {
    var nodes = [Overlay.node("a"), Overlay.node("b", 40)]
    #expect(try Overlay.place(Overlay.inputs(nodes)) == "aaaaa", "as near as can be")
    nodes[0].isSuspect = true
    var inputs = Overlay.inputs(nodes)
    #expect(try Overlay.place(inputs) == "abbbb")
    // Not even for what runs there, as it may not run any more.
    inputs.claims = [Claim(key: inputs.graph.stages[1].key, node: Overlay.id("a"))]
    #expect(try Overlay.place(inputs) == "abbbb")
    inputs.nodes[0].serves = [
      ServedStream(key: inputs.graph.stages[1].key, bitrate: 1_000_000, spareFanOut: 4, firstHeld: 0)
    ]
    #expect(try Overlay.place(inputs) == "abbbb")
    // Somebody else who can read is asked first, however old the news of it.
    inputs.nodes[1].age = 600
    inputs.nodes.append(Overlay.node("c", 41))
    inputs.readers = [Overlay.id("a"), Overlay.id("b")]
    #expect(try Overlay.place(inputs) == "bcccc")
  }

  @Test("a refusal for one stream leaves the node to the others")
  func partialExclusion() throws {
    var inputs = Overlay.inputs([Overlay.node("a"), Overlay.node("b", 2)])
    inputs.exclusions = [Exclusion(node: Overlay.id("a"), key: inputs.graph.stages[3].key, reason: "no encoder")]
    #expect(try Overlay.place(inputs).dropFirst(3).prefix(1) == "b")
  }

  @Test("no link carries the stream")
  func noLink() {
    var nodes = [Self.source, Overlay.node("b", 5, offers: away)]
    nodes[1].rates.downCapacity = 1_000_000
    let bits = Overlay.graph().stages[0].shape.bitrate(.longGOP)
    #expect(Self.refusal(Overlay.inputs(nodes)) == "no link carries the \(bits) bit/s from source.video to video.scale")
    var edge = [Overlay.node("a")]
    edge[0].rates.upCapacity = 500_000
    #expect(Self.refusal(Overlay.inputs(edge)).hasSuffix("from mux.webm to the client"))
  }

  @Test("a bitrate no link carries")
  func hugeBitrate() {
    var node = Overlay.node("a")
    node.rates.upCapacity = 20_000_000
    let document = "video: {bitrate: 50M}\naudio: none\ncaptions: none"
    #expect(Self.refusal(Overlay.inputs([node], document)).hasPrefix("no link carries the 5"))
  }

  @Test("everything is too slow for the request")
  func tooSlow() {
    var inputs = Overlay.inputs([Overlay.node("a"), Overlay.node("b", 100)], client: Overlay.at(100))
    inputs.latencyBound = 100
    #expect(Self.refusal(inputs) == "the request allows a latency of 100 ms; the fastest plan has 287 ms")
    inputs.latencyBound = 300
    #expect(Self.refusal(inputs) == "placed")
  }

  @Test("a latency bound forces the faster plan")
  func bound() throws {
    var nodes = [Self.source, Overlay.node("b", 5, offers: away), Overlay.node("c", 30, offers: away)]
    nodes[1].load.machineCPU = 0.7
    nodes[1].load.ownCPU = 0.7
    nodes[2].load.cores = 16
    var inputs = Overlay.inputs(nodes)
    #expect(try Overlay.decide(inputs).plan.nodes.contains(Overlay.id("c")))
    let slow = try Overlay.decide(inputs).explanation.outputs[0].delay
    inputs.latencyBound = slow - 5
    #expect(try Overlay.decide(inputs).explanation.outputs[0].delay < slow)
  }

  @Test("work of others makes a node dear and never impossible, beside own work too", arguments: [0, 0.2, 0.4])
  func othersBesideOwn(own: Double) {
    var node = Overlay.node("a")
    node.load.ownCPU = own
    node.load.machineCPU = 1
    #expect(Self.refusal(Overlay.inputs([node])) == "placed")
  }

  @Test("there is room for each stage, but not for all")
  func noRoom() {
    var node = Overlay.node("a")
    node.load.cores = 0.7
    #expect(
      Self.refusal(Overlay.inputs([node])) == "the nodes that offer the components have no room for all of them at once"
    )
  }
}
