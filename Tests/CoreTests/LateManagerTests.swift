import Base
import Identity
import Testing
import Vocabulary
import Wire

@testable import Core

/// A manager may have been out of reach when its portal gave its request up.
@Suite("A manager that comes too late")
struct LateManagerTests {
  @Test("a manager that still works on what its portal has told to be over is told so, and ends it")
  func lateManager() throws {
    var journey = try Journey(seed: 1)
    var request = try journey.begin()
    // A portal that manages by itself would know.
    for seed in 2...9 as ClosedRange<UInt64> where journey.manager(of: request) == Journey.portal {
      journey = try Journey(seed: seed)
      request = try journey.begin()
    }
    let manager = try #require(journey.manager(of: request))
    try #require(manager != Journey.portal)
    journey.world.run(for: .seconds(3))
    journey.world.finish(request, at: Journey.portal)
    journey.world.run(for: .seconds(5))
    #expect(journey.manager(of: request) == manager && journey.world.workersRunning > 0, "it has not heard of it")
    // The next thing that the manager says of it.
    let report = try #require(journey.world.peers[manager].node.managerReport(of: request, explanation: false))
    #expect(report.state == "running")
    let word = Input.link(
      .with { $0.service = .with { $0.report = report } }, from: journey.world.peers[manager].node.id)
    let said = journey.world.effects(of: word, at: Journey.portal)
    let wishes = said.compactMap { effect -> (wish: WireEndRequest, to: NodeID)? in
      guard case .sendLink(let message, let node, _, _) = effect, case .end(let wish)? = message.service.body else {
        return nil
      }
      return (wish, node)
    }
    #expect(wishes.map(\.to) == [journey.world.peers[manager].node.id])
    let wish = try #require(wishes.first).wish
    let signed = try Signed<EndWish>(verifying: SignedEnvelope(validating: wish.wish, "wish"))
    #expect(signed.body.request == request && signed.signer == journey.world.peers[Journey.portal].node.id)
    // Of one that is ending already nothing more is wished.
    var ending = report
    ending.state = "ending"
    let more = journey.world.effects(
      of: .link(.with { $0.service = .with { $0.report = ending } }, from: journey.world.peers[manager].node.id),
      at: Journey.portal)
    #expect(!more.contains { if case .sendLink = $0 { true } else { false } })

    journey.world.inject(word, at: Journey.portal)
    journey.world.run(for: .seconds(5))
    #expect(!journey.world.events("service.ended", of: request).isEmpty)
    #expect(journey.world.peers.allSatisfy { $0.node.managed == 0 } && journey.world.workersRunning == 0)
  }
}
