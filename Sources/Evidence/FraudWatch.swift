import Base
import Identity
import Mandates
import Vocabulary

/// Remembers what was said in elections lately, so that the second of two contradicting statements is noticed. What is said within one
/// request meets here: votes that were forwarded, votes in mandates, versions that electors hand on, acknowledgements.
///
/// It is a memory, not a judge: nothing is believed unless its signature holds, which is looked at only when two statements contradict each
/// other.
struct FraudWatch: Sendable {
  private var requests: OrderedDictionary<RequestID, OrderedDictionary<NodeID, [Utterance]>> = [:]
  private var bytes = 0
  private var mandates: OrderedSet<Bytes32> = []

  /// Whether the mandate's votes are new here.
  mutating func meets(_ mandate: Mandate) -> Bool {
    if mandates.count >= Limits.watchedRequests { mandates.removeFirst(Limits.watchedRequests / 2) }
    return mandates.append(mandate.digest).inserted
  }

  /// Takes in what was said; a proof when it contradicts what was said before.
  mutating func hear(_ word: Utterance, using verified: inout VerifiedDigests) -> FraudProof? {
    // Whatever else its bytes hold, nobody signs so much to vote.
    guard word.isVersion || word.statement.bytes.count <= Limits.utteranceBytes else { return nil }
    var said = requests[word.request]?[word.statement.signer] ?? []
    guard !said.contains(where: { $0.statement.bytes == word.statement.bytes }) else { return nil }
    for index in said.indices.reversed() where said[index].contradicts(word) != nil {
      if let proof = try? FraudProof(said[index], word, using: &verified) { return proof }
      // One of the two is forged. If it is the one that came first it makes room.
      guard verified.check(word.statement, kind: word.kind) else { return nil }
      bytes -= said.remove(at: index).size
    }
    said.append(word)
    bytes += word.size
    // The newest version is enough: what contradicts an older one has an older term or number.
    let versions = said.indices.filter { said[$0].isVersion }
    if versions.count > 1 { bytes -= said.remove(at: versions[0]).size }
    if said.count > Limits.watchedStatements { bytes -= said.removeFirst().size }
    requests[word.request, default: [:]][word.statement.signer] = said
    while requests.count > Limits.watchedRequests || bytes > Limits.watchedBytes {
      bytes -= requests.removeFirst().value.values.reduce(0) { $0 + $1.reduce(0) { $0 + $1.size } }
    }
    return nil
  }
}

extension Utterance {
  var size: Int { statement.bytes.count + 200 }
  var isVersion: Bool { if case .version = content { true } else { false } }
}
