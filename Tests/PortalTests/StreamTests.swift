import Base
import NIOCore
import Synchronization
import Testing

@testable import Portal

@Suite("events and media flow, wait and end", .timeLimit(.minutes(1)))
struct StreamTests {
  private static func overlay(_ delivery: @escaping @Sendable (_ from: UInt64?) -> FakeDelivery) -> FakeOverlay {
    FakeOverlay {
      $0.services = [Sample.running()]
      $0.delivery = delivery
    }
  }

  private static func piece(_ position: UInt64, bytes: Int = 1_000) -> Chunk {
    Chunk(
      bytes: Array(repeating: UInt8(truncatingIfNeeded: position), count: bytes), position: position,
      isKey: position % 5 == 0)
  }

  private final class Received: Sendable {
    private let parts = Mutex<[DeliveryPart]>([])
    func add(_ part: DeliveryPart) { parts.withLock { $0.append(part) } }
    var all: [DeliveryPart] { parts.withLock { $0 } }
    var positions: [UInt64] { all.compactMap { if case .chunk(let chunk) = $0 { chunk.position } else { nil } } }
  }

  private final class Seen: Sendable {
    private let events = Mutex<[ServiceEvent]>([])
    func add(_ event: ServiceEvent) { events.withLock { $0.append(event) } }
    var all: [ServiceEvent] { events.withLock { $0 } }
  }

  // MARK: - Media

