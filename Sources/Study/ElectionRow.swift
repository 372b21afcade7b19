/// How one election went, by whatever protocol, simulated or told by real peers' traces. Times are seconds unless said otherwise.
public struct ElectionRow: Hashable, Sendable {
  /// A strategy's name; `trace` where a trace does not tell it.
  public var strategy: String
  /// Repetition, from 0.
  public var run: Int
  /// The request; empty: it never got so far as to have an ID.
  public var request: String
  /// When the portal called; where it could call nobody: when it was asked.
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
  /// Two nodes were made manager of one term, or, where terms fence nothing, managed at one whole second.
  public var twoMandates = false
  /// There and back between portal and manager, milliseconds, as it truly is; nil: unknown.
  public var distance: Double?
  /// The attacker's node won; nil: nobody did, or a newcomer, who is nobody's.
  public var attackerWon: Bool?
  /// Managers that died in office.
  public var deaths = 0
  /// For each that was replaced: from the death to the successor's mandate.
  public var gaps: [Double] = []
  /// Why the portal refused, where it found no candidate or no electors before it called any; empty: it called.
  public var refusal = ""
  /// The first manager is the portal, or the source is with it: where it dies, there is nothing left to manage.
  public var endsWithManager = false
  /// The client's longest wait between two packets, where its manager died; nil: not so, or no media.
  public var mediaGap: Double?

  /// The columns of ``cells``.
  public static let columns = [
    "strategy", "run", "request", "called_at_s", "portal", "manager", "mandate_ms", "electors", "messages", "bytes",
    "two_mandates", "distance_ms", "attacker_won", "manager_deaths", "failover_gaps_ms", "media_gap_ms", "refusal",
  ]
  /// As `runs.csv` has them; empty where nothing was measured, several gaps with a space between.
  public var cells: [String] {
    func ms(_ value: Double?) -> String { value.map { "\(($0 * 1e6).rounded() / 1e3)" } ?? "" }
    func flag(_ value: Bool?) -> String { value.map { $0 ? "1" : "0" } ?? "" }
    return [
      strategy, "\(run)", request, "\((calledAt * 1e6).rounded() / 1e6)", portal, manager ?? "", ms(mandate),
      "\(electors)",
      messages.map { "\($0)" } ?? "", bytes.map { "\($0)" } ?? "", flag(twoMandates),
      distance.map { "\(($0 * 1e3).rounded() / 1e3)" } ?? "", flag(attackerWon), "\(deaths)",
      gaps.map { ms($0) }.joined(separator: " "),
      ms(mediaGap), refusal,
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

  /// Terms that fence nothing are no names of mandates: there, two that manage at once are two, whatever their terms. The lab looks at every
  /// whole second who manages, and a trace is read by the same rule: an overlap between two looks is not counted.
  /// - Parameter offices: who managed from when until when, seconds.
  static func twoAtOnce(_ offices: [(node: String, from: Double, to: Double)]) -> Bool {
    offices.enumerated().contains { index, one in
      offices[..<index].contains { other in
        let (from, to) = (max(one.from, other.from), min(one.to, other.to))
        return one.node != other.node && from.rounded(.up) < to
      }
    }
  }
}
