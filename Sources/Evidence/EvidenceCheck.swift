import Assignments
import Base
import Foundation
import Identity
import Mandates
import Vocabulary

/// Checks evidence from its signatures alone. A changed bit in any part is named; without a roster it cannot be known who should have
/// been asked, so a clean result says what it is relative to.
public struct EvidenceCheck: Hashable, Sendable {
  /// Something that does not hold.
  public struct Finding: Hashable, Sendable, CustomStringConvertible {
    /// Which part, as in the JSON: `votes[2]`, `snapshot`.
    public let part: String
    /// What was found and what was expected.
    public let problem: String
    public var description: String { "\(part): \(problem)" }
  }

  /// What does not hold; empty for good evidence.
  public internal(set) var findings: [Finding] = []
  /// What was checked and found good, for people.
  public internal(set) var confirmed: [String] = []
  /// What evidence may hold and this does not, for people: nothing is said of it.
  public internal(set) var absent: [String] = []
  /// Names the roster that the electorate was checked against; nil without one.
  public private(set) var rosterDigest: Bytes32?

  /// Whether everything holds.
  public var isValid: Bool { findings.isEmpty }

  /// One line for people.
  public var summary: String {
    guard isValid else { return "not valid: \(findings.map(\.description).joined(separator: "; "))" }
    guard let rosterDigest else {
      return "valid by its signatures; without a roster nobody can know who should have been asked"
    }
    return "valid relative to roster \(TextForm.base32(rosterDigest.bytes))"
  }

  /// - Parameters:
  ///   - evidence: as exported.
  ///   - roster: the overlay's members at the time, in any order; nil when unknown.
  public init(_ evidence: ElectionEvidence, roster: [NodeID]? = nil) {
    guard let envelope = checkEnvelope(evidence) else { return }
    checkOrder(evidence, envelope)
    guard let succession = checkHandovers(evidence, envelope) else { return }
    if evidence.electorate != succession.electorate.members.map(\.description) {
      findings.append(Finding(part: "electorate", problem: "not the one of epoch \(succession.epoch)"))
    }
    let term = checkTerm(evidence, succession)
    guard let manager = succession.candidate(in: term) else {
      findings.append(Finding(part: "term", problem: "nobody stands in term \(term)"))
      return
    }
    if evidence.manager != manager.description {
      findings.append(Finding(part: "manager", problem: "the candidate of term \(term) is \(manager)"))
    }
    checkVotes(evidence, succession, term, manager)
    checkSnapshot(evidence, succession, term, manager)
    checkRenewal(evidence, envelope)
    checkAssignments(evidence, succession, term, manager)
    checkFrauds(evidence, succession)
    if let roster { checkRoster(roster, succession) }
  }

  mutating func find(_ part: String, _ check: () throws(InvalidMessage) -> Void) {
    do { try check() } catch { findings.append(Finding(part: part, problem: "\(error.field): \(error.reason)")) }
  }

  // MARK: The request

  private mutating func checkEnvelope(_ evidence: ElectionEvidence) -> Signed<Envelope>? {
    let envelope: Signed<Envelope>
    do { envelope = try Signed(verifying: try evidence.envelope.parsed("envelope")) } catch {
      findings.append(Finding(part: "envelope", problem: "\(error)"))
      return nil
    }
    if evidence.version != 1 {
      findings.append(Finding(part: "version", problem: "\(evidence.version) where 1 was expected"))
    }
    if evidence.request != envelope.request.description {
      findings.append(Finding(part: "request", problem: "the envelope's digest is \(envelope.request)"))
    }
    confirmed.append("request \(envelope.request.short)… signed by \(envelope.client.short)…")
    return envelope
  }

  // MARK: The mandate

  /// The term is what the votes say. Where most of those that hold say another, it is the term beside them that was changed, and all else
  /// is judged by theirs.
  private mutating func checkTerm(_ evidence: ElectionEvidence, _ succession: Succession) -> Term {
    let told = Term(epoch: evidence.term.epoch, evidence.term.number)
    var votes: OrderedDictionary<Term, OrderedSet<NodeID>> = [:]
    for text in evidence.votes {
      guard let statement = try? text.parsed("vote"), let vote = try? Signed<Vote>(verifying: statement),
        vote.body.request == succession.envelope.request, succession.electorate.contains(vote.signer)
      else { continue }
      votes[vote.body.term, default: []].append(vote.signer)
    }
    guard let most = votes.max(by: { $0.value.count < $1.value.count }), most.key != told,
      most.value.count > votes[told]?.count ?? 0
    else { return told }
    findings.append(Finding(part: "term", problem: "\(told) where the votes are for term \(most.key)"))
    return most.key
  }

  private mutating func checkVotes(
    _ evidence: ElectionEvidence, _ succession: Succession, _ term: Term, _ manager: NodeID
  ) {
    let (electorate, envelope) = (succession.electorate, succession.envelope)
    var voters: OrderedSet<NodeID> = []
    for (index, text) in evidence.votes.enumerated() {
      find("votes[\(index)]") { () throws(InvalidMessage) in
        let vote: Signed<Vote> = try Signed(verifying: try text.parsed("vote"))
        func expect(_ holds: Bool, _ field: String, _ reason: String) throws(InvalidMessage) {
          guard holds else { throw InvalidMessage(field, reason) }
        }
        try expect(electorate.contains(vote.signer), "signer", "\(vote.signer.short)… is not an elector")
        try expect(vote.body.request == envelope.request, "request", "for request \(vote.body.request.short)…")
        try expect(vote.body.term == term, "term", "for term \(vote.body.term) where \(term) was expected")
        try expect(vote.body.candidate == manager, "candidate", "for \(vote.body.candidate.short)…, who does not stand")
        try expect(voters.append(vote.signer).inserted, "signer", "\(vote.signer.short)… stands twice")
      }
    }
    if voters.count < electorate.quorum {
      findings.append(
        Finding(
          part: "votes",
          problem: "\(voters.count) good votes where \(electorate.quorum) of \(electorate.size) make a quorum"))
    } else {
      confirmed.append(
        "mandate of \(manager.short)… for term \(term): \(voters.count) votes, \(electorate.quorum) needed")
    }
  }

