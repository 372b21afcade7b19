import Base
import Identity
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

/// A small overlay on a virtual clock: each peer has a desk and a director; electors are a list of claims; streams are
/// subscriptions that either stand or do not. Messages take a millisecond, or what a seed says.
struct Yard {
  struct Peer {
    let keys: KeyPair
    var desk: Desk
    var director = ServiceDirector()
    /// Groups and sinks as the shell would run them: for each input the upstream in use.
    var groups: OrderedDictionary<StreamKey, (order: GroupOrder, isActive: Bool, from: [StreamKey: NodeID])> = [:]
    var sinks: OrderedDictionary<DeliveryID, (order: SinkOrder, from: NodeID?)> = [:]
    var isAlive = true
    var workersStarted = 0
  }

  enum Event {
    case message(SessionMessage, from: NodeID, to: NodeID)
    case deskTimer(NodeID)
    case managerTimer(NodeID, RequestID, ManagerTimer)
    case recorded(NodeID, RequestID, UInt32, [StreamClaim])
    case nodeLost(NodeID)
  }

  var now = Instant.zero
  var random: SeededRandom
  var peers: OrderedDictionary<NodeID, Peer> = [:]
  var queue: [(at: Instant, number: Int, event: Event)] = []
  var timers: [String: Instant] = [:]
  var count = 0
  /// What electors hold, in the order in which it came.
  var claims: [StreamClaim] = []
  var records: [RequestID: [UInt8]] = [:]
  var finals: Set<RequestID> = []
  var trace: [String] = []
  var phases: [RequestID: [ServicePhase]] = [:]
  var refusals: [AssignmentError] = []
  var failedSubscriptions: [AuthorizationError] = []
  var fences: [NodeID: [Fence]] = [:]
  /// Of messages that are lost, and by how much they are reordered.
  var loss = 0.0
  var jitter = 0.0
  var wall = WallTime(milliseconds: 1_000_000)
  var planner = ChainPlanner()

  init(peers names: Int = 6, seed: UInt64 = 1, slots: Int = 8, cores: Double = 8) {
    random = SeededRandom(seed: seed)
    for index in 0..<names {
      let keys = KeyPair(seed: Bytes32([UInt8](repeating: UInt8(index + 1), count: 32))!)
      peers[keys.id] = Peer(
        keys: keys,
        desk: Desk(
          node: keys.id,
          capacity: Capacity(slots: slots, cores: cores, memory: 1 << 33, up: 100_000_000, down: 100_000_000)))
    }
    planner.nodes = Array(peers.keys)
  }

  func node(_ index: Int) -> NodeID { peers.keys[index] }
  func name(_ node: NodeID) -> String { peers.index(forKey: node).map { "n\($0)" } ?? "n?" }

  // MARK: Context

  func deskContext() -> DeskContext {
    DeskContext(
      wall: wall, verifyMandate: { bytes, request, term in TestMandate.verify(bytes, request, term) },
      checkStages: { stages in
        for stage in stages where stage.component == "video.unknown" { return .failure(.notOffered(stage.component)) }
        for stage in stages {
          if case .integer(let width)? = stage["width"], width > 4_096 {
            return .failure(.outOfRange("\(stage.component).width: \(width) where 16 to 4096 is allowed"))
          }
        }
        return .success(())
      })
  }

  func managerContext(_ node: NodeID) -> ManagerContext {
    let planner = planner
    let known = Set(peers.filter { $0.value.isAlive }.keys)
    let indices = Dictionary(uniqueKeysWithValues: peers.keys.enumerated().map { ($1, $0) })
    return ManagerContext(
      wall: wall, keys: peers[node]!.keys,
      address: { node in indices[node].map { PeerAddress(host: "10.0.0.\($0 + 1)", port: 7_400) } },
      plan: { planner.plan($0, known: known) }, seat: { planner.seat($0, known: known) })
  }

  // MARK: Driving

