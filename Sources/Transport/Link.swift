import Base
import Glibc
import Identity
import NIOCore
import NIOSSL
import NIOTLS
import Vocabulary
import Wire

/// One TCP connection with one peer, from TLS through HELLO to frames.
///
/// The dialling end says HELLO first. The accepting end judges it, says HELLO itself and answers; so each end knows that
/// the other has accepted it (in TLS 1.3 the client is done before the server has looked at its certificate) before
/// anything else is said.
final class Link: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  enum State {
    /// TLS is under way. Can become: greeting, down.
    case securing
    /// TLS found who it is; HELLO is under way. `theirs` is the accepting end's, as the dialling end has read it.
    /// Can become: up, down.
    case greeting(NodeID, theirs: Hello?)
    /// Can become: down.
    case up(Hello)
    case down
  }

  let pool: LinkPool
  /// What this end dialled for; nil when the other end dialled.
  let dialled: LinkName?
  private(set) var state = State.securing
  private(set) var since: Instant
  private(set) var used: Instant
  private(set) var framesReceived = 0
  private(set) var bytesReceived = 0
  /// Whose key the certificate has, noted when TLS asks, before it is judged.
  var certified: NodeID?
  var queue: FrameQueue?
  private var context: ChannelHandlerContext?
  private var deadline: Scheduled<Void>?

  init(pool: LinkPool, dialled: LinkName?) {
    self.pool = pool
    self.dialled = dialled
    since = .now(pool.eventLoop)
    used = since
  }

  /// A stranger cannot make this peer hold more than a HELLO's bytes.
  var frameLimit: Int {
    if case .up = state { return Limits.linkMessageBytes }
    return Limits.helloBytes
  }

  var isGreeting: Bool {
    if case .greeting = state { return true }
    return false
  }

  /// Once up.
  var name: LinkName? {
    if case .up(let hello) = state { return LinkName(hello.node, hello.purpose) }
    return nil
  }

  /// Completes when the connection is gone.
  var closed: EventLoopFuture<Void>? { context?.channel.closeFuture }

  var remote: PeerAddress? { PeerAddress(context?.remoteAddress) }

  var info: LinkInfo? {
    guard case .up(let hello) = state, let name, let context, let queue else { return nil }
    let nowhere = PeerAddress(host: "0.0.0.0", port: 0)
    return LinkInfo(
      name: name, incarnation: hello.incarnation, local: PeerAddress(context.localAddress) ?? nowhere,
      remote: PeerAddress(context.remoteAddress) ?? nowhere, isDialled: dialled != nil, bytesSent: queue.sentBytes,
      bytesReceived: bytesReceived, framesSent: queue.sentFrames, framesReceived: framesReceived,
      queuedBytes: queue.queuedBytes)
  }

  // MARK: Securing

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    let time = TimeAmount(Limits.linkDialTime)
    deadline = context.eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
      guard let self else { return }
      self.fail(.tooSlow(self.remote))
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted = event as? TLSUserEvent { onSecured(context) }
    context.fireUserInboundEventTriggered(event)
  }

  /// Reads the peer's ID once more: a resumed session does not come by the verification callback.
  private func onSecured(_ context: ChannelHandlerContext) {
    guard case .securing = state else { return }
    let tls = try? context.pipeline.syncOperations.handler(type: NIOSSLHandler.self)
    guard let certificate = tls?.peerCertificate, let node = NodeCertificate.node(of: certificate) else {
      return fail(.notSecured("no certificate with an Ed25519 key"))
    }
    if let dialled, dialled.node != node { return fail(.wrongIdentity(expected: dialled.node, found: node)) }
    state = .greeting(node, theirs: nil)
    if let dialled { say(pool.hello(for: dialled.purpose).frame) }
  }

  // MARK: Greeting

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = Array(unwrapInboundIn(data).readableBytesView)
    switch state {
    case .securing, .down: return
    case .greeting(let node, let theirs):
      do throws(LinkFailure) { try onGreeting(Link.parse(frame), from: node, theirs) } catch { fail(error) }
    case .up:
      framesReceived += 1
      bytesReceived += frame.count + 4
      used = .now(pool.eventLoop)
      pool.received(frame, on: self)
    }
  }

  private func onGreeting(_ message: WireLinkMessage, from node: NodeID, _ theirs: Hello?) throws(LinkFailure) {
    switch (message.body, theirs, dialled) {
    case (.hello(let wire), nil, let dialled?):
      let hello = try Hello(validating: wire)
      try pool.hello(for: dialled.purpose).check(hello, from: node)
      state = .greeting(node, theirs: hello)
    case (.helloAnswer(let wire), let hello?, let dialled?):
      if let failure = HelloAnswer.failure(wire) { throw failure }
      rise(
        Hello(
          version: hello.version, node: node, incarnation: hello.incarnation, overlay: hello.overlay,
          purpose: dialled.purpose))
    case (.hello(let wire), nil, nil): answer(wire, from: node)
    default: throw .garbage("something else before HELLO")
    }
  }

  private func answer(_ wire: WireHello, from node: NodeID) {
    do throws(LinkFailure) {
      let hello = try Hello(validating: wire)
      try pool.hello(for: hello.purpose).check(hello, from: node)
      try pool.admit(hello)
      say(pool.hello(for: hello.purpose).frame)
      say(HelloAnswer.frame(refusing: nil))
      rise(hello)
    } catch {
      say(pool.hello(for: .control).frame)
      say(HelloAnswer.frame(refusing: error)) { $0.fail(error) }
    }
  }

  private func rise(_ hello: Hello) {
    state = .up(hello)
    since = .now(pool.eventLoop)
    used = since
    deadline?.cancel()
    pool.rose(self)
  }

  /// Frames flow from here on.
  func open(_ queue: FrameQueue) {
    self.queue = queue
    if let context { queue.open(context) }
  }

  func touch() { used = .now(pool.eventLoop) }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    queue?.pump()
    context.fireChannelWritabilityChanged()
  }

  // MARK: The end

  func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(failure(of: error)) }

  func channelInactive(context: ChannelHandlerContext) { fail(.closed) }

  func fail(_ failure: LinkFailure) {
    if case .down = state { return }
    let node: NodeID? =
      switch state {
      case .greeting(let node, _): node
      default: certified
      }
    let (name, remote) = (name, remote)
    // What the socket layer was given goes out before the connection ends.
    if name != nil { context?.flush() }
    state = .down
    deadline?.cancel()
    pool.ended(self, name: name, node: node, remote: remote, failure)
    context?.close(promise: nil)
    context = nil
  }

  private func failure(of error: any Error) -> LinkFailure {
    if let error = error as? FrameError { return .garbage(error.description) }
    if let error = error as? IOError {
      return error.errnoCode == ECONNRESET || error.errnoCode == EPIPE ? .closed : .broken(error.description)
    }
    if let error = error as? NIOSSLError, case .uncleanShutdown = error { return .closed }
    if let dialled, let certified, certified != dialled.node {
      return .wrongIdentity(expected: dialled.node, found: certified)
    }
    if case .up = state { return .broken("\(error)") }
    return .notSecured("\(error)")
  }

  private func say(_ frame: [UInt8], then: ((Link) -> Void)? = nil) {
    guard let context else { return }
    var buffer = context.channel.allocator.buffer(capacity: frame.count + 4)
    buffer.writeInteger(UInt32(frame.count))
    buffer.writeBytes(frame)
    let written = context.writeAndFlush(NIOAny(buffer))
    if let then { written.assumeIsolated().whenComplete { [weak self] _ in self.map(then) } }
  }

  private static func parse(_ frame: [UInt8]) throws(LinkFailure) -> WireLinkMessage {
    do { return try WireLinkMessage(parsing: frame) } catch { throw .garbage(error.description) }
  }
}
