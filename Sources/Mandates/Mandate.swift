import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// The quorum's signatures that make a candidate the manager of a request for a term. It travels with every assignment and is checked
/// by whoever is asked to obey. Holding one says nothing yet: ``verify(using:)`` does.
public struct Mandate: Hashable, Sendable {
  /// What the client signed, and how the electorate of the term's epoch came to be.
  public let succession: Succession
  /// What the client signed: the request, and the electorate of epoch 0.
  public var envelope: Signed<Envelope> { succession.envelope }
  /// Who elects in the term's epoch.
  public var electorate: Electorate { succession.electorate }
  /// The term that the votes are for.
  public let term: Term
  /// The votes, not yet checked.
  public let votes: [SignedEnvelope]
  /// The client's newest renewal, where the sender knew one.
  public let renewal: Signed<Renewal>?
  /// Until when it is valid.
  public var notAfter: WallTime { envelope.notAfter(renewedBy: renewal) }
  /// The request, for short.
  public let request: RequestID
  /// The term's candidate: by its term alone, whoever voted.
  public let manager: NodeID

  /// - Parameters:
  ///   - envelope: what the client signed.
  ///   - handovers: one for each epoch up to the term's.
  ///   - term: from 1.
  ///   - votes: signed ``Vote``s, checked by ``verify(using:)``.
  ///   - renewal: the client's word that it lasts longer; another's is left out.
  public init?(
    envelope: Signed<Envelope>, handovers: [Handover] = [], term: Term, votes: [SignedEnvelope],
    renewal: Signed<Renewal>? = nil
  ) {
    let succession = Succession(envelope, handovers)
    guard votes.count <= Limits.electors, let manager = succession.candidate(in: term) else { return nil }
    self.succession = succession
    self.term = term
    self.votes = votes
    self.renewal = renewal.flatMap { envelope.isRenewed(by: $0) ? $0 : nil }
    request = envelope.request
    self.manager = manager
  }

  /// The same with a newer renewal.
  package func renewed(by newer: Signed<Renewal>) -> Mandate {
    guard newer.body.notAfter > notAfter else { return self }
    return Mandate(envelope: envelope, handovers: succession.handovers, term: term, votes: votes, renewal: newer)
      ?? self
  }

  /// Names the mandate: its request, term and signatures.
  public var digest: Bytes32 {
    let marks =
      withUnsafeBytes(of: term.epoch.bigEndian, Array.init) + withUnsafeBytes(of: term.number.bigEndian, Array.init)
    return Digest.of(request.hash.bytes + marks + votes.flatMap(\.signature.bytes), kind: "mandate")
  }

  /// Checks that a quorum of the electorate voted for this request, term and manager, and that the electorate was handed to it: one
  /// signature check a vote.
  public func verify(using verified: inout VerifiedDigests) throws(MandateFault) {
    // What costs nothing first. Then the votes: who has none of an electorate that is believed does not get to the certificates.
    guard votes.count >= electorate.quorum else { throw .noQuorum(found: votes.count, needed: electorate.quorum) }
    var voters = Set<NodeID>()
    for cast in votes {
      guard electorate.contains(cast.signer) else { throw .vote(of: cast.signer, .notAnElector) }
      guard voters.insert(cast.signer).inserted else { throw .vote(of: cast.signer, .countedTwice) }
    }
    for cast in votes {
      guard verified.check(cast, kind: Vote.kind) else { throw .vote(of: cast.signer, .misSigned) }
      let vote: Vote
      do { vote = try Vote(validating: cast.bytes) } catch { throw .vote(of: cast.signer, .malformed(error)) }
      guard vote.request == request else { throw .vote(of: cast.signer, .otherRequest(vote.request)) }
      guard vote.term == term else { throw .vote(of: cast.signer, .otherTerm(vote.term)) }
      guard vote.candidate == manager else { throw .vote(of: cast.signer, .otherCandidate(vote.candidate)) }
    }
    try succession.verify(using: &verified)
  }

