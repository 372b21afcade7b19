import Base
import Core
import Identity
import Streams
import Vocabulary

// What clients ask, and what they get.

/// A request of the scenario and how it fares.
struct AskedRequest {
  let ask: Scenario.Ask
  var token: ClientToken?
  var askedAt: Instant?
  /// Once the portal has called.
  var request: RequestID?
  var electors: [NodeID]?
  /// When its portal called, and knew who manages; only where there is no ``ElectionLog``.
  var calledAt: Instant?
  var mandateAt: Instant?
  var acceptedAt: Instant?
  /// How many streams the client gets; nil before it is accepted.
  private var outputs: Int?
  /// Those that it has to their end.
  private var ended: Set<String> = []
  var stopToken: ClientToken?
  /// How it ended for the client; nil while it goes on.
  var end: RequestOutcome.End?
  var endedAt: Instant?
  var problem = ""

  init(ask: Scenario.Ask) { self.ask = ask }

  mutating func settle(_ end: RequestOutcome.End, _ problem: String = "", at now: Instant) {
    guard self.end == nil else { return }
    self.end = end
    self.problem = problem
    endedAt = now
  }
  mutating func accept(outputs count: Int, at now: Instant) {
    acceptedAt = now
    outputs = count
    settleIfWhole(at: now)
  }
  /// The client has all of one output.
  mutating func end(of output: String, at now: Instant) {
    ended.insert(output)
    settleIfWhole(at: now)
  }
  private mutating func settleIfWhole(at now: Instant) {
    if let outputs, ended.count >= outputs { settle(.whole, at: now) }
  }
  mutating func portalCrashed(at now: Instant) { if askedAt != nil { settle(.portalLost, at: now) } }
}

extension Simulation {
  // MARK: - Asking

  func ask(_ number: Int) {
    let ask = asks[number].ask
    let source = scenario.sources[ask.source]
    asks[number].askedAt = now
    guard peers[ask.portal].isUp else { return asks[number].settle(.portalLost, "it was down", at: now) }
    guard let request = SimulatedMedia.request(ask, of: source, at: peers[source.node].node.id) else {
      return asks[number].settle(.refused, "not a request", at: now)
    }
    let token = ClientToken(UInt64(number) * 2 + 1)
    asks[number].token = token
    tell(ask.portal, .client(token, .submit(request, idempotencyKey: nil, place: nil, extra: 0)))
  }

  /// The client wants no more.
  func stop(_ number: Int) {
    guard asks[number].end == nil, let request = asks[number].request, peers[asks[number].ask.portal].isUp else {
      return
    }
    let token = ClientToken(UInt64(number) * 2 + 2)
    asks[number].stopToken = token
    tell(asks[number].ask.portal, .client(token, .end(request)))
  }

  func answered(_ token: ClientToken, _ answer: ClientAnswer, at peer: Int) {
    trace.add(12)
    trace.add(token.number)
    let number = Int(token.number - 1) / 2
    guard asks.indices.contains(number) else { return }
    let isStop = token.number % 2 == 0
    switch answer {
    case .accepted(let request, let outputs, _):
      asks[number].request = request
      asks[number].accept(outputs: outputs.count, at: now)
      trace.add(outputs.count)
    case .refused(let why):
      // A stop before the service ran is answered to the first client, as its end.
      asks[number].settle(asks[number].stopToken != nil ? .stopped : .refused, "\(why)", at: now)
    case .report(let report):
      trace.add(report.wire.state)
      if isStop, ["ended", "failed"].contains(report.wire.state) {
        asks[number].settle(report.wire.state == "ended" ? .stopped : .failed, report.wire.problem, at: now)
      }
    case .unknown: if isStop { asks[number].settle(.stopped, "unknown", at: now) }
    case .planned: break
    }
    see(.answers(number, answer))
    writer?.write(.answer(ask: number, "\(asks[number].end?.rawValue ?? "accepted")", at: now))
  }

  // MARK: - What peers tell

  func happened(_ event: Event, at number: Int) {
    trace.add(13)
    trace.add(event.kind)
    trace.add(event.summary)
    counts.events[event.kind, default: 0] += 1
    if let request = event.service {
      elections.note(event, request, at: number, now)
      if event.kind == "request.called" { called(request, at: number) }
    }
    see(.tells(number, event))
    writer?.write(.event(number, event, at: now))
  }

