import Base
import Identity
import Vocabulary

@testable import Streams

/// Several nodes on virtual time: links that keep order and may break, workers of ``FakeWorker``, clients that read sinks.
/// One seed gives one course of events.
struct World {
  struct Site {
    var table: StreamTable
    var workers: [WorkerID: FakeWorker] = [:]
    var isAlive = true
    /// Counts restarts, so that what was meant for an earlier life is dropped.
    var life = 0
    /// Setting the timer again replaces it: only the newest number counts.
    var timer = 0
  }

  enum Event {
    case input(Int, life: Int, StreamInput)
    case pulse(Int, life: Int, Int)
    case message(StreamMessage, from: Int, to: Int, breaks: Int)
    case step(Int, life: Int, WorkerID)
    case written(Int, life: Int, SinkID, Position)
    case script(Int)
  }

  /// What the harness itself does wrong, to show that the checks see it.
  enum Sabotage { case acknowledgeOnReceipt, endlessCredit, forgetMemory, deliverTwice }

  var now = Instant.zero
  var random: SeededRandom
  var sites: [Site]
  var clients: [SinkID: FakeClient] = [:]
  var script: [(inout World) -> Void] = []
  var sabotage: Sabotage?
  var reports: [(at: Instant, node: Int, report: StreamReport)] = []
  var problems: [String] = []
  /// Every message and report, for golden traces; nil: not wanted.
  var trace: [String]?
  /// Workers that had to begin at the start of their inputs for an output further on: right, but slow.
  var coldStarts = 0
  var worstWindow = 0
  var worstQueue = 0
  /// Whether a dead node's links close at once, or it just falls silent.
  var linksClose = true
  var latency = Duration.milliseconds(1)
  var jitter = 2_000
  private var queue = EventQueue()
  private var lastArrival: [[Instant]]
  private var breaks: [[Int]]

  init(nodes: Int, seed: UInt64) {
    random = SeededRandom(seed: seed)
    sites = (0..<nodes).map { Site(table: StreamTable(node: World.id($0))) }
    lastArrival = Array(repeating: Array(repeating: .zero, count: nodes), count: nodes)
    breaks = Array(repeating: Array(repeating: 0, count: nodes), count: nodes)
  }

  static func id(_ number: Int) -> NodeID { NodeID(Bytes32(Array(repeating: 0, count: 31) + [UInt8(number)])!) }
  static func key(_ number: Int) -> StreamKey { StreamKey(Bytes32(Array(repeating: 7, count: 31) + [UInt8(number)])!) }
  static func number(_ node: NodeID) -> Int { Int(node.bytes[31]) }

  // MARK: Running

  mutating func tell(_ site: Int, _ input: StreamInput) {
    guard sites[site].isAlive else { return }
    let effects = sites[site].table.handle(input, at: now)
    for effect in effects { carryOut(effect, at: site) }
  }

  mutating func after(_ delay: Duration, _ action: @escaping (inout World) -> Void) {
    script.append(action)
    queue.push(.script(script.count - 1), at: now + delay)
  }

  /// Until then, or until nothing is left to happen.
  mutating func run(until end: Instant) {
    while let (at, event) = queue.pop(notAfter: end) {
      now = max(now, at)
      happen(event)
    }
    now = end
  }

  private mutating func happen(_ event: Event) {
    switch event {
    case .input(let site, let life, let input):
      if sites[site].life == life { tell(site, input) }
    case .pulse(let site, let life, let number):
      if sites[site].life == life, sites[site].timer == number { tell(site, .timer(.pulse)) }
    case .message(let message, let from, let to, let count):
      guard breaks[from][to] == count else { return }
      guard sites[to].isAlive else { return }
      note("\(World.name(from)) → \(World.name(to))  \(World.describe(message))")
      tell(to, .message(message, from: World.id(from)))
      if sabotage == .acknowledgeOnReceipt, case .packet(let packet) = message.body {
        tell(
          from,
          .message(StreamMessage(message.subscription, .acknowledge(below: packet.position.next)), from: World.id(to)))
      }
    case .step(let site, let life, let id):
      guard sites[site].life == life, sites[site].isAlive else { return }
      step(id, at: site)
    case .written(let site, let life, let sink, let position):
      if sites[site].life == life { tell(site, .delivered(sink, through: position)) }
    case .script(let number):
      script[number](&self)
    }
  }

