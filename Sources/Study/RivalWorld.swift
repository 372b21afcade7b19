import Base
import Elections
import HeapModule
import Identity
import Lab
import Rivals
import Vocabulary

/// Plays a course with a protocol of another design, as values: the members of each election are the electors that the production code
/// draws for the source, on the very distances, disks and faults that whole peers meet. What whole peers have besides (membership,
/// measurements, media) is left out, and said so: members know each other from the start, services have no media.
///
/// The portal hands its client's call to the first elector, and to the next when nobody has been elected in time; whoever is elected tells
/// the portal.
struct RivalWorld {
  /// On the wire: a request's ID, a term, a kind, with their tags; no signatures, which these protocols do not have.
  static let messageBytes = 45

  private enum Event {
    case ask(Int)
    case patience(Int, attempt: Int)
    case deliver(request: Int, from: Int, to: Int, RivalMessage?, sentAt: Instant)
    case timer(request: Int, node: Int, order: UInt64)
    case written(request: Int, node: Int, life: Int, RivalPromises, then: [RivalEffect])
    case fault(Int, begins: Bool)
    case end(Int)
  }
  private struct Entry: Comparable {
    let at: Instant
    let order: UInt64
    let event: Event
    static func < (a: Entry, b: Entry) -> Bool { (a.at, a.order) < (b.at, b.order) }
    static func == (a: Entry, b: Entry) -> Bool { a.order == b.order }
  }
  private struct Member {
    var rival: any Rival
    var timer: UInt64 = 0
    var promises: RivalPromises?
  }
  private struct Election {
    var electors: [Int] = []
    var members: OrderedDictionary<Int, Member> = [:]
    var row: ElectionRow
    var tenures: [(node: String, term: String, at: Double)] = []
    var isOver = false
  }

  private let scenario: Scenario
  private let strategy: ElectionStrategy
  private let ground: Ground
  private let make: @Sendable (NodeID, [NodeID], RivalPromises?) -> any Rival
  private var numbers: [NodeID: Int] = [:]
  private var queue = Heap<Entry>()
  private var order: UInt64 = 0
  private var now = Instant.zero
  private var random: SeededRandom
  private var elections: OrderedDictionary<Int, Election> = [:]
  private var uncalled = 0
  private var isDown: [Bool]
  private var life: [Int]
  private var pausedUntil: [Instant]
  private var slowness: [Duration]
  private var disk: [Duration]
  private var blocks: [Int: Int] = [:]
  private var striking: [Int: [Int]] = [:]
  private var died: [(node: String, at: Double)] = []
  private var lines: [String] = []
  private let keepsTrace: Bool

  init(_ course: Course, strategy: ElectionStrategy, keepsTrace: Bool) throws(TopologyError) {
    scenario = course.scenario
    self.strategy = strategy
    self.keepsTrace = keepsTrace
    ground = try Ground(scenario)
    random = SeededRandom(seed: scenario.seed ^ 0x0F_F1CE)
    switch strategy {
    case .bully: make = { Bully(node: $0, members: $1, restoring: $2) }
    case .raft: make = { Raft(node: $0, members: $1, restoring: $2) }
    default: make = { FirstResponder(node: $0, members: $1, restoring: $2) }
    }
    let count = scenario.nodes.count
    isDown = scenario.nodes.map { $0.startsAt > 0 }
    life = Array(repeating: 0, count: count)
    pausedUntil = Array(repeating: .zero, count: count)
    slowness = Array(repeating: .zero, count: count)
    disk = scenario.nodes.map { .fromSeconds($0.disk / 1_000) }
    for (number, id) in ground.ids.enumerated() { numbers[id] = number }
  }

  // MARK: - Running

