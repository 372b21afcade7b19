import Base
import Identity
import Vocabulary

/// One subscriber of an output socket.
struct Subscriber: Sendable {
  let peer: NodeID
  let id: SubscriptionID
  /// The next position to send; nil: the stream's first.
  var next: Position?
  /// Everything below is acknowledged; nil: nothing yet of a stream taken from its first position.
  var acknowledgedBelow: Position?
  /// Payload bytes that may have been sent.
  var credit: UInt64
  var sent: UInt64 = 0
  var packets: UInt64 = 0
  /// The format last announced to it.
  var format: Int?
  let since: Instant
  var lastSent: Instant
  var lastHeard: Instant
  /// It was told the end.
  var hasEnd = false
}

/// The mark of a subscriber that went without having finished: its replacement will want to begin about there.
struct Departed: Sendable {
  let peer: NodeID
  let id: SubscriptionID
  let acknowledgedBelow: Position?
  var until: Instant
}

// The output socket: who may begin where, who gets what, and what is acknowledged upstream when all have acknowledged.
extension Group {
  // MARK: On an authorised subscriber

  /// Serves a subscriber, or says why not. The first of a standby makes it start.
  mutating func serve(
    _ wish: StreamMessage.Subscribe, of peer: NodeID, as id: SubscriptionID, at now: Instant, _ out: inout Outbox
  ) {
    if case .failed(let fault) = state { return refuse(.failed(fault.message), of: id, to: peer, &out) }
    guard subscribers.count < Limits.subscribers else { return refuse(.full, of: id, to: peer, &out) }
    guard place(wish, at: now, &out) else { return refuse(.notHeld(first: window.first), of: id, to: peer, &out) }
    // One that comes back still has what it had not acknowledged: its mark comes back with it.
    let left = departed.filter { $0.peer == peer }.map(\.acknowledgedBelow)
    departed.removeAll { $0.peer == peer }
    for number in departed.indices { departed[number].until = min(departed[number].until, now + Limits.replacedGrace) }
    let next: Position?
    let mark: Position?
    switch wish.from {
    case .beginning: (next, mark) = (window.first, window.first)
    case .latestKey:
      next = window.lastKey ?? window.first
      mark = next
    case .position(let position):
      // What it has is not what became of it: how far that is acknowledged it says itself, as soon as it is let in.
      (next, mark) = (position, acknowledgedBelow.map { min($0, position) })
    }
    subscribers.append(
      Subscriber(
        peer: peer, id: id, next: next,
        acknowledgedBelow: left.reduce(mark) { mark, other in
          mark.flatMap { mark in other.map { min(mark, $0) } }
        }, credit: wish.credit, since: now,
        lastSent: now, lastHeard: now))
    out.remember(id, of: peer, on: key)
    out.send(.accepted, of: id, to: peer)
    out.wake(at: now + Limits.beatInterval)
    pump(subscribers.count - 1, at: now, &out)
    settle(at: now, &out)
  }

  /// Who was let in and is turned away here is no consumer: an orphan would wait for it for ever.
  private func refuse(
    _ refusal: StreamMessage.Refusal, of id: SubscriptionID, to peer: NodeID, _ out: inout Outbox
  ) {
    out.send(.refused(refusal), of: id, to: peer)
    if subscribers.isEmpty, departed.isEmpty { out.report(.unconsumed(key)) }
  }

  /// Whether the group can begin where a subscriber wants to; it takes another seat for it where that harms nobody.
  private mutating func place(_ wish: StreamMessage.Subscribe, at now: Instant, _ out: inout Outbox) -> Bool {
    var seat = Seat.beginning
    if case .position(let position) = wish.from {
      seat = Seat(position: position, origins: plan.spec.understood(wish.origins))
    }
    let startsOver = seat.origins.isEmpty && seat.position.map { $0 > Position(0) } ?? false
    let isAllowed = !startsOver || wish.mayStartOver
    if case .armed = state {
      // Another upstream may hold the position: see ``StreamMessage/Subscribe/mayStartOver``.
      guard isAllowed else { return false }
      take(seat: seat, at: now, &out)
      out.report(.activated(key, at: seat.position))
      return true
    }
    if holds(wish.from) {
      // Nobody is served yet, and this one stands far ahead: what lies between would be made for no one.
      if isAhead(wish), subscribers.isEmpty, departed.isEmpty { take(seat: seat, at: now, &out) }
      return true
    }
    // Two subscribers of a dead node never stand at quite the same position: the one further back may come second.
    guard isAllowed, subscribers.isEmpty || now - seatedAt <= Limits.reseatTime else { return false }
    let began = seatedAt
    let hadSubscribers = !subscribers.isEmpty
    take(seat: seat, at: now, &out)
    if hadSubscribers { seatedAt = began }
    return true
  }

