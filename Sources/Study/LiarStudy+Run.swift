import Base
import Elections
import Identity
import Mandates
import Reports
import Vocabulary

// Unlucky electorates: the production code draws electorates for random sources out of an overlay of which a share lies. An electorate of
// k bears f = ⌊(k−1)/3⌋ liars; how often has it more? Since the draw is by hashing, the answer should be that of an urn: hypergeometric.

extension LiarStudy {
  /// Draws of one part.
  private static let batch = 500

  func run(_ experiment: Experiment, _ running: Running) async throws -> Findings {
    let ids = (0..<nodes).map { NodeID(Digest.of(Array("\(experiment.seed)/\($0)".utf8), kind: "lab")) }
    let numbers = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
    let draws = experiment.runs
    // Which nodes lie: as a random share, for each share anew.
    var random = SeededRandom(seed: experiment.seed)
    let liars = shares.map { share -> [Bool] in
      let lying = Set(random.permuted(0..<nodes).prefix(marked(share)))
      return (0..<nodes).map(lying.contains)
    }
    let most = sizes.max() ?? 1
    let parts = try await running.all((draws + Self.batch - 1) / Self.batch) { part in
      var unlucky = [[Int]](repeating: Array(repeating: 0, count: sizes.count), count: shares.count)
      for draw in part * Self.batch..<min(draws, (part + 1) * Self.batch) {
        let source = SourceKey(Digest.of(Array("\(experiment.seed)/source/\(draw)".utf8), kind: "lab-source"))
        // One ranking serves all sizes: an electorate of k is its first k.
        let ranked = Electorate.ranking(for: source, of: ids).prefix(most).map { numbers[$0]! }
        for (share, lying) in liars.enumerated() {
          for (index, size) in sizes.enumerated() where ranked.prefix(size).count(where: { lying[$0] }) > (size - 1) / 3
          {
            unlucky[share][index] += 1
          }
        }
      }
      return unlucky
    }
    return findings(experiment, draws: draws) { share, size in parts.reduce(0) { $0 + $1[share][size] } }
  }

  private func marked(_ share: Double) -> Int { Int((share * Double(nodes)).rounded()) }

  /// Published: the exact probability, as the issue that asked for this states it for N = 500.
  static let published: [Int: [Double: Double]] = [
    7: [0.05: 0.0034, 0.10: 0.025, 0.20: 0.15], 13: [0.05: 0.0002, 0.10: 0.0057, 0.20: 0.096],
    31: [0.10: 0.00006, 0.20: 0.028],
  ]

  /// What the least likely of all counts says of the draw.
  static func verdict(_ least: (chance: Double, told: String), counts: Int) -> String {
    // Of many counts one is always unlikely: each gets its part of one in a thousand.
    let isUrn = least.chance * Double(counts) >= 0.001
    let begin =
      isUrn
      ? "Electorates of the production draw are not told apart from an urn's"
      : "Electorates of the production draw are not like an urn's"
    guard !least.told.isEmpty else { return "\(begin): every count is what an urn gives." }
    return
      "\(begin): the least likely of \(counts) counts, \(least.told), comes about by chance in \(Figure.percent(least.chance)) of cases."
  }

  private func findings(_ experiment: Experiment, draws: Int, _ unlucky: (Int, Int) -> Int) -> Findings {
    var table = Table(
      title: "Electorates with more liars than they bear",
      note:
        "Drawn by the production code for \(draws) random sources out of \(nodes) nodes; exact: hypergeometric; deviation: drawn less exact, in standard errors of so many draws.",
      columns: ["k", "f", "liars", "exact", "drawn [95 %]", "deviation (σ)", "stated before"])
    var runs = Table(columns: ["k", "f", "liars", "draws", "unlucky"])
    var summary = Table(columns: ["k", "liars", "metric", "value", "low", "high", "count"])
    var lines: [Plot.Line] = []
    var least: (chance: Double, told: String) = (1, "")
    for (index, size) in sizes.enumerated() {
      var (drawn, exact): ([Plot.Point], [Plot.Point]) = ([], [])
      for (number, share) in shares.enumerated() {
        let faults = (size - 1) / 3
        let expected = Statistics.hypergeometricTail(all: nodes, marked: marked(share), drawn: size, moreThan: faults)
        let hits = unlucky(number, index)
        let estimate = Statistics.share(hits, of: draws)
        let error = (expected * (1 - expected) / Double(draws)).squareRoot()
        let deviation = error > 0 ? ((estimate.value ?? 0) - expected) / error : 0
        let chance = Statistics.chance(hits, of: draws, hitting: expected)
        if chance < least.chance {
          let told = "\(hits) of \(draws) where \(Figure.plain(expected * Double(draws))) are expected"
          least = (chance, "\(told) (k = \(size), \(Figure.percent(share)) liars)")
        }
        let stated = nodes == 500 ? LiarStudy.published[size]?[share] : nil
        table.add([
          "\(size)", "\(faults)", Figure.percent(share), Figure.percent(expected, significant: 3),
          "\(Figure.percent(estimate.value, significant: 3)) [\(Figure.percent(estimate.low)), \(Figure.percent(estimate.high))]",
          Figure.fixed(deviation, decimals: 1), stated.map { Figure.percent($0) } ?? "–",
        ])
        runs.add(["\(size)", "\(faults)", "\(share)", "\(draws)", "\(hits)"])
        summary.add([
          "\(size)", "\(share)", "p_unlucky", "\(estimate.value ?? 0)", "\(estimate.low ?? 0)", "\(estimate.high ?? 0)",
          "\(draws)",
        ])
        summary.add(["\(size)", "\(share)", "p_unlucky_exact", "\(expected)", "", "", ""])
        drawn.append(
          .init(
            share * 100, (estimate.value ?? 0) * 100,
            interval: estimate.interval.map { $0.lowerBound * 100...$0.upperBound * 100 }))
        exact.append(.init(share * 100, expected * 100))
      }
      lines += [.init("k = \(size), drawn", drawn), .init("exact", exact, isPublished: true)]
    }
    var report = Report(title: experiment.title, question: experiment.question)
    report.answers = [
      LiarStudy.verdict(least, counts: sizes.count * shares.count),
      "An electorate that is unlucky is not yet broken: its liars must act together, and what they sign twice proves it.",
    ]
    report.sections = [
      Report.Section(
        "Drawn and exact", tables: [table],
        plots: [
          Plot(
            title: "Unlucky electorates", note: "Per cent of electorates with more than f liars. Whiskers: 95 %.",
            .lines(lines, x: .init("liars among the nodes (%)"), y: .init("unlucky electorates (%)")))
        ])
    ]
    report.notes = [
      "Liars are a random share of the nodes and cannot choose who they are; what an attacker gains by choosing its keys is another question.",
      "Real peers' electorates have \(Limits.electors) members at most; larger ones are the first k of the same ranking.",
    ]
    return Findings(report: report, runs: runs, summary: summary, trace: [])
  }
}
