import Base
import Elections
import Foundation
import Lab
import Mandates
import Reports

// Strategies side by side: trials, summaries, report.

extension ElectionStudy {
  func run(_ experiment: Experiment, _ running: Running) async throws -> Findings {
    let (strategies, runs) = (strategies, experiment.runs)
    let trials = try await running.all(strategies.count * runs) { part in
      let (strategy, run) = (strategies[part % strategies.count], part / strategies.count)
      let course = Course(self, seed: experiment.seed &+ UInt64(run))
      return try Trial(course, strategy: strategy, run: run, keepsTrace: running.keepsTrace)
    }
    let summaries = strategies.map { strategy in
      StrategySummary(strategy.rawValue, of: trials.filter { $0.strategy == strategy.rawValue })
    }
    var report = Report(title: experiment.title, question: experiment.question)
    report.answers = answers(summaries)
    report.sections = [
      Report.Section("What was run", tables: [setup(experiment)]),
      Report.Section("Side by side", tables: [Comparison.table(summaries)], plots: Comparison.plots(summaries)),
    ]
    report.notes = notes(trials)
    return Findings(
      report: report, runs: Comparison.runs(trials.flatMap(\.rows)), summary: Comparison.tidy(summaries),
      trace: trials.flatMap(\.trace))
  }

  // MARK: - The report

  private func setup(_ experiment: Experiment) -> Table {
    var table = Table(columns: ["what", "how"])
    table.isProse = true
    table.add([
      "repetitions",
      "\(experiment.runs) of each strategy, all strategies on the same machines, distances, faults and requests",
    ])
    table.add(["machines", "\(nodes)\(mix.count > 1 ? ", of \(mix.count) kinds" : "")"])
    table.add(["distances", topology.told])
    table.add([
      "weather",
      "\(Figure.percent(weather.loss)) of datagrams lost, up to \(Figure.plain(weather.jitter)) ms of jitter, \(Figure.percent(weather.duplication)) doubled, \(Figure.percent(weather.reordering)) overtaken",
    ])
    let asked =
      load.rate.map { "a Poisson process of \(Figure.plain($0)) a second" } ?? "\(load.times.count) at given times"
    table.add([
      "requests",
      "\(asked) for \(Figure.plain(lasts)) s, after \(Figure.plain(warmup)) s of warming up; \(load.sources) sources of \(Figure.plain(load.length)) s, chosen by Zipf's law with exponent \(Figure.plain(load.popularity))",
    ])
    for trouble in faults {
      table.add([
        trouble.what.rawValue,
        "\(Figure.percent(trouble.share)) struck, after \(Figure.plain(trouble.at)) s, for \(Figure.plain(trouble.lasts)) s",
      ])
    }
    switch churn {
    case .poisson(let rate, let session, let crashing):
      table.add([
        "churn",
        "newcomers by a Poisson process of \(Figure.plain(rate)) a second, staying \(Figure.plain(session)) s in the mean; \(Figure.percent(crashing)) crash, the others leave",
      ])
    case .trace(let trace): table.add(["churn", "\(trace.machines.count) machines come and go as a trace tells"])
    case nil: break
    }
    for storm in storms {
      table.add([
        "join storm",
        "\(storm.count) newcomers within \(Figure.plain(storm.within)) s, after \(Figure.plain(storm.at)) s",
      ])
    }
    if attackers > 0 {
      table.add(["attackers", "\(Figure.percent(attackers)) of the machines belong to one attacker"])
    }
    return table
  }

