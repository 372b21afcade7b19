import Base
import Identity
import NIOCore
import NIOPosix
import Testing
import Vocabulary

@testable import Transport

@Suite(.serialized, .timeLimit(.minutes(1)))
struct LinkTests {
  @Test("two peers exchange frames both ways over one link, and each knows who the other is")
  func exchange() async throws {
    let (a, b) = (try await LinkedPeer(incarnation: 7), try await LinkedPeer(incarnation: 8))
    try await a.send([1, 2, 3], to: b.id, at: b.address)
    #expect(try await b.received([1, 2, 3]) == a.id)
    // The answer needs no address: the link is there.
    #expect(try await b.send([4], to: a.id, at: nil))
    #expect(try await a.received([4]) == b.id)
    let (ours, theirs) = (try #require(try await a.info(b.id)), try #require(try await b.info(a.id)))
    #expect(ours.local == theirs.remote)
    #expect(ours.remote == theirs.local)
    #expect(ours.isDialled && !theirs.isDialled)
    #expect(ours.incarnation == 8 && theirs.incarnation == 7)
    #expect(ours.bytesSent == 7 && theirs.bytesReceived == 7 && ours.framesReceived == 1)
    try await a.stop()
    #expect(try await b.down() == .closed)
    try await b.stop()
  }

  @Test("what was sent before a peer stops arrives")
  func lastWords() async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    let start = ContinuousClock().now
    try await a.send([1], to: b.id, at: b.address)
    _ = try await b.received([1])
    print("figure: dial, TLS, HELLO and a first frame \((ContinuousClock().now - start).milliseconds) ms")
    let words = [UInt8](repeating: 5, count: 100_000)
    try await a.pool.eventLoop.flatSubmit {
      a.pool.send(words, to: b.id, at: nil, purpose: .control)
      return a.pool.stop()
    }.get()
    #expect(try await b.received(words) == a.id)
    #expect(try await b.down() == .closed)
    try await b.stop()
  }

  @Test("a node that is not the expected one is refused before it hears a word")
  func wrongPin() async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    let expected = KeyPair.generate().id
    try await a.send([1], to: expected, at: b.address)
    #expect(try await a.down() == .wrongIdentity(expected: expected, found: b.id))
    guard case .notSecured = try await b.turnedAway() else { return #expect(Bool(false), "b took it") }
    try await a.stop()
    try await b.stop()
  }

  @Test("peers of two overlays tell each other so")
  func otherOverlay() async throws {
    let (a, b) = (try await LinkedPeer(overlay: "north"), try await LinkedPeer(overlay: "south"))
    try await a.send([1], to: b.id, at: b.address)
    #expect(try await a.down() == .otherOverlay("south"))
    #expect(try await b.turnedAway() == .otherOverlay("north"))
    try await a.stop()
    try await b.stop()
  }

  @Test("a node that is not admitted is told so")
  func notAdmitted() async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    try await b.pool.eventLoop.submit { b.pool.admits = { _ in false } }.get()
    try await a.send([1], to: b.id, at: b.address)
    guard case .refused(let reason) = try await a.down() else { return #expect(Bool(false), "not refused") }
    #expect(reason.contains("not welcome"))
    try await a.stop()
    try await b.stop()
  }

  @Test("two peers that dial at once end with one link, and both frames arrive", arguments: 0..<12)
  func simultaneousOpen(round: Int) async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    let (atA, atB) = (try await a.address, try await b.address)
    async let one = a.send([1], to: b.id, at: atB)
    async let two = b.send([2], to: a.id, at: atA)
    let taken = try await [one, two]
    #expect(taken == [true, true])
    #expect(try await b.received([1]) == a.id)
    #expect(try await a.received([2]) == b.id)
    let (ours, theirs) = (try #require(try await a.info(b.id)), try #require(try await b.info(a.id)))
    #expect(ours.local == theirs.remote && ours.remote == theirs.local, "they use different connections")
    #expect(ours.isDialled != theirs.isDialled)
    for peer in [a, b] {
      let downs = try await peer.inbox.all().filter { if case .down = $0 { true } else { false } }
      #expect(downs.isEmpty)
    }
    try await a.stop()
    try await b.stop()
  }

