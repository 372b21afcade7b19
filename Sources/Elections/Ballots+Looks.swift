import Identity
import Mandates
import Vocabulary

// What checkers look at. Nothing here changes anything.

extension Ballots {
  /// Ballots of requests that live, and those that only say that one has ended.
  package var kept: (live: Int, tombstones: Int) { (ballots.count - tombstones - lapsed.count, tombstones) }
  /// Those of requests whose time is over as far as this peer knows.
  package var keptLapsed: Int { lapsed.count }
  /// Live ballots of the client that has most.
  package var mostOfOneClient: Int { requestsOfClient.values.max() ?? 0 }
  /// Electorates of the request that has had most, the first not counted.
  package var mostEpochs: Int { ballots.values.map(\.record.handovers.count).max() ?? 0 }
  /// Portals of the request that most are told of.
  package var mostCallers: Int { ballots.values.map(\.callers.count).max() ?? 0 }
  /// Versions that wait at the manager where most do.
  package var mostWaiting: Int { tenures.values.map(\.waiting.count).max() ?? 0 }
  /// Earlier claims in the longest answer that a manager keeps.
  package var mostEarlierClaims: Int {
    tenures.values.flatMap { $0.proposal?.answers.values.map(\.earlier.count) ?? [] }.max() ?? 0
  }
  /// Those who have said that they know of an end, of which most have.
  package var mostToldOfEnd: Int { tenures.values.map(\.toldOfEnd.count).max() ?? 0 }
  /// Calls that wait or follow.
  package var waitingCalls: Int { calls.count }
  /// Draws that wait for lots.
  package var waitingDraws: Int { draws.count }
  /// Whether this peer manages the request and has proposed its next electorate.
  package func isHandingOver(_ request: RequestID) -> Bool { tenures[request]?.succession != nil }
  /// Whom this portal called for a request.
  package func called(_ request: RequestID) -> Electorate? { calls[request]?.envelope.body.electorate }
}
