import Base
import Elections
import Foundation
import Lab
import Mandates
import Reports

/// Reads traces: of real peers (`millrace node --trace FILE`, one file each) and of the lab (`trace.jsonl`, `millrace lab replay --trace`).
/// Both are JSON lines with `kind` and `at`. A whole world of the lab is read from its `scenario` and `outcome`, by the rules of the study that
/// ran it; of `event` lines it reads `node`, `event`, `service` and `details`. Lines of other kinds that it does not know are passed over; a
/// line that is no JSON is a mistake, but for a last one that a crash cut off.
public enum TraceReading {
  /// Why a trace was refused.
  public struct Unreadable: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file.
    public var file: String
    /// From 1; nil: the whole file.
    public var line: Int?
    /// In a sentence's end.
    public var reason: String
    public var description: String { (line.map { "\(file):\($0)" } ?? file) + ": \(reason)" }
  }

  private struct Line: Decodable {
    var at: Double?
    var kind: String
    var node: Node?
    var event: String?
    var service: String?
    var details: [String: String]?
    var run: Int?
    var nodes: Nodes?
    var attackers: [Int]?
  }
  /// A machine's number in the lab, a node ID of real peers.
  private struct Node: Decodable {
    var name: String
    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let number = try? value.decode(Int.self) { name = "\(number)" } else { name = try value.decode(String.self) }
    }
  }
  /// How many there are in a study's run; which ones in a fault of the lab.
  private struct Nodes: Decodable {
    var count: Int?
    init(from decoder: any Decoder) throws { count = try? decoder.singleValueContainer().decode(Int.self) }
  }
  private struct Whole: Decodable {
    var scenario: Scenario?
    var outcome: Outcome?
  }
  private struct Told {
    var at: Double
    var node: String
    var event: String
    var service: String
    var details: [String: String]
  }
  /// What one world's peers told.
  private struct World {
    var run = 0
    var population: Population?
    /// As the lab tells its worlds, from beginning to end; without the end it was cut off.
    var scenario: Scenario?
    var outcome: Outcome?
    var events: [Told] = []
    var deaths: [(node: String, at: Double)] = []
    /// When each node told anything last.
    var heard: [String: Double] = [:]
  }

  /// Reads files and reports the elections in them.
  public static func findings(files: [String]) throws(Unreadable) -> Findings {
    // Peers' files tell of one overlay; each run of the lab is a world of its own.
    var real = World()
    var worlds: [World] = []
    for file in files {
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
        throw Unreadable(file: file, line: nil, reason: "cannot be read as text")
      }
      var lab: World?
      for (line, whole) in try read(text, file) {
        switch line.kind {
        case "run":
          if let lab { worlds.append(lab) }
          lab = World(run: line.run ?? 0)
          if let nodes = line.nodes?.count {
            lab?.population = Population(nodes: nodes, attackers: line.attackers ?? [])
          }
        case "scenario":
          // A study's run has just begun its world.
          if lab == nil || lab?.scenario != nil {
            if let lab { worlds.append(lab) }
            lab = World(run: worlds.count)
          }
          lab?.scenario = whole?.scenario
        case "outcome": lab?.outcome = whole?.outcome
        default: if lab != nil { take(line, into: &lab!) } else { take(line, into: &real) }
        }
      }
      if let lab { worlds.append(lab) }
    }
    if !real.events.isEmpty || worlds.isEmpty { worlds.append(real) }
    return findings(worlds.flatMap(trials), files)
  }

  private static func read(_ text: String, _ file: String) throws(Unreadable) -> [(line: Line, whole: Whole?)] {
    let decoder = JSONDecoder()
    var read: [(line: Line, whole: Whole?)] = []
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.isEmpty {
      let data = Data(line.utf8)
      do {
        let one = try decoder.decode(Line.self, from: data)
        // Another version's scenario or outcome is not understood: its events still are.
        let isWhole = one.kind == "scenario" || one.kind == "outcome"
        read.append((one, isWhole ? try? decoder.decode(Whole.self, from: data) : nil))
      } catch {
        // Without its line's end: a peer was killed while it wrote.
        if index == lines.count - 1 { continue }
        throw Unreadable(
          file: file, line: index + 1,
          reason:
            "“\(line.prefix(60))” is no line of a trace; expected JSON with kind and at, as `millrace node --trace` writes it"
        )
      }
    }
    return read
  }

  private static func take(_ line: Line, into world: inout World) {
    guard let at = line.at, let node = line.node?.name else { return }
    world.heard[node] = max(world.heard[node] ?? at, at)
    switch line.kind {
    case "event":
      guard let event = line.event, let service = line.service else { return }
      world.events.append(Told(at: at, node: node, event: event, service: service, details: line.details ?? [:]))
    case "crash": world.deaths.append((node, at))
    default: break
    }
  }

  // MARK: - Elections

  /// The lab tells how it all came out; what real peers told, or the lab before it was cut off, is put together from events.
  private static func trials(_ world: World) -> [Trial] {
    if let scenario = world.scenario, let outcome = world.outcome {
      let population = world.population ?? Population(nodes: scenario.nodes.count)
      return [Trial(scenario, outcome, on: try? Ground(scenario), population, run: world.run)]
    }
    let told = rows(world)
    let members = OrderedSet(world.events.map(\.node))
    return OrderedSet(told.map(\.strategy)).map { strategy in
      var trial = Trial(strategy: strategy, run: world.run, seed: world.scenario?.seed ?? 1)
      trial.rows = told.filter { $0.strategy == strategy }
      trial.wins = members.map { member in trial.rows.count { $0.manager == member } }
      return trial
    }
  }

  private static func rows(_ world: World) -> [ElectionRow] {
    var rows: OrderedDictionary<String, ElectionRow> = [:]
    var tenures: [String: [(node: String, term: String, at: Double)]] = [:]
    var offices: [String: [(node: String, from: Double, to: Double)]] = [:]
    var ends: [String: Double] = [:]
    /// Whoever died, or fell silent without a word, is taken to have managed no longer than it was heard of.
    func lastOf(_ node: String, since begin: Double) -> Double {
      world.deaths.first { $0.node == node && $0.at >= begin }?.at ?? world.heard[node] ?? begin
    }
    func leaves(_ told: Told) {
      guard let index = offices[told.service]?.lastIndex(where: { $0.node == told.node }) else { return }
      offices[told.service]![index].to = min(offices[told.service]![index].to, told.at)
    }
    for told in world.events.enumerated().sorted(by: { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) })
      .map(\.element)
    {
      switch told.event {
      case "request.called":
        guard rows[told.service] == nil else { continue }
        let strategy = told.details["strategy"] ?? world.scenario.map { ($0.election ?? .rendezvous).rawValue }
        var row = ElectionRow(
          strategy: strategy ?? "trace", run: world.run, request: told.service, calledAt: told.at, portal: told.node)
        row.electors = told.details["electors"].flatMap { Int($0) } ?? 0
        rows[told.service] = row
      case "election.mandate", "election.claim":
        guard let row = rows[told.service], row.mandate == nil, row.portal == told.node else { continue }
        rows[told.service]?.mandate = told.at - row.calledAt
      case "election.won":
        leaves(told)
        tenures[told.service, default: []].append((told.node, told.details["term"] ?? "", told.at))
        offices[told.service, default: []].append((told.node, told.at, lastOf(told.node, since: told.at)))
      case "election.lost": leaves(told)
      case "service.ended", "service.failed":
        leaves(told)
        ends[told.service] = ends[told.service] ?? told.at
      default: break
      }
    }
    return rows.values.map { row in
      var row = row
      row.follow(tenures: tenures[row.request] ?? [], deaths: world.deaths, until: ends[row.request] ?? .infinity)
      if ElectionStrategy(rawValue: row.strategy)?.safety == .unsafe {
        row.twoMandates = ElectionRow.twoAtOnce(offices[row.request] ?? [])
      }
      return row
    }
  }

  private static func findings(_ trials: [Trial], _ files: [String]) -> Findings {
    let summaries = OrderedSet(trials.map(\.strategy)).map { strategy in
      StrategySummary(strategy, of: trials.filter { $0.strategy == strategy })
    }
    let all = trials.flatMap(\.rows)
    var report = Report(
      title: "Elections in \(files.count == 1 ? "a trace" : "\(files.count) traces")",
      question: [
        "What peers told of their elections, as \(files.count == 1 ? "it stands" : "they stand") in: \(files.map { ($0 as NSString).lastPathComponent }.joined(separator: ", "))."
      ])
    report.answers = [
      "\(all.count) elections, \(all.count { $0.mandate != nil }) with a manager that their portal learnt of, \(all.count(where: \.twoMandates)) with two managers."
    ]
    var list = Table(
      title: "Each election", columns: ["request", "portal", "manager", "to the mandate (ms)", "electors"])
    for row in all.prefix(200) {
      list.add([
        row.request.isEmpty ? "refused" : String(row.request.prefix(12)), String(row.portal.prefix(8)),
        row.manager.map { String($0.prefix(8)) } ?? "–",
        Figure.text(row.mandate.map { $0 * 1_000 }), "\(row.electors)",
      ])
    }
    report.sections = [
      Report.Section("Side by side", tables: [Comparison.table(summaries)], plots: Comparison.plots(summaries)),
      Report.Section("One by one", tables: [list]),
    ]
    report.notes = [
      "Two managers: of one term, or, of a strategy that states no safety, at one whole second, as the lab looks. Of peers that do not tell their strategy, only those of one term are seen; whoever fell silent is taken to have managed no longer than it was heard of.",
      "Messages, bytes and distances are told by the lab, not by real peers.",
      "Times of different peers are by their own clocks: a time to mandate is one portal's, a failover gap is as good as the clocks agree. Real peers do not tell of their own deaths.",
      "Who did not tell of any service is not among those over whom load is spread.",
    ]
    if all.count > 200 { report.notes.append("Of \(all.count) elections the first 200 are listed; runs.csv has all.") }
    return Findings(report: report, runs: Comparison.runs(all), summary: Comparison.tidy(summaries), trace: [])
  }
}
