import Base
import Evidence
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary
import Wire

@testable import Elections

@Suite struct HandoverTests {
  private func elections(_ overlay: Overlay) -> [(peer: Int, mandate: Mandate, newest: Signed<Snapshot>?)] {
    overlay.reports.compactMap {
      if case .elected(let mandate, let newest) = $0.effect { ($0.peer, mandate, newest) } else { nil }
    }
  }

  /// A service on nine peers of which seven elect, with a version in force; its electors but portal and manager, in order.
  static func running(
    peers: Int = 9, lifetime: Duration = .seconds(3_600)
  ) throws -> (Overlay, Signed<Envelope>, manager: Int, others: [Int]) {
    var overlay = Overlay(peers, seed: 1)
    let envelope = overlay.envelope(lifetime: lifetime)
    overlay.give(0, .call(envelope))
    overlay.run(50)
    let manager = overlay.index(envelope.order[0])
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 7, label: "running", state: [42])))
    overlay.run(50)
    let others = envelope.body.electorate.members.map(overlay.index).filter { $0 != manager && $0 != 0 }
    return (overlay, envelope, manager, others)
  }

  @Test(
    "two of seven electors are gone: the old quorum hands over, the same manager goes on in the next epoch, and the portal hears of it"
  )
  func handover() throws {
    var (overlay, envelope, manager, others) = try Self.running()
    overlay.depart(others[0])
    overlay.run(2_000)
    #expect(elections(overlay).count == 1, "one loss can be borne")
    overlay.depart(others[1])
    overlay.run(2_000)
    let (peer, mandate, newest) = try #require(elections(overlay).last)
    #expect(mandate.term == Term(epoch: 1, 1) && peer == manager)
    #expect(newest?.body.state == [42] && newest?.body.version == 7 && newest?.body.term == mandate.term)
    #expect(mandate.electorate == overlay.view.electorate(for: envelope.body.source))
    #expect(mandate.electorate.members.allSatisfy { !overlay.departed.contains(overlay.index($0)) })
    var verified = VerifiedDigests()
    try mandate.verify(
      for: envelope.request, in: mandate.term, wall: overlay.wall, view: overlay.view, at: overlay.now, using: &verified
    )
    #expect(overlay.reports.contains { $0.peer == 0 && $0.effect == .managerKnown(mandate) })
    for elector in mandate.electorate.members {
      let ballot = try #require(overlay.peers[overlay.index(elector)].ballots.ballots[envelope.request])
      #expect(ballot.epoch == 1 && ballot.record.accepted?.snapshot.body.state == [42])
    }
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 8, label: "running", state: [42, 43])))
    overlay.run(100)
    #expect(overlay.witness.acceptedVersions == 2 && overlay.witness.violations == [])
  }

  @Test("who was away while fewer were named believes their mandate later; who would have expected neither does not")
  func returns() throws {
    var (overlay, envelope, _, others) = try Self.running(peers: 7)
    let all = overlay.view
    for elector in others.prefix(2) { overlay.depart(elector) }
    overlay.run(2_000)
    let mandate = try #require(elections(overlay).last?.mandate)
    #expect(mandate.term == Term(epoch: 1, 1) && mandate.electorate.size == 5)
    func check(_ view: MemberView) throws {
      var verified = VerifiedDigests()
      try mandate.verify(
        for: envelope.request, in: mandate.term, wall: overlay.wall, view: view,
        at: overlay.now + Limits.settledMember, using: &verified)
    }
    try check(all)
    let strangers = Overlay(16, seed: 9).ids.suffix(9)
    let other = MemberView(strangers.map { MemberView.Member(id: $0, knownSince: .zero) })
    #expect(throws: MandateFault.self) { try check(other) }
  }

  @Test("a service outlives four of its seven electors, manager among them, one after the other")
  func outlives() throws {
    var (overlay, envelope, manager, others) = try Self.running()
    for elector in [others[0], others[1], manager, others[2]] {
      overlay.depart(elector)
      overlay.run(6_000)
    }
    let last = try #require(elections(overlay).last)
    #expect(last.mandate.term.epoch >= 2 && last.newest?.body.state == [42])
    #expect(overlay.peers[last.peer].ballots.tenures[envelope.request]?.isFrozen == false)
    #expect(overlay.witness.violations == [])
  }

  @Test(
    "the manager dies while it hands over, at any moment, and comes back: one manager goes on from the same version")
  func dyingManager() throws {
    for moment in [0, 1, 2, 3, 4, 6, 8, 10, 14, 30] as [Int64] {
      var (overlay, envelope, manager, others) = try Self.running()
      overlay.depart(others[0])
      overlay.depart(others[1])
      overlay.run(600) { $0.peers[manager].ballots.tenures[envelope.request]?.succession != nil }
      overlay.run(moment)
      overlay.crash(manager)
      // Three of seven are gone: before the certificate is out, nobody can go on without this one.
      overlay.run(3_000)
      try overlay.restart(manager)
      overlay.run(9_000)
      let last = try #require(elections(overlay).last)
      #expect(last.mandate.term > Term(1) && last.newest?.body.state == [42], "\(moment) ms")
      #expect(overlay.witness.violations == [], "\(moment) ms")
      let leaders = overlay.peers.indices.filter { overlay.peers[$0].ballots.tenures[envelope.request] != nil }
      #expect(leaders.count == 1, "\(moment) ms")
    }
  }

  @Test("a restarted elector of the new epoch remembers it")
  func restart() throws {
    var (overlay, envelope, manager, others) = try Self.running()
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.run(2_000)
    let mandate = try #require(elections(overlay).last).mandate
    let elector = overlay.index(mandate.electorate.members.first { $0 != overlay.ids[manager] }!)
    overlay.crash(elector)
    try overlay.restart(elector)
    #expect(overlay.peers[elector].ballots.ballots[envelope.request]?.epoch == 1)
    overlay.run(3_000)
    #expect(overlay.witness.violations == [])
  }

  @Test("the end that is wished for while the epochs change comes in the new one")
  func endDuringHandover() throws {
    var (overlay, envelope, manager, others) = try Self.running()
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.run(600) { $0.peers[manager].ballots.tenures[envelope.request]?.succession != nil }
    overlay.give(manager, .end(envelope.request, state: []))
    overlay.run(2_000)
    #expect(overlay.reports.contains { $0.peer == 0 && $0.effect == .ended(envelope.request) })
  }

  @Test("a certificate names its fault: too few, a stranger's, of another version, of another electorate, misplaced")
  func faults() throws {
    var (overlay, envelope, _, others) = try Self.running()
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.run(2_000)
    let mandate = try #require(elections(overlay).last).mandate
    let good = try #require(mandate.succession.handovers.first)
    func fault(_ handovers: [Handover]) -> MandateFault? {
      var verified = VerifiedDigests()
      do throws(MandateFault) { try Succession(envelope, handovers).verify(using: &verified) } catch { return error }
      return nil
    }
    #expect(fault([good]) == nil)
    var few = Handover(mark: good.mark, electorate: good.electorate, words: Array(good.words.prefix(4)))
    #expect(fault([few]) == .handover(to: 1, .noQuorum(found: 4, needed: 5)))
    few = Handover(mark: good.mark, electorate: good.electorate, words: good.words.prefix(4) + [good.words[0]])
    #expect(fault([few]) == .handover(to: 1, .word(of: good.words[0].signer, "stands twice")))
    let grabbed = Handover(mark: good.mark, electorate: envelope.body.electorate, words: good.words)
    #expect(fault([grabbed]) == .handover(to: 1, .word(of: good.words[0].signer, "not for this handover")))
    let forged = SignedEnvelope(
      bytes: good.words[0].bytes + [0], signer: good.words[0].signer, signature: good.words[0].signature)
    #expect(
      fault([Handover(mark: good.mark, electorate: good.electorate, words: [forged] + good.words.dropFirst())])
        == .handover(to: 1, .word(of: forged.signer, "not signed by it")))
    if case .handover(to: 2, _) = fault([good, good]) {} else { Issue.record("one certificate served for two epochs") }
    var verified = VerifiedDigests()
    #expect(try Mandate(validating: mandate.encoded(), using: &verified) == mandate)
    #expect(Mandate(envelope: envelope, term: mandate.term, votes: mandate.votes) == nil)
  }

  @Test("evidence of a later epoch is complete, and a changed bit in any part of it is named")
  func evidence() throws {
    var (overlay, envelope, manager, others) = try Self.running()
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.run(2_000)
    let evidence = try #require(overlay.peers[manager].ballots.evidence(of: envelope.request))
    let read = try ElectionEvidence(json: evidence.json())
    let roster = overlay.peers.indices.filter { !overlay.departed.contains($0) }.map { overlay.ids[$0] }
    let check = EvidenceCheck(read, roster: roster)
    #expect(check.isValid && read == evidence, "\(check.summary)")
    #expect(check.confirmed.contains { $0.hasPrefix("epoch 1: ") })
    #expect(read.term == ElectionEvidence.TermText(epoch: 1, number: 1) && read.snapshot != nil)
    func parts(_ change: (inout ElectionEvidence) -> Void) -> [String] {
      var copy = read
      change(&copy)
      return EvidenceCheck(copy).findings.map(\.part)
    }
    let words = try #require(read.handovers?[0].words)
    for index in words.indices {
      #expect(
        parts { $0.handovers![0].words[index].body = flipped(words[index].body) } == ["handovers[0].words[\(index)]"])
      #expect(
        parts { $0.handovers![0].words[index].signature = flipped(words[index].signature) }
          == ["handovers[0].words[\(index)]"])
    }
    #expect(parts { $0.handovers![0].electorate.swapAt(0, 1) } == ["handovers[0]"])
    #expect(parts { $0.handovers![0].words.removeLast(words.count - 4) } == ["handovers[0]"])
    #expect(parts { $0.handovers![0].epoch = 2 } == ["handovers[0]"])
    #expect(parts { $0.handovers = nil }.contains("term"))
    #expect(parts { $0.electorate.swapAt(0, 1) } == ["electorate"])
  }

  /// Electors leave for good, one by one, in bad weather.
  static func exodus(seed: UInt64, defect: Ballots.Defect? = nil) throws -> Overlay {
    var choices = SeededRandom(seed: seed &* 37 &+ 11)
    var overlay = Overlay(10, seed: seed, defect: defect)
    overlay.appendEvery = 250
    overlay.weather = Overlay.Weather(
      delay: 1...(5 + choices.index(below: 30)), loss: 0.08 * choices.fraction(), repetition: 0.05,
      disk: 1 + choices.index(below: 10))
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(400)
    for _ in 0..<14 {
      let manager = overlay.peers.firstIndex { $0.log != nil } ?? 1
      switch choices.index(below: 6) {
      case 0, 1, 2:
        // Nobody promises anything when electors leave faster than their places are filled.
        let newest = overlay.reports.reduce(envelope.body.electorate) { electorate, report in
          if case .elected(let mandate, _) = report.effect { mandate.electorate } else { electorate }
        }
        let living = newest.members.map(overlay.index).filter { !overlay.departed.contains($0) }
        let victims = living.filter { $0 != 0 && overlay.peers[$0].isUp }
        if overlay.departed.count < 4, living.count > newest.quorum, let victim = victims.randomOrNil(&choices) {
          overlay.depart(victim)
        }
      case 3: overlay.crash(manager)
      case 4: overlay.peers[manager].isCutOff = true
      default: break
      }
      overlay.run(Int64(200 + choices.index(below: 1_500)))
      for peer in overlay.peers.indices {
        overlay.peers[peer].isCutOff = false
        try overlay.restart(peer)
      }
      overlay.run(Int64(choices.index(below: 2_500)))
    }
    return overlay
  }

  @Test(
    "electors leave one by one in any weather: one tenure a term, nothing in force lost, epochs go on", arguments: 1...8
  )
  func weather(_ seed: UInt64) throws {
    var overlay = try HandoverTests.exodus(seed: seed)
    #expect(overlay.witness.violations == [])
    overlay.weather = Overlay.Weather()
    let before = overlay.witness.acceptedVersions
    overlay.run(20_000) { $0.witness.acceptedVersions > before + 1 }
    #expect(
      overlay.witness.acceptedVersions > before + 1,
      "no progress: \(overlay.peers.map(\.ballots).map(WeatherTests.state))")
    #expect(overlay.witness.violations == [])
  }

  @Test("epochs really change in those storms")
  func epochsChange() throws {
    let terms = try (1...4 as ClosedRange<UInt64>).flatMap { try HandoverTests.exodus(seed: $0).witness.terms }
    #expect(terms.contains { $0.epoch > 0 })
  }

  @Test(
    "the witness catches every planted fault of a handover",
    arguments: [.entersWithoutVersion] as [Ballots.Defect])
  func canaries(_ defect: Ballots.Defect) throws {
    let caught = try (1...200 as ClosedRange<UInt64>).first { seed in
      !(try HandoverTests.exodus(seed: seed, defect: defect)).witness.violations.isEmpty
    }
    #expect(caught != nil, "\(defect) stayed unnoticed in 200 storms: checkers or storms are too weak")
  }
}

/// Base64 with one bit changed in the middle.
func flipped(_ text: String) -> String {
  var data = Data(base64Encoded: text)!
  data[data.count / 2] ^= 1
  return data.base64EncodedString()
}

extension Array {
  fileprivate func randomOrNil(_ random: inout SeededRandom) -> Element? {
    isEmpty ? nil : self[random.index(below: count)]
  }
}