  @Test("framed chunks arrive whole, with positions and keys, are acknowledged, and the delivery is closed")
  func framed() async throws {
    let overlay = Self.overlay { from in
      FakeDelivery(isLive: true, preamble: [9, 9], from: from ?? 0) { $0 < 20 ? Self.piece($0) : nil }
    }
    let received = Received()
    try await withPortal(overlay) { client async throws in
      try await client.receive(Sample.service, output: "main") { received.add($0) }
    }
    #expect(
      received.all.prefix(2) == [
        .opened(mimeType: "video/webm; codecs=\"vp8, opus\"", isLive: true), .preamble([9, 9]),
      ])
    #expect(received.all.dropFirst(2) == (0..<20).map { .chunk(Self.piece($0)) }[...])
    await overlay.deliveries[0].closed.wait()
    #expect(overlay.deliveries[0].acknowledged == 19)
  }

  @Test("a client resumes at a position")
  func resuming() async throws {
    let overlay = Self.overlay { from in FakeDelivery(from: from ?? 0) { $0 < 20 ? Self.piece($0) : nil } }
    let received = Received()
    try await withPortal(overlay) { client async throws in
      try await client.receive(Sample.service, from: 17) { received.add($0) }
    }
    #expect(received.positions == [17, 18, 19])
  }

  @Test("a progressive body is the preamble and the chunks, nothing else, under the stream's own type")
  func progressive() async throws {
    let overlay = Self.overlay { _ in
      FakeDelivery(preamble: Array("head".utf8)) { $0 < 3 ? Self.piece($0, bytes: 2) : nil }
    }
    try await withPortal(overlay) { client async throws in
      let (head, bytes) = try await client.whole(.GET, "/v1/services/\(Sample.service)/media/main")
      #expect(head.headers.first(name: "Content-Type") == "video/webm; codecs=\"vp8, opus\"")
      #expect(head.headers.first(name: "X-Millrace-Live") == "false")
      #expect(bytes == Array("head".utf8) + [0, 0, 1, 1, 2, 2])
    }
  }

  @Test("a stream lost for good is a problem at its place when framed, and a cut body when progressive")
  func losing() async throws {
    let lost = Problem("stream-lost", status: 503, title: "Stream lost", detail: "No standby is left.")
    let overlay = Self.overlay { _ in
      FakeDelivery { position in if position < 2 { Self.piece(position) } else { throw lost } }
    }
    let received = Received()
    try await withPortal(overlay) { client async throws in
      #expect(await refusal { try await client.receive(Sample.service) { received.add($0) } } == lost)
      await #expect(throws: PortalClientError.cutOff(peer: client.address.authority)) {
        _ = try await client.whole(.GET, "/v1/services/\(Sample.service)/media")
      }
    }
    #expect(received.positions == [0, 1])
    for delivery in overlay.deliveries { await delivery.closed.wait() }
  }

  @Test("a slow reader holds the producer back; what it has not taken is not acknowledged; reading on lets it flow")
  func backPressure() async throws {
    let size = 64 << 10
    let overlay = Self.overlay { _ in FakeDelivery { Self.piece($0, bytes: size) } }
    try await withPortal(overlay) { client async throws in
      let connection = try await BareConnection(port: client.address.port, readsByItself: false)
      try await connection.send("GET /v1/services/\(Sample.service)/media HTTP/1.1\r\nHost: localhost\r\n\r\n")
      let stalled = Mutex<(taken: UInt64, since: ContinuousClock.Instant)>((0, .now))
      try await eventually("the producer stalls") {
        let taken = overlay.deliveries.first?.taken ?? 0
        return stalled.withLock { stalled in
          if stalled.taken != taken || taken == 0 { stalled = (taken, .now) }
          return ContinuousClock.now - stalled.since > .milliseconds(300)
        }
      }
      let delivery = overlay.deliveries[0]
      let taken = delivery.taken
      #expect(taken * UInt64(size) < 2 << 20, "bounded by the sockets' buffers")
      #expect(delivery.acknowledged.map { $0 + 1 } ?? 0 == taken - 1, "only the chunk in hand is not acknowledged")
      try await connection.startReading()
      try await eventually("reading on lets it flow") { delivery.taken > taken + 100 }
      try await connection.close()
      await delivery.closed.wait()
    }
  }

  @Test("a client that leaves while nothing flows is noticed")
  func leaving() async throws {
    let overlay = Self.overlay { _ in
      FakeDelivery { position in
        if position == 0 { return Self.piece(0) }
        try await untilCancelled()
        return nil
      }
    }
    try await withPortal(overlay) { client async throws in
      let connection = try await BareConnection(port: client.address.port)
      try await connection.send("GET /v1/services/\(Sample.service)/media HTTP/1.1\r\nHost: localhost\r\n\r\n")
      try await eventually("the first chunk is acknowledged") { overlay.deliveries.first?.acknowledged == 0 }
      try await connection.close()
      await overlay.deliveries[0].closed.wait()
    }
  }

  @Test("streams beyond the bound are refused with 503, and a stream that ends makes room")
  func bound() async throws {
    let overlay = Self.overlay { _ in FakeDelivery { $0 < 1 ? Self.piece($0) : nil } }
    try await withPortal(overlay, configuration: PortalConfiguration(port: 0, streams: 1)) { client async throws in
      let watcher = try await BareConnection(port: client.address.port)
      try await watcher.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
      await overlay.watched.wait()
      let refused = await refusal { try await client.receive(Sample.service) { _ in } }
      #expect(refused?.kind == "too-many-streams" && refused?.retryAfterSeconds == 5)
      try await watcher.close()
      await overlay.unwatched.wait()
      try await eventually("room is made") { (try? await client.receive(Sample.service) { _ in }) != nil }
    }
  }

  @Test("a portal that stops closes its open deliveries")
  func stopping() async throws {
    let overlay = Self.overlay { _ in
      FakeDelivery { position in
        if position == 0 { return Self.piece(0) }
        try await untilCancelled()
        return nil
      }
    }
    try await withPortal(overlay) { client async throws in
      let connection = try await BareConnection(port: client.address.port)
      try await connection.send("GET /v1/services/\(Sample.service)/media HTTP/1.1\r\nHost: localhost\r\n\r\n")
      try await eventually("the first chunk is acknowledged") { overlay.deliveries.first?.acknowledged == 0 }
    }
    await overlay.deliveries[0].closed.wait()
  }

  // MARK: - Events

  @Test("events arrive in order with their IDs, newlines and details, until the service's end")
  func events() async throws {
    let overlay = Self.overlay { _ in FakeDelivery { _ in nil } }
    let seen = Seen()
    try await withPortal(overlay) { client async throws in
      async let watching: Void = client.watch(Sample.service, after: 4) { event in
        seen.add(event)
        if event.sequence == 6 { overlay.finishEvents() }
        return true
      }
      await overlay.watched.wait()
      overlay.tell(Sample.event(5))
      overlay.tell(Sample.event(6, kind: "service.ended"))
      try await watching
    }
    #expect(seen.all == [Sample.event(5), Sample.event(6, kind: "service.ended")])
    #expect(overlay.resumedAfter == 4)
  }

  @Test("an idle event stream gets comments, and a watcher that leaves is noticed")
  func idle() async throws {
    let overlay = Self.overlay { _ in FakeDelivery { _ in nil } }
    let configuration = PortalConfiguration(port: 0, keepAlive: .milliseconds(20))
    try await withPortal(overlay, configuration: configuration) { client async throws in
      let connection = try await BareConnection(port: client.address.port)
      try await connection.send("GET /v1/services/\(Sample.service)/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
      try await eventually("two comments") { connection.text.components(of: ": still here\n\n") >= 2 }
      #expect(connection.text.contains("text/event-stream"))
      try await connection.close()
      await overlay.unwatched.wait()
    }
  }

  @Test("a watcher that falls behind by the bound is cut, not fed from unbounded memory")
  func behind() async throws {
    let overlay = Self.overlay { _ in FakeDelivery { _ in nil } }
    try await withPortal(overlay) { client async throws in
      let connection = try await BareConnection(port: client.address.port, readsByItself: false)
      try await connection.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
      await overlay.watched.wait()
      var event = Sample.event(0)
      event.details = ["padding": .text(String(repeating: "x", count: 100_000))]
      let feeding = Task {
        while !Task.isCancelled {
          event.sequence += 1
          overlay.tell(event)
          await Task.yield()
        }
      }
      await overlay.unwatched.wait()
      feeding.cancel()
      try await connection.close()
    }
  }

  // MARK: - Framing

  @Test("frames survive being cut anywhere; what no portal sends is refused")
  func framing() throws {
    let frames: [ChunkFrame] = [
      .preamble([1]), .chunk(Self.piece(0)), .chunk(Self.piece(1)),
      .chunk(Chunk(bytes: [], position: .max, isKey: true)),
      .problem(.notFound("x")), .end,
    ]
    var whole = ByteBuffer()
    for frame in frames { frame.write(to: &whole) }
    var pending = ByteBuffer()
    var read: [ChunkFrame] = []
    for byte in whole.readableBytesView {
      pending.writeInteger(byte)
      while let frame = try ChunkFrame.read(from: &pending) { read.append(frame) }
    }
    #expect(read == frames)
    var tooLong = ByteBuffer(bytes: [0xFF, 0xFF, 0xFF, 0xFF] + Array(repeating: 0, count: 9))
    #expect(throws: PortalClientError.self) { _ = try ChunkFrame.read(from: &tooLong) }
    var strange = ByteBuffer(bytes: Array(repeating: 0, count: 12) + [0x80])
    #expect(throws: PortalClientError.self) { _ = try ChunkFrame.read(from: &strange) }
  }
}

extension String {
  fileprivate func components(of part: String) -> Int {
    split(separator: part, omittingEmptySubsequences: false).count - 1
  }
}
