import Base
import Elections
import Foundation
import Lab
import Mandates

/// One repetition of an ``ElectionStudy`` made definite: the lab's scenario, the same for each strategy but for the strategy.
struct Course: Sendable {
  var scenario: Scenario
  /// Who is there from the beginning, and who of them is the attacker's.
  let population: Population
  /// Requests come between these, seconds.
  let window: ClosedRange<Double>

  /// After the last request: time to elect, to fail over, to end.
  static let afterglow = 30.0

  init(_ study: ElectionStudy, seed: UInt64) {
    var random = SeededRandom(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x5EED)
    let begin = study.warmup
    let end = begin + study.lasts
    var scenario = Scenario(
      seed: seed, nodes: Course.machines(study.nodes, study, using: &random), healsAt: end + Course.afterglow,
      endsAt: end + Course.afterglow)
    scenario.topology = study.topology
    scenario.weather = study.weather
    scenario.economy.uncheckedForSpeed = true
    // Not all at once: a newcomer joins through somebody.
    for number in scenario.nodes.indices where number > 0 {
      scenario.nodes[number].startsAt = min(2, begin / 4) * random.fraction()
    }
    let places = random.permuted(0..<study.nodes)
    scenario.sources = (0..<study.load.sources).map {
      Scenario.Source(node: places[$0 % places.count], path: "talk-\($0).mkv", seconds: study.load.length)
    }
    Course.ask(study, from: begin, in: &scenario, using: &random)
    Course.storm(study, from: begin, in: &scenario, using: &random)
    Course.churn(study, from: begin, to: end, in: &scenario, using: &random)
    let wanted = Int((study.attackers * Double(study.nodes)).rounded())
    population = Population(
      nodes: study.nodes, attackers: random.permuted(0..<study.nodes).prefix(wanted).sorted())
    Course.trouble(study, from: begin, in: &scenario, using: &random)
    window = begin...end
    self.scenario = scenario
  }

  private static func machines(
    _ count: Int, _ study: ElectionStudy, using random: inout SeededRandom
  ) -> [Scenario.Machine] {
    let all = study.mix.reduce(0) { $0 + $1.share }
    return (0..<count).map { _ in
      var lot = random.fraction() * all
      for kind in study.mix {
        lot -= kind.share
        if lot < 0 { return kind.machine }
      }
      return study.mix[study.mix.count - 1].machine
    }
  }

  // MARK: - What is asked

  private static func ask(
    _ study: ElectionStudy, from begin: Double, in scenario: inout Scenario, using random: inout SeededRandom
  ) {
    var times = study.load.times
    if let rate = study.load.rate {
      var at = exponential(1 / rate, using: &random)
      while at < study.lasts {
        times.append(at)
        at += exponential(1 / rate, using: &random)
      }
    }
    let weights = (1...study.load.sources).map { pow(Double($0), -study.load.popularity) }
    let all = weights.reduce(0, +)
    for (number, at) in times.sorted().enumerated() {
      var lot = random.fraction() * all
      let source = weights.firstIndex { weight in
        lot -= weight
        return lot < 0
      }
      // Its own variant each: an election is asked for, not a share in a chain.
      scenario.requests.append(
        Scenario.Ask(
          at: begin + at, portal: random.index(below: study.nodes), source: source ?? study.load.sources - 1,
          variant: number))
    }
  }

  // MARK: - Who comes and goes

  private static func storm(
    _ study: ElectionStudy, from begin: Double, in scenario: inout Scenario, using random: inout SeededRandom
  ) {
    for storm in study.storms {
      for var machine in machines(storm.count, study, using: &random) {
        machine.startsAt = begin + storm.at + random.fraction() * storm.within
        scenario.nodes.append(machine)
      }
    }
  }

  private static func churn(
    _ study: ElectionStudy, from begin: Double, to end: Double, in scenario: inout Scenario,
    using random: inout SeededRandom
  ) {
    let last = end + afterglow
    func goes(_ number: Int, at: Double, until: Double, crashed: Bool) {
      scenario.faults.append(
        Fault(
          at: at, lasts: until - at,
          crashed ? .crash(.node(number), losesStore: false, silent: true) : .leave(.node(number))))
    }
    switch study.churn {
    case nil: break
    case .poisson(let rate, let session, let crashing):
      var at = exponential(1 / rate, using: &random)
      while at < begin + study.lasts {
        var machine = machines(1, study, using: &random)[0]
        machine.startsAt = at
        scenario.nodes.append(machine)
        let stay = exponential(session, using: &random)
        let crashes = random.fraction() < crashing
        if at + stay < last { goes(scenario.nodes.count - 1, at: at + stay, until: last, crashed: crashes) }
        at += exponential(1 / rate, using: &random)
      }
    case .trace(let trace):
      for stays in trace.machines {
        var machine = machines(1, study, using: &random)[0]
        machine.startsAt = begin + stays[0].from
        scenario.nodes.append(machine)
        for (index, stay) in stays.enumerated() {
          guard let to = stay.to else { continue }
          let back = index + 1 < stays.count ? begin + stays[index + 1].from : last
          goes(scenario.nodes.count - 1, at: begin + to, until: back, crashed: stay.crashed)
        }
      }
    }
  }

  // MARK: - What goes wrong

  private static func trouble(
    _ study: ElectionStudy, from begin: Double, in scenario: inout Scenario, using random: inout SeededRandom
  ) {
    for trouble in study.faults {
      func strike(_ kind: Fault.Kind) {
        scenario.faults.append(Fault(at: begin + trouble.at, lasts: trouble.lasts, kind))
      }
      let count = max(1, Int((trouble.share * Double(study.nodes)).rounded()))
      let struck = random.permuted(0..<study.nodes).prefix(count).map { Fault.Target.node($0) }
      switch trouble.what {
      case .partition: strike(.partition(struck))
      case .oneWay:
        strike(.oneWay(from: struck, to: (0..<study.nodes).map { .node($0) }.filter { !struck.contains($0) }))
      case .crash: for node in struck { strike(.crash(node, losesStore: false, silent: true)) }
      case .crashWithoutStore: for node in struck { strike(.crash(node, losesStore: true, silent: true)) }
      case .pause: for node in struck { strike(.pause(node)) }
      case .slowNetwork: for node in struck { strike(.slowNetwork(node, trouble.by)) }
      case .slowDisk: for node in struck { strike(.slowDisk(node, trouble.by)) }
      case .rain: strike(.rain(trouble.share))
      case .managerDies, .managerIsCutOff:
        for (number, ask) in scenario.requests.enumerated() where random.fraction() < trouble.share {
          let kind: Fault.Kind =
            trouble.what == .managerDies
            ? .crash(.manager(of: number), losesStore: false, silent: true) : .partition([.manager(of: number)])
          scenario.faults.append(Fault(at: ask.at + trouble.at, lasts: trouble.lasts, kind))
        }
      }
    }
  }

  private static func exponential(_ mean: Double, using random: inout SeededRandom) -> Double {
    -log(1 - random.fraction()) * mean
  }
}