  mutating func trial(_ course: Course, run: Int) -> Trial {
    for (number, ask) in scenario.requests.enumerated() { push(.ask(number), at: .seconds(ask.at)) }
    for (number, fault) in scenario.faults.enumerated() {
      push(.fault(number, begins: true), at: .seconds(fault.at))
      push(.fault(number, begins: false), at: .seconds(min(fault.at + fault.lasts, scenario.healsAt)))
    }
    while let entry = queue.popMin(), entry.at <= .seconds(scenario.endsAt) {
      now = entry.at
      happen(entry.event)
    }
    var trial = Trial(strategy: strategy.rawValue, run: run, seed: scenario.seed)
    trial.notes = ground.notes
    trial.uncalled = uncalled
    trial.trace = lines
    trial.wins = Array(repeating: 0, count: scenario.nodes.count)
    for (number, var election) in elections {
      let length = scenario.sources[scenario.requests[number].source].seconds
      election.row.run = run
      election.row.follow(
        tenures: election.tenures, deaths: died, until: election.row.calledAt + (election.row.mandate ?? 0) + length)
      if let first = election.tenures.first.flatMap({ Int($0.node) }) {
        election.row.distance = ground.roundTrip(scenario.requests[number].portal, first)
        election.row.attackerWon = course.attacking[first]
        trial.wins[first] += 1
      }
      trial.rows.append(election.row)
    }
    return trial
  }

  private mutating func push(_ event: Event, at time: Instant) {
    order += 1
    queue.insert(Entry(at: time, order: order, event: event))
  }

  private mutating func happen(_ event: Event) {
    switch event {
    case .ask(let number): ask(number)
    case .patience(let number, let attempt): call(number, attempt: attempt)
    case .deliver(let request, let from, let to, let message, let sentAt):
      deliver(request, from, to, message, sentAt: sentAt)
    case .timer(let request, let node, let order):
      guard elections[request]?.members[node]?.timer == order, isUp(node) else { return }
      guard pausedUntil[node] <= now else { return retime(request, node, pausedUntil[node]) }
      handle(request, node, .timer)
    case .written(let request, let node, let life, let promises, let rest):
      guard self.life[node] == life, isUp(node) else { return }
      elections[request]?.members[node]?.promises = promises
      perform(rest, request, node)
    case .fault(let number, let begins): begins ? strike(number) : mend(number)
    case .end(let number):
      // Who has a manager has it for as long as the source is.
      if let mandate = elections[number]?.row.mandate, let called = elections[number]?.row.calledAt,
        now < .seconds(called + mandate + scenario.sources[scenario.requests[number].source].seconds)
      {
        return
      }
      elections[number]?.isOver = true
      elections[number]?.members = [:]
    }
  }

  // MARK: - One election

  private mutating func ask(_ number: Int) {
    let ask = scenario.requests[number]
    let there = scenario.nodes.indices.filter { isUp($0) }
    guard isUp(ask.portal), isUp(scenario.sources[ask.source].node),
      let electorate = Electorate.draw(for: source(ask.source), from: there.map { ground.ids[$0] })
    else {
      uncalled += 1
      return
    }
    let name = "\(scenario.seed)-\(number)"
    var election = Election(
      row: ElectionRow(
        strategy: strategy.rawValue, run: 0, request: name, calledAt: now.seconds, portal: "\(ask.portal)"))
    election.electors = electorate.members.compactMap { numbers[$0] }
    election.row.electors = electorate.size
    election.row.messages = 0
    for member in election.electors {
      election.members[member] = Member(rival: make(ground.ids[member], electorate.members, nil))
    }
    elections[number] = election
    tell(ask.portal, "request.called", number, ["electors": "\(electorate.size)"])
    call(number, attempt: 0)
    push(.end(number), at: now + Limits.callPatience)
  }

  /// Of a source that no whole peer has probed.
  private func source(_ number: Int) -> SourceKey {
    SourceKey(Digest.of(Array("\(scenario.seed)/\(scenario.sources[number].path)".utf8), kind: "lab-source"))
  }

  private mutating func call(_ number: Int, attempt: Int) {
    guard let election = elections[number], election.row.mandate == nil, !election.isOver else { return }
    let portal = scenario.requests[number].portal
    send(number, portal, election.electors[attempt % election.electors.count], nil)
    push(
      .patience(number, attempt: attempt + 1),
      at: now + Limits.electionPatience * Double(1 << min(attempt, 4)) + .milliseconds(100))
  }

