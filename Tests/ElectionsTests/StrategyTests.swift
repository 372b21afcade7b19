import Base
import Evidence
import Foundation
import Identity
import Testing
import Vocabulary
import Wire

@testable import Elections
@testable import Mandates

extension Overlay {
  /// A peer's signed load report, as the measurements' room makes them.
  func report(of peer: Int, load: Double = 0, at place: Double = 0, age: Duration = .seconds(3)) -> SignedEnvelope {
    let bytes = WireReportPart.with {
      $0.node = ids[peer].data
      $0.wallMs = (wall + (.zero - age)).milliseconds
      $0.pulse = .with {
        $0.machineCpu = UInt32(load * 1_000)
        $0.slots = 8
        $0.place = Coordinate(vector: [place, 0, 0, 0], height: 0.1, error: 0.1).mark
      }
    }.wireBytes
    return SignedEnvelope(
      bytes: bytes, signer: ids[peer], signature: peers[peer].keys.sign(bytes, kind: Bearing.kind))
  }

  /// What an order is made from: the higher a peer's number, the nearer it is to the portal, and the less it has to do.
  func evidence(for strategy: ElectionStrategy, _ envelope: Envelope) -> [SignedEnvelope] {
    switch strategy {
    case .sortition:
      let draw = envelope.draw(of: ids[0])
      return envelope.electorate.members.map { elector in
        let keys = peers[index(elector)].keys
        return Signed(Lot(draw: draw, by: keys), by: keys).envelope
      }
    case .nearest, .leastLoaded:
      return peers.indices.filter { $0 == 0 || envelope.electorate.contains(ids[$0]) }.map { peer in
        report(of: peer, load: 1 - Double(peer) / 10, at: peer == 0 ? 100 : Double(10 * peer))
      }
    default: return []
    }
  }

  /// A request with its order of candidates, signed by peer 0.
  func ordered(by strategy: ElectionStrategy) throws -> (Signed<Envelope>, [SignedEnvelope]) {
    guard strategy != .rendezvous else { return (envelope(), []) }
    var body = envelope().body
    let evidence = evidence(for: strategy, body)
    var verified = VerifiedDigests()
    body.order = try CandidateOrder(by: strategy, for: body, of: ids[0], from: evidence, using: &verified)
    return (Signed(body, by: peers[0].keys), evidence)
  }
}

@Suite struct StrategyTests {
  private func elections(_ overlay: Overlay) -> [(peer: Int, mandate: Mandate)] {
    overlay.reports.compactMap { if case .elected(let mandate, _) = $0.effect { ($0.peer, mandate) } else { nil } }
  }

  @Test("the default is an order with a quorum, and what has none says so")
  func safety() {
    #expect(ElectionStrategy.orders == [.rendezvous, .sortition, .nearest, .leastLoaded])
    #expect(ElectionStrategy.orders.allSatisfy { $0.safety == .quorum })
    #expect(ElectionStrategy.raft.safety == .majorityCrashOnly)
    #expect([ElectionStrategy.bully, .firstResponder].allSatisfy { $0.safety == .unsafe && !$0.isOrder })
  }

