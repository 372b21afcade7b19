import Base
import Elections
import Identity
import Mandates
import Vocabulary
import Wire

/// What a fraud book is told.
public enum FraudInput: Hashable, Sendable {
  /// An election message came in, checked.
  case heard(ElectionMessage)
  /// Another peer speaks of fraud.
  case received(FraudWord, from: NodeID)
  /// This peer shows its whole view to another: the books are compared too.
  case meets(NodeID)
  /// Now and then: what is too old is forgotten.
  case housekeeping
}

/// What a fraud book asks for, to be done in order.
public enum FraudEffect: Hashable, Sendable {
  /// Keep over a restart; nothing waits for it.
  case persist(FraudRecord)
  /// Forget.
  case forget(NodeID)
  /// Send over a link.
  case send(FraudWord, to: NodeID)
  /// From now on this peer is ignored.
  case convicted(FraudProof)
  /// From now on it is not.
  case released(NodeID)
}

/// What peers say to each other of fraud.
public struct FraudWord: Hashable, Sendable {
  /// Proofs, checked.
  public var proofs: [FraudProof] = []
  /// Against these the sender has a proof.
  public var known: [NodeID] = []
  /// The sender asks for nothing.
  public var isAnswer = false
}

/// The proofs of fraud that a peer knows, how it finds them, and how they spread (design §8). One proof a culprit is enough.
///
/// A proof is told on once by everybody who learns it, to a few members at random: with ln N + 3 each, word reaches all but a few, as with
/// any epidemic (Demers et al., 1987). Whoever it passed by learns of it when it next compares its whole view with somebody's.
public struct FraudBook: Sendable {
  private let node: NodeID
  private var records: OrderedDictionary<NodeID, FraudRecord> = [:]
  private var watch = FraudWatch()
  private var bytes = 0

  /// - Parameter records: as the store kept them.
  public init(node: NodeID, restoring records: [FraudRecord] = []) {
    self.node = node
    for record in records { keep(record) }
  }

  /// Who is ignored, in the order in which it was learnt.
  public var ignored: OrderedSet<NodeID> { records.keys }
  /// All proofs, in the order in which they were learnt.
  public var proofs: [FraudRecord] { Array(records.values) }
  /// The proof against a peer.
  public subscript(node: NodeID) -> FraudRecord? { records[node] }

  /// Handles one input.
  /// - Parameters:
  ///   - members: everybody that this peer knows of, whatever their state: nobody else's fraud is kept.
  ///   - others: those of them that live, without this peer: whom it is told.
  ///   - verified: good signatures.
  public mutating func handle(
    _ input: FraudInput, wall: WallTime, isMember: (NodeID) -> Bool, others: () -> [NodeID],
    using random: inout SeededRandom, _ verified: inout VerifiedDigests
  ) -> [FraudEffect] {
    switch input {
    case .heard(let message):
      // Taken out, not copied: it is large.
      var watch = FraudWatch()
      swap(&watch, &self.watch)
      let words = message.utterances { watch.meets($0) }.filter { isMember($0.statement.signer) }
      let found = words.compactMap { watch.hear($0, using: &verified) }
      swap(&watch, &self.watch)
      return found.flatMap { learn($0, wall, isMember, others, &random) }
    case .received(let word, let sender):
      return word.proofs.flatMap { learn($0, wall, isMember, others, &random) } + onKnown(word, sender, isMember)
    case .meets(let other): return records.isEmpty ? [] : [.send(FraudWord(known: Array(records.keys)), to: other)]
    case .housekeeping:
      let old = records.values.filter { $0.until < wall }.map(\.proof.culprit)
      for culprit in old { forget(culprit) }
      return old.flatMap { [.forget($0), .released($0)] }
    }
  }

  private mutating func learn(
    _ proof: FraudProof, _ wall: WallTime, _ isMember: (NodeID) -> Bool, _ others: () -> [NodeID],
    _ random: inout SeededRandom
  ) -> [FraudEffect] {
    let culprit = proof.culprit
    guard records[culprit] == nil, culprit == node || isMember(culprit),
      let leaving = leaving(for: proof, isMember)
    else { return [] }
    for culprit in leaving { forget(culprit) }
    let record = FraudRecord(proof, since: wall)
    keep(record)
    let others = others()
    let audience = random.permuted(others).prefix(FraudBook.fanOut(others.count))
    return leaving.flatMap { [.forget($0), .released($0)] } + [.persist(record), .convicted(proof)]
      + audience.map { .send(FraudWord(proofs: [proof]), to: $0) }
  }

