import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// A signed statement of an election with what it says, its signature not yet checked: what proofs of fraud are made of.
public struct Utterance: Hashable, Sendable {
  /// The bytes, and who is said to have signed them.
  public let statement: SignedEnvelope
  /// What they say.
  public let content: Content

  /// What bears on fraud; opaque parts stay in the bytes.
  public enum Content: Hashable, Sendable {
    /// An elector's vote.
    case vote(Vote)
    /// An elector's word that it keeps a version.
    case acknowledgement(Acknowledgement)
    /// A manager's version.
    case version(RequestID, SnapshotMark)
  }

  /// Reads a statement.
  /// - Parameter kind: `vote`, `acknowledgement` or `snapshot`.
  public init(_ kind: String, _ statement: SignedEnvelope) throws(InvalidMessage) {
    self.statement = statement
    switch kind {
    case Vote.kind: content = .vote(try Vote(validating: statement.bytes))
    case Acknowledgement.kind: content = .acknowledgement(try Acknowledgement(validating: statement.bytes))
    case Snapshot.kind:
      let snapshot = try Snapshot(validating: statement.bytes)
      let digest = Digest.of(statement.bytes + statement.signer.bytes, kind: Snapshot.kind)
      content = .version(
        snapshot.request, SnapshotMark(term: snapshot.term, sequence: snapshot.sequence, digest: digest))
    default: throw InvalidMessage("kind", "“\(kind.prefix(64))” where vote, acknowledgement or snapshot was expected")
    }
  }

  init(_ vote: Signed<Vote>) {
    statement = vote.envelope
    content = .vote(vote.body)
  }
  init(_ word: Signed<Acknowledgement>) {
    statement = word.envelope
    content = .acknowledgement(word.body)
  }
  init(_ snapshot: Signed<Snapshot>) {
    statement = snapshot.envelope
    content = .version(snapshot.body.request, snapshot.mark)
  }

  /// Separates its signature from those of other statements.
  public var kind: String {
    switch content {
    case .vote: Vote.kind
    case .acknowledgement: Acknowledgement.kind
    case .version: Snapshot.kind
    }
  }
  /// Which request it is about.
  public var request: RequestID {
    switch content {
    case .vote(let vote): vote.request
    case .acknowledgement(let word): word.request
    case .version(let request, _): request
    }
  }

  /// Of an elector's statement: what orders it among its others.
  var mark: (term: Term, counter: UInt64, generation: UInt64)? {
    switch content {
    case .vote(let vote): (vote.term, vote.counter, vote.generation)
    case .acknowledgement(let word): (word.mark.term, word.counter, word.generation)
    case .version: nil
    }
  }

  /// What no honest peer says besides `other`; nil when both can be. A store that was lost begins another generation: what was said in two
  /// of them does not contradict each other, for that is a crash.
  func contradicts(_ other: Utterance) -> FraudProof.Kind? {
    guard statement.signer == other.statement.signer, request == other.request,
      statement.bytes != other.statement.bytes
    else { return nil }
    switch (content, other.content) {
    case (.version(_, let a), .version(_, let b)):
      return a.term == b.term && a.sequence == b.sequence ? .twoVersions : nil
    case (.vote(let a), .vote(let b)) where a.term == b.term && a.generation == b.generation: return .twoVotes
    default:
      guard let a = mark, let b = other.mark, a.generation == b.generation else { return nil }
      return (a.counter < b.counter && a.term > b.term) || (b.counter < a.counter && b.term > a.term)
        ? .brokenPromise : nil
    }
  }
}

extension ElectionMessage {
  /// Everything signed in the message that fraud could show in; the votes in mandates are not checked yet.
  func utterances(passing seen: (Mandate) -> Bool) -> [Utterance] {
    func votes(_ mandate: Mandate?) -> [Utterance] {
      guard let mandate, seen(mandate) else { return [] }
      return mandate.votes.compactMap { try? Utterance(Vote.kind, $0) }
    }
    func words(_ handovers: [Handover]) -> [Utterance] {
      handovers.flatMap { $0.words.compactMap { try? Utterance(Acknowledgement.kind, $0) } }
    }
    switch self {
    case .vote(let vote, _, let newest, _):
      return [Utterance(vote)] + (newest.map { [Utterance($0.snapshot)] } ?? []) + votes(newest?.mandate)
    case .elected(let mandate), .heartbeat(_, _, _, .some(let mandate)): return votes(mandate)
    case .proposal(let snapshot, let mandate): return [Utterance(snapshot)] + votes(mandate)
    case .acknowledgement(let word, _): return [Utterance(word)]
    case .handover(let newest, let handovers):
      return [Utterance(newest.snapshot)] + votes(newest.mandate) + words(handovers)
    default: return []
    }
  }
}
