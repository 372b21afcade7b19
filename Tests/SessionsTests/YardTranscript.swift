import Base
import Identity
import Vocabulary

@testable import Assignments
@testable import Desks
@testable import Sessions

/// Messages in a reader's words.
extension Yard {
  func describe(_ message: SessionMessage) -> String {
    switch message {
    case .reserve(let body): "reserve v\(body.mark.version) \(body.items.map { describe($0.work) })"
    case .reserved(let body):
      switch body.result {
      case .success: "granted v\(body.mark.version)"
      case .failure(let refused): "refused v\(body.mark.version): \(refused.item.reason)"
      }
    case .commit(let body): "commit v\(body.mark.version), \(body.assignments.count) assignments"
    case .committed(let body):
      "committed v\(body.mark.version)\(body.rejected.isEmpty ? "" : ", \(body.rejected.map(\.reason.code))")"
    case .release(let body):
      switch body.scope {
      case .everything: "release v\(body.mark.version) everything"
      case .some(let streams, let outputs):
        "release v\(body.mark.version) \(streams.map { planner.name($0) } + outputs)"
      }
    case .released(let mark): "released v\(mark.version)"
    case .renew(let mark): "renew v\(mark.version)"
    case .report(let body): "report \(body.events.map { describe($0) })"
    }
  }

  private func describe(_ work: AssignedWork) -> String {
    switch work {
    case .group(let spec, let role, _): "\(planner.name(spec.output))\(role == .standby ? " standby" : "")"
    case .share(let stream): "share of \(planner.name(stream))"
    case .delivery(let output, _): "sink \(output)"
    }
  }

  private func describe(_ event: NodeEvent) -> String {
    switch event {
    case .switched(_, let stream, let node): "\(planner.name(stream)) from \(name(node)) now"
    case .starved(_, let stream): "\(planner.name(stream)) starved"
    case .failed(let stream, let kind, _, _): "\(planner.name(stream)) failed: \(kind)"
    case .ended: "ended"
    case .inherited(let group): "inherits \(planner.name(group.spec.output))"
    case .standbysChanged(let shared):
      "standbys of \(planner.name(shared.stream)): \(shared.standbys.map { name($0.node) })"
    case .holdsNothing: "holds nothing"
    }
  }
}
