import Assignments
import Base
import Core
import Identity
import Sessions
import Streams
import Testing
import Vocabulary

@testable import Core
@testable import Desks
@testable import Lab

/// A checker that finds nothing may be blind. Each is shown here what it is there for: a world in which media flows, with one thing wrong in what
/// it is handed; and the same with nothing wrong.
@Suite("Checkers see what they are there for") struct CheckerTests {
  // MARK: - A world to look at

  /// Runs a calm scenario and lends the world once, two seconds after its service began.
  static func whileRunning(_ look: @escaping (Simulation, Instant) throws -> Void) throws {
    let world = try Simulation(MendedTests.scenario(at: 6, lasts: 1, .rain(0), seed: 2))
    let probe = Probe(look: look)
    world.checkers = [probe]
    _ = world.run()
    if let error = probe.error { throw error }
    try #require(probe.isDone, "the service never ran")
  }

  private final class Probe: Checker {
    static let name = "probe"
    var faults: [CheckerFault] = []
    let look: (Simulation, Instant) throws -> Void
    var isDone = false
    var error: (any Error)?

    init(look: @escaping (Simulation, Instant) throws -> Void) { self.look = look }

    func see(_ sight: Sight, at now: Instant, in world: Simulation) {
      guard case .second = sight, !isDone, let accepted = world.asks[0].acceptedAt, now - accepted > .seconds(2) else {
        return
      }
      isDone = true
      do { try look(world, now) } catch { self.error = error }
    }
  }

