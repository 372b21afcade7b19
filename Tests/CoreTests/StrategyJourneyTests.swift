import Assignments
import Base
import Desks
import Elections
import Identity
import Mandates
import Measurements
import Rivals
import Sessions
import Testing
import Vocabulary

@testable import Core

/// Whole peers whose operators chose another order of candidates.
@Suite("Election strategies in whole peers")
struct StrategyJourneyTests {
  private func mandate(of request: RequestID, in journey: Journey) throws -> Mandate {
    let manager = try #require(journey.manager(of: request))
    return try #require(journey.world.peers[manager].node.notes[request]?.warrant.mandate)
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
    // The second to win; with the electors handed over a third may follow, by the next epoch's order.
    let next = journey.world.events("election.won", of: request).dropFirst().first
    #expect(next.map { journey.world.peers[$0.peer].node.id } == first.envelope.order[1])
  }

  @Test("an order reads measurements under the kind that their room signs them with")
  func kinds() { #expect(ReportPart.kind == CandidateOrder.measurementKind) }
}

/// Whole peers whose operators chose a protocol without a quorum of signed votes.
@Suite("Rival protocols in whole peers")
struct RivalJourneyTests {
  static let rivals = ElectionStrategy.allCases.filter { !$0.isOrder }

  /// A service that runs, managed by a peer that is neither source nor portal, so that its death ends nothing else.
  private func begin(_ strategy: ElectionStrategy) throws -> (Journey, RequestID, manager: Int) {
    for seed in 1...40 as ClosedRange<UInt64> {
      var journey = try Journey(seed: seed, election: strategy)
      let request = try journey.begin()
      let manager = try #require(journey.manager(of: request))
      if manager != Talk.sharedBy, manager != Journey.portal { return (journey, request, manager) }
    }
    throw Journey.Refusal(what: "source or portal managed in forty worlds")
  }

  @Test("a request is served whole under each, and its manager shows no more than its own claim", arguments: rivals)
  func served(_ strategy: ElectionStrategy) throws {
    var journey = try Journey(seed: 3, election: strategy)
    let request = try journey.begin()
    let manager = try #require(journey.manager(of: request))
    let warrant = try #require(journey.world.peers[manager].node.notes[request]?.warrant)
    guard case .claim(let claim) = warrant else { throw Journey.Refusal(what: "\(warrant)") }
    #expect(claim.envelope.body.strategy == strategy && claim.manager == journey.world.peers[manager].node.id)
    if strategy == .bully {
      #expect(claim.manager == claim.envelope.body.electorate.members.max())
    }
    journey.world.run(for: .seconds(20))
    try journey.expectWhole(request)
    #expect(!journey.world.events("service.ended", of: request).isEmpty)
  }

  @Test("the manager is killed: another takes over where it stood, and the stream goes on whole", arguments: rivals)
  func failover(_ strategy: ElectionStrategy) throws {
    var (journey, request, first) = try begin(strategy)
    let version = try #require(journey.world.peers[first].node.director.services[request]?.version)
    journey.world.crash(first)
    let taken = journey.world.run(atMost: .seconds(12)) { world in
      world.peers.indices.contains {
        $0 != first && world.peers[$0].isAlive && world.peers[$0].node.director.services[request]?.phase == .running
      }
    }
    #expect(taken, "somebody else manages it")
    let second = try #require(journey.manager(of: request))
    let manager = try #require(journey.world.peers[second].node.director.services[request])
    // It goes on from what it knew, and does not begin anew.
    #expect(second != first && manager.version > version && manager.mandate.term > Term(1))
    journey.world.run(for: .seconds(25))
    try journey.expectWhole(request)
  }

  @Test("what a majority of raft has on disk survives a loss of power at everybody but the portal")
  func raftRemembers() throws {
    var (journey, request, first) = try begin(.raft)
    for peer in journey.world.peers.indices where peer != Journey.portal { journey.world.crash(peer) }
    journey.world.run(for: .seconds(1))
    for peer in journey.world.peers.indices where peer != Journey.portal {
      journey.world.restart(peer, through: Journey.portal)
    }
    let restored = journey.world.peers[first].node.contests.has(request)
    #expect(restored)
    let managed = journey.world.run(atMost: .seconds(15)) { world in
      world.peers.contains { $0.node.director.services[request]?.current != nil }
    }
    #expect(managed, "a successor knows the plan")
  }

