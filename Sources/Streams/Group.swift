import Base
import Identity
import Vocabulary

/// A group of stages on this node: input sockets, one worker, one output socket.
///
/// ``seat`` says where its next output stands and what that needs of each input, from the last packet's origins. Whatever
/// happens, the group can run a worker at its seat: at the start, when a standby is activated, when a worker has died.
struct Group: Sendable {
  var plan: GroupPlan { didSet { cut = plan.spec.cut } }
  /// Of the plan's specification; see there.
  private(set) var cut: UInt64?
  var state = GroupState.armed
  var inlets: [Inlet]
  var seat = Seat.beginning
  /// Packets before this have origins in inputs that are no longer this group's.
  var rewiredAt: Position?
  /// When the group last began at a place of its choosing or of its first subscriber's.
  var seatedAt = Instant.zero

  // The output socket.
  var window = ReplayWindow(beginning: true)
  var subscribers: [Subscriber] = []
  var departed: [Departed] = []
  var acknowledgedBelow: Position?
  /// Whether some subscriber has acknowledged the end.
  var isServed = false

  // The present worker.
  /// Payload bytes that it may still emit; below zero after its last packet exceeded the credit.
  var workerCredit = 0
  var isProducing = false
  var deaths: [Instant] = []
  var restarts = 0
  /// What the worker found wrong with its source, until its end, which follows.
  var damage: WorkerFault?

  // For people.
  var bytes: UInt64 = 0
  var packets: UInt64 = 0
  var firstMade: Position?
  var lastMade: Position?
  var rate = RateMeter()

  var key: StreamKey { plan.spec.output }

  /// Where output begins.
  struct Seat: Hashable, Sendable {
    /// The next output position; nil: the stream's first, whatever its number.
    var position: Position?
    /// What it needs of each input.
    var origins: [Origin]
    static let beginning = Seat(position: nil, origins: [])
  }

  init(plan: GroupPlan) {
    self.plan = plan
    cut = plan.spec.cut
    inlets = Group.inlets(of: plan)
  }

  private static func inlets(of plan: GroupPlan) -> [Inlet] {
    plan.inputs.enumerated().map { Inlet(consumer: .group(plan.spec.output, input: $0.offset), plan: $0.element) }
  }

  // MARK: On the manager's wishes

  /// Starts at the beginning, or stands by.
  mutating func open(_ activation: Activation, at now: Instant, _ out: inout Outbox) {
    guard activation == .now else { return }
    take(seat: .beginning, at: now, &out)
  }

  /// A new plan for an open group. Positions of equal keys are interchangeable, so a group that runs goes on as it is, with
  /// the new upstreams where they serve the same inputs.
  mutating func reopen(_ plan: GroupPlan, _ activation: Activation, at now: Instant, _ out: inout Outbox) {
    switch state {
    case .armed:
      self.plan = plan
      inlets = Group.inlets(of: plan)
      open(activation, at: now, &out)
    case .failed:
      self.plan = plan
      inlets = Group.inlets(of: plan)
      deaths = []
      state = .armed
      if activation == .now { take(seat: seat, at: now, &out) }
    case .running, .paused, .ended:
      guard plan.spec.inputs == self.plan.spec.inputs else { return rewire(plan, at: now, &out) }
      for (number, input) in plan.inputs.enumerated() {
        inlets[number].replace(upstreams: input.upstreams, at: now, &out)
      }
    }
  }

  /// The manager has cut the chain elsewhere: the same stream, from here on out of other inputs. They are read from their
  /// beginning, as the origins known are positions of the old ones; what was made before is discarded.
  private mutating func rewire(_ plan: GroupPlan, at now: Instant, _ out: inout Outbox) {
    for number in inlets.indices { inlets[number].leave(finished: false, &out) }
    self.plan = plan
    inlets = Group.inlets(of: plan)
    rewiredAt = seat.position
    seat.origins = []
    if case .running = state { run(at: now, &out) }
  }

  mutating func close(_ out: inout Outbox) {
    endWorker(&out)
    for number in inlets.indices { inlets[number].leave(finished: false, &out) }
    for subscriber in subscribers { out.dismiss(subscriber.id, of: subscriber.peer, .closed) }
  }

  // MARK: Taking a seat

  /// Begins anew at a seat: what the window held is made again. Origins of another cut are of no use.
  mutating func take(seat: Seat, at now: Instant, _ out: inout Outbox) {
    self.seat = Seat(position: seat.position, origins: plan.spec.understood(seat.origins))
    seatedAt = now
    window = ReplayWindow(beginning: seat.position == nil)
    acknowledgedBelow = nil
    isServed = false
    firstMade = nil
    rewiredAt = nil
    run(at: now, &out)
  }

  /// Runs a worker at the seat; its inputs begin where the seat's origins say.
  mutating func run(at now: Instant, _ out: inout Outbox) {
    endWorker(&out)
    let id = out.openRun(of: key)
    state = .running(id)
    isProducing = false
    workerCredit = 0
    out.add(.startWorker(id, WorkerJob(spec: plan.spec, resumeAt: seat.position, origins: seat.origins)))
    grantWorker(&out)
    for number in inlets.indices {
      let origin = seat.origins.first { $0.input == UInt32(number) }
      // Without origins the worker begins at the inputs' start and discards what was wanted before.
      inlets[number].begin(from: origin.map { .position($0.position) } ?? .beginning, at: now, &out)
    }
  }

  /// Stands by for the next subscriber.
  mutating func rest(_ out: inout Outbox) {
    endWorker(&out)
    for number in inlets.indices { inlets[number].leave(finished: false, &out) }
    seat = .beginning
    window = ReplayWindow(beginning: true)
    acknowledgedBelow = nil
    isServed = false
    state = .armed
  }

  mutating func endWorker(_ out: inout Outbox) {
    if case .running(let id) = state { out.closeRun(id) }
  }

  // MARK: On what an input socket received

  /// Passes it to the worker.
  mutating func pass(_ arrival: Inlet.Arrival, from input: Int, _ out: inout Outbox) {
    guard case .running(let id) = state else { return }
    if out.acknowledgesOnReceipt, case .packet(let packet) = arrival {
      inlets[input].acknowledge(below: packet.position.next, &out)
    }
    switch arrival {
    case .format(let format): out.add(.toWorker(id, .inputFormat(socket: input, format)))
    case .packet(let packet): out.add(.toWorker(id, .inputPacket(socket: input, packet)))
    case .end: out.add(.toWorker(id, .inputEnd(socket: input)))
    }
  }

  // MARK: On the pulse

  mutating func onPulse(at now: Instant, forgiven: Bool, _ out: inout Outbox) {
    for number in inlets.indices { inlets[number].onPulse(at: now, forgiven: forgiven, &out) }
    dismissSilent(at: now, forgiven: forgiven, &out)
    for number in subscribers.indices where !subscribers[number].hasEnd {
      if subscribers[number].lastSent + Limits.beatInterval <= now {
        out.send(.beat, of: subscribers[number].id, to: subscribers[number].peer)
        subscribers[number].lastSent = now
      }
      out.wake(at: subscribers[number].lastSent + Limits.beatInterval)
    }
    expireDeparted(at: now, &out)
    cutStuck(at: now, &out)
  }
}