  /// `message` nil: between portal and member.
  private mutating func send(_ request: Int, _ from: Int, _ to: Int, _ message: RivalMessage?) {
    if elections[request]?.row.mandate == nil { elections[request]?.row.messages? += 1 }
    let way = ground.delay(from, to, using: &random) + slowness[from] + slowness[to]
    push(.deliver(request: request, from: from, to: to, message, sentAt: now), at: now + way)
  }

  private mutating func deliver(_ request: Int, _ from: Int, _ to: Int, _ message: RivalMessage?, sentAt: Instant) {
    guard isUp(to) else { return }
    guard pausedUntil[to] <= now else {
      return push(.deliver(request: request, from: from, to: to, message, sentAt: sentAt), at: pausedUntil[to])
    }
    guard blocks[from * isDown.count + to] == nil else {
      // As TCP: tried again while the link lasts.
      guard now - sentAt < .seconds(3) else { return }
      return push(
        .deliver(request: request, from: from, to: to, message, sentAt: sentAt), at: now + .milliseconds(200))
    }
    if let message { return handle(request, to, .received(from: ground.ids[from], message)) }
    if elections[request]?.electors.contains(from) == true, to == scenario.requests[request].portal,
      elections[request]?.tenures.contains(where: { $0.node == "\(from)" }) == true
    {
      guard elections[request]?.row.mandate == nil, let called = elections[request]?.row.calledAt else { return }
      elections[request]?.row.mandate = now.seconds - called
      let messages = elections[request]?.row.messages ?? 0
      elections[request]?.row.bytes = messages * RivalWorld.messageBytes
      tell(to, "election.mandate", request, ["manager": "\(from)"])
      let length = scenario.sources[scenario.requests[request].source].seconds
      push(.end(request), at: now + .seconds(length) + .nanoseconds(1))
    } else {
      handle(request, to, .call)
    }
  }

  private mutating func handle(_ request: Int, _ node: Int, _ input: RivalInput) {
    guard elections[request]?.members[node] != nil else { return }
    let moment = now
    let effects = elections[request]!.members[node]!.rival.handle(input, at: moment, using: &random)
    perform(effects, request, node)
  }

  private mutating func retime(_ request: Int, _ node: Int, _ at: Instant) {
    push(.timer(request: request, node: node, order: order + 1), at: at)
    elections[request]?.members[node]?.timer = order
  }

  private mutating func perform(_ effects: [RivalEffect], _ request: Int, _ node: Int) {
    for effect in effects {
      switch effect {
      case .send(let to, let message): if let to = numbers[to] { send(request, node, to, message) }
      case .persist(let promises, let rest):
        let took = disk[node] * (1 + random.fraction() / 2)
        push(.written(request: request, node: node, life: life[node], promises, then: rest), at: now + took)
      case .setTimer(let at): retime(request, node, max(at, now))
      case .elected(let term): elected(request, node, term)
      case .lost(let term): tell(node, "election.lost", request, ["term": "\(term)"])
      }
    }
  }

  private mutating func elected(_ request: Int, _ node: Int, _ term: UInt32) {
    tell(node, "election.won", request, ["term": "\(term)"])
    guard let election = elections[request] else { return }
    if strategy.safety == .unsafe {
      // Terms fence nothing: two that believe at one time are two managers.
      for (other, member) in election.members where other != node && isUp(other) && member.rival.managedTerm != nil {
        elections[request]?.row.twoMandates = true
      }
    }
    // Names of tenures that do not fence must not count as one term.
    let name = strategy.safety == .unsafe ? "\(term)/\(election.tenures.count)" : "\(term)"
    elections[request]?.tenures.append(("\(node)", name, now.seconds))
    send(request, node, scenario.requests[request].portal, nil)
  }

  // MARK: - What goes wrong

  private func isUp(_ node: Int) -> Bool {
    !isDown[node] || (life[node] == 0 && scenario.nodes[node].startsAt <= now.seconds)
  }

  private func found(_ target: Fault.Target) -> Int? {
    switch target {
    case .node(let number): return number
    case .manager(let request):
      return elections[request]?.members.elements.last { isUp($0.key) && $0.value.rival.managedTerm != nil }?.key
    default: return nil
    }
  }