  @Test("a member of raft whose vote cannot be read votes in that request no more, and the service goes on without it")
  func raftForgot() throws {
    var (journey, request, first) = try begin(.raft)
    let member = try #require(
      journey.world.peers.indices.first { peer in
        ![first, Talk.sharedBy, Journey.portal].contains(peer) && journey.world.peers[peer].node.contests.has(request)
      })
    let name = Record.Name(kind: Node.contestKind, key: request.hash.bytes)
    #expect(journey.world.peers[member].records[name] != nil)
    journey.world.crash(member)
    journey.world.spoil(name, of: member)
    journey.world.restart(member, through: Talk.sharedBy)
    journey.world.run(for: .seconds(5))
    #expect(journey.world.peers[member].records[name] == nil)
    let takesPart = journey.world.peers[member].node.contests.has(request)
    #expect(!takesPart)
    journey.world.run(for: .seconds(20))
    try journey.expectWhole(request)
  }

  @Test("a node whose operator chose a quorum refuses what a rival's manager asks, and says why", arguments: rivals)
  func refused(_ strategy: ElectionStrategy) throws {
    var journey = try Journey(seed: 3)
    let request = try journey.begin()
    let (world, node) = (journey.world, journey.world.peers[Talk.sharedBy].node)
    var body = try #require(node.notes[request] ?? world.peers.compactMap { $0.node.notes[request] }.first).warrant
      .envelope.body
    body.contest = strategy
    let envelope = Signed(body, by: world.peers[Journey.portal].keys)
    let claimant = try #require(world.peers.first { $0.node.id != node.id && body.electorate.contains($0.node.id) })
    let statement = ClaimStatement(request: envelope.request, strategy: strategy, term: 1, wall: node.wall)
    let claim = try ManagerClaim(envelope, Signed(statement, by: claimant.keys))
    let bytes = Warrant.claim(claim).encoded()
    guard case .failure(.unproved(let reason)) = node.deskContext.verifyMandate(bytes, envelope.request, Term(1)) else {
      throw Journey.Refusal(what: "the claim was heeded")
    }
    #expect(reason.contains("two managers") && reason.contains("rendezvous"))
    // The same claim at a node of the same strategy is heeded: it is the operator's choice that refuses it.
    let other = try Journey(seed: 3, election: strategy).world.peers[Talk.sharedBy].node
    let answer = other.deskContext.verifyMandate(bytes, envelope.request, Term(1))
    #expect((try? answer.get())?.manager == claimant.node.id)
    // And the electors of a quorum do not vote for it.
    var elector = node.ballots
    let effects = elector.handle(
      .received(from: claimant.node.id, .call(envelope, wall: node.wall)), at: node.now, wall: node.wall)
    let refusal = effects.compactMap { effect -> ElectionRefusal? in
      if case .send(_, .refusal(_, let refusal)) = effect { refusal } else { nil }
    }
    #expect(refusal == [.disorder("\(strategy.rawValue) is no order under the quorum protocol")])
  }

  @Test("a portal alone with its strategy is refused by all, and its client is told")
  func alone() throws {
    var world = World(seed: 5, offers: Journey.offers, elections: [4: .bully])
    world.joinAll()
    world.run(for: .seconds(15))
    let token = world.ask(
      Journey.portal,
      .submit(try Talk.request(from: world.peers[Talk.sharedBy].node.id), idempotencyKey: nil, place: nil, extra: 0))
    world.run(for: .seconds(70))
    guard case .refused(let why) = world.answers[token] else {
      throw Journey.Refusal(what: "answered \(String(describing: world.answers[token]))")
    }
    #expect("\(why)".contains("this node elects by rendezvous"))
    #expect(world.heard.contains { $0.event.summary.contains("it elects by rendezvous") })
  }
}
