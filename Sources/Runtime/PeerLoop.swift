import Base
import Composition
import Core
import Identity
import Logging
import Measurements
import NIOCore
import Portal
import Store
import Streams
import Transport
import Vocabulary
import Wire

/// Runs a `Node` on the world: sockets, workers, disk and clock become its inputs, its effects are carried out. Everything here
/// happens on one event loop; the portal's tasks come over to it.
final class PeerLoop: @unchecked Sendable {
  let loop: any EventLoop
  let keys: KeyPair
  let configuration: NodeConfiguration
  let logger: Logger
  let journal: EventJournal
  private(set) var node: Node
  private var random: SeededRandom
  let database: PeerDatabase
  let share: SourceShare
  private var datagrams: DatagramSocket!
  private var links: LinkPool!
  var pool: WorkerPool!
  private var timers: [Core.Timer: Scheduled<Void>] = [:]
  private var recordSequence: UInt64
  var workers: [WorkerID: RunningWorker] = [:]
  private(set) var hubs: [SinkID: DeliveryHub] = [:]
  private(set) var hubsByOutput: [HubName: SinkID] = [:]
  private var questions: [ClientToken: EventLoopPromise<ClientAnswer>] = [:]
  private var nextQuestion: UInt64 = 0
  private var present: [SinkID: Bool] = [:]
  private(set) var counters = LoopCounters()
  private var isStopping = false
  let began: Instant

  struct HubName: Hashable {
    let request: RequestID
    let output: String
  }
  struct LoopCounters {
    var refusedMessages = 0
    var events: [String: UInt64] = [:]
  }
  final class RunningWorker {
    let channel: WorkerChannel
    init(_ channel: WorkerChannel) { self.channel = channel }
  }

  init(
    loop: any EventLoop, keys: KeyPair, configuration: NodeConfiguration, database: PeerDatabase, share: SourceShare,
    settings: NodeSettings, journal: EventJournal, logger: Logger
  ) {
    self.loop = loop
    self.keys = keys
    self.configuration = configuration
    self.database = database
    self.share = share
    self.journal = journal
    self.logger = logger
    began = PeerLoop.now
    recordSequence = UInt64(max(0, wallMilliseconds())) << 16
    random = SeededRandom(seed: UInt64(bitPattern: monotonicNanoseconds()) ^ keys.id.key.prefix64)
    let records = database.contents.records.map {
      Record(kind: $0.kind, key: $0.key, bytes: $0.bytes, keepUntil: $0.keepUntil)
    }
    // What a restored store says of promises may be old: as if it were lost, a new generation begins.
    var memory = Memory(records: records)
    if database.contents.generation.reason != nil {
      let stale = memory.forgetPromises()
      database.append(stale.map { .remove(kind: $0.kind, request: PeerLoop.anyRequest, key: $0.key) })
    }
    node = Node(keys: keys, settings: settings, memory: memory, now: PeerLoop.now, wall: PeerLoop.wall)
  }

  static var now: Instant { Instant(nanoseconds: monotonicNanoseconds()) }
  static var wall: WallTime { WallTime(milliseconds: wallMilliseconds()) }

  // MARK: - Beginning and end

  /// Binds the sockets and starts the first workers. Fails with what the operator must mend.
  func start(workerPath: String) -> EventLoopFuture<Void> {
    let incarnation = UInt64(max(0, wallMilliseconds()))
    pool = WorkerPool(path: workerPath, ahead: configuration.prestarted, on: loop)
    return DatagramSocket.bind(
      configuration.listen, keys: keys, incarnation: incarnation, overlay: configuration.overlay, on: loop
    ) { [unowned self] event in onDatagram(event) }
    .flatMap { [self] socket -> EventLoopFuture<LinkPool> in
      datagrams = socket
      return LinkPool.listen(
        socket.address, keys: keys, incarnation: incarnation, overlay: configuration.overlay, on: loop
      ) { [unowned self] event in onLink(event) }
    }.flatMapThrowing { [self] pool in
      links = pool
      try self.pool.start()
      let contacts =
        configuration.join.map { Contact(node: $0.node, address: $0.address) }
        + database.contents.peers.map { Contact(node: $0.node, address: $0.address) }
      take(.join(contacts))
      calibrate()
      sample()
    }
  }

  /// Leaves in good order and ends all workers.
  func stop() -> EventLoopFuture<Void> {
    take(.leave)
    isStopping = true
    for timer in timers.values { timer.cancel() }
    return loop.flatScheduleTask(in: .milliseconds(50)) { [self] in
      pool.stop().and(links.stop()).and(datagrams.stop()).map { _ in }
    }.futureResult
  }

  // MARK: - The loop