  @Test(
    "under each order the first in it is elected, and the next when it dies; a mandate says so without evidence",
    arguments: ElectionStrategy.orders)
  func orders(_ strategy: ElectionStrategy) throws {
    var overlay = Overlay(7, seed: 4)
    let (envelope, evidence) = try overlay.ordered(by: strategy)
    #expect(envelope.body.strategy == strategy)
    let order = envelope.order
    #expect(Set(order) == Set(envelope.body.electorate.members))
    if strategy == .nearest { #expect(order.map(overlay.index) == [0, 6, 5, 4, 3, 2, 1]) }
    if strategy == .leastLoaded { #expect(order.map(overlay.index) == [6, 5, 4, 3, 2, 1, 0]) }
    overlay.give(0, .call(envelope, evidence: evidence))
    overlay.run(20)
    let first = try #require(elections(overlay).first)
    #expect(overlay.ids[first.peer] == order[0] && first.mandate.manager == order[0])
    var verified = VerifiedDigests()
    try first.mandate.verify(using: &verified)
    if first.peer != 0 {
      overlay.crash(first.peer)
      overlay.run(5_000)
      #expect(elections(overlay).last.map { overlay.ids[$0.peer] } == order[1])
    }
    #expect(overlay.witness.violations == [])
  }

  @Test("sortition takes one more round: lots, then the call; nobody is first in all draws")
  func draws() throws {
    var firsts: Set<Int> = []
    for counter in 1...12 as ClosedRange<UInt64> {
      var overlay = Overlay(5, seed: counter)
      overlay.give(0, .draw(overlay.envelope(counter: counter).body))
      overlay.run(10)
      guard case .drawn(let draw, let body, let evidence) = try #require(overlay.reports.first).effect else {
        Issue.record("not drawn")
        return
      }
      #expect(body.draw(of: overlay.ids[0]) == draw && evidence.count == 5 && overlay.time == 10_000)
      let envelope = Signed(body, by: overlay.peers[0].keys)
      overlay.give(0, .call(envelope, evidence: evidence))
      overlay.run(10)
      let elected = try #require(elections(overlay).first)
      #expect(overlay.ids[elected.peer] == envelope.order[0])
      firsts.insert(elected.peer)
    }
    #expect(firsts.count >= 3)
  }

  @Test("two silent electors of seven do not hold up a draw: they stand last; three end it, by name")
  func silentElectors() throws {
    var overlay = Overlay(7, seed: 2)
    let members = overlay.envelope().body.electorate.members
    let silent = members.filter { $0 != overlay.ids[0] }.prefix(2)
    for elector in silent { overlay.crash(overlay.index(elector)) }
    overlay.give(0, .draw(overlay.envelope().body))
    overlay.run(200)
    guard case .drawn(_, let body, let evidence) = try #require(overlay.reports.first).effect else {
      Issue.record("not drawn")
      return
    }
    #expect(evidence.count == 5)
    #expect(Array(Signed(body, by: overlay.peers[0].keys).order.suffix(2)) == members.filter(silent.contains))
    let third = members.first { $0 != overlay.ids[0] && !silent.contains($0) }!
    overlay.crash(overlay.index(third))
    overlay.give(0, .draw(overlay.envelope(counter: 2).body))
    overlay.run(20_000)
    guard case .drawFailed(_, let names) = overlay.reports.last?.effect else {
      Issue.record("not failed: \(String(describing: overlay.reports.last))")
      return
    }
    #expect(names == members.filter { silent.contains($0) || $0 == third })
  }

  @Test("an order that does not follow from the evidence gets no vote", arguments: ElectionStrategy.orders.dropFirst())
  func wrongOrders(_ strategy: ElectionStrategy) throws {
    let overlay = Overlay(5, seed: 3)
    let (good, evidence) = try overlay.ordered(by: strategy)
    let order = try #require(good.body.order)
    func fault(_ body: Envelope, _ evidence: [SignedEnvelope]) -> OrderFault? {
      var verified = VerifiedDigests()
      do {
        try Signed(body, by: overlay.peers[0].keys).checkOrder(against: evidence, using: &verified)
      } catch { return error }
      return nil
    }
    #expect(fault(good.body, evidence) == nil)
    var swapped = good.body
    swapped.order = CandidateOrder(
      strategy: strategy, places: [order.places[1], order.places[0]] + order.places.dropFirst(2),
      evidence: order.evidence)
    #expect(fault(swapped, evidence) == .otherOrder)
    #expect(fault(good.body, evidence.reversed()) == .otherEvidence)
    #expect(fault(good.body, []) == .otherEvidence)

    func signed(for evidence: [SignedEnvelope]) -> Envelope {
      var body = good.body
      body.order = CandidateOrder(
        strategy: strategy, places: order.places, evidence: CandidateOrder.digest(of: evidence))
      return body
    }
    func fault(of evidence: [SignedEnvelope]) -> OrderFault? { fault(signed(for: evidence), evidence) }
    let forged = SignedEnvelope(
      bytes: evidence[1].bytes, signer: evidence[1].signer, signature: evidence[0].signature)
    guard case .statement(of: evidence[1].signer, _) = fault(of: [evidence[0], forged] + evidence.dropFirst(2)) else {
      Issue.record("a forged statement is heeded")
      return
    }
    #expect(fault(of: evidence + [evidence[0]]) == .twice(evidence[0].signer))
    #expect(fault(of: Array(evidence.prefix(3))).map { "\($0)" }?.contains("at least 4") == true)
    let stranger = KeyPair(seed: .zero)
    let foreign = Signed(Lot(draw: .zero, by: stranger), by: stranger).envelope
    #expect(fault(of: evidence + [foreign]) == .foreign(stranger.id))

    var elsewhere = overlay
    elsewhere.give(0, .call(Signed(swapped, by: overlay.peers[0].keys), evidence: evidence))
    elsewhere.run(50)
    #expect(elections(elsewhere).isEmpty)
    let refusals = elsewhere.reports.compactMap { report -> (String, Int)? in
      if case .callFailed(_, .refused(.disorder(let why), let by)) = report.effect { (why, by.count) } else { nil }
    }
    let (why, count) = try #require(refusals.first)
    #expect(why == "\(OrderFault.otherOrder)" && count >= 2)
  }

