import Assignments
import Base
import Desks
import Elections
import Identity
import Mandates
import Membership
import Rivals
import Sessions
import Vocabulary
import Wire

// Who manages a request: the elector's, the candidate's and the caller's part, all in `Ballots`; here its wishes are carried out.

extension Node {
  // MARK: - On the ballots' wishes

  mutating func ballot(_ input: BallotInput) {
    renewViews()
    perform(ballots.handle(input, at: now, wall: wall))
  }

  /// Members come and go more often than somebody asks who they are.
  mutating func renewViews() {
    guard isViewStale else { return }
    isViewStale = false
    let view = memberView
    perform(ballots.handle(.members(view), at: now, wall: wall))
    perform(contests.handle(.members(view), at: now, wall: wall, using: &random))
  }

  mutating func perform(_ effects: [BallotEffect]) {
    for effect in effects {
      switch effect {
      case .send(let node, let message):
        send(.with { $0.election = withRecords(message) }, to: node)
      case .persist(let records, let rest): persist(records, rest)
      case .setTimer(let timer, let at): effectsOut.append(.setTimer(.ballots(timer), at: at))
      case .drawn(let draw, let envelope, let evidence): onDrawn(draw, envelope, evidence)
      case .drawFailed(let draw, let silent): onDrawFailed(draw, silent: silent)
      case .managerKnown(let mandate): onManagerKnown(.mandate(mandate))
      case .elected(let mandate, let newest): onElected(.mandate(mandate), newest: newest?.body)
      case .snapshotAccepted(let request, let version, _, let earlier):
        let claims = earlier.map { StreamClaim(stream: $0.claim.stream, node: $0.claim.node, request: $0.request) }
        manage(request, .recorded(version: UInt32(clamping: version), earlier: claims))
      case .proposalRefused(let request, _, let fault):
        event("snapshot.refused", request, "the electors were not asked: \(fault)")
      case .renewed(let request, let mandate): onRenewed(request, mandate)
      case .renewalKept(let request, let until): onRenewalKept(request, until: until)
      case .lost(let request, let reason): onLost(request, reason)
      case .frozen(let request):
        event(
          "service.frozen", request, "fewer than a quorum of electors answer: media flows on, nothing can be changed")
        manage(request, .frozen(true))
      case .thawed(let request):
        event("service.thawed", request, "a quorum of electors answers again")
        manage(request, .frozen(false))
      case .ended(let request): onServiceEnded(request)
      case .answeredByFirst(let request, let first):
        refuse(request, .election("this number was used for request \(RequestID(first.digest)) before"))
      case .callFailed(let request, .refused(.implausible(let omitted, let reason), let by))
      where callAgain(request, omitted: omitted, reason: reason, by: by):
        break
      case .callFailed(let request, let failure):
        // Of a service that runs only its manager was sought: it will be again.
        if portal.called[request]?.running == nil || failure == .expired { refuse(request, .election("\(failure)")) }
      case .rejected(let node, let fault):
        event("election.rejected", nil, "dropped a message of \(node.short)…: \(fault)", [.init("from", "\(node)")])
      }
    }
  }

  private mutating func persist(_ records: [ElectionRecord], _ rest: [BallotEffect]) {
    var writes: [Record] = []
    var forgotten: [Record.Name] = []
    for record in records {
      let key = Array(record.key.utf8)
      if let bytes = record.value {
        let until: WallTime =
          if case .ballot(let ballot) = record { ballot.keepUntil } else {
            .distantFuture
          }
        writes.append(Record(kind: Node.electionKind, key: key, bytes: bytes, keepUntil: until))
      } else {
        forgotten.append(Record.Name(kind: Node.electionKind, key: key))
      }
    }
    if !forgotten.isEmpty { effectsOut.append(.forget(forgotten)) }
    persist(writes, then: .ballots(rest))
  }

  static let electionKind = "election"

  /// What this peer promised as an elector. Where one record cannot be read a promise is forgotten, and nobody knows which: the store counts as
  /// lost, all of it is dropped, and a new generation begins.
  /// - Returns: nil for the records where they are dropped.
  static func promises(in memory: Memory) -> [ElectionRecord]? {
    try? memory.records.filter { $0.name.kind == electionKind }.map {
      try ElectionRecord(key: String(decoding: $0.name.key, as: UTF8.self), value: $0.bytes)
    }
  }

  mutating func onElection(_ wire: WireElectionMessage, from sender: NodeID) throws(InvalidMessage) {
    let message = try ElectionMessage(validating: wire, using: &verified)
    if case .refusal(let request, .implausible(let omitted, let reason)) = message {
      try learnOmitted(wire.refusal, from: sender, omitted, reason, of: request)
    }
    ballot(.received(from: sender, message))
    // After it was acted on: what it proves counts from the next on.
    fraud(.heard(message))
  }

  // MARK: - Judging mandates

  /// The members that elections are about: those from whom electorates are drawn, as far as this peer believes them alive.
  var memberView: Mandates.MemberView {
    Node.memberView(of: members, ignoring: frauds.ignored, at: now)
  }

  private static func memberView(
    of members: MemberTable, ignoring frauds: OrderedSet<NodeID>, at now: Instant
  ) -> Mandates.MemberView {
    Mandates.MemberView(
      members.seated(at: now).map { member in
        let isOwn = member.node == members.node
        return Mandates.MemberView.Member(
          id: member.node, knownSince: isOwn ? .zero : member.knownSince,
          roundTrip: isOwn ? .zero : member.roundTrip.map { Duration.fromSeconds($0 / 1_000) })
      }, ignoring: frauds)
  }

  /// What the desk asks of its peer.
  var deskContext: DeskContext {
    let (members, now, wall, catalogue, offered) = (members, now, wall, catalogue, settings.offer.components)
    let (own, ignored, known) = (settings.election, frauds.ignored, verified)
    return DeskContext(
      wall: wall, begun: streams.begun,
      verifyMandate: { bytes, request, term in
        var verified = known
        do {
          let mandate = try Warrant(validating: bytes, using: &verified)
          let view = Node.memberView(of: members, ignoring: ignored, at: now)
          try mandate.verify(for: request, in: term, own: own, wall: wall, view: view, at: now, using: &verified)
          return .success(
            VerifiedMandate(manager: mandate.manager, digest: mandate.digest, notAfter: mandate.notAfter))
        } catch let fault as WarrantFault {
          switch fault {
          case .mandate(.implausibleElectorate): return .failure(.implausible("\(fault)"))
          case .mandate: return .failure(.invalid("\(fault)"))
          case .unproved: return .failure(.unproved("\(fault)"))
          }
        } catch { return .failure(.invalid("\(error)")) }
      },
      checkStages: { stages in
        for stage in stages {
          if let offered, !offered.contains(stage.component) { return .failure(.notOffered(stage.component)) }
          do { _ = try catalogue.checked(stage.component, stage.parameters) } catch {
            return .failure(.outOfRange("\(error)"))
          }
        }
        return .success(())
      })
  }
}

extension WallTime {
  /// Later than anything is valid.
  static let distantFuture = WallTime(milliseconds: 253_402_300_799_000)
}
