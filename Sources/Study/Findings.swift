import Base
import Foundation
import Reports

/// What a study found: a report for people, tables for programs, a trace for whoever wants to see how it came.
public struct Findings: Sendable {
  /// For people.
  public var report: Report
  /// `runs.csv`: a line for each trial.
  public var runs: Table
  /// `summary.csv`: a line for each figure.
  public var summary: Table
  /// `trace.jsonl`; empty: the study tells no events.
  public var trace: [String]

  /// Writes `report.html`, `runs.csv`, `summary.csv` and, where there is one, `trace.jsonl` into a folder, which is made.
  public func write(to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    func put(_ text: String, _ name: String) throws {
      try Data(text.utf8).write(to: URL(filePath: folder).appending(path: name), options: .atomic)
    }
    try put(report.html, "report.html")
    try put(runs.csv, "runs.csv")
    try put(summary.csv, "summary.csv")
    if !trace.isEmpty { try put(trace.joined(separator: "\n") + "\n", "trace.jsonl") }
  }
}

/// How a study is run; none of it changes what comes out.
public struct Running: Sendable {
  /// At a time.
  public var threads: Int
  /// Whether what happens is told as JSON lines.
  public var keepsTrace: Bool
  /// Is told each part that is done, and how many there are.
  public var told: @Sendable (_ done: Int, _ of: Int) -> Void
  /// See the properties.
  public init(
    threads: Int = 1, keepsTrace: Bool = true, told: @escaping @Sendable (_ done: Int, _ of: Int) -> Void = { _, _ in }
  ) {
    self.threads = threads
    self.keepsTrace = keepsTrace
    self.told = told
  }

  /// Does parts that do not know of each other, on as many threads as asked for; the result is the same whatever their number.
  func all<Part: Sendable>(_ count: Int, _ part: @escaping @Sendable (Int) throws -> Part) async throws -> [Part] {
    let progress = Counter()
    return try await withThrowingTaskGroup(of: (Int, Part).self) { group in
      var next = 0
      func begin(_ group: inout ThrowingTaskGroup<(Int, Part), any Error>) {
        guard next < count else { return }
        let number = next
        next += 1
        group.addTask {
          try Task.checkCancellation()
          let done = (number, try part(number))
          told(await progress.step(), count)
          return done
        }
      }
      for _ in 0..<max(1, threads) { begin(&group) }
      var done: [(Int, Part)] = []
      while let one = try await group.next() {
        done.append(one)
        begin(&group)
      }
      return done.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private actor Counter {
    var count = 0
    func step() -> Int {
      count += 1
      return count
    }
  }
}

extension Experiment {
  /// Runs the study.
  /// - Throws: `TopologyError` when its topology cannot be made.
  public func run(_ running: Running) async throws -> Findings {
    var findings: Findings
    switch form {
    case .elections(let study): findings = try await study.run(self, running)
    case .leaderFailure(let study): findings = try await study.run(self, running)
    case .liars(let study): findings = try await study.run(self, running)
    case .herding(let study): findings = try await study.run(self, running)
    }
    findings.report.notes.append(
      "\(runs == 1 ? "Seed: \(seed)." : "Seeds: \(seed)…\(seed &+ UInt64(runs - 1)), one for each repetition.") The same file, seed and number of repetitions give the same figures, whatever the machine and the number of threads."
    )
    return findings
  }
}
