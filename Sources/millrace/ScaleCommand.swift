import ArgumentParser
import Foundation
import Lab

/// Very many peers at once, and what that takes.
struct ScaleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale",
    abstract: "Play very many peers that gossip, with a request every second, and tell how fast and what bounds it.",
    discussion: """
      The machines start within half a minute, know each other for another, and are then asked for a service once a second. What is \
      left out so that this is fast is told with the outcome; the course is the same for any number of threads.
      """)

  @Option(help: "How many peers.")
  var nodes = 1_000
  @Option(help: "Members that each peer keeps beside itself; 0: all.")
  var view = 0
  @Option(help: "Simulated minutes of requests.")
  var minutes = 10.0
  @Option(help: "Threads; 0: one for each core.")
  var threads = 0
  @Option(help: "All chance comes from it.")
  var seed: UInt64 = 1
  @Flag(help: "Print the outcome as JSON.")
  var json = false

  func validate() throws {
    guard (2...1_000_000).contains(nodes) else {
      throw ValidationError("--nodes: \(nodes) where 2 to 1,000,000 are expected")
    }
    guard view == 0 || (8...10_000).contains(view) else {
      throw ValidationError("--view: \(view) where 8 to 10,000 are expected, or 0 for all")
    }
    guard minutes > 0, minutes <= 1_440 else {
      throw ValidationError("--minutes: \(minutes) where more than 0 and at most 1,440 are expected")
    }
    _ = try LabThreads.count(threads)
  }

  func run() throws {
    let scenario = Scenario.crowd(
      nodes: nodes, view: view > 0 && view < nodes ? view : nil, seconds: (minutes * 60).rounded(.up), seed: seed)
    let count = try LabThreads.count(threads)
    let simulation: ScaledSimulation
    do { simulation = try ScaledSimulation(scenario, threads: count) } catch { throw Refusal(error) }
    let progress = LabProgress(total: Int(scenario.endsAt))
    let outcome = simulation.run { progress.reach(Int($0)) }
    progress.end()
    if json { return try Print.json(outcome) }
    tell(outcome)
  }

  private func tell(_ outcome: ScaleOutcome) {
    Print.line(
      "\(outcome.nodes) peers with views of \(outcome.view ?? outcome.nodes - 1), \(Form.seconds(outcome.simulated)) simulated in "
        + "\(Form.seconds(outcome.wall)) on \(outcome.threads) threads, \(Form.seconds(outcome.cpu)) of processor")
    for (phase, cost) in [("until the first request", outcome.gathering), ("from then on", outcome.serving)] {
      Print.line(
        "  \(phase): \(Form.seconds(cost.simulated)) simulated in \(Form.seconds(cost.wall)), \(Form.seconds(cost.cpu)) of processor"
      )
    }
    Print.line(
      "\(outcome.counts.happenings) happenings, \(Int(outcome.happeningsPerSecond)) a second; \(outcome.counts.datagrams) datagrams, "
        + "\(outcome.counts.linkMessages) messages over links; at most \(outcome.peakMemory >> 20) MiB")
    let ends = outcome.ends.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    let mandates = outcome.mandates.sorted()
    Print.line(
      "\(outcome.requests.count) requests: \(ends); \(mandates.count) managers elected"
        + (mandates.isEmpty
          ? ""
          : ", from call to mandate \(Form.milliseconds(mandates[mandates.count / 2] * 1_000)) p50, "
            + "\(Form.milliseconds(mandates[mandates.count * 99 / 100] * 1_000)) p99"))
    for (problem, count) in outcome.problems.sorted(by: { $0.value > $1.value }).prefix(8) {
      Print.line("  \(count) × \(problem.isEmpty ? "without a reason" : problem)")
    }
    Print.line(
      "a peer knows \(Form.percent(outcome.sight.seats)) of those who may be electors, has reports of "
        + "\(Form.percent(outcome.sight.reports)) of its members, half of them no older than \(Form.seconds(outcome.sight.age))"
    )
    for note in outcome.notes { Print.line("note: \(note)") }
    for bound in outcome.bounds(of: max(100_000, 10 * outcome.nodes)) { Print.line("beyond: \(bound)") }
    Print.line("trace \(outcome.traceHash)")
  }
}
