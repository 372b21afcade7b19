import Base
import Composition
import Identity
import Testing
import Vocabulary

@testable import Placement

/// R5 to R10: what the decision looks at. Each sentence is also tried with that input taken away, and must then come out otherwise.
@Suite("The decision")
struct RequirementTests {
  private static func without(_ change: (inout CostWeights) -> Void) -> CostWeights {
    var weights = CostWeights.standard
    change(&weights)
    return weights
  }

  // MARK: - R5

  @Test("R5: the last stage lands near each client")
  func clientLocation() throws {
    let nodes = [
      Overlay.node("a", 0, offers: Overlay.readers.union(["video.scale", "video.overlay", "video.vp8"])),
      Overlay.node("b", 100, offers: ["mux.webm"]), Overlay.node("c", -100, offers: ["mux.webm"]),
      Overlay.node("d", 0, 1, offers: ["mux.webm"]),
    ]
    #expect(try Overlay.place(Overlay.inputs(nodes, client: Overlay.at(105))) == "aaaab")
    #expect(try Overlay.place(Overlay.inputs(nodes, client: Overlay.at(-105))) == "aaaac")
    #expect(try Overlay.place(Overlay.inputs(nodes, client: Overlay.at(0, 2))) == "aaaad")
    let blind = Self.without { $0.delivery = 0 }
    let east = try Overlay.place(Overlay.inputs(nodes, client: Overlay.at(105)), weights: blind)
    let west = try Overlay.place(Overlay.inputs(nodes, client: Overlay.at(-105)), weights: blind)
    #expect(east == west, "blind to the client, it is one plan for both")
  }

  @Test("R5: near the client wins even where everything could stay at the source")
  func edgeMovesOut() throws {
    let nodes = [Overlay.node("a", 0), Overlay.node("b", 100)]
    let far = try Overlay.place(Overlay.inputs(nodes, client: Overlay.at(100)))
    #expect(far.last == "b")
    #expect(try Overlay.place(Overlay.inputs(nodes, client: Overlay.at(0))) == "aaaaa")
  }

  // MARK: - R6

  private static let away = Overlay.all.subtracting(Overlay.readers)

