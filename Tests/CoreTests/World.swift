import Assignments
import Base
import Composition
import Desks
import Elections
import Identity
import Mandates
import Measurements
import Sessions
import Streams
import Vocabulary
import Wire

@testable import Core
@testable import Membership

/// Several whole peers on one virtual clock, out of one seed: datagrams that are delayed, overtaken and lost, links that keep
/// order and can be cut, records that survive a crash once they were written, workers of ``FakeWorker``, clients that watch.
/// It interprets the same effects as the real shell; it decides nothing that a peer decides.
struct World {
  struct Peer {
    var keys: KeyPair
    var settings: NodeSettings
    var node: Node
    var random: SeededRandom
    /// What is on disk.
    var records: OrderedDictionary<Record.Name, Record> = [:]
    var workers: OrderedDictionary<WorkerID, FakeWorker> = [:]
    /// Setting a timer again replaces it: only the newest number counts.
    var timers: OrderedDictionary<Core.Timer, UInt64> = [:]
    var isAlive = true
    /// Counts crashes, so that what was meant for an earlier life is dropped.
    var life = 0
    var workersStarted = 0
  }

  enum Happening {
    case input(Int, life: Int, Input)
    case timer(Int, life: Int, Core.Timer, UInt64)
    case written(Int, life: Int, [Record], PersistToken)
    case message(WireLinkMessage, from: Int, to: Int, cuts: Int)
    case step(Int, life: Int, WorkerID)
    case second(Int, life: Int)
  }

  /// What a peer told, and when.
  struct Heard {
    var at: Instant
    var peer: Int
    var event: Event
  }

  /// What the harness itself does wrong, to show that the checks see it.
  enum Sabotage { case deliverTwice, deliverNot }
  var sabotage: Sabotage?

  /// What stands under the talk's name.
  var source = Talk.source
  /// Of every packet that a worker makes.
  var packetBytes = 1_000

  /// Weather.
  var datagramLoss = 0.05
  var delay = Duration.milliseconds(4)
  /// On top of the delay, at most.
  var jitter = Duration.milliseconds(3)

  private(set) var now = Instant.zero
  private(set) var peers: [Peer] = []
  private(set) var heard: [Heard] = []
  private(set) var answers: OrderedDictionary<ClientToken, ClientAnswer> = [:]
  private(set) var viewers: OrderedDictionary<ViewerID, Viewer> = [:]
  private(set) var trace = TraceHash()
  private(set) var problems: [String] = []
  private var random: SeededRandom
  private var queue = HappeningQueue()
  private var lastArrival: OrderedDictionary<LinkName, Instant> = [:]
  private var cuts: OrderedDictionary<PairName, Int> = [:]
  private var nextClient: UInt64 = 0

  struct ViewerID: Hashable {
    var peer: Int
    var sink: SinkID
  }
  private struct LinkName: Hashable {
    var (from, to) = (0, 0)
    var purpose: LinkPurpose
  }
  private struct PairName: Hashable { var (low, high) = (0, 0) }

  /// - Parameters:
  ///   - offers: for each peer what it offers; as many peers.
  ///   - election: how they find managers.
  ///   - elections: peers that elect otherwise than the rest.
  init(
    seed: UInt64, offers: [[String]], election: ElectionStrategy = .rendezvous,
    elections: [Int: ElectionStrategy] = [:]
  ) {
    random = SeededRandom(seed: seed)
    for (number, components) in offers.enumerated() {
      let keys = KeyPair(seed: Digest.of("\(seed)/\(number)".utf8.map { $0 }, kind: "world"))
      let settings = NodeSettings(
        address: PeerAddress(host: "10.0.0.\(number + 1)", port: 7400), portal: "http://10.0.0.\(number + 1):7480",
        offer: NodeOffer(
          components: components, slots: 8, cores: 4, machineCores: 4, memory: 4 << 30, upCap: 1_000_000_000,
          downCap: 1_000_000_000), identityIsNew: true, election: elections[number] ?? election)
      peers.append(
        Peer(
          keys: keys, settings: settings,
          node: Node(keys: keys, settings: settings, memory: Memory(records: []), now: now, wall: World.wall(at: now)),
          random: SeededRandom(seed: seed &+ 1_000 &+ UInt64(number))))
    }
  }

