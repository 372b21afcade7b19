import Base
import Identity
import Mandates
import Vocabulary

@testable import Elections
@testable import Evidence

/// Stands outside the peers and sees all that they send and report. Knows nothing of how they work, only what they promise.
struct Witness {
  private(set) var violations: [String] = []
  private var promised: [Pair: Term] = [:]
  private var proposals: [Numbered: Signed<Snapshot>] = [:]
  private var newest: [Pair: SnapshotMark] = [:]
  private var elections: [(mandate: Mandate, log: [UInt8])] = []
  private var inForce: [Signed<Snapshot>] = []

  struct Pair: Hashable {
    let node: NodeID
    let request: RequestID
  }
  struct Numbered: Hashable {
    let request: RequestID
    let sequence: UInt64
    let term: Term
  }

  var acceptedVersions: Int { inForce.count }
  var terms: [Term] { elections.map(\.mandate.term) }

  /// What leaves a peer.
  private var watch = FraudWatch()
  private var verified = VerifiedDigests()

  mutating func sees(_ message: ElectionMessage, from node: NodeID) {
    // Nobody lies here, so nothing that is said may prove fraud.
    for word in message.utterances(passing: { watch.meets($0) }) {
      if let proof = watch.hear(word, using: &verified) {
        violations.append("an honest peer is convicted: \(proof.summary)")
      }
    }
    let pair = Pair(node: node, request: message.request)
    switch message {
    case .vote(let vote, _, let carried, _):
      if vote.signer == node { keeps(pair, vote.body.term, "vote", raises: true) }
      if let carried, carried.snapshot.mark < newest[pair] ?? carried.snapshot.mark {
        violations.append("an elector offers an older version than it acknowledged")
      }
    case .acknowledgement(let statement, _) where statement.signer != node: break
    case .acknowledgement(let statement, _):
      keeps(pair, statement.body.mark.term, "acknowledgement", raises: true)
      newest[pair] = max(statement.body.mark, newest[pair] ?? statement.body.mark)
    case .heartbeatAnswer(_, let term, _): keeps(pair, term, "heartbeat answer", raises: true)
    case .proposal(let snapshot, _):
      let number = Numbered(request: snapshot.body.request, sequence: snapshot.body.sequence, term: snapshot.body.term)
      if let before = proposals[number], before.digest != snapshot.digest {
        violations.append("two versions \(snapshot.mark)")
      }
      proposals[number] = snapshot
    default: break
    }
  }

  /// A vote for t is a promise: nothing for a lower term follows it.
  private mutating func keeps(_ pair: Pair, _ term: Term, _ what: String, raises: Bool) {
    if let before = promised[pair], term < before {
      violations.append("a \(what) for term \(term) after term \(before)")
    }
    if raises { promised[pair] = max(term, promised[pair] ?? term) }
  }

  /// At most one tenure a request and term; every later manager takes over all that is in force.
  mutating func elected(_ mandate: Mandate, adopting: Signed<Snapshot>?) {
    if elections.contains(where: { $0.mandate.request == mandate.request && $0.mandate.term == mandate.term }) {
      violations.append("two tenures of term \(mandate.term)")
    }
    var verified = VerifiedDigests()
    do { try mandate.verify(using: &verified) } catch { violations.append("a mandate that does not hold: \(error)") }
    let log = adopting?.body.state ?? []
    elections.append((mandate, log))
    for kept in inForce where kept.body.request == mandate.request && kept.body.term < mandate.term {
      compare(kept, log, mandate.term)
    }
  }

  /// A manager reports that a version is in force.
  mutating func accepted(_ request: RequestID, sequence: UInt64, in term: Term?) {
    guard let term, let snapshot = proposals[Numbered(request: request, sequence: sequence, term: term)] else {
      violations.append("version \(sequence) is in force and was never proposed")
      return
    }
    inForce.append(snapshot)
    for election in elections where election.mandate.request == request && election.mandate.term > snapshot.body.term {
      compare(snapshot, election.log, election.mandate.term)
    }
  }

  private mutating func compare(_ kept: Signed<Snapshot>, _ log: [UInt8], _ term: Term) {
    guard !log.starts(with: kept.body.state) else { return }
    violations.append("version \(kept.mark) was in force and the manager of term \(term) does not know it")
  }
}
