import Base
import Identity
import Vocabulary

/// An input socket: one stream, taken from the first of several upstreams that serves it.
///
/// It gives credit as its consumer uses up what came, drops what it has had before, acknowledges what its owner tells it
/// to, and turns to the next upstream by itself when the present one is silent, refuses or talks nonsense: at the next
/// position it expects, with the origins of the last packet it got, so that a standby can start right there. No manager
/// and no failure detector lies on this path.
struct Inlet: Sendable {
  let consumer: Consumer
  let key: StreamKey
  private(set) var upstreams: [Upstream]
  private var current = 0
  private var state = State.idle

  /// Where to begin while nothing has come.
  private var start = StartPoint.beginning
  /// The next position; nil before the first packet of a stream that is taken from its beginning or latest key.
  private(set) var expected: Position?
  /// Origins of the positions that may be asked for again, oldest first: from the one below the acknowledged mark on.
  private var trail = Ring<(position: Position, origins: [Origin])>()
  private var acknowledgedBelow: Position?
  /// When something was last sent to the publisher.
  private var spoke = Instant.zero

  // Of the present subscription.
  private var format: MediaFormat?
  private var received: UInt64 = 0
  private var granted: UInt64 = 0
  /// Payload bytes that the consumer has and has not used up.
  private(set) var queued = 0

  /// Attempts since a subscription last held.
  private var attempts = 0
  private var troubleSince: Instant?
  private var isExhausted = false
  /// Silences lately: each doubles what counts as the next, or on a machine without time for anything two live upstreams
  /// would be left for each other for ever.
  private var alarms = 0

  // For people.
  private var lastFormat: MediaFormat?
  private var bytes: UInt64 = 0
  private var packets: UInt64 = 0
  private var duplicates: UInt64 = 0
  private var first: Position?
  private var switches = 0
  private var rate = RateMeter()

  enum State: Sendable {
    /// Not wanted: no worker. Can become: asking.
    case idle
    /// All upstreams were tried; the next attempt comes then. Can become: asking, idle.
    case waiting(until: Instant)
    /// Subscribed, not yet answered. Can become: flowing, waiting, asking (elsewhere), idle.
    case asking(SubscriptionID, since: Instant)
    /// Accepted; `heard` is when the publisher last spoke. Can become: ended, waiting, asking (elsewhere), idle.
    case flowing(SubscriptionID, since: Instant, heard: Instant)
    /// Everything came; the subscription stays until all of it is acknowledged. Can become: idle, asking (a new worker).
    case ended(SubscriptionID)
  }

  /// What the owner passes on.
  enum Arrival {
    case format(MediaFormat)
    case packet(Packet)
    case end
  }

  init(consumer: Consumer, plan: InputPlan) {
    self.consumer = consumer
    key = plan.key
    upstreams = Array(plan.upstreams.prefix(Limits.upstreams))
  }

  // MARK: On the owner's wishes

  /// Begins there, whatever went before: the consumer is new and has nothing. Of what lies before it says nothing: who takes over a stage begins
  /// where the next one is, which may hold what no client has written yet.
  mutating func begin(from point: StartPoint, at now: Instant, _ out: inout Outbox) {
    leave(finished: false, &out)
    start = point
    expected = if case .position(let position) = point { position } else { nil }
    while let last = trail.last, expected.map({ last.position >= $0 }) ?? true { trail.popLast() }
    acknowledgedBelow = nil
    queued = 0
    lastFormat = nil
    attempts = 0
    subscribe(at: now, &out)
  }

  /// Ends the subscription. `finished`: everything was delivered and acknowledged to the end.
  mutating func leave(finished: Bool, _ out: inout Outbox) {
    if let id = subscription {
      out.closeSubscription(id)
      out.send(.unsubscribe(finished: finished), of: id, to: peer)
    }
    state = .idle
  }

  /// The consumer has used up this much of what came.
  mutating func onConsumed(_ count: Int, _ out: inout Outbox) {
    queued = max(0, queued - count)
    regrant(&out)
  }

  /// Everything below is acknowledged downstream.
  mutating func acknowledge(below position: Position, _ out: inout Outbox) {
    if let acknowledgedBelow, position <= acknowledgedBelow { return }
    acknowledgedBelow = position
    while trail.count > 1, trail[1].position < position { trail.popFirst() }
    if let id = subscription { out.send(.acknowledge(below: position), of: id, to: peer) }
  }

