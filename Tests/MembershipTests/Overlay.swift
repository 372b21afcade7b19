import Base
import Identity
import Vocabulary
import Wire

@testable import Membership

/// Some members on a virtual clock in one process: datagrams take a while, get lost and overtake each other; links are reliable
/// and take longer; peers are killed, stopped, restarted, cut off. Every datagram passes through its bytes, so that what is
/// counted is what would travel.
struct Overlay {
  struct Peer {
    let keys: KeyPair
    let address: PeerAddress
    var table: MemberTable
    var random: SeededRandom
    var timers: [MembershipTimer: Instant] = [:]
    var isUp = true
    var isStopped = false
    /// What came while it was stopped: timers first, as a process that wakes up meets them.
    var missedTimers: [MembershipTimer] = []
    var missed: [Event] = []
    /// 0 or 1: peers of different sides do not hear each other.
    var side = 0
    var datagramBytes = 0
    var linkBytes = 0
    var datagrams = 0
  }

  enum Event {
    case timer(MembershipTimer)
    case datagram([UInt8], from: Int, at: PeerAddress)
    case exchange([MemberUpdate], isAnswer: Bool, from: Int)
    case linkBroken(NodeID)
  }

  /// A change that somebody saw.
  struct Change: Hashable {
    var at: Instant
    var observer: Int
    var subject: Int
    var state: Member.State
  }

  /// Sealing of a message (18 bytes before, 16 behind), UDP and IPv4 headers.
  static let overhead = 34 + 28

  var now = Instant.zero
  var peers: [Peer] = []
  var random: SeededRandom
  var queue: [(at: Instant, number: Int, to: Int, event: Event)] = []
  var number = 0
  var changes: [Change] = []
  var trace: [String] = []
  var tracesDatagrams = false
  var largestDatagram = 0
  /// Of datagrams that are lost: 0…1.
  var loss = 0.0
  /// Milliseconds one way, and as many again at random: more of it means more overtaking.
  var delay = 1.0
  var jitter = 1.0
  /// One way in milliseconds between two peers, instead of ``delay``.
  var distance: ((Int, Int) -> Double)?
  var index: [NodeID: Int] = [:]

  init(_ count: Int, seed: UInt64, overlay: String = "test") {
    random = SeededRandom(seed: seed)
    for number in 0..<count { addPeer(number, overlay: overlay) }
  }

  private mutating func addPeer(_ number: Int, overlay: String) {
    let keys = Overlay.keys(number)
    let address = PeerAddress(host: "10.0.\(number / 250).\(number % 250 + 1)", port: 7400)
    let table = MemberTable(
      keys: keys, address: address, incarnation: 1_000, portal: "http://\(address)", overlay: overlay)
    index[keys.id] = peers.count
    peers.append(Peer(keys: keys, address: address, table: table, random: SeededRandom(seed: random.next())))
  }

  static func keys(_ number: Int) -> KeyPair {
    KeyPair(seed: Bytes32([UInt8(number / 200), UInt8(number % 200)] + [UInt8](repeating: 7, count: 30))!)
  }

  func id(_ peer: Int) -> NodeID { peers[peer].keys.id }
  func name(_ peer: Int) -> String { peer < 26 ? String(UnicodeScalar(UInt8(97 + peer))) : "p\(peer)" }
  func name(_ node: NodeID) -> String { index[node].map { name($0) } ?? "?" }

  // MARK: - What happens to peers

  /// All start within a second and join through the first.
  mutating func start() {
    for peer in peers.indices { join(peer, through: peer == 0 ? [] : [0]) }
  }

  mutating func join(_ peer: Int, through contacts: [Int]) {
    take(.join(contacts.map { (id($0), peers[$0].address) }), by: peer)
  }

  mutating func leave(_ peer: Int) { take(.leave, by: peer) }

  /// Kills a peer: whoever has a link to it notices.
  mutating func kill(_ peer: Int, noticedBy: [Int] = []) {
    peers[peer].isUp = false
    peers[peer].timers = [:]
    note("\(name(peer)) is killed")
    for other in noticedBy { schedule(.linkBroken(id(peer)), to: other, after: 0.2) }
  }

