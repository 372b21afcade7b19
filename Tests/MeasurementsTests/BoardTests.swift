import Base
import Identity
import Testing
import Vocabulary

@testable import Measurements

/// A board with its clock.
private struct Desk {
  static let offer = NodeOffer(
    components: nil, slots: 4, cores: 2, machineCores: 4, memory: 1 << 30, upCap: 0, downCap: 0)
  let keys: KeyPair
  var board: LoadBoard
  var random = SeededRandom(seed: 1)
  var now = Instant.zero

  init(_ number: UInt8, offer: NodeOffer = Desk.offer) {
    keys = KeyPair(seed: Digest.of([number], kind: "board"))
    board = LoadBoard(keys: keys, offer: offer, sequence: 1_000)
  }

  var wall: WallTime { WallTime(milliseconds: 1_900_000_000_000 + now.nanoseconds / 1_000_000) }
  var own: LoadReport? { board[keys.id]?.report }

  mutating func tell(_ input: BoardInput) -> [BoardEffect] { board.handle(input, at: now, wall: wall, using: &random) }

  mutating func own(promised: Int) -> [BoardEffect] {
    tell(.own(OwnState(coordinate: .origin, streams: [], slotsUsed: 0, promisedSlots: promised, promisedCores: 0)))
  }
}

extension [BoardEffect] {
  fileprivate var publishes: Bool { contains { if case .published = $0 { true } else { false } } }
  fileprivate var publishTimer: Instant? {
    compactMap { if case .setTimer(.publish, let at) = $0 { at } else { nil } }.last
  }
}

/// The parts of a report, signed.
private func report(_ keys: KeyPair, _ sequence: UInt64, promised: Int = 0, of node: NodeID? = nil) -> [SignedEnvelope]
{
  var report = LoadReport(node: node ?? keys.id, sequence: sequence, wall: WallTime(milliseconds: 0))
  report.promisedSlots = promised
  return report.contents.map { content in
    Signed(ReportPart(node: report.node, sequence: sequence, wall: report.wall, content: content), by: keys).envelope
  }
}

extension LoadReport {
  /// The contents in which a report travels.
  fileprivate var contents: [ReportPart.Content] {
    let pulse = ReportPart.Pulse(
      load: load, rates: rates, coordinate: coordinate, promisedSlots: promisedSlots, promisedCores: promisedCores)
    return [.pulse(pulse), .offer(components)]
      + LoadReport.pages(streams, of: Limits.streamsPerPage, most: Limits.reportedStreams).map {
        .streams($0.index, $0.items)
      }
      + LoadReport.pages(paths, of: Limits.pathsPerPage, most: Limits.reportedPaths).map { .paths($0.index, $0.items) }
  }
}

@Suite("The board of measurements")
struct BoardTests {
  // MARK: - Others' reports

  @Test("believes the newest sequence, in whatever order reports come")
  func newest() {
    var desk = Desk(1)
    let other = KeyPair(seed: Digest.of([2], kind: "board"))
    _ = desk.tell(.members([other.id]))
    for (sequence, promised) in [(5, 1), (7, 2), (6, 3), (7, 4)] as [(UInt64, Int)] {
      _ = desk.tell(.reports(report(other, sequence, promised: promised)))
    }
    #expect(desk.board[other.id]?.report.sequence == 7)
    #expect(desk.board[other.id]?.report.promisedSlots == 2)
  }

  @Test("shows when a report came, and an older one that comes later does not make it younger")
  func age() {
    var desk = Desk(1)
    let other = KeyPair(seed: Digest.of([2], kind: "board"))
    _ = desk.tell(.members([other.id]))
    desk.now = .zero + .seconds(3)
    _ = desk.tell(.reports(report(other, 7)))
    desk.now = .zero + .seconds(9)
    _ = desk.tell(.reports(report(other, 6) + report(other, 7)))
    #expect(desk.board[other.id]?.received == .zero + .seconds(3))
  }