  /// Everything that a node checks before it obeys a stranger's mandate: the quorum, the time, and the electorate against its own view.
  /// - Parameters:
  ///   - request: which request the mandate is shown for.
  ///   - term: which term it is shown for.
  public func verify(
    for request: RequestID, in term: Term, wall: WallTime, view: MemberView, at now: Instant,
    using verified: inout VerifiedDigests
  ) throws(MandateFault) {
    guard self.request == request else { throw .otherRequest(self.request) }
    guard self.term == term else { throw .otherTerm(self.term) }
    guard notAfter + Limits.clockSkew >= wall else { throw .expired(notAfter) }
    // The votes say nothing of a renewal, and what is kept for a request is kept until its end.
    guard notAfter <= wall.longestValidity else { throw .tooLong(notAfter) }
    guard !view.ignores(manager) else { throw .provenLiar(manager) }
    do {
      try view.checkPlausibility(of: succession, at: now)
    } catch { throw .implausibleElectorate(error) }
    try verify(using: &verified)
  }

  /// As messages of other rooms carry it.
  public func encoded() -> [UInt8] { wire.wireBytes }

  /// Reads what ``encoded()`` wrote and checks the client's signature; the votes wait for ``verify(using:)``.
  public init(validating bytes: [UInt8], using verified: inout VerifiedDigests) throws(InvalidMessage) {
    try self.init(validating: try WireMandateProof(parsing: bytes), using: &verified)
  }
}

/// Why a mandate does not hold.
public enum MandateFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Fewer votes than a quorum.
  case noQuorum(found: Int, needed: Int)
  /// One of the votes does not count.
  case vote(of: NodeID, VoteFault)
  /// It is of this request, not of the one at hand.
  case otherRequest(RequestID)
  /// It is of this term, not of the one at hand.
  case otherTerm(Term)
  /// Who speaks is not whom it makes the manager.
  case notTheManager(NodeID, manager: NodeID)
  /// The request ended by this time.
  case expired(WallTime)
  /// It would be valid for longer than any request may be, from now on.
  case tooLong(WallTime)
  /// The electorate of this epoch was not handed to it.
  case handover(to: UInt32, HandoverFault)
  /// There is a proof of fraud against the manager.
  case provenLiar(NodeID)
  /// This node would have expected other electors.
  case implausibleElectorate(Implausible)

  public var description: String {
    switch self {
    case .noQuorum(let found, let needed): "\(found) votes where \(needed) make a quorum"
    case .vote(let elector, let fault): "the vote of \(elector.short)… \(fault)"
    case .otherRequest(let request): "it is of request \(request.short)…"
    case .otherTerm(let term): "it is of term \(term)"
    case .notTheManager(let node, let manager): "it makes \(manager.short)… the manager, not \(node.short)…"
    case .expired(let time): "the request expired at \(time.milliseconds) ms"
    case .tooLong(let time): "it would end at \(time.milliseconds) ms, later than any request that was issued by now"
    case .handover(let epoch, let fault): "the handover to epoch \(epoch): \(fault)"
    case .provenLiar(let manager): "there is a proof of fraud against its manager \(manager.short)…"
    case .implausibleElectorate(let why): "the electorate is implausible: \(why)"
    }
  }
}

/// Why a vote does not count.
public enum VoteFault: Hashable, Sendable, CustomStringConvertible {
  /// The voter is not in the electorate.
  case notAnElector
  /// The voter's second.
  case countedTwice
  /// Its signature is not the voter's over its bytes.
  case misSigned
  /// Its bytes are no vote.
  case malformed(InvalidMessage)
  /// Cast for another request.
  case otherRequest(RequestID)
  /// Cast for another term.
  case otherTerm(Term)
  /// Cast for someone who does not stand in this term.
  case otherCandidate(NodeID)

  public var description: String {
    switch self {
    case .notAnElector: "is not an elector's"
    case .countedTwice: "stands twice"
    case .misSigned: "is not signed by its voter"
    case .malformed(let why): "is malformed: \(why)"
    case .otherRequest(let request): "is for request \(request.short)…"
    case .otherTerm(let term): "is for term \(term)"
    case .otherCandidate(let node): "is for \(node.short)…, who does not stand in this term"
    }
  }
}
