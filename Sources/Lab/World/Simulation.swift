import Assignments
import Base
import Composition
import Core
import Desks
import Elections
import Identity
import Mandates
import Measurements
import Rivals
import Sessions
import Streams
import Vocabulary
import Wire

/// Whole peers on one virtual clock, out of one seed: the production ``Node`` of each, unmodified, with the world around it played. It
/// interprets the same effects as `Runtime` and decides nothing that a peer decides. Checkers stand outside and see everything.
///
/// Its example is tigerbeetle's simulator: faults as they come for a while, during which nothing unsafe may happen; then everything heals,
/// and progress is demanded. `Simulation(scenario).run()` has one course for one scenario, in every process and build.
public final class Simulation {
  /// What is played.
  public let scenario: Scenario
  /// Simulated time.
  private(set) var now = Instant.zero
  var peers: [SimulatedPeer] = []
  var network: SimulatedNetwork
  var queue = EventQueue<Happening>()
  var random: SeededRandom
  var trace = TraceHash()
  var writer: TraceWriter?
  var checkers: [any Checker] = []
  var findings: [Finding] = []
  var counts = Outcome.Counts()
  var asks: [AskedRequest] = []
  var clients: OrderedDictionary<ClientID, SimulatedClient> = [:]
  /// Active faults, with what they struck.
  var striking: OrderedDictionary<Int, [Int]> = [:]
  var elections = ElectionLog()
  var notes: [String] = []
  var deaths: [Outcome.Death] = []
  var hasHealed = false
  /// Faults that wait for a manager's state, in order.
  var waiting: [Int] = []
  var strikes: [Outcome.Strike] = []
  var storesLost = 0
  /// Looked up, never iterated.
  var numbers: [NodeID: Int] = [:]
  /// Only to show that the checkers see it.
  let defect: Defect?
  var stopsAtFirst = true
  /// By machine.
  var lies: OrderedDictionary<Int, LyingPeer> = [:]
  var lying = LiarLog()
  var verified = VerifiedDigests()

  struct ClientID: Hashable {
    var peer: Int
    var sink: SinkID
  }

  enum Happening {
    case start(Int)
    case input(Int, life: Int, Input)
    case timer(Int, life: Int, Core.Timer)
    case written(Int, life: Int)
    case pump(Int)
    case step(Int, life: Int, WorkerID)
    case second(Int, life: Int)
    case fault(Int, begins: Bool)
    case breakLinks(Int, Int)
    case ask(Int)
    case stop(Int)
    case heal
    case look
  }

  /// - Parameters:
  ///   - scenario: what is played; one from elsewhere has passed ``Scenario/check()``.
  ///   - trace: gets a line for everything that is told; nil: nobody does.
  ///   - defect: planted in every node, to see the checkers notice.
  /// - Throws: ``TopologyError`` when the topology cannot be made.
  public convenience init(_ scenario: Scenario, trace: TraceWriter? = nil) throws(TopologyError) {
    try self.init(scenario, trace: trace, defect: nil)
  }

  package init(_ scenario: Scenario, trace: TraceWriter? = nil, defect: Defect?) throws(TopologyError) {
    self.scenario = scenario
    self.defect = defect
    writer = trace
    random = SeededRandom(seed: scenario.seed)
    let map = try DelayMap(scenario.topology, nodes: scenario.nodes.count, using: &random)
    notes = map.notes
    network = SimulatedNetwork(map: map, weather: scenario.weather, upRate: scenario.nodes.map(\.up))
    for (number, machine) in scenario.nodes.enumerated() { peers.append(makePeer(number, machine)) }
    for (number, peer) in peers.enumerated() { numbers[peer.node.id] = number }
    conspire()
    if !scenario.economy.uncheckedForSpeed { checkers = Simulation.standardCheckers() }
    asks = scenario.requests.map { AskedRequest(ask: $0) }
    schedule()
  }

