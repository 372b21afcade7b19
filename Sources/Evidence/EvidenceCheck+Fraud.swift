import Base
import Foundation
import Identity
import Mandates
import Vocabulary

// What is beside the mandate: the client's renewal, and proofs of fraud against its electors.

extension EvidenceCheck {
  // MARK: The renewal

  mutating func checkRenewal(_ evidence: ElectionEvidence, _ envelope: Signed<Envelope>) {
    guard let text = evidence.renewal else { return }
    let before = findings.count
    var until: WallTime?
    find("renewal") { () throws(InvalidMessage) in
      let renewal: Signed<Renewal> = try Signed(verifying: try text.parsed("renewal"))
      guard renewal.signer == envelope.client, renewal.body.request == envelope.request else {
        throw InvalidMessage("body", "not the client's word on this request")
      }
      until = renewal.body.notAfter
    }
    if findings.count == before, let until { confirmed.append("renewed by its client until \(until.milliseconds) ms") }
  }

  // MARK: Fraud

  mutating func checkFrauds(_ evidence: ElectionEvidence, _ succession: Succession) {
    let electors = (0...succession.epoch).flatMap { succession.electorate(in: $0)?.members ?? [] }
    for (index, text) in (evidence.frauds ?? []).enumerated() {
      let part = "frauds[\(index)]"
      var words: [Utterance] = []
      for (name, statement) in [("first", text.first), ("second", text.second)] {
        find("\(part).\(name)") { () throws(InvalidMessage) in
          let word = try Utterance(statement.kind, try statement.parsed("statement"))
          guard word.statement.signer.hasSigned(word.statement.bytes, kind: word.kind, word.statement.signature) else {
            throw InvalidMessage("signature", "not \(word.statement.signer.short)…'s over these bytes")
          }
          words.append(word)
        }
      }
      guard words.count == 2 else { continue }
      let before = findings.count
      var summary = ""
      find(part) { () throws(InvalidMessage) in
        var verified = VerifiedDigests(capacity: 4)
        let proof = try FraudProof(words[0], words[1], using: &verified)
        guard proof.culprit.description == text.culprit else {
          throw InvalidMessage("culprit", "the statements are of \(proof.culprit.short)…")
        }
        guard proof.kind.rawValue == text.kind else {
          throw InvalidMessage("kind", "“\(text.kind.prefix(64))” where they prove \(proof.kind.rawValue)")
        }
        guard proof.first == words[0] else { throw InvalidMessage("first", "it comes after the second") }
        guard electors.contains(proof.culprit) else { throw InvalidMessage("culprit", "never elected here") }
        summary = proof.summary
      }
      if findings.count == before { confirmed.append("fraud: \(summary)") }
    }
  }
}
