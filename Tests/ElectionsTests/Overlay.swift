import Base
import Identity
import Mandates
import Vocabulary

@testable import Elections

/// Several `Ballots` on a virtual clock, from one seed: a network that delays, loses, repeats and reorders, disks that take time and
/// lose what a crash finds unwritten, and a manager on each node that appends to a log, so that a lost version shows.
struct Overlay {
  /// What the network and the disks do.
  struct Weather {
    var delay = 1...1
    var loss = 0.0
    var repetition = 0.0
    var disk = 2
  }

  struct Peer {
    let keys: KeyPair
    var ballots: Ballots
    var disk: OrderedDictionary<String, [UInt8]> = [:]
    /// Counts restarts: what was under way before one never arrives.
    var life = 0
    var isUp = true
    var isCutOff = false
    var timers: [BallotTimer: Int64] = [:]
    /// When the last write under way is done: writes keep their order.
    var written: Int64 = 0
    /// The manager's log, where this peer manages.
    var log: [UInt8]?
  }

  enum Event {
    case deliver(from: Int, ElectionMessage)
    case written([ElectionRecord], then: [BallotEffect])
    case timer(BallotTimer)
    case append
  }

  struct Scheduled {
    let at: Int64
    let order: Int
    let peer: Int
    let life: Int
    let event: Event
  }

  var weather = Weather()
  var peers: [Peer]
  var witness = Witness()
  var random: SeededRandom
  /// Microseconds.
  private(set) var time: Int64 = 0
  private var queue: [Scheduled] = []
  private var count = 0
  /// How often each manager appends, in milliseconds; 0: never.
  var appendEvery: Int64 = 0
  var trace: [String] = []
  var isTracing = false
  /// Every effect that is for the peer's owner, in order.
  var reports: [(peer: Int, effect: BallotEffect)] = []
  private let defect: Ballots.Defect?

  init(_ size: Int, seed: UInt64, defect: Ballots.Defect? = nil) {
    random = SeededRandom(seed: seed)
    self.defect = defect
    peers = (0..<size).map { index in
      let keys = KeyPair(seed: Bytes32((0..<32).map { UInt8(($0 * 7 + index * 31 + 1) & 255) })!)
      return Peer(keys: keys, ballots: Ballots(keys: keys))
    }
    for index in peers.indices {
      peers[index].ballots.defect = defect
      give(index, .start(identityIsNew: true))
      give(index, .members(view))
    }
  }

  /// Gone for good, and everybody knows it.
  private(set) var departed: OrderedSet<Int> = []

  var ids: [NodeID] { peers.map(\.keys.id) }
  var view: MemberView {
    MemberView(
      peers.indices.filter { !departed.contains($0) }.map { ids[$0] }.map {
        MemberView.Member(id: $0, knownSince: .zero, roundTrip: .milliseconds(2))
      })
  }
  static let dawn = WallTime(milliseconds: 1_800_000_000_000)
  var wall: WallTime { Overlay.dawn + .microseconds(time) }
  var now: Instant { Instant(nanoseconds: time * 1_000) }
  func index(_ id: NodeID) -> Int { ids.firstIndex(of: id)! }

  /// A request signed by peer 0 as its portal.
  func envelope(counter: UInt64 = 1, source: UInt8 = 1, lifetime: Duration = .seconds(3_600)) -> Signed<Envelope> {
    let source = SourceKey(Digest.of([source], kind: "test"))
    let body = Envelope(
      document: Array("want: it".utf8), counter: counter, source: source, electorate: view.electorate(for: source)!,
      portal: ids[0], issued: wall, notAfter: wall + lifetime)
    return Signed(body, by: peers[0].keys)
  }

  // MARK: Running

  /// Gives a peer an input now and carries out what it asks for.
  mutating func give(_ peer: Int, _ input: BallotInput) {
    guard peers[peer].isUp else { return }
    let effects = peers[peer].ballots.handle(input, at: now, wall: wall)
    perform(effects, by: peer)
  }

  /// Runs for so many milliseconds, or until `enough` says so.
  mutating func run(_ milliseconds: Int64, until enough: (Overlay) -> Bool = { _ in false }) {
    let end = time + milliseconds * 1_000
    while let next = queue.first, next.at <= end {
      queue.removeFirst()
      time = next.at
      take(next)
      if enough(self) { return }
    }
    time = end
  }

  private mutating func take(_ next: Scheduled) {
    guard peers[next.peer].isUp, peers[next.peer].life == next.life else { return }
    switch next.event {
    case .deliver(let from, let message):
      if isTracing { trace.append(line("\(name(from)) → \(name(next.peer))", describe(message))) }
      give(next.peer, .received(from: ids[from], message))
    case .written(let records, let then):
      for record in records { peers[next.peer].disk[record.key] = record.value }
      perform(then, by: next.peer)
    case .timer(let timer):
      guard peers[next.peer].timers[timer] == next.at else { return }
      peers[next.peer].timers[timer] = nil
      if isTracing, case .patience = timer { trace.append(line(name(next.peer), "loses patience or its lease ends")) }
      give(next.peer, .timer(timer))
    case .append: append(next.peer)
    }
  }

