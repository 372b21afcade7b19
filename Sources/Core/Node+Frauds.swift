import Assignments
import Base
import Desks
import Elections
import Evidence
import Identity
import Mandates
import Membership
import Sessions
import Vocabulary
import Wire

// Proofs of fraud: found in what is heard of elections, kept, told on, and acted on by ignoring their culprits.

extension Node {
  mutating func fraud(_ input: FraudInput) {
    // Taken out meanwhile: it asks for members now and then, and a copy of all for it to ask costs more than the rest.
    var (frauds, random, verified) = (FraudBook(node: id), random, verified)
    swap(&frauds, &self.frauds)
    let effects = frauds.handle(
      input, wall: wall, isMember: { $0 == id || members[$0] != nil },
      others: { members.all(at: now).filter { $0.isMember && $0.node != id }.map(\.node) }, using: &random, &verified)
    swap(&frauds, &self.frauds)
    self.random = random
    for effect in effects { perform(effect) }
  }

  private mutating func perform(_ effect: FraudEffect) {
    switch effect {
    case .persist(let record): persist([Record(record)], then: .nothing)
    case .forget(let culprit): effectsOut.append(.forget([FraudRecord.name(of: culprit)]))
    case .send(let word, let node): send(.with { $0.fraud = word.wire }, to: node)
    case .convicted(let proof):
      event(
        "fraud.proved", proof.request, proof.summary,
        [.init("culprit", "\(proof.culprit)"), .init("kind", proof.kind.rawValue)])
      ballot(.members(memberView))
    case .released(let node):
      event("fraud.forgotten", nil, "\(node.short)… is heard again", [.init("culprit", "\(node)")])
      ballot(.members(memberView))
    }
  }

  // MARK: - At the desk

  /// A manager speaks to this node's desk. One that is proven a liar is not heard: its successor will speak.
  mutating func direct(_ message: SessionMessage, from sender: NodeID) throws(InvalidMessage) {
    guard frauds[sender] == nil else {
      throw InvalidMessage("SessionMessage", "there is a proof of fraud against its manager")
    }
    shownMandate = message.mandate
    tellDesk(.message(message, from: sender))
    shownMandate = []
  }

  // MARK: - What is shown

  /// The proofs that this peer knows.
  public var fraudProofs: [FraudRecord] { frauds.proofs }

  /// An election's evidence with the proofs against its electors.
  func evidence(of request: RequestID) -> ElectionEvidence? {
    guard var evidence = ballots.evidence(of: request), let mandate = ballots.mandate(of: request) else { return nil }
    for record in frauds.proofs { evidence.append(record.proof, ofElectorsIn: mandate.succession) }
    return evidence
  }
}

extension SessionMessage {
  /// The mandate that a manager shows; empty where it shows none.
  fileprivate var mandate: [UInt8] {
    switch self {
    case .reserve(let body): body.mandate
    case .commit(let body): body.mandate
    case .release(let body): body.mandate
    default: []
    }
  }
}

extension FraudRecord {
  static let kind = "fraud"
  static func name(of culprit: NodeID) -> Record.Name { Record.Name(kind: kind, key: culprit.bytes) }

  init?(restoring record: Record) {
    guard record.name.kind == FraudRecord.kind, let known = try? FraudRecord(validating: record.bytes) else {
      return nil
    }
    self = known
  }
}

extension Record {
  init(_ record: FraudRecord) {
    self.init(
      kind: FraudRecord.kind, key: record.proof.culprit.bytes, bytes: record.bytes, keepUntil: record.until)
  }
}
