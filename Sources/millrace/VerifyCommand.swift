import ArgumentParser
import Runtime

/// `millrace verify`: a third party needs only the evidence, and a roster to know who should have been asked.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Checks a mandate and its assignments offline, from signatures alone.",
    discussion: "Exit status: 0 all of it holds; 1 something does not: each is named on standard error.")

  @Argument(help: "Evidence as GET /v1/elections/ID gives it.") var evidence: String
  @Option(help: "Node IDs of the overlay's members at the time, one a line.") var roster: String?
  @Flag(help: "Print JSON.") var json = false

  struct Verdict: Encodable {
    struct Finding: Encodable {
      let part: String
      let problem: String
    }
    let valid: Bool
    let summary: String
    let confirmed: [String]
    let absent: [String]
    let findings: [Finding]
  }

  func run() async throws {
    // Where no quorum elected there is no mandate: what was signed is looked at, and nothing of it is a proof.
    if let claim = ClaimEvidence(file: evidence) { return try tell(claim) }
    let check: EvidenceFile.Outcome
    do { check = try EvidenceFile.check(evidence, roster: roster) } catch { throw Refusal(error) }
    if json {
      let findings = check.findings.map { Verdict.Finding(part: $0.part, problem: $0.problem) }
      try Print.json(
        Verdict(
          valid: check.isValid, summary: check.summary, confirmed: check.confirmed, absent: check.absent,
          findings: findings))
    } else {
      for line in check.confirmed { Print.line(line) }
      if !check.absent.isEmpty { Print.line("not in this evidence: \(check.absent.joined(separator: ", "))") }
      Print.line(check.summary)
      for finding in check.findings { StandardStreams.complain("\(finding)") }
    }
    if !check.isValid { throw ExitCode.failure }
  }

  private func tell(_ claim: ClaimEvidence) throws {
    let findings = claim.findings()
    let summary = "not provable to a third party: " + (findings.last?.problem ?? "")
    if json {
      try Print.json(
        Verdict(
          valid: false, summary: summary, confirmed: [], absent: [],
          findings: findings.map { Verdict.Finding(part: $0.part, problem: $0.problem) }))
    } else {
      Print.line(summary)
      for finding in findings { StandardStreams.complain("\(finding.part): \(finding.problem)") }
    }
    throw ExitCode.failure
  }
}
