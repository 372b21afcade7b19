import Assignments
import Base
import Desks
import Elections
import Identity
import Mandates
import Rivals
import Sessions
import Vocabulary
import Wire

// Who manages a request where the operators chose a protocol without a quorum: all in `Contests`; here its wishes are carried out, and a
// manager's records find the way to whichever protocol elected it.

extension Node {
  /// How managers are found for requests that come in here.
  public var strategy: ElectionStrategy { settings.election }

  // MARK: - On the contests' wishes

  mutating func contest(_ input: ContestInput) {
    renewViews()
    perform(contests.handle(input, at: now, wall: wall, using: &random))
  }

  mutating func perform(_ effects: [ContestEffect]) {
    for effect in effects {
      switch effect {
      case .send(let node, let message): send(.with { $0.rival = message.wire }, to: node)
      case .persist(let record, let rest): persist([Record(record)], then: .contests(rest))
      case .forget(let request):
        effectsOut.append(.forget([Record.Name(kind: Node.contestKind, key: request.hash.bytes)]))
      case .setTimer(let timer, let at): effectsOut.append(.setTimer(.contests(timer), at: at))
      case .elected(let claim, let newest): onElected(.claim(claim), newest: newest?.body.snapshot)
      case .managerKnown(let claim): onManagerKnown(.claim(claim))
      case .callFailed(let request, let failure):
        if portal.called[request]?.running == nil || failure == .expired { refuse(request, .election("\(failure)")) }
      case .snapshotAccepted(let request, let version):
        manage(request, .recorded(version: UInt32(clamping: version), earlier: []))
      case .proposalRefused(let request, let fault):
        event("snapshot.refused", request, "the members were not told: \(fault)")
      case .lost(let request, let reason): onLost(request, reason)
      case .ended(let request): onServiceEnded(request)
      case .rejected(let node, let fault):
        event("election.rejected", nil, "dropped a message of \(node.short)…: \(fault)", [.init("from", "\(node)")])
      }
    }
  }

  static let contestKind = "contest"

  /// Nil when one of them cannot be read.
  static func contestRecords(_ memory: Memory) -> [ContestRecord]? {
    try? memory.records.filter { $0.name.kind == contestKind }.map { try ContestRecord(validating: $0.bytes) }
  }

  // MARK: - For a portal, however it elects

  mutating func elect(_ envelope: Signed<Envelope>, evidence: [SignedEnvelope]) {
    if envelope.body.contest == nil { ballot(.call(envelope, evidence: evidence)) } else { contest(.call(envelope)) }
  }

  mutating func seek(_ envelope: Signed<Envelope>) {
    if envelope.body.contest == nil { ballot(.seek(envelope)) } else { contest(.seek(envelope)) }
  }

  mutating func onManagerKnown(_ warrant: Warrant) {
    let request = warrant.request
    knownServices.note(request) {
      if $0.warrant.map({ $0.term < warrant.term }) ?? true { $0.warrant = warrant }
      if $0.state == "electing" { $0.state = "placing" }
    }
    if portal.called[request]?.managed == nil { portal.called[request]?.managed = now }
    let (kind, manages) = warrant.mandate == nil ? ("claim", "says that it manages") : ("mandate", "manages")
    event(
      "election.\(kind)", request, "\(warrant.manager.short)… \(manages) in term \(warrant.term)",
      [.init("manager", "\(warrant.manager)"), .init("term", "\(warrant.term)")])
  }

  // MARK: - For a manager, however elected

  /// Has a version kept, by a quorum's electors or by the members of a contest.
  mutating func record(_ draft: SnapshotDraft, of request: RequestID, isFinal: Bool) {
    switch (contests.has(request), isFinal) {
    case (true, true): contest(.end(request, state: draft.state))
    case (true, false): contest(.propose(request, draft))
    case (false, true): ballot(.end(request, state: draft.state))
    case (false, false): ballot(.propose(request, draft))
    }
  }

  /// This peer cannot manage one more.
  mutating func decline(_ request: RequestID) {
    if contests.has(request) { contest(.decline(request)) } else { ballot(.decline(request, .busy)) }
  }
}

extension Record {
  init(_ record: ContestRecord) {
    self.init(
      kind: Node.contestKind, key: record.envelope.request.hash.bytes, bytes: record.encoded(),
      keepUntil: record.envelope.body.notAfter + Limits.clockSkew)
  }
}
