import Base
import Core
import Identity
import Measurements
import Streams
import Vocabulary
import Wire

// What a node wants done, done in the simulated world; as `Simulation+Effects` does it, where nothing fails but datagrams.

extension Shard {
  func carryOut(_ effect: Effect, of peer: ScaledPeer) {
    peer.trace.add(now.nanoseconds.hashable)
    switch effect {
    case .sendDatagram(let datagram, let node, _): sendDatagram(datagram, from: peer, to: node)
    case .setTimer(let timer, let at):
      peer.trace.add(3)
      let due = max(now, peer.clock.moment(at))
      peer.trace.add(due.nanoseconds.hashable)
      let waiting = push(.timer(timer), to: peer, at: due)
      if let earlier = peer.timers.set(timer, waiting) { queue.withdraw(earlier) }
    case .stopTimer(let timer):
      peer.trace.add(15)
      if let waiting = peer.timers.remove(timer) { queue.withdraw(waiting) }
    case .sendExchange(let exchange, let node, _):
      sendLink(.exchange(exchange, from: Int32(peer.number)), exchange.estimatedBytes, from: peer, to: node, .control)
    case .sendLink(let message, let node, _, let purpose):
      let bytes: Int
      if case .stream = message.body { bytes = 1_200 } else { bytes = 600 }
      sendLink(.link(message, from: Int32(peer.number)), bytes, from: peer, to: node, purpose)
    case .persist(let records, let token):
      peer.trace.add(4)
      for record in records { peer.trace.add(record.bytes) }
      counts.records += UInt64(records.count)
      if peer.disk.ask(records, token) { beginWrite(peer) }
    case .forget(let names):
      peer.trace.add(5)
      peer.disk.forget(names)
    case .startWorker(let id, let job, let path):
      peer.trace.add(6)
      let source = path.flatMap { path in
        world.scenario.sources.first { $0.node == peer.number && $0.path == path }
      }
      peer.workers[id] = SimulatedWorker(job: job, source: source, chunk: world.scenario.chunk)
      wake(id, at: peer)
    case .toWorker(let id, let command):
      peer.trace.add(7)
      peer.workers[id]?.take(command)
      wake(id, at: peer)
    case .stopWorker(let id):
      peer.trace.add(8)
      peer.workers.removeValue(forKey: id)
    case .probe(let path): probe(path, at: peer)
    case .sinkOpened(let sink, let request, let output): openSink(sink, request, output, at: peer)
    case .sinkClosed(let sink):
      peer.trace.add(11)
      peer.sinks[sink]?.isClosed = true
    case .deliver(let sink, let delivery): deliver(delivery, to: sink, at: peer)
    case .answer(let token, let answer): answered(token, answer, at: peer)
    case .event(let event): happened(event, at: peer)
    }
  }

  // MARK: - The network

  private func sendDatagram(_ datagram: GossipDatagram, from peer: ScaledPeer, to node: NodeID) {
    let bytes = datagram.estimatedBytes
    peer.trace.add(1)
    peer.trace.add(bytes)
    counts.datagrams += 1
    counts.datagramBytes += UInt64(bytes)
    guard let to = world.numbers[node] else { return }
    peer.trace.add(to)
    let weather = world.scenario.weather
    // The lots are drawn in any case, so that one setting of the weather changes nothing but itself.
    let (lot, twice, held) = (peer.lots.fraction(), peer.lots.fraction(), peer.lots.fraction())
    let way = delay(from: peer, to: to)
    let left = departure(of: bytes, from: peer, isDatagram: true)
    guard lot >= weather.loss, world.isUp(to, at: now) else { return }
    let late = held < weather.reordering ? Duration.nanoseconds(Int64(weather.jitter * 1e7)) : .zero
    let arrival = left + way + late
    let happening = Happening.gossip(datagram, from: Int32(peer.number))
    post(happening, from: peer, to: to, at: arrival)
    if twice < weather.duplication { post(happening, from: peer, to: to, at: arrival + .milliseconds(3)) }
  }

  private func delay(from peer: ScaledPeer, to other: Int) -> Duration {
    let spread = Int64(peer.lots.fraction() * world.scenario.weather.jitter * 1e6)
    return .nanoseconds(world.map.delay(peer.number, other) + spread)
  }

  /// When the last of so many bytes has left the machine. A datagram waits for no more than a router's queue, 100 ms.
  private func departure(of bytes: Int, from peer: ScaledPeer, isDatagram: Bool) -> Instant {
    let rate = world.scenario.nodes[peer.number].up
    guard rate > 0 else { return now }
    peer.upFree = max(now, peer.upFree) + .nanoseconds(Int64(bytes) * 8_000_000_000 / rate)
    return isDatagram ? min(peer.upFree, now + .milliseconds(100)) : peer.upFree
  }

