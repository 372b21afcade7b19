import Assignments
import Base
import Desks
import Elections
import Foundation
import Identity
import Mandates
import Sessions
import Testing
import Vocabulary
import Wire

@testable import Core
@testable import Evidence

/// Elections that can be trusted, in whole peers: what happens to liars, to portals that do not know everybody, to requests that last.
@Suite("Trust")
struct TrustTests {
  // MARK: - Fraud

  /// A service that runs, and one of its electors that has lied: it cast two votes for one term.
  struct Scene {
    var journey: Journey
    let request: RequestID
    let manager: Int
    let liar: Int

    init(seed: UInt64) throws {
      journey = try Journey(seed: seed)
      request = try journey.begin()
      manager = try #require(journey.manager(of: request))
      let world = journey.world
      let mandate = try #require(world.peers[manager].node.notes[request]?.warrant.mandate)
      liar = try #require(
        mandate.votes.compactMap { world.number(of: $0.signer) }.first {
          ![Talk.sharedBy, Journey.portal, world.number(of: mandate.manager)].contains($0)
        })
      let vote = try Vote(
        validating: try #require(mandate.votes.first { $0.signer == world.peers[liar].node.id }).bytes)
      var second = vote
      second.candidate = mandate.envelope.order[1]
      second.counter += 1
      let message = ElectionMessage.vote(
        Signed(second, by: world.peers[liar].keys), mandate.envelope, newest: nil)
      let sent = WireLinkMessage.with { $0.election = message.wire }
      journey.world.inject(
        .link(try WireLinkMessage(parsing: sent.wireBytes), from: world.peers[liar].node.id), at: manager)
    }

    var culprit: NodeID { journey.world.peers[liar].keys.id }
  }

  @Test(
    "two votes of one elector are proved to everybody within seconds, kept over a restart, shown, and the service goes on whole"
  )
  func equivocation() throws {
    var scene = try Scene(seed: 2)
    scene.journey.world.run(for: .seconds(3))
    for peer in scene.journey.world.peers {
      #expect(peer.node.fraudProofs.map(\.proof.culprit) == [scene.culprit])
      #expect(peer.records.keys.contains { $0.kind == "fraud" })
    }
    let told = scene.journey.world.events("fraud.proved", of: scene.request)
    #expect(told.count == 5 && told.allSatisfy { $0.event.details.contains { $0.value == "twoVotes" } })
    // Evidence for whoever was not there.
    let manager = scene.journey.world.peers[scene.manager].node
    let evidence = try ElectionEvidence(json: try #require(manager.evidence(of: scene.request)).json())
    #expect(evidence.frauds?.map(\.culprit) == ["\(scene.culprit)"])
    let check = EvidenceCheck(evidence, roster: scene.journey.world.peers.map(\.node.id))
    #expect(check.isValid && check.confirmed.contains { $0.hasPrefix("fraud: ") }, "\(check.summary)")
    // It elects nobody any more, and nobody draws it.
    let view = scene.journey.world.peers[Journey.portal].node.memberView
    #expect(view.ignores(scene.culprit) && view.electorate(for: SourceKey(.zero))?.contains(scene.culprit) == false)
    scene.journey.world.run(for: .seconds(20))
    try scene.journey.expectWhole(scene.request)
  }

  @Test("a peer that restarts goes on ignoring whom it had a proof against")
  func kept() throws {
    var scene = try Scene(seed: 2)
    scene.journey.world.run(for: .seconds(3))
    let witness = try #require(
      (0..<5).first { ![scene.liar, scene.manager, Journey.portal, Talk.sharedBy].contains($0) })
    scene.journey.world.crash(witness)
    scene.journey.world.restart(witness, through: Talk.sharedBy)
    #expect(scene.journey.world.peers[witness].node.memberView.ignores(scene.culprit))
  }

