import Base
import Elections
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Rivals

/// Members of one rival protocol on a virtual clock; knows what they do, not how.
private struct Contest<Protocol: Rival> {
  var delay = 5_000...5_000
  var loss = 0.0
  var members: [Protocol]
  var random: SeededRandom
  private(set) var time: Int64 = 0
  private(set) var isUp: [Bool]
  /// Members of different groups do not hear each other.
  var groups: [Int]
  private(set) var elections: [(at: Int64, member: Int, term: UInt32)] = []
  private(set) var mostManagersAtOnce = 0
  private let make: (NodeID, [NodeID], RivalPromises?) -> Protocol
  private let ids: [NodeID]
  private var disks: [RivalPromises?]
  private var timers: [Int64?]
  private var queue: [(at: Int64, order: Int, member: Int, life: Int, RivalInput, then: [RivalEffect])] = []
  private var lives: [Int]
  private var count = 0

  init(
    _ size: Int, seed: UInt64,
    make: @escaping (NodeID, [NodeID], RivalPromises?) -> Protocol = { Protocol(node: $0, members: $1, restoring: $2) }
  ) {
    random = SeededRandom(seed: seed)
    ids = (0..<size).map { NodeID(Bytes32([UInt8](repeating: UInt8($0 + 1), count: 32))!) }
    self.make = make
    let everybody = ids
    members = ids.map { make($0, everybody, nil) }
    isUp = Array(repeating: true, count: size)
    groups = Array(repeating: 0, count: size)
    disks = Array(repeating: nil, count: size)
    timers = Array(repeating: nil, count: size)
    lives = Array(repeating: 0, count: size)
    for member in 0..<size { give(member, .start) }
  }

  var managers: [Int] { members.indices.filter { isUp[$0] && members[$0].managedTerm != nil } }

  mutating func give(_ member: Int, _ input: RivalInput) {
    guard isUp[member] else { return }
    perform(members[member].handle(input, at: Instant(nanoseconds: time * 1_000), using: &random), by: member)
    mostManagersAtOnce = max(mostManagersAtOnce, managers.count)
  }

  private mutating func perform(_ effects: [RivalEffect], by member: Int) {
    for effect in effects {
      switch effect {
      case .send(let to, let message):
        let other = ids.firstIndex(of: to)!
        guard groups[member] == groups[other], random.fraction() >= loss else { continue }
        let spread = delay.upperBound - delay.lowerBound
        let wait = delay.lowerBound + (spread == 0 ? 0 : random.index(below: spread))
        push(other, Int64(wait), .received(from: ids[member], message))
      case .persist(let promises, let then): push(member, 1_000, .start, then, writing: promises)
      case .setTimer(let at):
        // Rounded up: a timer that comes early would be set again for the same moment, for ever.
        let due = max(time, (at.nanoseconds + 999) / 1_000)
        timers[member] = due
        push(member, due - time, .timer)
      case .elected(let term): elections.append((time, member, term))
      case .lost: break
      }
    }
  }

  private var writes: [Int: RivalPromises] = [:]
  private mutating func push(
    _ member: Int, _ wait: Int64, _ input: RivalInput, _ then: [RivalEffect] = [], writing: RivalPromises? = nil
  ) {
    count += 1
    if let writing { writes[count] = writing }
    let new = (at: time + wait, order: count, member: member, life: lives[member], input, then: then)
    let index = queue.firstIndex { ($0.at, $0.order) > (new.at, new.order) } ?? queue.count
    queue.insert(new, at: index)
  }

  mutating func run(_ milliseconds: Int64) {
    let end = time + milliseconds * 1_000
    while let next = queue.first, next.at <= end {
      queue.removeFirst()
      time = next.at
      guard isUp[next.member], lives[next.member] == next.life else { continue }
      if let written = writes.removeValue(forKey: next.order) {
        disks[next.member] = written
        perform(next.then, by: next.member)
      } else if next.4 != .timer || timers[next.member] == next.at {
        give(next.member, next.4)
      }
    }
    time = end
  }

  mutating func crash(_ member: Int) {
    isUp[member] = false
    lives[member] += 1
  }
  mutating func restart(_ member: Int) {
    guard !isUp[member] else { return }
    isUp[member] = true
    members[member] = make(ids[member], ids, disks[member])
    give(member, .start)
  }

  /// Terms in which two different members were elected.
  var splitTerms: Set<UInt32> {
    Set(elections.filter { one in elections.contains { $0.term == one.term && $0.member != one.member } }.map(\.term))
  }
}

@Suite struct RivalTests {
  private func raft(_ seed: UInt64, forgetting: Bool = false, disk: Bool = true) -> Contest<Raft> {
    Contest(5, seed: seed) { node, members, promises in
      var raft = Raft(node: node, members: members, restoring: promises)
      raft.forgetsVotes = forgetting
      return raft
    }
  }

  /// Loss, reordering, partitions, crashes and restarts.
  private func storm<Protocol: Rival>(_ contest: inout Contest<Protocol>, seed: UInt64) {
    var choices = SeededRandom(seed: seed &* 17 &+ 3)
    contest.delay = 1_000...60_000
    contest.loss = 0.1
    contest.give(0, .call)
    for _ in 0..<20 {
      contest.run(Int64(100 + choices.index(below: 600)))
      let victim = choices.index(below: 5)
      switch choices.index(below: 4) {
      case 0: contest.crash(victim)
      case 1: contest.groups = (0..<5).map { _ in choices.index(below: 2) }
      case 2: contest.groups = [0, 0, 0, 0, 0]
      default: break
      }
      for member in 0..<5 where choices.fraction() < 0.5 { contest.restart(member) }
    }
    contest.delay = 5_000...5_000
    contest.loss = 0
    contest.groups = [0, 0, 0, 0, 0]
    for member in 0..<5 { contest.restart(member) }
    contest.give(0, .call)
    contest.run(5_000)
  }