  // MARK: The version in force

  private mutating func checkSnapshot(
    _ evidence: ElectionEvidence, _ succession: Succession, _ term: Term, _ manager: NodeID
  ) {
    let (electorate, envelope) = (succession.electorate, succession.envelope)
    guard let text = evidence.snapshot else {
      absent.append("a version in force")
      if !evidence.acknowledgements.isEmpty {
        findings.append(Finding(part: "acknowledgements", problem: "there is no snapshot that they could be for"))
      }
      return
    }
    let snapshot: Signed<Snapshot>
    do { snapshot = try Signed(verifying: try text.parsed("snapshot")) } catch {
      findings.append(Finding(part: "snapshot", problem: "\(error)"))
      return
    }
    if snapshot.signer != manager || snapshot.body.term != term || snapshot.body.request != envelope.request {
      findings.append(Finding(part: "snapshot", problem: "not signed by \(manager.short)… for this request and term"))
      return
    }
    var keepers: OrderedSet<NodeID> = []
    for (index, text) in evidence.acknowledgements.enumerated() {
      find("acknowledgements[\(index)]") { () throws(InvalidMessage) in
        let word: Signed<Acknowledgement> = try Signed(verifying: try text.parsed("acknowledgement"))
        guard electorate.contains(word.signer), word.body.request == envelope.request,
          word.body.mark == snapshot.mark
        else { throw InvalidMessage("body", "not an elector's word on this snapshot") }
        guard keepers.append(word.signer).inserted else { throw InvalidMessage("signer", "stands twice") }
      }
    }
    let quorum = electorate.quorum
    if keepers.count < quorum {
      findings.append(
        Finding(part: "acknowledgements", problem: "\(keepers.count) good ones where \(quorum) make a quorum"))
    } else {
      confirmed.append("version \(snapshot.mark) (\(snapshot.body.label)) kept by \(keepers.count) electors")
    }
  }

  // MARK: Assignments

  private mutating func checkAssignments(
    _ evidence: ElectionEvidence, _ succession: Succession, _ term: Term, _ manager: NodeID
  ) {
    let before = findings.count
    let request = succession.envelope.request
    var seen: OrderedSet<Bytes32> = []
    for (index, text) in evidence.assignments.enumerated() {
      find("assignments[\(index)]") { () throws(InvalidMessage) in
        guard text.kind == Assignment.kind else {
          throw InvalidMessage("kind", "“\(text.kind.prefix(64))” where “\(Assignment.kind)” was expected")
        }
        let statement = try text.parsed("assignment")
        guard statement.signer == manager else {
          throw InvalidMessage("signer", "\(statement.signer.short)… is not the manager of this term")
        }
        let assignment: Signed<Assignment> = try Signed(verifying: statement)
        let body = assignment.body
        guard body.request == request else {
          throw InvalidMessage("request", "for request \(body.request.short)…, not for \(request.short)…")
        }
        // Whoever manages on in a later epoch need not sign anew what runs.
        guard body.term <= term, succession.candidate(in: body.term) == manager else {
          throw InvalidMessage("term", "of term \(body.term), which is none of this manager's up to \(term)")
        }
        guard seen.append(assignment.digest).inserted else { throw InvalidMessage("body", "stands twice") }
      }
    }
    if evidence.assignments.isEmpty {
      absent.append("assignments")
    } else if findings.count == before {
      confirmed.append("\(evidence.assignments.count) assignments signed by \(manager.short)…")
    }
  }

  // MARK: The roster

  private mutating func checkRoster(_ roster: [NodeID], _ succession: Succession) {
    let members = OrderedSet(roster.sorted())
    rosterDigest = Digest.of(members.flatMap(\.bytes), kind: "roster")
    // A roster is whole, where a peer's own view may not be: who is on none of its lines was no member.
    let (electors, tolerated) = (succession.electorate.members, succession.electorate.faults)
    let strangers = electors.filter { !members.contains($0) }
    guard strangers.count <= tolerated else {
      let names = strangers.map { "\($0.short)…" }.joined(separator: ", ")
      return findings.append(
        Finding(
          part: "electorate",
          problem: "\(strangers.count) of \(electors.count) electors are not on the roster, "
            + "at most \(tolerated) may be: \(names)"))
    }
    // Everybody on a roster counts as known long enough.
    let view = MemberView(members.map { MemberView.Member(id: $0, knownSince: .zero) })
    do {
      try view.checkPlausibility(
        of: succession.electorate, for: succession.envelope.body.source, at: .zero + Limits.settledMember)
      confirmed.append("electorate plausible for a roster of \(members.count)")
    } catch {
      let omitted = error.omitted.map { "\($0.short)…" }.joined(separator: ", ")
      findings.append(Finding(part: "electorate", problem: "\(error.reason); the roster's draw has \(omitted)"))
    }
  }
}
