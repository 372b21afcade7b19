import Base
import NIOCore
import NIOHTTP1
import NIOPosix

/// The pieces of an answer's body, in order.
struct AnswerBody {
  var parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator
  let patience: PatienceHandler
  let peer: String

  /// The next piece; nil after the last.
  /// - Throws: ``PortalClientError/cutOff(peer:)`` when the connection ends before the answer does.
  mutating func next() async throws -> ByteBuffer? {
    guard let part = try await parts.next() else { throw PortalClientError.cutOff(peer: peer) }
    switch part {
    case .body(let buffer): return buffer
    case .end: return nil
    case .head: throw PortalClientError.brokenAnswer("a second head")
    }
  }
}

extension PortalClient {
  typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

  /// One request on a connection of its own; `use` reads the answer, at its own pace, and the connection is closed after it.
  func exchange<Result: Sendable>(
    _ method: HTTPMethod, _ path: String, headers: HTTPHeaders = [:], body: [UInt8] = [], isStream: Bool,
    _ use: (HTTPResponseHead, inout AnswerBody) async throws -> Result
  ) async throws(PortalClientError) -> Result {
    let peer = address.authority
    let patience = PatienceHandler(limit: patience, untilHead: isStream)
    let connection = try await connect(patience)
    var head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers)
    if !headers.contains(name: "Host") { head.headers.add(name: "Host", value: peer) }
    head.headers.add(name: "Connection", value: "close")
    if !body.isEmpty || method == .POST { head.headers.add(name: "Content-Length", value: "\(body.count)") }
    do {
      return try await connection.executeThenClose { inbound, outbound in
        // A portal may refuse a body before it has read it all: what it says counts, not the broken pipe.
        let sent: (any Error)?
        do {
          try await outbound.write(contentsOf: [.head(head), .body(.byteBuffer(ByteBuffer(bytes: body))), .end(nil)])
          sent = nil
        } catch {
          sent = error
        }
        var parts = inbound.makeAsyncIterator()
        guard case .head(let answer)? = try await parts.next() else {
          throw sent ?? PortalClientError.cutOff(peer: peer)
        }
        var answerBody = AnswerBody(parts: parts, patience: patience, peer: peer)
        return try await use(answer, &answerBody)
      }
    } catch let error as PortalClientError {
      throw error
    } catch {
      throw Self.typed(error, peer: peer)
    }
  }

  private func connect(_ patience: PatienceHandler) async throws(PortalClientError) -> Connection {
    do {
      return try await ClientBootstrap(group: group)
        .connectTimeout(.seconds(5))
        .channelOption(.socketOption(.tcp_nodelay), value: 1)
        .connect(host: address.host, port: address.port) { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(patience.handler())
            return try Connection(wrappingChannelSynchronously: channel)
          }
        }
    } catch {
      throw .unreachable(peer: address.authority, reason: Self.reason(error))
    }
  }

  private static func typed(_ error: any Error, peer: String) -> PortalClientError {
    switch error {
    case let error as PatienceHandler.Exhausted: .silent(peer: peer, seconds: Int(error.limit.seconds))
    case let error as HTTPParserError where error != .invalidEOFState: .brokenAnswer("not HTTP")
    default: .cutOff(peer: peer)
    }
  }

  private static func reason(_ error: any Error) -> String {
    guard let failure = error as? NIOConnectionError else { return "\(error)" }
    if failure.dnsAError != nil && failure.connectionErrors.isEmpty { return "the name cannot be resolved" }
    guard let last = failure.connectionErrors.last?.error else { return "no address answers" }
    switch (last as? IOError)?.errnoCode {
    case ECONNREFUSED?: return "connection refused; is a peer running there?"
    case EHOSTUNREACH?, ENETUNREACH?: return "no route to it"
    default: return last is ChannelError ? "no answer within 5 s" : "\(last)"
    }
  }
}

/// Fails a connection on which nothing comes for too long.
struct PatienceHandler: Sendable {
  /// Nothing came for `limit`.
  struct Exhausted: Error { let limit: Duration }

  let limit: Duration
  /// Streams may be silent once their head has come.
  let untilHead: Bool

  func handler() -> Watch { Watch(limit: limit, untilHead: untilHead) }

  final class Watch: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart

    private let limit: Duration
    private let untilHead: Bool
    private var alarm: Scheduled<Void>?

    init(limit: Duration, untilHead: Bool) {
      self.limit = limit
      self.untilHead = untilHead
    }

    func channelActive(context: ChannelHandlerContext) {
      wait(context)
      context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { alarm?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      alarm?.cancel()
      if case .end = unwrapInboundIn(data) {} else if !untilHead { wait(context) }
      context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
      alarm?.cancel()
      context.fireChannelInactive()
    }

    private func wait(_ context: ChannelHandlerContext) {
      let here = NIOLoopBound(context, eventLoop: context.eventLoop)
      let limit = limit
      alarm = context.eventLoop.scheduleTask(in: .nanoseconds(limit.nanoseconds)) {
        here.value.fireErrorCaught(Exhausted(limit: limit))
        here.value.close(promise: nil)
      }
    }
  }
}