  private mutating func schedule(_ peer: Int, in microseconds: Int64, _ event: Event) {
    count += 1
    let new = Scheduled(at: time + max(microseconds, 0), order: count, peer: peer, life: peers[peer].life, event: event)
    var (low, high) = (0, queue.count)
    while low < high {
      let middle = (low + high) / 2
      if (queue[middle].at, queue[middle].order) < (new.at, new.order) { low = middle + 1 } else { high = middle }
    }
    queue.insert(new, at: low)
  }

  private mutating func perform(_ effects: [BallotEffect], by peer: Int) {
    for effect in effects {
      switch effect {
      case .send(let to, let message): send(message, from: peer, to: index(to))
      case .persist(let records, let then):
        peers[peer].written = max(peers[peer].written, time + Int64(weather.disk) * 1_000)
        schedule(peer, in: peers[peer].written - time, .written(records, then: then))
      case .setTimer(let timer, let at):
        let due = max(time, (at.nanoseconds + 999) / 1_000)
        peers[peer].timers[timer] = due
        schedule(peer, in: due - time, .timer(timer))
      default: report(effect, by: peer)
      }
    }
  }

  private mutating func send(_ message: ElectionMessage, from: Int, to: Int) {
    witness.sees(message, from: ids[from])
    if from == to { return schedule(to, in: 0, .deliver(from: from, message)) }
    guard !peers[from].isCutOff, !peers[to].isCutOff, random.fraction() >= weather.loss else { return }
    for _ in 0..<(random.fraction() < weather.repetition ? 2 : 1) {
      let spread = weather.delay.upperBound - weather.delay.lowerBound
      let delay =
        Int64(weather.delay.lowerBound) * 1_000 + (spread == 0 ? 0 : Int64(random.index(below: spread * 1_000)))
      schedule(to, in: delay, .deliver(from: from, message))
    }
  }

  // MARK: What the owner of a peer does

  private mutating func report(_ effect: BallotEffect, by peer: Int) {
    reports.append((peer, effect))
    if isTracing, let text = describe(effect) { trace.append(line(name(peer), text)) }
    switch effect {
    case .elected(let mandate, let newest):
      witness.elected(mandate, adopting: newest)
      peers[peer].log = newest?.body.state ?? []
      if appendEvery > 0 { schedule(peer, in: 0, .append) }
    case .snapshotAccepted(let request, _, let sequence, _):
      witness.accepted(request, sequence: sequence, in: peers[peer].ballots.tenures[request]?.mandate.term)
    case .lost, .ended: peers[peer].log = nil
    default: break
    }
  }

  private mutating func append(_ peer: Int) {
    guard var log = peers[peer].log, let request = peers[peer].ballots.tenures.keys.first else { return }
    log += [UInt8(truncatingIfNeeded: peer), UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8)]
    peers[peer].log = log
    give(peer, .propose(request, SnapshotDraft(version: UInt64(log.count), label: "running", state: log)))
    schedule(peer, in: appendEvery * 1_000, .append)
  }

  // MARK: Faults

  mutating func crash(_ peer: Int, losingStore: Bool = false) {
    peers[peer].isUp = false
    peers[peer].life += 1
    peers[peer].timers = [:]
    peers[peer].log = nil
    if losingStore { peers[peer].disk = [:] }
  }

  /// A peer dies for good, and membership says so everywhere.
  mutating func depart(_ peer: Int) {
    crash(peer)
    departed.append(peer)
    for other in peers.indices { give(other, .members(view)) }
  }

  mutating func restart(_ peer: Int) throws {
    guard !peers[peer].isUp, !departed.contains(peer) else { return }
    peers[peer].isUp = true
    let records = try peers[peer].disk.map { try ElectionRecord(key: $0.key, value: $0.value) }
    peers[peer].ballots = Ballots(keys: peers[peer].keys, restoring: records)
    peers[peer].ballots.defect = defect
    give(peer, .start(identityIsNew: false))
    give(peer, .members(view))
  }

  // MARK: Traces

  func name(_ peer: Int) -> String { String(UnicodeScalar(UInt8(65 + peer))) }
  private func line(_ who: String, _ what: String) -> String {
    let tenths = time / 100
    let stamp = "\(tenths / 10).\(tenths % 10) ms"
    return String(repeating: " ", count: max(0, 11 - stamp.count)) + stamp + "  " + who
      + String(repeating: " ", count: max(1, 7 - who.count)) + what
  }
}
