import Base
import Elections
import Identity
import Sessions
import Vocabulary

// A long service outlives its envelope: its portal, which signs for clients without keys, renews the request while somebody watches.

extension Node {
  // MARK: - The portal

  /// Renews what is watched and has less than half of its time left; tells again what no quorum keeps yet.
  mutating func renewWatched() {
    for (request, submission) in portal.called where submission.isWatched {
      if let renewal = submission.renewal, !renewal.isKept {
        guard now - renewal.told >= Limits.renewalRepetition else { continue }
        portal.called[request]!.renewal!.told = now
        ballot(.renew(renewal.word))
      } else if let ends = ballots.notAfter(of: request), ends - wall < settings.requestLife / 2 {
        let word = Signed(
          Renewal(request: request, issued: wall, notAfter: wall + settings.requestLife), by: keys)
        guard word.body.notAfter > ends else { continue }
        portal.called[request]!.renewal = (word, now, false)
        ballot(.renew(word))
      }
    }
  }

  mutating func onRenewalKept(_ request: RequestID, until: WallTime) {
    portal.called[request]?.renewal?.isKept = true
    event(
      "service.renewed", request, "a quorum of electors keeps the client's renewal",
      [.init("until_ms", "\(until.milliseconds)")])
  }

  // MARK: - The manager

  mutating func onRenewed(_ request: RequestID, _ mandate: Mandate) {
    notes[request]?.mandate = .mandate(mandate)
    manage(request, .renewed(notAfter: mandate.notAfter, mandate: mandate.encoded()))
  }
}

extension PortalBook.Submission {
  /// It runs, and somebody reads from one of its sinks.
  var isWatched: Bool {
    running != nil && !isOver && !isUnwanted && outputs.contains { abandoned[$0] == nil && !delivered.contains($0) }
  }
}

extension Limits {
  /// A renewal that no quorum keeps is told again after this.
  public static let renewalRepetition = Duration.seconds(2)
}
