import Assignments
import Base
import Core
import Desks
import Identity
import Measurements
import Sessions
import Streams
import Vocabulary
import Wire

// What a node wants done, done in the simulated world.

extension Simulation {
  func carryOut(_ effect: Effect, of number: Int) {
    let life = peers[number].life
    trace.add(now.nanoseconds.hashable)
    trace.add(number)
    switch effect {
    case .sendDatagram(let datagram, let node, _): sendDatagram(datagram.wire, from: number, to: node)
    case .sendLink(let message, let node, _, let purpose): sendLink(message, from: number, to: node, purpose)
    case .sendExchange(let exchange, let node, _): sendLink(exchange.wire, from: number, to: node, .control)
    case .setTimer(let timer, let at):
      trace.add(3)
      trace.add(at.nanoseconds.hashable)
      let due = max(now, peers[number].clock.moment(at))
      peers[number].timers[timer] = queue.push(.timer(number, life: life, timer), at: due)
    case .stopTimer(let timer):
      trace.add(15)
      peers[number].timers[timer] = nil
    case .persist(let records, let token):
      trace.add(4)
      for record in records { trace.add(record.bytes) }
      counts.records += UInt64(records.count)
      if peers[number].disk.ask(records, token) { beginWrite(number) }
    case .forget(let names):
      trace.add(5)
      peers[number].disk.forget(names)
    case .startWorker(let id, let job, let path):
      trace.add(6)
      peers[number].workersStarted += 1
      let source = path.flatMap { path in scenario.sources.first { $0.node == number && $0.path == path } }
      peers[number].workers[id] = SimulatedWorker(job: job, source: source, chunk: scenario.chunk)
      see(.startsWorker(number, job))
      wake(id, at: number)
    case .toWorker(let id, let command):
      trace.add(7)
      peers[number].workers[id]?.take(command)
      wake(id, at: number)
    case .stopWorker(let id):
      trace.add(8)
      peers[number].workers.removeValue(forKey: id)
    case .probe(let path): probe(path, at: number)
    case .sinkOpened(let sink, let request, let output): openSink(sink, request, output, at: number)
    case .sinkClosed(let sink):
      trace.add(11)
      clients[ClientID(peer: number, sink: sink)]?.isClosed = true
    case .deliver(let sink, let delivery): deliver(delivery, to: sink, at: number)
    case .answer(let token, let answer): answered(token, answer, at: number)
    case .event(let event): happened(event, at: number)
    }
  }

  // MARK: - The disk

  private func beginWrite(_ number: Int) {
    counts.writes += 1
    // A disk is not a clock: each write takes up to half as long again.
    let base = peers[number].diskDelay.nanoseconds
    let took = base + Int64(random.fraction() * Double(base) / 2)
    push(.written(number, life: peers[number].life), after: .nanoseconds(max(1_000, took)))
  }

  func written(_ number: Int) {
    let (done, goesOn) = peers[number].disk.finish()
    if goesOn { beginWrite(number) }
    for write in done {
      if !checkers.isEmpty { see(.wrote(number, write.records)) }
      tell(number, .persisted(write.token))
    }
  }

  // MARK: - Datagrams

  private func sendDatagram(_ message: WireDatagramMessage, from: Int, to node: NodeID) {
    let size: Int
    if scenario.economy.coarseTrace {
      size = 300
      trace.add(1)
    } else {
      let bytes = message.wireBytes
      size = bytes.count
      trace.add(1)
      trace.add(bytes)
    }
    counts.datagrams += 1
    counts.datagramBytes += UInt64(size)
    see(.sendsDatagram(from, bytes: size))
    guard let to = number(of: node) else { return }
    trace.add(to)
    count(size, from: from, to: to)
    let input = Input.datagram(message, from: peers[from].node.id, at: peers[from].settings.address)
    for arrival in network.arrivals(from: from, to: to, bytes: size, at: now, using: &random) {
      queue.push(.input(to, life: peers[to].life, input), at: arrival)
    }
  }

  private func count(_ bytes: Int, from: Int, to: Int) {
    guard !scenario.economy.coarseTrace else { return }
    peers[from].sent[to, default: 0] += UInt64(bytes)
    peers[to].received[from, default: 0] += UInt64(bytes)
  }

  // MARK: - Links

