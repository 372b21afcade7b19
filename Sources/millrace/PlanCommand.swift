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
    let plan = try await LocalPlan.make(request: request, source: source)
    if json { return try Print.json(plan) }
    var rows = [["stage", "component", "from", "parameters", "stream"]]
    for (stage, key) in zip(plan.stages, plan.streamKeys) {
      rows.append([
        "\(stage.id)", stage.component, stage.inputs.map(String.init).joined(separator: ","), Form.parameters(stage.parameters), Form.node(key),
      ])
    }
    Print.table(rows)
    for output in plan.outputs { Print.line("output \(output.name): \(output.mimeType)") }
    for warning in plan.warnings { Print.line("note: \(warning)") }
  }
}
