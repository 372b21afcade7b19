import Base
import Identity
import Vocabulary

@testable import Membership

/// Member tables on virtual time, out of one seed: datagrams with a round trip of one's choice, lost at random or by a wall
/// between two parts; exchanges that arrive; peers that die, freeze and come back.
struct Village {
  struct House {
    var keys: KeyPair
    var table: MemberTable
    var isDead = false
    var isFrozen = false
    var missed: [MemberInput] = []
    var timers: [MembershipTimer: Int] = [:]
    var life = 0
  }
  private enum Next {
    case input(Int, life: Int, MemberInput)
    case timer(Int, life: Int, MembershipTimer, Int)
  }

  private(set) var now = Instant.zero
  var houses: [House] = []
  var loss = 0.0
  /// Houses in different parts do not reach each other.
  var part: [Int]
  /// Milliseconds there and back.
  var roundTrip: (Int, Int) -> Double = { _, _ in 10 }
  private(set) var largestUpdates = 0
  private(set) var datagrams = 0
  /// Timers that rang because nothing else had happened before.
  private(set) var silences = 0
  /// Every effect, for comparing two courses.
  private(set) var trace: [String] = []
  private var random: SeededRandom
  private var queue: [(at: Instant, order: Int, next: Next)] = []
  private var order = 0

  init(_ count: Int, seed: UInt64) {
    random = SeededRandom(seed: seed)
    part = Array(repeating: 0, count: count)
    for number in 0..<count {
      let keys = KeyPair(seed: Digest.of([UInt8(number), UInt8(seed & 255)], kind: "village"))
      houses.append(House(keys: keys, table: Village.table(keys, number, incarnation: 1_000)))
    }
  }

  private static func table(_ keys: KeyPair, _ number: Int, incarnation: UInt64) -> MemberTable {
    MemberTable(
      keys: keys, address: address(number), incarnation: incarnation, portal: "http://10.0.0.\(number + 1):7480")
  }
  static func address(_ number: Int) -> PeerAddress { PeerAddress(host: "10.0.0.\(number + 1)", port: 7400) }
  func id(_ number: Int) -> NodeID { houses[number].keys.id }
  func number(_ node: NodeID) -> Int? { houses.firstIndex { $0.keys.id == node } }
  /// How a house sees another.
  func state(of other: Int, at number: Int) -> Member.State? { houses[number].table[id(other)]?.state }
  /// How the others that live see it.
  func states(of other: Int) -> Set<Member.State?> {
    Set(houses.indices.filter { $0 != other && !houses[$0].isDead }.map { state(of: other, at: $0) })
  }

  // MARK: - What a test does

  mutating func joinAll() {
    for number in houses.indices { tell(number, .join(number == 0 ? [] : [(id(0), Village.address(0))])) }
  }
  mutating func kill(_ number: Int) {
    houses[number].isDead = true
    houses[number].life += 1
  }
  /// The same identity with an empty table.
  mutating func restart(_ number: Int, incarnation: UInt64, through contact: Int) {
    houses[number].isDead = false
    houses[number].timers = [:]
    houses[number].table = Village.table(houses[number].keys, number, incarnation: incarnation)
    tell(number, .join([(id(contact), Village.address(contact))]))
  }
  /// Stopped by the scheduler: what comes meanwhile waits, timers are late.
  mutating func freeze(_ number: Int) { houses[number].isFrozen = true }
  mutating func thaw(_ number: Int) {
    houses[number].isFrozen = false
    let missed = houses[number].missed
    houses[number].missed = []
    for input in missed { tell(number, input) }
  }

  mutating func run(for length: Duration) {
    let end = now + length
    while let index = queue.indices.min(by: { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }),
      queue[index].at <= end
    {
      let (at, _, next) = queue.remove(at: index)
      now = at
      switch next {
      case .input(let number, let life, let input): if houses[number].life == life { tell(number, input) }
      case .timer(let number, let life, let timer, let count):
        guard houses[number].life == life, houses[number].timers[timer] == count else { continue }
        switch timer {
        case .probe, .nack: silences += 1
        default: break
        }
        tell(number, .timer(timer))
      }
    }
    now = end
  }

  /// Runs until it holds; how long that took, nil when it does not within the limit.
  mutating func run(atMost limit: Duration, until holds: (Village) -> Bool) -> Duration? {
    let start = now
    while !holds(self) {
      guard now - start < limit else { return nil }
      run(for: .milliseconds(50))
    }
    return now - start
  }

  mutating func tell(_ number: Int, _ input: MemberInput) {
    guard !houses[number].isDead else { return }
    guard !houses[number].isFrozen else { return houses[number].missed.append(input) }
    for effect in houses[number].table.handle(input, at: now, using: &random) {
      if trace.count < 20_000 { trace.append("\(now.nanoseconds) \(number) \(effect)") }
      switch effect {
      case .send(let datagram, let node, _):
        datagrams += 1
        largestUpdates = max(largestUpdates, datagram.wire.updates.reduce(0) { $0 + $1.wireBytes.count + 3 })
        guard random.fraction() >= loss else { continue }
        // Over the wire, as in life.
        guard let wire = try? MemberDatagram(validating: datagram.wire) else { continue }
        send(.datagram(wire, from: id(number), at: Village.address(number)), from: number, to: node)
      case .exchange(let updates, let isAnswer, let node, _):
        send(.exchange(updates, isAnswer: isAnswer, from: id(number)), from: number, to: node)
      case .changed, .dropped: break
      case .setTimer(let timer, let at):
        houses[number].timers[timer, default: 0] += 1
        push(.timer(number, life: houses[number].life, timer, houses[number].timers[timer]!), at: at)
      case .stopTimer(let timer): houses[number].timers[timer, default: 0] += 1
      }
    }
  }

  private mutating func send(_ input: MemberInput, from: Int, to node: NodeID) {
    guard let to = number(node), part[from] == part[to] else { return }
    push(.input(to, life: houses[to].life, input), at: now + .fromSeconds(roundTrip(from, to) / 2_000))
  }

  private mutating func push(_ next: Next, at: Instant) {
    order += 1
    queue.append((max(now, at), order, next))
  }
}