  /// The manager's new list. An upstream in use that is still on it stays in use.
  mutating func replace(upstreams list: [Upstream], at now: Instant, _ out: inout Outbox) {
    guard !list.isEmpty else { return }
    let old = peer
    let kept = list.prefix(Limits.upstreams).firstIndex { $0.node == old }
    defer { isExhausted = false }
    if let kept, subscription != nil {
      upstreams = Array(list.prefix(Limits.upstreams))
      current = kept
      return
    }
    // Of an ended stream all has come already: nobody need be asked again.
    let goesOn = isWanted && !hasEnded
    if goesOn, subscription != nil {
      switches += 1
      out.report(.switched(consumer, key: key, from: old, to: list[0].node, because: .replaced, at: expected))
    }
    leave(finished: false, &out)
    upstreams = Array(list.prefix(Limits.upstreams))
    current = 0
    attempts = 0
    if goesOn { subscribe(at: now, &out) }
  }

  // MARK: On a message of the publisher

  /// What the owner passes on to its consumer, if anything.
  mutating func onMessage(
    _ message: StreamMessage, from node: NodeID, at now: Instant, _ out: inout Outbox
  ) -> Arrival? {
    guard message.subscription == subscription, node == peer else { return nil }
    if case .flowing(let id, let since, _) = state { state = .flowing(id, since: since, heard: now) }
    switch message.body {
    case .accepted:
      guard case .asking(let id, _) = state else { return nil }
      state = .flowing(id, since: now, heard: now)
      if let acknowledgedBelow {
        out.send(.acknowledge(below: acknowledgedBelow), of: id, to: peer)
      }
      out.wake(at: now + silence)
      return nil
    case .refused(let refusal):
      turn(because: .refused(refusal), at: now, &out)
      return nil
    case .preamble(let format):
      guard isFlowing else { return rejected(at: now, &out) }
      self.format = format
      // A new publisher of the same stream says the same: the consumer need not hear it again.
      defer { lastFormat = format }
      return format == lastFormat ? nil : .format(format)
    case .packet(let packet):
      return onPacket(packet, at: now, &out)
    case .beat:
      return nil
    case .end(let last):
      return onEnd(after: last, at: now, &out)
    case .subscribe, .credit, .acknowledge, .unsubscribe, .alive:
      return rejected(at: now, &out)
    }
  }

  private mutating func onPacket(_ packet: Packet, at now: Instant, _ out: inout Outbox) -> Arrival? {
    received += UInt64(packet.payload.count)
    guard isFlowing, format != nil, received <= granted + UInt64(Limits.linkMessageBytes) else {
      return rejected(at: now, &out)
    }
    if let expected {
      if packet.position < expected {
        duplicates += 1
        regrant(&out)
        return nil
      }
      guard packet.position.continues(expected) else {
        turn(because: .jump(expected: expected, found: packet.position), at: now, &out)
        return nil
      }
    }
    expected = packet.position.next
    trail.append((packet.position, packet.origins))
    if trail.count > Limits.packetsAhead + 1 { trail.popFirst() }
    queued += packet.payload.count
    first = first ?? packet.position
    packets += 1
    bytes += UInt64(packet.payload.count)
    rate.add(packet.payload.count, at: now)
    if let since = troubleSince {
      out.report(.resumed(consumer, key: key, from: peer, at: packet.position, gap: now - since))
      troubleSince = nil
      isExhausted = false
    }
    return .packet(packet)
  }

  private mutating func onEnd(after last: Position?, at now: Instant, _ out: inout Outbox) -> Arrival? {
    guard case .flowing(let id, _, _) = state else { return rejected(at: now, &out) }
    if let last {
      guard let expected else { return rejected(at: now, &out) }
      guard last < expected else {
        turn(because: .jump(expected: expected, found: last.next), at: now, &out)
        return nil
      }
    }
    troubleSince = nil
    isExhausted = false
    state = .ended(id)
    return .end
  }

  private mutating func rejected(at now: Instant, _ out: inout Outbox) -> Arrival? {
    turn(because: .garbage, at: now, &out)
    return nil
  }

  // MARK: On trouble

  /// The link to a node closed, or it sent what could not be read.
  mutating func onTrouble(with node: NodeID, _ trouble: Trouble, at now: Instant, _ out: inout Outbox) {
    guard node == peer else { return }
    switch state {
    case .asking, .flowing: turn(because: trouble, at: now, &out)
    case .ended(let id):
      // All has come already; the publisher need not hear that it was acknowledged.
      out.closeSubscription(id)
      state = .idle
    case .idle, .waiting: return
    }
  }

  /// The pulse. `forgiven`: this node itself was stopped just now, so silence proves nothing yet.
  mutating func onPulse(at now: Instant, forgiven: Bool, _ out: inout Outbox) {
    if forgiven { forgive(at: now) }
    beat(at: now, &out)
    let due: Instant
    switch state {
    case .idle, .ended: return
    case .waiting(let until): due = until
    case .asking(_, let since): due = since + Limits.answerTime
    case .flowing(_, _, let heard): due = heard + silence
    }
    guard due <= now else { return out.wake(at: due) }
    if case .waiting = state { subscribe(at: now, &out) } else { turn(because: .silent, at: now, &out) }
  }

