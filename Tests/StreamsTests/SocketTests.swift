import Base
import Identity
import Testing
import Vocabulary
import Wire

@testable import Streams

@Suite("Sockets of one node")
struct SocketTests {
  private let me = World.id(0)
  private let key = World.key(2)
  private let up = World.key(1)

  private func packet(_ index: UInt64, size: Int = 100, origin: UInt64? = nil) -> Packet {
    Packet(
      position: Position(index), timestamp: Int64(index), duration: 1, isKey: true,
      origins: [Origin(input: 0, position: Position(origin ?? index + 1), timestamp: nil)],
      payload: Payloads.ofSize(size))
  }

  private func plan(upstreams: [Int]) -> GroupPlan {
    let stage = StageSpec(id: 0, component: "video.fake", parameters: [], inputs: [.socket(0)])
    return GroupPlan(
      spec: GroupSpec(stages: [stage], inputs: [up], output: key, mezzanine: .intra, rateCap: 0),
      inputs: [InputPlan(key: up, upstreams: list(upstreams))])
  }

  private func list(_ nodes: [Int]) -> [Upstream] {
    nodes.map { Upstream(node: World.id($0), assignment: [UInt8($0)]) }
  }

  private func at(_ milliseconds: Int) -> Instant { .zero + .milliseconds(milliseconds) }

  /// What was sent, in short: to whom, which subscription, what.
  private func sent(_ effects: [StreamEffect]) -> [(to: Int, message: StreamMessage)] {
    effects.compactMap { if case .send(let message, let peer) = $0 { (World.number(peer), message) } else { nil } }
  }

  private func reports(_ effects: [StreamEffect]) -> [StreamReport] {
    effects.compactMap { if case .report(let report) = $0 { report } else { nil } }
  }

  private func jobs(_ effects: [StreamEffect]) -> [WorkerJob] {
    effects.compactMap { if case .startWorker(_, let job) = $0 { job } else { nil } }
  }

  private func wish(
    _ from: StartPoint, origins: [Origin] = [Origin(input: 0, position: Position(1), timestamp: nil)],
    credit: UInt64 = 1_000_000
  ) -> StreamMessage.Body {
    .subscribe(.init(key: key, from: from, origins: origins, assignment: [9], credit: credit))
  }

  /// A table whose group takes `up` from nodes 1 and 2, subscribed and flowing from node 1.
  private func flowing(upstreams: [Int] = [1, 2]) -> StreamTable {
    var table = StreamTable(node: me)
    _ = table.handle(.open(plan(upstreams: upstreams), .now), at: at(0))
    for body in [StreamMessage.Body.accepted, .preamble(FakeWorker.format)] {
      _ = table.handle(.message(StreamMessage(SubscriptionID(1), body), from: World.id(1)), at: at(1))
    }
    return table
  }

  private func served(_ table: inout StreamTable, from: StartPoint, by peer: Int, as id: UInt64, at now: Instant)
    -> [StreamEffect]
  {
    let asked = table.handle(.message(StreamMessage(SubscriptionID(id), wish(from)), from: World.id(peer)), at: now)
    for case .authorize(let token, _, _, _) in asked { return table.handle(.authorized(token), at: now) }
    return asked
  }

  @Test("a subscriber is served only after Core has judged its assignment")
  func authorisation() throws {
    var table = flowing()
    let ask = table.handle(.message(StreamMessage(SubscriptionID(5), wish(.beginning)), from: World.id(3)), at: at(2))
    #expect(sent(ask).isEmpty)
    guard case .authorize(let token, let who, key, [9])? = ask.first else { throw Missing() }
    #expect(who == World.id(3))
    let refused = sent(table.handle(.unauthorized(token, "of an old term"), at: at(3)))
    #expect(refused.map(\.message.body) == [.refused(.unauthorized("of an old term"))])
    #expect(table.handle(.authorized(token), at: at(4)).isEmpty, "a token is answered once")
  }

  struct Missing: Error {}

  @Test("a subscription that comes before its group's commit waits for it")
  func parking() {
    var table = StreamTable(node: me)
    let early = table.handle(.message(StreamMessage(SubscriptionID(5), wish(.beginning)), from: World.id(3)), at: at(0))
    #expect(sent(early).isEmpty)
    let opened = table.handle(.open(plan(upstreams: [1]), .armed), at: at(100))
    #expect(opened.contains { if case .authorize = $0 { true } else { false } })
    _ = table.handle(
      .message(
        StreamMessage(
          SubscriptionID(6),
          .subscribe(
            .init(
              key: World.key(9), from: .beginning, origins: [], assignment: [], credit: 1))), from: World.id(3)),
      at: at(100))
    let late = table.handle(.timer(.pulse), at: at(2_000))
    #expect(sent(late).map(\.message) == [StreamMessage(SubscriptionID(6), .refused(.unknownStream))])
  }

