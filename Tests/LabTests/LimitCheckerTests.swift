import Base
import Desks
import Identity
import Mandates
import Streams
import Testing
import Vocabulary

@testable import Core
@testable import Elections
@testable import Lab
@testable import Measurements
@testable import Membership
@testable import Streams

/// Every table that grows is watched: filled past its limit, it is found, by its name.
@Suite("Nothing that grows is out of sight") struct LimitCheckerTests {
  private static func id(_ number: Int) -> Bytes32 { Digest.of(Array("\(number)".utf8), kind: "test") }

  /// Who manages a running service, and who works for it.
  private struct Scene {
    var manager: Node
    var worker: Node
    var request: RequestID
    var now: Instant

    /// What is found of a peer that was filled so.
    static func findings(_ node: Node, _ now: Instant, _ world: Simulation, _ fill: (inout Node) -> Void) -> [String] {
      var (node, checker) = (node, LimitChecker())
      fill(&node)
      checker.look(at: 0, node, at: now, in: world)
      return checker.faults.map(\.text)
    }
  }

  private static func scene() throws -> Scene {
    var scene: Scene?
    try CheckerTests.whileRunning { world, now in
      let request = try #require(world.asks[0].request)
      let manager = try #require(world.peers.first { $0.node.manages(request) })
      let worker = try #require(world.peers.first { !$0.node.streams.groups.isEmpty })
      scene = Scene(manager: manager.node, worker: worker.node, request: request, now: now)
    }
    return try #require(scene)
  }