  private mutating func carryOut(_ effect: StreamEffect, at site: Int) {
    switch effect {
    case .send(let message, let peer): send(message, from: site, to: World.number(peer))
    case .authorize(let token, _, let key, let assignment):
      let isGood = assignment == World.assignment(for: key, at: site)
      later(
        .input(site, life: sites[site].life, isGood ? .authorized(token) : .unauthorized(token, "not for this node")))
    case .startWorker(let id, let job):
      note("\(World.name(site)) starts \(id) at \(job.resumeAt.map { "\($0)" } ?? "the beginning")")
      if job.resumeAt != nil, job.origins.isEmpty { coldStarts += 1 }
      sites[site].workers[id] = FakeWorker(job: job, isForgetful: sabotage == .forgetMemory)
      wake(id, at: site)
    case .toWorker(let id, let command):
      if sabotage == .endlessCredit, case .credit = command { sites[site].workers[id]?.credit += 1 << 40 }
      sites[site].workers[id]?.take(command)
      worstQueue = max(worstQueue, sites[site].workers[id]?.queuedBytes ?? 0)
      if let problem = sites[site].workers[id]?.problem { problems.append("\(World.name(site)): \(problem)") }
      wake(id, at: site)
    case .stopWorker(let id): sites[site].workers[id] = nil
    case .deliver(let sink, let delivery): deliver(delivery, to: sink, at: site)
    case .report(let report):
      reports.append((now, site, report))
      note("\(World.name(site)) reports: \(World.describe(report))")
    case .setTimer(.pulse, let due):
      sites[site].timer += 1
      queue.push(.pulse(site, life: sites[site].life, sites[site].timer), at: due)
    }
  }

  private mutating func later(_ event: Event) { queue.push(event, at: now) }

  private mutating func send(_ message: StreamMessage, from: Int, to: Int) {
    guard sites[to].isAlive else {
      if linksClose {
        queue.push(.input(from, life: sites[from].life, .linkClosed(World.id(to))), at: now + latency)
      }
      return
    }
    let arrival = max(lastArrival[from][to], now + latency + .microseconds(random.index(below: jitter)))
    lastArrival[from][to] = arrival
    queue.push(.message(message, from: from, to: to, breaks: breaks[from][to]), at: arrival)
  }

  private mutating func deliver(_ delivery: Delivery, to sink: SinkID, at site: Int) {
    guard var client = clients[sink] else { return }
    if case .packet = delivery {
      if client.received > 0 { client.worstGap = max(client.worstGap, now - client.lastReceived) }
      client.lastReceived = now
    }
    if let problem = client.take(delivery) {
      problems.append("\(sink) at \(now.nanoseconds / 1_000_000) ms: \(problem)")
    }
    if sabotage == .deliverTwice, client.received == 20, let problem = client.take(delivery) {
      problems.append(problem)
    }
    clients[sink] = client
    guard case .packet(let packet) = delivery, !client.isStuck else { return }
    let due = now + .microseconds(200 + random.index(below: 4_000))
    let ordered = max(due, client.lastWritten)
    clients[sink]?.lastWritten = ordered
    queue.push(.written(site, life: sites[site].life, sink, packet.position), at: ordered)
  }

  // MARK: Workers

  private mutating func wake(_ id: WorkerID, at site: Int) {
    guard let worker = sites[site].workers[id], !worker.isAwake else { return }
    sites[site].workers[id]?.isAwake = true
    let pause = worker.pause(random.index(below: 1_000))
    queue.push(.step(site, life: sites[site].life, id), at: now + pause)
  }

  private mutating func step(_ id: WorkerID, at site: Int) {
    guard sites[site].workers[id] != nil else { return }
    sites[site].workers[id]?.isAwake = false
    let (said, isBusy) = sites[site].workers[id]?.step() ?? ([], false)
    for report in said { tell(site, .worker(id, report)) }
    if isBusy { wake(id, at: site) }
    for group in sites[site].table.groups.values { worstWindow = max(worstWindow, group.window.bytes) }
  }

  mutating func killWorker(at site: Int) {
    guard let id = sites[site].workers.keys.min() else { return }
    note("— worker \(id) of \(World.name(site)) is killed —")
    sites[site].workers[id] = nil
    tell(site, .workerDied(id, "signal 9"))
  }

