import Base
import Elections
import Foundation
import Mandates
import Reports

/// What a strategy's elections come to: the figures of a comparison, each with its interval.
public struct StrategySummary: Sendable {
  /// Its name, or `trace`.
  public let strategy: String
  /// All elections.
  public let rows: [ElectionRow]
  /// By name, in the order of ``metrics``.
  public let estimates: OrderedDictionary<String, Estimate>

  /// A figure of a summary.
  public struct Metric: Sendable {
    /// In `summary.csv`.
    public var name: String
    /// In the report, with its unit.
    public var title: String
    /// Shown as per cent.
    public var isShare = false
    /// Of some only, and shown with how many: those that came to a mandate, those whose manager died.
    public var isOfSome = false
  }

  /// All figures, in the order of the report.
  public static let metrics: [Metric] = [
    Metric(name: "mandate_p50_ms", title: "time to mandate, p50 (ms)", isOfSome: true),
    Metric(name: "mandate_p99_ms", title: "p99 (ms)", isOfSome: true),
    Metric(name: "mandate_max_ms", title: "max (ms)", isOfSome: true),
    Metric(name: "messages", title: "messages an election", isOfSome: true),
    Metric(name: "bytes", title: "bytes an election", isOfSome: true),
    Metric(name: "p_two_mandates", title: "P(two mandates)", isShare: true),
    Metric(name: "p_no_manager", title: "P(no manager)", isShare: true),
    Metric(name: "p_uncalled", title: "requests that never came to an election", isShare: true),
    Metric(name: "load_gini", title: "Gini of managers' load"),
    Metric(name: "load_gini_even_lottery", title: "Gini of an even lottery"),
    Metric(name: "distance_p50_ms", title: "manager–client, p50 (ms)"),
    Metric(name: "failover_p50_ms", title: "failover gap, p50 (ms)", isOfSome: true),
    Metric(name: "failover_p99_ms", title: "failover gap, p99 (ms)", isOfSome: true),
    Metric(name: "failover_max_ms", title: "failover gap, max (ms)", isOfSome: true),
    Metric(name: "p_never_replaced", title: "dead managers not replaced", isShare: true),
    Metric(name: "media_gap_p50_ms", title: "client's worst wait, manager dead, p50 (ms)", isOfSome: true),
    Metric(name: "attackers_wins_to_share", title: "attackers' win share ÷ population share"),
  ]

  /// - Parameter trials: its repetitions.
  init(_ strategy: String, of trials: [Trial]) {
    self.strategy = strategy
    let rows = trials.flatMap(\.rows)
    self.rows = rows
    let wins = trials.map(\.wins)
    func ms(_ values: [Double]) -> [Double] { values.map { $0 * 1_000 } }
    let mandates = ms(rows.compactMap(\.mandate))
    let gaps = ms(rows.flatMap(\.gaps))
    let media = ms(rows.compactMap(\.mediaGap))
    let deaths = rows.reduce(0) { $0 + $1.deaths }
    func most(_ values: [Double]) -> Estimate { Estimate(value: values.max(), count: values.count) }
    let ginis = wins.compactMap { Statistics.gini($0.map(Double.init)) }
    let lotteries = wins.enumerated().compactMap {
      Statistics.giniOfLottery($0.element.reduce(0, +), over: $0.element.count, seed: trials[$0.offset].seed)
    }
    var all: OrderedDictionary<String, Estimate> = [
      "mandate_p50_ms": Statistics.quantile(0.5, of: mandates),
      "mandate_p99_ms": Statistics.quantile(0.99, of: mandates),
      "mandate_max_ms": most(mandates), "messages": Statistics.mean(rows.compactMap { $0.messages.map(Double.init) }),
      "bytes": Statistics.mean(rows.compactMap { $0.bytes.map(Double.init) }),
      "p_two_mandates": Statistics.share(rows.count(where: \.twoMandates), of: rows.count),
      "p_no_manager": Statistics.share(rows.count { $0.mandate == nil }, of: rows.count),
      "p_uncalled": Statistics.share(
        trials.reduce(0) { $0 + $1.uncalled }, of: trials.reduce(0) { $0 + ($1.asked ?? 0) }),
      "load_gini": Statistics.mean(ginis),
      "load_gini_even_lottery": Estimate(value: Statistics.mean(lotteries).value, count: lotteries.count),
      "distance_p50_ms": Statistics.quantile(0.5, of: rows.compactMap(\.distance)),
      "failover_p50_ms": Statistics.quantile(0.5, of: gaps),
      "failover_p99_ms": Statistics.quantile(0.99, of: gaps), "failover_max_ms": most(gaps),
      "p_never_replaced": Statistics.share(deaths - gaps.count, of: deaths),
      "media_gap_p50_ms": Statistics.quantile(0.5, of: media),
    ]
    let attackers = trials.first?.attackers ?? 0
    let won = rows.compactMap(\.attackerWon)
    let share = Statistics.share(won.count { $0 }, of: won.count)
    all["attackers_wins_to_share"] =
      attackers > 0
      ? Estimate(
        value: share.value.map { $0 / attackers }, low: share.low.map { $0 / attackers },
        high: share.high.map { $0 / attackers }, count: share.count) : Estimate(value: nil, count: 0)
    estimates = all
  }

  /// Of a name in ``metrics``.
  public subscript(name: String) -> Estimate { estimates[name] ?? Estimate(value: nil, count: 0) }

  /// Whether two mandates cannot be; nil for a trace, whose strategy is not known.
  var safety: ElectionStrategy.Safety? { ElectionStrategy(rawValue: strategy)?.safety }
}

