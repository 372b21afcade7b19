import Elections
import Foundation
import Lab
import Mandates
import Reports
import Testing

@testable import Study

/// Sentences of reports follow from their figures.
@Suite struct AnswersTests {
  private static func row(_ strategy: ElectionStrategy, mandate: Double?, by manager: Int?) -> ElectionRow {
    var row = ElectionRow(strategy: strategy.rawValue, run: 0, request: "r", calledAt: 0, portal: "0")
    (row.mandate, row.manager) = (mandate, manager.map { "\($0)" })
    return row
  }

  private static func summary(_ strategy: ElectionStrategy, _ mandates: [Double?], wins: [[Int]]) -> StrategySummary {
    StrategySummary(
      strategy.rawValue,
      of: wins.enumerated().map { run, wins in
        var trial = Trial(strategy: strategy.rawValue, run: run, seed: UInt64(run))
        if run == 0 { trial.rows = mandates.map { row(strategy, mandate: $0, by: $0 == nil ? nil : 1) } }
        trial.wins = wins
        return trial
      })
  }

  @Test("the best is named only where intervals tell it apart, and with whom they do not")
  func best() {
    let many = (0..<40).map { Double($0) / 1_000 }
    func told(_ summaries: [StrategySummary]) -> String { ElectionStudy().answers(summaries).joined(separator: " ") }
    let fast = Self.summary(.nearest, many, wins: [[1, 1], [1, 1], [1, 1]])
    let slow = Self.summary(.raft, many.map { $0 + 1 }, wins: [[2, 0], [2, 0], [2, 0]])
    let alike = Self.summary(.bully, many.map { $0 + 0.001 }, wins: [[1, 1], [2, 0], [1, 1]])
    #expect(told([slow, fast]).contains("Fastest to a manager: nearest"))
    #expect(told([slow, fast]).contains("most evenly: nearest"))
    #expect(!told([alike, fast]).contains("Fastest"))
    #expect(told([slow, alike, fast]).contains("Not told apart from it: bully."))
    // One repetition has no interval.
    let once = [Self.summary(.nearest, many, wins: [[1, 1]]), Self.summary(.raft, many, wins: [[2, 0]])]
    #expect(!told(once).contains("evenly"))
  }

  @Test("that no election had two mandates is said of elections that had one")
  func noTwo() {
    func told(_ mandates: [Double?]) -> [String] {
      ElectionStudy().answers([Self.summary(.nearest, mandates, wins: [[0, mandates.count]])])
    }
    #expect(told([0.1, nil]).contains { $0.contains("No election of nearest had two mandates, in 1 ") })
    #expect(told([nil, nil]).isEmpty && told([]).isEmpty)
  }

  @Test("an urn is judged by the exact chance of each count: one unlucky draw refutes nothing, a crooked draw is told")
  func urn() {
    #expect((Statistics.chance(2, of: 10, hitting: 0.5) - 2 * 56.0 / 1_024).magnitude < 1e-9)
    #expect(Statistics.chance(5, of: 10, hitting: 0.5) == 1 && Statistics.chance(1, of: 9, hitting: 0) == 0)
    #expect(Statistics.chance(0, of: 9, hitting: 0) == 1)
    let once = Statistics.chance(1, of: 1, hitting: 0.00125)
    #expect(LiarStudy.verdict((once, "1 of 1"), counts: 9).contains("not told apart from an urn's"))
    let crooked = Statistics.chance(60, of: 1_000, hitting: 0.025)
    let verdict = LiarStudy.verdict((crooked, "60 of 1000"), counts: 9)
    #expect(verdict.contains("are not like an urn's") && verdict.contains("60 of 1000"))
  }

