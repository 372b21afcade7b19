import Base
import Identity
import NIOCore
import NIOPosix
import Vocabulary

/// What a ``DatagramSocket`` has to say.
public enum DatagramEvent: Sendable {
  /// A peer's message: authenticated, not seen before. The address is where it came from.
  case received(from: NodeID, at: PeerAddress, bytes: [UInt8])
  /// A peer that this one greeted speaks another version of the protocol.
  case otherVersion(NodeID, theirs: UInt8)
}

/// One UDP socket for all peers: messages are sealed under pairwise keys, checked against replay, and never longer than
/// ``Limits/datagramBytes``. How sessions begin and what strangers may cost stands in `DatagramSessions`.
///
/// Confined to its event loop: every method is called on it, and events are delivered on it.
public final class DatagramSocket: @unchecked Sendable {
  /// The longest message: what the seal and the header leave of a datagram.
  public static let messageBytes = Limits.datagramBytes - DatagramLayout.messageHeader - 16

  /// The loop that this socket is confined to.
  public let eventLoop: any EventLoop
  /// Where it listens, with the port that the system chose for port 0.
  public private(set) var address: PeerAddress
  /// What happened since the start.
  public var counters: DatagramCounters { sessions.counters }

  private var sessions: DatagramSessions<SocketAddress>
  private let deliver: (DatagramEvent) -> Void
  private var channel: (any Channel)?
  private var isFlushing = false
  private var resolved: [PeerAddress: SocketAddress] = [:]
  private var shown: [SocketAddress: PeerAddress] = [:]

  /// Binds the socket.
  /// - Parameters:
  ///   - address: port 0 lets the system choose.
  ///   - incarnation: drawn at this process's start; the same as in ``LinkPool``.
  ///   - deliver: called on `eventLoop`.
  /// - Returns: fails with ``ListenError``.
  public static func bind(
    _ address: PeerAddress, keys: KeyPair, incarnation: UInt64, overlay: String, on eventLoop: any EventLoop,
    deliver: @escaping (DatagramEvent) -> Void
  ) -> EventLoopFuture<DatagramSocket> {
    let socket = DatagramSocket(address, keys, incarnation, overlay, eventLoop, deliver)
    let batch = 16
    let bound: EventLoopFuture<any Channel>
    do {
      bound = DatagramBootstrap(group: eventLoop)
        .channelOption(.datagramVectorReadMessageCount, value: batch)
        .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 2_048 * batch))
        .channelOption(.maxMessagesPerRead, value: 16)
        .channelOption(.socketOption(.so_rcvbuf), value: 1 << 20)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(DatagramHandler(socket))
          }
        }
        .bind(to: try address.socketAddress())
    } catch { bound = eventLoop.makeFailedFuture(error) }
    return bound.flatMapThrowing { channel in
      socket.channel = channel
      socket.address = PeerAddress(channel.localAddress) ?? address
      return socket
    }.flatMapErrorThrowing { throw ListenError($0, at: address, transport: "UDP") }
  }

  private init(
    _ address: PeerAddress, _ keys: KeyPair, _ incarnation: UInt64, _ overlay: String, _ eventLoop: any EventLoop,
    _ deliver: @escaping (DatagramEvent) -> Void
  ) {
    self.address = address
    self.eventLoop = eventLoop
    self.deliver = deliver
    sessions = DatagramSessions(keys: keys, incarnation: incarnation, overlay: overlay)
  }

  /// Seals and sends; to a peer not yet known, after it has welcomed this one (one round trip more).
  /// Nothing says whether it arrived.
  /// - Parameters:
  ///   - message: at most ``messageBytes`` long.
  ///   - node: who shall be able to read it.
  ///   - address: an IP address; to anything else nothing is sent.
  public func send(_ message: [UInt8], to node: NodeID, at address: PeerAddress) {
    eventLoop.preconditionInEventLoop()
    guard let address = lookUp(address) else { return }
    perform(sessions.send(message, to: node, at: address, now: .now(eventLoop)))
  }

  /// Notes an incarnation that a link has authenticated (``LinkEvent/up(_:)``), which saves the greeting.
  public func learn(_ node: NodeID, incarnation: UInt64, at address: PeerAddress) {
    eventLoop.preconditionInEventLoop()
    guard let address = lookUp(address) else { return }
    perform(sessions.learn(node, incarnation: incarnation, at: address, now: .now(eventLoop)))
  }

  /// Closes the socket.
  public func stop() -> EventLoopFuture<Void> {
    guard let channel else { return eventLoop.makeSucceededVoidFuture() }
    return channel.close().flatMapErrorThrowing { _ in }
  }

  fileprivate func receive(_ envelope: AddressedEnvelope<ByteBuffer>) {
    let datagram = Array(envelope.data.readableBytesView)
    perform(sessions.receive(datagram, from: envelope.remoteAddress, now: .now(eventLoop)))
  }

  private func perform(_ actions: [DatagramSessions<SocketAddress>.Action]) {
    for action in actions {
      switch action {
      case .transmit(let bytes, let address):
        guard let channel else { continue }
        let envelope = AddressedEnvelope(remoteAddress: address, data: channel.allocator.buffer(bytes: bytes))
        channel.write(envelope, promise: nil)
        flushSoon(channel)
      case .deliver(let node, let address, let bytes):
        guard let address = show(address) else { continue }
        deliver(.received(from: node, at: address, bytes: bytes))
      case .otherVersion(let node, let theirs): deliver(.otherVersion(node, theirs: theirs))
      }
    }
  }

  /// One system call for all datagrams of a turn of the loop.
  private func flushSoon(_ channel: any Channel) {
    guard !isFlushing else { return }
    isFlushing = true
    eventLoop.execute {
      self.isFlushing = false
      channel.flush()
    }
  }

  // Text to address and back costs more than sealing does: remembered, and forgotten when there are too many.

  private func lookUp(_ address: PeerAddress) -> SocketAddress? {
    if let known = resolved[address] { return known }
    guard let made = try? address.socketAddress() else { return nil }
    if resolved.count >= Limits.datagramSessions { resolved = [:] }
    resolved[address] = made
    return made
  }

  private func show(_ address: SocketAddress) -> PeerAddress? {
    if let known = shown[address] { return known }
    guard let made = PeerAddress(address) else { return nil }
    if shown.count >= Limits.datagramSessions { shown = [:] }
    shown[address] = made
    return made
  }
}

private final class DatagramHandler: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  private let socket: DatagramSocket
  init(_ socket: DatagramSocket) { self.socket = socket }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { socket.receive(unwrapInboundIn(data)) }

  /// An ICMP “port unreachable” for an earlier datagram: that peer is gone, which others find out; the socket is fine.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}

extension Instant {
  /// The loop's monotonic clock, which tests can turn.
  static func now(_ eventLoop: any EventLoop) -> Instant {
    Instant(nanoseconds: Int64(eventLoop.now.uptimeNanoseconds))
  }
}
