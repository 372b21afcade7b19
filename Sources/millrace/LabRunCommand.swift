import ArgumentParser
import Foundation
import Lab
import Reports
import Study

/// A study from a file, or one scenario.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a study (YAML; see Tools/lab/studies) and report it, or play one scenario (JSON).",
    discussion: """
      Of a study, --out gets report.html, runs.csv, summary.csv and trace.jsonl. `millrace lab replay SEED --scenario` prints a scenario.
      """)

  @Argument(help: "The study (.yaml, .yml) or scenario (.json).")
  var file: String
  @Option(help: "Where the report and the tables of a study go; nowhere unless said.")
  var out: String?
  @Option(help: "Repetitions, in place of the study's.")
  var runs: Int?
  @Option(help: "Of the first repetition, in place of the study's.")
  var seed: UInt64?
  @Option(help: "Threads; 0: one for each core.")
  var threads = 0
  @Option(help: "Of a scenario: write what happens as JSON lines to this file; - is standard output.")
  var trace: String?
  @Flag(help: "Print the figures, or the outcome, as JSON.")
  var json = false

  func run() async throws {
    if file.hasSuffix(".json") { return try playScenario() }
    guard trace == nil else { throw ValidationError("--trace: of a study it is written to --out as trace.jsonl") }
    let threads = try LabThreads.count(threads)
    if let runs, !Experiment.runsAllowed.contains(runs) {
      throw ValidationError("--runs: \(runs) where 1 to \(Experiment.runsAllowed.upperBound) are expected")
    }
    var experiment: Experiment
    do { experiment = try Experiment(file: file) } catch { throw Refusal(error) }
    if let runs { experiment.runs = runs }
    if let seed { experiment.seed = seed }
    try StudyOutput.prepare(out)
    let progress = StudyProgress()
    let running = Running(threads: threads, keepsTrace: out != nil) { done, all in progress.tell(done, of: all) }
    let began = Date()
    var findings: Findings
    do { findings = try await experiment.run(running) } catch {
      progress.end()
      throw Refusal(error)
    }
    progress.end()
    let took = Date().timeIntervalSince(began)
    findings.report.again = [
      "millrace lab run \(file) --runs \(experiment.runs) --seed \(experiment.seed)\(out.map { " --out \($0)" } ?? "")"
    ]
    try StudyOutput.put(findings, in: out, json: json, said: "\(Form.seconds(took)) on \(threads) threads")
  }

  private func playScenario() throws {
    guard out == nil, runs == nil, seed == nil else {
      throw ValidationError("--out, --runs and --seed are for studies; a scenario has one course")
    }
    let scenario: Scenario
    do { scenario = try Scenario(file: file) } catch { throw Refusal(error) }
    try LabRun.play(scenario, trace: trace, json: json)
  }
}

/// A report from traces: the lab's or real peers'.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Read traces, of the lab or of real peers (`millrace node --trace FILE`), and report their elections.")

  @Argument(help: "The traces, one of each peer.")
  var traces: [String]
  @Option(help: "Where the report and the tables go; nowhere unless said.")
  var out: String?
  @Flag(help: "Print the figures as JSON.")
  var json = false

  func run() throws {
    try StudyOutput.prepare(out)
    var findings: Findings
    do { findings = try TraceReading.findings(files: traces) } catch { throw Refusal(error) }
    findings.report.again = ["millrace lab report \(traces.joined(separator: " "))\(out.map { " --out \($0)" } ?? "")"]
    try StudyOutput.put(findings, in: out, json: json, said: nil)
  }
}

/// What a study came to: on the terminal, as JSON, in files.
enum StudyOutput {
  /// Makes the folder before anything runs: what cannot be written in the end is not worth an hour.
  static func prepare(_ out: String?) throws {
    guard let out else { return }
    do { try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true) } catch {
      throw Refusal(
        "--out: \(out) cannot be made; a folder that is there, or in which there is no file of its name, was expected")
    }
    guard FileManager.default.isWritableFile(atPath: out) else { throw Refusal("--out: \(out) cannot be written to") }
  }

  static func put(_ findings: Findings, in out: String?, json: Bool, said: String?) throws {
    if let out {
      do { try findings.write(to: out) } catch {
        throw Refusal("--out: \(out): report.html, runs.csv, summary.csv or trace.jsonl cannot be written there")
      }
    }
    if json {
      return try Print.json(
        JSONForm(
          title: findings.report.title, answers: findings.report.answers,
          summary: findings.summary.rows.map { row in
            Dictionary(zip(findings.summary.columns, row), uniquingKeysWith: { $1 })
          }, notes: findings.report.notes, out: out))
    }
    Print.line(findings.report.title)
    for answer in findings.report.answers { Print.line("• \(answer)") }
    for section in findings.report.sections {
      for table in section.tables {
        Print.line()
        if !table.title.isEmpty { Print.line(table.title) }
        Print.table([table.columns] + table.rows)
      }
    }
    Print.line()
    for note in findings.report.notes { Print.line(note) }
    if let said { Print.line(said) }
    if let out {
      Print.line("\(out)/report.html, runs.csv, summary.csv\(findings.trace.isEmpty ? "" : ", trace.jsonl")")
    }
  }

  private struct JSONForm: Encodable {
    var title: String
    var answers: [String]
    var summary: [[String: String]]
    var notes: [String]
    var out: String?
  }
}

/// How far it is: a bar with the time left on a terminal, elsewhere a line at each tenth.
final class StudyProgress: @unchecked Sendable {
  private let lock = NSLock()
  private var bar: LabProgress?
  private var tenth = 0
  private let isTerminal = isatty(STDERR_FILENO) == 1

  func tell(_ done: Int, of all: Int) {
    lock.lock()
    defer { lock.unlock() }
    guard isTerminal else {
      let now = done * 10 / all
      guard now > tenth else { return }
      tenth = now
      return FileHandle.standardError.write(Data("\(done) of \(all) parts done\n".utf8))
    }
    if bar == nil { bar = LabProgress(total: all) }
    bar?.step()
  }
  func end() {
    lock.lock()
    defer { lock.unlock() }
    bar?.end()
  }
}
