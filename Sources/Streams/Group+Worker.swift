import Base
import Identity
import Vocabulary

// The group's worker: what it makes goes into the window; its death costs nothing but time.
extension Group {
  // MARK: On a worker's word

  mutating func onWorker(_ id: WorkerID, _ report: WorkerReport, at now: Instant, _ out: inout Outbox) {
    guard state == .running(id) else { return }
    switch report {
    case .format(let format):
      guard window.announce(format) else { return onWorkerGone("changed its format too often", at: now, &out) }
      for number in subscribers.indices { pump(number, at: now, &out) }
    case .packet(let packet):
      onOutput(packet, at: now, &out)
    case .end:
      if let damage { out.report(.damaged(key, damage)) }
      out.closeRun(id)
      state = .ended
      for number in subscribers.indices { pump(number, at: now, &out) }
      finishIfServed(&out)
    case .consumed(let socket, let bytes):
      guard inlets.indices.contains(socket) else { return }
      inlets[socket].onConsumed(bytes, &out)
    case .failure(let fault):
      if fault.isTransient {
        onWorkerGone(fault.message, at: now, &out)
      } else if fault.isOfTheEnd {
        // What was readable has been made: the stream ends with it, unless the worker dies without an end.
        damage = fault
      } else {
        fail(fault, &out)
      }
    }
  }

  private mutating func onOutput(_ made: Packet, at now: Instant, _ out: inout Outbox) {
    var packet = made
    if let cut { packet.origins.append(Origin(input: Origin.cut, position: Position(cut), timestamp: nil)) }
    workerCredit -= packet.payload.count
    if let expected = seat.position {
      // What a warm-up makes and the worker has not discarded was made before.
      guard packet.position >= expected else { return grantWorker(&out) }
      guard packet.position.continues(expected) else {
        return onWorkerGone("made position \(packet.position) where \(expected) was due", at: now, &out)
      }
    }
    guard window.format != nil else { return onWorkerGone("made a packet before its format", at: now, &out) }
    window.append(packet, at: now)
    seat = Seat(position: packet.position.next, origins: packet.origins)
    firstMade = firstMade ?? packet.position
    lastMade = packet.position
    packets += 1
    bytes += UInt64(packet.payload.count)
    rate.add(packet.payload.count, at: now)
    if !isProducing {
      isProducing = true
      out.report(.producing(key, from: packet.position))
    }
    for number in subscribers.indices { pump(number, at: now, &out) }
    settle(at: now, &out)
    pauseIfFlooded(&out)
  }

  // MARK: Credit

  /// The worker may fill the window to its soft limit. While a subscriber has everything and wants more, it may go on
  /// beyond, a little at a time: a pipeline that needs more input before its next acknowledgement would otherwise wait for
  /// ever.
  mutating func grantWorker(_ out: inout Outbox) {
    guard case .running(let id) = state else { return }
    let held = window.bytes(from: pin)
    let step = Limits.windowSoft / 32
    var room = Limits.windowSoft - held - workerCredit
    if room < step, !window.isFull(from: pin), subscribers.contains(where: isStarving) { room = step - workerCredit }
    guard room >= step || (workerCredit <= 0 && room > 0) else { return }
    workerCredit += room
    out.add(.toWorker(id, .credit(bytes: room)))
  }

  /// Empty packets cost a worker no credit; one that fills the window with them is stopped, and started again at its seat
  /// when there is room.
  private mutating func pauseIfFlooded(_ out: inout Outbox) {
    guard
      window.bytes(from: pin) >= Limits.windowHard + Limits.linkMessageBytes
        || window.packets(from: pin) >= Limits.windowPackets
    else { return }
    endWorker(&out)
    for number in inlets.indices { inlets[number].leave(finished: false, &out) }
    state = .paused
  }

  mutating func unpauseIfRoom(at now: Instant, _ out: inout Outbox) {
    guard case .paused = state, window.bytes(from: pin) < Limits.windowSoft / 2,
      window.packets(from: pin) < Limits.windowPackets / 2
    else { return }
    run(at: now, &out)
  }

  // MARK: On a worker's death

  /// Starts another at the seat, unless too many died lately.
  mutating func onWorkerGone(_ reason: String, at now: Instant, _ out: inout Outbox) {
    if let damage { return fail(damage, &out) }
    deaths = deaths.filter { now - $0 <= Limits.restartPeriod } + [now]
    guard deaths.count <= Limits.workerRestarts else {
      return fail(WorkerFault(kind: "internal", stage: nil, message: reason), &out)
    }
    restarts += 1
    out.report(.workerRestarted(key, because: reason, restarts: deaths.count))
    run(at: now, &out)
  }

  /// The group can do no more, unless it gets a new plan. Its subscribers turn to their next upstreams.
  private mutating func fail(_ fault: WorkerFault, _ out: inout Outbox) {
    endWorker(&out)
    damage = nil
    state = .failed(fault)
    for number in inlets.indices { inlets[number].leave(finished: false, &out) }
    for subscriber in subscribers { out.dismiss(subscriber.id, of: subscriber.peer, .failed(fault.message)) }
    subscribers = []
    departed = []
    window = ReplayWindow(beginning: seat.position == nil)
    out.report(.failed(key, fault))
  }
}