/// Summaries side by side.
enum Comparison {
  /// `strategy, metric, value, low, high, count`: a line each.
  static func tidy(_ summaries: [StrategySummary]) -> Table {
    var table = Table(columns: ["strategy", "metric", "value", "low", "high", "count"])
    for summary in summaries {
      for metric in StrategySummary.metrics {
        let estimate = summary[metric.name]
        func cell(_ value: Double?) -> String { value.map { $0.isFinite ? "\($0)" : "" } ?? "" }
        table.add([
          summary.strategy, metric.name, cell(estimate.value), cell(estimate.low), cell(estimate.high),
          "\(estimate.count)",
        ])
      }
    }
    return table
  }

  static func runs(_ rows: [ElectionRow]) -> Table {
    var table = Table(columns: ElectionRow.columns)
    for row in rows { table.add(row.cells) }
    return table
  }

  static func text(_ estimate: Estimate, _ metric: StrategySummary.Metric) -> String {
    guard estimate.value != nil else { return "–" }
    func one(_ value: Double?) -> String { metric.isShare ? Figure.percent(value) : Figure.text(value) }
    let interval = estimate.interval.map { "\(one($0.lowerBound)), \(one($0.upperBound))" }
    let told = [interval, metric.isOfSome ? "of \(estimate.count)" : nil].compactMap(\.self)
    return one(estimate.value) + (told.isEmpty ? "" : " [\(told.joined(separator: "; "))]")
  }

  /// One row a figure, one column a strategy; figures that nobody has are left out.
  static func table(_ summaries: [StrategySummary]) -> Table {
    var table = Table(
      title: "All figures",
      note:
        "In brackets: the 95 % interval, where one can be told; and of how many elections or deaths the figure is, where it is not of all: those without a mandate have no time to it, and their messages are not counted.",
      columns: [""] + summaries.map(\.strategy))
    table.add(["safety"] + summaries.map { $0.safety.map(word) ?? "–" })
    table.add(["elections"] + summaries.map { "\($0.rows.count)" })
    for metric in StrategySummary.metrics where summaries.contains(where: { $0[metric.name].value != nil }) {
      table.add([metric.title] + summaries.map { text($0[metric.name], metric) })
    }
    return table
  }

  static func word(_ safety: ElectionStrategy.Safety) -> String {
    switch safety {
    case .quorum: "quorum: f may lie"
    case .majorityCrashOnly: "majority: crashes only"
    case .unsafe: "unsafe: two may manage"
    }
  }

  static func plots(_ summaries: [StrategySummary]) -> [Plot] {
    var plots: [Plot] = []
    /// What never came is among the values of `count`, and keeps its line below 1.
    func distribution(
      _ title: String, _ note: String, x: String, y: String, of values: (StrategySummary) -> [Double],
      among count: (StrategySummary) -> Int
    ) {
      let known = summaries.map { ($0.strategy, values($0).map { max($0 * 1_000, 0.01) }, count($0)) }
        .filter { $0.2 > 0 }
      guard let end = known.flatMap(\.1).max() else { return }
      plots.append(
        Plot(
          title: title, note: note,
          .lines(
            known.map { .distribution($0.0 + ($0.1.isEmpty ? " (none)" : ""), of: $0.1, among: $0.2, to: end) },
            x: .init(x, isLogarithmic: true),
            y: .init(y, most: 1))))
    }
    distribution(
      "Time to mandate",
      "The share of all elections whose portal knew its manager within so many milliseconds; where a line ends below 1, the others never did.",
      x: "milliseconds after the call", y: "share of elections", of: { $0.rows.compactMap(\.mandate) },
      among: { $0.rows.count })
    distribution(
      "Failover gap",
      "From a manager's death in office to its successor's mandate; where a line ends below 1, the others were never replaced.",
      x: "milliseconds after the death", y: "share of deaths", of: { $0.rows.flatMap(\.gaps) },
      among: { $0.rows.reduce(0) { $0 + $1.deaths } })
    func bars(
      _ name: String, _ title: String, _ note: String, _ axis: String,
      published: (StrategySummary) -> Double? = { _ in nil }
    ) {
      guard summaries.contains(where: { $0[name].value != nil }) else { return }
      plots.append(
        Plot(
          title: title, note: note,
          .bars(
            summaries.map {
              .init(
                $0.strategy, $0[name].value, interval: $0[name].interval, published: published($0),
                isMarked: $0.safety == .unsafe)
            }, axis: .init(axis))))
    }
    bars(
      "p_two_mandates", "P(two mandates)",
      "Two nodes manager of one term, or at one time where terms fence nothing. In orange: protocols that state no safety.",
      "share of elections")
    bars(
      "p_no_manager", "P(no manager)", "The portal never learnt of one, or found nobody to elect or to be elected.",
      "share of elections")
    bars("messages", "Messages an election", "From the portal's call until it knows its manager.", "messages")
    bars(
      "load_gini", "How unevenly managing is spread",
      "Gini of elections won by machine of the first population, mean of the repetitions. The mark is what an even lottery of as many elections gives.",
      "Gini: 0 even, 1 all at one", published: { $0["load_gini_even_lottery"].value })
    bars(
      "distance_p50_ms", "Distance from manager to client",
      "There and back between the manager and the client's portal, as it truly is; median.", "milliseconds")
    bars(
      "attackers_wins_to_share", "What the attacker gains",
      "Its share of the first population's wins by its share of that population. The mark at 1: no more than its share.",
      "ratio",
      published: { $0["attackers_wins_to_share"].value == nil ? nil : 1 })
    return plots
  }
}