  static func wall(at now: Instant) -> WallTime {
    WallTime(milliseconds: 1_900_000_000_000 + now.nanoseconds / 1_000_000)
  }

  // MARK: - What a test does

  /// All peers start; the first is everybody's contact.
  mutating func joinAll() {
    let contact = Contact(node: peers[0].node.id, address: peers[0].settings.address)
    for number in peers.indices { start(number, contacts: number == 0 ? [] : [contact]) }
  }

  private mutating func start(_ number: Int, contacts: [Contact]) {
    tell(number, .join(contacts))
    tell(number, .calibrated(decode: 200, encode: 60, filter: 400))
    push(.second(number, life: peers[number].life), after: .seconds(1))
  }

  /// Asks a portal; the answer will be under the token.
  mutating func ask(_ number: Int, _ question: ClientQuestion) -> ClientToken {
    nextClient += 1
    let token = ClientToken(nextClient)
    tell(number, .client(token, question))
    return token
  }

  /// A peer is handed this as if it had come: an attacker's bytes, mostly.
  mutating func inject(_ input: Input, at number: Int) { tell(number, input) }

  /// What a peer would do with this, without doing it.
  func effects(of input: Input, at number: Int) -> [Effect] {
    var (node, random) = (peers[number].node, SeededRandom(seed: 1))
    return node.handle(input, at: now, wall: World.wall(at: now), using: &random)
  }

  /// A portal has told its clients that a request is over, and its manager has not heard of it.
  mutating func finish(_ request: RequestID, at number: Int) { peers[number].node.finishSubmission(request) }

  /// A peer has never heard of these others, for as long as nobody tells it.
  mutating func blind(_ number: Int, to others: [Int]) {
    for id in others.map({ peers[$0].node.id }) {
      peers[number].node.members.forget(id)
      peers[number].node.members.round.removeAll { $0 == id }
    }
  }

  /// No other has heard yet how a peer fares.
  mutating func unlearn(_ number: Int) {
    for other in peers.indices where other != number {
      let rest = peers[other].node.members.all(at: now).map(\.node).filter { $0 != peers[number].node.id }
      for known in [rest, rest + [peers[number].node.id]] {
        var random = SeededRandom(seed: UInt64(other))
        _ = peers[other].node.board.handle(.members(known), at: now, wall: World.wall(at: now), using: &random)
      }
    }
  }

  /// Requests that come in there are valid for so long at a time.
  mutating func setRequestLife(_ life: Duration, at number: Int) { peers[number].node.settings.requestLife = life }

  /// A loss of power: what was not on disk is gone, links close.
  mutating func crash(_ number: Int) {
    peers[number].isAlive = false
    peers[number].life += 1
    peers[number].workers = [:]
    peers[number].timers = [:]
    for other in peers.indices where other != number { breakLink(number, other) }
  }

  /// A bit of a record goes bad on a disk.
  mutating func spoil(_ name: Record.Name, of number: Int) {
    guard let record = peers[number].records[name] else { return }
    peers[number].records[name]!.bytes[record.bytes.count / 2] ^= 1
  }

  /// The same peer again, with what was on its disk.
  mutating func restart(_ number: Int, through contact: Int) {
    let peer = peers[number]
    peers[number].isAlive = true
    peers[number].settings.identityIsNew = false
    peers[number].node = Node(
      keys: peer.keys, settings: peers[number].settings, memory: Memory(records: Array(peer.records.values)), now: now,
      wall: World.wall(at: now))
    start(number, contacts: [Contact(node: peers[contact].node.id, address: peers[contact].settings.address)])
  }

  /// What is on its way between two peers is lost, and both hear that the link closed.
  mutating func cut(_ a: Int, _ b: Int) {
    breakLink(a, b)
  }