  private mutating func strike(_ index: Int) {
    let fault = scenario.faults[index]
    switch fault.kind {
    case .crash(let target, let losesStore, _):
      guard let node = found(target), isUp(node) else { return }
      down(node, losesStore: losesStore)
      striking[index] = [node]
    case .leave(let target):
      guard let node = found(target), isUp(node) else { return }
      down(node, losesStore: false)
      striking[index] = [node]
    case .pause(let target):
      guard let node = found(target) else { return }
      pausedUntil[node] = max(pausedUntil[node], now + .seconds(fault.lasts))
    case .partition(let targets):
      let inside = targets.compactMap(found)
      striking[index] = inside
      if inside.count == 1 { died.append(("\(inside[0])", now.seconds)) }
      separate(inside, isDown.indices.filter { !inside.contains($0) }, both: true, by: 1)
    case .oneWay(let from, let to): separate(from.compactMap(found), to.compactMap(found), both: false, by: 1)
    case .slowNetwork(let target, let ms):
      if let node = found(target) { slowness[node] += .fromSeconds(ms / 1_000) }
    case .slowDisk(let target, let ms): if let node = found(target) { disk[node] += .fromSeconds(ms / 1_000) }
    // Of datagrams and workers, which there are none of.
    case .rain, .workerDies, .cut: break
    }
  }

  private mutating func mend(_ index: Int) {
    let fault = scenario.faults[index]
    let struck = striking.removeValue(forKey: index) ?? []
    switch fault.kind {
    case .crash, .leave: for node in struck { start(node) }
    case .partition: separate(struck, isDown.indices.filter { !struck.contains($0) }, both: true, by: -1)
    case .oneWay(let from, let to): separate(from.compactMap(found), to.compactMap(found), both: false, by: -1)
    case .slowNetwork(let target, let ms):
      if let node = found(target) { slowness[node] -= .fromSeconds(ms / 1_000) }
    case .slowDisk(let target, let ms): if let node = found(target) { disk[node] -= .fromSeconds(ms / 1_000) }
    case .pause, .rain, .workerDies, .cut: break
    }
  }

  private mutating func separate(_ a: [Int], _ b: [Int], both: Bool, by step: Int) {
    for from in a {
      for to in b where from != to {
        for way in both ? [from * isDown.count + to, to * isDown.count + from] : [from * isDown.count + to] {
          let count = (blocks[way] ?? 0) + step
          blocks[way] = count > 0 ? count : nil
        }
      }
    }
  }

  private mutating func down(_ node: Int, losesStore: Bool) {
    isDown[node] = true
    life[node] += 1
    died.append(("\(node)", now.seconds))
    if losesStore { for request in elections.keys { elections[request]?.members[node]?.promises = nil } }
    line("{\"at\":\(now.seconds),\"kind\":\"crash\",\"loses_store\":\(losesStore),\"node\":\(node)}")
  }

  private mutating func start(_ node: Int) {
    isDown[node] = false
    life[node] += 1
    line("{\"at\":\(now.seconds),\"kind\":\"start\",\"node\":\(node)}")
    for request in elections.keys {
      guard let member = elections[request]?.members[node], let election = elections[request] else { continue }
      let members = election.electors.map { ground.ids[$0] }
      elections[request]?.members[node] = Member(
        rival: make(ground.ids[node], members, member.promises), promises: member.promises)
      handle(request, node, .start)
    }
  }

  // MARK: - Telling

  private mutating func tell(_ node: Int, _ event: String, _ request: Int, _ details: KeyValuePairs<String, String>) {
    guard keepsTrace, let name = elections[request]?.row.request else { return }
    let told = details.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",")
    line(
      "{\"at\":\(now.seconds),\"details\":{\(told)},\"event\":\"\(event)\",\"kind\":\"event\",\"node\":\(node),\"service\":\"\(name)\",\"summary\":\"\"}"
    )
  }
  private mutating func line(_ text: String) { if keepsTrace { lines.append(text) } }
}

extension Instant {
  static func seconds(_ value: Double) -> Instant { Instant(nanoseconds: Int64(value * 1e9)) }
  var seconds: Double { Double(nanoseconds) / 1e9 }
}
