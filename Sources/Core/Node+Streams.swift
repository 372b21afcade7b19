import Assignments
import Base
import Composition
import Desks
import Identity
import Sessions
import Streams
import Vocabulary
import Wire

// The service node's side: what managers assign becomes groups and sinks, what streams meet becomes reports.

extension Node {
  // MARK: - On the desk's wishes

  /// What the desk wished earlier of the same stream or sink may still wait for the disk, and comes first: a group that is given up while
  /// its opening waits would be opened after all, and one that is taken up again while its end waits would end.
  mutating func perform(_ effects: [DeskEffect]) {
    for effect in effects {
      // A write begins at once: what waits for it waits for all earlier ones.
      let subjects = if case .persist = effect { Set<DeskEffect.Subject>() } else { effect.subjects }
      let last = subjects.isEmpty ? nil : waiting.keys.last { waiting[$0]!.contains { $0.concerns(subjects) } }
      if let last { postpone(.desk([effect]), until: last) } else { carryOut([effect]) }
    }
  }

  /// At once, in this order.
  mutating func carryOut(_ effects: [DeskEffect]) {
    for effect in effects {
      switch effect {
      case .openGroup(let order), .updateGroup(let order):
        learnAddresses(order.inputs)
        let plan = GroupPlan(spec: order.spec, inputs: order.inputs.map { inputPlan($0, showing: order.authorization) })
        stream(.open(plan, order.isArmed ? .armed : .now))
      case .closeGroup(let key): stream(.close(key))
      case .openSink(let order):
        learnAddresses([order.input])
        let id = sinks.open(order.id)
        let start: StartPoint = .beginning
        // First of all, since a stream that is served here may deliver at once.
        effectsOut.append(.sinkOpened(id, order.id.request, output: order.id.output))
        stream(.openSink(id, inputPlan(order.input, showing: order.authorization), from: start))
        onSinkOpened(order.id)
      case .updateSink(let order):
        learnAddresses([order.input])
        if let id = sinks[order.id] {
          stream(.replaceSinkUpstreams(id, inputPlan(order.input, showing: order.authorization).upstreams))
        }
      case .closeSink(let delivery):
        if let id = sinks.close(delivery) {
          stream(.closeSink(id))
          effectsOut.append(.sinkClosed(id))
        }
      case .send(let message, let node): send(.with { $0.session = message.wire }, to: node)
      case .persist(let fences, let rest): persist(fences.map(Record.init), then: .desk(rest))
      case .setTimer(.sweep, let at): effectsOut.append(.setTimer(.desk, at: at))
      case .promised(let promised): onPromised(promised)
      case .refused(let request, let error, let sender):
        event(
          "assignment.refused", request, "refused what \(sender.short)… asked: \(error)",
          [.init("error", error.code), .init("from", "\(sender)")])
        if case .electorateImplausible = error, let request { explainImplausible(request, to: sender) }
      }
    }
  }

  /// Streams of which the desk's wishes wait for the disk.
  package var streamsAwaited: Set<StreamKey> {
    Set(
      waiting.values.joined().flatMap { rest -> [StreamKey] in
        guard case .desk(let effects) = rest else { return [] }
        return effects.flatMap(\.subjects).compactMap { if case .stream(let key) = $0 { key } else { nil } }
      })
  }

  private func inputPlan(_ input: InputAssignment, showing authorization: [UInt8]) -> InputPlan {
    InputPlan(key: input.stream, upstreams: input.upstreams.map { Upstream(node: $0.node, assignment: authorization) })
  }

  private mutating func learnAddresses(_ inputs: [InputAssignment]) {
    for provider in inputs.flatMap(\.upstreams) { addresses.learn(provider.node, provider.address) }
  }

  // MARK: - On the streams' wishes

