import Base
import Identity
import Vocabulary

/// Where the room's parts lay down what they want done, and draw their numbers. Messages of the node to itself do not
/// leave it: the table passes them round before it returns.
struct Outbox: Sendable {
  let node: NodeID
  private(set) var effects: [StreamEffect] = []
  /// Messages of this node to itself, in order.
  var toSelf = Ring<StreamMessage>()
  /// Who speaks under a subscription that this node opened.
  private(set) var consumers: [SubscriptionID: Consumer] = [:]
  /// Which group a worker's run belongs to.
  private(set) var workers: [WorkerID: StreamKey] = [:]
  /// Which group serves a subscription of another node, or of this one.
  private var served: [Served: StreamKey] = [:]
  private var pulse: Instant?
  private var subscriptions: UInt64 = 0
  private var runs: UInt64 = 0
  private var questions: UInt64 = 0
  /// A fault planted by a test of the tests: what came is acknowledged before anything was made of it. False everywhere else.
  var acknowledgesOnReceipt = false

  init(node: NodeID) { self.node = node }

  mutating func take() -> [StreamEffect] {
    defer { effects = [] }
    return effects
  }

  mutating func add(_ effect: StreamEffect) { effects.append(effect) }
  mutating func report(_ report: StreamReport) { effects.append(.report(report)) }

  mutating func send(_ body: StreamMessage.Body, of subscription: SubscriptionID, to peer: NodeID) {
    let message = StreamMessage(subscription, body)
    if peer == node { toSelf.append(message) } else { effects.append(.send(message, to: peer)) }
  }

  // MARK: Who is served

  /// A subscription as its publisher knows it: the number is the subscriber's own.
  struct Served: Hashable, Sendable {
    let peer: NodeID
    let id: SubscriptionID
  }

  func key(of id: SubscriptionID, of peer: NodeID) -> StreamKey? { served[Served(peer: peer, id: id)] }
  mutating func remember(_ id: SubscriptionID, of peer: NodeID, on key: StreamKey) {
    served[Served(peer: peer, id: id)] = key
  }
  mutating func forget(_ id: SubscriptionID, of peer: NodeID) { served[Served(peer: peer, id: id)] = nil }

  /// Ends a subscription from the publisher's side.
  mutating func dismiss(_ id: SubscriptionID, of peer: NodeID, _ refusal: StreamMessage.Refusal) {
    forget(id, of: peer)
    send(.refused(refusal), of: id, to: peer)
  }

  // MARK: The pulse

  /// Has the pulse come no later than this.
  mutating func wake(at due: Instant) {
    if let pulse, pulse <= due { return }
    pulse = due
    effects.append(.setTimer(.pulse, at: due))
  }

  /// The pulse came. Returns how late: a node that was stopped itself must not take its own silence for others'.
  mutating func pulsed(at now: Instant) -> Duration {
    defer { pulse = nil }
    return pulse.map { now - $0 } ?? .zero
  }

  // MARK: Numbers

  mutating func openSubscription(for consumer: Consumer) -> SubscriptionID {
    subscriptions += 1
    consumers[SubscriptionID(subscriptions)] = consumer
    return SubscriptionID(subscriptions)
  }
  mutating func closeSubscription(_ id: SubscriptionID) { consumers[id] = nil }

  mutating func openRun(of key: StreamKey) -> WorkerID {
    runs += 1
    workers[WorkerID(runs)] = key
    return WorkerID(runs)
  }
  mutating func closeRun(_ id: WorkerID) {
    workers[id] = nil
    effects.append(.stopWorker(id))
  }

  mutating func openQuestion() -> AuthorizationToken {
    questions += 1
    return AuthorizationToken(questions)
  }
}