  @Test("limits: each table that is filled past its own is named, and no other")
  func tables() throws {
    let scene = try Self.scene()
    let (request, now) = (scene.request, scene.now)
    // The checker looks at the node alone.
    let world = try Simulation(MendedTests.scenario(at: 6, lasts: 1, .rain(0), seed: 2))
    func expect(_ texts: [String], at node: Node, _ fill: (inout Node) -> Void) {
      #expect(Scene.findings(node, now, world, fill) == texts)
    }
    expect([], at: scene.manager) { _ in }
    expect([], at: scene.worker) { _ in }
    try #require(scene.manager.ballots.tenures[request]?.proposal?.answers.isEmpty == false)

    expect(["17 waiting snapshots where 16 are allowed"], at: scene.manager) { node in
      let draft = SnapshotDraft(version: 1, label: "", state: [])
      node.ballots.tenures[request]!.waiting = Array(repeating: draft, count: Limits.waitingSnapshots + 1)
    }
    expect(["513 earlier claims where 512 are allowed"], at: scene.manager) { node in
      let claim = EarlierClaim(request: request, claim: Claim(stream: StreamKey(Self.id(1)), node: node.id))
      let answers = node.ballots.tenures[request]!.proposal!.answers
      let claims = Array(repeating: claim, count: Limits.earlierClaims + 1)
      node.ballots.tenures[request]!.proposal!.answers[node.id] = Tenure.Answer(
        statement: answers.values[0].statement, earlier: claims)
    }
    expect(["5 callers where 4 are allowed"], at: scene.manager) { node in
      node.ballots.ballots[request]!.callers = (0...Limits.callers).map { NodeID(Self.id($0)) }
    }
    expect(["65 epochs where 64 are allowed"], at: scene.manager) { node in
      let mark = SnapshotMark(term: Term(1), sequence: 1, digest: Self.id(1))
      let handover = Handover(mark: mark, electorate: node.ballots.ballots[request]!.electorate, words: [])
      node.ballots.ballots[request]!.record.handovers = Array(repeating: handover, count: Limits.epochs + 1)
    }
    expect(["257 ballots of one client where 256 are allowed"], at: scene.manager) { node in
      node.ballots.requestsOfClient[node.id] = Limits.ballotsPerClient + 1
    }
    expect(["65 subscribers where 64 are allowed"], at: scene.worker) { node in
      let key = node.streams.groups.keys[0]
      let subscriber = Subscriber(
        peer: node.id, id: SubscriptionID(1), credit: 0, since: now, lastSent: now, lastHeard: now)
      node.streams.groups[key]!.subscribers = Array(repeating: subscriber, count: Limits.subscribers + 1)
    }
    let packets = Limits.windowPackets + (Limits.retention + Limits.windowSoft) / Limits.packetOverhead
    expect(["\(packets + 1) packets of one window where \(packets) are allowed"], at: scene.worker) { node in
      let key = node.streams.groups.keys[0]
      let format = node.streams.groups[key]!.window.format!
      node.streams.groups[key]!.window = ReplayWindow(beginning: true)
      _ = node.streams.groups[key]!.window.announce(format)
      for index in 0...UInt64(packets) {
        node.streams.groups[key]!.window.append(
          Packet(position: Position(index), timestamp: 0, duration: 0, isKey: true, origins: [], payload: []), at: now
        )
      }
    }
    expect(["1025 open sinks where 1024 are allowed"], at: scene.manager) { node in
      for number in node.sinks.count...Limits.sinks {
        _ = node.sinks.open(DeliveryID(request: RequestID(Self.id(number)), output: "main"))
      }
    }
    expect(["65 errands where 64 are allowed"], at: scene.worker) { node in
      let address = node.settings.address
      for number in 0...UInt64(Limits.errands) {
        node.members.errands[number << 32] = MemberTable.Errand(
          target: node.id, asker: node.id, address: address, sequence: number)
      }
    }
    expect(["65 hearsay where 64 are allowed"], at: scene.worker) { node in
      for number in 0...UInt64(Limits.hearsay) {
        node.members.probes[number << 32] = MemberTable.Probe(
          target: node.id, sent: now, judgedAt: now, isHearsay: true)
      }
    }
    expect(["10002 reports where 10001 are allowed"], at: scene.worker) { node in
      for number in node.board.nodes.count...Limits.members + 1 {
        node.board.nodes[NodeID(Self.id(number))] = LoadBoard.Known()
      }
    }
    expect(["9 parts of one report where 8 are allowed"], at: scene.worker) { node in
      node.board.nodes[node.id]!.places = Array(0...Limits.reportParts)
    }
    expect(["10001 observed nodes where 10000 are allowed"], at: scene.worker) { node in
      for number in node.board.observations.count...Limits.members {
        node.board.observations[NodeID(Self.id(number))] = Observations()
      }
    }
    expect(["8193 unwritten records where 8192 are allowed"], at: scene.worker) { node in
      for _ in node.unwritten...Limits.unwritten {
        node.persist([Record(kind: "", key: [], bytes: [], keepUntil: .distantFuture)], then: .nothing)
      }
    }
  }

  @Test("what refuses at its limit by itself is counted all the same")
  func counted() throws {
    let scene = try Self.scene()
    let now = scene.now
    var node = scene.worker
    func size(_ name: String) -> Int? { node.sizes.first { $0.name == name }?.size }
    let before = try #require(size("parked subscriptions"))
    let wish = StreamMessage.Subscribe(
      key: StreamKey(Self.id(9)), from: .beginning, origins: [], assignment: [], credit: 1)
    let peer = scene.manager.id
    for number in 1...UInt64(Limits.parkedSubscriptions) + 10 {
      _ = node.streams.handle(.message(StreamMessage(SubscriptionID(number), .subscribe(wish)), from: peer), at: now)
    }
    #expect(before == 0 && size("parked subscriptions") == Limits.parkedSubscriptions)
    var random = SeededRandom(seed: 1)
    for number in 0..<Limits.arrivingTrains + 10 {
      let car = TrainMessage.car(train: 1, index: 0, count: 10)
      _ = node.board.handle(
        .train(car, from: NodeID(Self.id(number))), at: now, wall: WallTime(milliseconds: 0), using: &random)
    }
    #expect(size("arriving trains") == Limits.arrivingTrains)
  }
}