  /// Whether the window holds a position, or will.
  private func holds(_ start: StartPoint) -> Bool {
    switch start {
    case .beginning: return window.holdsBeginning
    case .latestKey: return true
    case .position(let position):
      if case .ended = state, let seat = seat.position, position > seat { return false }
      if let first = window.first { return position >= first }
      return window.holdsBeginning || seat.position.map { position >= $0 } ?? true
    }
  }

  private func isAhead(_ wish: StreamMessage.Subscribe) -> Bool {
    guard case .position(let position) = wish.from, !plan.spec.understood(wish.origins).isEmpty else { return false }
    return seat.position.map { position > $0 } ?? true
  }

  // MARK: Sending

  /// Sends a subscriber what it may have.
  mutating func pump(_ number: Int, at now: Instant, _ out: inout Outbox) {
    guard !subscribers[number].hasEnd else { return }
    let (id, peer) = (subscribers[number].id, subscribers[number].peer)
    var offset = window.offset(of: subscribers[number].next)
    let limit = window.offset(of: subscribers[number].acknowledgedBelow) + Limits.packetsAhead
    while offset < window.count, offset < limit, subscribers[number].sent < subscribers[number].credit {
      let entry = window[offset]
      announce(entry.format, to: number, &out)
      out.send(.packet(entry.packet), of: id, to: peer)
      subscribers[number].next = entry.packet.position.next
      subscribers[number].sent += UInt64(entry.packet.payload.count)
      subscribers[number].packets += 1
      subscribers[number].lastSent = now
      offset += 1
    }
    guard offset == window.count else { return }
    // A decoder that knows the format early is ready when the first packet comes.
    if let format = window.formatNumber { announce(format, to: number, &out) }
    if case .ended = state {
      // The seat is the position after the last, also where this group itself made none.
      let last = seat.position.flatMap { $0.index == 0 ? nil : Position(epoch: $0.epoch, $0.index - 1) }
      out.send(.end(after: last), of: id, to: peer)
      subscribers[number].hasEnd = true
    }
  }

  private mutating func announce(_ format: Int, to number: Int, _ out: inout Outbox) {
    guard subscribers[number].format != format, let preamble = window.format(format) else { return }
    out.send(.preamble(preamble), of: subscribers[number].id, to: subscribers[number].peer)
    subscribers[number].format = format
  }

  /// Has everything and may have more.
  func isStarving(_ subscriber: Subscriber) -> Bool {
    guard subscriber.sent < subscriber.credit else { return false }
    let offset = window.offset(of: subscriber.next)
    return offset == window.count && offset - window.offset(of: subscriber.acknowledgedBelow) < Limits.packetsAhead
  }

  // MARK: On a subscriber's word

  mutating func onCredit(_ upTo: UInt64, of peer: NodeID, _ id: SubscriptionID, at now: Instant, _ out: inout Outbox) {
    guard let number = heard(from: peer, id, at: now), upTo > subscribers[number].credit else { return }
    subscribers[number].credit = upTo
    pump(number, at: now, &out)
    grantWorker(&out)
  }

  mutating func onAcknowledge(
    below position: Position, of peer: NodeID, _ id: SubscriptionID, at now: Instant, _ out: inout Outbox
  ) {
    // Nobody can have used what was not sent.
    guard let number = heard(from: peer, id, at: now), let next = subscribers[number].next else { return }
    let mark = min(position, next)
    if let before = subscribers[number].acknowledgedBelow, mark <= before { return }
    subscribers[number].acknowledgedBelow = mark
    pump(number, at: now, &out)
    settle(at: now, &out)
  }

