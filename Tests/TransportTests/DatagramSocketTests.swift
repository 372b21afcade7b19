import Base
import Identity
import NIOCore
import NIOPosix
import Testing
import Vocabulary

@testable import Transport

private final class UDPPeer: Sendable {
  let keys = KeyPair.generate()
  let inbox: Inbox<DatagramEvent>
  let socket: DatagramSocket
  init(_ loop: any EventLoop) async throws {
    let inbox = Inbox<DatagramEvent>(loop)
    self.inbox = inbox
    socket = try await DatagramSocket.bind(anyPort, keys: keys, incarnation: 3, overlay: "test", on: loop) {
      inbox.add($0)
    }.get()
  }
  func on<Value: Sendable>(_ act: @escaping @Sendable (DatagramSocket) -> Value) async throws -> Value {
    try await inbox.loop.submit { act(self.socket) }.get()
  }
}

@Suite(.serialized, .timeLimit(.minutes(1)))
struct DatagramSocketTests {
  @Test("datagrams travel sealed between two sockets, and noise between them is counted and harmless")
  func exchange() async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let (a, b) = (try await UDPPeer(group.next()), try await UDPPeer(group.next()))
    let (atA, atB) = (try await a.on(\.address), try await b.on(\.address))
    let noise = try await DatagramBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
    for size in [0, 1, 10, 74, 1_200, 3_000] {
      let envelope = AddressedEnvelope(
        remoteAddress: try atB.socketAddress(), data: ByteBuffer(repeating: 0x5a, count: size))
      try await noise.writeAndFlush(envelope).get()
    }
    try await a.on { $0.send([1, 2], to: b.keys.id, at: atB) }
    let (node, from) = try await b.inbox.first { event in
      if case .received(let node, let address, [1, 2]) = event { (node, address) } else { nil }
    }
    #expect(node == a.keys.id && from == atA)
    try await b.on { $0.send([3], to: node, at: from) }
    _ = try await a.inbox.first { if case .received(b.keys.id, atB, [3]) = $0 { true } else { nil } }
    // Six where the system passes on an empty datagram.
    #expect(try await b.on(\.counters).noise >= 5)
    #expect(try await b.on(\.counters).keysMade == 1)
    try await noise.close()
    for peer in [a, b] { try await peer.inbox.loop.flatSubmit { peer.socket.stop() }.get() }
  }

  @Test("sealing and opening cost a few microseconds")
  func cost() throws {
    let (a, b) = (KeyPair.generate(), KeyPair.generate())
    var from = DatagramSessions<Int>(keys: a, incarnation: 1, overlay: "test")
    var to = DatagramSessions<Int>(keys: b, incarnation: 1, overlay: "test")
    _ = from.learn(b.id, incarnation: 1, at: 2, now: .zero)
    _ = to.learn(a.id, incarnation: 1, at: 1, now: .zero)
    let message = [UInt8](repeating: 1, count: 400)
    let rounds = 2_000
    var delivered = 0
    let both = ContinuousClock().measure {
      for _ in 0..<rounds {
        guard case .transmit(let bytes, _) = from.send(message, to: b.id, at: 2, now: .zero)[0] else { return }
        delivered += to.receive(bytes, from: 1, now: .zero).count
      }
    }
    let garbage = [1, 2] + [UInt8](repeating: 9, count: 72)
    let noise = ContinuousClock().measure { for _ in 0..<rounds { _ = to.receive(garbage, from: 3, now: .zero) } }
    print(
      "figure: datagram of 400 B sealed and opened \(both.milliseconds * 1e3 / Double(rounds)) µs,",
      "a greeting of noise \(noise.milliseconds * 1e3 / Double(rounds)) µs")
    #expect(delivered == rounds)
    #expect(to.counters.keysMade == 1)
  }
}
