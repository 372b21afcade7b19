import Assignments
import Base
import Desks
import Elections
import Identity
import Mandates
import Membership
import Sessions
import Vocabulary
import Wire

// Whoever finds an electorate implausible says which members were left out, and shows their own signed records: the caller may simply not
// have heard of them. It learns them and calls again.

extension Node {
  // MARK: - The refuser

  /// The message as it goes out: an implausible electorate's refusal with the left out members' records and pulses.
  func withRecords(_ message: ElectionMessage) -> WireElectionMessage {
    var wire = message.wire
    guard case .refusal(_, .implausible(let omitted, _)) = message else { return wire }
    let known = omitted.prefix(Limits.electors)
    let mine = members.all(at: now).first { $0.node == id }?.record.envelope
    wire.refusal.members = known.compactMap { ($0 == id ? mine : members[$0]?.record.envelope)?.wire }
    wire.refusal.measurements = known.compactMap { board.pulse(of: $0)?.wire }
    return wire
  }

  /// This node's desk did not obey: the manager, and through it the portal, hear whom they left out.
  mutating func explainImplausible(_ request: RequestID, to manager: NodeID) {
    guard let mandate = try? Mandate(validating: shownMandate, using: &verified), mandate.request == request else {
      return
    }
    do throws(Implausible) {
      try memberView.checkPlausibility(of: mandate.electorate, for: mandate.envelope.body.source, at: now)
    } catch {
      let refusal = ElectionMessage.refusal(request, .implausible(omitted: error.omitted, reason: error.reason))
      let listeners = OrderedSet([manager, mandate.envelope.body.portal])
      for node in listeners { send(.with { $0.election = withRecords(refusal) }, to: node) }
    }
  }

  // MARK: - The caller

  /// Takes in the records of members that somebody says were left out. They are signed by those members, so it needs no trust; who is not
  /// in fact there will be found dead.
  mutating func learnOmitted(
    _ wire: WireElectionRefusal, from sender: NodeID, _ omitted: [NodeID], _ reason: String, of request: RequestID
  ) throws(InvalidMessage) {
    var updates: [MemberUpdate] = []
    for record in try Field.list(wire.members, "ElectionRefusal.members", limit: Limits.electors) {
      let envelope = try SignedEnvelope(validating: record, "ElectionRefusal.members")
      if omitted.contains(envelope.signer) { updates.append(.record(envelope)) }
    }
    var pulses: [SignedEnvelope] = []
    for pulse in try Field.list(wire.measurements, "ElectionRefusal.measurements", limit: Limits.electors) {
      pulses.append(try SignedEnvelope(validating: pulse, "ElectionRefusal.measurements"))
    }
    let unknown = omitted.filter { $0 != id && members[$0]?.isMember != true }
    if !updates.isEmpty, !unknown.isEmpty {
      perform(members.handle(.exchange(updates, isAnswer: true, from: sender), at: now, using: &random))
      if !pulses.isEmpty { board(.reports(pulses)) }
    }
    guard portal.called[request] != nil || director.services[request] != nil else { return }
    event(
      "election.implausible", request, "\(sender.short)… finds the electorate implausible: \(reason)",
      [
        .init("from", "\(sender)"), .init("omitted", omitted.map { "\($0)" }.joined(separator: " ")),
        .init("unknown", unknown.map { "\($0)" }.joined(separator: " ")),
      ])
  }

  /// Calls again with an electorate of what was learnt; false when nothing was, or it was tried often enough.
  mutating func callAgain(_ request: RequestID, omitted: [NodeID], reason: String, by electors: [NodeID]) -> Bool {
    guard var submission = portal.called[request], submission.running == nil, !submission.isOver,
      submission.recalls < Limits.recalls, let source = submission.source,
      let electorate = memberView.electorate(for: source.body.source.key),
      omitted.contains(where: { electorate.contains($0) })
    else { return false }
    portal.called.removeValue(forKey: request)
    knownServices.removeValue(forKey: request)
    submission.recalls += 1
    nextToken += 1
    portal.resolving[nextToken] = submission
    for (key, use) in portal.keys {
      if case .called(let digest, request) = use { portal.keys[key] = .resolving(digest, nextToken) }
    }
    let names = omitted.map { "\($0.short)…" }.joined(separator: ", ")
    event(
      "request.recalled", request,
      "\(electors.count) electors miss \(names) in the electorate: the portal has learnt of them and calls again",
      [.init("omitted", omitted.map { "\($0)" }.joined(separator: " ")), .init("reason", reason)])
    call(nextToken, source)
    return true
  }
}

extension Limits {
  /// Times that a portal calls again for one request with members that it had not known: views that differ twice will differ again.
  public static let recalls = 2
}
