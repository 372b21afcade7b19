import Base
import Identity
import NIOCore
import NIOPosix
import NIOSSL
import Vocabulary

/// This peer's links: TCP with TLS 1.3, both ends authenticated by their node keys, at most one link of each purpose
/// with a peer, dialled when there is something to send and closed when idle.
///
/// When two peers dial each other at once, the connection dialled by the smaller node ID stays: its dialler refuses the
/// other one's HELLO as a duplicate, and whatever was queued goes over the one that stays. Frames of one link arrive in
/// order; frames that had left this peer when a link broke may be lost, which ``LinkEvent/down(_:_:_:undelivered:)`` says.
///
/// Confined to its event loop: every method is called on it, and events are delivered on it.
public final class LinkPool: @unchecked Sendable {
  /// The loop that the pool is confined to.
  public let eventLoop: any EventLoop
  /// Where it listens, with the port that the system chose for port 0.
  public private(set) var address: PeerAddress
  /// Whether a node may have a link at all; asked at every HELLO. Everyone may by default.
  public var admits: (NodeID) -> Bool = { _ in true }
  /// Connections that were turned away, by accident or malice.
  public private(set) var turnedAway = 0

  let security: LinkSecurity
  private let keys: KeyPair
  private let incarnation: UInt64
  private let overlay: String
  private let deliver: (LinkEvent) -> Void
  private var server: (any Channel)?
  private var links: OrderedDictionary<LinkName, Link> = [:]
  private var dials: [LinkName: Dial] = [:]
  private var pauses: [LinkName: Instant] = [:]
  private var strangers: [ObjectIdentifier: Link] = [:]
  private var traffic: [NodeID: LinkTraffic] = [:]
  private var sweep: RepeatedTask?
  private var isStopped = false

