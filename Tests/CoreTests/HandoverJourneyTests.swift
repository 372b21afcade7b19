import Base
import Elections
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Core

/// Whole peers whose electorate loses a member.
@Suite("Electorates that outlive departures, in whole peers")
struct HandoverJourneyTests {
  @Test(
    "one of five electors dies: the others hand over to four, the stream goes on whole, and the service knows its epoch"
  )
  func handover() throws {
    var journey = try Journey(seed: 2)
    let request = try journey.begin()
    let manager = try #require(journey.manager(of: request))
    let victim = try #require((0..<5).first { $0 != manager && $0 != Journey.portal && $0 != Talk.sharedBy })
    journey.world.crash(victim)
    journey.world.run(for: .seconds(30))
    let won = try #require(journey.world.events("election.won", of: request).last)
    #expect(won.event.details.contains { $0.name == "term" && $0.value.hasPrefix("1.") })
    try journey.expectWhole(request)
    let known = try #require(journey.world.peers[Journey.portal].node.knownServices[request]?.warrant)
    #expect(known.term.epoch == 1 && known.electorate.size == 4)
    #expect(!known.electorate.contains(journey.world.peers[victim].node.id))
  }
}