  @Test("R6: a link too thin for the stream is never chosen while another exists")
  func thinLink() throws {
    var nodes = [
      Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 5, offers: Self.away),
      Overlay.node("c", 50, offers: Self.away),
    ]
    func encoders(_ nodes: [NodeView]) throws -> String { String(try Overlay.place(Overlay.inputs(nodes)).prefix(4)) }
    #expect(try encoders(nodes) == "abbb", "the near one, as long as it can")
    nodes[1].rates.downCapacity = 2_000_000
    #expect(try encoders(nodes) == "accc", "its access link is too thin even for long GOPs")
    nodes[1].rates.downCapacity = 1_000_000_000
    nodes[0].paths = [PathRate(to: Overlay.id("b"), capacity: 2_000_000, used: 0)]
    #expect(try encoders(nodes) == "accc", "only the path is")
    nodes[0].paths = [PathRate(to: Overlay.id("b"), capacity: 100_000_000, used: 85_000_000)]
    #expect(try encoders(nodes) == "accc", "what others use of it is gone")
    nodes[0].paths = []
    nodes[1].pending.down = 899_000_000
    #expect(try encoders(nodes) == "accc", "what was promised but not yet measured is gone too")
  }

  @Test("R6: the bandwidth chooses the mezzanine: raw on one host, intra where the link carries it, long GOP where not")
  func mezzanine() throws {
    func mezzanine(_ change: (inout NodeView) -> Void) throws -> GroupSpec {
      var far = Overlay.node("b", 5, offers: Self.away)
      change(&far)
      let plan = try Overlay.decide(Overlay.inputs([Overlay.node("a", 0, offers: Overlay.readers), far])).plan
      return plan.groups[0].spec
    }
    #expect(try mezzanine { _ in }.mezzanine == .intra)
    #expect(
      try mezzanine {
        $0.host = "10.0.0.1"; $0.coordinate = Overlay.at(0)
      }.mezzanine == .raw)
    let thin = try mezzanine { $0.rates.downCapacity = 20_000_000 }
    #expect(thin.mezzanine == .longGOP)
    #expect(thin.rateCap > 5_000_000 && thin.rateCap < 20_000_000)
  }

  // MARK: - R7

  @Test("R7: a thin path that others fill loses, though both access links are wide: both its ends say what they move")
  func pathLoad() throws {
    func nodes(_ busy: Int) -> [NodeView] {
      var nodes = [
        Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, 1, offers: Self.away),
        Overlay.node("c", 10, -1, offers: Self.away),
      ]
      for index in 0...2 { nodes[index].rates = LinkRates(upCapacity: 600_000_000, downCapacity: 600_000_000) }
      nodes[0].paths = [1, 2].map { PathRate(to: nodes[$0].id, capacity: 100_000_000, used: 0) }
      nodes[0].rates.upUsed = 60_000_000
      nodes[busy].rates.downUsed = 60_000_000
      return nodes
    }
    #expect(try Overlay.place(Overlay.inputs(nodes(1))) == "acccc")
    #expect(try Overlay.place(Overlay.inputs(nodes(2))) == "abbbb")
  }

  @Test(
    "R7: what others leave of a path is dear: a node behind a full one loses, though it is nearer and has less to do")
  func fullPath() throws {
    // What a busy machine took for true of two equal nodes: its measurements are no better.
    func plan(_ others: Int64) throws -> Plan {
      var nodes = [
        Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 14, offers: Self.away),
        Overlay.node("c", 16.5, offers: Self.away),
      ]
      for index in 0...2 { nodes[index].rates = LinkRates(upCapacity: 500_000_000, downCapacity: 500_000_000) }
      nodes[0].paths = [1, 2].map { PathRate(to: nodes[$0].id, capacity: 60_000_000, used: 0) }
      (nodes[0].rates.upUsed, nodes[1].rates.downUsed) = (others, others)
      (nodes[1].load.cpuPressure, nodes[2].load.cpuPressure) = (0.16, 0.3)
      return try Overlay.decide(
        Overlay.inputs(nodes, client: Overlay.at(14), "video: {size: 320x180}\naudio: none\ncaptions: none")
      ).plan
    }
    #expect(Overlay.letters(try plan(0)) == "abbb")
    #expect(Overlay.letters(try plan(47_000_000)).hasPrefix("acc"))
  }

  @Test("R7: among equal paths the less loaded one wins")
  func networkLoad() throws {
    func nodes(_ busy: Character) -> [NodeView] {
      var nodes = [
        Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, 1, offers: Self.away),
        Overlay.node("c", 10, -1, offers: Self.away),
      ]
      for index in 1...2 {
        nodes[index].rates = LinkRates(upCapacity: 200_000_000, downCapacity: 200_000_000)
        if nodes[index].id == Overlay.id(busy) { nodes[index].rates.downUsed = 140_000_000 }
      }
      return nodes
    }
    #expect(try Overlay.place(Overlay.inputs(nodes("b"))) == "acccc")
    #expect(try Overlay.place(Overlay.inputs(nodes("c"))) == "abbbb")
    let blind = Self.without { $0.links = 0 }
    let one = try Overlay.place(Overlay.inputs(nodes("b")), weights: blind)
    let other = try Overlay.place(Overlay.inputs(nodes("c")), weights: blind)
    #expect(one == other, "blind to link load, the choice would not follow it")
  }

  // MARK: - R8

  @Test(
    "R8: a node busy with work of others is avoided, whatever the sign",
    arguments: [
      "machineCPU", "ownCPU", "pressure", "misses", "memory", "slots", "promised cores", "promised slots",
    ])
  func nodeLoad(_ sign: String) throws {
    func nodes(_ busy: Character) -> [NodeView] {
      var nodes = [
        Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, 1, offers: Self.away),
        Overlay.node("c", 10, -1, offers: Self.away),
      ]
      let index = busy == "b" ? 1 : 2
      switch sign {
      case "machineCPU": nodes[index].load.machineCPU = 0.6
      case "ownCPU": nodes[index].load.ownCPU = 0.6
      case "pressure": nodes[index].load.cpuPressure = 0.4
      case "misses": nodes[index].load.deadlineMisses = 0.2
      case "memory": nodes[index].load.memory = 0.9
      case "slots": nodes[index].load.slotsUsed = 4
      case "promised cores": nodes[index].pending.cores = 2
      default: nodes[index].pending.slots = 4
      }
      return nodes
    }
    #expect(try Overlay.place(Overlay.inputs(nodes("b"))) == "acccc")
    #expect(try Overlay.place(Overlay.inputs(nodes("c"))) == "abbbb")
  }

  @Test("R8: an idle node further away wins over a busy one nearby; blind to load and stress, it would not")
  func blindToLoad() throws {
    var nodes = [
      Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, offers: Self.away),
      Overlay.node("c", 14, offers: Self.away),
    ]
    nodes[1].load.machineCPU = 0.6
    nodes[1].load.cpuPressure = 0.6
    let blind = Self.without { ($0.load, $0.stress) = (0, 0) }
    #expect(try Overlay.place(Overlay.inputs(nodes)) == "acccc")
    #expect(try Overlay.place(Overlay.inputs(nodes), weights: blind) == "abbbb")
  }

  @Test("R8: a faster node, as calibrated, takes the work")
  func calibration() throws {
    var nodes = [
      Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, 1, offers: Self.away),
      Overlay.node("c", 10, -1, offers: Self.away),
    ]
    nodes[2].load.encodeRate = 300
    #expect(try Overlay.place(Overlay.inputs(nodes)) == "acccc")
    (nodes[1].load.encodeRate, nodes[2].load.encodeRate) = (300, 30)
    #expect(try Overlay.place(Overlay.inputs(nodes)) == "abbbb")
  }

  // MARK: - R9

  private static func serving(_ plan: Plan, _ inputs: PlacementInputs) -> [NodeView] {
    inputs.nodes.map { node in
      var node = node
      for group in plan.groups where group.node == node.id {
        node.serves.append(ServedStream(key: group.spec.output, bitrate: group.bitrate, spareFanOut: 4, firstHeld: 0))
        node.load.slotsUsed += 1
      }
      return node
    }
  }

  private static let chain = [
    Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, offers: ["video.scale", "video.overlay"]),
    Overlay.node("c", 20, offers: ["video.vp8", "mux.webm"]),
    Overlay.node("d", 10, 1, offers: ["video.scale", "video.overlay", "video.vp8", "mux.webm"]),
  ]

  @Test("R9: a second equal request is grafted whole: nothing new runs")
  func equalRequest() throws {
    let inputs = Overlay.inputs(Self.chain, client: Overlay.at(20))
    let first = try Overlay.decide(inputs).plan
    var again = inputs
    again.nodes = Self.serving(first, inputs)
    let second = try Overlay.decide(again).plan
    #expect(second.groups.isEmpty)
    #expect(second.grafts.map(\.stage) == [inputs.graph.outputs[0].root])
    #expect(second.deliveries[0].input.primary == first.deliveries[0].input.primary)
    #expect(second.stages.allSatisfy { $0.isReused })
  }

  @Test("R9: a similar request is grafted at the longest common prefix that is on the network")
  func commonPrefix() throws {
    let chain = [
      Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, offers: ["video.scale"]),
      Overlay.node("c", 20, offers: ["video.overlay"]), Overlay.node("d", 30, offers: ["video.vp8", "mux.webm"]),
    ]
    let inputs = Overlay.inputs(chain, client: Overlay.at(30))
    let first = try Overlay.decide(inputs).plan
    #expect(Overlay.letters(first) == "abcdd")
    var other = Overlay.inputs(
      Self.serving(first, inputs), client: Overlay.at(30),
      "video: {height: 360, overlay: {text: Ho}}\naudio: none\ncaptions: none")
    #expect(try Overlay.place(other) == "-Bcdd")
    other.nodes = other.nodes.map { node in
      var node = node
      node.serves = []
      return node
    }
    #expect(try Overlay.place(other) == "abcdd", "not running, it is not reused")
  }

  @Test("R9: a stream is not reused when it is full, has lost its beginning, or its node is leaving")
  func notReusable() throws {
    let inputs = Overlay.inputs(Self.chain, client: Overlay.at(20))
    let first = try Overlay.decide(inputs).plan
    let serving = Self.serving(first, inputs)
    func reused(_ change: (inout NodeView) -> Void) throws -> Bool {
      var again = inputs
      again.nodes = serving.map { node in
        var node = node
        change(&node)
        return node
      }
      return try Overlay.decide(again).plan.stages.contains { $0.isReused }
    }
    #expect(try reused { _ in })
    #expect(try !reused { for index in $0.serves.indices { $0.serves[index].spareFanOut = 0 } })
    #expect(try !reused { for index in $0.serves.indices { $0.serves[index].firstHeld = 1 } })
    #expect(
      try !reused {
        if $0.id == Overlay.id("d") {
          $0.serves = []
        } else if $0.id != Overlay.id("a") {
          $0.policy = .draining
        } else {
          $0.serves = []
        }
      })
    #expect(
      try reused { if $0.id != Overlay.id("a") { $0.policy = .closed } }, "a closed node still serves what it runs")
  }

  @Test("R9: at the same instant, a claim counts as a running stream")
  func claims() throws {
    var inputs = Overlay.inputs(Self.chain, client: Overlay.at(20))
    let first = try Overlay.decide(inputs).plan
    inputs.claims = first.groups.map { Claim(key: $0.spec.output, node: $0.node) }
    #expect(try Overlay.decide(inputs).plan.groups.isEmpty)
  }

  @Test("R9: a stream too far away is made anew when that is cheaper")
  func farReuse() throws {
    let inputs = Overlay.inputs([Overlay.node("a", 0), Overlay.node("b", 4_000)])
    var again = inputs
    again.nodes[1].serves = [
      ServedStream(key: inputs.graph.stages[0].key, bitrate: 36_000_000, spareFanOut: 4, firstHeld: 0)
    ]
    #expect(try Overlay.place(again) == "aaaaa")
  }

  // MARK: - R10

  @Test("R10: components of one request stay together on one node when it offers all")
  func together() throws {
    let nodes = [Overlay.node("a", 0), Overlay.node("b", 0, 1), Overlay.node("c", 1)]
    let plan = try Overlay.decide(Overlay.inputs(nodes, "video: {height: 360, overlay: {text: Hi}, captions: burn}"))
      .plan
    #expect(plan.nodes.count == 1)
    #expect(plan.groups.count == 1 && plan.groups[0].isReader)
    #expect(plan.links.map(\.to) == [nil])
  }

  @Test("a group that reads a track and takes another from elsewhere is a reader too")
  func mixedReader() {
    let reader = StageSpec(id: 0, component: "source.audio", parameters: [], inputs: [])
    let muxer = StageSpec(id: 1, component: "mux.webm", parameters: [], inputs: [.socket(0), .stage(0)])
    let keys = Overlay.graph().stages.map(\.key)
    func group(_ stages: [StageSpec], from inputs: [StreamKey]) -> PlannedGroup {
      PlannedGroup(
        id: 0, node: Overlay.id("a"),
        spec: GroupSpec(stages: stages, inputs: inputs, output: keys[1], mezzanine: .asIs, rateCap: 0), inputs: [],
        bitrate: 1, cores: 1, backup: nil)
    }
    #expect(group([reader, muxer], from: [keys[0]]).isReader && group([reader], from: []).isReader)
    #expect(!group([muxer], from: [keys[0]]).isReader)
  }

  @Test("R10: a later request on the same source lands with the node that holds what it needs")
  func laterRequest() throws {
    let nodes = [
      Overlay.node("a", 0, offers: Overlay.readers), Overlay.node("b", 10, 1, offers: Self.away),
      Overlay.node("c", 10, -1, offers: Self.away),
    ]
    func serving(_ name: Character) -> [NodeView] {
      let scaled = Overlay.graph().stages[1]
      return nodes.map { node in
        var node = node
        if node.id == Overlay.id(name) {
          node.serves = [
            ServedStream(key: scaled.key, bitrate: scaled.shape.bitrate(.intra), spareFanOut: 4, firstHeld: 0)
          ]
        }
        return node
      }
    }
    let document = "video: {height: 360, overlay: {text: Later}}\naudio: none\ncaptions: none"
    #expect(try Overlay.place(Overlay.inputs(serving("b"), document)) == "-Bbbb")
    #expect(try Overlay.place(Overlay.inputs(serving("c"), document)) == "-Cccc")
  }

  @Test("R10: a stream that two outputs of one request need is made once when it is on the network anyway")
  func outputsShare() throws {
    let nodes = [
      Overlay.node("a", 0, offers: Overlay.readers),
      Overlay.node("b", 5, offers: ["text.shift"]),
      Overlay.node("c", 10, offers: ["video.burn", "video.vp8", "mux.webm", "mux.webvtt"]),
    ]
    let document = "video: {captions: burn}\naudio: none\ncaptions: {shift: 1s, deliver: webvtt}"
    let decision = try Overlay.decide(Overlay.inputs(nodes, document))
    #expect(Overlay.letters(decision.plan) == "aabccc-Bc")
    #expect(decision.plan.deliveries.map(\.output) == ["main", "captions"])
  }
}