  /// A portal may call again for the same client, under another ID.
  private func called(_ request: RequestID, at number: Int) {
    for index in asks.indices where asks[index].ask.portal == number && asks[index].acceptedAt == nil {
      guard let token = asks[index].token, peers[number].node.request(askedBy: token) == request else { continue }
      asks[index].request = request
      asks[index].electors = peers[number].node.electors(of: request)
      elections.electors(asks[index].electors?.count ?? 0, of: request)
    }
  }

  // MARK: - Watching

  func openSink(_ sink: SinkID, _ request: RequestID, _ output: String, at number: Int) {
    trace.add(10)
    let ask = asks.firstIndex { $0.request == request }
    clients[ClientID(peer: number, sink: sink)] = SimulatedClient(request: request, output: output, ask: ask)
    see(.opensSink(number, sink, request, output))
    // Whose portal has crashed meanwhile has hung up.
    let isThere = ask.map { asks[$0].end == nil } ?? false
    if isThere { push(.input(number, life: peers[number].life, .clients(sink, present: true)), after: .zero) }
  }

  func deliver(_ delivery: Streams.Delivery, to sink: SinkID, at number: Int) {
    trace.add(14)
    let id = ClientID(peer: number, sink: sink)
    guard var client = clients[id], !client.isClosed else { return }
    client.take(delivery, at: now)
    clients[id] = client
    see(.delivers(number, sink, delivery))
    let wait = Duration.fromSeconds((client.ask.map { asks[$0].ask.clientDelay } ?? 1) / 1_000)
    switch delivery {
    case .packet(let packet):
      trace.add(packet.position.index)
      counts.delivered += 1
      push(.input(number, life: peers[number].life, .delivered(sink, through: packet.position)), after: wait)
    case .end:
      if let ask = client.ask { asks[ask].end(of: client.output, at: now) }
      push(.input(number, life: peers[number].life, .clients(sink, present: false)), after: wait)
    case .format: break
    }
  }

  // MARK: - Settling

  /// Everything asked for has come to an end, and nothing is left of it anywhere.
  var isSettled: Bool {
    asks.indices.allSatisfy { asks[$0].end != nil || isLiars($0) }
      && peers.indices.allSatisfy {
        !peers[$0].isUp || isLiar($0) || (peers[$0].node.managed == 0 && peers[$0].node.isIdle)
      }
  }

  /// A service that failed closes its sinks: its client learns of it from the portal.
  func followFailures() {
    for (number, asked) in asks.enumerated() where asked.end == nil && asked.acceptedAt != nil {
      guard let request = asked.request, peers[asked.ask.portal].isUp,
        let state = peers[asked.ask.portal].node.state(of: request)
      else { continue }
      if state.state == "failed" { asks[number].settle(.failed, state.problem, at: now) }
      if state.state == "ended" { asks[number].settle(.stopped, "it ended", at: now) }
    }
  }

  /// After healing, everything must have come to an end.
  func demandProgress() {
    for (number, asked) in asks.enumerated() where asked.end == nil && !isLiars(number) {
      find(
        "progress", asked.ask.portal,
        "request \(number) (\(asked.request?.short ?? "never called")) is not settled \(Int(scenario.endsAt - scenario.healsAt)) s "
          + "after healing: \(asked.acceptedAt == nil ? "not answered" : "accepted"), "
          + (asked.request.map { describe($0) } ?? ""))
    }
    for (number, peer) in peers.enumerated() where peer.isUp && !isLiar(number) {
      for request in peer.node.managedRequests {
        find("progress", number, "still manages \(request.short): \(describe(request))")
      }
      if !peer.node.isIdle { find("progress", number, "still has work: \(peer.node.work)") }
    }
  }

  func describe(_ request: RequestID) -> String {
    peers.enumerated().compactMap { number, peer in
      guard peer.isUp, let standing = peer.node.managing(request) else { return nil }
      return "n\(number) manages it: \(standing)"
    }.joined(separator: "; ")
  }
}
