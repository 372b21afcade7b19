import ArgumentParser
import Runtime

/// `millrace verify`: a third party needs only the evidence, and a roster to know who should have been asked.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Checks a mandate and its assignments offline, from signatures alone.")

  @Argument(help: "Evidence as GET /v1/elections/ID gives it.") var evidence: String
  @Option(help: "Node IDs of the overlay's members at the time, one a line.") var roster: String?

  func run() async throws {
    let check: Evidence.Outcome
    do { check = try Evidence.check(evidence, roster: roster) } catch { throw Refusal(error) }
    for line in check.confirmed { Print.line(line) }
    Print.line(check.summary)
    guard check.isValid else {
      for finding in check.findings { StandardStreams.complain("\(finding)") }
      throw ExitCode.failure
    }
  }
}