  private func makePeer(_ number: Int, _ machine: Scenario.Machine) -> SimulatedPeer {
    let (keys, settings) = (scenario.keys(of: number), scenario.settings(of: number))
    let clock = LocalClock(
      drift: machine.drift, zero: Int64(random.index(below: 1_000_000_000)), skew: machine.skew)
    return SimulatedPeer(
      keys: keys, settings: settings,
      node: Node(
        keys: keys, settings: settings, memory: Memory(records: []), now: clock.monotonic(now), wall: clock.wall(now)),
      random: SeededRandom(seed: random.next()), clock: clock, diskDelay: .fromSeconds(machine.disk / 1_000))
  }

  private func schedule() {
    for (number, machine) in scenario.nodes.enumerated() { queue.push(.start(number), at: .seconds(machine.startsAt)) }
    for (number, fault) in scenario.faults.enumerated() {
      guard fault.trigger == nil else {
        waiting.append(number)
        continue
      }
      queue.push(.fault(number, begins: true), at: .seconds(fault.at))
      queue.push(.fault(number, begins: false), at: .seconds(min(fault.at + fault.lasts, scenario.healsAt)))
    }
    for (number, ask) in scenario.requests.enumerated() {
      queue.push(.ask(number), at: .seconds(ask.at))
      if let after = ask.stopsAfter { queue.push(.stop(number), at: .seconds(ask.at + after)) }
    }
    queue.push(.heal, at: .seconds(scenario.healsAt))
    queue.push(.look, at: .seconds(1))
  }

  // MARK: - Running

  /// Plays the scenario to its end, or to the first finding.
  /// - Parameter progress: is told the simulated seconds now and then.
  public func run(progress: ((Double) -> Void)? = nil) -> Outcome {
    let end = Instant.seconds(scenario.endsAt)
    writer?.write(.scenario(scenario))
    var steps: UInt64 = 0
    var steadily = 0
    while let (at, order, next) = queue.pop(notAfter: end) {
      steadily = at == now ? steadily + 1 : 0
      now = at
      steps += 1
      if steadily > 100_000 {
        find(
          "time goes on", nil,
          "100,000 things happen at one instant; the next is \(String(describing: next).prefix(200))")
        break
      }
      happen(next, order)
      if stopsAtFirst, !findings.isEmpty { break }
      if hasHealed, isSettled { break }
      if steps & 0xFFFF == 0 { progress?(now.seconds) }
    }
    if findings.isEmpty || !stopsAtFirst, !isSettled, !scenario.economy.uncheckedForSpeed { demandProgress() }
    counts.happenings = steps
    let outcome = outcome()
    writer?.write(.outcome(outcome))
    return outcome
  }

  private func happen(_ next: Happening, _ order: UInt64) {
    switch next {
    case .start(let number): start(number, isFirst: true)
    case .input(let number, let life, let input):
      if peers[number].life == life, !waits(next, number) { tell(number, input) }
    case .timer(let number, let life, let timer):
      guard peers[number].life == life, peers[number].timers[timer] == order else { return }
      if let until = peers[number].pausedUntil, until > now {
        peers[number].timers[timer] = queue.push(next, at: until)
        return
      }
      peers[number].timers[timer] = nil
      tell(number, .timer(timer))
    case .written(let number, let life): if peers[number].life == life, !waits(next, number) { written(number) }
    case .pump(let lane): pump(lane)
    case .step(let number, let life, let worker):
      if peers[number].life == life, !waits(next, number) { step(worker, at: number) }
    case .second(let number, let life):
      guard peers[number].life == life, !waits(next, number) else { return }
      everySecond(number)
      queue.push(next, at: now + .seconds(1))
    case .fault(let number, let begins): begins ? strike(number) : mend(number)
    case .breakLinks(let a, let b): if !network.passes(a, b) || !network.passes(b, a) { breakLinks(a, b) }
    case .ask(let number): ask(number)
    case .stop(let number): stop(number)
    case .heal: heal()
    case .look:
      look()
      queue.push(.look, at: now + .seconds(1))
    }
  }

  /// A machine that stands still takes it when it goes on.
  private func waits(_ next: Happening, _ number: Int) -> Bool {
    guard let until = peers[number].pausedUntil, until > now else { return false }
    queue.push(next, at: until)
    return true
  }

  // MARK: - Telling a node

