import Elections
import Lab
import Mandates

/// One repetition of one strategy.
struct Trial: Sendable {
  var strategy: String
  var run: Int
  var seed: UInt64
  var rows: [ElectionRow] = []
  /// By machine of the first population: elections that it won.
  var wins: [Int] = []
  /// Elections won by machines that came later.
  var newcomersWins = 0
  /// The attacker's share of the first population.
  var attackers = 0.0
  /// Requests; nil: a trace does not tell.
  var asked: Int?
  /// Of them, those that never came to an election: the source's node or the portal was gone.
  var uncalled = 0
  var notes: [String] = []
  /// JSON lines.
  var trace: [String] = []

  /// The line before a trial's own.
  func header(_ population: Population) -> String {
    "{\"attackers\":\(population.attackers),\"kind\":\"run\",\"nodes\":\(population.nodes),\"run\":\(run),\"seed\":\(seed),\"strategy\":\"\(strategy)\"}"
  }
}

/// Who is there from the beginning.
struct Population: Hashable, Sendable {
  /// Machines, numbered from 0; newcomers follow them.
  var nodes: Int
  /// Those that belong to the attacker.
  var attackers: [Int] = []
}

extension Trial {
  /// Whole peers.
  init(_ course: Course, strategy: ElectionStrategy, run: Int, keepsTrace: Bool) throws(TopologyError) {
    var scenario = course.scenario
    scenario.election = strategy
    var lines: [String] = []
    let writer = keepsTrace ? TraceWriter { lines.append($0) } : nil
    let outcome = try Simulation(scenario, trace: writer).run()
    self.init(scenario, outcome, on: try Ground(scenario), course.population, run: run)
    trace = keepsTrace ? [header(course.population)] + lines : []
    notes = outcome.notes
  }

  /// A simulation that is over, just run or told by a trace: both are read here alone, so that they cannot differ.
  /// - Parameter ground: nil: its distances are not to be had.
  init(_ scenario: Scenario, _ outcome: Outcome, on ground: Ground?, _ population: Population, run: Int) {
    let strategy = scenario.election ?? .rendezvous
    self.init(strategy: strategy.rawValue, run: run, seed: outcome.seed)
    let requests = Dictionary(
      outcome.requests.compactMap { asked in asked.request.map { ($0, asked) } },
      uniquingKeysWith: { first, _ in first })
    asked = outcome.requests.count
    wins = Array(repeating: 0, count: population.nodes)
    attackers = Double(population.attackers.count) / Double(max(1, population.nodes))
    let deaths = outcome.deaths.map { (node: "\($0.node)", at: $0.at) }
    for election in outcome.elections {
      let asked = requests[election.request]
      var row = ElectionRow(
        strategy: strategy.rawValue, run: run, request: election.request, calledAt: election.calledAt,
        portal: "\(election.portal)")
      row.mandate = election.mandateAt.map { $0 - election.calledAt }
      row.electors = election.electors
      if row.mandate != nil {
        row.messages = Int(election.messagesToMandate)
        row.bytes = Int(election.bytesToMandate)
      }
      row.follow(
        tenures: election.tenures.map { ("\($0.node)", $0.term, $0.at) }, deaths: deaths,
        until: asked?.endedAt ?? outcome.simulated)
      if strategy.safety == .unsafe { row.twoMandates = election.secondsOfTwo > 0 }
      if let first = election.tenures.first {
        let source = asked.map { scenario.sources[scenario.requests[$0.number].source].node }
        row.endsWithManager = first.node == election.portal || first.node == source
        row.distance = ground?.roundTrip(election.portal, first.node)
        // Newcomers are there for a while only: shares of the wins are measured among those whose share of the machines does not change.
        if first.node < population.nodes {
          row.attackerWon = population.attackers.contains(first.node)
          wins[first.node] += 1
        } else {
          newcomersWins += 1
        }
      }
      if row.deaths > 0, let asked, asked.packets > 0 { row.mediaGap = asked.worstGap }
      rows.append(row)
    }
    for asked in outcome.requests where asked.request == nil {
      let ask = scenario.requests[asked.number]
      // That no candidate or too few electors answer is an election that failed, though nobody was called.
      guard asked.end == .refused, asked.problem.hasPrefix("election(") else {
        uncalled += 1
        continue
      }
      var row = ElectionRow(
        strategy: strategy.rawValue, run: run, request: "", calledAt: ask.at, portal: "\(ask.portal)")
      row.refusal = asked.problem
      rows.append(row)
    }
  }
}
