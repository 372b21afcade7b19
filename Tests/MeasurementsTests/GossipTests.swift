import Base
import Identity
import Testing
import Vocabulary
import Wire

@testable import Measurements

/// Boards that ride on probes: each second every node pings a random other, which answers; both carry reports.
struct Hall {
  var boards: [LoadBoard] = []
  var random: SeededRandom
  var bytes: [Int]
  var now = Instant.zero
  var timers: [Instant?]
  var largest = 0
  /// Seconds since what each holds of each other was measured.
  var ages: [Double] = []
  var trace: [UInt8] = []

  init(_ count: Int, seed: UInt64) {
    random = SeededRandom(seed: seed)
    bytes = Array(repeating: 0, count: count)
    timers = Array(repeating: nil, count: count)
    boards = (0..<count).map { ReportTests.board($0, members: Array(0..<count)) }
  }

  private var wall: WallTime { ReportTests.wall + .nanoseconds(now.nanoseconds) }

  private mutating func carry(from a: Int, to b: Int) {
    let reports = boards[a].piggyback(at: now)
    let size = reports.reduce(0) { $0 + $1.wire.wireBytes.count + 3 }
    bytes[a] += size
    largest = max(largest, size)
    trace += reports.flatMap { $0.signature.bytes.prefix(4) }
    guard !reports.isEmpty, random.fraction() >= 0.01 else { return }
    _ = boards[b].handle(.reports(reports), at: now, wall: wall, using: &random)
  }

  private mutating func other(than node: Int) -> Int {
    (node + 1 + random.index(below: boards.count - 1)) % boards.count
  }

  private mutating func take(_ input: BoardInput, by node: Int) {
    for effect in boards[node].handle(input, at: now, wall: wall, using: &random) {
      switch effect {
      case .published:
        for _ in 0..<2 {
          let other = other(than: node)
          carry(from: node, to: other)
          carry(from: other, to: node)
        }
      case .setTimer(.publish, let at): timers[node] = at
      case .setTimer, .sendTrain: break
      }
    }
  }

  /// A second of everybody's life; `restless` of the nodes change their load in it.
  mutating func second(restless: Double, isMeasured: Bool) {
    now += .seconds(1)
    for node in boards.indices {
      let slots = random.fraction() < restless ? random.index(below: 4) : boards[node].own.slotsUsed
      take(.own(ReportTests.state(slots: slots, streams: node % 3, at: Double(node % 17) * 10)), by: node)
      if let due = timers[node], due <= now { take(.timer(.publish), by: node) }
      let other = other(than: node)
      carry(from: node, to: other)
      carry(from: other, to: node)
      // As membership has it: at the join, soon after, ever later, and then once a minute.
      let second = Int(now.nanoseconds / 1_000_000_000)
      if [2, 4, 8, 16, 32].contains(second) || second > 32 && second % 60 == node % 60 { exchange(node, other) }
    }
    guard isMeasured else { return }
    for holder in boards.indices {
      for subject in boards.indices where subject != holder {
        ages.append(boards[holder][boards[subject].node].map { (wall - $0.report.wall).seconds } ?? 600)
      }
    }
  }

  /// Whole boards over a link, both ways.
  private mutating func exchange(_ a: Int, _ b: Int) {
    for (from, to) in [(a, b), (b, a)] {
      _ = boards[to].handle(.reports(boards[from].all), at: now, wall: wall, using: &random)
    }
  }
}

@Suite("Gossip of measurements")
struct GossipTests {
  @Test(
    "bytes a node and second stay within the budget whatever the number of nodes; staleness is printed",
    arguments: [5, 20, 60, 120])
  func budget(count: Int) {
    var hall = Hall(count, seed: 1)
    let seconds = count > 100 ? 10 : 60
    for _ in 0..<40 { hall.second(restless: 0.05, isMeasured: false) }
    let before = hall.bytes
    for second in 0..<seconds { hall.second(restless: 0.05, isMeasured: second % 5 == 0) }
    let rates = zip(hall.bytes, before).map { Double($0 - $1) / Double(seconds) }.sorted()
    let ages = hall.ages.sorted()
    print(
      "gossip of \(count), 5 % of the nodes change each second: \(Int(rates[count / 2])) B/s a node (worst \(Int(rates.last!))), age p50",
      "\(ages[ages.count / 2]) s, p99 \(ages[ages.count * 99 / 100]) s")
    #expect(rates.last! <= Limits.reportBudget * (1 + Limits.reportSavings.seconds / Double(seconds)))
    #expect(hall.largest <= Limits.reportBytes)
    #expect(ages[ages.count / 2] <= (count <= 20 ? 12 : count <= 60 ? 25 : 60))
  }

  @Test(
    "an idle overlay of five spends less than 350 bytes a second on reports and still knows everybody's age within 15 s"
  )
  func idle() {
    var hall = Hall(5, seed: 2)
    for _ in 0..<60 { hall.second(restless: 0, isMeasured: false) }
    let before = hall.bytes
    for _ in 0..<300 { hall.second(restless: 0, isMeasured: true) }
    let rates = zip(hall.bytes, before).map { Double($0 - $1) / 300 }
    let ages = hall.ages.sorted()
    print(
      "idle reports of five: \(rates.map { Int($0) }) B/s, age p50 \(ages[ages.count / 2]) s, p99 \(ages[ages.count * 99 / 100]) s"
    )
    #expect(rates.max()! < 350)
    #expect(ages[ages.count / 2] <= 8)
    #expect(ages[ages.count * 99 / 100] <= 40)
  }

  @Test("the same seed gives the same gossip")
  func determinism() {
    func hash(_ seed: UInt64) -> Bytes32 {
      var hall = Hall(12, seed: seed)
      for _ in 0..<20 { hall.second(restless: 0.2, isMeasured: false) }
      return Digest.of(hall.trace, kind: "trace")
    }
    #expect(hash(1) == hash(1))
    #expect(hash(1) != hash(2))
    print("gossip trace hash, seed 1: \(TextForm.hexadecimal(hash(1).bytes))")
  }
}
