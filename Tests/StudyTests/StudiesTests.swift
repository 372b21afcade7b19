import Elections
import Foundation
import Mandates
import Testing

@testable import Study

/// The shipped studies, small: `Tools/lab/studies`.
@Suite struct StudiesTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Tools/lab/studies")
    .standardized

  static func shipped(_ name: String, runs: Int) throws -> Experiment {
    var experiment = try Experiment(file: folder.appending(path: "\(name).yaml").path)
    experiment.runs = runs
    return experiment
  }

  @Test("every shipped study is read")
  func all() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter { $0.hasSuffix(".yaml") }
    #expect(files.count >= 4)
    for file in files {
      let experiment = try Experiment(file: Self.folder.appending(path: file).path)
      #expect(!experiment.title.isEmpty && !experiment.question.isEmpty)
    }
  }

  @Test("seven strategies side by side: the quorum's orders have never two mandates, and everybody elects")
  func strategies() async throws {
    var experiment = try Self.shipped("strategies", runs: 1)
    guard case .elections(var study) = experiment.form else { return #expect(Bool(false)) }
    (study.nodes, study.lasts, study.warmup) = (9, 6, 12)
    study.load.rate = 1
    study.churn = .poisson(rate: 0.2, session: 10, crashing: 0.5)
    study.storms = [.init(at: 2, count: 2, within: 1)]
    experiment.form = .elections(study)
    let findings = try await experiment.run(Running(threads: 2))
    let rows = findings.runs.rows
    for strategy in ElectionStrategy.allCases {
      let mine = rows.filter { $0[0] == strategy.rawValue }
      #expect(!mine.isEmpty && mine.contains { !$0[5].isEmpty }, "\(strategy)")
      if strategy.isOrder { #expect(mine.allSatisfy { $0[10] == "0" }, "\(strategy)") }
    }
    #expect(findings.summary.rows.count == 7 * StrategySummary.metrics.count)
    #expect(findings.trace.first?.hasSuffix("\"nodes\":9,\"run\":0,\"seed\":1,\"strategy\":\"rendezvous\"}") == true)
    #expect(findings.report.html.contains("Time to mandate") && findings.report.html.contains("unsafe: two may manage"))
    #expect(try Self.reported(findings.trace).runs == findings.runs)
    #expect(try Self.reported(findings.trace).summary == findings.summary)
  }

  /// What `millrace lab report` says of a trace.
  static func reported(_ traces: [String]...) throws -> Findings {
    let folder = FileManager.default.temporaryDirectory.appending(path: "study-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = traces.indices.map { folder.appending(path: "\($0).jsonl").path }
    for (trace, file) in zip(traces, files) {
      try trace.joined(separator: "\n").appending("\n").write(toFile: file, atomically: true, encoding: .utf8)
    }
    return try TraceReading.findings(files: files)
  }

  /// Few machines, each of whose managers is cut off.
  static func cutOff(_ strategies: [ElectionStrategy]) -> Experiment {
    var study = ElectionStudy()
    (study.nodes, study.warmup, study.lasts, study.strategies) = (8, 10, 6, strategies)
    (study.load.rate, study.load.sources, study.load.length) = (1, 4, 8)
    study.faults = [.init(what: .managerIsCutOff, at: 2, lasts: 8, share: 1, by: 0)]
    return Experiment(title: "cut off", question: ["?"], runs: 1, seed: 1, form: .elections(study))
  }

  @Test("where terms fence nothing, a report of a trace sees two managers at once as the study that wrote it does")
  func twoInTime() async throws {
    let findings = try await Self.cutOff([.firstResponder, .rendezvous]).run(Running(threads: 2))
    let again = try Self.reported(findings.trace)
    #expect(again.runs == findings.runs && again.summary == findings.summary)
    func two(_ findings: Findings) -> [String] {
      findings.runs.rows.filter { $0[10] == "1" }.map { "\($0[0]) \($0[2])" }.sorted()
    }
    #expect(two(findings).count > 1 && two(findings).allSatisfy { $0.hasPrefix("firstResponder") })
    // Of a trace that was cut off before its outcome, events say the same.
    let cut = try Self.reported(findings.trace.filter { !$0.contains("\"kind\":\"outcome\"") })
    #expect(two(cut) == two(findings))
  }

  @Test("portals that reach too few electors have failed elections, in the words of whole peers, too")
  func tooFew() async throws {
    var experiment = Self.cutOff([.leastLoaded, .sortition])
    guard case .elections(var study) = experiment.form else { return #expect(Bool(false)) }
    (study.warmup, study.lasts, study.load.rate) = (1, 4, 4)
    study.faults = [.init(what: .partition, at: 1, lasts: 14, share: 0.5, by: 0)]
    experiment.form = .elections(study)
    let findings = try await experiment.run(Running())
    let refused = findings.runs.rows.filter { !$0[16].isEmpty }
    #expect(refused.allSatisfy { $0[16].hasPrefix("election(") && $0[5].isEmpty })
    for strategy in ["leastLoaded", "sortition"] {
      let mine = (refused.count { $0[0] == strategy }, findings.runs.rows.count { $0[0] == strategy })
      func share(_ metric: String) throws -> Double {
        let row = findings.summary.rows.first { $0[0] == strategy && $0[1] == metric }
        return try #require(row.flatMap { Double($0[2]) })
      }
      #expect(try mine.0 > 0 && share("p_no_manager") >= Double(mine.0) / Double(mine.1))
      #expect(try share("p_uncalled") > 0)
    }
  }

  @Test("the same file and seed give the same figures, whatever the number of threads")
  func same() async throws {
    let experiment = try Self.shipped("herding", runs: 1)
    guard case .herding(var study) = experiment.form else { return #expect(Bool(false)) }
    (study.jobs, study.ages) = (100, [1])
    var small = experiment
    small.form = .herding(study)
    let one = try await small.run(Running(threads: 1))
    let four = try await small.run(Running(threads: 4))
    #expect(one.runs == four.runs && one.report == four.report)
    small.seed = 2
    #expect(try await small.run(Running(threads: 4)).runs != four.runs)
  }

  @Test(
    "Raft without any spread has no leader for long; with 5 ms the median lies by the paper's 287 ms; ours waits out its lease"
  )
  func leaderFailure() async throws {
    var experiment = try Self.shipped("raft-timeouts", runs: 80)
    guard case .leaderFailure(var study) = experiment.form else { return #expect(Bool(false)) }
    (study.spreads, study.ours) = ([0, 0.005, 0.15], 6)
    experiment.form = .leaderFailure(study)
    let findings = try await experiment.run(Running(threads: 2))
    func median(_ spread: String) -> Double? {
      findings.summary.rows.first { $0[1] == spread && $0[2] == "p50_ms" }.flatMap { Double($0[3]) }
    }
    #expect(try #require(median("0")) > 10_000)
    #expect((150...400).contains(try #require(median("5"))))
    #expect(try #require(median("150")) < 300)
    #expect(try #require(median("-")) > 1_500)
  }

  @Test("electorates of the production draw are as unlucky as an urn's, to four standard errors")
  func liars() async throws {
    let findings = try await Self.shipped("liars", runs: 1_000).run(Running(threads: 2))
    let table = try #require(findings.report.sections.first?.tables.first)
    #expect(table.rows.count == 9)
    for row in table.rows { #expect(try #require(Double(row[5])).magnitude < 4, "\(row)") }
  }

  @Test("with an old board the herd is slower than chance, and ours is not of the herd")
  func herding() async throws {
    var experiment = try Self.shipped("herding", runs: 1)
    guard case .herding(var study) = experiment.form else { return #expect(Bool(false)) }
    (study.jobs, study.ages, study.policies) = (1_000, [16], [.random, .best, .ours])
    experiment.form = .herding(study)
    let findings = try await experiment.run(Running(threads: 2))
    func mean(_ policy: String) throws -> Double {
      try #require(findings.runs.rows.first { $0[1] == policy }.flatMap { Double($0[3]) })
    }
    #expect(try mean("best") > mean("random"))
    #expect(try mean("ours") < mean("best"))
  }
}
