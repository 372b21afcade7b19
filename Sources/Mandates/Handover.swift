import Base
import Identity
import Vocabulary
import Wire

// Electorates outlive departures. A handover is a version of the service's state that names the next epoch's electorate: it goes the way
// of every version, so that whoever manages later in the old epoch finds it and can only repeat it (the reconfiguration of Viewstamped
// Replication Revisited, Liskov and Cowling 2012, §7). The quorum's acknowledgements name the new electorate too: they are the
// certificate, and the seal of the old epoch.

/// The certificate of a handover: a quorum of one epoch's electors keeps the version that names the next electorate.
public struct Handover: Hashable, Sendable {
  /// The old epoch's last version.
  public let mark: SnapshotMark
  /// Who elects in the next epoch.
  public let electorate: Electorate
  /// The old electors' signed ``Acknowledgement``s, not yet checked.
  public let words: [SignedEnvelope]

  /// Unchecked parts; see ``Succession/verify(using:)``.
  public init(mark: SnapshotMark, electorate: Electorate, words: [SignedEnvelope]) {
    self.mark = mark
    self.electorate = electorate
    self.words = words
  }
}

/// Why a handover does not hold.
public enum HandoverFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Fewer of the old epoch's electors than a quorum.
  case noQuorum(found: Int, needed: Int)
  /// A word that does not count.
  case word(of: NodeID, String)

  public var description: String {
    switch self {
    case .noQuorum(let found, let needed): "\(found) electors of the old epoch where \(needed) make a quorum"
    case .word(let elector, let why): "the word of \(elector.short)…: \(why)"
    }
  }
}

/// Who elects and who stands, epoch by epoch: what the client signed, and a certificate for each handover since.
public struct Succession: Hashable, Sendable {
  /// What the client signed: the electorate of epoch 0.
  public let envelope: Signed<Envelope>
  /// One for each epoch after the first, not yet checked.
  public let handovers: [Handover]
  /// Who elects in the newest epoch.
  public let electorate: Electorate
  /// The order in which they become candidates: of the request and the newest electorate alone. One handover can come to have two
  /// certificates, when its manager dies and the next makes it so once more; an order that followed from a certificate's term
  /// would then differ between electors, and no term would find its quorum.
  public let order: [NodeID]

  /// - Parameters:
  ///   - envelope: what the client signed.
  ///   - handovers: one for each epoch after the first, at most ``Limits/epochs``.
  public init(_ envelope: Signed<Envelope>, _ handovers: [Handover] = []) {
    self.envelope = envelope
    self.handovers = handovers
    electorate = handovers.last?.electorate ?? envelope.body.electorate
    order = handovers.last.map { $0.electorate.order(of: envelope.request) } ?? envelope.order
  }

  /// The newest epoch.
  public var epoch: UInt32 { UInt32(handovers.count) }

  /// The one candidate of a term of the newest epoch; nil for any other epoch, and for term 0.
  public func candidate(in term: Term) -> NodeID? {
    term.epoch == epoch && term.number > 0 ? order[Int(term.number - 1) % order.count] : nil
  }

  /// Who elected in an epoch; nil for one that has not begun.
  public func electorate(in epoch: UInt32) -> Electorate? {
    epoch == 0 ? envelope.body.electorate : epoch <= self.epoch ? handovers[Int(epoch) - 1].electorate : nil
  }

  /// Whether a peer had a part in the request before the newest epoch began, or could have in the first.
  package func mayHaveElectedBefore(_ node: NodeID) -> Bool {
    (0..<max(epoch, 1)).contains { electorate(in: $0)?.contains(node) ?? false }
  }

  /// Checks that each electorate was named by a quorum of the one before.
  public func verify(using verified: inout VerifiedDigests) throws(MandateFault) {
    // What costs nothing first, in all of them: up to 64 certificates are hundreds of signatures.
    for (epoch, handover) in handovers.enumerated() {
      let old = electorate(in: UInt32(epoch))!
      do { try handover.checkSpeakers(of: old, in: UInt32(epoch)) } catch {
        throw .handover(to: UInt32(epoch) + 1, error)
      }
    }
    for (epoch, handover) in handovers.enumerated() {
      let old = electorate(in: UInt32(epoch))!
      do { try handover.verify(by: old, of: envelope.request, in: UInt32(epoch), using: &verified) } catch {
        throw .handover(to: UInt32(epoch) + 1, error)
      }
    }
  }
}