  @Test("a peer that is alone and ignored for fraud itself tells its client so") func aloneAndIgnored() throws {
    var journey = try Journey(seed: 2)
    let peer = journey.world.peers[Talk.sharedBy]
    let others = journey.world.peers.indices.filter { $0 != Talk.sharedBy }
    let candidates = others.map { journey.world.peers[$0].node.id }
    for number in others { journey.world.crash(number) }
    journey.world.run(for: .seconds(40))
    let votes = (0..<2).map { number in
      Vote(
        request: RequestID(.zero), term: Term(1), candidate: candidates[number], newest: nil,
        counter: UInt64(number + 1),
        generation: 7)
    }.map { Utterance(Signed($0, by: peer.keys)) }
    var verified = VerifiedDigests()
    let proof = try FraudProof(votes[0], votes[1], using: &verified)
    let word = FraudWord(proofs: [proof])
    journey.world.inject(.link(.with { $0.fraud = word.wire }, from: candidates[0]), at: Talk.sharedBy)
    #expect(journey.world.peers[Talk.sharedBy].node.fraudProofs.count == 1)
    let document = try Talk.request(from: peer.node.id)
    let token = journey.world.ask(Talk.sharedBy, .submit(document, idempotencyKey: "k", place: nil, extra: 0))
    let isAnswered = journey.world.run(atMost: .seconds(10)) { $0.answers[token] != nil }
    #expect(isAnswered)
    guard case .refused(.election(let reason)) = journey.world.answers[token] else {
      Issue.record("the portal answered \(String(describing: journey.world.answers[token]))")
      return
    }
    #expect(reason.contains("no member may elect"))
  }

  @Test("a client's question is answered by who was asked, whoever else guesses its number") func askedAlone() throws {
    var journey = try Journey(seed: 2)
    let request = try journey.begin()
    let manager = try #require(journey.manager(of: request))
    let others = (0..<5).filter { $0 != manager }
    let (asker, stranger) = (others[0], others[1])
    // It asks everybody, and from then on the manager alone.
    _ = journey.world.ask(asker, .inquire(request, explanation: false))
    journey.world.run(for: .seconds(1))
    let token = journey.world.ask(asker, .inquire(request, explanation: false))
    let (number, inquiry) = try #require(journey.world.peers[asker].node.inquiries.open.elements.last)
    #expect(inquiry.asked == [journey.world.peers[manager].node.id])
    let report = WireServiceReport.with {
      $0.request = request.hash.data
      $0.token = number
      $0.known = true
      $0.state = "failed"
    }
    journey.world.inject(
      .link(.with { $0.service = .with { $0.report = report } }, from: journey.world.peers[stranger].node.id),
      at: asker)
    journey.world.run(for: .seconds(1))
    guard case .report(let answer) = journey.world.answers[token] else {
      Issue.record("the portal answered \(String(describing: journey.world.answers[token]))")
      return
    }
    #expect(answer.wire.state == "running")
  }

  @Test("(canary) one vote less, and there is nothing to prove")
  func honest() throws {
    var journey = try Journey(seed: 2)
    _ = try journey.begin()
    journey.world.run(for: .seconds(5))
    #expect(journey.world.peers.allSatisfy { $0.node.fraudProofs.isEmpty })
  }

  @Test("a manager that is proven a liar is not obeyed any more: its successor takes over and the stream arrives whole")
  func liarManages() throws {
    var found: (Journey, RequestID, Int)?
    for seed in 1...12 as ClosedRange<UInt64> where found == nil {
      var journey = try Journey(seed: seed)
      let request = try journey.begin()
      let manager = try #require(journey.manager(of: request))
      if manager != Journey.portal, manager != Talk.sharedBy { found = (journey, request, manager) }
    }
    var (journey, request, manager) = try #require(found)
    let keys = journey.world.peers[manager].keys
    let accepted = try #require(journey.world.peers[manager].node.ballots.certificate(of: request)).snapshot
    var other = accepted.body
    other.state += [1]
    let mandate = try #require(journey.world.peers[manager].node.notes[request]?.warrant.mandate)
    let message = ElectionMessage.proposal(Signed(other, by: keys), mandate)
    let witness = try #require((0..<5).first { ![manager, Journey.portal].contains($0) })
    journey.world.inject(.link(.with { $0.election = message.wire }, from: keys.id), at: witness)
    journey.world.run(for: .seconds(20))
    let proofs = journey.world.events("fraud.proved", of: request)
    #expect(proofs.count == 5 && proofs.allSatisfy { $0.event.details.contains { $0.value == "twoVersions" } })
    let heir = try #require(journey.world.events("election.won", of: request).last)
    #expect(heir.peer != manager)
    try journey.expectWhole(request)
  }