  func answers(_ summaries: [StrategySummary]) -> [String] {
    var told: [String] = []
    /// Only what the intervals tell apart is said to be best.
    func best(_ name: String, _ say: (String, String) -> String) {
      let known = summaries.filter { $0[name].value != nil }
      guard known.count > 1, let least = known.min(by: { $0[name].value! < $1[name].value! }),
        let interval = least[name].interval
      else { return }
      let alike = known.filter {
        $0.strategy != least.strategy && ($0[name].interval?.lowerBound ?? -.infinity) <= interval.upperBound
      }
      guard alike.count < known.count - 1 else { return }
      let others = alike.map(\.strategy).joined(separator: ", ")
      told.append(
        say(least.strategy, Figure.text(least[name].value))
          + (alike.isEmpty ? "" : " Not told apart from it: \(others)."))
    }
    best("mandate_p50_ms") { "Fastest to a manager: \($0), \($1) ms in the median." }
    best("distance_p50_ms") { "Its manager is nearest: \($0), \($1) ms there and back in the median." }
    best("load_gini") { "It spreads managing most evenly: \($0), Gini \($1)." }
    for summary in summaries {
      let count = summary.rows.count(where: \.twoMandates)
      guard count > 0, let safety = summary.safety else { continue }
      told.append(
        "\(summary.strategy) had two managers in \(count) of \(summary.rows.count) elections; it states the class “\(Comparison.word(safety))”."
      )
    }
    let safe = summaries.filter { $0.safety == .quorum && $0.rows.allSatisfy { !$0.twoMandates } }
    let managed = safe.reduce(0) { $0 + $1.rows.count { $0.manager != nil } }
    if managed > 0 {
      told.append(
        "No election of \(safe.map(\.strategy).joined(separator: ", ")) had two mandates, in \(managed) elections that had a manager."
      )
    }
    return told
  }

  private func notes(_ trials: [Trial]) -> [String] {
    var notes = Array(OrderedSet(trials.flatMap(\.notes)))
    notes.append(
      "Whole production peers on a virtual clock, of every strategy; membership, measurements, elections, placement and streams run as they do between real machines. Media is played by rate and cost, without codecs. The lab's checkers do not watch here; `millrace lab swarm` is for that."
    )
    if strategies.contains(where: { $0.safety == .unsafe }) {
      notes.append(
        "Two managers of a strategy that states no safety are counted where the lab, which looks once a second, sees two nodes manage one request. A strategy with terms that fence is counted where two nodes win one term: an old manager that has not heard of its successor is obeyed by nobody."
      )
    }
    if trials.contains(where: { $0.uncalled > 0 }) {
      notes.append(
        "Requests that never came to an election are no elections: their portal was down, or the node with the source could not be asked. Where a portal found too few electors or candidates, its election failed: it has no manager."
      )
    }
    let late = trials.reduce(0) { $0 + $1.newcomersWins }
    if late > 0 {
      notes.append(
        "\(late) of \(late + trials.reduce(0) { $0 + $1.wins.reduce(0, +) }) elections were won by machines that came later. How evenly managing is spread, and what share the attacker wins, are of the machines that were there from the beginning and of the elections that these won; all other figures are of all."
      )
    }
    if attackers > 0 {
      notes.append(
        "The attacker's machines follow the protocol: what is counted is how often a share of the nodes wins without lying."
      )
    }
    notes.append("Bytes are those of messages before encryption.")
    return notes
  }
}

extension Topology {
  /// For people.
  var told: String {
    func ms(_ value: Double) -> String { "\(Figure.plain(value)) ms" }
    return switch self {
    case .plane(let side, let least):
      "points on a square whose side is crossed in \(ms(side)) one way, every path at least \(ms(least))"
    case .transitStub(let transits, let stubs, let inStub, let toTransit, let between):
      "\(transits) transit networks with \(stubs) stubs each (Zegura and others, 1996); one way \(ms(inStub)) within a stub, \(ms(toTransit)) to its transit, up to \(ms(between)) between transits"
    case .matrix(let file, let unit):
      "measured round trips from \((file as NSString).lastPathComponent), in \(unit.rawValue)\(measured(file))"
    }
  }

  /// What a matrix comes to, filled as the lab fills it: a wrong unit is seen by nothing else.
  private func measured(_ file: String) -> String {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return "" }
    let rows = text.split(whereSeparator: \.isNewline).count { $0.contains { !$0.isWhitespace } }
    // As many machines as rows: each stands in a row of its own.
    var scenario = Scenario(seed: 1, nodes: Array(repeating: Scenario.Machine(), count: rows), healsAt: 1, endsAt: 1)
    scenario.topology = self
    guard rows > 1, let ground = try? Ground(scenario) else { return "" }
    let all = (1..<rows).flatMap { a in (0..<a).map { ground.roundTrip(a, $0) } }.sorted()
    func ms(_ value: Double) -> String { "\(Figure.plain(value)) ms" }
    return
      ": \(rows)×\(rows), from \(ms(all[0])) to \(ms(all[all.count - 1])) there and back, \(ms(all[all.count / 2])) in the median"
  }
}