  private mutating func breakLink(_ a: Int, _ b: Int) {
    cuts[PairName(low: min(a, b), high: max(a, b)), default: 0] += 1
    for (one, other) in [(a, b), (b, a)] where peers[one].isAlive {
      push(.input(one, life: peers[one].life, .linkDown(peers[other].node.id)), after: delay)
    }
  }

  mutating func run(for length: Duration) {
    let end = now + length
    while let (at, next) = queue.pop(notAfter: end) {
      now = at
      happen(next)
    }
    now = end
  }

  /// Runs until it holds, looked at every 10 ms; false when it does not within the limit.
  mutating func run(atMost limit: Duration, until holds: (World) -> Bool) -> Bool {
    let end = now + limit
    while now < end {
      if holds(self) { return true }
      run(for: .milliseconds(10))
    }
    return holds(self)
  }

  // MARK: - What a test looks at

  func number(of node: NodeID) -> Int? { peers.firstIndex { $0.node.id == node } }
  /// Workers that run now, everywhere.
  var workersRunning: Int { peers.reduce(0) { $0 + $1.workers.count } }
  var workersStarted: Int { peers.reduce(0) { $0 + $1.workersStarted } }
  func events(_ kind: String, of request: RequestID? = nil) -> [Heard] {
    heard.filter { $0.event.kind == kind && (request == nil || $0.event.service == request) }
  }

  // MARK: - What happens

  private mutating func push(_ next: Happening, after delay: Duration) { queue.push(next, at: now + delay) }

  private mutating func happen(_ next: Happening) {
    switch next {
    case .input(let number, let life, let input): if peers[number].life == life { tell(number, input) }
    case .timer(let number, let life, let timer, let count):
      if peers[number].life == life, peers[number].timers[timer] == count { tell(number, .timer(timer)) }
    case .written(let number, let life, let records, let token):
      guard peers[number].life == life else { return }
      for record in records { peers[number].records[record.name] = record }
      tell(number, .persisted(token))
    case .message(let message, let from, let to, let count):
      guard cuts[PairName(low: min(from, to), high: max(from, to)), default: 0] == count else { return }
      tell(to, .link(message, from: peers[from].node.id))
    case .step(let number, let life, let worker): if peers[number].life == life { step(worker, at: number) }
    case .second(let number, let life):
      guard peers[number].life == life else { return }
      tell(number, .sample(World.sample(at: now)))
      push(.second(number, life: life), after: .seconds(1))
    }
  }

  private mutating func tell(_ number: Int, _ input: Input) {
    guard peers[number].isAlive else { return }
    var random = peers[number].random
    let effects = peers[number].node.handle(input, at: now, wall: World.wall(at: now), using: &random)
    peers[number].random = random
    for effect in effects {
      trace.absorb(effect, of: number, at: now)
      carryOut(effect, of: number)
    }
  }