  // MARK: - Refusals with evidence

  @Test("a portal that does not know two members is shown their records with the refusal, learns them, and calls again")
  func recall() throws {
    var journey = try Journey(seed: 3)
    // Members that are known for a minute count as settled: then an electorate of three is too small.
    journey.world.run(for: .seconds(60))
    let unknown = [1, 3]
    journey.world.blind(Journey.portal, to: unknown)
    let document = try Talk.request(from: journey.world.peers[Talk.sharedBy].node.id)
    let token = journey.world.ask(Journey.portal, .submit(document, idempotencyKey: "k", place: nil, extra: 0))
    _ = journey.world.run(atMost: .seconds(5)) { $0.answers[token] != nil }
    guard case .accepted(let request, _, false) = journey.world.answers[token] else {
      Issue.record("the portal answered \(String(describing: journey.world.answers[token]))")
      return
    }
    let told = journey.world.events("election.implausible")
    let ids = unknown.map { "\(journey.world.peers[$0].node.id)" }
    #expect(
      told.contains { heard in
        heard.event.details.contains { $0.name == "unknown" && ids.allSatisfy($0.value.contains) }
      })
    #expect(journey.world.events("request.recalled").map(\.peer) == [Journey.portal])
    let called = journey.world.events("request.called").map(\.event.details.first?.value)
    #expect(called == ["3", "5"])
    // Whoever comes with the same key is answered with the second request.
    let again = journey.world.ask(Journey.portal, .submit(document, idempotencyKey: "k", place: nil, extra: 0))
    if case .accepted(request, _, true) = journey.world.answers[again] {} else { Issue.record("another answer") }
    journey.world.run(for: .seconds(20))
    try journey.expectWhole(request)
  }

  // MARK: - Renewals

  @Test(
    "a stream that is watched outlives its request's time: the portal renews, nodes and electors follow, nothing is lost"
  )
  func renewal() throws {
    var journey = try Journey(seed: 4)
    journey.world.setRequestLife(.seconds(4), at: Journey.portal)
    let request = try journey.begin()
    let first = try #require(journey.world.peers[Journey.portal].node.knownServices[request]?.warrant).envelope.body
      .notAfter
    _ = journey.world.run(atMost: .seconds(8)) { World.wall(at: $0.now) > first + .seconds(2) }
    for peer in journey.world.peers
    where peer.node.deskLook.groups.contains(where: { $0.shares.contains { $0.request == request } }) {
      let fence = try #require(peer.records.values.compactMap { Fence(restoring: $0) }.first { $0.request == request })
      #expect(fence.until > first + .seconds(2), "the fence lives as long as the request")
    }
    journey.world.run(for: .seconds(15))
    let renewed = journey.world.events("service.renewed", of: request)
    #expect(renewed.count >= 2 && renewed.allSatisfy { $0.peer == Journey.portal })
    #expect(journey.world.events("service.repairing", of: request).count <= 2 * renewed.count)
    try journey.expectWhole(request)
  }

  @Test("(canary) without renewals the service is over at its time")
  func unrenewed() throws {
    var journey = try Journey(seed: 4)
    journey.world.setRequestLife(.seconds(4), at: Journey.portal)
    let request = try journey.begin()
    // What would be renewed at half of its time is not due yet.
    journey.world.setRequestLife(.zero, at: Journey.portal)
    journey.world.run(for: .seconds(20))
    let viewer = try #require(journey.viewer(of: request))
    #expect(viewer.positions.count < 200 && journey.world.events("service.renewed").isEmpty)
  }

  @Test("a manager that dies after the first end has a successor that knows of the renewal")
  func successor() throws {
    var found: (Journey, RequestID, Int)?
    for seed in 1...12 as ClosedRange<UInt64> where found == nil {
      var journey = try Journey(seed: seed)
      journey.world.setRequestLife(.seconds(4), at: Journey.portal)
      let request = try journey.begin()
      let manager = try #require(journey.manager(of: request))
      if manager != Journey.portal, manager != Talk.sharedBy { found = (journey, request, manager) }
    }
    var (journey, request, manager) = try #require(found)
    journey.world.run(for: .seconds(5))
    journey.world.crash(manager)
    journey.world.run(for: .seconds(20))
    try journey.expectWhole(request)
  }
}
