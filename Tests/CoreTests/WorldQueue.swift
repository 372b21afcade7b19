import Base
import Identity
import Measurements
import Vocabulary
import Wire

@testable import Core

/// What is to happen, by time, then by the order in which it was pushed: a binary heap.
struct HappeningQueue {
  private var heap: [(at: Instant, order: Int, next: World.Happening)] = []
  private var pushed = 0

  mutating func push(_ next: World.Happening, at: Instant) {
    pushed += 1
    heap.append((at, pushed, next))
    var child = heap.count - 1
    while child > 0, before(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop(notAfter end: Instant) -> (Instant, World.Happening)? {
    guard let first = heap.first, first.at <= end else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return (first.at, first.next) }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && before(child, least) { least = child }
      guard least != parent else { return (first.at, first.next) }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private func before(_ a: Int, _ b: Int) -> Bool {
    heap[a].at != heap[b].at ? heap[a].at < heap[b].at : heap[a].order < heap[b].order
  }
}

/// The digest of everything that all peers did, in order, with the time: equal exactly when two courses are.
struct TraceHash {
  private var digest = Bytes32.zero
  private(set) var effects = 0
  var text: String { TextForm.hexadecimal(digest.bytes) }

  mutating func absorb(_ effect: Effect, of peer: Int, at now: Instant) {
    effects += 1
    let line = "\(now.nanoseconds) n\(peer) "
    let rest: [UInt8] =
      switch effect {
      case .sendDatagram(let message, let node, let address):
        Array("datagram \(node) \(address) ".utf8) + message.wire.wireBytes
      case .sendLink(let message, let node, let address, let purpose):
        Array("link \(node) \(address.map { "\($0)" } ?? "open") \(purpose) ".utf8) + message.wireBytes
      case .sendExchange(let exchange, let node, let address):
        Array("link \(node) \(address.map { "\($0)" } ?? "open") control ".utf8) + exchange.wire.wireBytes
      case .answer(let token, .report(let report)): Array("answer \(token.number) ".utf8) + report.wire.wireBytes
      default: Array("\(effect)".utf8)
      }
    digest = Digest.of(digest.bytes + Array(line.utf8) + rest, kind: "trace")
  }
}

extension World {
  /// What the kernel of an idle machine says: one core of four is busy.
  static func sample(at now: Instant) -> MachineSample {
    let ticks = now.nanoseconds / 10_000_000
    return MachineSample(
      stat: "cpu  \(ticks) 0 0 \(3 * ticks) 0 0 0 0 0 0\n", processes: [], pressure: "some avg10=0.00 total=0\n",
      network: "")
  }
}