  /// Hands the node an input and carries out what it wants.
  func take(_ input: Input) {
    loop.assertInEventLoop()
    guard !isStopping else { return }
    carryOut(node.handle(input, at: PeerLoop.now, wall: PeerLoop.wall, using: &random))
  }

  private func carryOut(_ effects: [Effect]) {
    for effect in effects {
      switch effect {
      case .sendDatagram(let datagram, let to, let address):
        datagrams.send(datagram.wire.wireBytes, to: to, at: address)
      case .sendLink(let message, let to, let address, let purpose): sendLink(message, to: to, at: address, purpose)
      case .sendExchange(let exchange, let to, let address): sendLink(exchange.wire, to: to, at: address, .control)
      case .setTimer(let timer, let at): schedule(timer, at: at)
      case .stopTimer(let timer): timers.removeValue(forKey: timer)?.cancel()
      case .persist(let records, let token): persist(records, token)
      case .forget(let names):
        database.append(names.map { .remove(kind: $0.kind, request: PeerLoop.anyRequest, key: $0.key) })
      case .startWorker(let id, let job, let source): startWorker(id, job, source: source)
      case .toWorker(let id, let command): workers[id]?.channel.send(command.wire.wireBytes)
      case .stopWorker(let id): workers.removeValue(forKey: id)?.channel.kill()
      case .deliver(let sink, let delivery): deliver(sink, delivery)
      case .sinkOpened(let sink, let request, let output): openHub(sink, HubName(request: request, output: output))
      case .sinkClosed(let sink): closeHub(sink)
      case .probe(let path): probe(path)
      case .answer(let token, let answer): questions.removeValue(forKey: token)?.succeed(answer)
      case .event(let event): note(event)
      }
    }
  }

  private func schedule(_ timer: Core.Timer, at: Instant) {
    timers[timer]?.cancel()
    let wait = max(.zero, at - PeerLoop.now)
    timers[timer] = loop.scheduleTask(in: .nanoseconds(wait.nanoseconds)) { [unowned self] in
      timers[timer] = nil
      take(.timer(timer))
    }
  }

  private func note(_ event: Event) {
    counters.events[event.kind, default: 0] += 1
    if event.kind == "message.refused" { counters.refusedMessages += 1 }
    journal.append(event, at: PeerLoop.wall)
    logger.debug("\(event.kind): \(event.summary)", metadata: event.service.map { ["service": "\($0.short)"] })
    if event.kind == "member.alive",
      let node = event.details.first(where: { $0.name == "node" }).flatMap({ NodeID($0.value) }),
      let member = self.node.member(node)
    {
      database.append([.know(KnownPeer(node: node, address: member.address, seen: PeerLoop.wall))])
    }
  }

  // MARK: - Disk

  private static let anyRequest = RequestID(.zero)

  private func persist(_ records: [Record], _ token: PersistToken) {
    let changes = records.map { record -> StoreChange in
      recordSequence += 1
      return .put(
        StoredRecord(
          kind: record.name.kind, request: PeerLoop.anyRequest, key: record.name.key, sequence: recordSequence,
          bytes: record.bytes, keepUntil: record.keepUntil))
    }
    database.append(changes) { [weak self] result in
      guard let self else { return }
      switch result {
      case .success: take(.persisted(token))
      case .failure(let error): logger.error("the disk refused a promise, which is therefore not made: \(error)")
      }
    }
  }

  // MARK: - Network

  private func onDatagram(_ event: DatagramEvent) {
    switch event {
    case .received(let from, let address, let bytes):
      do {
        take(.datagram(try WireDatagramMessage(parsing: bytes), from: from, at: address))
      } catch { counters.refusedMessages += 1 }
    case .otherVersion(let node, let theirs):
      logger.warning("\(node.short)… speaks version \(theirs) of the protocol")
    }
  }

  private func sendLink(
    _ message: WireLinkMessage, to node: NodeID, at address: PeerAddress?, _ purpose: Core.LinkPurpose
  ) {
    let bytes = message.wireBytes
    guard (1...Limits.linkMessageBytes).contains(bytes.count),
      links.send(bytes, to: node, at: address, purpose: purpose == .media ? .media : .control)
    else {
      return loop.execute { [weak self] in self?.take(.linkDown(node)) }
    }
  }

