import Base
import Identity
import Vocabulary

/// The media side of one node: its groups with their input and output sockets, and its deliveries to clients.
///
/// A stream flows from group to group through *subscriptions*. The subscriber says what it wants and from where
/// (`subscribe`), the publisher sends packets as far as the subscriber's *credit* goes, and the subscriber *acknowledges*,
/// not what it has received, but what it will never need again. That is the whole of the promise that no failure of one
/// node or worker loses or doubles a position:
///
/// - Every packet says, in its *origins*, which positions of its group's inputs anything after it still needs. When all
///   subscribers have acknowledged packet n, the group acknowledges upstream what lies below n's origins, no more. So what
///   any later output needs is still held by the upstream nodes, back to the source (``Group``, ``ReplayWindow``).
/// - A subscriber whose publisher falls silent turns to the next upstream by itself (``Inlet``): it asks for the position
///   it expects next and shows the last packet's origins. A standby needs no more to start right there: it subscribes to
///   its own inputs at those origins, warms up, and discards what was made before.
/// - A worker that dies is replaced in the same way, by its own node, at the position after its last output.
/// - Duplicates are dropped by their position, a skipped position is trouble, and what a former subscription or worker
///   still says is recognised by its number and ignored.
///
/// Back-pressure runs the same way backwards: a client that does not read leaves its sink unconfirmed, which withholds
/// credit, which fills the window upstream, which withholds the worker's credit, which leaves its inputs unconsumed; and
/// so on to the reader of the file. Every queue on the way is bounded by a number in `Limits+Streams.swift`.
///
/// A subscription of the node to itself takes the same path, save that its messages never leave the table.
public struct StreamTable: Sendable {
  /// Whose table this is.
  public let node: NodeID
  var groups: OrderedDictionary<StreamKey, Group> = [:]
  var sinks: OrderedDictionary<SinkID, Sink> = [:]
  var reception = Reception()
  var out: Outbox

  /// A fault planted by a test of the tests: see `Outbox`. False everywhere else.
  package var acknowledgesOnReceipt: Bool {
    get { out.acknowledgesOnReceipt }
    set { out.acknowledgesOnReceipt = newValue }
  }

  /// An empty table.
  public init(node: NodeID) {
    self.node = node
    out = Outbox(node: node)
  }

  // MARK: What checkers look at

  /// Neither groups nor sinks.
  package var isEmpty: Bool { groups.isEmpty && sinks.isEmpty }
  /// Bytes that the fullest output socket holds.
  package var largestWindow: Int { groups.values.map(\.window.bytes).max() ?? 0 }

  /// Packets in the output socket that holds most.
  package var longestWindow: Int { groups.values.map(\.window.count).max() ?? 0 }
  /// Subscribers of the stream that has most.
  package var largestAudience: Int { groups.values.map(\.subscribers.count).max() ?? 0 }
  /// Subscriptions that wait to be served.
  package var parked: Int { reception.count }
  /// Deliveries to clients.
  package var deliveries: Int { sinks.count }
  /// Packets that the slowest sink's clients have not written.
  package var unwritten: Int { sinks.values.map(\.waiting).max() ?? 0 }

  /// Tells the table what happened; returns what is to be done, in order.
  public mutating func handle(_ input: StreamInput, at now: Instant) -> [StreamEffect] {
    on(input, at: now)
    while let message = out.toSelf.popFirst() { onMessage(message, from: node, at: now) }
    return out.take()
  }

  private mutating func on(_ input: StreamInput, at now: Instant) {
    switch input {
    case .open(let plan, let activation): onOpen(plan, activation, at: now)
    case .close(let key): onClose(key)
    case .openSink(let id, let plan, let from): onOpenSink(id, plan, from: from, at: now)
    case .replaceSinkUpstreams(let id, let list): sinks[id]?.inlet.replace(upstreams: list, at: now, &out)
    case .closeSink(let id): onCloseSink(id)
    case .delivered(let id, let position): sinks[id]?.onDelivered(through: position, &out)
    case .authorized(let token): onAuthorized(token, at: now)
    case .unauthorized(let token, let reason): onUnauthorized(token, reason)
    case .message(let message, let peer): onMessage(message, from: peer, at: now)
    case .garbage(let peer): onTrouble(with: peer, .garbage, at: now)
    case .linkClosed(let peer): onLinkClosed(peer, at: now)
    case .worker(let id, let report): onWorker(id, report, at: now)
    case .workerDied(let id, let reason): onWorkerDied(id, reason, at: now)
    case .timer(.pulse): onPulse(at: now)
    }
  }

  // MARK: On a plan

  private mutating func onOpen(_ plan: GroupPlan, _ activation: Activation, at now: Instant) {
    let key = plan.spec.output
    if groups[key] != nil {
      groups[key]?.reopen(plan, activation, at: now, &out)
    } else {
      guard groups.count < Limits.groups else {
        let fault = WorkerFault(kind: "full", stage: nil, message: "this node has \(groups.count) groups already")
        return out.report(.failed(key, fault))
      }
      groups[key] = Group(plan: plan)
      groups[key]?.open(activation, at: now, &out)
    }
    reception.onGroup(key, &out)
  }

  private mutating func onClose(_ key: StreamKey) {
    groups[key]?.close(&out)
    groups[key] = nil
  }

  // MARK: On a delivery