  /// A machine that works for the request and does not manage it.
  private static func worker(in world: Simulation) throws -> (number: Int, request: RequestID) {
    let request = try #require(world.asks[0].request)
    let number = try #require(
      world.peers.indices.first { number in
        !world.peers[number].node.deskLook.groups.isEmpty
          && !(world.elections.elections[request]?.tenures.contains { $0.node == number } ?? false)
      })
    return (number, request)
  }

  /// Something that concerns a desk.
  private static let input = Input.timer(.desk)

  // MARK: - Service nodes

  @Test("capacity: work for which there is no room")
  func capacity() throws {
    try CheckerTests.whileRunning { world, now in
      let number = try #require(world.peers.indices.first { !world.peers[$0].workers.isEmpty })
      func findings(_ change: (inout Desk) -> Void) -> [String] {
        var (node, checker) = (world.peers[number].node, CapacityChecker())
        change(&node.desk)
        checker.step(of: number, node, after: CheckerTests.input, at: now, in: world)
        return checker.faults.map(\.text)
      }
      #expect(findings { _ in } == [])
      for (capacity, texts) in [
        (
          Capacity(slots: 0, cores: 4, memory: 1 << 32),
          ["slots are promised where there are 0", "workers run in 0 slots"]
        ),
        (Capacity(slots: 8, cores: 0, memory: 1 << 32), ["cores are promised where there are 0"]),
        (Capacity(slots: 8, cores: 4, memory: 0), ["bytes are promised where there are 0"]),
        (Capacity(slots: 8, cores: 4, memory: 1 << 32, up: 1), ["bit/s up are promised where there are 1"]),
      ] {
        let seen = findings { $0.capacity = capacity }
        for text in texts { #expect(seen.contains { $0.contains(text) }, "\(seen)") }
      }
    }
  }

  @Test("one plan a request: what an earlier term left is kept for longer than an orphan")
  func plan() throws {
    try CheckerTests.whileRunning { world, now in
      let (number, request) = try CheckerTests.worker(in: world)
      let node = world.peers[number].node
      var torn = node
      for stream in torn.desk.groups.keys { torn.desk.groups[stream]!.isConsumed = false }
      // The same again under a later term, as a second plan would have it.
      var newer = try #require(torn.desk.groups.values.first)
      newer.shares[request]!.term = newer.shares[request]!.term.next
      torn.desk.groups[StreamKey(Digest.of([9], kind: "test"))] = newer

      func findings(_ node: Node, after pause: Duration) -> [String] {
        var checker = PlanChecker()
        checker.look(at: number, node, at: now, in: world)
        checker.look(at: number, node, at: now + pause, in: world)
        return checker.faults.map(\.text)
      }
      let long = Limits.orphanTimeout + .seconds(3)
      #expect(findings(node, after: long) == [] && findings(torn, after: .seconds(1)) == [])
      #expect(!findings(torn, after: long).isEmpty)
      #expect(findings(torn, after: long).allSatisfy { $0.hasPrefix("keeps stream") })
    }
  }

  @Test("shares: a stage that is closed under one, and a desk whose streams are not those that are open")
  func shares() throws {
    try CheckerTests.whileRunning { world, now in
      let (number, _) = try CheckerTests.worker(in: world)
      let node = world.peers[number].node
      var closed = node
      closed.desk.groups = [:]

      func findings(_ then: Node) -> (step: [String], look: [String]) {
        var checker = ShareChecker()
        checker.step(of: number, node, after: CheckerTests.input, at: now, in: world)
        checker.step(of: number, then, after: CheckerTests.input, at: now, in: world)
        let step = checker.faults.map(\.text)
        checker.faults = []
        checker.look(at: number, then, at: now, in: world)
        return (step, checker.faults.map(\.text))
      }
      #expect(findings(node).step == [] && findings(node).look == [])
      let seen = findings(closed)
      #expect(seen.step.contains { $0.contains("under a living share") }, "\(seen)")
      #expect(seen.look.contains { $0.hasPrefix("its desk has 0 groups, its streams have") }, "\(seen)")
    }
  }

  @Test("owners: a stage that nobody holds, and a service that nobody manages")
  func owners() throws {
    try CheckerTests.whileRunning { world, now in
      let peers = world.peers
      func findings(_ change: (inout SimulatedPeer) -> Void, after pause: Duration) -> [String] {
        for number in peers.indices { change(&world.peers[number]) }
        defer { world.peers = peers }
        var checker = OwnerChecker()
        for (sight, at) in [(.heals, now), (.second, now), (.second, now + pause)] as [(Sight, Instant)] {
          checker.see(sight, at: at, in: world)
        }
        return checker.faults.map(\.text)
      }
      let long = OwnerChecker.bound + .seconds(1)
      #expect(findings({ _ in }, after: long) == [])
      #expect(findings({ $0.node.desk.groups = [:] }, after: .seconds(1)) == [])
      #expect(findings({ $0.node.desk.groups = [:] }, after: long).contains { $0.contains("has no owner for") })
      #expect(findings({ $0.isUp = false }, after: long).contains { $0.contains("runs without a manager for") })
    }
  }

  @Test("freezing: a manager that stays frozen when all is well again")
  func frozen() throws {
    try CheckerTests.whileRunning { world, now in
      let request = try #require(world.asks[0].request)
      let number = try #require(world.peers.firstIndex { $0.node.manages(request) })
      let node = world.peers[number].node
      var frozen = node
      _ = frozen.director.handle(.frozen(true), of: request, at: frozen.now, in: frozen.managerContext)
      try #require(frozen.standing(of: request)?.isFrozen == true)

      func findings(_ node: Node, after pause: Duration) -> [String] {
        var checker = FreezeChecker()
        checker.see(.heals, at: now, in: world)
        checker.look(at: number, node, at: now, in: world)
        checker.look(at: number, node, at: now + pause, in: world)
        return checker.faults.map(\.text)
      }
      let long = FreezeChecker.bound + .seconds(1)
      #expect(findings(node, after: long) == [] && findings(frozen, after: .seconds(5)) == [])
      #expect(findings(frozen, after: long).contains { $0.contains("is frozen") })
    }
  }

  // MARK: - Streams, limits, progress

  /// Hands on what it sees, but for one packet.
  private struct Misled: Checker {
    static let name = DeliveryChecker.name
    enum Lie: CaseIterable { case none, twice, never, noEnd }
    let lie: Lie
    var real = DeliveryChecker()
    var packets = 0
    var faults: [CheckerFault] {
      get { real.faults }
      set { real.faults = newValue }
    }

    init(_ lie: Lie) { self.lie = lie }

    mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
      if case .delivers(_, _, .packet) = sight { packets += 1 }
      switch (lie, sight) {
      case (.never, .delivers(_, _, .packet)) where packets == 40: return
      case (.twice, .delivers(_, _, .packet)) where packets == 40: real.see(sight, at: now, in: world)
      case (.noEnd, .delivers(let number, let sink, .packet)) where packets == 40:
        return real.see(.delivers(number, sink, .end), at: now, in: world)
      default: break
      }
      real.see(sight, at: now, in: world)
    }
  }

  @Test("deliveries: a position that comes twice, one that never comes, an end before the last")
  func deliveries() throws {
    let expected: [Misled.Lie: String?] = [
      .none: nil, .twice: "comes a second time", .never: "comes where", .noEnd: "ends after",
    ]
    for lie in Misled.Lie.allCases {
      let world = try Simulation(MendedTests.scenario(at: 6, lasts: 1, .rain(0), seed: 2))
      world.checkers = [Misled(lie)]
      let findings = world.run().findings.map(\.what)
      guard let text = expected[lie]! else {
        #expect(findings == [])
        continue
      }
      #expect(findings.contains { $0.contains(text) }, "\(lie): \(findings)")
    }
  }

  @Test("limits: a datagram, a message and a table that are too large")
  func limits() throws {
    try CheckerTests.whileRunning { world, now in
      var (node, checker) = (world.peers[0].node, LimitChecker())
      checker.see(.sendsDatagram(0, bytes: Limits.datagramMessage), at: now, in: world)
      checker.see(.sends(0, to: 1, bytes: Limits.linkMessageBytes), at: now, in: world)
      checker.look(at: 0, node, at: now, in: world)
      #expect(checker.faults.isEmpty)
      checker.see(.sendsDatagram(0, bytes: Limits.datagramMessage + 1), at: now, in: world)
      checker.see(.sends(0, to: 1, bytes: Limits.linkMessageBytes + 1), at: now, in: world)
      for number in 0...Limits.dossiers {
        let request = RequestID(Digest.of(Array("\(number)".utf8), kind: "test"))
        node.desk.dossiers[request] = Desk.Dossier(fence: Fence(request: request, term: Term(1), until: .distantFuture))
      }
      checker.look(at: 0, node, at: now, in: world)
      let texts = checker.faults.map(\.text)
      #expect(texts.count == 3 && texts.last?.contains("dossiers where") ?? false, "\(texts)")
    }
  }

  @Test("progress: a request that never comes to its end is told when the world has long healed")
  func progress() throws {
    var scenario = MendedTests.scenario(at: 6, lasts: 1, .rain(0), seed: 2)
    // Its client comes when all is over.
    scenario.requests.append(Scenario.Ask(at: scenario.endsAt + 1, portal: 1, source: 0, variant: 1, clientDelay: 1))
    let findings = try Simulation(scenario).run().findings
    #expect(
      findings.map(\.checker) == ["progress"] && findings[0].what.hasPrefix("request 1 (never called)"), "\(findings)")
  }
}