  private mutating func carryOut(_ effect: Effect, of number: Int) {
    let life = peers[number].life
    switch effect {
    case .sendDatagram(let datagram, let node, _): sendDatagram(datagram.wire, from: number, to: node)
    case .sendLink(let message, let node, _, let purpose): sendLink(message, from: number, to: node, purpose)
    case .sendExchange(let exchange, let node, _): sendLink(exchange.wire, from: number, to: node, .control)
    case .setTimer(let timer, let at):
      peers[number].timers[timer, default: 0] += 1
      queue.push(.timer(number, life: life, timer, peers[number].timers[timer]!), at: max(now, at))
    case .stopTimer(let timer): peers[number].timers[timer, default: 0] += 1
    case .persist(let records, let token): push(.written(number, life: life, records, token), after: .milliseconds(1))
    case .forget(let names): for name in names { peers[number].records.removeValue(forKey: name) }
    case .startWorker(let id, let job, _):
      peers[number].workersStarted += 1
      peers[number].workers[id] = FakeWorker(job: job, packetBytes: packetBytes)
      wake(id, at: number)
    case .toWorker(let id, let command):
      peers[number].workers[id]?.take(command)
      wake(id, at: number)
    case .stopWorker(let id): peers[number].workers.removeValue(forKey: id)
    case .probe(let path):
      let answer: Result<SourceDescription, WorkerFault> =
        path == Talk.path && number == Talk.sharedBy
        ? .success(source) : .failure(WorkerFault(kind: "source_missing", stage: nil, message: "no such file"))
      push(.input(number, life: life, .probed(path: path, answer)), after: .milliseconds(5))
    case .sinkOpened(let sink, let request, let output):
      viewers[ViewerID(peer: number, sink: sink)] = Viewer(request: request, output: output)
      push(.input(number, life: life, .clients(sink, present: true)), after: .zero)
    case .sinkClosed(let sink): viewers[ViewerID(peer: number, sink: sink)]?.isClosed = true
    case .deliver(let sink, let delivery): deliver(delivery, to: sink, at: number)
    case .answer(let token, let answer): answers[token] = answer
    case .event(let event): heard.append(Heard(at: now, peer: number, event: event))
    }
  }

  private mutating func deliver(_ delivery: Streams.Delivery, to sink: SinkID, at number: Int) {
    let id = ViewerID(peer: number, sink: sink)
    let isSpoilt = if case .packet(let packet) = delivery { packet.position.index == 100 } else { false }
    if !isSpoilt || sabotage != .deliverNot { viewers[id]?.take(delivery, at: now) }
    if isSpoilt, sabotage == .deliverTwice { viewers[id]?.take(delivery, at: now) }
    guard case .packet(let packet) = delivery else { return }
    push(.input(number, life: peers[number].life, .delivered(sink, through: packet.position)), after: .milliseconds(1))
  }

  // MARK: - The network

  private mutating func sendDatagram(_ message: WireDatagramMessage, from: Int, to node: NodeID) {
    if message.wireBytes.count > Limits.datagramMessage {
      problems.append("a datagram of \(message.wireBytes.count) bytes")
    }
    let (lot, spread) = (random.fraction(), random.index(below: Int(jitter.nanoseconds)))
    guard let to = number(of: node), lot >= datagramLoss, peers[to].isAlive else { return }
    let input = Input.datagram(message, from: peers[from].node.id, at: peers[from].settings.address)
    push(.input(to, life: peers[to].life, input), after: delay + .nanoseconds(spread))
  }

  private mutating func sendLink(_ message: WireLinkMessage, from: Int, to node: NodeID, _ purpose: LinkPurpose) {
    let spread = Duration.nanoseconds(random.index(below: Int(jitter.nanoseconds)))
    guard let to = number(of: node), peers[to].isAlive else {
      return push(.input(from, life: peers[from].life, .linkDown(node)), after: delay + spread)
    }
    let name = LinkName(from: from, to: to, purpose: purpose)
    let arrival = max(lastArrival[name] ?? .zero, now + delay + spread)
    lastArrival[name] = arrival
    let count = cuts[PairName(low: min(from, to), high: max(from, to)), default: 0]
    queue.push(.message(message, from: from, to: to, cuts: count), at: arrival)
  }

  // MARK: - Workers

  private mutating func wake(_ id: WorkerID, at number: Int) {
    guard let worker = peers[number].workers[id], !worker.isAwake else { return }
    peers[number].workers[id]!.isAwake = true
    push(.step(number, life: peers[number].life, id), after: worker.pause)
  }

  private mutating func step(_ id: WorkerID, at number: Int) {
    guard peers[number].workers[id] != nil else { return }
    peers[number].workers[id]!.isAwake = false
    let said = peers[number].workers[id]!.step()
    if let problem = peers[number].workers[id]!.problem { problems.append("n\(number) \(id): \(problem)") }
    for report in said { tell(number, .worker(id, report)) }
    if peers[number].workers[id]?.canGoOn ?? false { wake(id, at: number) }
  }
}
