import Base
import Identity
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Testing
import Vocabulary
import Wire

@testable import Transport

/// Someone who speaks TLS with a good key, and then whatever a test wants.
private final class RawClient: ChannelInboundHandler, @unchecked Sendable {
  typealias InboundIn = ByteBuffer
  let inbox: Inbox<[UInt8]>
  let secured: EventLoopPromise<Void>
  private var channel: (any Channel)!

  init(_ loop: any EventLoop) {
    inbox = Inbox(loop)
    secured = loop.makePromise()
  }

  static func connect(to address: PeerAddress, keys: KeyPair, withTLS: Bool = true) async throws -> RawClient {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let client = RawClient(loop)
    let security = try LinkSecurity(keys: keys)
    client.channel = try await ClientBootstrap(group: loop).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        if withTLS {
          let tls = try NIOSSLClientHandler(context: security.client, serverHostname: nil) { _, promise in
            promise.succeed(.certificateVerified)
          }
          try channel.pipeline.syncOperations.addHandler(tls)
        } else {
          client.secured.succeed()
        }
        let decoder = ByteToMessageHandler(FrameDecoder { Limits.linkMessageBytes })
        try channel.pipeline.syncOperations.addHandlers([decoder, client])
      }
    }.connect(to: try address.socketAddress()).get()
    try await client.secured.futureResult.get()
    return client
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted = event as? TLSUserEvent { secured.succeed() }
  }
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    inbox.add(Array(unwrapInboundIn(data).readableBytesView))
  }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { secured.fail(error) }

  func write(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }
  func write(frame: [UInt8]) async throws {
    try await write(withUnsafeBytes(of: UInt32(frame.count).bigEndian) { Array($0) } + frame)
  }
  func ended() async throws { try await channel.closeFuture.get() }
  func answer() async throws -> WireHelloAnswer {
    try await inbox.first { frame in
      guard let message = try? WireLinkMessage(parsing: frame), case .helloAnswer(let answer) = message.body
      else { return nil }
      return answer
    }
  }
}

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HostileLinkTests {
  private func hello(_ keys: KeyPair, version: UInt32 = 1, node: NodeID? = nil) -> [UInt8] {
    Hello(version: version, node: node ?? keys.id, incarnation: 5, overlay: "test", purpose: .control).frame
  }

  @Test("noise on the port is turned away, and the peer goes on")
  func noise() async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    let stranger = try await RawClient.connect(to: try await b.address, keys: .generate(), withTLS: false)
    try await stranger.write((0..<4_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
    guard case .notSecured = try await b.turnedAway() else { return #expect(Bool(false), "not noticed") }
    try await stranger.ended()
    try await a.send([1], to: b.id, at: b.address)
    #expect(try await b.received([1]) == a.id)
    try await a.stop()
    try await b.stop()
  }

  @Test("a peer of another version is told so")
  func otherVersion() async throws {
    let (b, keys) = (try await LinkedPeer(), KeyPair.generate())
    let old = try await RawClient.connect(to: try await b.address, keys: keys)
    try await old.write(frame: hello(keys, version: 99))
    let answer = try await old.answer()
    #expect(!answer.accepted && answer.refusal == "other_version")
    #expect(answer.reason.contains("version 99"))
    #expect(try await b.turnedAway() == .otherVersion(theirs: 99))
    try await old.ended()
    try await b.stop()
  }

  @Test("a HELLO in another node's name is refused")
  func wrongName() async throws {
    let (b, keys, other) = (try await LinkedPeer(), KeyPair.generate(), KeyPair.generate())
    let liar = try await RawClient.connect(to: try await b.address, keys: keys)
    try await liar.write(frame: hello(keys, node: other.id))
    #expect(try await liar.answer().refusal == "not_you")
    #expect(try await b.turnedAway() == .wrongIdentity(expected: keys.id, found: other.id))
    try await b.stop()
  }

  @Test("garbage before HELLO, and a HELLO longer than one can be, end the connection", arguments: [16, 100_000])
  func garbageBeforeHello(size: Int) async throws {
    let b = try await LinkedPeer()
    let stranger = try await RawClient.connect(to: try await b.address, keys: .generate())
    try await stranger.write(frame: [UInt8](repeating: 0xff, count: size))
    guard case .garbage = try await b.turnedAway() else { return #expect(Bool(false), "another reason") }
    try await stranger.ended()
    try await b.stop()
  }

  @Test("a frame length beyond the limit ends a link that is up, with the reason")
  func garbageAfterHello() async throws {
    let (b, keys) = (try await LinkedPeer(), KeyPair.generate())
    let liar = try await RawClient.connect(to: try await b.address, keys: keys)
    try await liar.write(frame: hello(keys))
    #expect(try await liar.answer().accepted)
    try await liar.write(frame: [1, 2])
    #expect(try await b.received([1, 2]) == keys.id)
    try await liar.write([0xff, 0xff, 0xff, 0xff])
    guard case .garbage(let reason) = try await b.down() else { return #expect(Bool(false), "another reason") }
    #expect(reason.contains("4294967295"))
    try await liar.ended()
    try await b.stop()
  }

  @Test("who reads the frames can end a link whose frames make no sense")
  func closedByReader() async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    try await a.send([1], to: b.id, at: b.address)
    _ = try await b.received([1])
    try await b.pool.eventLoop.submit { b.pool.close(LinkName(a.id, .control), reason: .garbage("no message")) }.get()
    #expect(try await b.down() == .garbage("no message"))
    #expect(try await a.down() == .closed)
    try await a.stop()
    try await b.stop()
  }

  @Test("strangers who say nothing are limited in number")
  func manyStrangers() async throws {
    let b = try await LinkedPeer()
    let address = try await b.address.socketAddress()
    let group = MultiThreadedEventLoopGroup.singleton
    let connected = (0...Limits.linkStrangers).map { _ in ClientBootstrap(group: group).connect(to: address) }
    _ = try await EventLoopFuture.whenAllSucceed(connected, on: group.next()).get()
    _ = try await b.inbox.first { if case .turnedAway(nil, _, .full) = $0 { true } else { nil } }
    try await b.stop()
  }
}