  private mutating func beat(at now: Instant, _ out: inout Outbox) {
    guard let id = subscription else { return }
    if spoke + Limits.beatInterval <= now {
      out.send(.alive, of: id, to: peer)
      spoke = now
    }
    out.wake(at: spoke + Limits.beatInterval)
  }

  /// Leaves time to read what arrived while this node did not run.
  private mutating func forgive(at now: Instant) {
    let heard = now - silence + Limits.beatInterval
    switch state {
    case .flowing(let id, let since, let before): state = .flowing(id, since: since, heard: max(before, heard))
    case .asking(let id, let before):
      state = .asking(id, since: max(before, now - Limits.answerTime + Limits.beatInterval))
    case .idle, .waiting, .ended: return
    }
  }

  /// Leaves the present upstream for the next; after a round in vain, pauses first.
  private mutating func turn(because trouble: Trouble, at now: Instant, _ out: inout Outbox) {
    var heard = now
    if case .flowing(_, let since, let last) = state {
      heard = last
      if now - since >= Limits.answerTime { attempts = 0 }
      if now - since >= Limits.calm { alarms = 0 }
    }
    if trouble == .silent { alarms = min(alarms + 1, Limits.silenceDoublings) }
    troubleSince = troubleSince ?? heard
    leave(finished: false, &out)
    attempts += 1
    let old = peer
    current = (current + 1) % upstreams.count
    if peer != old {
      switches += 1
      out.report(.switched(consumer, key: key, from: old, to: peer, because: trouble, at: expected))
    }
    let rounds = attempts / upstreams.count
    if rounds >= Limits.upstreamCycles, !isExhausted {
      isExhausted = true
      out.report(.exhausted(consumer, key: key, because: trouble))
    }
    guard attempts % upstreams.count == 0 else { return subscribe(at: now, &out) }
    let pause = min(Limits.retryPause * (1 << min(rounds - 1, 10)), Limits.retryPauseMost)
    state = .waiting(until: now + pause)
    out.wake(at: now + pause)
  }

  /// How long the publisher may say nothing.
  private var silence: Duration { Limits.silence * (1 << alarms) }

  // MARK: Subscribing

  private mutating func subscribe(at now: Instant, _ out: inout Outbox) {
    let id = out.openSubscription(for: consumer)
    state = .asking(id, since: now)
    format = nil
    received = 0
    granted = UInt64(max(0, Limits.inputBudget - queued))
    let last = trail.last
    let point = expected.map { StartPoint.position($0) } ?? start
    let subscribe = StreamMessage.Subscribe(
      key: key, from: point, origins: last.flatMap { $0.position.next == expected ? $0.origins : nil } ?? [],
      assignment: upstreams[current].assignment, credit: granted, mayStartOver: attempts >= upstreams.count)
    out.send(.subscribe(subscribe), of: id, to: peer)
    spoke = now
    out.wake(at: now + Limits.beatInterval)
  }

  /// Raises the credit, in steps worth a message.
  private mutating func regrant(_ out: inout Outbox) {
    guard let id = subscription, !hasEnded else { return }
    let upTo = received + UInt64(max(0, Limits.inputBudget - queued))
    let isOut = received >= granted && upTo > granted
    guard isOut || upTo >= granted + UInt64(Limits.inputBudget / 4) else { return }
    granted = upTo
    out.send(.credit(upTo: upTo), of: id, to: peer)
  }

  // MARK: Questions

  /// The upstream in use, or tried next.
  private var peer: NodeID { upstreams[current].node }

  private var subscription: SubscriptionID? {
    switch state {
    case .idle, .waiting: nil
    case .asking(let id, _), .flowing(let id, _, _), .ended(let id): id
    }
  }
  private var isFlowing: Bool { if case .flowing = state { true } else { false } }
  private var hasEnded: Bool { if case .ended = state { true } else { false } }
  private var isWanted: Bool { if case .idle = state { false } else { true } }

  func snapshot(at now: Instant) -> InputSnapshot {
    let name =
      switch state {
      case .idle: "idle"
      case .waiting: "waiting"
      case .asking: "asking"
      case .flowing: "flowing"
      case .ended: "ended"
      }
    return InputSnapshot(
      key: key, peer: peer, state: name, format: lastFormat, bytes: bytes, packets: packets, duplicates: duplicates,
      first: first, last: trail.last?.position, acknowledgedBelow: acknowledgedBelow, switches: switches,
      bitrate: rate.value(at: now))
  }
}
