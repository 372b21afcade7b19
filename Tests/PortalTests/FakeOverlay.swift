import Portal
import Synchronization

/// A peer that remembers what it was asked and answers from a script.
final class FakeOverlay: OverlayBackend {
  struct State {
    var submissions: [RequestDocument] = []
    var services: [ServiceView] = []
    var refusal: Problem?
    var delivery: (@Sendable (_ from: UInt64?) -> FakeDelivery)?
    /// Used before `delivery` when set.
    var named: (@Sendable (_ output: String?, _ from: UInt64?) -> FakeDelivery)?
    var deliveries: [FakeDelivery] = []
    var watchers: [AsyncStream<ServiceEvent>.Continuation] = []
    var resumedAfter: UInt64?
    var health = HealthView.Status.ok
  }
  private let state = Mutex(State())
  let watched = Signal()
  let unwatched = Signal()

  init(_ configure: (inout State) -> Void = { _ in }) { state.withLock { configure(&$0) } }

  func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }
  var submissions: [RequestDocument] { state.withLock { $0.submissions } }
  var deliveries: [FakeDelivery] { state.withLock { $0.deliveries } }
  var resumedAfter: UInt64? { state.withLock { $0.resumedAfter } }

  func tell(_ event: ServiceEvent) {
    let watchers = state.withLock { $0.watchers }
    for watcher in watchers { watcher.yield(event) }
  }

  func finishEvents() {
    let watchers = state.withLock { $0.watchers }
    for watcher in watchers { watcher.finish() }
  }

  // MARK: - OverlayBackend

  func submit(_ request: RequestDocument) async throws(Problem) -> ServiceAccepted {
    let (refusal, isRepeat) = state.withLock { state in
      let isRepeat =
        request.idempotencyKey != nil
        && state.submissions.contains { $0.idempotencyKey == request.idempotencyKey }
      state.submissions.append(request)
      return (state.refusal, isRepeat)
    }
    if let refusal { throw refusal }
    return ServiceAccepted(
      id: Sample.service, state: .electing, manager: Sample.nodes[1], term: "1", outputs: Sample.outputs,
      isRepeat: isRepeat)
  }

  func plan(_ request: RequestDocument) async throws(Problem) -> PlanView {
    if let refusal = state.withLock({ $0.refusal }) { throw refusal }
    return PlanView(
      request: String(decoding: request.bytes, as: UTF8.self),
      stages: [StageView(id: 0, component: "source.video", parameters: ["stream": 0])], streamKeys: ["k"],
      outputs: Sample.outputs)
  }

  func services() async throws(Problem) -> [ServiceView] { state.withLock { $0.services } }

  func service(_ id: String) async throws(Problem) -> ServiceView {
    guard let service = state.withLock({ $0.services.first { $0.id == id } }) else { throw .notFound("service \(id)") }
    return service
  }

  func end(_ id: String) async throws(Problem) -> ServiceView {
    let ended: ServiceView? = state.withLock { state in
      guard let index = state.services.firstIndex(where: { $0.id == id }) else { return nil }
      state.services[index].state = .ended
      return state.services[index]
    }
    guard let ended else { throw .notFound("service \(id)") }
    return ended
  }

  func events(of service: String?, after: UInt64?) async throws(Problem) -> AsyncStream<ServiceEvent> {
    if let service { _ = try await self.service(service) }
    let (stream, continuation) = AsyncStream<ServiceEvent>.makeStream(bufferingPolicy: .bufferingNewest(1_024))
    continuation.onTermination = { [unwatched] _ in unwatched.fire() }
    state.withLock { state in
      state.watchers.append(continuation)
      state.resumedAfter = after
    }
    watched.fire()
    return stream
  }

  func overlay() async throws(Problem) -> OverlayStatus {
    Sample.overlay(services: state.withLock { $0.services.map(\.id) })
  }

  func election(_ id: String) async throws(Problem) -> ElectionView {
    _ = try await service(id)
    return Sample.election(id)
  }

  func explanation(_ id: String) async throws(Problem) -> ExplanationView {
    _ = try await service(id)
    return Sample.explanation(id)
  }

  func metrics() async -> [MetricFamily] {
    [
      MetricFamily(
        "millrace_link_bytes_total", .counter, help: "Bytes on links, back\\slash and\nnewline.",
        samples: [
          .init(12, labels: [.init("peer", "a\"b\\c\nd"), .init("direction", "in")]), .init(0.5), .init(.infinity),
        ]),
      MetricFamily("millrace_members", .gauge, help: "Members by state.", samples: []),
    ]
  }

  func health() async -> HealthView {
    HealthView(
      status: state.withLock { $0.health }, node: Sample.nodes[0], version: "test", uptimeSeconds: 1.5, membersAlive: 5)
  }

  func openDelivery(of service: String, output: String?, from: UInt64?) async throws(Problem) -> any Delivery {
    let view = try await self.service(service)
    if let output, !view.outputs.contains(where: { $0.name == output }) { throw .notFound("output \(output)") }
    let made = state.withLock { state in
      let made = state.named?(output, from) ?? state.delivery?(from)
      if let made { state.deliveries.append(made) }
      return made
    }
    guard let made else { throw Problem("no-media", status: 503, title: "No media", detail: "Nothing comes.") }
    return made
  }
}

/// A delivery that counts.
final class FakeDelivery: Delivery {
  let mimeType: String
  let isLive: Bool
  let preamble: [UInt8]
  private let source: @Sendable (UInt64) async throws -> Chunk?
  private let counts: Mutex<(next: UInt64, acknowledged: UInt64?)>
  let closed = Signal()

  init(
    mimeType: String = "video/webm; codecs=\"vp8, opus\"", isLive: Bool = false, preamble: [UInt8] = [],
    from: UInt64 = 0,
    _ source: @escaping @Sendable (UInt64) async throws -> Chunk?
  ) {
    self.mimeType = mimeType
    self.isLive = isLive
    self.preamble = preamble
    self.source = source
    counts = Mutex((from, nil))
  }

  var taken: UInt64 { counts.withLock { $0.next } }
  var acknowledged: UInt64? { counts.withLock { $0.acknowledged } }

  func next() async throws -> Chunk? {
    let position = counts.withLock { counts in
      defer { counts.next += 1 }
      return counts.next
    }
    return try await source(position)
  }
  func acknowledge(_ position: UInt64) async { counts.withLock { $0.acknowledged = position } }
  func close() async { closed.fire() }
}

/// Something that happens once and can be waited for.
final class Signal: Sendable {
  private let state = Mutex<(isFired: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

  func fire() {
    let waiting = state.withLock { state in
      defer { state = (true, []) }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isFired = state.withLock { state in
        if !state.isFired { state.waiting.append(continuation) }
        return state.isFired
      }
      if isFired { continuation.resume() }
    }
  }
}