  /// Whose proofs go so that this one has room: of those who are members no more, then larger ones, the largest first. Nil where all
  /// that would go is worth as much: whoever makes up liars, with large proofs, does not keep out those against real ones.
  private func leaving(for proof: FraudProof, _ isMember: (NodeID) -> Bool) -> [NodeID]? {
    var (count, size) = (records.count, bytes)
    func isFull() -> Bool { count >= Limits.frauds || size + proof.size > Limits.fraudBytes }
    guard isFull() else { return [] }
    let order = records.values.enumerated().map { (place: $0, record: $1, isMember: isMember($1.proof.culprit)) }
      .filter { !$0.isMember || $0.record.proof.size > proof.size }
      .sorted {
        ($0.isMember ? 1 : 0, -$0.record.proof.size, $0.place) < ($1.isMember ? 1 : 0, -$1.record.proof.size, $1.place)
      }
    var leaving: [NodeID] = []
    for (_, record, _) in order {
      leaving.append(record.proof.culprit)
      (count, size) = (count - 1, size - record.proof.size)
      if !isFull() { return leaving }
    }
    return nil
  }

  /// ln N + 3, by halves of the binary logarithm: 0.69 of it is enough, 1 is safe.
  static func fanOut(_ members: Int) -> Int { 3 + (Int.bitWidth - max(members, 1).leadingZeroBitCount) }

  /// What the other lacks it gets; what it has and this peer lacks it is asked for, by showing what is known here.
  private func onKnown(_ word: FraudWord, _ sender: NodeID, _ isMember: (NodeID) -> Bool) -> [FraudEffect] {
    // An answer that asks for something shows at least who asks.
    guard !word.known.isEmpty else { return [] }
    let theirs = Set(word.known)
    var answer = FraudWord(isAnswer: true)
    var size = 0
    for record in records.values where !theirs.contains(record.proof.culprit) {
      guard answer.proofs.count < Limits.fraudsTold, size < Limits.fraudBytesTold else { break }
      answer.proofs.append(record.proof)
      size += record.proof.size
    }
    if !word.isAnswer, word.known.contains(where: { records[$0] == nil && ($0 == node || isMember($0)) }) {
      answer.known = records.keys + [node]
    }
    return answer.proofs.isEmpty && answer.known.isEmpty ? [] : [.send(answer, to: sender)]
  }

  private mutating func keep(_ record: FraudRecord) {
    bytes += record.proof.size
    records[record.proof.culprit] = record
  }

  private mutating func forget(_ culprit: NodeID) {
    if let record = records.removeValue(forKey: culprit) { bytes -= record.proof.size }
  }
}

extension FraudWord {
  /// Checks what came: every proof whole.
  public init(validating wire: WireFraudMessage, using verified: inout VerifiedDigests) throws(InvalidMessage) {
    for proof in try Field.list(wire.proofs, "FraudMessage.proofs", limit: Limits.fraudsTold) {
      proofs.append(try FraudProof(validating: proof, using: &verified))
    }
    for node in try Field.list(wire.known, "FraudMessage.known", limit: Limits.frauds + 1) {
      known.append(try Field.node(node, "FraudMessage.known"))
    }
    isAnswer = wire.isAnswer
  }

  /// For sending.
  public var wire: WireFraudMessage {
    .with {
      $0.proofs = proofs.map(\.wire)
      $0.known = known.map(\.data)
      $0.isAnswer = isAnswer
    }
  }
}

extension Limits {
  /// A culprit is ignored for this long after its proof was learnt: an operator who restored an old store by mistake may come back under the
  /// same identity, a liar gains no more by it than by making a new one.
  public static let fraudMemory = Duration.seconds(30 * 24 * 3_600)
  /// Culprits that a peer keeps a proof of: one each, members only.
  public static let frauds = 1_024
  /// Bytes of all proofs kept: those with two versions of a plan are large.
  public static let fraudBytes = 16 << 20
  /// Proofs in one message, when two books are compared…
  public static let fraudsTold = 16
  /// … and about how many bytes of them.
  public static let fraudBytesTold = 1 << 20
  /// A vote or acknowledgement is shorter: two hashes, two IDs, some numbers.
  public static let utteranceBytes = 4_096
  /// Requests whose statements are remembered to notice contradictions, the newest.
  public static let watchedRequests = 512
  /// Statements of one peer in one request's election that are remembered: some terms' votes and words.
  public static let watchedStatements = 12
  /// Bytes of all statements remembered.
  public static let watchedBytes = 8 << 20
}