  @Test("refuses what another signed, what was changed, and what others say of this node itself")
  func forged() {
    var desk = Desk(1)
    let (other, stranger) = (KeyPair(seed: Digest.of([2], kind: "board")), KeyPair(seed: Digest.of([3], kind: "board")))
    _ = desk.tell(.members([other.id]))
    let lie = report(stranger, 9, of: other.id)
    let honest = report(other, 5)
    let changed = zip(lie, honest).map { SignedEnvelope(bytes: $0.bytes, signer: other.id, signature: $1.signature) }
    let ofThis = report(stranger, 9_999, of: desk.keys.id)
    let mirrored = report(desk.keys, 9_999, promised: 3)
    for hand in [lie, changed, ofThis, mirrored] { _ = desk.tell(.reports(hand)) }
    #expect(desk.board[other.id] == nil)
    #expect(desk.board[stranger.id] == nil)
    #expect(desk.own == nil)
    _ = desk.tell(.reports(honest))
    #expect(desk.board[other.id]?.report.sequence == 5, "the honest one in the same hand is taken")
  }

  @Test("forgets who departs, and keeps the others")
  func departure() {
    var desk = Desk(1)
    let others = [2, 3].map { KeyPair(seed: Digest.of([$0], kind: "board")) }
    _ = desk.tell(.members(others.map(\.id)))
    _ = desk.tell(.reports(others.flatMap { report($0, 1) }))
    _ = desk.own(promised: 0)
    #expect(desk.board.all.count == 3 * 2)
    _ = desk.tell(.members([others[0].id]))
    #expect(desk.board[others[1].id] == nil)
    #expect(desk.board[others[0].id] != nil && desk.own != nil)
  }

  // MARK: - The own report

  @Test("publishes at once when something moved, but not more often than twice a second; else every ten seconds")
  func publishing() {
    var desk = Desk(1)
    #expect(desk.own(promised: 0).publishes, "the first word")
    let first = desk.own?.sequence ?? 0
    desk.now += .milliseconds(100)
    #expect(desk.own(promised: 0).isEmpty, "nothing moved")
    let moved = desk.own(promised: 1)
    #expect(!moved.publishes && moved.publishTimer == .zero + Limits.reportPause, "too soon: it is put off")
    desk.now = .zero + Limits.reportPause
    let late = desk.tell(.timer(.publish))
    #expect(late.publishes && desk.own?.promisedSlots == 1)
    #expect(late.publishTimer == desk.now + Limits.reportInterval)
    desk.now += Limits.reportInterval
    let before = desk.own?.sequence ?? 0
    #expect(!desk.tell(.timer(.publish)).publishes, "nothing moved: it rides on the probes")
    #expect(desk.own?.sequence == before + 1 && before > first)
    desk.now += .seconds(1)
    #expect(desk.own(promised: 2).publishes, "long enough after the last")
  }

  @Test("tells what the workers and the kernel say: misses, shares, throughput")
  func contents() throws {
    var desk = Desk(1)
    _ = desk.tell(.calibrated(decode: 123, encode: 45, filter: 678))
    _ = desk.tell(.frames(due: 100, late: 25))
    // All four cores of the machine are busy, two of them for this peer, whose share is two.
    for second in 0..<30 as Range<UInt64> {
      desk.now = .zero + .seconds(Int(second))
      _ = desk.tell(.frames(due: 100, late: 25))
      let process =
        "7 (a) b) R " + Array(repeating: "0", count: 10).joined(separator: " ")
        + " \(second * 150) \(second * 50) 0 0 20 0 1 0 5 99 1000 0"
      _ = desk.tell(
        .sample(
          MachineSample(
            stat: "cpu  \(second * 300) 0 \(second * 100) 0 0 0 0 0 0 0", processes: [process],
            pressure: "some avg10=1.00 avg60=0 avg300=0 total=\(second * 500_000)", network: "")))
    }
    _ = desk.tell(.timer(.publish))
    let load = try #require(desk.own).load
    #expect((load.decodeRate, load.encodeRate, load.filterRate) == (123, 45, 678))
    #expect(abs(load.deadlineMisses - 0.25) < 0.01)
    #expect(load.machineCPU > 0.95)
    #expect(load.ownCPU > 0.95, "two of the operator's two cores")
    #expect(abs(load.cpuPressure - 0.5) < 0.02)
    #expect(abs(load.memory - 1_000 * 4_096 / Double(1 << 30)) < 1e-6)
  }

