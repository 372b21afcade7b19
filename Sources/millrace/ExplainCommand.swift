import ArgumentParser
import Portal

/// `millrace explain ID`: the election, and why each stage went where it went.
struct ExplainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Shows a service's electorate, votes and mandate, and each stage's candidates, costs and winner.")

  @Argument(help: "The service's ID.") var id: String
  @OptionGroup var peer: PeerOptions

  struct Whole: Encodable {
    let election: ElectionView
    let explanation: ExplanationView
  }

  func run() async throws {
    let client = try peer.client
    let election = try await client.election(id)
    let explanation = try await client.explanation(id)
    if peer.json { return try Print.json(Whole(election: election, explanation: explanation)) }

    Print.line(
      "election (\(election.strategy), safety \(election.safety)), epoch \(election.epoch), term \(election.term)")
    if let warning = election.warning { Print.line("  warning: \(warning)") }
    Print.line("  electorate, in candidate order: " + election.electorate.map(Form.node).joined(separator: " "))
    let tolerance = election.tolerance
    Print.line(
      "  quorum \(tolerance.quorum) of \(tolerance.k); tolerates \(tolerance.crashes) lost, \(tolerance.f) lying")
    guard election.warning == nil else {
      Print.line("  claim: \(election.manager.map(Form.node) ?? "–") says so itself; there are no votes")
      return explain(explanation)
    }
    Print.line(
      "  votes: "
        + election.votes.map { "\(Form.node($0.elector)) for \(Form.node($0.candidate))" }.joined(separator: ", "))
    Print.line(
      "  mandate: \(election.manager.map(Form.node) ?? "–"), \(election.mandateValid ? "valid" : "INVALID: \(election.mandateFault ?? "?")")"
    )
    explain(explanation)
  }

  private func explain(_ explanation: ExplanationView) {
    Print.line()
    Print.line(
      "placement by \(Form.node(explanation.manager)), \(Form.seconds(explanation.ageSeconds)) ago; inputs \(Form.node(explanation.inputsDigest))"
    )
    for stage in explanation.stages {
      Print.line("  \(stage.stage) \(stage.component) → \(Form.node(stage.winner)): \(stage.why)")
      var rows = [["", "    node", "total", "terms"]]
      for candidate in stage.candidates {
        let terms = candidate.costs.sorted { $0.key < $1.key }.map { "\($0.key) \(rounded($0.value))" }.joined(
          separator: ", ")
        rows.append([
          "", "    \(Form.node(candidate.node))\(candidate.node == stage.winner ? "*" : "")",
          candidate.total.map { "\(rounded($0))" } ?? "–",
          candidate.excluded ?? (candidate.reuses ? "serves it already; \(terms)" : terms),
        ])
      }
      Print.table(rows)
    }
    Print.line(
      "totals: "
        + explanation.totals.sorted { $0.key < $1.key }.map { "\($0.key) \(rounded($0.value))" }.joined(separator: ", ")
    )
  }

  private func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