  // MARK: Failures

  mutating func kill(_ site: Int) {
    note("— \(World.name(site)) is killed —")
    sites[site].isAlive = false
    sites[site].life += 1
    sites[site].workers = [:]
    for other in sites.indices where other != site {
      breaks[site][other] += 1
      breaks[other][site] += 1
      guard linksClose else { continue }
      queue.push(
        .input(other, life: sites[other].life, .linkClosed(World.id(site))),
        at: now + latency + .microseconds(random.index(below: jitter)))
    }
  }

  /// The same node again, knowing nothing.
  mutating func revive(_ site: Int) {
    sites[site] = Site(table: StreamTable(node: World.id(site)), life: sites[site].life + 1)
    for other in sites.indices where other != site { tell(other, .linkClosed(World.id(site))) }
  }

  /// The link between two nodes drops what is on its way, and both hear of it.
  mutating func cut(_ a: Int, _ b: Int) {
    breaks[a][b] += 1
    breaks[b][a] += 1
    later(.input(a, life: sites[a].life, .linkClosed(World.id(b))))
    later(.input(b, life: sites[b].life, .linkClosed(World.id(a))))
  }

  // MARK: Words

  static func assignment(for key: StreamKey, at site: Int) -> [UInt8] { [key.hash.bytes[31], UInt8(site)] }

  static func name(_ site: Int) -> String { "n\(site)" }

  private mutating func note(_ line: @autoclosure () -> String) {
    guard trace != nil else { return }
    let milliseconds = now.nanoseconds / 1_000_000
    trace?.append("\(String(repeating: " ", count: max(0, 5 - "\(milliseconds)".count)))\(milliseconds) ms  \(line())")
  }

  private static func describe(_ report: StreamReport) -> String {
    func stream(_ key: StreamKey) -> String { "stream \(key.hash.bytes[31])" }
    func place(_ position: Position?) -> String { position.map { "\($0)" } ?? "the beginning" }
    return switch report {
    case .activated(let key, let at): "\(stream(key)) activated at \(place(at))"
    case .producing(let key, let from): "\(stream(key)) produced from \(from)"
    case .switched(_, let key, let from, let to, let trouble, let at):
      "\(stream(key)) now from \(name(number(to))) instead of \(name(number(from))) at \(place(at)): \(trouble)"
    case .resumed(_, let key, let from, let at, let gap):
      "\(stream(key)) resumed from \(name(number(from))) at \(at) after \(gap.nanoseconds / 1_000_000) ms"
    case .finished(let key): "\(stream(key)) finished"
    default: "\(report)"
    }
  }

  private static func describe(_ message: StreamMessage) -> String {
    let words =
      switch message.body {
      case .subscribe(let wish):
        "subscribe to stream \(wish.key.hash.bytes[31]) from \(wish.from), origins \(wish.origins.map { "\($0.input):\($0.position)" })"
      case .credit(let upTo): "credit up to \(upTo)"
      case .acknowledge(let position): "acknowledge below \(position)"
      case .unsubscribe(let finished): finished ? "unsubscribe, finished" : "unsubscribe"
      case .accepted: "accepted"
      case .refused(let refusal): "refused: \(refusal)"
      case .preamble(let format): "preamble \(format.codec)"
      case .packet(let packet): "packet \(packet.position)"
      case .beat: "beat"
      case .alive: "alive"
      case .end(let last): "end after \(last.map { "\($0)" } ?? "nothing")"
      }
    return "\(message.subscription) \(words)"
  }
}

/// Events by time, then by the order in which they were pushed: a binary heap.
struct EventQueue {
  private var heap: [(at: Instant, order: Int, event: World.Event)] = []
  private var pushed = 0

  mutating func push(_ event: World.Event, at: Instant) {
    pushed += 1
    heap.append((at, pushed, event))
    var child = heap.count - 1
    while child > 0, before(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop(notAfter end: Instant) -> (Instant, World.Event)? {
    guard let first = heap.first, first.at <= end else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return (first.at, first.event) }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && before(child, least) { least = child }
      guard least != parent else { return (first.at, first.event) }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private func before(_ a: Int, _ b: Int) -> Bool {
    heap[a].at != heap[b].at ? heap[a].at < heap[b].at : heap[a].order < heap[b].order
  }
}
