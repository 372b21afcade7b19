import Base
import Core

/// Many random scenarios, each from its own seed; of what fails, the shortest that still does.
public struct Swarm: Sendable {
  /// Of the first scenario; the others follow.
  public var seed: UInt64
  /// Scenarios.
  public var runs: Int
  /// Whether failures are shortened.
  public var shrinks = true
  /// Is told each seed before it is played.
  public var begins: @Sendable (UInt64) -> Void = { _ in }
  var defect: Defect?

  /// See the properties.
  public init(seed: UInt64, runs: Int) {
    self.seed = seed
    self.runs = runs
  }
  package init(seed: UInt64, runs: Int, defect: Defect?) {
    self.init(seed: seed, runs: runs)
    self.defect = defect
  }

  /// A scenario that failed.
  public struct Failure: Sendable {
    /// As a replay command names it.
    public var name: ReplayName
    /// The shortest that still fails; the same as ``name`` when it was not shortened.
    public var shortest: ReplayName
    /// What was found in the shortest.
    public var findings: [Finding]
  }

  /// What a swarm saw.
  public struct Result: Sendable {
    /// Scenarios played.
    public var runs = 0
    /// Those that failed.
    public var failures: [Failure] = []
    /// How requests ended.
    public var ends: [String: Int] = [:]
    /// Why requests were refused or failed, the first words.
    public var problems: [String: Int] = [:]
    /// Simulated seconds in all.
    public var simulated = 0.0
    /// Happenings in all.
    public var happenings: UInt64 = 0
    /// Faults that struck, by kind, in all.
    public var events: [String: Int] = [:]
    /// Of ``runs`` those in which some machine lied.
    public var runsWithLiars = 0
    /// What lying came to in all.
    public var lying = LiarTotals()
    /// Liars in all, by their way.
    public var liars: [Liar.Way: Int] = [:]
    /// Nothing yet.
    public init() {}
    /// Takes in another's part.
    public mutating func add(_ other: Result) {
      runs += other.runs
      failures += other.failures
      ends.merge(other.ends, uniquingKeysWith: +)
      problems.merge(other.problems, uniquingKeysWith: +)
      simulated += other.simulated
      happenings += other.happenings
      events.merge(other.events, uniquingKeysWith: +)
      runsWithLiars += other.runsWithLiars
      lying.add(other.lying)
      liars.merge(other.liars, uniquingKeysWith: +)
    }
  }

  /// Plays one scenario.
  public func play(_ number: Int) -> Result {
    var result = Result()
    let name = ReplayName(seed: seed &+ UInt64(number))
    begins(name.seed)
    let scenario = name.scenario
    guard let outcome = outcome(of: scenario) else { return result }
    result.runs = 1
    for liar in scenario.liars { result.liars[liar.way, default: 0] += 1 }
    result.runsWithLiars = scenario.liars.isEmpty ? 0 : 1
    if let liars = outcome.liars { result.lying.add(LiarTotals(liars)) }
    result.simulated = outcome.simulated
    result.happenings = outcome.counts.happenings
    result.events = outcome.counts.events
    for request in outcome.requests {
      result.ends[request.end?.rawValue ?? "open", default: 0] += 1
      if request.end == .refused || request.end == .failed {
        let words = request.problem.split(separator: " ").prefix(7).joined(separator: " ")
        result.problems[words, default: 0] += 1
      }
    }
    guard let first = outcome.findings.first else { return result }
    var failure = Failure(name: name, shortest: name, findings: outcome.findings)
    if shrinks {
      failure.shortest = Shrinker().shortest(from: name) { scenario in
        self.outcome(of: scenario)?.findings.contains { $0.checker == first.checker } ?? false
      }
      failure.findings = self.outcome(of: failure.shortest.scenario)?.findings ?? outcome.findings
    }
    result.failures = [failure]
    return result
  }

  private func outcome(of scenario: Scenario) -> Outcome? {
    // A random scenario names no files, so its topology can always be made.
    try? Simulation(scenario, defect: defect).run()
  }

  /// Plays all, on as many threads as asked for; values only pass between them, so the result is the same whatever their number.
  /// - Parameter told: after each scenario: its number and result; in no particular order.
  public func run(threads: Int = 1, told: @Sendable @escaping (Int, Result) -> Void = { _, _ in }) async -> Result {
    let parts = await withTaskGroup(of: [(Int, Result)].self) { group in
      for thread in 0..<max(1, threads) {
        group.addTask {
          stride(from: thread, to: runs, by: max(1, threads)).map { number in
            let result = play(number)
            told(number, result)
            return (number, result)
          }
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    return parts.sorted { $0.0 < $1.0 }.reduce(into: Result()) { $0.add($1.1) }
  }
}
