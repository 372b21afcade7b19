import Base
import Foundation
import Lab
import Testing

@testable import Study

@Suite struct FiguresTests {
  @Test("the exact probabilities of unlucky electorates are those that were stated before")
  func hypergeometric() {
    func tail(_ marked: Int, _ k: Int) -> Double {
      Statistics.hypergeometricTail(all: 500, marked: marked, drawn: k, moreThan: (k - 1) / 3)
    }
    for (size, shares) in LiarStudy.published {
      for (share, stated) in shares {
        let exact = tail(Int(share * 500), size)
        #expect((exact / stated - 1).magnitude < 0.06, "k \(size), \(share): \(exact) where \(stated) was stated")
      }
    }
    #expect(tail(25, 31) < 1e-5)
    #expect(Statistics.hypergeometricTail(all: 10, marked: 10, drawn: 4, moreThan: 1) == 1)
    #expect(Statistics.hypergeometricTail(all: 10, marked: 1, drawn: 4, moreThan: 1) == 0)
  }

  @Test("intervals hold the truth about as often as they say")
  func intervals() {
    var random = SeededRandom(seed: 5)
    var (shares, medians, means) = (0, 0, 0)
    for _ in 0..<1_000 {
      shares +=
        Statistics.share((0..<60).count { _ in random.fraction() < 0.1 }, of: 60).interval!.contains(0.1) ? 1 : 0
      let values = (0..<41).map { _ in -log(1 - random.fraction()) }
      medians += Statistics.quantile(0.5, of: values).interval!.contains(log(2)) ? 1 : 0
      means += Statistics.mean((0..<8).map { _ in random.fraction() }).interval!.contains(0.5) ? 1 : 0
    }
    for hits in [shares, medians, means] { #expect((930...985).contains(hits)) }
  }

  @Test("quantiles lie between ranks, and claim no interval that the sample cannot bound")
  func quantiles() {
    #expect(Statistics.quantile(0.5, of: [4, 1, 3, 2]).value == 2.5)
    #expect(Statistics.quantile(0.99, of: Array(stride(from: 0.0, through: 100, by: 1))).value == 99)
    #expect(Statistics.quantile(0.99, of: [1, 2, 3]).interval == nil)
    #expect(Statistics.quantile(0.5, of: []).value == nil)
  }

  @Test("Gini is 0 for all alike and (n−1)/n for one who has everything; a lottery lies between")
  func gini() throws {
    #expect(Statistics.gini([3, 3, 3, 3])!.magnitude < 1e-12)
    #expect((Statistics.gini([0, 0, 0, 8])! - 0.75).magnitude < 1e-12)
    #expect(Statistics.gini([0, 0]) == nil)
    let few = try #require(Statistics.giniOfLottery(10, over: 10, seed: 1))
    let many = try #require(Statistics.giniOfLottery(10_000, over: 10, seed: 1))
    #expect(few > 0.4 && many < 0.03)
  }

  @Test("a manager's death counts in office alone, and its gap ends with the successor")
  func failover() {
    var row = ElectionRow(strategy: "s", run: 0, request: "r", calledAt: 10, portal: "0")
    row.follow(
      tenures: [("1", "1", 10.1), ("2", "2", 14)], deaths: [("1", 9), ("3", 11), ("1", 12), ("2", 30)], until: 20)
    #expect(row.manager == "1" && row.deaths == 1 && row.gaps == [2] && !row.twoMandates)
    var unreplaced = row
    (unreplaced.deaths, unreplaced.gaps) = (0, [])
    unreplaced.follow(tenures: [("1", "1", 10.1)], deaths: [("1", 12)], until: 20)
    #expect(unreplaced.deaths == 1 && unreplaced.gaps == [])
  }

  @Test("(canary) two nodes with a mandate of one term are seen; one node that is told so twice is not two")
  func twoMandates() {
    var row = ElectionRow(strategy: "s", run: 0, request: "r", calledAt: 0, portal: "0")
    row.follow(tenures: [("1", "3", 1), ("1", "3", 2)], deaths: [], until: 9)
    #expect(!row.twoMandates)
    row.follow(tenures: [("1", "3", 1), ("2", "3", 2)], deaths: [], until: 9)
    #expect(row.twoMandates)
  }

  @Test(
    "two hold office at once when a look at a whole second finds both; one after the other, and one alone, are not two")
  func twoAtOnce() {
    #expect(ElectionRow.twoAtOnce([("1", 3.5, 6.2), ("2", 5.9, 9)]))
    #expect(!ElectionRow.twoAtOnce([("1", 3.5, 6.2), ("2", 6.1, 9)]))
    #expect(!ElectionRow.twoAtOnce([("1", 3.5, 6.2), ("2", 6.2, 9), ("2", 7, 9)]))
  }

  @Test(
    "real peers tell their strategy: who manages at once under one without safety is seen, until it was last heard of")
  func realPeers() throws {
    func line(_ at: Double, _ node: String, _ event: String, _ service: String, _ details: String = "") -> String {
      "{\"at\":\(at),\"details\":{\(details)},\"event\":\"\(event)\",\"kind\":\"event\",\"node\":\"\(node)\",\"service\":\"\(service)\"}"
    }
    let strategy = "\"electors\":\"0\",\"strategy\":\"firstResponder\""
    let findings = try StudiesTests.reported(
      [line(100, "p", "request.called", "abc", strategy), line(100, "p", "request.called", "def", strategy)],
      [line(100.5, "m", "election.won", "abc", "\"term\":\"1\""), line(104, "m", "service.ended", "abc")],
      [line(101.5, "n", "election.won", "abc", "\"term\":\"2\""), line(103, "n", "election.lost", "abc")],
      // Killed: nothing was heard of it after its election.
      [line(100.5, "k", "election.won", "def", "\"term\":\"1\"")],
      [line(101.5, "l", "election.won", "def", "\"term\":\"2\""), line(103, "l", "election.lost", "def")])
    #expect(
      findings.runs.rows.map { [$0[0], $0[2], $0[10]] } == [
        ["firstResponder", "abc", "1"], ["firstResponder", "def", "0"],
      ])
    #expect(findings.report.html.contains("unsafe: two may manage"))
  }