  mutating func stream(_ input: StreamInput) {
    for effect in streams.handle(input, at: now) {
      switch effect {
      case .send(let message, let node): send(.with { $0.stream = message.wire }, to: node, .media)
      case .authorize(let token, let subscriber, let key, let assignment):
        switch desk.authorize(subscriber: subscriber, stream: key, showing: assignment, at: now, in: deskContext) {
        case .success: stream(.authorized(token))
        case .failure(let error):
          event(
            "subscription.refused", nil, "refused \(subscriber.short)… stream \(key.short)…: \(error)",
            [.init("error", "\(error)")])
          stream(.unauthorized(token, "\(error)"))
        }
      case .startWorker(let worker, let job): startWorker(worker, job)
      case .toWorker(let worker, let command):
        if !sources.holds(command, to: worker) { effectsOut.append(.toWorker(worker, command)) }
      case .stopWorker(let worker):
        sources.forget(worker)
        effectsOut.append(.stopWorker(worker))
      case .deliver(let sink, let delivery): effectsOut.append(.deliver(sink, delivery))
      case .report(let report): onStreamReport(report)
      case .setTimer(.pulse, let at): effectsOut.append(.setTimer(.streams, at: at))
      }
    }
  }

  private mutating func onStreamReport(_ report: StreamReport) {
    func user(_ consumer: Consumer) -> LocalUser? {
      switch consumer {
      case .group(let key, _): .group(key)
      case .sink(let id): sinks.delivery(id).map { .delivery($0) }
      }
    }
    switch report {
    case .activated(let key, let at):
      event(
        "standby.activated", nil, "took over stream \(key.short)… from position \(at.map { "\($0)" } ?? "0")",
        [.init("stream", "\(key)")])
    case .producing(let key, let from):
      event("group.producing", nil, "stream \(key.short)… runs from position \(from)", [.init("stream", "\(key)")])
    case .switched(let consumer, let key, let from, let to, let trouble, let at):
      event(
        "socket.switched", nil, "stream \(key.short)…: \(from.short)… \(trouble), now \(to.short)…",
        [
          .init("stream", "\(key)"), .init("from", "\(from)"), .init("to", "\(to)"), .init("because", "\(trouble)"),
          .init("position", at.map { "\($0)" } ?? ""),
        ])
      if let user = user(consumer) { tellDesk(.switched(user, stream: key, to: to)) }
    case .resumed(_, let key, let from, let at, let gap):
      event(
        "socket.resumed", nil,
        "stream \(key.short)… goes on from \(from.short)… at \(at) after \(Int(gap.milliseconds)) ms",
        [.init("stream", "\(key)"), .init("gap_ms", "\(gap.milliseconds)")])
    case .exhausted(let consumer, let key, let trouble):
      event("socket.starved", nil, "stream \(key.short)… is not to be had: \(trouble)", [.init("stream", "\(key)")])
      if let user = user(consumer) { tellDesk(.starved(user, stream: key)) }
    case .workerRestarted(let key, let because, let restarts):
      event(
        "worker.restarted", nil, "stream \(key.short)…: \(because); started again",
        [.init("stream", "\(key)"), .init("restarts", "\(restarts)")])
    case .failed(let key, let fault):
      event(
        "group.failed", nil, "stream \(key.short)…: \(fault)", [.init("stream", "\(key)"), .init("kind", fault.kind)])
      tellDesk(.failed(key, kind: fault.kind, detail: fault.message, lasting: true))
    case .damaged(let key, let fault):
      event(
        "group.damaged", nil, "stream \(key.short)…: \(fault)", [.init("stream", "\(key)"), .init("kind", fault.kind)])
    case .cut(let key, let subscriber):
      event(
        "socket.cut", nil, "\(subscriber.short)… lagged too far behind on stream \(key.short)…",
        [.init("stream", "\(key)")])
    case .unconsumed(let key): tellDesk(.unconsumed(key))
    case .finished(let key): tellDesk(.ended(.group(key)))
    case .delivered(let id):
      guard let delivery = sinks.delivery(id) else { break }
      onSinkDelivered(delivery)
      tellDesk(.ended(.delivery(delivery)))
    }
  }

  mutating func tellDesk(_ input: DeskInput) { perform(desk.handle(input, at: now, in: deskContext)) }

  // MARK: - Counting

