import Assignments
import Base
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary
import Wire

@testable import Elections
@testable import Evidence

@Suite struct EvidenceTests {
  private func elected() throws -> (Overlay, RequestID, ElectionEvidence) {
    var overlay = Overlay(7, seed: 1)
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(20)
    let manager = try #require(overlay.peers.firstIndex { $0.ballots.tenures[envelope.request] != nil })
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 1, label: "running", state: [1, 2, 3])))
    overlay.run(20)
    var evidence = try #require(overlay.peers[manager].ballots.evidence(of: envelope.request))
    evidence.append(
      Self.assignment(for: envelope.request, by: overlay.peers[manager].keys), kind: Assignment.kind)
    return (overlay, envelope.request, evidence)
  }

  /// What a manager signs for a node: here for itself.
  static func assignment(for request: RequestID, in term: Term = Term(1), by keys: KeyPair) -> SignedEnvelope {
    let stream = StreamKey(.zero)
    let provider = Provider(node: keys.id, address: PeerAddress(host: "10.0.0.1", port: 1))
    return Signed(
      Assignment(
        request: request, term: term, mandate: .zero, node: keys.id, version: 1, ordinal: 0,
        work: .delivery(output: "main", stream: stream),
        inputs: [InputAssignment(stream: stream, upstreams: [provider])], expires: WallTime(milliseconds: 9)),
      by: keys
    ).envelope
  }

  @Test("evidence is checked from its signatures alone, and says what it is relative to")
  func valid() throws {
    let (overlay, _, evidence) = try elected()
    let read = try ElectionEvidence(json: evidence.json())
    #expect(read == evidence && read.votes.count == 5 && read.acknowledgements.count >= 5)
    let alone = EvidenceCheck(read)
    #expect(alone.isValid && alone.summary.contains("without a roster"))
    let rostered = EvidenceCheck(read, roster: overlay.ids)
    #expect(rostered.isValid && rostered.summary.contains("valid relative to roster"))
    #expect(rostered.confirmed.count == 5)
    // Another overlay's members would have been asked: half of these electors are strangers to it.
    let strangers = (0..<7).map { KeyPair(seed: Bytes32([UInt8](repeating: UInt8($0 + 99), count: 32))!).id }
    let foreign = EvidenceCheck(read, roster: strangers)
    #expect(foreign.findings.map(\.part) == ["electorate"])
  }

  @Test(
    "what the manager signed for another request, in another's term, twice, or as something else is no assignment of this one"
  )
  func foreignAssignments() throws {
    let (overlay, request, evidence) = try elected()
    let manager = try #require(overlay.peers.first { $0.ballots.tenures[request] != nil })
    func findings(_ change: (inout ElectionEvidence) -> Void) -> [String] {
      var copy = evidence
      change(&copy)
      return EvidenceCheck(copy).findings.map(\.description)
    }
    let other = RequestID(Digest.of([7], kind: "another"))
    let foreign = findings { $0.append(Self.assignment(for: other, by: manager.keys), kind: Assignment.kind) }
    #expect(foreign.count == 1 && foreign[0].hasPrefix("assignments[1]: request: for request"))
    let late = findings {
      $0.append(Self.assignment(for: request, in: Term(2), by: manager.keys), kind: Assignment.kind)
    }
    #expect(late.count == 1 && late[0].hasPrefix("assignments[1]: term: of term 2"))
    #expect(findings { $0.assignments.append($0.assignments[0]) } == ["assignments[1]: body: stands twice"])
    let snapshot = try #require(evidence.snapshot)
    let disguised = findings {
      $0.assignments.append(
        ElectionEvidence.StatementText(
          kind: "snapshot", signer: snapshot.signer, body: snapshot.body, signature: snapshot.signature))
    }
    #expect(disguised == ["assignments[1]: kind: “snapshot” where “assignment” was expected"])
  }

  @Test("a roster that lacks the electors makes nothing plausible; what is not shown is said")
  func shortRoster() throws {
    let (overlay, _, evidence) = try elected()
    let check = EvidenceCheck(evidence, roster: [try #require(NodeID(evidence.electorate[0]))])
    #expect(check.findings.map(\.part) == ["electorate"])
    #expect(check.findings[0].problem.hasPrefix("6 of 7 electors are not on the roster, at most 2 may be"))
    var bare = evidence
    (bare.snapshot, bare.acknowledgements, bare.assignments) = (nil, [], [])
    let rest = EvidenceCheck(bare, roster: overlay.ids)
    #expect(rest.isValid && rest.absent == ["a version in force", "assignments"])
    #expect(EvidenceCheck(evidence, roster: overlay.ids).absent.isEmpty)
  }

  @Test("a changed bit is named by the part that it was changed in")
  func changed() throws {
    let (_, _, evidence) = try elected()
    func flipped(_ text: String) throws -> String {
      var data = try #require(Data(base64Encoded: text))
      data[data.count / 2] ^= 1
      return data.base64EncodedString()
    }
    func parts(_ change: (inout ElectionEvidence) throws -> Void) throws -> [String] {
      var copy = evidence
      try change(&copy)
      return EvidenceCheck(copy).findings.map(\.part)
    }
    #expect(try parts { $0.envelope.body = try flipped($0.envelope.body) } == ["envelope"])
    #expect(try parts { $0.votes[2].signature = try flipped($0.votes[2].signature) } == ["votes[2]", "votes"])
    #expect(try parts { $0.votes[0].body = try flipped($0.votes[0].body) } == ["votes[0]", "votes"])
    #expect(try parts { $0.votes[1] = $0.votes[0] } == ["votes[1]", "votes"])
    #expect(try parts { $0.votes[3].signature = "!" } == ["votes[3]", "votes"])
    let snapshot = try flipped(try #require(evidence.snapshot).body)
    #expect(try parts { $0.snapshot?.body = snapshot } == ["snapshot"])
    #expect(
      try parts { $0.acknowledgements[0].body = try flipped($0.acknowledgements[0].body) }.first
        == "acknowledgements[0]")
    #expect(try parts { $0.assignments[0].body = try flipped($0.assignments[0].body) } == ["assignments[0]"])
    #expect(try parts { $0.assignments[0].kind = "vote" } == ["assignments[0]"])
    #expect(try parts { $0.manager = $0.electorate.first { $0 != evidence.manager }! } == ["manager"])
    #expect(try parts { $0.electorate.swapAt(0, 1) } == ["electorate"])
    #expect(try parts { $0.request = "a" + $0.request.dropFirst() } == ["request"])
    #expect(try parts { $0.term.number = 8 } == ["term"])
  }

  @Test("JSON that is not evidence is refused with the field")
  func malformed() throws {
    let (_, _, evidence) = try elected()
    #expect { try ElectionEvidence(json: Data("{}".utf8)) } throws: { "\($0)".contains("is missing") }
    #expect { try ElectionEvidence(json: Data("no".utf8)) } throws: { "\($0)".contains("not JSON") }
    // Good JSON, with a number that no epoch has.
    let good = String(decoding: evidence.json(), as: UTF8.self)
    let odd = good.replacing("\"epoch\" : 0", with: "\"epoch\" : -1")
    #expect(odd != good)
    #expect { try ElectionEvidence(json: Data(odd.utf8)) } throws: {
      "\($0)" == "evidence.term.epoch: -1.0 is no count"
    }
    // A part that is no statement: which field of it.
    var broken = evidence
    broken.envelope.signer = "nobody"
    #expect(EvidenceCheck(broken).findings.map(\.problem) == ["envelope.signer: not a node ID of 52 base32 characters"])
    broken = evidence
    broken.snapshot?.body = "?"
    #expect(EvidenceCheck(broken).findings.first?.problem == "snapshot.body: not base64")
  }

  @Test("every message survives the wire, and its signatures are checked once")
  func wire() throws {
    var overlay = Overlay(5, seed: 1)
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(20)
    let manager = try #require(overlay.peers.firstIndex { $0.ballots.tenures[envelope.request] != nil })
    let claim = Claim(stream: StreamKey(Bytes32.zero), node: overlay.ids[1])
    overlay.give(
      manager, .propose(envelope.request, SnapshotDraft(version: 3, label: "running", state: [7], claims: [claim])))
    overlay.run(20)
    let tenure = try #require(overlay.peers[manager].ballots.tenures[envelope.request])
    let (mandate, snapshot) = (tenure.mandate, try #require(tenure.proposal?.snapshot))
    let vote: Signed<Vote> = try Signed(verifying: mandate.votes[0])
    let answer = try #require(tenure.proposal?.answers.values.first?.statement)
    let decline = Signed(
      Decline(request: envelope.request, term: Term(1), reason: .busy, counter: 1, generation: 1),
      by: overlay.peers[0].keys)
    let earlier = EarlierClaim(request: envelope.request, claim: claim)
    let refusals: [ElectionRefusal] = [
      .implausible(omitted: overlay.ids, reason: "why"), .duplicate(of: envelope), .staleTerm(promised: Term(3)),
      .expired,
      .clockSkew(overlay.wall), .ended, .lostStore, .busy, .notAnElector, .electing(Term(2)), .unknownRequest,
    ]
    let messages: [ElectionMessage] =
      [
        .call(envelope, wall: overlay.wall),
        .vote(vote, envelope, newest: MandatedSnapshot(snapshot: snapshot, mandate: mandate)),
        .vote(vote, envelope, newest: nil), .elected(mandate),
        .heartbeat(envelope.request, Term(1), sent: overlay.now, mandate),
        .heartbeat(envelope.request, Term(1), sent: overlay.now, nil),
        .heartbeatAnswer(envelope.request, Term(1), sent: overlay.now), .proposal(snapshot, mandate),
        .proposal(snapshot, nil),
        .acknowledgement(answer, earlier: [earlier]), .decline(decline), .end(envelope.request, Term(1)),
      ] + refusals.map { .refusal(envelope.request, $0) }
    var verified = VerifiedDigests()
    for message in messages {
      let bytes = message.wire.wireBytes
      #expect(try ElectionMessage(validating: WireElectionMessage(parsing: bytes), using: &verified) == message)
    }
    #expect(verified.verifications == 5)
    var noise = SeededRandom(seed: 5)
    for message in messages {
      var bytes = message.wire.wireBytes
      for _ in 0..<20 {
        bytes[noise.index(below: bytes.count)] ^= UInt8(1 << noise.index(below: 8))
        if let wire = try? WireElectionMessage(parsing: bytes) {
          _ = try? ElectionMessage(validating: wire, using: &verified)
        }
      }
    }
    var mine = VerifiedDigests()
    #expect(try Mandate(validating: mandate.encoded(), using: &mine) == mandate)
  }

  @Test(
    "a mandate names its fault: a vote unsigned, mis-signed, of another term or twice; too few; expired; implausible")
  func faults() throws {
    let (overlay, request, _) = try elected()
    let mandates = overlay.peers.compactMap { $0.ballots.tenures[request]?.mandate }
    let mandate = try #require(mandates.first)
    func fault(_ votes: [SignedEnvelope]) -> MandateFault? {
      var verified = VerifiedDigests()
      do { try Mandate(envelope: mandate.envelope, term: mandate.term, votes: votes)!.verify(using: &verified) } catch {
        return error
      }
      return nil
    }
    let votes = mandate.votes
    #expect(fault(votes) == nil)
    #expect(fault(Array(votes.dropLast())) == .noQuorum(found: 4, needed: 5))
    #expect(fault(votes.dropLast() + [votes[0]]) == .vote(of: votes[0].signer, .countedTwice))
    let forged = SignedEnvelope(bytes: votes[0].bytes, signer: votes[0].signer, signature: votes[1].signature)
    #expect(fault([forged] + votes.dropFirst()) == .vote(of: votes[0].signer, .misSigned))
    let voter = try #require(overlay.peers.first { $0.keys.id == votes[0].signer }).keys
    var other = try Vote(validating: votes[0].bytes)
    other.term = Term(2)
    #expect(fault([Signed(other, by: voter).envelope] + votes.dropFirst()) == .vote(of: voter.id, .otherTerm(Term(2))))
    var verified = VerifiedDigests()
    let late = overlay.wall + .seconds(7_200)
    #expect(throws: MandateFault.expired(mandate.envelope.body.notAfter)) {
      try mandate.verify(for: request, in: Term(1), wall: late, view: overlay.view, at: overlay.now, using: &verified)
    }
    #expect(throws: MandateFault.otherTerm(Term(1))) {
      try mandate.verify(
        for: request, in: Term(2), wall: overlay.wall, view: overlay.view, at: overlay.now, using: &verified)
    }
  }

  @Test("records come back from the store as they were, and a corrupt one is refused")
  func records() throws {
    let (overlay, request, _) = try elected()
    for (key, value) in overlay.peers[1].disk {
      let record = try ElectionRecord(key: key, value: value)
      #expect(record.key == key && record.value == value)
      guard key.hasPrefix("ballot/") else { continue }
      var corrupt = value
      corrupt[corrupt.count / 3] ^= 64
      #expect(throws: InvalidMessage.self) { try ElectionRecord(key: key, value: corrupt) }
    }
    #expect(overlay.peers[1].disk.keys.contains("ballot/\(request)"))
  }
}
