import Base
import Identity
import NIOCore
import NIOPosix
import Vocabulary

@testable import Transport

/// Events of one peer, in order; a test waits for one that matches, with a deadline. Confined to its loop.
final class Inbox<Event: Sendable>: @unchecked Sendable {
  let loop: any EventLoop
  private var events: [Event] = []
  private var waiters: [Int: (Event) -> Bool] = [:]
  private var nextWaiter = 0

  init(_ loop: any EventLoop) { self.loop = loop }

  func add(_ event: Event) {
    loop.preconditionInEventLoop()
    events.append(event)
    for (id, waiter) in waiters where waiter(event) { waiters[id] = nil }
  }

  /// The first event, past or coming, that gives a value.
  func first<Value: Sendable>(
    within time: TimeAmount = .seconds(10), _ match: @escaping @Sendable (Event) -> Value?
  ) async throws -> Value {
    let promise = loop.makePromise(of: Value.self)
    loop.execute {
      if let value = self.events.lazy.compactMap(match).first { return promise.succeed(value) }
      let id = self.nextWaiter
      self.nextWaiter += 1
      self.waiters[id] = { event in
        guard let value = match(event) else { return false }
        promise.succeed(value)
        return true
      }
      self.loop.scheduleTask(in: time) {
        guard self.waiters.removeValue(forKey: id) != nil else { return }
        promise.fail(Late(seen: self.events.map { "\($0)".prefix(120) }))
      }
    }
    return try await promise.futureResult.get()
  }

  func all() async throws -> [Event] { try await loop.submit { self.events }.get() }

  struct Late: Error, CustomStringConvertible {
    let seen: [Substring]
    var description: String { "no event matched in time; seen: \(seen)" }
  }
}

/// Waits until `condition` holds on the loop, asking again at every millisecond, up to a deadline.
func eventually(
  _ loop: any EventLoop, within time: TimeAmount = .seconds(10), _ condition: @escaping @Sendable () -> Bool
) async throws -> Bool {
  let promise = loop.makePromise(of: Bool.self)
  let end = NIODeadline.now() + time
  loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(1)) { task in
    if condition() { promise.succeed(true) } else if NIODeadline.now() > end { promise.succeed(false) } else { return }
    task.cancel()
  }
  return try await promise.futureResult.get()
}

let anyPort = PeerAddress(host: "127.0.0.1", port: 0)

/// A peer's links with real sockets on loopback.
final class LinkedPeer: Sendable {
  let keys: KeyPair
  let inbox: Inbox<LinkEvent>
  let pool: LinkPool
  var id: NodeID { keys.id }
  var address: PeerAddress { get async throws { try await pool.eventLoop.submit { self.pool.address }.get() } }

  init(
    keys: KeyPair = .generate(), incarnation: UInt64 = 1, overlay: String = "test", at address: PeerAddress = anyPort
  ) async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let inbox = Inbox<LinkEvent>(loop)
    self.keys = keys
    self.inbox = inbox
    pool = try await LinkPool.listen(address, keys: keys, incarnation: incarnation, overlay: overlay, on: loop) {
      inbox.add($0)
    }.get()
  }

  @discardableResult
  func send(_ frame: [UInt8], to node: NodeID, at address: PeerAddress?, _ purpose: LinkPurpose = .control) async throws
    -> Bool
  {
    try await pool.eventLoop.submit { self.pool.send(frame, to: node, at: address, purpose: purpose) }.get()
  }

  func info(_ node: NodeID, _ purpose: LinkPurpose = .control) async throws -> LinkInfo? {
    try await pool.eventLoop.submit { self.pool.info(node, purpose: purpose) }.get()
  }

  func received(_ frame: [UInt8]) async throws -> NodeID {
    try await inbox.first { if case .received(let node, _, frame) = $0 { node } else { nil } }
  }

  func down() async throws -> LinkFailure {
    try await inbox.first { if case .down(_, _, let failure, _) = $0 { failure } else { nil } }
  }

  func turnedAway() async throws -> LinkFailure {
    try await inbox.first { if case .turnedAway(_, _, let failure) = $0 { failure } else { nil } }
  }

  func stop() async throws { try await pool.eventLoop.flatSubmit { self.pool.stop() }.get() }
}
