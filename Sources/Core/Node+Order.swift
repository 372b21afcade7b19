import Base
import Elections
import Identity
import Mandates
import Measurements
import Vocabulary

// Which elector stands first: the portal settles it before it calls, as its operator chose (`election:` in the configuration). Electors
// check that the order follows from what comes with the call.

extension Node {
  /// Gives the envelope its order of candidates, then calls.
  mutating func order(_ envelope: Envelope, of submission: PortalBook.Submission, _ token: UInt64) {
    switch settings.election {
    case .sortition:
      portal.drawing[envelope.draw(of: id)] = (token, submission)
      ballot(.draw(envelope))
    case .nearest, .leastLoaded:
      let evidence = bearings(of: envelope.electorate.members + [id])
      var ordered = envelope
      do throws(OrderFault) {
        ordered.order = try CandidateOrder(
          by: settings.election, for: envelope, of: id, from: evidence, using: &verified)
      } catch {
        portal.resolving[token] = submission
        return giveUp(token, .election("no order of candidates by \(settings.election): \(error)"))
      }
      call(token, ordered, of: submission, evidence: evidence)
    case .rendezvous: call(token, envelope, of: submission, evidence: [])
    case .bully, .raft, .firstResponder:
      var contested = envelope
      contested.contest = settings.election
      call(token, contested, of: submission, evidence: [])
    }
  }

  /// Signed measurements of these nodes, fresh enough for an elector whose clock differs.
  private func bearings(of nodes: [NodeID]) -> [SignedEnvelope] {
    OrderedSet(nodes).compactMap { node in
      guard let known = board[node], wall - known.report.wall <= Limits.bearingAge,
        known.report.wall - wall <= Limits.bearingAge
      else { return nil }
      return board.pulse(of: node)
    }
  }

  mutating func onDrawn(_ draw: Bytes32, _ envelope: Envelope, _ evidence: [SignedEnvelope]) {
    guard let (token, submission) = portal.drawing.removeValue(forKey: draw) else { return }
    call(token, envelope, of: submission, evidence: evidence)
  }

  mutating func onDrawFailed(_ draw: Bytes32, silent: [NodeID]) {
    guard let (token, submission) = portal.drawing.removeValue(forKey: draw) else { return }
    portal.resolving[token] = submission
    let names = silent.map { "\($0.short)…" }.joined(separator: ", ")
    giveUp(token, .election("too few electors gave their lots" + (names.isEmpty ? "" : "; silent: \(names)")))
  }
}