extension MemberView {
  /// Checks who elects in the newest epoch. Each electorate was named by a quorum of the one before, as the certificates say, which found it
  /// plausible when it was drawn: whoever was away then, and would have expected an earlier one, believes the newest as well.
  /// The error is of the newest. The certificates are checked besides.
  public func checkPlausibility(of succession: Succession, at now: Instant) throws(Implausible) {
    let source = succession.envelope.body.source
    try expectOne(of: succession) { electorate throws(Implausible) in
      try checkPlausibility(of: electorate, for: source, at: now)
    }
  }

  /// The half of it that holds for electorates drawn long ago too: whether one has as many as the members allow.
  package func checkSize(of succession: Succession, at now: Instant) throws(Implausible) {
    let source = succession.envelope.body.source
    try expectOne(of: succession) { electorate throws(Implausible) in
      try checkSize(of: electorate, for: source, at: now)
    }
  }

  private func expectOne(
    of succession: Succession, _ check: (Electorate) throws(Implausible) -> Void
  ) throws(Implausible) {
    do throws(Implausible) { try check(succession.electorate) } catch {
      let earlier = (0..<succession.epoch).lazy.compactMap { succession.electorate(in: $0) }
      guard earlier.contains(where: { (try? check($0)) != nil }) else { throw error }
    }
  }
}

extension Handover {
  /// Checks that a quorum of the old epoch's electors keeps the version that names the next electorate.
  package func verify(
    by old: Electorate, of request: RequestID, in epoch: UInt32, using verified: inout VerifiedDigests
  ) throws(HandoverFault) {
    try checkSpeakers(of: old, in: epoch)
    for word in words {
      func no(_ why: String) -> HandoverFault { .word(of: word.signer, why) }
      guard verified.check(word, kind: Acknowledgement.kind) else { throw no("not signed by it") }
      let body: Acknowledgement
      do { body = try Acknowledgement(validating: word.bytes) } catch { throw no("\(error)") }
      guard body.request == request, body.mark == mark, mark.term.epoch == epoch, body.successors == electorate else {
        throw no("not for this handover")
      }
    }
  }

  /// Who is said to have signed: a quorum of the old electors, each once.
  fileprivate func checkSpeakers(of old: Electorate, in epoch: UInt32) throws(HandoverFault) {
    guard words.count >= old.quorum else { throw .noQuorum(found: words.count, needed: old.quorum) }
    var speakers = Set<NodeID>()
    for word in words {
      guard old.contains(word.signer) else { throw .word(of: word.signer, "not an elector of epoch \(epoch)") }
      guard speakers.insert(word.signer).inserted else { throw .word(of: word.signer, "stands twice") }
    }
  }

  package init(validating wire: WireHandoverProof) throws(InvalidMessage) {
    guard let electorate = try Electorate(validating: wire.electorate, "HandoverProof.electorate") else {
      throw InvalidMessage("HandoverProof.electorate", "empty")
    }
    var words: [SignedEnvelope] = []
    for word in try Field.list(wire.words, "HandoverProof.words", limit: Limits.electors) {
      words.append(try SignedEnvelope(validating: word, "HandoverProof.words"))
    }
    self.init(mark: try SnapshotMark(validating: wire.mark), electorate: electorate, words: words)
  }

  package var wire: WireHandoverProof {
    .with {
      $0.mark = mark.wire
      $0.electorate = electorate.members.map(\.data)
      $0.words = words.map(\.wire)
    }
  }

  package static func list(_ wire: [WireHandoverProof], _ field: String) throws(InvalidMessage) -> [Handover] {
    var handovers: [Handover] = []
    for proof in try Field.list(wire, field, limit: Limits.epochs) { handovers.append(try Handover(validating: proof)) }
    return handovers
  }
}
