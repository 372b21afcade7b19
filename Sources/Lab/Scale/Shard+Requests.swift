import Base
import Core
import Identity
import Streams
import Vocabulary

// What clients ask, and what they get; as `Simulation+Requests` has it.

extension Shard {
  func ask(_ number: Int, at peer: ScaledPeer) {
    guard let ask = asks[number]?.ask else { return }
    let source = world.scenario.sources[ask.source]
    asks[number]!.askedAt = now
    guard peer.isUp else { return asks[number]!.settle(.portalLost, "it was down", at: now) }
    guard let request = SimulatedMedia.request(ask, of: source, at: world.peers[source.node].id) else {
      return asks[number]!.settle(.refused, "not a request", at: now)
    }
    let token = ClientToken(UInt64(number) * 2 + 1)
    asks[number]!.token = token
    tell(peer, .client(token, .submit(request, idempotencyKey: nil, place: nil, extra: 0)))
  }

  /// The client wants no more.
  func stop(_ number: Int, at peer: ScaledPeer) {
    guard let asked = asks[number], asked.end == nil, let request = asked.request, peer.isUp else { return }
    let token = ClientToken(UInt64(number) * 2 + 2)
    asks[number]!.stopToken = token
    tell(peer, .client(token, .end(request)))
  }

  func answered(_ token: ClientToken, _ answer: ClientAnswer, at peer: ScaledPeer) {
    peer.trace.add(12)
    peer.trace.add(token.number)
    let number = Int(token.number - 1) / 2
    guard asks.indices.contains(number), asks[number] != nil else { return }
    let isStop = token.number % 2 == 0
    switch answer {
    case .accepted(let request, let outputs, _):
      asks[number]!.request = request
      asks[number]!.accept(outputs: outputs.count, at: now)
      peer.trace.add(outputs.count)
    case .refused(let why):
      // A stop before the service ran is answered to the first client, as its end.
      asks[number]!.settle(asks[number]!.stopToken != nil ? .stopped : .refused, "\(why)", at: now)
    case .report(let report):
      peer.trace.add(report.wire.state)
      if isStop, ["ended", "failed"].contains(report.wire.state) {
        asks[number]!.settle(report.wire.state == "ended" ? .stopped : .failed, report.wire.problem, at: now)
      }
    case .unknown: if isStop { asks[number]!.settle(.stopped, "unknown", at: now) }
    case .planned: break
    }
  }

  func happened(_ event: Event, at peer: ScaledPeer) {
    peer.trace.add(13)
    peer.trace.add(event.kind)
    counts.events[event.kind, default: 0] += 1
    guard let request = event.service else { return }
    switch event.kind {
    case "request.called":
      for index in peer.asks where asks[index]!.request == nil {
        guard let token = asks[index]!.token, peer.node.pointee.request(askedBy: token) == request else { continue }
        asks[index]!.request = request
        asks[index]!.electors = peer.node.pointee.electors(of: request)
        asks[index]!.calledAt = now
      }
    case "election.mandate":
      for index in peer.asks where asks[index]!.request == request && asks[index]!.mandateAt == nil {
        asks[index]!.mandateAt = now
      }
    default: break
    }
  }

  func openSink(_ sink: SinkID, _ request: RequestID, _ output: String, at peer: ScaledPeer) {
    peer.trace.add(10)
    let ask = peer.asks.first { asks[$0]!.request == request }
    peer.sinks[sink] = SimulatedClient(request: request, output: output, ask: ask)
    if let ask, asks[ask]!.end == nil { push(.input(.clients(sink, present: true)), to: peer, after: .zero) }
  }

  func deliver(_ delivery: Streams.Delivery, to sink: SinkID, at peer: ScaledPeer) {
    peer.trace.add(14)
    guard var client = peer.sinks[sink], !client.isClosed else { return }
    client.take(delivery, at: now)
    peer.sinks[sink] = client
    let wait = Duration.fromSeconds((client.ask.map { asks[$0]!.ask.clientDelay } ?? 1) / 1_000)
    switch delivery {
    case .packet(let packet):
      peer.trace.add(packet.position.index)
      counts.delivered += 1
      push(.input(.delivered(sink, through: packet.position)), to: peer, after: wait)
    case .end:
      if let ask = client.ask { asks[ask]!.end(of: client.output, at: now) }
      push(.input(.clients(sink, present: false)), to: peer, after: wait)
    case .format: break
    }
  }

  /// A service that failed closes its sinks: its client learns of it from the portal.
  func followFailures(at peer: ScaledPeer) {
    for number in peer.asks {
      guard let asked = asks[number], asked.end == nil, asked.acceptedAt != nil, let request = asked.request,
        let state = peer.node.pointee.state(of: request)
      else { continue }
      if state.state == "failed" { asks[number]!.settle(.failed, state.problem, at: now) }
      if state.state == "ended" { asks[number]!.settle(.stopped, "it ended", at: now) }
    }
  }
}