  @Test("what is published is said to agree where it does; what was fitted and what compares worsts says so")
  func published() {
    var study = LeaderFailureStudy()
    study.spreads = [0, 0.005, 0.05]
    let experiment = Experiment(title: "t", question: [], runs: 4, seed: 1, form: .leaderFailure(study))
    func told(_ study: LeaderFailureStudy, _ still: [Double?]) -> String {
      let downtimes: [[Double?]] = [still, [0.287, 0.29, 0.3, 0.28], [0.2, 0.5, 0.3, 0.2]]
      return study.findings(experiment, downtimes, writingFirst: downtimes, []).report.answers.joined(separator: "\n")
    }
    #expect(told(study, [nil, nil, nil, 1]).contains("3 of 4 trials took longer than 10 s, as published."))
    #expect(
      told(study, [1, 2, 3, nil]).contains(
        "1 of 4 trials took longer than 10 s, where many trials are published: that differs."))
    #expect(told(study, [nil]).contains("(fitted)") && told(study, [nil]).contains("the worst of 4 trials took 500 ms"))
    study.disk = 0.02
    #expect(!told(study, [nil]).contains("fitted"))
    study.timeout = 0.2
    #expect(!told(study, [nil]).contains("published"))
  }

  @Test(
    "trials without a leader stay in the curve's denominator, and are told as longer than patience rather than as a figure"
  )
  func censored() throws {
    var study = LeaderFailureStudy()
    study.spreads = [0.025]
    func trial(deaths: Int, gaps: [Double], tied: Bool = false) -> Trial {
      var trial = Trial(strategy: "rendezvous", run: 0, seed: 1)
      var row = Self.row(.rendezvous, mandate: 0.1, by: 1)
      (row.deaths, row.gaps, row.endsWithManager) = (deaths, gaps, tied)
      trial.rows = [row]
      return trial
    }
    let experiment = Experiment(title: "t", question: [], runs: 4, seed: 1, form: .leaderFailure(study))
    let findings = study.findings(
      experiment, [[0.2, nil, 0.3, nil]], writingFirst: [[0.2, 0.2, 0.2, 0.2]],
      [
        trial(deaths: 1, gaps: [2]), trial(deaths: 1, gaps: []), trial(deaths: 1, gaps: [], tied: true),
        trial(deaths: 0, gaps: []),
      ])
    let section = try #require(findings.report.sections.first)
    let row = try #require(section.tables.first?.rows.first)
    #expect(row[4] == "> 30000" && row[6] == "50 %", "\(row)")
    guard case .lines(let lines, _, _)? = section.plots.first?.form else { return #expect(Bool(false)) }
    #expect(lines.map { $0.points.last?.y } == [0.5, 0.5] && lines.map(\.name) == ["raft +25", "ours"])
    #expect(findings.runs.rows.filter { $0[0] == "raft" }.map { $0[3] } == ["200.0", "300.0", "", ""])
    let notes = findings.report.notes.joined(separator: "\n")
    #expect(notes.contains("In 1 of 4 runs of ours no manager followed in time"))
    #expect(notes.contains("In 2 of 4 runs of ours there is no gap to count"))
  }

  @Test(
    "figures of some elections say of how many; curves keep those without a manager, and deaths without a successor, in view"
  )
  func ofSome() throws {
    var trial = Trial(strategy: "raft", run: 0, seed: 1)
    trial.rows = [0.1, nil, 0.3, nil].map { Self.row(.raft, mandate: $0, by: 1) }
    (trial.rows[0].deaths, trial.rows[0].gaps) = (3, [2, 4])
    let summary = StrategySummary("raft", of: [trial])
    let table = Comparison.table([summary])
    func cell(_ title: String) -> String? { table.rows.first { $0[0] == title }?[1] }
    #expect(
      cell("p99 (ms)")?.hasSuffix("[of 2]") == true && cell("failover gap, p99 (ms)")?.hasPrefix("3980 [of 2]") == true)
    let never = Self.summary(.bully, [nil], wins: [[0]])
    let lines = Comparison.plots([summary, never]).prefix(2).map { plot -> [Plot.Line] in
      guard case .lines(let lines, _, _) = plot.form else { return [] }
      return lines
    }
    #expect(lines.map { $0.first?.points.last?.y } == [0.5, 2.0 / 3])
    // Whoever never elected is in the legend; where nobody died there is nothing to tell.
    #expect(lines.map { $0.map(\.name) } == [["raft", "bully (none)"], ["raft"]])
    #expect(trial.rows[0].cells[14] == "2000.0 4000.0")
  }

  @Test(
    "a matrix is told with its size and its round trips, by which a wrong unit is seen; a file that is none, with its form"
  )
  func matrix() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "rtt-\(UUID().uuidString).txt").path
    defer { try? FileManager.default.removeItem(atPath: file) }
    // One entry is missing and takes the other direction's value.
    try "0 10 20\n10 0 45\n0 45 0\n\n".write(toFile: file, atomically: true, encoding: .utf8)
    #expect(
      Topology.matrix(file: file, unit: .milliseconds).told.hasSuffix(
        ", in ms: 3×3, from 10 ms to 45 ms there and back, 20 ms in the median"))
    #expect(Topology.matrix(file: file, unit: .seconds).told.contains("from 10000 ms to 45000 ms"))
    try "0,10\n10,0\n".write(toFile: file, atomically: true, encoding: .utf8)
    var scenario = Scenario(seed: 1, nodes: [.init(), .init()], healsAt: 1, endsAt: 1)
    scenario.topology = .matrix(file: file, unit: .milliseconds)
    do throws(TopologyError) {
      _ = try Ground(scenario)
      Issue.record("commas were taken")
    } catch { #expect("\(error)".contains("row 1 has 1 entries") && "\(error)".contains("whitespace-separated")) }
  }
}
