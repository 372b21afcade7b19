import Base
import Foundation
import Reports

/// Reads traces: of real peers (`millrace node --trace FILE`, one file each) and of the lab (`trace.jsonl`, `millrace lab replay --trace`).
/// Both are JSON lines with `kind` and `at`; of `event` lines it reads `node`, `event`, `service` and `details`. Lines of other kinds that it
/// does not know are passed over; a line that is no JSON is a mistake, but for a last one that a crash cut off.
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
    var strategy: String?
  }
  /// A machine's number in the lab, a node ID of real peers.
  private struct Node: Decodable {
    var name: String
    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let number = try? value.decode(Int.self) { name = "\(number)" } else { name = try value.decode(String.self) }
    }
  }
  private struct Told {
    var at: Double
    var node: String
    var event: String
    var service: String
    var details: [String: String]
  }
  private struct Part {
    var strategy = "trace"
    var run = 0
    var events: [Told] = []
    var deaths: [(node: String, at: Double)] = []
  }

  /// Reads files and reports the elections in them.
  public static func findings(files: [String]) throws(Unreadable) -> Findings {
    // Peers' files tell of one overlay; each run of the lab is a world of its own.
    var real = Part()
    var parts: [Part] = []
    for file in files {
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
        throw Unreadable(file: file, line: nil, reason: "cannot be read as text")
      }
      var here = Part()
      var isLab = false
      for part in try read(text, file) {
        guard let run = part.run else {
          take(part.line, into: &here)
          continue
        }
        if isLab || !here.events.isEmpty { parts.append(here) }
        here = Part(strategy: part.line.strategy ?? "trace", run: run)
        isLab = true
      }
      if isLab {
        parts.append(here)
      } else {
        real.events += here.events
        real.deaths += here.deaths
      }
    }
    if !real.events.isEmpty || parts.isEmpty { parts.append(real) }
    return findings(parts, files)
  }

  private static func read(_ text: String, _ file: String) throws(Unreadable) -> [(run: Int?, line: Line)] {
    let decoder = JSONDecoder()
    var read: [(run: Int?, line: Line)] = []
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.isEmpty {
      do {
        let one = try decoder.decode(Line.self, from: Data(line.utf8))
        read.append((one.kind == "run" ? one.run ?? 0 : nil, one))
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

  private static func take(_ line: Line, into part: inout Part) {
    guard let at = line.at, let node = line.node?.name else { return }
    switch line.kind {
    case "event":
      guard let event = line.event, let service = line.service else { return }
      part.events.append(Told(at: at, node: node, event: event, service: service, details: line.details ?? [:]))
    case "crash": part.deaths.append((node, at))
    default: break
    }
  }

  // MARK: - Elections

  private static func rows(_ part: Part) -> [ElectionRow] {
    var rows: OrderedDictionary<String, ElectionRow> = [:]
    var tenures: [String: [(node: String, term: String, at: Double)]] = [:]
    var ends: [String: Double] = [:]
    var sequence: [(offset: Int, told: Told)] = []
    for (offset, told) in part.events.enumerated() { sequence.append((offset, told)) }
    for told in sequence.sorted(by: { ($0.told.at, $0.offset) < ($1.told.at, $1.offset) }).map(\.told) {
      switch told.event {
      case "request.called":
        guard rows[told.service] == nil else { continue }
        var row = ElectionRow(
          strategy: part.strategy, run: part.run, request: told.service, calledAt: told.at, portal: told.node)
        row.electors = told.details["electors"].flatMap { Int($0) } ?? 0
        rows[told.service] = row
      case "election.mandate", "election.claim":
        guard let row = rows[told.service], row.mandate == nil, row.portal == told.node else { continue }
        rows[told.service]?.mandate = told.at - row.calledAt
      case "election.won":
        tenures[told.service, default: []].append((told.node, told.details["term"] ?? "", told.at))
      case "service.ended", "service.failed": ends[told.service] = ends[told.service] ?? told.at
      default: break
      }
    }
    return rows.values.map { row in
      var row = row
      row.follow(tenures: tenures[row.request] ?? [], deaths: part.deaths, until: ends[row.request] ?? .infinity)
      return row
    }
  }

  private static func findings(_ parts: [Part], _ files: [String]) -> Findings {
    let told = parts.map { (part: $0, rows: rows($0)) }
    let strategies = OrderedSet(parts.map(\.strategy))
    let summaries = strategies.map { strategy in
      let mine = told.filter { $0.part.strategy == strategy }
      let wins = mine.map { one in
        let members = OrderedSet(one.part.events.map(\.node))
        return members.map { member in one.rows.count { $0.manager == member } }
      }
      return StrategySummary(strategy, rows: mine.flatMap(\.rows), wins: wins, attackers: 0, seed: 1)
    }
    let all = told.flatMap(\.rows)
    var report = Report(
      title: "Elections in \(files.count == 1 ? "a trace" : "\(files.count) traces")",
      question: [
        "What peers told of their elections, as \(files.count == 1 ? "it stands" : "they stand") in: \(files.map { ($0 as NSString).lastPathComponent }.joined(separator: ", "))."
      ])
    report.answers = [
      "\(all.count) elections, \(all.count { $0.mandate != nil }) with a manager that their portal learnt of, \(all.count(where: \.twoMandates)) with two mandates of one term."
    ]
    var list = Table(
      title: "Each election", columns: ["request", "portal", "manager", "to the mandate (ms)", "electors"])
    for row in all.prefix(200) {
      list.add([
        String(row.request.prefix(12)), String(row.portal.prefix(8)), row.manager.map { String($0.prefix(8)) } ?? "–",
        Figure.text(row.mandate.map { $0 * 1_000 }), "\(row.electors)",
      ])
    }
    report.sections = [
      Report.Section("Side by side", tables: [Comparison.table(summaries)], plots: Comparison.plots(summaries)),
      Report.Section("One by one", tables: [list]),
    ]
    report.notes = [
      "Messages, bytes and distances are not told by traces; they are counted by `millrace lab run` alone.",
      "Times of different peers are by their own clocks: a time to mandate is one portal's, a failover gap is as good as the clocks agree. Real peers do not tell of their own deaths.",
      "Who did not tell of any service is not among those over whom load is spread.",
    ]
    if all.count > 200 { report.notes.append("Of \(all.count) elections the first 200 are listed; runs.csv has all.") }
    return Findings(report: report, runs: Comparison.runs(all), summary: Comparison.tidy(summaries), trace: [])
  }
}
