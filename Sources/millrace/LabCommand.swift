import ArgumentParser
import Foundation
import Lab

/// The simulator: see the room `Lab`.
struct LabCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lab", abstract: "Whole peers in a simulated world, from one seed.",
    subcommands: [SwarmCommand.self, ReplayCommand.self, RunCommand.self, ReportCommand.self, ScaleCommand.self])
}

/// Random scenarios; what fails is shortened.
struct SwarmCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swarm",
    abstract: "Play random scenarios and check that nothing unsafe happens and everything settles.")

  @Option(help: "How many scenarios.")
  var runs = 100
  @Option(help: "Of the first scenario; the others follow.")
  var seed: UInt64 = 1
  @Option(help: "Threads; 0: one for each core.")
  var threads = 0
  @Flag(help: "Do not shorten what fails.")
  var noShrink = false

  func run() async throws {
    guard runs > 0 else { throw ValidationError("--runs: \(runs) where at least 1 is expected") }
    var swarm = Swarm(seed: seed, runs: runs)
    swarm.shrinks = !noShrink
    let progress = LabProgress(total: runs)
    let count = try LabThreads.count(threads)
    let result = await swarm.run(threads: count) { _, part in
      progress.step()
      for failure in part.failures {
        Print.line("seed \(failure.name) fails; again: millrace lab replay \(failure.shortest)")
        for finding in failure.findings.prefix(3) { Print.line("  \(finding)") }
      }
    }
    progress.end()
    Print.line(
      "\(result.runs) scenarios, \(result.runsWithLiars) of them with liars, \(Int(result.simulated)) s simulated, \(result.happenings) happenings, \(result.failures.count) failed"
    )
    if result.runsWithLiars > 0 { Print.line(Form.lying(result.lying)) }
    for (end, count) in result.ends.sorted(by: { $0.value > $1.value }) { Print.line("  \(count) requests: \(end)") }
    if !result.failures.isEmpty { throw ExitCode(1) }
  }
}

/// One scenario of the swarm again.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Play one scenario of the swarm again, e.g. 4711 or 4711-f3-n, and tell what happens.")

  @Argument(help: "The seed, and the steps that shortened it, as the swarm printed them.")
  var name: String
  @Option(help: "Write what happens as JSON lines to this file; - is standard output.")
  var trace: String?
  @Flag(help: "Print the scenario as JSON and play nothing.")
  var scenario = false

  func run() throws {
    guard let replay = ReplayName(name) else {
      throw ValidationError("\(name): no name of a scenario; expected a seed and steps, e.g. 4711-f3-n")
    }
    let named: Scenario
    do { named = try replay.exactScenario() } catch { throw Refusal(error) }
    if scenario { return try Print.json(named) }
    try LabRun.play(named, trace: trace, json: false)
  }
}

extension Form {
  /// What liars gained, in a line.
  static func lying(_ totals: LiarTotals) -> String {
    let gain = totals.gain.map { ", \(($0 * 100).rounded() / 100) × what their share of the machines comes to" } ?? ""
    return
      "\(totals.liars) liar\(totals.liars == 1 ? "" : "s") won \(totals.won) of \(totals.tenures) elections of honest portals\(gain); of honest portals' "
      + "requests \(totals.served) were served and \(totals.spoiled) were not; \(totals.convicted) convicted, "
      + "\(totals.obeyedFriends) orders of friends obeyed"
  }
}

/// How many threads `--threads` asks for.
enum LabThreads {
  static func count(_ asked: Int) throws -> Int {
    guard (0...64).contains(asked) else { throw ValidationError("--threads: \(asked) where 0 to 64 are expected") }
    return asked > 0 ? asked : min(64, ProcessInfo.processInfo.activeProcessorCount)
  }
}

enum LabRun {
  static func play(_ scenario: Scenario, trace: String?, json: Bool) throws {
    var file: FileHandle?
    if let trace, trace != "-" {
      guard FileManager.default.createFile(atPath: trace, contents: nil),
        let handle = FileHandle(forWritingAtPath: trace)
      else { throw Refusal("\(trace): cannot be written") }
      file = handle
    }
    let writer = trace.map { _ in
      TraceWriter { line in
        if let file { file.write(Data((line + "\n").utf8)) } else { Print.line(line) }
      }
    }
    let simulation: Simulation
    do { simulation = try Simulation(scenario, trace: writer) } catch { throw Refusal(error) }
    let outcome = simulation.run()
    if json {
      try Print.json(outcome)
    } else {
      for request in outcome.requests {
        Print.line(
          "request \(request.number)  \(request.end?.rawValue ?? "open")  \(request.packets) packets, worst gap "
            + "\(Form.milliseconds(request.worstGap * 1_000))  \(request.problem)")
      }
      for finding in outcome.findings { Print.line("\(finding)") }
      if let liars = outcome.liars { Print.line(Form.lying(LiarTotals(liars))) }
      for note in outcome.notes { Print.line(note) }
      Print.line(
        "\(Form.seconds(outcome.simulated)) simulated, \(outcome.counts.happenings) happenings, trace \(outcome.traceHash)"
      )
    }
    if !outcome.findings.isEmpty { throw ExitCode(1) }
  }
}

/// How far it is, on a terminal; nothing elsewhere.
final class LabProgress: @unchecked Sendable {
  private let lock = NSLock()
  private let total: Int
  private var done = 0
  private let start = Date()
  private let isTerminal = isatty(STDERR_FILENO) == 1

  init(total: Int) { self.total = total }

  func step() { reach(nil) }

  /// So much is done; nil: one more.
  func reach(_ much: Int?) {
    lock.lock()
    defer { lock.unlock() }
    done = much ?? done + 1
    guard isTerminal, done > 0 else { return }
    let spent = Date().timeIntervalSince(start)
    let left = spent / Double(done) * Double(total - done)
    let width = 30
    let full = width * done / max(1, total)
    let bar = String(repeating: "█", count: full) + String(repeating: "·", count: width - full)
    FileHandle.standardError.write(Data("\r\(bar) \(done)/\(total), \(Int(left)) s left ".utf8))
  }
  func end() { if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) } }
}