  @Test(
    "each scenario of the lab begins a world of its own: no death of one touches a manager of another, in one file or in two"
  )
  func worlds() throws {
    let machines: [Scenario.Machine] = [.init(), .init(), .init()]
    func world(_ seed: UInt64, _ service: String, crash: Double?) throws -> [String] {
      let scenario = Scenario(seed: seed, nodes: machines, healsAt: 30, endsAt: 30)
      let told = String(decoding: try JSONEncoder().encode(["scenario": scenario]), as: UTF8.self)
      let events = [("request.called", 0, 5.0), ("election.won", 1, 5.5), ("election.mandate", 0, 6)].map {
        event, node, at in
        "{\"at\":\(at),\"details\":{\"term\":\"1\"},\"event\":\"\(event)\",\"kind\":\"event\",\"node\":\(node),\"service\":\"\(service)\"}"
      }
      let dies = crash.map { ["{\"at\":\($0),\"kind\":\"crash\",\"loses_store\":false,\"node\":1}"] } ?? []
      return ["{\"kind\":\"scenario\"," + told.dropFirst()] + events + dies
    }
    let (first, second) = (try world(1, "abc", crash: nil), try world(2, "def", crash: 7))
    for findings in [try StudiesTests.reported(first, second), try StudiesTests.reported(first + second)] {
      // Run, request, deaths.
      #expect(findings.runs.rows.map { [$0[1], $0[2], $0[13]] } == [["0", "abc", "0"], ["1", "def", "1"]])
    }
  }

  @Test(
    "real peers' traces, one a peer, tell of their elections; a cut-off last line is passed over, another is a mistake")
  func traces() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "traces-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func line(_ at: Double, _ node: String, _ event: String, _ details: String = "") -> String {
      "{\"at\":\(at),\"details\":{\(details)},\"event\":\"\(event)\",\"kind\":\"event\",\"node\":\"\(node)\",\"service\":\"abc\",\"summary\":\"\"}\n"
    }
    try (line(100, "p", "request.called", "\"electors\":\"5\"") + line(100.02, "p", "election.mandate") + "{\"at\":1")
      .write(toFile: "\(folder)/p", atomically: true, encoding: .utf8)
    try line(100.01, "m", "election.won", "\"term\":\"1\"").write(
      toFile: "\(folder)/m", atomically: true, encoding: .utf8)
    let rows = try TraceReading.findings(files: ["\(folder)/p", "\(folder)/m"]).runs.rows
    #expect(rows.count == 1)
    #expect(Array(rows[0][2...7]) == ["abc", "100.0", "p", "m", "20.0", "5"])
    try "nonsense\n\n".write(toFile: "\(folder)/bad", atomically: true, encoding: .utf8)
    #expect(throws: TraceReading.Unreadable.self) { try TraceReading.findings(files: ["\(folder)/bad"]) }
    #expect(throws: TraceReading.Unreadable.self) { try TraceReading.findings(files: ["\(folder)/none"]) }
  }
}