  mutating func elect(
    _ index: Int, for order: ServiceOrder, term: UInt32 = 1, snapshot: [UInt8]? = nil, isProved: Bool = false
  ) {
    let node = node(index)
    let bytes = TestMandate.bytes(manager: node, request: order.request, term: Term(term))
    let mandate = HeldMandate(term: Term(term), digest: TestMandate.digest(bytes), bytes: bytes, isProved: isProved)
    let effects = peers[node]!.director.elected(order, mandate, snapshot: snapshot, at: now, in: managerContext(node))
    carryOut(effects ?? [], of: order.request, at: node)
  }

  mutating func end(_ request: RequestID, at index: Int) { manage(.endRequested, request, at: node(index)) }

  mutating func manage(_ input: ManagerInput, _ request: RequestID, at node: NodeID) {
    let effects = peers[node]!.director.handle(input, of: request, at: now, in: managerContext(node))
    carryOut(effects, of: request, at: node)
  }

  mutating func tell(_ input: DeskInput, at node: NodeID) {
    let effects = peers[node]!.desk.handle(input, at: now, in: deskContext())
    carryOut(effects, at: node)
  }

  /// Lets time pass, event by event; `check` after each.
  mutating func run(for duration: Duration, check: (Yard) -> Void = { _ in }) {
    let end = now + duration
    while let next = queue.indices.min(by: { (queue[$0].at, queue[$0].number) < (queue[$1].at, queue[$1].number) }),
      queue[next].at <= end
    {
      let (at, _, event) = queue.remove(at: next)
      wall = wall + (at - now)
      now = at
      happen(event)
      check(self)
    }
    wall = wall + (end - now)
    now = end
  }

  private mutating func schedule(_ event: Event, at instant: Instant) {
    count += 1
    queue.append((instant, count, event))
  }

  private mutating func happen(_ event: Event) {
    switch event {
    case .message(let message, let sender, let receiver):
      guard peers[receiver]!.isAlive else { return }
      // Through the wire and back: what cannot be said cannot be done.
      let heard = try! SessionMessage(validating: message.wire)
      if heard.isForDesk {
        tell(.message(heard, from: sender), at: receiver)
      } else {
        let (request, effects) = peers[receiver]!.director.handle(
          heard, from: sender, at: now, in: managerContext(receiver))
        carryOut(effects, of: request, at: receiver)
      }
    case .deskTimer(let node):
      guard peers[node]!.isAlive, timers["desk \(node)"].map({ $0 <= now }) ?? false else { return }
      timers["desk \(node)"] = nil
      tell(.timer(.sweep), at: node)
    case .managerTimer(let node, let request, let timer):
      let name = "\(node) \(request) \(timer)"
      guard peers[node]!.isAlive, timers[name] == now else { return }
      timers[name] = nil
      manage(.timer(timer), request, at: node)
    case .recorded(let node, let request, let version, let earlier):
      guard peers[node]!.isAlive else { return }
      manage(.recorded(version: version, earlier: earlier), request, at: node)
    case .nodeLost(let node):
      for index in peers.keys.indices where peers.values[index].isAlive {
        let peer = peers.keys[index]
        let effects = peers[peer]!.director.nodeLost(node, at: now, in: managerContext(peer))
        for (request, effects) in effects { carryOut(effects, of: request, at: peer) }
      }
    }
  }

  private mutating func send(_ message: SessionMessage, from sender: NodeID, to receiver: NodeID) {
    trace.append("\(name(sender)) → \(name(receiver))  \(describe(message))")
    if sender != receiver, loss > 0, random.fraction() < loss { return }
    let delay = sender == receiver ? .zero : Duration.milliseconds(1) + .fromSeconds(jitter * random.fraction())
    schedule(.message(message, from: sender, to: receiver), at: now + delay)
  }

  // MARK: Effects