  /// How all sockets stand, for the managers' next renewal.
  mutating func countSockets() {
    for group in streams.groups(at: now) {
      let owner = StreamUser.group(group.key)
      var counters = group.inputs.map { counter(of: $0, owner) }
      for subscriber in group.output.subscribers {
        counters.append(
          StreamCounters(
            owner: owner, stream: group.key, isIncoming: false, peer: subscriber.peer,
            address: addresses[subscriber.peer],
            format: group.output.format.map(formatText) ?? "", bytes: subscriber.bytes, packets: subscriber.packets,
            first: group.output.first?.index, last: subscriber.next.map { $0.index &- 1 },
            acknowledged: below(subscriber.acknowledgedBelow)))
      }
      tell(counters, of: .group(group.key))
    }
    for sink in streams.sinks(at: now) {
      guard let delivery = sinks.delivery(sink.id) else { continue }
      tell([counter(of: sink.input, .delivery(delivery.output))], of: .delivery(delivery))
    }
    meter.forgetUnread(at: now)
  }

  private mutating func tell(_ counters: [StreamCounters], of user: LocalUser) {
    var counters = counters
    for index in counters.indices { counters[index].bitsPerSecond = meter.rate(of: counters[index], user, at: now) }
    tellDesk(.counters(user, counters))
  }

  private func counter(of input: InputSnapshot, _ owner: StreamUser) -> StreamCounters {
    StreamCounters(
      owner: owner, stream: input.key, isIncoming: true, peer: input.peer, address: addresses[input.peer],
      format: input.format.map(formatText) ?? "",
      bytes: input.bytes, packets: input.packets, first: input.first?.index, last: input.last?.index,
      acknowledged: below(input.acknowledgedBelow),
      switches: UInt32(clamping: input.switches))
  }

  private func below(_ position: Position?) -> UInt64? { position.flatMap { $0.index == 0 ? nil : $0.index - 1 } }

  private func formatText(_ format: MediaFormat) -> String {
    switch format.kind {
    case .video: "\(format.codec) \(format.width)x\(format.height)" + (format.frameRate.map { " \($0)/s" } ?? "")
    case .audio: "\(format.codec) \(format.sampleRate) Hz \(format.channels == 1 ? "mono" : "stereo")"
    case .text: format.codec
    case .muxed: format.codec + " (" + format.tracks.map(\.codec).joined(separator: ", ") + ")"
    }
  }
}

extension Node.Continuation {
  fileprivate func concerns(_ subjects: Set<DeskEffect.Subject>) -> Bool {
    guard case .desk(let effects) = self else { return false }
    return effects.contains { !$0.subjects.isDisjoint(with: subjects) }
  }
}

/// The sinks that are open here: by output of a request, and by the number that Streams knows them by.
struct SinkBook: Sendable {
  private var byDelivery: OrderedDictionary<DeliveryID, SinkID> = [:]
  private var next: UInt64 = 0

  subscript(delivery: DeliveryID) -> SinkID? { byDelivery[delivery] }
  var count: Int { byDelivery.count }
  func delivery(_ id: SinkID) -> DeliveryID? { byDelivery.first { $0.value == id }?.key }
  var requests: OrderedSet<RequestID> { OrderedSet(byDelivery.keys.map(\.request)) }
  func outputs(of request: RequestID) -> [String] { byDelivery.keys.filter { $0.request == request }.map(\.output) }

  mutating func open(_ delivery: DeliveryID) -> SinkID {
    next += 1
    let id = SinkID(next)
    byDelivery[delivery] = id
    return id
  }
  mutating func close(_ delivery: DeliveryID) -> SinkID? { byDelivery.removeValue(forKey: delivery) }
}

/// Where nodes listen: what membership says, and what assignments say of nodes that membership has not met.
struct AddressBook: Sendable {
  private var known: OrderedDictionary<NodeID, PeerAddress> = [:]

  subscript(node: NodeID) -> PeerAddress? { known[node] }
  var count: Int { known.count }
  mutating func learn(_ node: NodeID, _ address: PeerAddress) {
    if known[node] == nil, known.count >= Limits.members { known.removeFirst() }
    known[node] = address
  }
}