  private func onLink(_ event: LinkEvent) {
    switch event {
    case .up(let info):
      datagrams.learn(
        info.name.node, incarnation: info.incarnation, at: self.node.member(info.name.node)?.address ?? info.remote)
      take(.linkUp(info.name.node))
    case .received(let from, let purpose, let bytes):
      do {
        let message = try WireLinkMessage(parsing: bytes)
        if case .session(let session) = message.body, case .reserve = session.body { pool.expect() }
        take(.link(message, from: from))
      } catch {
        counters.refusedMessages += 1
        links.close(LinkName(from, purpose), reason: .garbage("\(error)"))
      }
    case .drained: break
    case .down(let node, _, let failure, _):
      logger.debug("link to \(node.short)… is down: \(failure)")
      switch failure {
      case .idle, .replaced, .duplicate: break
      default: take(.linkDown(node))
      }
    case .turnedAway(let node, let address, let failure):
      note(
        Event(
          "link.refused", nil,
          "turned away \(node.map { $0.short + "…" } ?? "a stranger") at \(address.map { "\($0)" } ?? "?"): \(failure)")
      )
    }
  }

  var datagramCounters: DatagramCounters { datagrams.counters }
  var workerCount: Int { pool.busyCount }
  var strangersTurnedAway: Int { links.turnedAway }

  // MARK: - The machine

  private func sample() {
    let processes = [ProcessPath.own] + workers.values.map { ProcessPath.of($0.channel.pid) }
    let sample = MachineSample(
      stat: MachineReader.text("/proc/stat") ?? "", processes: processes.compactMap { MachineReader.text($0) },
      pressure: MachineReader.text("/proc/pressure/cpu"), network: MachineReader.text("/proc/self/net/dev") ?? "")
    take(.sample(sample))
    take(
      .traffic(
        node.peers.map { peer in
          let traffic = links.traffic(with: peer)
          return PeerTraffic(node: peer, sent: UInt64(traffic.bytesSent), received: UInt64(traffic.bytesReceived))
        }))
    // While nothing runs here, looking less often keeps an idle peer cheap.
    loop.scheduleTask(in: workers.isEmpty && hubs.isEmpty ? .seconds(2) : .milliseconds(500)) { [weak self] in
      self?.sample()
    }
  }

  private enum ProcessPath {
    static let own = "/proc/self/stat"
    static func of(_ pid: Int32) -> String { "/proc/\(pid)/stat" }
  }

  // MARK: - Deliveries

  private func openHub(_ sink: SinkID, _ name: HubName) {
    let hub = DeliveryHub(loop: loop) { [weak self] position in self?.take(.delivered(sink, through: position)) }
    hub.onPresence = { [weak self] present in self?.take(.clients(sink, present: present)) }
    hubs[sink] = hub
    hubsByOutput[name] = sink
  }

  private func closeHub(_ sink: SinkID) {
    settleHub(sink, until: PeerLoop.now + PeerLoop.wordOfTheEnd)
    // Clients that still read get the rest; the table forgets the hub a little later.
    loop.scheduleTask(in: .seconds(30)) { [weak self] in
      self?.hubs[sink] = nil
      self?.hubsByOutput = self?.hubsByOutput.filter { $0.value != sink } ?? [:]
    }
  }

  /// A sink that was closed before its stream's end: its node releases it before the portal hears whether the service ended or failed.
  /// A body that lacks media is cut, and never closed as if it were whole.
  private func settleHub(_ sink: SinkID, until deadline: Instant) {
    guard let hub = hubs[sink], !hub.ended, let name = hubsByOutput.first(where: { $0.value == sink })?.key
    else { return }
    let known = node.state(of: name.request)
    switch known?.state {
    case "ended": hub.end()
    case "failed": hub.fail(Problem(failed: known?.problem ?? ""))
    default:
      guard PeerLoop.now < deadline else {
        return hub.fail(Problem(failed: "it was released before its end, and its manager has not said why"))
      }
      loop.scheduleTask(in: .milliseconds(50)) { [weak self] in self?.settleHub(sink, until: deadline) }
    }
  }

  /// How long a client that has read everything waits to hear whether that was all.
  private static let wordOfTheEnd = Duration.seconds(10)

  private func deliver(_ sink: SinkID, _ delivery: Streams.Delivery) {
    guard let hub = hubs[sink] else { return }
    switch delivery {
    case .format(let format): hub.begin(format)
    case .packet(let packet):
      let first = hub.firstChunk == nil
      hub.append(packet, at: PeerLoop.now)
      if first, let name = hubsByOutput.first(where: { $0.value == sink })?.key {
        note(
          Event(
            "media.first", name.request, "the first media of \(name.output) is here", [.init("output", name.output)]))
      }
    case .end: hub.end()
    }
  }

  // MARK: - Clients

  /// Asks the node on a client's behalf.
  func ask(_ question: ClientQuestion) -> EventLoopFuture<ClientAnswer> {
    nextQuestion += 1
    let token = ClientToken(nextQuestion)
    let promise = loop.makePromise(of: ClientAnswer.self)
    questions[token] = promise
    take(.client(token, question))
    return promise.futureResult
  }
}