  private func sendLink(_ message: WireLinkMessage, from: Int, to node: NodeID, _ purpose: LinkPurpose) {
    trace.add(2)
    let size: Int
    if scenario.economy.coarseTrace {
      size = 500
    } else {
      let bytes = message.wireBytes
      size = bytes.count
      trace.add(bytes)
    }
    counts.linkMessages += 1
    counts.linkBytes += UInt64(size)
    guard let to = number(of: node) else { return }
    trace.add(to)
    switch message.body {
    case .election, .rival: elections.count(message, bytes: size)
    default: break
    }
    seeMessage(message, from: from, to: to, bytes: size)
    let life = peers[from].life
    guard peers[to].isUp else {
      let wait = peers[to].isSilent ? SimulatedNetwork.linkTimeout : network.delay(from, to, using: &random) * 2
      return push(.input(from, life: life, .linkDown(node)), after: wait)
    }
    count(size, from: from, to: to)
    if !network.passes(from, to) || !network.passes(to, from) {
      // Nothing comes back: the sender gives up after a while, unless the way is free again by then.
      push(.breakLinks(from, to), after: SimulatedNetwork.linkTimeout)
    }
    let lane = network.lane(from: from, to: to, purpose)
    if let at = network.send(message, on: lane, bytes: size, at: now, using: &random) {
      queue.push(.pump(lane), at: at)
    }
  }

  func pump(_ lane: Int) {
    let (to, from) = (network.lanes[lane].to, network.lanes[lane].from)
    if let until = peers[to].pausedUntil, until > now {
      queue.push(.pump(lane), at: until)
      return
    }
    let (arrived, again) = network.pump(lane, at: now)
    if let again { queue.push(.pump(lane), at: again) }
    if let arrived { tell(to, .link(arrived, from: peers[from].node.id)) }
  }

  /// Both ends hear of it, a little later.
  func breakLinks(_ a: Int, _ b: Int) {
    guard network.breakLinks(a, b) else { return }
    for (one, other) in [(a, b), (b, a)] where peers[one].isUp {
      let wait = network.delay(a, b, using: &random)
      push(.input(one, life: peers[one].life, .linkDown(peers[other].node.id)), after: wait)
    }
  }

  // MARK: - Workers

  private func wake(_ id: WorkerID, at number: Int) {
    guard let worker = peers[number].workers[id], !worker.isAwake, worker.canGoOn else { return }
    peers[number].workers[id]!.isAwake = true
    push(.step(number, life: peers[number].life, id), after: worker.pause)
  }

  func step(_ id: WorkerID, at number: Int) {
    guard peers[number].workers[id] != nil else { return }
    peers[number].workers[id]!.isAwake = false
    let said = peers[number].workers[id]!.step()
    if let problem = peers[number].workers[id]!.problem { find("worker input", number, problem) }
    for report in said { tell(number, .worker(id, report)) }
    wake(id, at: number)
  }

  // MARK: - The machine

  func everySecond(_ number: Int) {
    let peer = peers[number]
    // The kernel's view of a machine whose load is its workers': a core each while they run.
    let ticks = peer.clock.monotonic(now).nanoseconds / 10_000_000
    let busy = Int64(min(Double(peer.workers.count) * 0.1, 0.9) * 100)
    tell(
      number,
      .sample(
        MachineSample(
          stat: "cpu  \(ticks * busy / 100) 0 0 \(ticks * (100 - busy) / 100) 0 0 0 0 0 0\n", processes: [],
          pressure: "some avg10=0.00 total=0\n", network: "")))
    guard !peer.sent.isEmpty || !peer.received.isEmpty else { return }
    let all = OrderedSet(peer.sent.keys).union(peer.received.keys)
    tell(
      number,
      .traffic(
        all.map {
          PeerTraffic(node: peers[$0].node.id, sent: peer.sent[$0] ?? 0, received: peer.received[$0] ?? 0)
        }))
  }

  private func probe(_ path: String, at number: Int) {
    trace.add(9)
    let found = scenario.sources.firstIndex { $0.node == number && $0.path == path }
    let answer: Result<SourceDescription, WorkerFault> =
      found.map { .success(SimulatedMedia.description(of: scenario.sources[$0], number: $0)) }
      ?? .failure(WorkerFault(kind: "source_missing", stage: nil, message: "no such file"))
    push(.input(number, life: peers[number].life, .probed(path: path, answer)), after: .milliseconds(5))
  }
}

extension Int64 {
  var hashable: UInt64 { UInt64(bitPattern: self) }
}