  private func sendLink(
    _ happening: Happening, _ bytes: Int, from peer: ScaledPeer, to node: NodeID, _ purpose: LinkPurpose
  ) {
    peer.trace.add(2)
    peer.trace.add(bytes)
    counts.linkMessages += 1
    counts.linkBytes += UInt64(bytes)
    guard let to = world.numbers[node] else { return }
    peer.trace.add(to)
    let way = delay(from: peer, to: to)
    guard world.isUp(to, at: now) else { return push(.input(.linkDown(node)), to: peer, after: way * 2) }
    // A link keeps order.
    let lane = to * 2 + (purpose == .media ? 1 : 0)
    let left = departure(of: bytes, from: peer, isDatagram: false)
    let arrival = max(peer.lanes[lane] ?? .zero, left + way)
    peer.lanes[lane] = arrival
    post(happening, from: peer, to: to, at: arrival)
  }

  // MARK: - The machine

  func start(_ peer: ScaledPeer) {
    peer.isUp = true
    tell(peer, .join(contacts(of: peer)))
    tell(peer, .calibrated(decode: 200, encode: 60, filter: 400))
    push(.second, to: peer, after: .seconds(1))
  }

  /// Two machines that are up; of the first to start nobody is.
  private func contacts(of peer: ScaledPeer) -> [Contact] {
    var found: [Contact] = []
    func add(_ other: Int) {
      let contact = world.contacts[other]
      guard other != peer.number, world.starts[other] < now, !found.contains(contact) else { return }
      found.append(contact)
    }
    for _ in 0..<16 where found.count < 2 { add(peer.lots.index(below: world.peers.count)) }
    if found.isEmpty, peer.number > 0 { add(0) }
    return found
  }

  func lookAtMachine(_ peer: ScaledPeer) {
    // The kernel's view of a machine whose load is its workers': a core each while they run.
    let ticks = UInt64(max(0, peer.clock.monotonic(now).nanoseconds / 10_000_000))
    let busy = UInt64(min(Double(peer.workers.count) * 0.1, 0.9) * 100)
    var sample = Shard.idle
    sample.allTicks = ticks
    sample.busyTicks = ticks * busy / 100
    tell(peer, .sample(sample))
    followFailures(at: peer)
    // An idle machine has nothing new to say.
    let isIdle = peer.workers.isEmpty && peer.asks.isEmpty && sample.busyTicks == 0
    push(.second, to: peer, after: .seconds(isIdle ? 5 : 1))
  }

  private static let idle = MachineSample(
    stat: "", processes: [], pressure: "some avg10=0.00 total=0\n", network: "")

  private func beginWrite(_ peer: ScaledPeer) {
    counts.writes += 1
    // A disk is not a clock: each write takes up to half as long again.
    let base = peer.diskDelay.nanoseconds
    let took = base + Int64(peer.lots.fraction() * Double(base) / 2)
    push(.written, to: peer, after: .nanoseconds(max(1_000, took)))
  }

  func written(_ peer: ScaledPeer) {
    let (done, goesOn) = peer.disk.finish()
    if goesOn { beginWrite(peer) }
    for write in done { tell(peer, .persisted(write.token)) }
  }

  private func wake(_ id: WorkerID, at peer: ScaledPeer) {
    guard let worker = peer.workers[id], !worker.isAwake, worker.canGoOn else { return }
    peer.workers[id]!.isAwake = true
    push(.step(id), to: peer, after: worker.pause)
  }

  func step(_ id: WorkerID, at peer: ScaledPeer) {
    guard peer.workers[id] != nil else { return }
    peer.workers[id]!.isAwake = false
    for report in peer.workers[id]!.step() { tell(peer, .worker(id, report)) }
    wake(id, at: peer)
  }

  private func probe(_ path: String, at peer: ScaledPeer) {
    peer.trace.add(9)
    let found = world.scenario.sources.firstIndex { $0.node == peer.number && $0.path == path }
    let answer: Result<SourceDescription, WorkerFault> =
      found.map { .success(SimulatedMedia.description(of: world.scenario.sources[$0], number: $0)) }
      ?? .failure(WorkerFault(kind: "source_missing", stage: nil, message: "no such file"))
    push(.input(.probed(path: path, answer)), to: peer, after: .milliseconds(5))
  }
}
