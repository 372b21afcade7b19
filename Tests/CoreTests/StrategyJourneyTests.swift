import Base
import Elections
import Identity
import Measurements
import Testing
import Vocabulary

@testable import Core

/// Whole peers whose operators chose another order of candidates.
@Suite("Election strategies in whole peers")
struct StrategyJourneyTests {
  private func mandate(of request: RequestID, in journey: Journey) throws -> Mandate {
    let manager = try #require(journey.manager(of: request))
    return try #require(journey.world.peers[manager].node.notes[request]?.mandate)
  }

  @Test(
    "under each order a request is served whole, and the first in the order manages it",
    arguments: ElectionStrategy.orders)
  func served(_ strategy: ElectionStrategy) throws {
    var journey = try Journey(seed: 3, election: strategy)
    let request = try journey.begin()
    let mandate = try mandate(of: request, in: journey)
    #expect(mandate.envelope.body.strategy == strategy)
    #expect(mandate.manager == mandate.envelope.order[0] && mandate.term == Term(1))
    if strategy == .nearest { #expect(mandate.manager == journey.world.peers[Journey.portal].node.id) }
    journey.world.run(for: .seconds(20))
    try journey.expectWhole(request)
  }

  @Test(
    "the manager by order dies: the next in the order takes over",
    arguments: [ElectionStrategy.sortition, .leastLoaded])
  func failover(_ strategy: ElectionStrategy) throws {
    var journey = try Journey(seed: 3, election: strategy)
    // A manager that is neither source nor portal, so that its death ends nothing else.
    let request = try journey.begin()
    let first = try mandate(of: request, in: journey)
    let number = try #require(journey.world.number(of: first.manager))
    guard number != Talk.sharedBy, number != Journey.portal else { return }
    journey.world.crash(number)
    journey.world.run(for: .seconds(20))
    let next = journey.world.events("election.won", of: request).last
    #expect(next.map { journey.world.peers[$0.peer].node.id } == first.envelope.order[1])
  }

  @Test("an order reads measurements under the kind that their room signs them with")
  func kinds() { #expect(ReportPart.kind == CandidateOrder.measurementKind) }
}
