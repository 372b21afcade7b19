import Base
import Core
import Foundation
import Vocabulary

/// Writes what happens as JSON lines: one object a line, `at` in seconds of the simulation, `kind`, and the kind's own fields.
///
/// | kind | fields |
/// |---|---|
/// | `scenario` | `scenario`: the whole of it; first |
/// | `start`, `crash` | `node`; `loses_store` |
/// | `fault`, `mended` | `number` in the scenario, `what`, `nodes` struck |
/// | `event` | `node`, `event` (its kind, as real peers name it), `service`, `summary`, `details` |
/// | `answer` | `request`: its number in the scenario, `end` |
/// | `finding` | `checker`, `node`, `what` |
/// | `outcome` | `outcome`: the whole of it; last |
///
/// `event` lines have the fields that a real peer writes under `--trace`, and `node` as a number besides.
public final class TraceWriter {
  private let write: (String) -> Void
  private let encoder = JSONEncoder()

  /// - Parameter write: gets each line, without its end.
  public init(_ write: @escaping (String) -> Void) {
    self.write = write
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  enum Line {
    case scenario(Scenario)
    case start(Int, at: Instant)
    case crash(Int, losesStore: Bool, at: Instant)
    case fault(Int, Fault, struck: [Int], begins: Bool, at: Instant)
    case event(Int, Event, at: Instant)
    case answer(ask: Int, String, at: Instant)
    case finding(Finding)
    case outcome(Outcome)
  }

  private struct Form: Encodable {
    var at: Double?
    var kind: String
    var node: Int?
    var event: String?
    var service: String?
    var summary: String?
    var details: [String: String]?
    var number: Int?
    var what: String?
    var nodes: [Int]?
    var losesStore: Bool?
    var request: Int?
    var end: String?
    var checker: String?
    var scenario: Scenario?
    var outcome: Outcome?

    enum CodingKeys: String, CodingKey {
      case at, kind, node, event, service, summary, details, number, what, nodes, request, end, checker, scenario,
        outcome
      case losesStore = "loses_store"
    }
  }

  func write(_ line: Line) {
    var form: Form
    switch line {
    case .scenario(let scenario):
      form = Form(kind: "scenario")
      form.scenario = scenario
    case .start(let node, let at): form = Form(at: at.seconds, kind: "start", node: node)
    case .crash(let node, let losesStore, let at):
      form = Form(at: at.seconds, kind: "crash", node: node, losesStore: losesStore)
    case .fault(let number, let fault, let struck, let begins, let at):
      form = Form(at: at.seconds, kind: begins ? "fault" : "mended")
      (form.number, form.what, form.nodes) = (number, "\(fault.kind)", struck)
    case .event(let node, let event, let at):
      form = Form(at: at.seconds, kind: "event", node: node, event: event.kind)
      form.service = event.service.map { "\($0)" }
      form.summary = event.summary
      form.details = Dictionary(event.details.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    case .answer(let ask, let end, let at):
      form = Form(at: at.seconds, kind: "answer")
      (form.request, form.end) = (ask, end)
    case .finding(let finding):
      form = Form(at: finding.at, kind: "finding", node: finding.node)
      (form.checker, form.what) = (finding.checker, finding.what)
    case .outcome(let outcome):
      form = Form(at: outcome.simulated, kind: "outcome")
      form.outcome = outcome
    }
    if let bytes = try? encoder.encode(form) { write(String(decoding: bytes, as: UTF8.self)) }
  }
}