  /// Listens. Fails with ``ListenError``.
  /// - Parameters:
  ///   - address: port 0 lets the system choose. Outgoing connections come from this address too.
  ///   - incarnation: drawn at this process's start; the same as in ``DatagramSocket``.
  ///   - deliver: called on `eventLoop`.
  public static func listen(
    _ address: PeerAddress, keys: KeyPair, incarnation: UInt64, overlay: String, on eventLoop: any EventLoop,
    deliver: @escaping (LinkEvent) -> Void
  ) -> EventLoopFuture<LinkPool> {
    let bound: EventLoopFuture<(LinkPool, any Channel)>
    do {
      let pool = LinkPool(try LinkSecurity(keys: keys), address, keys, incarnation, overlay, eventLoop, deliver)
      bound = ServerBootstrap(group: eventLoop)
        .serverChannelOption(.backlog, value: 256)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .withLinkOptions()
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try pool.accept(channel) }
        }
        .bind(to: try address.socketAddress()).map { (pool, $0) }
    } catch { bound = eventLoop.makeFailedFuture(error) }
    return bound.flatMapThrowing { pool, channel in
      pool.server = channel
      pool.address = PeerAddress(channel.localAddress) ?? address
      pool.startSweeping()
      return pool
    }.flatMapErrorThrowing { throw ListenError($0, at: address, transport: "TCP") }
  }

  private init(
    _ security: LinkSecurity, _ address: PeerAddress, _ keys: KeyPair, _ incarnation: UInt64, _ overlay: String,
    _ eventLoop: any EventLoop, _ deliver: @escaping (LinkEvent) -> Void
  ) {
    self.security = security
    self.address = address
    self.keys = keys
    self.incarnation = incarnation
    self.overlay = overlay
    self.eventLoop = eventLoop
    self.deliver = deliver
  }

  // MARK: Sending

  /// Sends a frame over the link of that purpose, which is dialled if there is none. False when it was not taken: the
  /// backlog is full (``LinkEvent/drained(_:_:)`` will come), there are too many links, or there is neither a link nor
  /// an address. True promises no delivery.
  /// - Parameters:
  ///   - frame: 1 to ``Limits/linkMessageBytes`` bytes.
  ///   - address: where the peer listens; nil to use a link only if there is one.
  @discardableResult
  public func send(_ frame: [UInt8], to node: NodeID, at address: PeerAddress?, purpose: LinkPurpose) -> Bool {
    eventLoop.preconditionInEventLoop()
    precondition((1...Limits.linkMessageBytes).contains(frame.count), "a frame of \(frame.count) bytes")
    let name = LinkName(node, purpose)
    if let link = links[name], let queue = link.queue {
      link.touch()
      return queue.enqueue(frame)
    }
    if let dial = dials[name] { return dial.queue.enqueue(frame) }
    guard let address, !isStopped, node != keys.id, links.count + dials.count < Limits.links else { return false }
    let dial = Dial(name, address, queue(for: name), deadline: now + Limits.linkDialTime)
    dials[name] = dial
    _ = dial.queue.enqueue(frame)
    connect(dial, after: (pauses[name] ?? now) - now)
    return true
  }

  /// Bytes that wait for the link, or for the dial, to take them; 0 when there is neither.
  public func queuedBytes(to node: NodeID, purpose: LinkPurpose) -> Int {
    let name = LinkName(node, purpose)
    return (links[name]?.queue ?? dials[name]?.queue)?.queuedBytes ?? 0
  }

  /// Whether a frame sent now would go straight to the socket.
  public func isWritable(to node: NodeID, purpose: LinkPurpose) -> Bool {
    links[LinkName(node, purpose)]?.queue?.queuedBytes == 0
  }

  /// All links that are up, oldest first.
  public var infos: [LinkInfo] { links.values.compactMap(\.info) }

  /// The link of that purpose, if it is up.
  public func info(_ node: NodeID, purpose: LinkPurpose) -> LinkInfo? { links[LinkName(node, purpose)]?.info }

  /// What was exchanged with a peer since the start, over links of now and before.
  public func traffic(with node: NodeID) -> LinkTraffic {
    links.values.reduce(into: traffic[node] ?? LinkTraffic()) { sum, link in
      if link.name?.node == node { LinkPool.add(link, to: &sum) }
    }
  }

  /// Ends a link that is up, as when its frames make no sense to whoever reads them.
  public func close(_ name: LinkName, reason: LinkFailure) {
    eventLoop.preconditionInEventLoop()
    links[name]?.fail(reason)
  }

  /// Ends all links and dials and stops listening; what the socket layer was given goes out first, for a second at
  /// most. Nothing is delivered any more.
  public func stop() -> EventLoopFuture<Void> {
    eventLoop.preconditionInEventLoop()
    isStopped = true
    sweep?.cancel()
    for dial in dials.values { abandon(dial) }
    dials = [:]
    let ending = Array(links.values) + Array(strangers.values)
    var closed = ending.compactMap(\.closed)
    for link in ending { link.fail(.closedHere("it stops")) }
    if let server { closed.append(server.close()) }
    let done = eventLoop.makePromise(of: Void.self)
    EventLoopFuture.andAllComplete(closed, on: eventLoop).cascade(to: done)
    let patience = eventLoop.scheduleTask(in: .seconds(1)) { done.succeed() }
    return done.futureResult.always { _ in patience.cancel() }
  }

  // MARK: Dialling

  private final class Dial {
    let name: LinkName
    let address: PeerAddress
    let queue: FrameQueue
    let deadline: Instant
    var link: Link?
    init(_ name: LinkName, _ address: PeerAddress, _ queue: FrameQueue, deadline: Instant) {
      self.name = name
      self.address = address
      self.queue = queue
      self.deadline = deadline
    }
  }

  private func connect(_ dial: Dial, after pause: Duration = .zero) {
    if pause > .zero {
      let later = eventLoop.assumeIsolated()
      later.scheduleTask(in: TimeAmount(pause)) { if self.dials[dial.name] === dial { self.connect(dial) } }
      return
    }
    let link = Link(pool: self, dialled: dial.name)
    dial.link = link
    do {
      let target = try dial.address.socketAddress()
      let boundLink = NIOLoopBound(link, eventLoop: eventLoop)
      var bootstrap = ClientBootstrap(group: eventLoop)
        .withLinkOptions()
        .connectTimeout(TimeAmount(Limits.linkDialTime))
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try boundLink.value.addHandlers(to: channel) }
        }
      // From the address that others know this peer by, which on a machine with several matters to them.
      if let source = try? SocketAddress(ipAddress: address.host, port: 0), source.protocol == target.protocol,
        !["0.0.0.0", "::"].contains(address.host)
      {
        bootstrap = bootstrap.bind(to: source)
      }
      bootstrap.connect(to: target).assumeIsolated().whenFailure { error in
        link.fail(.unreachable(dial.address, LinkPool.words(error)))
      }
    } catch {
      link.fail(.unreachable(dial.address, "not an IP address"))
    }
  }

  private func failed(_ dial: Dial, _ failure: LinkFailure) {
    dial.link = nil
    if failure == .duplicate, now + Limits.linkRedialPause < dial.deadline {
      // The peer's own dial is on its way and will take over the queue; if it fails, this peer dials again.
      return connect(dial, after: Limits.linkRedialPause)
    }
    dials[dial.name] = nil
    pauses[dial.name] = now + Limits.linkRedialPause
    tell(.down(dial.name.node, dial.name.purpose, failure, undelivered: dial.queue.close().count))
  }

  private func abandon(_ dial: Dial) {
    let link = dial.link
    dial.link = nil
    link?.fail(.duplicate)
  }

  // MARK: Accepting

  private func accept(_ channel: any Channel) throws {
    let link = Link(pool: self, dialled: nil)
    guard strangers.count < Limits.linkStrangers, !isStopped else {
      turnedAway += 1
      tell(.turnedAway(nil, PeerAddress(channel.remoteAddress), .full))
      channel.close(promise: nil)
      return
    }
    strangers[ObjectIdentifier(link)] = link
    try link.addHandlers(to: channel)
  }

  /// What a link says of this peer.
  func hello(for purpose: LinkPurpose) -> Hello {
    Hello(
      version: UInt32(DatagramLayout.version), node: keys.id, incarnation: incarnation, overlay: overlay,
      purpose: purpose)
  }

  /// Whether the link that the peer has dialled may come up; see the tie-break at the top.
  func admit(_ hello: Hello) throws(LinkFailure) {
    guard admits(hello.node), hello.node != keys.id else { throw .refused("node \(hello.node.short)… is not welcome") }
    let name = LinkName(hello.node, hello.purpose)
    if let link = links[name] {
      // Up already. If this side dialled it a moment ago, the peer's HELLO crossed ours; else the peer has lost it.
      let isCrossing = link.dialled != nil && now - link.since < Limits.linkDialTime
      if isCrossing, link.info?.incarnation == hello.incarnation { throw .duplicate }
    } else {
      if dials[name]?.link?.isGreeting == true, keys.id < hello.node { throw .duplicate }
      guard links.count < Limits.links else { throw .full }
    }
  }

  // MARK: What links report

  /// A link has come up: it replaces an older one and takes over what was queued while dialling.
  func rose(_ link: Link) {
    guard let name = link.name else { return }
    strangers[ObjectIdentifier(link)] = nil
    links[name]?.fail(.replaced)
    let dial = dials.removeValue(forKey: name)
    if let dial, dial.link !== link { abandon(dial) }
    let queue = dial?.queue ?? queue(for: name)
    link.queue = queue
    links[name] = link
    if let info = link.info { tell(.up(info)) }
    if links[name] === link { link.open(queue) }
  }

  func received(_ frame: [UInt8], on link: Link) {
    guard let name = link.name, links[name] === link else { return }
    tell(.received(from: name.node, purpose: name.purpose, bytes: frame))
  }

  func ended(_ link: Link, name: LinkName?, node: NodeID?, remote: PeerAddress?, _ failure: LinkFailure) {
    strangers[ObjectIdentifier(link)] = nil
    if let name, links[name] === link {
      links[name] = nil
      LinkPool.add(link, to: &traffic[name.node, default: LinkTraffic()])
      tell(.down(name.node, name.purpose, failure, undelivered: link.queue?.close().count ?? 0))
    } else if let dialled = link.dialled {
      if let dial = dials[dialled], dial.link === link { failed(dial, failure) }
    } else {
      turnedAway += 1
      tell(.turnedAway(node, remote, failure))
    }
  }

  // MARK: Housekeeping

  private var now: Instant { .now(eventLoop) }

  private func tell(_ event: LinkEvent) {
    if !isStopped { deliver(event) }
  }

  private func queue(for name: LinkName) -> FrameQueue {
    FrameQueue(limit: name.purpose.backlogBytes) { [weak self] in self?.tell(.drained(name.node, name.purpose)) }
  }

  private func startSweeping() {
    let interval = TimeAmount(Limits.linkIdle / 8)
    sweep = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in
      self?.closeIdle()
    }
  }

  private func closeIdle() {
    let now = now
    for link in Array(links.values) where link.queue?.queuedBytes == 0 && now - link.used > Limits.linkIdle {
      link.fail(.idle)
    }
    pauses = pauses.filter { $0.value > now }
    if traffic.count > Limits.members { traffic = [:] }
  }

  private static func add(_ link: Link, to sum: inout LinkTraffic) {
    sum.bytesSent += link.queue?.sentBytes ?? 0
    sum.bytesReceived += link.bytesReceived
  }

  private static func words(_ error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
      error.connectionErrors.first.map { words($0.error) } ?? "the name does not resolve"
    case ChannelError.connectTimeout: "no answer"
    default: "\(error)"
    }
  }
}