  /// Starts a killed peer anew under the same key.
  mutating func restart(_ peer: Int, incarnation: UInt64, through contacts: [Int]) {
    let old = peers[peer]
    peers[peer].table = MemberTable(
      keys: old.keys, address: old.address, incarnation: incarnation, portal: "http://\(old.address)",
      overlay: old.table.own.body.overlay)
    peers[peer].isUp = true
    peers[peer].missed = []
    peers[peer].missedTimers = []
    note("\(name(peer)) starts again")
    join(peer, through: contacts)
  }

  mutating func stop(_ peer: Int) {
    peers[peer].isStopped = true
    note("\(name(peer)) is stopped")
  }

  mutating func goOn(_ peer: Int) {
    peers[peer].isStopped = false
    note("\(name(peer)) goes on")
    let (timers, events) = (peers[peer].missedTimers, peers[peer].missed)
    (peers[peer].missedTimers, peers[peer].missed) = ([], [])
    for timer in timers { take(.timer(timer), by: peer) }
    for event in events { deliver(event, to: peer) }
  }

  // MARK: - Time

  mutating func run(for duration: Duration) { run(until: now + duration) { _ in false } }

  /// Runs until the condition holds; nil when it did not in that time.
  @discardableResult
  mutating func run(atMost duration: Duration, until condition: (Overlay) -> Bool) -> Duration? {
    let start = now
    return run(until: now + duration, condition) ? now - start : nil
  }

  @discardableResult
  private mutating func run(until end: Instant, _ condition: (Overlay) -> Bool) -> Bool {
    if condition(self) { return true }
    while let next = queue.last, next.at <= end {
      queue.removeLast()
      now = next.at
      let seen = changes.count
      if case .timer(let timer) = next.event {
        // A timer that was set again, or belongs to an earlier life, does not fire.
        guard peers[next.to].timers[timer] == now else { continue }
        peers[next.to].timers[timer] = nil
        if peers[next.to].isStopped {
          peers[next.to].missedTimers.append(timer)
        } else {
          take(.timer(timer), by: next.to)
        }
      } else if peers[next.to].isStopped {
        peers[next.to].missed.append(next.event)
      } else {
        deliver(next.event, to: next.to)
      }
      if changes.count != seen, condition(self) { return true }
    }
    now = end
    return condition(self)
  }

  private mutating func schedule(_ event: Event, to peer: Int, after milliseconds: Double) {
    schedule(event, to: peer, at: now + .fromSeconds(milliseconds / 1_000))
  }

  private mutating func schedule(_ event: Event, to peer: Int, at time: Instant) {
    number += 1
    // Kept with the next event last.
    var (low, high) = (0, queue.count)
    while low < high {
      let middle = (low + high) / 2
      if queue[middle].at > time || queue[middle].at == time && queue[middle].number > number {
        low = middle + 1
      } else {
        high = middle
      }
    }
    queue.insert((time, number, peer, event), at: low)
  }

  // MARK: - The network

  private func oneWay(_ a: Int, _ b: Int) -> Double { distance?(a, b) ?? delay }
  private func hears(_ a: Int, _ b: Int) -> Bool { peers[a].side == peers[b].side && peers[a].isUp && peers[b].isUp }

  private mutating func deliver(_ event: Event, to peer: Int) {
    guard peers[peer].isUp else { return }
    switch event {
    case .timer(let timer): take(.timer(timer), by: peer)
    case .linkBroken(let node): take(.linkBroken(node), by: peer)
    case .exchange(let updates, let isAnswer, let sender):
      take(.exchange(updates, isAnswer: isAnswer, from: id(sender)), by: peer)
    case .datagram(let bytes, let sender, let address):
      guard let wire = try? WireMembershipDatagram(parsing: bytes), let datagram = try? MemberDatagram(validating: wire)
      else {
        preconditionFailure("a member sent what no member understands")
      }
      take(.datagram(datagram, from: id(sender), at: address), by: peer)
    }
  }

  private mutating func take(_ input: MemberInput, by peer: Int) {
    var random = peers[peer].random
    let effects = peers[peer].table.handle(input, at: now, using: &random)
    peers[peer].random = random
    for effect in effects { perform(effect, of: peer) }
  }

