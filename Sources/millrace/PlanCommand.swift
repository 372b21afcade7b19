import ArgumentParser
import Portal
import Runtime

/// `millrace plan`: what the builder makes of a request; nothing runs but a probe of the source.
struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Prints the list of components that a request becomes; runs nothing.")

  @Argument(help: "The request (YAML or JSON).") var request: String
  @Option(help: "A local media file to plan for, in place of the request's source.") var source: String
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    do {
      let listing = try await LocalPlan.make(request: request, source: source)
      if json { try Print.json(listing) } else { Print.line(listing.description) }
    } catch { throw Refusal(error) }
  }
}