  @Test("of an operator's cap and a measured rate the smaller counts")
  func caps() throws {
    var offer = Desk.offer
    offer.upCap = 5_000_000
    var desk = Desk(1, offer: offer)
    _ = desk.own(promised: 0)
    #expect(desk.own?.rates.upCapacity == 5_000_000 && desk.own?.rates.downCapacity == 0)
  }

  // MARK: - Bytes

  @Test("piggybacks within the datagram's room and the budget a second, whoever there is; in the end everyone was told")
  func budget() {
    var desk = Desk(1)
    let others = (10..<60).map { KeyPair(seed: Digest.of([UInt8($0)], kind: "board")) }
    _ = desk.tell(.members(others.map(\.id)))
    _ = desk.tell(.reports(others.flatMap { report($0, 1) }))
    var (bytes, told, largest) = (0, Set<NodeID>(), 0)
    let seconds = 120
    for tick in 0..<(seconds * 20) {
      desk.now = .zero + .milliseconds(tick * 50)
      let taken = desk.board.piggyback(at: desk.now)
      let size = taken.reduce(0) { $0 + $1.wire.wireBytes.count + 3 }
      largest = max(largest, size)
      bytes += size
      told.formUnion(taken.map(\.signer))
    }
    #expect(largest <= Limits.reportBytes && largest > 0)
    // What was saved up over five seconds may be spent at the start.
    #expect(Double(bytes) <= Limits.reportBudget * Double(seconds + 5), "\(bytes) bytes")
    #expect(told.isSuperset(of: others.map(\.id)))
    desk.now += .seconds(60)
    #expect(desk.board.piggyback(at: desk.now).isEmpty, "what was told often enough is not told again")
    _ = desk.tell(.members(others.map(\.id) + [KeyPair(seed: Digest.of([99], kind: "board")).id]))
    #expect(!desk.board.piggyback(at: desk.now).isEmpty, "but to a newcomer")
  }

  @Test("a report survives the wire, and one out of range is refused")
  func wire() throws {
    let keys = KeyPair(seed: Digest.of([2], kind: "board"))
    var full = LoadReport(node: keys.id, sequence: 3, wall: WallTime(milliseconds: 5))
    full.load = LoadVector(
      ownCPU: 0.5, machineCPU: 0.6, cpuPressure: 0.1, memory: 0.2, deadlineMisses: 0.3, slotsUsed: 1)
    full.rates = LinkRates(upCapacity: 1, downCapacity: 2, upUsed: 3, downUsed: 4)
    full.paths = [PathRate(to: keys.id, capacity: 7, used: 8)]
    full.streams = [ServedStream(key: StreamKey(keys.id.key), bitrate: 9, spareFanOut: 2, firstHeld: 4)]
    full.components = ["video.scale"]
    (full.promisedSlots, full.promisedCores) = (2, 1.5)
    func carried() throws(InvalidMessage) -> LoadReport {
      var arrived = LoadReport(node: keys.id, sequence: 0, wall: WallTime(milliseconds: 0))
      for content in full.contents {
        let part = ReportPart(node: keys.id, sequence: 3, wall: full.wall, content: content)
        arrived.take(try ReportPart(validating: part.encoded()))
      }
      return arrived
    }
    #expect(try carried() == full)
    full.load.ownCPU = 1.5
    #expect(throws: InvalidMessage.self) { try carried() }
    full.load.ownCPU = .nan
    #expect(try carried().load.ownCPU == 0, "what is no number does not travel")
  }
}
