import Assignments
import Base
import Desks
import Elections
import Identity
import Mandates
import Sessions
import Vocabulary

// A long service outlives its envelope: its portal, which signs for clients without keys, renews the request while somebody watches; and it
// outlives its managers, whom its portal seeks when they fall silent.

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
    notes[request]?.warrant = .mandate(mandate)
    manage(request, .renewed(notAfter: mandate.notAfter, mandate: mandate.encoded()))
  }
}

extension Node {
  /// A manager that has not renewed a sink here for as long as makes an orphan may have a successor that this portal has not heard of, or have
  /// ended the service while this portal was cut off: the electors know. So do they of one that died over the end of what never came to run.
  mutating func seekSilentManagers() {
    for (request, submission) in portal.called where !submission.isOver {
      let isEndLate = submission.endAskedAt.map { now - $0 > Limits.inquiryTime } ?? false
      guard submission.running != nil || isEndLate, submission.sought.map({ now - $0 > Limits.seeking }) ?? true,
        !desk.isRenewed(request, at: now),
        let warrant = knownServices[request]?.warrant
      else { continue }
      portal.called[request]!.sought = now
      seek(warrant.envelope)
    }
  }
}

extension PortalBook.Submission {
  /// It runs, and somebody reads from one of its sinks.
  var isWatched: Bool {
    running != nil && !isOver && !isUnwanted && outputs.contains { abandoned[$0] == nil && !delivered.contains($0) }
  }
}

extension Limits {
  /// What a portal lets a request be valid for: while somebody watches it renews it at half of that. Electors remember what has ended no longer.
  public static let requestLife = Duration.seconds(3600)
  /// A request under a protocol without a quorum is not renewed: it lives so long at most.
  public static let contestLife = Duration.seconds(24 * 3_600)
  /// Between two questions after a silent manager.
  public static let seeking = Duration.seconds(5)
  /// A renewal that no quorum keeps is told again after this.
  public static let renewalRepetition = Duration.seconds(2)
}
