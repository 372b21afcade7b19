import Base
import Composition
import Core
import Identity
import Streams
import Vocabulary

// What the streams promise: every position once and in order, and no acknowledgement of what no client has.

/// Every position is delivered once and in order, with the value that one process without nodes or failures would have made; the end
/// comes after the last. A file source promises no gap, so none is allowed.
struct DeliveryChecker: Checker {
  static let name = "every position once, in order"
  var faults: [CheckerFault] = []
  private var sinks: [Key: State] = [:]

  struct Key: Hashable {
    let node: Int
    let sink: SinkID
  }
  private struct State {
    var source: Int?
    var next: UInt64 = 0
    var hasEnded = false
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .opensSink(let number, let sink, let request):
      let source = world.asks.first { $0.request == request }?.ask.source
      sinks[Key(node: number, sink: sink)] = State(source: source)
    case .delivers(let number, let sink, let delivery): take(delivery, Key(node: number, sink: sink), world)
    default: return
    }
  }

  private mutating func take(_ delivery: Streams.Delivery, _ key: Key, _ world: Simulation) {
    guard var state = sinks[key] else { return found("delivers to a sink that is not open", at: key.node) }
    let length = state.source.map { SimulatedMedia.frames(of: world.scenario.sources[$0]) }
    switch delivery {
    case .format: break
    case .packet(let packet):
      let index = packet.position.index
      if state.hasEnded { found("position \(index) comes after the end", at: key.node) }
      if index < state.next { found("position \(index) comes a second time", at: key.node) }
      if index > state.next { found("position \(index) comes where \(state.next) is due", at: key.node) }
      let value = SimulatedMedia.value(index, through: SimulatedMedia.components)
      if SimulatedMedia.value(of: packet) != value {
        found("position \(index) holds something else than its frame", at: key.node)
      }
      state.next = max(state.next, index + 1)
    case .end:
      state.hasEnded = true
      if let length, state.next != length { found("ends after \(state.next) of \(length) positions", at: key.node) }
    }
    sinks[key] = state
  }
}

/// A position of a stream is acknowledged only when a client of some request that needs it has written what became of it. The simulated
/// stages make one position of one, so the numbers can be compared along the whole chain.
struct AcknowledgementChecker: Checker {
  static let name = "acknowledged when written"
  var faults: [CheckerFault] = []
  private var keys: [Subscription: StreamKey] = [:]
  private var starts: [Subscription: UInt64] = [:]
  /// Requests of the scenario that need a stream.
  private var users: [StreamKey: [Int]] = [:]
  private var isReady = false
  /// By request of the scenario: positions below were written.
  private var written: [Int: UInt64] = [:]

  struct Subscription: Hashable {
    let node: Int
    let id: SubscriptionID
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .crashes(let number, _):
      keys = keys.filter { $0.key.node != number }
      starts = starts.filter { $0.key.node != number }
    case .takes(let number, .delivered(let sink, let through)):
      guard let ask = world.clients[Simulation.ClientID(peer: number, sink: sink)]?.ask else { return }
      written[ask] = max(written[ask] ?? 0, through.index + 1)
    case .streams(let number, _, let message):
      let id = Subscription(node: number, id: message.subscription)
      switch message.body {
      case .subscribe(let wish):
        keys[id] = wish.key
        starts[id] = if case .position(let position) = wish.from { position.index } else { 0 }
      case .acknowledge(let below): judge(below.index, id, number, world)
      default: return
      }
    default: return
    }
  }

  private mutating func judge(_ below: UInt64, _ id: Subscription, _ number: Int, _ world: Simulation) {
    if !isReady { learn(world) }
    guard let key = keys[id], let asks = users[key], below > starts[id] ?? 0 else { return }
    let most = asks.map { written[$0] ?? 0 }.max() ?? 0
    if below > most {
      found("acknowledges stream \(key.short) below \(below) where clients have written \(most)", at: number)
    }
  }

  private mutating func learn(_ world: Simulation) {
    isReady = true
    for (number, asked) in world.asks.enumerated() {
      let source = world.scenario.sources[asked.ask.source]
      guard let request = SimulatedMedia.request(asked.ask, of: source, at: world.peers[source.node].node.id),
        let graph = try? GraphBuilder.graph(
          for: request, on: SimulatedMedia.description(of: source, number: asked.ask.source))
      else { continue }
      for stage in graph.stages { users[stage.key, default: []].append(number) }
    }
  }
}

/// Nothing grows past its limit: tables, windows, datagrams, messages.
struct LimitChecker: Checker {
  static let name = "nothing past its limit"
  var faults: [CheckerFault] = []

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .sendsDatagram(let number, let bytes) where bytes > Limits.datagramMessage:
      found("sends a datagram of \(bytes) bytes where \(Limits.datagramMessage) are allowed", at: number)
    case .sends(let number, _, let bytes) where bytes > Limits.linkMessageBytes:
      found("sends a message of \(bytes) bytes where \(Limits.linkMessageBytes) are allowed", at: number)
    default: return
    }
  }

  mutating func look(at number: Int, _ node: Node, at now: Instant, in world: Simulation) {
    for (name, size, limit) in node.sizes where size > limit {
      found("\(size) \(name) where \(limit) are allowed", at: number)
    }
  }
}