  mutating func onUnsubscribe(
    finished: Bool, of peer: NodeID, _ id: SubscriptionID, at now: Instant, _ out: inout Outbox
  ) {
    guard let number = index(of: peer, id) else { return }
    let subscriber = subscribers.remove(at: number)
    out.forget(id, of: peer)
    if finished {
      isServed = isServed || subscriber.hasEnd
    } else {
      depart(subscriber, isAlive: true, at: now, &out)
    }
    settle(at: now, &out)
    if !finishIfServed(&out) { restIfUnconsumed(&out) }
  }

  /// The link to a node closed: its subscriptions are over, their marks stay a while.
  mutating func onLinkClosed(_ peer: NodeID, at now: Instant, _ out: inout Outbox) {
    for subscriber in subscribers where subscriber.peer == peer {
      out.forget(subscriber.id, of: peer)
      depart(subscriber, isAlive: false, at: now, &out)
    }
    subscribers.removeAll { $0.peer == peer }
  }

  /// A subscriber spoke; which one.
  @discardableResult
  mutating func heard(from peer: NodeID, _ id: SubscriptionID, at now: Instant) -> Int? {
    guard let number = index(of: peer, id) else { return nil }
    subscribers[number].lastHeard = now
    return number
  }

  private func index(of peer: NodeID, _ id: SubscriptionID) -> Int? {
    subscribers.firstIndex { $0.id == id && $0.peer == peer }
  }

  // MARK: The departed

  /// `isAlive`: it said so itself, and will be back at once if at all.
  private mutating func depart(_ subscriber: Subscriber, isAlive: Bool, at now: Instant, _ out: inout Outbox) {
    let isReplaced = isAlive || subscribers.contains { $0.since >= subscriber.lastHeard }
    let until = now + (isReplaced ? Limits.replacedGrace : Limits.departedGrace)
    departed.append(
      Departed(peer: subscriber.peer, id: subscriber.id, acknowledgedBelow: subscriber.acknowledgedBelow, until: until))
    if departed.count > Limits.subscribers { departed.removeFirst() }
    out.wake(at: until)
  }

  /// One thought lost says that it has gone elsewhere: it needs nothing here any more.
  mutating func onUnsubscribeDeparted(of peer: NodeID, _ id: SubscriptionID, at now: Instant, _ out: inout Outbox) {
    for number in departed.indices where departed[number].peer == peer && departed[number].id == id {
      departed[number].until = min(departed[number].until, now + Limits.replacedGrace)
      out.wake(at: departed[number].until)
    }
  }

  /// Those who have not spoken for a while have departed. `forgiven`: this node itself was stopped just now.
  mutating func dismissSilent(at now: Instant, forgiven: Bool, _ out: inout Outbox) {
    for number in subscribers.indices.reversed() {
      if forgiven {
        let heard = now - Limits.subscriberSilence + Limits.beatInterval
        subscribers[number].lastHeard = max(subscribers[number].lastHeard, heard)
      }
      guard subscribers[number].lastHeard + Limits.subscriberSilence <= now else {
        out.wake(at: subscribers[number].lastHeard + Limits.subscriberSilence)
        continue
      }
      let subscriber = subscribers.remove(at: number)
      // It may live and be slow: then it asks anew at once instead of waiting for who has forgotten it.
      out.dismiss(subscriber.id, of: subscriber.peer, .closed)
      depart(subscriber, isAlive: false, at: now, &out)
    }
  }

  mutating func expireDeparted(at now: Instant, _ out: inout Outbox) {
    guard !departed.isEmpty else { return }
    departed.removeAll { $0.until <= now }
    for mark in departed { out.wake(at: mark.until) }
    settle(at: now, &out)
    if !finishIfServed(&out) { restIfUnconsumed(&out) }
  }