  @Test("a restarted peer's new link takes the place of the old one")
  func restart() async throws {
    let (a, b) = (try await LinkedPeer(incarnation: 1), try await LinkedPeer())
    try await a.send([1], to: b.id, at: b.address)
    _ = try await b.received([1])
    // As if the first one's host had vanished: its connection still stands.
    let again = try await LinkedPeer(keys: a.keys, incarnation: 2)
    try await again.send([2], to: b.id, at: b.address)
    _ = try await b.received([2])
    #expect(try await b.down() == .replaced)
    #expect(try await b.info(a.id)?.incarnation == 2)
    for peer in [a, b, again] { try await peer.stop() }
  }

  @Test("the largest frame passes, and a control message does not wait for the media before it")
  func priorities() async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    let address = try await b.address
    for purpose in LinkPurpose.allCases { try await a.send([0], to: b.id, at: address, purpose) }
    _ = try await b.inbox.first { if case .received(_, .media, _) = $0 { true } else { nil } }
    let frame = [UInt8](repeating: 7, count: Limits.linkMessageBytes)
    let last = [UInt8](repeating: 8, count: Limits.linkMessageBytes)
    try await a.pool.eventLoop.submit {
      #expect(a.pool.send(frame, to: b.id, at: nil, purpose: .media))
      #expect(a.pool.send(last, to: b.id, at: nil, purpose: .media))
      #expect(a.pool.send([9], to: b.id, at: nil, purpose: .control))
      #expect(!a.pool.isWritable(to: b.id, purpose: .media))
    }.get()
    #expect(try await b.received(last) == a.id)
    let order = try await b.inbox.all().compactMap { event -> UInt8? in
      if case .received(_, _, let bytes) = event { bytes.first } else { nil }
    }
    #expect(order.firstIndex(of: 9)! < order.firstIndex(of: 8)!)
    #expect(order.contains(7))
    _ = try await a.inbox.first { if case .drained(b.id, .media) = $0 { true } else { nil } }
    try await a.stop()
    try await b.stop()
  }

  @Test("what waits for a link is bounded, and what was not delivered is counted")
  func boundedQueue() async throws {
    let a = try await LinkedPeer()
    // It accepts and says nothing.
    let mute = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1).bind(host: "127.0.0.1", port: 0).get()
    let address = PeerAddress(host: "127.0.0.1", port: UInt16(mute.localAddress!.port!))
    let node = KeyPair.generate().id
    let frame = [UInt8](repeating: 1, count: 1 << 20)
    let taken = try await a.pool.eventLoop.submit {
      (0..<64).count { _ in a.pool.send(frame, to: node, at: address, purpose: .media) }
    }.get()
    #expect(taken == Limits.mediaBacklogBytes >> 20)
    let queued = try await a.pool.eventLoop.submit { a.pool.queuedBytes(to: node, purpose: .media) }.get()
    #expect(queued == Limits.mediaBacklogBytes)
    let undelivered = try await a.inbox.first { event -> Int? in
      if case .down(node, .media, .tooSlow, let count) = event { count } else { nil }
    }
    #expect(undelivered == taken)
    try await mute.close()
    try await a.stop()
  }

  @Test("an address where nobody listens is named at once")
  func unreachable() async throws {
    let (a, b) = (try await LinkedPeer(), try await LinkedPeer())
    let address = try await b.address
    try await b.stop()
    try await a.send([1], to: b.id, at: address)
    #expect(try await a.down() == .unreachable(address, "Connection refused"))
    #expect(try await a.down().description.contains("\(address)"))
    try await a.stop()
  }

  @Test("a port in use is refused with the address, for TCP and UDP")
  func portInUse() async throws {
    let a = try await LinkedPeer()
    let address = try await a.address
    await #expect(throws: ListenError.inUse(address, transport: "TCP")) { _ = try await LinkedPeer(at: address) }
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    func bind() async throws -> DatagramSocket {
      try await DatagramSocket.bind(address, keys: a.keys, incarnation: 1, overlay: "test", on: loop) { _ in }.get()
    }
    let socket = try await bind()
    await #expect(throws: ListenError.inUse(address, transport: "UDP")) { _ = try await bind() }
    await #expect(throws: ListenError.notHere(PeerAddress(host: "192.0.2.1", port: 7_400))) {
      _ = try await LinkedPeer(at: PeerAddress(host: "192.0.2.1", port: 7_400))
    }
    await #expect(throws: ListenError.notAnAddress(PeerAddress(host: "localhost", port: 7_400))) {
      _ = try await LinkedPeer(at: PeerAddress(host: "localhost", port: 7_400))
    }
    #expect(ListenError.inUse(address, transport: "UDP").description.contains("\(address)"))
    try await loop.flatSubmit { socket.stop() }.get()
    try await a.stop()
  }
}
