import Base
import Foundation
import Identity
import Mandates
import Vocabulary

// How the order of candidates and the electorate of the term's epoch came to be.

extension EvidenceCheck {
  // MARK: The order of candidates

  mutating func checkOrder(_ evidence: ElectionEvidence, _ envelope: Signed<Envelope>) {
    let strategy = envelope.body.strategy
    guard let texts = evidence.orderEvidence else {
      if envelope.body.order != nil {
        confirmed.append(
          "order of candidates by \(strategy.rawValue), as the client signed it; its evidence is not given")
      }
      return
    }
    let kind = strategy == .sortition ? Lot.kind : CandidateOrder.measurementKind
    var statements: [SignedEnvelope] = []
    let before = findings.count
    for (index, text) in texts.enumerated() {
      find("orderEvidence[\(index)]") { () throws(InvalidMessage) in
        let statement = try text.parsed("statement")
        guard statement.signer.hasSigned(statement.bytes, kind: kind, statement.signature) else {
          throw InvalidMessage("signature", "not \(statement.signer.short)…'s over these bytes")
        }
        statements.append(statement)
      }
    }
    guard findings.count == before else { return }
    var verified = VerifiedDigests()
    do {
      try envelope.checkOrder(against: statements, using: &verified)
      confirmed.append("order of candidates by \(strategy.rawValue) follows from \(statements.count) statements")
    } catch { findings.append(Finding(part: "orderEvidence", problem: "\(error)")) }
  }

  // MARK: Handovers

  /// Who elects and stands after all handovers; nil when one does not hold, for then nothing after it can.
  mutating func checkHandovers(_ evidence: ElectionEvidence, _ envelope: Signed<Envelope>) -> Succession? {
    var succession = Succession(envelope)
    let texts = evidence.handovers ?? []
    guard texts.count <= Limits.epochs else {
      findings.append(Finding(part: "handovers", problem: "\(texts.count) where at most \(Limits.epochs) are possible"))
      return nil
    }
    for (index, text) in texts.enumerated() {
      let (part, before) = ("handovers[\(index)]", findings.count)
      guard text.epoch == UInt32(index) + 1 else {
        findings.append(Finding(part: part, problem: "epoch \(text.epoch) where \(index + 1) was expected"))
        return nil
      }
      guard let electorate = Electorate(text.electorate.compactMap { NodeID($0) }),
        electorate.size == text.electorate.count
      else {
        findings.append(Finding(part: part, problem: "its electorate is not a list of different node IDs"))
        return nil
      }
      var words: [Signed<Acknowledgement>] = []
      for (number, word) in text.words.enumerated() {
        find("\(part).words[\(number)]") { () throws(InvalidMessage) in
          words.append(try Signed(verifying: try word.parsed("word")))
        }
      }
      guard findings.count == before, let mark = words.first?.body.mark else {
        if findings.count == before { findings.append(Finding(part: part, problem: "nobody's word stands for it")) }
        return nil
      }
      let handover = Handover(mark: mark, electorate: electorate, words: words.map(\.envelope))
      var verified = VerifiedDigests()
      do throws(HandoverFault) {
        try handover.verify(
          by: succession.electorate, of: envelope.request, in: UInt32(index), using: &verified)
      } catch {
        findings.append(Finding(part: part, problem: "\(error)"))
        return nil
      }
      succession = Succession(envelope, succession.handovers + [handover])
      confirmed.append(
        "epoch \(text.epoch): \(words.count) electors of the one before handed over to \(electorate.size)")
    }
    return succession
  }
}