  /// Without subscribers a group that still runs stands by again: what it holds of its inputs would hold them for others.
  private mutating func restIfUnconsumed(_ out: inout Outbox) {
    guard subscribers.isEmpty, departed.isEmpty else { return }
    switch state {
    case .running, .paused: rest(&out)
    case .armed, .ended, .failed: break
    }
    out.report(.unconsumed(key))
  }

  // MARK: Acknowledging

  /// Below this, no subscriber needs anything: the least of all marks; nil while one has acknowledged nothing.
  var pin: Position? {
    guard !subscribers.isEmpty || !departed.isEmpty else { return acknowledgedBelow }
    var least: Position?
    for mark in subscribers.lazy.map(\.acknowledgedBelow) {
      guard let mark else { return nil }
      least = least.map { min($0, mark) } ?? mark
    }
    for mark in departed.lazy.map(\.acknowledgedBelow) {
      guard let mark else { return nil }
      least = least.map { min($0, mark) } ?? mark
    }
    return least
  }

  /// After marks or the window moved: acknowledges upstream what no later output needs, lets go of what nobody needs,
  /// cuts who lags too far, and gives the worker the room that results.
  mutating func settle(at now: Instant, _ out: inout Outbox) {
    if subscribers.count > 1 || !departed.isEmpty, window.isFull(from: pin) { cutLaggards(&out) }
    if let pin {
      if acknowledgedBelow.map({ pin > $0 }) ?? true { acknowledgedBelow = pin }
      acknowledgeUpstream(&out)
      window.trim(acknowledgedBelow: pin)
    }
    grantWorker(&out)
    unpauseIfRoom(at: now, &out)
  }

  /// End to end: an input position is acknowledged only once all output that needs it is.
  private mutating func acknowledgeUpstream(_ out: inout Outbox) {
    guard !inlets.isEmpty, let acknowledgedBelow, let packet = window.newest(below: acknowledgedBelow),
      rewiredAt.map({ packet.position >= $0 }) ?? true
    else { return }
    for origin in packet.origins where inlets.indices.contains(Int(origin.input)) {
      inlets[Int(origin.input)].acknowledge(below: origin.position, &out)
    }
  }

  /// Who holds the whole window while another is well ahead goes; the departed too.
  private mutating func cutLaggards(_ out: inout Outbox) {
    let half = window.bytes(from: pin) / 2
    guard subscribers.contains(where: { window.bytes(from: $0.acknowledgedBelow) <= half }) else { return }
    departed.removeAll { window.isFull(from: $0.acknowledgedBelow) }
    for subscriber in subscribers where window.isFull(from: subscriber.acknowledgedBelow) { cut(subscriber, &out) }
  }

  /// A window upstream may fill before this one. So who has not moved for some time also goes when another, further on,
  /// has everything and waits in vain.
  mutating func cutStuck(at now: Instant, _ out: inout Outbox) {
    guard subscribers.count > 1, let made = window.madeAt, now - made >= Limits.stallTime else { return }
    let marks = subscribers.filter(isStarving).map { window.offset(of: $0.acknowledgedBelow) }
    guard let best = marks.max() else { return }
    for subscriber in subscribers {
      let mark = window.offset(of: subscriber.acknowledgedBelow)
      if mark < best, now - window[mark].madeAt >= Limits.stuckTime { cut(subscriber, &out) }
    }
    settle(at: now, &out)
  }

  private mutating func cut(_ subscriber: Subscriber, _ out: inout Outbox) {
    subscribers.removeAll { $0.id == subscriber.id && $0.peer == subscriber.peer }
    out.dismiss(subscriber.id, of: subscriber.peer, .lagging)
    out.report(.cut(key, subscriber: subscriber.peer))
  }

  /// All is made, and everyone has acknowledged all of it: the inputs have done their duty too.
  @discardableResult
  mutating func finishIfServed(_ out: inout Outbox) -> Bool {
    guard case .ended = state, isServed, subscribers.isEmpty, departed.isEmpty else { return false }
    isServed = false
    acknowledgedBelow = seat.position
    window.trim(acknowledgedBelow: acknowledgedBelow)
    for number in inlets.indices { inlets[number].leave(finished: true, &out) }
    out.report(.finished(key))
    return true
  }
}
