import Base
import NIOCore
import Portal
import Vocabulary

/// Where a sink's chunks wait for the HTTP clients that take them: one hub for each output that this portal delivers.
/// Lives on the peer's event loop. A chunk is confirmed to the stream once every client has written it; confirmed chunks
/// stay for a while, so that a client that reconnects, or comes second, finds them.
final class DeliveryHub {
  /// A client more than this many unconfirmed bytes behind another is cut, so that it does not hold the other back.
  static let lagBytes = 2 << 20
  /// Confirmed chunks kept for those who come late or again.
  static let retainedBytes = 4 << 20

  private let loop: any EventLoop
  /// Called when all clients have written everything up to a position.
  private let confirm: (Position) -> Void
  /// Told when the first client comes and when the last one goes.
  var onPresence: (Bool) -> Void = { _ in }
  private var format: MediaFormat?
  private var chunks: [Packet] = []
  private var bytes = 0
  private var confirmed: UInt64?
  /// The stream has come to its end, or its service to a good one.
  private(set) var ended = false
  /// The stream's first chunk is no longer held.
  private var wasTrimmed = false
  private var failure: Problem?
  private var clients: [Int: Client] = [:]
  private var nextClient = 0
  private var waitingForFormat: [EventLoopPromise<MediaFormat>] = []
  /// When the first media chunk came, for the timings.
  private(set) var firstChunk: Instant?
  /// When the last client left; nil while there is one.
  private(set) var abandoned: Instant?
  /// Some client has been here.
  private(set) var wasUsed = false

  private struct Client {
    /// The next index to hand out; nil: from the next key chunk on.
    var next: UInt64?
    var written: UInt64?
    var waiter: EventLoopPromise<Packet?>?
  }

  init(loop: any EventLoop, confirm: @escaping (Position) -> Void) {
    self.loop = loop
    self.confirm = confirm
  }

  // MARK: - From the stream

  func begin(_ format: MediaFormat) {
    self.format = format
    waitingForFormat.forEach { $0.succeed(format) }
    waitingForFormat = []
  }

  func append(_ packet: Packet, at now: Instant) {
    if firstChunk == nil { firstChunk = now }
    chunks.append(packet)
    bytes += packet.payload.count
    for id in clients.keys.sorted() { serve(id) }
    cutLaggards()
  }

  func end() {
    ended = true
    waitingForFormat.forEach { $0.fail(DeliveryHub.empty) }
    waitingForFormat = []
    for id in clients.keys.sorted() { serve(id) }
  }

  /// There is no more of the stream, though it has not come to its end: clients take what is here, then the problem.
  func fail(_ problem: Problem) {
    guard !ended else { return }
    failure = failure ?? problem
    waitingForFormat.forEach { $0.fail(problem) }
    waitingForFormat = []
    for id in clients.keys.sorted() { serve(id) }
  }

  // MARK: - From clients

  /// The stream's format, once known.
  func awaitFormat(deadline: TimeAmount) -> EventLoopFuture<MediaFormat> {
    if let failure { return loop.makeFailedFuture(failure) }
    if let format { return loop.makeSucceededFuture(format) }
    if ended { return loop.makeFailedFuture(DeliveryHub.empty) }
    let promise = loop.makePromise(of: MediaFormat.self)
    waitingForFormat.append(promise)
    // Who waits for the first of it is there: a service must not be ended as if nobody wanted it.
    onPresence(true)
    promise.futureResult.assumeIsolated().whenFailure { [weak self] _ in
      if let self, clients.isEmpty { onPresence(false) }
    }
    loop.scheduleTask(in: deadline) {
      promise.fail(
        Problem(
          "no-media", status: 503, title: "No media",
          detail: "No media came within \(deadline.nanoseconds / 1_000_000_000) s.", retryAfterSeconds: 2))
    }
    return promise.futureResult
  }

  /// A new client, from a position, or from the earliest chunk that a player can join at.
  func attach(from: UInt64?) throws(Problem) -> Int {
    if let from, let first = chunks.first?.position.index ?? confirmed.map({ $0 + 1 }), from < first {
      throw Problem(
        "position-gone", status: 410, title: "Position gone",
        detail: "Position \(from) has left the replay window, which begins at \(first).", field: "from",
        value: "\(from)", allowed: ["\(first)…"])
    }
    nextClient += 1
    let joinable = wasTrimmed ? chunks.first { $0.isKey }?.position.index : chunks.first?.position.index
    clients[nextClient] = Client(
      next: from ?? (chunks.isEmpty ? confirmed.map { $0 + 1 } : joinable), written: nil, waiter: nil)
    abandoned = nil
    wasUsed = true
    if clients.count == 1 { onPresence(true) }
    return nextClient
  }