  @Test("raft: one leader soon after a call; it dies, and a majority elects another")
  func raftElects() {
    var contest = raft(1)
    contest.give(0, .call)
    contest.run(1_000)
    #expect(contest.managers.count == 1)
    let first = contest.managers[0]
    contest.crash(first)
    contest.run(2_000)
    #expect(contest.managers.count == 1 && contest.managers[0] != first)
    #expect(contest.elections.map(\.term) == contest.elections.map(\.term).sorted())
  }

  @Test("raft: in any weather never two leaders of one term, and afterwards one leader", arguments: 1...40)
  func raftIsSafe(_ seed: UInt64) {
    var contest = raft(seed)
    storm(&contest, seed: seed)
    #expect(contest.splitTerms == [])
    #expect(contest.managers.count == 1)
  }

  @Test("(canary) raft that forgets its votes elects two leaders of one term, and that is seen")
  func raftCanary() {
    let caught = (1...200 as ClosedRange<UInt64>).first { seed in
      var contest = raft(seed, forgetting: true)
      storm(&contest, seed: seed)
      return !contest.splitTerms.isEmpty
    }
    #expect(caught != nil)
  }

  @Test("raft: newer terms of a member that cannot win do not keep another from standing when its patience ends")
  func raftStands() {
    let ids = (1...3).map { NodeID(Bytes32([UInt8](repeating: UInt8($0), count: 32))!) }
    var raft = Raft(node: ids[0], members: ids, restoring: nil, timeout: .milliseconds(100), spread: .zero)
    var random = SeededRandom(seed: 1)
    func at(_ milliseconds: Int) -> Instant { .zero + .milliseconds(milliseconds) }
    _ = raft.handle(.call, at: at(0), using: &random)
    for step in 1...5 { _ = raft.handle(.seen(term: UInt32(step)), at: at(step * 20 - 1), using: &random) }
    let stands = raft.handle(.timer, at: at(101), using: &random)
    #expect(
      stands.first
        == .persist(
          RivalPromises(term: 6, vote: ids[0]), then: ids.dropFirst().map { .send($0, .election(term: 6)) }))
  }

  @Test("raft: without a spread of timeouts votes split for ever; with one they do not")
  func raftSpread() {
    func firstElection(spread: Duration, seed: UInt64) -> Int64? {
      var contest = Contest<Raft>(4, seed: seed) { node, members, promises in
        Raft(node: node, members: members, restoring: promises, timeout: .milliseconds(150), spread: spread)
      }
      for member in 0..<4 { contest.give(member, .call) }
      contest.run(10_000)
      return contest.elections.first?.at
    }
    let spread = (1...20 as ClosedRange<UInt64>).compactMap { firstElection(spread: .milliseconds(150), seed: $0) }
    let none = (1...20 as ClosedRange<UInt64>).compactMap { firstElection(spread: .zero, seed: $0) }
    #expect(spread.count == 20 && spread.sorted()[10] < 600_000)
    #expect(none.isEmpty)
  }

  @Test("bully: the highest that lives manages, and bullies its way back")
  func bullyElects() {
    var contest = Contest<Bully>(5, seed: 1)
    contest.give(0, .call)
    contest.run(2_000)
    #expect(contest.managers == [4])
    contest.crash(4)
    contest.run(4_000)
    #expect(contest.managers == [3])
    contest.restart(4)
    contest.give(4, .call)
    contest.run(2_000)
    #expect(contest.managers == [4])
  }

  @Test("bully is unsafe, as its class says: a partition has two managers")
  func bullyIsUnsafe() {
    #expect(Bully.strategy.safety == .unsafe)
    var contest = Contest<Bully>(5, seed: 1)
    contest.give(0, .call)
    contest.run(2_000)
    contest.groups = [0, 0, 0, 1, 1]
    contest.run(5_000)
    #expect(contest.managers == [2, 4] && contest.mostManagersAtOnce == 2)
    contest.groups = [0, 0, 0, 0, 0]
    contest.run(5_000)
    #expect(contest.managers == [4])
  }

  @Test("first responder: one round trip to a manager, and two portals have two")
  func firstResponder() {
    #expect(FirstResponder.strategy.safety == .unsafe)
    var contest = Contest<FirstResponder>(5, seed: 3)
    contest.delay = 1_000...20_000
    contest.give(0, .call)
    contest.run(100)
    #expect(contest.managers.count == 1 && contest.elections[0].at <= 60_000)
    let first = contest.managers[0]
    contest.crash(first)
    contest.run(4_000)
    #expect(contest.managers.count == 1 && contest.managers[0] != first)
    let second = (1...20 as ClosedRange<UInt64>).contains { seed in
      var contest = Contest<FirstResponder>(5, seed: seed)
      contest.delay = 1_000...20_000
      contest.give(0, .call)
      contest.give(1, .call)
      contest.run(500)
      return contest.mostManagersAtOnce == 2
    }
    #expect(second)
  }
}
