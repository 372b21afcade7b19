import Base
import Core
import Foundation
import Identity
import Measurements
import Testing
import Vocabulary

@testable import Lab

@Suite struct WorldTests {
  @Test("what is due first happens first; of what is due together, what was asked for first")
  func queue() {
    var queue = EventQueue<Int>()
    var random = SeededRandom(seed: 3)
    var asked: [(at: Int64, number: Int)] = []
    for number in 0..<2_000 {
      let at = Int64(random.index(below: 300))
      asked.append((at, number))
      queue.push(number, at: Instant(nanoseconds: at))
      if number % 3 == 0, let next = queue.pop(notAfter: Instant(nanoseconds: 40)) {
        asked.removeAll { $0.number == next.happening }
        #expect(next.at.nanoseconds <= 40)
      }
    }
    var rest: [Int] = []
    while let next = queue.pop(notAfter: Instant(nanoseconds: 1_000)) { rest.append(next.happening) }
    #expect(rest == asked.sorted { ($0.at, $0.number) < ($1.at, $1.number) }.map(\.number))
  }

  @Test("a clock that drifts only goes forward, and no timer rings early", arguments: [-40_000, -7, 0, 250, 40_000])
  func clock(drift: Int64) {
    var clock = LocalClock(drift: drift, zero: 12_345, skew: 0)
    var last = clock.monotonic(.zero)
    for step in 1..<3_000 {
      let now = Instant(nanoseconds: Int64(step) * 333_337)
      #expect(clock.monotonic(now) > last)
      last = clock.monotonic(now)
      let local = clock.monotonic(now) + .milliseconds(step % 700)
      #expect(clock.monotonic(clock.moment(local)) >= local)
    }
    clock.restart(at: .seconds(100), showing: 5)
    #expect(clock.monotonic(.seconds(100)).nanoseconds == 5)
  }

  @Test(
    "a matrix of round trips: missing entries take the other way's value, or the two machines' medians, and it is said")
  func matrix() throws {
    let matrix = try RoundTripMatrix(text: "0 2 4\n-1 0 0\n6 nan 0\n", name: "m", unit: .milliseconds)
    #expect(matrix.size == 3)
    #expect(matrix.oneWay[1] == 1_000_000 && matrix.oneWay[3] == 1_000_000, "the way back takes the way there")
    // Row 1 knows nothing, row 2 only 3 ms: that alone is left.
    #expect(matrix.oneWay[5] == 3_000_000)
    #expect(matrix.notes.count == 2)
  }

  @Test("a file that is no matrix is refused with its row")
  func badMatrix() {
    #expect(throws: TopologyError.notSquare("m", row: 2, columns: 3, rows: 2)) {
      try RoundTripMatrix(text: "0 1\n1 0 2\n", name: "m", unit: .seconds)
    }
    #expect(throws: TopologyError.empty("m")) { try RoundTripMatrix(text: "0 -1\n0 0\n", name: "m", unit: .seconds) }
    #expect(throws: TopologyError.unreadable("/no/such")) { try RoundTripMatrix(file: "/no/such", unit: .seconds) }
  }

  @Test("a number that is no round trip is refused with its row and column", arguments: ["1e300", "1e999", "60001"])
  func absurdRoundTrip(entry: String) throws {
    let error = #expect(throws: TopologyError.self) {
      try RoundTripMatrix(text: "0 2 4\n2 0 \(entry)\n4 2 0\n", name: "m", unit: .milliseconds)
    }
    #expect(error == .entry("m", row: 2, column: 3, value: entry, unit: .milliseconds))
    #expect(
      "\(try #require(error))".contains(
        "m: row 2, column 3: \(entry) ms is no round trip; allowed: more than 0 to 60000 ms"))
    let longest = try RoundTripMatrix(text: "0 60\n60 0\n", name: "m", unit: .seconds)
    #expect(longest.oneWay[1] == 30_000_000_000)
    #expect(try RoundTripMatrix(text: "0 2 2\n2 0 inf\n2 4 0\n", name: "m", unit: .seconds).oneWay[5] == 2_000_000_000)
  }

  @Test("a crash loses what was not written; of a write under way all or nothing")
  func disk() {
    func record(_ name: UInt8) -> [Record] {
      [Record(kind: "test", key: [name], bytes: [name], keepUntil: WallTime(milliseconds: 1))]
    }
    for isSaved in [true, false] {
      var disk = SimulatedDisk()
      var node = TokenMaker()
      let begins = (1...3).map { disk.ask(record($0), node.next()) }
      #expect(begins == [true, false, false], "the others wait for the write under way")
      let (done, goesOn) = disk.finish()
      #expect(done.count == 1 && goesOn)
      #expect(disk.writes == 2, "two requests, one write")
      _ = disk.crash(writeIsSaved: isSaved)
      #expect(disk.records.count == (isSaved ? 3 : 1))
    }
  }

  /// Tokens come only out of a node: two are made by two elections' worth of effects.
  private struct TokenMaker {
    private var tokens: [PersistToken] = []
    mutating func next() -> PersistToken {
      if tokens.isEmpty {
        let keys = KeyPair(seed: Digest.of([1], kind: "test"))
        let settings = NodeSettings(
          address: PeerAddress(host: "10.0.0.1", port: 1), portal: "",
          offer: NodeOffer(components: nil, slots: 1, cores: 1, machineCores: 1, memory: 1), identityIsNew: true)
        for start in 0..<4 {
          var node = Node(
            keys: keys, settings: settings, memory: Memory(records: []), now: .zero,
            wall: WallTime(milliseconds: Int64(start)))
          var random = SeededRandom(seed: 1)
          for effect in node.handle(.join([]), at: .zero, wall: WallTime(milliseconds: 1), using: &random) {
            if case .persist(_, let token) = effect { tokens.append(token) }
          }
        }
      }
      return tokens.removeLast()
    }
  }

  // MARK: - One seed, one course

  @Test("one scenario has one course; another seed has another")
  func determinism() throws {
    let once = try Self.hash(seed: 5)
    #expect(once == (try Self.hash(seed: 5)))
    #expect(once != (try Self.hash(seed: 6)))
  }

  @Test("and so in another process, whose hashing has another seed", .enabled(if: Self.canSpawn))
  func anotherProcess() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "millrace-lab-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["--testing-library", "swift-testing", "--filter", "WorldTests/tellsItsHash"]
    process.environment = ProcessInfo.processInfo.environment.merging([Self.hashFile: file.path]) { $1 }
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let theirs = try String(contentsOf: file, encoding: .utf8).split(separator: " ").map(String.init)
    try #require(theirs.count == 2)
    #expect(theirs[0] != "\(ProcessInfo.processInfo.processIdentifier)", "it was another process")
    #expect(theirs[1] == (try Self.hash(seed: 5)))
  }

  @Test("(in the other process) tells its hash", .enabled(if: ProcessInfo.processInfo.environment[hashFile] != nil))
  func tellsItsHash() throws {
    let file = try #require(ProcessInfo.processInfo.environment[Self.hashFile])
    let text = "\(ProcessInfo.processInfo.processIdentifier) \(try Self.hash(seed: 5))"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
  }

  static let hashFile = "MILLRACE_LAB_HASH_FILE"
  static var canSpawn: Bool {
    FileManager.default.fileExists(atPath: "/proc/self/exe") && ProcessInfo.processInfo.environment[hashFile] == nil
  }

  static func hash(seed: UInt64) throws -> String {
    let outcome = try Simulation(ScenarioMaker.scenario(seed: seed)).run()
    #expect(outcome.counts.effects > 1_000)
    return outcome.traceHash
  }
}