  private mutating func perform(_ effect: MemberEffect, of peer: Int) {
    switch effect {
    case .setTimer(let timer, let time):
      peers[peer].timers[timer] = max(time, now)
      schedule(.timer(timer), to: peer, at: max(time, now))
    case .stopTimer(let timer): peers[peer].timers[timer] = nil
    case .changed(let member, _):
      guard let subject = index[member.node] else { return }
      changes.append(Change(at: now, observer: peer, subject: subject, state: member.state))
      note("\(name(peer)): \(name(subject)) is \(member.state) (\(member.incarnation))")
    case .dropped: break
    case .send(let datagram, let node, let address):
      let bytes = datagram.wire.wireBytes
      largestDatagram = max(largestDatagram, bytes.count)
      peers[peer].datagrams += 1
      peers[peer].datagramBytes += bytes.count + Overlay.overhead
      if tracesDatagrams { note("\(name(peer)) → \(name(node))  \(told(datagram))") }
      guard let target = index[node], peers[target].address == address, hears(peer, target), random.fraction() >= loss
      else { return }
      schedule(
        .datagram(bytes, from: peer, at: peers[peer].address), to: target,
        after: oneWay(peer, target) + random.fraction() * jitter)
    case .exchange(let updates, let isAnswer, let node, _):
      peers[peer].linkBytes += updates.exchange.reduce(0) { $0 + $1.wireBytes.count }
      if tracesDatagrams {
        note("\(name(peer)) ⇒ \(name(node))  view of \(updates.count)\(isAnswer ? ", in answer" : "")")
      }
      guard let target = index[node], hears(peer, target) else {
        return schedule(.linkBroken(node), to: peer, after: 3)
      }
      schedule(
        .exchange(updates, isAnswer: isAnswer, from: peer), to: target,
        after: 3 * oneWay(peer, target) + random.fraction())
    }
  }

  // MARK: - What a reader of a trace sees

  private mutating func note(_ line: String) {
    let milliseconds = now.nanoseconds / 1_000_000
    let fraction = String(1_000 + milliseconds % 1_000).dropFirst()
    trace.append("\(milliseconds / 1_000).\(fraction)  \(line)")
  }

  private func told(_ datagram: MemberDatagram) -> String {
    let body =
      switch datagram.body {
      case .ping: "ping \(datagram.sequence)"
      case .ack: "ack \(datagram.sequence)"
      case .indirectPing(let target): "ping \(datagram.sequence): try \(name(target))"
      case .nack: "nack \(datagram.sequence)"
      }
    let updates = datagram.updates.map { update in
      switch update {
      case .record(let envelope):
        "\(name(envelope.signer)) at \((try? MemberRecord(validating: envelope.bytes))?.incarnation ?? 0)"
      case .suspect(let node, let incarnation, let by): "\(name(node)) suspect at \(incarnation) by \(name(by))"
      case .dead(let node, let incarnation, let by): "\(name(node)) dead at \(incarnation) by \(name(by))"
      }
    }
    return updates.isEmpty ? body : "\(body)  [\(updates.joined(separator: "; "))]"
  }

  // MARK: - Questions

  func state(of subject: Int, at observer: Int) -> Member.State? { peers[observer].table[id(subject)]?.state }
  /// All that run see all that run as alive, and nobody else as taking part.
  var isWhole: Bool {
    let running = peers.indices.filter { peers[$0].isUp && !peers[$0].table.own.body.isLeaving }
    return running.allSatisfy { observer in
      peers[observer].table.count == running.count
        && running.allSatisfy { $0 == observer || state(of: $0, at: observer) == .alive }
    }
  }
  func allSee(_ subject: Int, as state: Member.State) -> Bool {
    peers.indices.allSatisfy {
      $0 == subject || !peers[$0].isUp || peers[$0].isStopped || self.state(of: subject, at: $0) == state
    }
  }
  func deaths(of subject: Int? = nil) -> Int {
    changes.count { $0.state == .dead && (subject == nil || $0.subject == subject) }
  }
}
