import Base
import Elections
import Lab
import Mandates

/// How one election went, by whatever protocol, simulated or told by real peers' traces. Times are seconds unless said otherwise.
public struct ElectionRow: Hashable, Sendable {
  /// A strategy's name, or `trace`.
  public var strategy: String
  /// Repetition, from 0.
  public var run: Int
  /// The request.
  public var request: String
  /// When the portal called.
  public var calledAt: Double
  /// Machines; names in real peers' traces.
  public var portal: String
  /// Who won first; nil: nobody.
  public var manager: String?
  /// From the call until the portal knew; nil: never.
  public var mandate: Double?
  /// k; 0: unknown.
  public var electors = 0
  /// Until the portal knew; nil: not counted.
  public var messages: Int?
  /// Of those messages.
  public var bytes: Int?
  /// Two nodes were made manager of one term, or, where terms fence nothing, at one time.
  public var twoMandates = false
  /// There and back between portal and manager, milliseconds, as it truly is; nil: unknown.
  public var distance: Double?
  /// The attacker's node won; nil: nobody did.
  public var attackerWon: Bool?
  /// Managers that died in office.
  public var deaths = 0
  /// For each that was replaced: from the death to the successor's mandate.
  public var gaps: [Double] = []
  /// The client's longest wait between two packets, where its manager died; nil: not so, or no media.
  public var mediaGap: Double?

  /// The columns of ``cells``.
  public static let columns = [
    "strategy", "run", "request", "called_at_s", "portal", "manager", "mandate_ms", "electors", "messages", "bytes",
    "two_mandates", "distance_ms", "attacker_won", "manager_deaths", "failover_gap_ms", "media_gap_ms",
  ]
  /// As `runs.csv` has them; empty where nothing was measured.
  public var cells: [String] {
    func ms(_ value: Double?) -> String { value.map { "\(($0 * 1e6).rounded() / 1e3)" } ?? "" }
    func flag(_ value: Bool?) -> String { value.map { $0 ? "1" : "0" } ?? "" }
    return [
      strategy, "\(run)", request, "\((calledAt * 1e6).rounded() / 1e6)", portal, manager ?? "", ms(mandate),
      "\(electors)",
      messages.map { "\($0)" } ?? "", bytes.map { "\($0)" } ?? "", flag(twoMandates),
      distance.map { "\(($0 * 1e3).rounded() / 1e3)" } ?? "", flag(attackerWon), "\(deaths)", ms(gaps.first),
      ms(mediaGap),
    ]
  }

  /// Takes in who held office when, in order, and who died when.
  /// - Parameters:
  ///   - end: when the service ended; later deaths concern nobody.
  mutating func follow(
    tenures: [(node: String, term: String, at: Double)], deaths died: [(node: String, at: Double)], until end: Double
  ) {
    manager = tenures.first?.node
    for (index, tenure) in tenures.enumerated() {
      if tenures[..<index].contains(where: { $0.term == tenure.term && $0.node != tenure.node }) { twoMandates = true }
      let next = index + 1 < tenures.count ? tenures[index + 1] : nil
      let last = min(next?.at ?? .infinity, end)
      guard let death = died.first(where: { $0.node == tenure.node && $0.at >= tenure.at && $0.at < last }) else {
        continue
      }
      deaths += 1
      if let next { gaps.append(next.at - death.at) }
    }
  }
}

/// One repetition of one strategy.
struct Trial: Sendable {
  var strategy: String
  var run: Int
  var seed: UInt64
  var rows: [ElectionRow] = []
  /// By machine of the first population: elections that it won.
  var wins: [Int] = []
  /// Requests that never came to an election: the source's node or the portal was gone.
  var uncalled = 0
  /// How services ended, by word.
  var ends: [String: Int] = [:]
  var notes: [String] = []
  /// JSON lines.
  var trace: [String] = []

  /// The line before a trial's own.
  var header: String {
    "{\"kind\":\"run\",\"run\":\(run),\"seed\":\(seed),\"strategy\":\"\(strategy)\"}"
  }
}

extension Trial {
  /// Whole peers.
  init(_ course: Course, strategy: ElectionStrategy, run: Int, keepsTrace: Bool) throws(TopologyError) {
    self.init(strategy: strategy.rawValue, run: run, seed: course.scenario.seed)
    var scenario = course.scenario
    scenario.election = strategy
    var lines: [String] = []
    let writer = keepsTrace ? TraceWriter { lines.append($0) } : nil
    let outcome = try Simulation(scenario, trace: writer).run()
    let ground = try Ground(scenario)
    trace = lines
    notes = outcome.notes
    let requests = Dictionary(
      outcome.requests.compactMap { asked in asked.request.map { ($0, asked) } },
      uniquingKeysWith: { first, _ in first })
    uncalled = outcome.requests.count { $0.request == nil }
    for asked in outcome.requests { ends[asked.end?.rawValue ?? "open", default: 0] += 1 }
    wins = Array(repeating: 0, count: scenario.nodes.count)
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
      // Terms that fence nothing are no names of mandates: there, two that manage at once are two.
      if strategy.safety == .unsafe { row.twoMandates = election.secondsOfTwo > 0 }
      if let first = election.tenures.first {
        row.distance = ground.roundTrip(election.portal, first.node)
        row.attackerWon = course.attacking[first.node]
        wins[first.node] += 1
      }
      if row.deaths > 0, let asked, asked.packets > 0 { row.mediaGap = asked.worstGap }
      rows.append(row)
    }
  }
}