  @Test(
    "evidence has what the order follows from, and a changed bit in it is named",
    arguments: ElectionStrategy.orders.dropFirst())
  func evidence(_ strategy: ElectionStrategy) throws {
    var overlay = Overlay(5, seed: 3)
    let (envelope, statements) = try overlay.ordered(by: strategy)
    overlay.give(0, .call(envelope, evidence: statements))
    overlay.run(20)
    let manager = try #require(elections(overlay).first).peer
    let evidence = try ElectionEvidence(
      json: try #require(overlay.peers[manager].ballots.evidence(of: envelope.request)).json())
    let check = EvidenceCheck(evidence, roster: overlay.ids)
    #expect(
      check.isValid && check.confirmed.contains { $0.contains("by \(strategy.rawValue) follows") }, "\(check.summary)")
    for (index, statement) in try #require(evidence.orderEvidence).enumerated() {
      var changed = evidence
      changed.orderEvidence![index].body = flipped(statement.body)
      #expect(EvidenceCheck(changed).findings.map(\.part) == ["orderEvidence[\(index)]"])
    }
    var shorter = evidence
    shorter.orderEvidence!.removeLast()
    #expect(EvidenceCheck(shorter).findings.map(\.part) == ["orderEvidence"])
  }

  @Test("a lot serves for one draw, and a measurement for a minute")
  func bounds() throws {
    let overlay = Overlay(4, seed: 3)
    let (good, evidence) = try overlay.ordered(by: .sortition)
    var other = good.body
    other.counter += 1
    var verified = VerifiedDigests()
    #expect(throws: OrderFault.statement(of: evidence[0].signer, "drawn for another request")) {
      _ = try CandidateOrder(by: .sortition, for: other, of: overlay.ids[0], from: evidence, using: &verified)
    }
    let body = overlay.envelope().body
    let old = (0..<4).map { overlay.report(of: $0, age: $0 == 2 ? .seconds(61) : .seconds(59)) }
    #expect(throws: OrderFault.stale(overlay.ids[2])) {
      _ = try CandidateOrder(by: .leastLoaded, for: body, of: overlay.ids[0], from: old, using: &verified)
    }
    let withoutPortal = (1..<4).map { overlay.report(of: $0) }
    #expect(throws: OrderFault.portalSilent) {
      _ = try CandidateOrder(by: .nearest, for: body, of: overlay.ids[0], from: withoutPortal, using: &verified)
    }
  }

  @Test("order and evidence survive the wire and the disk; an order that is no permutation is refused")
  func wire() throws {
    let overlay = Overlay(5, seed: 1)
    for strategy in ElectionStrategy.orders {
      let (envelope, evidence) = try overlay.ordered(by: strategy)
      var verified = VerifiedDigests()
      let message = ElectionMessage.call(envelope, wall: overlay.wall, evidence: evidence)
      let read = try ElectionMessage(
        validating: WireElectionMessage(parsing: message.wire.wireBytes), using: &verified)
      #expect(read == message)
      let record = ElectionRecord.ballot(BallotRecord(envelope: envelope, orderEvidence: evidence))
      #expect(try ElectionRecord(key: record.key, value: record.value!) == record)
    }
    var body = try overlay.ordered(by: .nearest).0.body
    body.order = CandidateOrder(strategy: .nearest, places: [0, 0, 1, 2, 3], evidence: .zero)
    #expect(throws: InvalidMessage.self) { _ = try Envelope(validating: body.encoded()) }
    body.order = CandidateOrder(strategy: .bully, places: [0, 1, 2, 3, 4], evidence: .zero)
    #expect(throws: InvalidMessage.self) { _ = try Envelope(validating: body.encoded()) }
    let lots: [ElectionMessage] = [
      .lotCall(.zero), .lot(Signed(Lot(draw: .zero, by: overlay.peers[0].keys), by: overlay.peers[0].keys)),
    ]
    var verified = VerifiedDigests()
    for message in lots {
      #expect(
        try ElectionMessage(validating: WireElectionMessage(parsing: message.wire.wireBytes), using: &verified)
          == message)
    }
  }

  @Test("any weather, under each order: one tenure a term, no version lost, and progress after it")
  func weather() throws {
    for strategy in ElectionStrategy.orders.dropFirst() {
      for seed in 1...4 as ClosedRange<UInt64> {
        let overlay = try WeatherTests.storm(seed: seed, strategy: strategy)
        #expect(overlay.witness.violations == [], "\(strategy), seed \(seed)")
        let hasStalled = WeatherTests.hasStalled(overlay)
        #expect(!hasStalled, "\(strategy), seed \(seed): no progress after the storm")
      }
    }
  }
}