  @Test("a standby starts with its first subscriber, at its position, with its origins")
  func activation() {
    var table = StreamTable(node: me)
    #expect(jobs(table.handle(.open(plan(upstreams: [1]), .armed), at: at(0))).isEmpty)
    let origins = [Origin(input: 0, position: Position(40), timestamp: 7)]
    let ask = table.handle(
      .message(StreamMessage(SubscriptionID(5), wish(.position(Position(50)), origins: origins)), from: World.id(3)),
      at: at(1))
    var effects: [StreamEffect] = []
    for case .authorize(let token, _, _, _) in ask { effects = table.handle(.authorized(token), at: at(1)) }
    #expect(jobs(effects).map(\.resumeAt) == [Position(50)])
    #expect(jobs(effects).map(\.origins) == [origins])
    guard case .subscribe(let upstream)? = sent(effects).first(where: { $0.to == 1 })?.message.body else {
      Issue.record("no subscription upstream")
      return
    }
    #expect(upstream.from == .position(Position(40)))
    #expect(reports(effects).contains(.activated(key, at: Position(50))))
  }

  @Test("duplicates are dropped; a jump turns to the next upstream at the position expected, with the last origins")
  func duplicatesAndJumps() {
    var table = flowing()
    let first = SubscriptionID(1)
    _ = table.handle(.message(StreamMessage(first, .packet(packet(0, origin: 3))), from: World.id(1)), at: at(2))
    let again = table.handle(.message(StreamMessage(first, .packet(packet(0))), from: World.id(1)), at: at(3))
    #expect(!again.contains { if case .toWorker = $0 { true } else { false } })
    #expect(table.group(key, at: at(3))?.inputs[0].duplicates == 1)
    let jump = table.handle(.message(StreamMessage(first, .packet(packet(2))), from: World.id(1)), at: at(4))
    let subscribe = sent(jump).last
    #expect(subscribe?.to == 2)
    guard case .subscribe(let wish)? = subscribe?.message.body else {
      Issue.record("no new subscription")
      return
    }
    #expect(wish.from == .position(Position(1)))
    #expect(wish.origins.map(\.position) == [Position(3)])
    #expect(wish.assignment == [2])
  }

  @Test("what still comes of a former subscription, or of another node, is ignored")
  func stale() {
    var table = flowing()
    _ = table.handle(.linkClosed(World.id(1)), at: at(2))
    let old = table.handle(.message(StreamMessage(SubscriptionID(1), .packet(packet(0))), from: World.id(1)), at: at(3))
    let forged = table.handle(.message(StreamMessage(SubscriptionID(2), .accepted), from: World.id(1)), at: at(3))
    #expect(old.isEmpty && forged.isEmpty)
    #expect(table.group(key, at: at(3))?.inputs[0].state == "asking")
  }

  @Test("200 ms of silence turn to the standby; a node that was stopped itself first listens")
  func silence() {
    var table = flowing()
    #expect(!sent(table.handle(.timer(.pulse), at: at(150))).contains { $0.to == 2 })
    #expect(sent(table.handle(.timer(.pulse), at: at(201))).contains { $0.to == 2 })
    var stopped = flowing()
    #expect(!sent(stopped.handle(.timer(.pulse), at: at(900))).contains { $0.to == 2 })
    #expect(sent(stopped.handle(.timer(.pulse), at: at(985))).contains { $0.to == 2 })
  }

