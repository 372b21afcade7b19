import Base
import Identity
import Mandates
import Vocabulary

@testable import Elections

// How golden traces put messages and reports into words.

extension Overlay {
  func who(_ id: NodeID) -> String { ids.contains(id) ? name(index(id)) : id.short }

  func describe(_ message: ElectionMessage) -> String {
    switch message {
    case .lotCall: "asks for a lot"
    case .lot: "lot"
    case .call: "call"
    case .vote(let vote, _, let newest, _):
      "vote for \(who(vote.body.candidate)), term \(vote.body.term), newest \(vote.body.newest?.description ?? "none")"
        + (newest == nil ? "" : ", with it")
    case .elected(let mandate): "elected \(who(mandate.manager)), term \(mandate.term), \(mandate.votes.count) votes"
    case .heartbeat(_, let term, _, let mandate): "heartbeat, term \(term)\(mandate == nil ? "" : ", with mandate")"
    case .heartbeatAnswer(_, let term, _): "heartbeat answered, term \(term)"
    case .proposal(let snapshot, let mandate):
      "proposal \(snapshot.mark) “\(snapshot.body.label)”\(mandate == nil ? "" : ", with mandate")"
    case .acknowledgement(let word, let earlier):
      "acknowledgement \(word.body.mark)\(earlier.isEmpty ? "" : ", \(earlier.count) earlier claims")"
    case .handover(let newest, let handovers): "handover to epoch \(handovers.count) from \(newest.snapshot.mark)"
    case .decline(let decline): "decline of term \(decline.body.term): \(decline.body.reason)"
    case .renewal(let renewal, _, let isKept):
      "renewal until \(renewal.body.notAfter.milliseconds)\(isKept ? " is kept" : "")"
    case .refusal(_, let refusal): "refusal: \(refusal)"
    case .end(_, let term): "end, term \(term)"
    }
  }

  func describe(_ effect: BallotEffect) -> String? {
    switch effect {
    case .elected(let mandate, let newest):
      "MANAGES, term \(mandate.term), \(newest.map { "having adopted “\(String(decoding: $0.body.state, as: UTF8.self))”" } ?? "from the beginning")"
    case .managerKnown(let mandate): "KNOWS that \(who(mandate.manager)) manages, term \(mandate.term)"
    case .snapshotAccepted(_, let version, let sequence, let earlier):
      "version \(version) IN FORCE as \(sequence)\(earlier.isEmpty ? "" : ", \(earlier.count) earlier claims")"
    case .lost(_, .succeeded(let term)): "LOST: another manages, term \(term)"
    case .lost(_, .declined): "LOST: declined"
    case .lost(_, .expired): "LOST: expired"
    case .frozen: "FROZEN"
    case .thawed: "THAWED"
    case .ended: "ENDED"
    case .callFailed(_, let failure): "CALL FAILED: \(failure)"
    case .answeredByFirst: "ANSWERED by the first request under this counter"
    default: nil
    }
  }
}