  private mutating func onOpenSink(_ id: SinkID, _ plan: InputPlan, from start: StartPoint, at now: Instant) {
    guard sinks[id] == nil, sinks.count < Limits.sinks else { return }
    sinks[id] = Sink(id: id, plan: plan)
    sinks[id]?.inlet.begin(from: start, at: now, &out)
  }

  private mutating func onCloseSink(_ id: SinkID) {
    sinks[id]?.inlet.leave(finished: false, &out)
    sinks[id] = nil
  }

  // MARK: On a subscription

  private mutating func onSubscribe(
    _ wish: StreamMessage.Subscribe, from peer: NodeID, _ id: SubscriptionID, at now: Instant
  ) {
    if let key = out.key(of: id, of: peer) {
      groups[key]?.onUnsubscribe(finished: false, of: peer, id, at: now, &out)
    }
    reception.receive(wish, from: peer, id, isKnown: groups[wish.key] != nil, at: now, &out)
  }

  private mutating func onAuthorized(_ token: AuthorizationToken, at now: Instant) {
    guard let guest = reception.answered(token) else { return }
    guard groups[guest.wish.key] != nil else { return out.send(.refused(.closed), of: guest.id, to: guest.peer) }
    groups[guest.wish.key]?.serve(guest.wish, of: guest.peer, as: guest.id, at: now, &out)
  }

  private mutating func onUnauthorized(_ token: AuthorizationToken, _ reason: String) {
    guard let guest = reception.answered(token) else { return }
    out.send(.refused(.unauthorized(reason)), of: guest.id, to: guest.peer)
  }

  // MARK: On a message

  private mutating func onMessage(_ message: StreamMessage, from peer: NodeID, at now: Instant) {
    let id = message.subscription
    switch message.body {
    case .subscribe(let wish):
      onSubscribe(wish, from: peer, id, at: now)
    case .credit(let upTo):
      guard let key = out.key(of: id, of: peer) else { return reception.onCredit(upTo, of: peer, id) }
      groups[key]?.onCredit(upTo, of: peer, id, at: now, &out)
    case .acknowledge(let position):
      guard let key = out.key(of: id, of: peer) else { return }
      groups[key]?.onAcknowledge(below: position, of: peer, id, at: now, &out)
    case .unsubscribe(let finished):
      guard let key = out.key(of: id, of: peer) else {
        for key in groups.keys { groups[key]?.onUnsubscribeDeparted(of: peer, id, at: now, &out) }
        return reception.leave(peer, id)
      }
      groups[key]?.onUnsubscribe(finished: finished, of: peer, id, at: now, &out)
    case .alive:
      guard let key = out.key(of: id, of: peer) else { return }
      groups[key]?.heard(from: peer, id, at: now)
    case .accepted, .refused, .preamble, .packet, .beat, .end:
      onPublished(message, from: peer, at: now)
    }
  }

  /// What a publisher says goes to the input socket that holds the subscription, and from there to its consumer.
  private mutating func onPublished(_ message: StreamMessage, from peer: NodeID, at now: Instant) {
    switch out.consumers[message.subscription] {
    case .group(let key, let input):
      guard let arrival = groups[key]?.inlets[input].onMessage(message, from: peer, at: now, &out) else { return }
      groups[key]?.pass(arrival, from: input, &out)
    case .sink(let id):
      if case .packet = message.body, sinks[id]?.isFlooded ?? false {
        sinks[id]?.inlet.onTrouble(with: peer, .garbage, at: now, &out)
        return
      }
      guard let arrival = sinks[id]?.inlet.onMessage(message, from: peer, at: now, &out) else { return }
      sinks[id]?.pass(arrival, &out)
    case nil: return
    }
  }

  // MARK: On trouble with a node

  private mutating func onTrouble(with peer: NodeID, _ trouble: Trouble, at now: Instant) {
    for key in groups.keys {
      for input in groups[key]?.inlets.indices ?? 0..<0 {
        groups[key]?.inlets[input].onTrouble(with: peer, trouble, at: now, &out)
      }
    }
    for id in sinks.keys { sinks[id]?.inlet.onTrouble(with: peer, trouble, at: now, &out) }
  }

  private mutating func onLinkClosed(_ peer: NodeID, at now: Instant) {
    reception.leave(peer)
    for key in groups.keys { groups[key]?.onLinkClosed(peer, at: now, &out) }
    onTrouble(with: peer, .linkClosed, at: now)
  }

  // MARK: On a worker

  private mutating func onWorker(_ id: WorkerID, _ report: WorkerReport, at now: Instant) {
    guard let key = out.workers[id] else { return }
    groups[key]?.onWorker(id, report, at: now, &out)
  }

  private mutating func onWorkerDied(_ id: WorkerID, _ reason: String, at now: Instant) {
    guard let key = out.workers[id], groups[key]?.state == .running(id) else { return }
    groups[key]?.onWorkerGone(reason, at: now, &out)
  }

  // MARK: On the pulse

  private mutating func onPulse(at now: Instant) {
    let forgiven = out.pulsed(at: now) > Limits.beatInterval
    reception.onPulse(at: now, &out)
    for key in groups.keys { groups[key]?.onPulse(at: now, forgiven: forgiven, &out) }
    for id in sinks.keys { sinks[id]?.inlet.onPulse(at: now, forgiven: forgiven, &out) }
  }
}