  private mutating func carryOut(_ effects: [ManagerEffect], of request: RequestID, at node: NodeID) {
    for effect in effects {
      switch effect {
      case .record(let version, let content, let claims, let isFinal):
        trace.append("\(name(node)) records version \(version)\(isFinal ? ", final" : "")")
        records[request] = content
        let earlier = self.claims.filter { claim in
          claim.request != request && claims.contains { $0.stream == claim.stream }
        }
        self.claims.removeAll { $0.request == request }
        self.claims += claims
        if isFinal { finals.insert(request) }
        schedule(.recorded(node, request, version, earlier), at: now + .milliseconds(2))
      case .send(let message, let receiver): send(message, from: node, to: receiver)
      case .setTimer(let timer, let at):
        timers["\(node) \(request) \(timer)"] = at
        schedule(.managerTimer(node, request, timer), at: at)
      case .entered(let phase, let reason):
        phases[request, default: []].append(phase)
        trace.append("\(name(node)) is \(phase.rawValue)\(reason.isEmpty ? "" : " (\(reason))")")
      case .planned: break
      case .deposed(let term):
        trace.append("\(name(node)) is deposed by term \(term)")
        peers[node]!.director.forget(request)
      case .finished: trace.append("\(name(node)) has finished")
      }
    }
  }

  private mutating func carryOut(_ effects: [DeskEffect], at node: NodeID) {
    defer { if effects.contains(where: { if case .openGroup = $0 { true } else { false } }) { reconnect() } }
    for effect in effects {
      switch effect {
      case .openGroup(let order):
        trace.append("\(name(node)) opens \(planner.name(order.spec.output))\(order.isArmed ? " armed" : "")")
        let known = peers[node]!.groups[order.spec.output]
        peers[node]!.groups[order.spec.output] = (order, known?.isActive ?? false, known?.from ?? [:])
        if !order.isArmed { activate(order.spec.output, at: node) }
      case .updateGroup(let order):
        trace.append("\(name(node)) updates \(planner.name(order.spec.output))")
        guard peers[node]!.groups[order.spec.output] != nil else { continue }
        peers[node]!.groups[order.spec.output]!.order = order
        if peers[node]!.groups[order.spec.output]!.isActive { connect(order.spec.output, at: node) }
      case .closeGroup(let stream):
        trace.append("\(name(node)) closes \(planner.name(stream))")
        let closed = peers[node]!.groups.removeValue(forKey: stream)
        for (input, upstream) in (closed?.from ?? [:]).sorted(by: { $0.key < $1.key }) { leave(input, of: upstream) }
      case .openSink(let order):
        trace.append("\(name(node)) opens sink \(order.id.output)")
        peers[node]!.sinks[order.id] = (order, nil)
        connect(order.id, at: node)
      case .updateSink(let order):
        trace.append("\(name(node)) updates sink \(order.id.output)")
        peers[node]!.sinks[order.id]?.order = order
        connect(order.id, at: node)
      case .closeSink(let id):
        trace.append("\(name(node)) closes sink \(id.output)")
        if let upstream = peers[node]!.sinks.removeValue(forKey: id), let from = upstream.from {
          leave(upstream.order.input.stream, of: from)
        }
      case .send(let message, let receiver): send(message, from: node, to: receiver)
      case .persist(let records, let then):
        fences[node, default: []] += records
        carryOut(then, at: node)
      case .setTimer(_, let at):
        timers["desk \(node)"] = at
        schedule(.deskTimer(node), at: at)
      case .promised: break
      case .refused(_, let error, _): refusals.append(error)
      }
    }
  }

  // MARK: Streams, as far as Sessions needs them

  private mutating func activate(_ stream: StreamKey, at node: NodeID) {
    guard peers[node]!.groups[stream]?.isActive == false else { return }
    peers[node]!.groups[stream]!.isActive = true
    peers[node]!.workersStarted += 1
    connect(stream, at: node)
  }

  private mutating func connect(_ stream: StreamKey, at node: NodeID) {
    for input in peers[node]!.groups[stream]!.order.inputs {
      let known = peers[node]!.groups[stream]!.from[input.stream]
      let authorization = peers[node]!.groups[stream]!.order.authorization
      let found = follow(input, from: known, at: node, showing: authorization, as: .group(stream))
      peers[node]?.groups[stream]?.from[input.stream] = found
    }
  }

  private mutating func connect(_ id: DeliveryID, at node: NodeID) {
    guard let sink = peers[node]!.sinks[id] else { return }
    let found = follow(
      sink.order.input, from: sink.from, at: node, showing: sink.order.authorization, as: .delivery(id))
    peers[node]?.sinks[id]?.from = found
  }

