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
  /// Sinks of liars' own requests.
  private var own: Set<Key> = []

  /// What each request's outputs hold, once it was needed; by request of the scenario.
  private var expected: [Int: ExpectedMedia] = [:]

  struct Key: Hashable {
    let node: Int
    let sink: SinkID
  }
  private struct State {
    var values: [UInt64]
    var next: UInt64 = 0
    var hasEnded = false
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .opensSink(let number, let sink, let request, let output):
      guard let ask = world.asks.firstIndex(where: { $0.request == request }),
        let media = expected[ask] ?? world.expected(of: ask), let values = media.values(of: output)
      else {
        // A portal that lies may ask for itself, under an envelope that no client has seen: what comes of that reaches nobody.
        guard !world.isLiar(number) else {
          own.insert(Key(node: number, sink: sink))
          return
        }
        return found("opens a sink for \(output) of \(request.short), which nobody asked for", at: number)
      }
      expected[ask] = media
      sinks[Key(node: number, sink: sink)] = State(values: values)
    case .delivers(let number, let sink, let delivery): take(delivery, Key(node: number, sink: sink))
    default: return
    }
  }

  private mutating func take(_ delivery: Streams.Delivery, _ key: Key) {
    guard !own.contains(key) else { return }
    guard var state = sinks[key] else { return found("delivers to a sink that is not open", at: key.node) }
    let length = UInt64(state.values.count)
    switch delivery {
    case .format: break
    case .packet(let packet):
      let index = packet.position.index
      if state.hasEnded { found("position \(index) comes after the end", at: key.node) }
      if index < state.next { found("position \(index) comes a second time", at: key.node) }
      if index > state.next { found("position \(index) comes where \(state.next) is due", at: key.node) }
      if index >= length {
        found("position \(index) comes of a stream of \(length)", at: key.node)
      } else if SimulatedMedia.value(of: packet) != state.values[Int(index)] {
        found("position \(index) holds something else than its media", at: key.node)
      }
      state.next = max(state.next, index + 1)
    case .end:
      state.hasEnded = true
      if state.next != length { found("ends after \(state.next) of \(length) positions", at: key.node) }
    }
    sinks[key] = state
  }
}

/// A position of a stream is acknowledged only when a client of some request that needs it has written what became of it. Where stages
/// make one position of several, the numbers are translated by what one process would make of the source.
struct AcknowledgementChecker: Checker {
  static let name = "acknowledged when written"
  var faults: [CheckerFault] = []
  private var keys: [Subscription: StreamKey] = [:]
  private var starts: [Subscription: UInt64] = [:]
  /// Who needs a stream.
  private var users: [StreamKey: [User]] = [:]
  private var isReady = false
  /// Positions below were written.
  private var written: [Output: UInt64] = [:]

  private struct User {
    let output: Output
    /// Of the stream's positions, what a client has who has written that much of its output.
    let media: ExpectedMedia
    let stage: Int
  }
  private struct Output: Hashable {
    /// The request's number in the scenario.
    let ask: Int
    let name: String
  }
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
      guard let client = world.clients[Simulation.ClientID(peer: number, sink: sink)], let ask = client.ask else {
        return
      }
      let output = Output(ask: ask, name: client.output)
      written[output] = max(written[output] ?? 0, through.index + 1)
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
    guard let key = keys[id], let users = users[key], below > starts[id] ?? 0 else { return }
    let most = users.map { $0.media.spent(of: $0.stage, written: written[$0.output] ?? 0) }.max() ?? 0
    if below > most {
      found(
        "acknowledges stream \(key.short) below \(below) where clients have written what lies below \(most)", at: number
      )
    }
  }

  /// Later showings of a source are rare.
  private static let showings = 4

  private mutating func learn(_ world: Simulation) {
    isReady = true
    for ask in world.asks.indices {
      for showing in 0..<Self.showings {
        guard let media = world.expected(of: ask, showing: showing) else { continue }
        for output in media.graph.outputs {
          for stage in output.stages {
            users[media.graph.stages[stage].key, default: []].append(
              User(output: Output(ask: ask, name: output.name), media: media, stage: stage))
          }
        }
      }
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