  func next(_ id: Int) -> EventLoopFuture<Packet?> {
    let promise = loop.makePromise(of: Packet?.self)
    guard clients[id] != nil else {
      promise.fail(failure ?? DeliveryHub.lagging)
      return promise.futureResult
    }
    clients[id]?.waiter?.succeed(nil)
    clients[id]?.waiter = promise
    serve(id)
    return promise.futureResult
  }

  func written(_ id: Int, through position: UInt64) {
    guard clients[id] != nil else { return }
    clients[id]?.written = position
    confirmWritten()
  }

  func detach(_ id: Int, at now: Instant) {
    guard let client = clients.removeValue(forKey: id) else { return }
    client.waiter?.fail(CancellationError())
    if clients.isEmpty {
      abandoned = now
      onPresence(false)
    } else {
      confirmWritten()
    }
  }

  // MARK: - Between the two

  private func serve(_ id: Int) {
    guard var client = clients[id], let waiter = client.waiter else { return }
    let found: Packet?
    if let next = client.next {
      found = index(of: next).map { chunks[$0] }
    } else {
      found = wasTrimmed ? chunks.first { $0.isKey } : chunks.first
    }
    if let found {
      client.next = found.position.index + 1
      client.waiter = nil
      clients[id] = client
      waiter.succeed(found)
    } else if ended {
      clients[id]?.waiter = nil
      waiter.succeed(nil)
    } else if let failure {
      clients[id]?.waiter = nil
      waiter.fail(failure)
    }
  }

  private func index(of position: UInt64) -> Int? {
    guard let first = chunks.first?.position.index, position >= first else { return nil }
    let offset = Int(position - first)
    return offset < chunks.count ? offset : nil
  }

  private func confirmWritten() {
    guard let least = clients.values.map({ $0.written.map { Int64($0) } ?? -1 }).min(), least >= 0 else { return }
    let through = UInt64(least)
    if confirmed.map({ through > $0 }) ?? true {
      confirmed = through
      confirm(Position(through))
    }
    var dropped = 0
    while dropped < chunks.count, chunks[dropped].position.index <= through, bytes > DeliveryHub.retainedBytes {
      bytes -= chunks[dropped].payload.count
      dropped += 1
    }
    chunks.removeFirst(dropped)
    if dropped > 0 { wasTrimmed = true }
  }

  private func cutLaggards() {
    guard clients.count > 1, let best = clients.values.compactMap(\.written).max() else { return }
    for (id, client) in clients {
      guard let start = client.written ?? client.next else { continue }
      let behind = chunks.lazy.filter { $0.position.index > start && $0.position.index <= best }.reduce(0) {
        $0 + $1.payload.count
      }
      guard behind > DeliveryHub.lagBytes else { continue }
      clients[id] = nil
      client.waiter?.fail(DeliveryHub.lagging)
    }
  }

  private static let empty = Problem(
    "no-media", status: 503, title: "No media", detail: "The stream ended before any of it came.")

  private static let lagging = Problem(
    "lagging", status: 503, title: "Too slow",
    detail: "This client was too far behind another of the same stream; come again, from a later position.",
    retryAfterSeconds: 1)
}

/// One HTTP client's share of a hub, from any task.
final class HubDelivery: Delivery, @unchecked Sendable {
  let mimeType: String
  let isLive: Bool
  let preamble: [UInt8]
  private let hub: NIOLoopBound<DeliveryHub>
  private let client: Int
  private let now: @Sendable () -> Instant

  init(
    hub: DeliveryHub, loop: any EventLoop, client: Int, format: MediaFormat, isLive: Bool,
    now: @escaping @Sendable () -> Instant
  ) {
    self.hub = NIOLoopBound(hub, eventLoop: loop)
    self.client = client
    self.now = now
    self.isLive = isLive
    mimeType = format.mimeType
    preamble = format.extradata
  }

  func next() async throws -> Chunk? {
    let (hub, client) = (hub, client)
    let loop = hub.eventLoop
    return try await withTaskCancellationHandler {
      let packet = try await loop.flatSubmit { hub.value.next(client) }.get()
      return packet.map { Chunk(bytes: $0.payload, position: $0.position.index, isKey: $0.isKey) }
    } onCancel: { [now] in
      loop.execute { hub.value.detach(client, at: now()) }
    }
  }

  func acknowledge(_ position: UInt64) async {
    let (hub, client) = (hub, client)
    hub.eventLoop.execute { hub.value.written(client, through: position) }
  }

  func close() async {
    let (hub, client, now) = (hub, client, now)
    hub.eventLoop.execute { hub.value.detach(client, at: now()) }
  }
}