  /// The upstream that an input uses: the one in use while it is on the list and lives, else the first that lets it in.
  private mutating func follow(
    _ input: InputAssignment, from known: NodeID?, at node: NodeID, showing authorization: [UInt8], as user: LocalUser
  ) -> NodeID? {
    if let known, input.upstreams.contains(where: { $0.node == known }), peers[known]!.isAlive,
      peers[known]!.groups[input.stream]?.isActive == true
    {
      return known
    }
    for upstream in input.upstreams where peers[upstream.node]!.isAlive {
      let answer = peers[upstream.node]!.desk.authorize(
        subscriber: node, stream: input.stream, showing: authorization, at: now, in: deskContext())
      guard case .success = answer else {
        if case .failure(let error) = answer { failedSubscriptions.append(error) }
        continue
      }
      activate(input.stream, at: upstream.node)
      if known != nil, known != upstream.node {
        leave(input.stream, of: known!)
        trace.append("\(name(node)) switches \(planner.name(input.stream)) to \(name(upstream.node))")
        tell(.switched(user, stream: input.stream, to: upstream.node), at: node)
      }
      return upstream.node
    }
    // A real subscriber keeps trying; this one tries again whenever a group opens.
    return known
  }

  private mutating func leave(_ stream: StreamKey, of node: NodeID) {
    guard peers[node]!.isAlive, peers[node]!.groups[stream] != nil else { return }
    let hasSubscriber = peers.values.contains { peer in
      peer.isAlive
        && (peer.groups.values.contains { $0.from[stream] == node }
          || peer.sinks.values.contains { $0.order.input.stream == stream && $0.from == node })
    }
    if !hasSubscriber { tell(.unconsumed(stream), at: node) }
  }

  /// Subscribers whose upstream does not serve try again, as real ones do all the time.
  mutating func reconnect() {
    for node in peers.keys where peers[node]!.isAlive {
      for stream in peers[node]!.groups.keys where peers[node]!.groups[stream]?.isActive == true {
        connect(stream, at: node)
      }
      for id in peers[node]!.sinks.keys { connect(id, at: node) }
    }
  }

  /// Kills a peer: its links close at once, and membership notices after `detection`.
  mutating func kill(_ index: Int, detection: Duration = .seconds(2)) {
    let dead = node(index)
    peers[dead]!.isAlive = false
    trace.append("\(name(dead)) dies")
    reconnect()
    schedule(.nodeLost(dead), at: now + detection)
  }

  /// Starts a peer again, which remembers nothing but its fences; membership sees it at once.
  mutating func restart(_ index: Int) {
    let (node, known) = (node(index), peers[node(index)]!)
    peers[node] = Peer(
      keys: known.keys, desk: Desk(node: node, capacity: known.desk.capacity, restoring: fences[node] ?? []))
    trace.append("\(name(node)) is back")
    for (peer, other) in peers where other.isAlive {
      for request in other.director.services.keys { manage(.nodeFound(node), request, at: peer) }
    }
  }

  // MARK: Asking

  func manager(of request: RequestID) -> Manager? {
    peers.values.filter(\.isAlive).compactMap { $0.director.services[request] }.max {
      $0.mandate.term < $1.mandate.term
    }
  }

  /// Whether every sink's chain stands, from the source on, on nodes that live.
  var isStreaming: Bool {
    peers.values.filter(\.isAlive).allSatisfy { peer in
      peer.sinks.values.allSatisfy { sink in sink.from.map { stands(sink.order.input.stream, at: $0) } ?? false }
    }
  }

  private func stands(_ stream: StreamKey, at node: NodeID) -> Bool {
    guard peers[node]!.isAlive, let group = peers[node]!.groups[stream], group.isActive else { return false }
    return group.order.spec.inputs.allSatisfy { input in group.from[input].map { stands(input, at: $0) } ?? false }
  }

  /// Nodes that serve a stream, armed ones included.
  func servers(of stream: StreamKey) -> [NodeID] {
    peers.filter { $0.value.isAlive && $0.value.groups[stream] != nil }.map(\.key)
  }
}

extension Yard: CustomStringConvertible {
  var description: String { "Yard" }
}