  func tell(_ number: Int, _ input: Input) {
    guard peers[number].isUp else { return }
    counts.inputs += 1
    if !checkers.isEmpty { see(.takes(number, input)) }
    let (local, wall) = (peers[number].clock.monotonic(now), peers[number].clock.wall(now))
    var chance = peers[number].random
    let effects =
      lies[number]?.handle(input, &peers[number].node, at: local, wall: wall, using: &chance)
      ?? peers[number].node.handle(input, at: local, wall: wall, using: &chance)
    peers[number].random = chance
    counts.effects += UInt64(effects.count)
    for effect in effects { carryOut(effect, of: number) }
    if !checkers.isEmpty { seeStep(number, input) }
    if !waiting.isEmpty { pullTriggers() }
  }

  func push(_ next: Happening, after delay: Duration) { queue.push(next, at: now + delay) }
  /// The machine's number; nil for a stranger.
  func number(of node: NodeID) -> Int? { numbers[node] }

  // MARK: - Checkers

  func see(_ sight: Sight) {
    for index in checkers.indices {
      checkers[index].see(sight, at: now, in: self)
      if !checkers[index].faults.isEmpty {
        take(checkers[index].faults, of: checkers[index])
        checkers[index].faults = []
      }
    }
  }

  private func seeStep(_ number: Int, _ input: Input) {
    for index in checkers.indices where checkers[index].watchesSteps {
      checkers[index].step(of: number, peers[number].node, after: input, at: now, in: self)
      if !checkers[index].faults.isEmpty {
        take(checkers[index].faults, of: checkers[index])
        checkers[index].faults = []
      }
    }
  }

  private func take(_ faults: [CheckerFault], of checker: any Checker) {
    for fault in faults { find(Swift.type(of: checker).name, fault.node, fault.text) }
  }

  func find(_ checker: String, _ node: Int?, _ text: String) {
    guard findings.count < 100 else { return }
    findings.append(Finding(checker: checker, at: now.seconds, node: node, what: text))
    writer?.write(.finding(findings[findings.count - 1]))
  }

  private func look() {
    for number in peers.indices where peers[number].isUp {
      for index in checkers.indices {
        checkers[index].look(at: number, peers[number].node, at: now, in: self)
        take(checkers[index].faults, of: checkers[index])
        checkers[index].faults = []
      }
    }
    followFailures()
    for case let request? in asks.map(\.request) where peers.count(where: { $0.isUp && $0.node.manages(request) }) > 1 {
      elections.two(request)
    }
    see(.second)
  }

  /// Reads a message that a node sends, for the checkers.
  func seeMessage(_ message: WireLinkMessage, from: Int, to: Int, bytes: Int) {
    guard !checkers.isEmpty else { return }
    see(.sends(from, to: to, bytes: bytes))
    switch message.body {
    case .election(let election):
      if let read = try? ElectionMessage(validating: election, using: &verified) { see(.elects(from, to: to, read)) }
    case .rival(let rival):
      if let read = try? ContestMessage(validating: rival, using: &verified) { see(.contests(from, to: to, read)) }
    case .session(let session):
      if let read = try? SessionMessage(validating: session) { see(.directs(from, to: to, read)) }
    case .stream(let stream):
      switch stream.body {
      case .subscribe, .acknowledgeBelow:
        if let read = try? StreamMessage(validating: stream) { see(.streams(from, to: to, read)) }
      default: break
      }
    default: break
    }
  }
}

extension Scenario {
  /// The identity of a machine.
  func keys(of number: Int) -> KeyPair { Ground.keys(of: number, seed: seed) }

  /// What a machine's operator says, before its first start.
  func settings(of number: Int) -> NodeSettings {
    let machine = nodes[number]
    let host = "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
    return NodeSettings(
      address: PeerAddress(host: host, port: 7400), portal: "http://\(host):7480",
      offer: NodeOffer(
        components: machine.components, slots: machine.slots, cores: machine.cores, machineCores: machine.cores,
        memory: 4 << 30, upCap: machine.up, downCap: machine.down), identityIsNew: true,
      election: election ?? .rendezvous)
  }
}

extension Instant {
  static func seconds(_ value: Double) -> Instant { Instant(nanoseconds: Int64(value * 1e9)) }
  var seconds: Double { Double(nanoseconds) / 1e9 }
}
