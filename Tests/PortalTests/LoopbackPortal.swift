import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import Portal

/// A portal on loopback with a client, for the time of `body`.
func withPortal<Result: Sendable>(
  _ overlay: FakeOverlay, configuration: PortalConfiguration = PortalConfiguration(port: 0),
  _ body: @Sendable (PortalClient) async throws -> Result
) async throws -> Result {
  var logger = Logger(label: "portal")
  logger.logLevel = .critical
  let server = PortalServer(backend: overlay, configuration: configuration, logger: logger)
  let (ports, out) = AsyncStream<Int>.makeStream()
  let running = Task {
    do {
      try await server.run { out.yield($0) }
    } catch {
      Issue.record(error)
    }
    out.finish()
  }
  var iterator = ports.makeAsyncIterator()
  let port = try #require(await iterator.next())
  let result: Swift.Result<Result, any Error>
  do {
    result = .success(try await body(try PortalClient("http://127.0.0.1:\(port)", patience: .seconds(10))))
  } catch {
    result = .failure(error)
  }
  running.cancel()
  await running.value
  return try result.get()
}

/// A bare connection: for bytes that no client library would send, and for clients that do not read.
struct BareConnection {
  let channel: any Channel
  private let bytes: ByteCollector

  init(port: Int, readsByItself: Bool = true) async throws {
    let collector = ByteCollector()
    bytes = collector
    channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.autoRead, value: readsByItself)
      .channelOption(.socketOption(.so_rcvbuf), value: 64 << 10)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(collector.handler()) }
      }
      .connect(host: "127.0.0.1", port: port).get()
  }

  func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }
  func read() { channel.read() }
  func startReading() async throws { try await channel.setOption(.autoRead, value: true).get() }
  /// What has come so far.
  var text: String { bytes.text }
  /// Everything until the other end closes.
  func rest() async throws -> String {
    try await channel.closeFuture.get()
    return bytes.text
  }
  func close() async throws { try await channel.close() }
}

private final class ByteCollector: @unchecked Sendable {
  private let lock = NIOLock()
  private var received: [UInt8] = []

  var text: String { lock.withLock { String(decoding: received, as: UTF8.self) } }
  func take(_ buffer: ByteBuffer) {
    lock.withLock { if received.count < 1 << 20 { received += buffer.readableBytesView } }
  }
  func handler() -> Handler { Handler(self) }

  final class Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let collector: ByteCollector
    init(_ collector: ByteCollector) { self.collector = collector }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { collector.take(unwrapInboundIn(data)) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}

/// Waits for a condition, looking every few milliseconds.
func eventually(
  _ what: Comment, within limit: Duration = .seconds(10), _ holds: @Sendable () async -> Bool
) async throws {
  let end = ContinuousClock.now + limit
  while !(await holds()) {
    try #require(ContinuousClock.now < end, what)
    try await Task.sleep(for: .milliseconds(5))  // polling
  }
}

/// For as long as nobody cancels: what a live source does that has nothing to say.
func untilCancelled() async throws {
  let (nothing, source) = AsyncStream<Never>.makeStream()
  for await _ in nothing {}
  withExtendedLifetime(source) {}
  try Task.checkCancellation()
}

/// The problem that a call was refused with.
func refusal(_ body: () async throws -> Void) async -> Problem? {
  do {
    try await body()
  } catch PortalClientError.refused(let problem) {
    return problem
  } catch {
    Issue.record(error)
  }
  return nil
}
