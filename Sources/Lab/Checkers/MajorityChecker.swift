import Base
import Core
import Mandates
import Rivals
import Vocabulary

/// What raft promises while members only crash: one vote of a member in a term, restarts included, and so at most one leader. The protocols
/// without a majority promise nothing of the kind; what all others see outside elections, fences and deliveries, holds under them as well.
struct MajorityChecker: Checker {
  static let name = "one leader a term"
  var faults: [CheckerFault] = []
  private var leaders: [Place: Int] = [:]
  private var votes: [Ballot: Int] = [:]

  struct Place: Hashable {
    let request: RequestID
    let term: UInt32
  }
  struct Ballot: Hashable {
    let member: Int
    let place: Place
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    guard world.scenario.safety == .majorityCrashOnly, case .contests(let number, let to, let message) = sight else {
      return
    }
    switch message.body {
    case .answer(let term):
      let ballot = Ballot(member: number, place: Place(request: message.request, term: term))
      if let before = votes[ballot], before != to {
        found("votes for n\(to) in term \(term) of \(message.request.short) after n\(before)", at: number)
      }
      votes[ballot] = to
    case .coordinator(let claim, _):
      let place = Place(request: message.request, term: claim.body.term)
      if let before = leaders[place], before != number {
        found("leads term \(place.term) of \(message.request.short), as n\(before) does", at: number)
      }
      leaders[place] = number
    default: return
    }
  }
}