  @Test("garbage turns to the next upstream; a packet before the preamble is garbage")
  func garbage() {
    var table = flowing()
    #expect(sent(table.handle(.garbage(from: World.id(1)), at: at(2))).contains { $0.to == 2 })
    _ = table.handle(.message(StreamMessage(SubscriptionID(2), .accepted), from: World.id(2)), at: at(3))
    let early = table.handle(
      .message(StreamMessage(SubscriptionID(2), .packet(packet(0))), from: World.id(2)), at: at(4))
    #expect(
      reports(early).contains(
        .switched(.group(key, input: 0), key: up, from: World.id(2), to: World.id(1), because: .garbage, at: nil)))
  }

  @Test("with no upstream left, attempts go round ever more seldom, and exhaustion is reported once")
  func exhaustion() {
    var table = flowing()
    var attempts: [Int] = []
    var exhausted = 0
    for millisecond in 2...20_000 {
      var effects = table.handle(.timer(.pulse), at: at(millisecond))
      while !effects.isEmpty {
        exhausted += reports(effects).filter { if case .exhausted = $0 { true } else { false } }.count
        let asked = sent(effects).filter { if case .subscribe = $0.message.body { true } else { false } }
        attempts += asked.map { _ in millisecond }
        effects = asked.flatMap { table.handle(.linkClosed(World.id($0.to)), at: at(millisecond)) }
      }
    }
    #expect(exhausted == 1)
    #expect(attempts.count < 50 && attempts.count > 15)
    #expect(zip(attempts, attempts.dropFirst()).allSatisfy { $1 - $0 <= 2_001 })
  }

  @Test("a new list keeps an upstream that is still on it, and otherwise goes on elsewhere at the position expected")
  func replacement() {
    var table = flowing()
    _ = table.handle(.message(StreamMessage(SubscriptionID(1), .packet(packet(0))), from: World.id(1)), at: at(2))
    #expect(sent(table.handle(.open(plan(upstreams: [3, 1]), .armed), at: at(3))).isEmpty)
    let moved = sent(table.handle(.open(plan(upstreams: [4, 5]), .armed), at: at(4)))
    #expect(moved.first?.message.body == .unsubscribe(finished: false))
    guard case .subscribe(let wish)? = moved.last?.message.body else {
      Issue.record("no new subscription")
      return
    }
    #expect(moved.last?.to == 4)
    #expect(wish.from == .position(Position(1)))
  }

  @Test("a dead worker is followed by another at the next output; the fourth death in ten seconds fails the group")
  func restarts() {
    var table = flowing()
    _ = table.handle(.worker(WorkerID(1), .format(FakeWorker.format)), at: at(2))
    _ = table.handle(.worker(WorkerID(1), .packet(packet(0, origin: 0))), at: at(3))
    let restart = table.handle(.workerDied(WorkerID(1), "signal 11"), at: at(4))
    #expect(jobs(restart).map(\.resumeAt) == [Position(1)])
    #expect(jobs(restart).map { $0.origins.map(\.position) } == [[Position(0)]])
    #expect(reports(restart).contains(.workerRestarted(key, because: "signal 11", restarts: 1)))
    #expect(table.handle(.worker(WorkerID(1), .packet(packet(1))), at: at(5)).isEmpty, "a dead run says nothing more")
    for run in 2...3 { _ = table.handle(.workerDied(WorkerID(UInt64(run)), "signal 11"), at: at(5 + run)) }
    _ = served(&table, from: .beginning, by: 7, as: 1, at: at(9))
    let last = table.handle(.workerDied(WorkerID(4), "signal 11"), at: at(10))
    #expect(reports(last) == [.failed(key, WorkerFault(kind: "internal", stage: nil, message: "signal 11"))])
    #expect(sent(last).contains { $0.to == 7 && $0.message.body == .refused(.failed("signal 11")) })
    #expect(jobs(table.handle(.open(plan(upstreams: [1]), .now), at: at(11))).map(\.resumeAt) == [Position(1)])
  }

  @Test("a fault of the source fails the group at once")
  func fault() {
    var table = flowing()
    let fault = WorkerFault(kind: "not_media", stage: 0, message: "no demuxer knows it")
    #expect(reports(table.handle(.worker(WorkerID(1), .failure(fault)), at: at(2))) == [.failed(key, fault)])
  }

  @Test("a subscriber slightly behind the first makes a freshly activated standby start once more, not an old one")
  func reseat() {
    var table = StreamTable(node: me)
    _ = table.handle(.open(plan(upstreams: [1]), .armed), at: at(0))
    #expect(
      jobs(served(&table, from: .position(Position(52)), by: 3, as: 1, at: at(1))).map(\.resumeAt) == [Position(52)])
    #expect(
      jobs(served(&table, from: .position(Position(50)), by: 4, as: 1, at: at(30))).map(\.resumeAt) == [Position(50)])
    let late = served(&table, from: .position(Position(48)), by: 5, as: 1, at: at(5_000))
    #expect(sent(late).map(\.message.body) == [.refused(.notHeld(first: nil))])
  }

  @Test("a standby does not start over for a position that another upstream may hold, unless all were asked")
  func startingOver() {
    var table = StreamTable(node: me)
    _ = table.handle(.open(plan(upstreams: [1]), .armed), at: at(0))
    for mayStartOver in [false, true] {
      let wish = StreamMessage.Subscribe(
        key: key, from: .position(Position(50)), origins: [], assignment: [], credit: 1, mayStartOver: mayStartOver)
      let ask = table.handle(.message(StreamMessage(SubscriptionID(1), .subscribe(wish)), from: World.id(3)), at: at(1))
      for case .authorize(let token, _, _, _) in ask {
        #expect(jobs(table.handle(.authorized(token), at: at(1))).count == (mayStartOver ? 1 : 0))
      }
    }
  }

  @Test("an acknowledgement travels upstream as far as the origins of what all subscribers have acknowledged")
  func acknowledgement() {
    var table = flowing()
    _ = table.handle(.worker(WorkerID(1), .format(FakeWorker.format)), at: at(2))
    for index in 0..<4 {
      _ = table.handle(.worker(WorkerID(1), .packet(packet(UInt64(index), origin: UInt64(index) * 2))), at: at(3))
    }
    _ = served(&table, from: .beginning, by: 3, as: 1, at: at(4))
    _ = served(&table, from: .beginning, by: 4, as: 1, at: at(4))
    func acknowledge(_ below: UInt64, by peer: Int) -> [StreamMessage.Body] {
      sent(
        table.handle(
          .message(StreamMessage(SubscriptionID(1), .acknowledge(below: Position(below))), from: World.id(peer)),
          at: at(5))
      )
      .filter { $0.to == 1 }.map(\.message.body)
    }
    #expect(acknowledge(4, by: 3) == [])
    #expect(acknowledge(2, by: 4) == [.acknowledge(below: Position(2))])
    #expect(acknowledge(99, by: 4) == [.acknowledge(below: Position(6))], "nobody acknowledges what was not sent")
  }

  @Test("who comes with packets in hand has not acknowledged them: nothing is acknowledged upstream before its word")
  func inHand() {
    var table = flowing()
    _ = table.handle(.worker(WorkerID(1), .format(FakeWorker.format)), at: at(2))
    for index in 0..<4 {
      _ = table.handle(.worker(WorkerID(1), .packet(packet(UInt64(index), origin: UInt64(index) * 2))), at: at(3))
    }
    let came = served(&table, from: .position(Position(4)), by: 3, as: 1, at: at(4))
    #expect(sent(came).filter { $0.to == 1 }.map(\.message.body) == [])
    let word = StreamMessage(SubscriptionID(1), .acknowledge(below: Position(3)))
    let told = sent(table.handle(.message(word, from: World.id(3)), at: at(5)))
    #expect(told.filter { $0.to == 1 }.map(\.message.body) == [.acknowledge(below: Position(4))])
  }

  @Test(
    "empty packets are bounded by number: a worker that floods the window is stopped, and goes on when there is room")
  func emptyPackets() {
    var table = flowing()
    _ = table.handle(.worker(WorkerID(1), .format(FakeWorker.format)), at: at(2))
    var stopped = 0
    for index in 0..<70_000 {
      let effects = table.handle(.worker(WorkerID(1), .packet(packet(UInt64(index), size: 0))), at: at(3))
      stopped += effects.count { if case .stopWorker = $0 { true } else { false } }
    }
    #expect(stopped == 1)
    #expect(table.group(key, at: at(3))?.state == .paused)
    let first = sent(served(&table, from: .beginning, by: 3, as: 1, at: at(4)))
    #expect(first.count { if case .packet = $0.message.body { true } else { false } } == Limits.packetsAhead)
    var jobs: [WorkerJob] = []
    for below in stride(from: 4_096, through: 61_440, by: 4_096) {
      let acknowledge = StreamMessage(SubscriptionID(1), .acknowledge(below: Position(UInt64(below))))
      jobs += self.jobs(table.handle(.message(acknowledge, from: World.id(3)), at: at(5)))
    }
    #expect(jobs.map(\.resumeAt) == [Position(UInt64(Limits.windowPackets))])
  }

  @Test("every message survives the wire")
  func wire() throws {
    let origin = Origin(input: 1, position: Position(epoch: 2, 3), timestamp: -4)
    let refusals: [StreamMessage.Refusal] = [
      .unknownStream, .unauthorized("why"), .notHeld(first: Position(3)), .notHeld(first: nil), .full, .lagging,
      .failed("how"), .closed,
    ]
    var bodies: [StreamMessage.Body] = [
      wish(.beginning), wish(.latestKey), wish(.position(Position(epoch: 1, 0)), origins: [origin]), .credit(upTo: 5),
      .acknowledge(below: Position(0)), .unsubscribe(finished: true), .alive, .accepted, .preamble(FakeWorker.format),
      .packet(packet(8)), .beat, .end(after: nil), .end(after: Position(7)),
    ]
    bodies += refusals.map { .refused($0) }
    for body in bodies {
      let message = StreamMessage(SubscriptionID(9), body)
      #expect(try StreamMessage(validating: WireStreamMessage(parsing: message.wire.wireBytes)) == message)
    }
    #expect(throws: InvalidMessage.self) { try StreamMessage(validating: WireStreamMessage()) }
    #expect(throws: InvalidMessage.self) { try StreamMessage(validating: .with { $0.subscription = 1 }) }
    #expect(throws: InvalidMessage.self) {
      try StreamMessage(
        validating: .with {
          $0.subscription = 1
          $0.subscribe.key = World.key(1).hash.data
        })
    }
  }
}
