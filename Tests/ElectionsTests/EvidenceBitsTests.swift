import Assignments
import Base
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections
@testable import Evidence

/// A third party needs only the file: whatever is changed in it, anywhere, is named by the part that it was changed in.
@Suite struct EvidenceBitsTests {
  /// Everything that evidence can hold: a later epoch, an order with its evidence, a version with its certificate, a renewal, assignments,
  /// proofs of fraud of each kind.
  static func everything() throws -> ElectionEvidence {
    var overlay = Overlay(9, seed: 1)
    var body = overlay.envelope().body
    let lots = body.electorate.members.map { id in
      let keys = overlay.peers[overlay.index(id)].keys
      return Signed(Lot(draw: body.draw(of: overlay.ids[0]), by: keys), by: keys).envelope
    }
    var verified = VerifiedDigests()
    body.order = try CandidateOrder(by: .sortition, for: body, of: overlay.ids[0], from: lots, using: &verified)
    let envelope = Signed(body, by: overlay.peers[0].keys)
    overlay.give(0, .call(envelope, evidence: lots))
    overlay.run(50)
    let first = overlay.index(envelope.order[0])
    overlay.give(first, .propose(envelope.request, SnapshotDraft(version: 7, label: "running", state: [42])))
    overlay.run(50)
    overlay.give(
      0,
      .renew(
        Signed(
          Renewal(request: envelope.request, issued: overlay.wall, notAfter: overlay.wall + .seconds(9_000)),
          by: overlay.peers[0].keys)))
    overlay.run(50)
    let others = envelope.body.electorate.members.map(overlay.index).filter { $0 != first && $0 != 0 }
    overlay.depart(others[0])
    overlay.depart(others[1])
    overlay.run(3_000)
    let manager = try #require(overlay.peers.firstIndex { $0.isUp && $0.ballots.tenures[envelope.request] != nil })
    var evidence = try #require(overlay.peers[manager].ballots.evidence(of: envelope.request))
    let keys = overlay.peers[manager].keys
    evidence.append(
      EvidenceTests.assignment(for: envelope.request, in: Term(epoch: 1, 1), by: keys), kind: Assignment.kind)
    let succession = try #require(overlay.peers[manager].ballots.mandate(of: envelope.request)).succession
    let liar = overlay.peers[others[2]].keys
    func vote(_ term: UInt32, _ candidate: Int, _ counter: UInt64) -> Utterance {
      Utterance(
        Signed(
          Vote(
            request: envelope.request, term: Term(term), candidate: overlay.ids[candidate], newest: nil,
            counter: counter, generation: 3), by: liar))
    }
    func version(_ state: UInt8) -> Utterance {
      Utterance(
        Signed(
          Snapshot(
            request: envelope.request, term: Term(1), sequence: 1, version: 1, label: "", state: [state], claims: []),
          by: liar))
    }
    for (a, b) in [(vote(1, 0, 5), vote(1, 1, 6)), (vote(3, 0, 5), vote(2, 1, 6)), (version(1), version(2))] {
      evidence.append(try FraudProof(a, b, using: &verified), ofElectorsIn: succession)
    }
    return evidence
  }

  @Test("sound as it is: every part is confirmed")
  func sound() throws {
    let evidence = try Self.everything()
    let check = EvidenceCheck(try ElectionEvidence(json: evidence.json()))
    #expect(check.isValid, "\(check.summary)")
    let starts = [
      "request", "order of", "epoch 1", "mandate", "version", "renewed", "1 assignments", "fraud", "fraud", "fraud",
    ]
    #expect(zip(check.confirmed, starts).allSatisfy { $0.hasPrefix($1) } && check.confirmed.count == starts.count)
  }

  @Test("any character of any text and any number changed is named, by its part")
  func bits() throws {
    let whole = try JSONSerialization.jsonObject(with: Self.everything().json())
    var random = SeededRandom(seed: 11)
    var changes = 0
    var missed: [String] = []
    for path in Self.leaves(whole) {
      for _ in 0..<4 {
        let changed = Self.changing(whole, path[...], &random)
        changes += 1
        let name = String(path.map { $0 is Int ? "[\($0)]" : ".\($0)" }.joined().dropFirst())
        let read: ElectionEvidence
        do {
          read = try ElectionEvidence(json: JSONSerialization.data(withJSONObject: changed))
        } catch { continue }
        let check = EvidenceCheck(read)
        // Of a list of statements the very one is named.
        let named = check.findings.map(\.part).filter { name.hasPrefix($0) }
        let isOneOfMany = path.count > 2 && path[1] is Int
        if !named.contains(where: { !isOneOfMany || $0.contains("[") }) { missed.append("\(name): \(check.summary)") }
      }
    }
    #expect(changes > 300)
    #expect(missed == [])
  }

  @Test("a term that is not the votes' is named alone: votes, manager and version are judged by theirs")
  func term() throws {
    let evidence = try Self.everything()
    var changed = evidence
    changed.term.number += 1
    #expect(EvidenceCheck(changed).findings.map(\.part) == ["term"])
    changed = evidence
    changed.term.epoch += 1
    #expect(EvidenceCheck(changed).findings.map(\.part) == ["term"])
    // The other way round it is the vote that was changed.
    changed = evidence
    changed.votes[0].body = flipped(changed.votes[0].body)
    #expect(EvidenceCheck(changed).findings.contains { $0.part == "votes[0]" })
    #expect(!EvidenceCheck(changed).findings.contains { $0.part == "term" })
  }

  private static func leaves(_ value: Any, _ path: [Any] = []) -> [[Any]] {
    switch value {
    case let object as [String: Any]: object.keys.sorted().flatMap { leaves(object[$0]!, path + [$0]) }
    case let list as [Any]: list.indices.flatMap { leaves(list[$0], path + [$0]) }
    default: [path]
    }
  }

  /// The same with one bit of one leaf changed, within its alphabet where that is possible.
  private static func changing(_ value: Any, _ path: ArraySlice<Any>, _ random: inout SeededRandom) -> Any {
    guard let next = path.first else { return changed(value, &random) }
    if var object = value as? [String: Any], let key = next as? String {
      object[key] = changing(object[key]!, path.dropFirst(), &random)
      return object
    }
    var list = value as! [Any]
    list[next as! Int] = changing(list[next as! Int], path.dropFirst(), &random)
    return list
  }

  private static func changed(_ leaf: Any, _ random: inout SeededRandom) -> Any {
    guard let text = leaf as? String else { return (leaf as! NSNumber).intValue ^ (1 << random.index(below: 3)) }
    var letters = Array(text.utf8)
    guard !letters.isEmpty else { return "a" }
    let index = random.index(below: letters.count)
    let before = letters[index]
    repeat {
      letters[index] = before ^ UInt8(1 << random.index(below: 6))
    } while letters[index] < 32 || letters[index] > 126
    return String(decoding: letters, as: UTF8.self)
  }
}
