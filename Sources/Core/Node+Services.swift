import Assignments
import Base
import Composition
import Desks
import Elections
import Evidence
import Identity
import Mandates
import Placement
import Rivals
import Sessions
import Vocabulary
import Wire

// The manager's side: an election won becomes a plan, the plan becomes assignments, and what happens at the nodes becomes repairs.

/// What a manager's peer keeps of a service besides the manager itself.
struct ManagerNote: Sendable {
  /// What makes this peer the manager: a mandate, or its own claim where no quorum elects.
  var warrant: Warrant
  /// What the client asked for, read once.
  var document: ServiceDocument.Reading
  /// The newest plan's reasons, as JSON.
  var explanation = ""
  var electedAt: Instant
}

extension Node {
  // MARK: - On being elected

  mutating func onElected(_ warrant: Warrant, newest: Snapshot?) {
    let envelope = warrant.envelope.body
    let request = warrant.request
    let document = ServiceDocument.read(envelope.document, catalogue: catalogue)
    let latency: Double = if case .success(let read) = document { Double(read.request.latency ?? 0) } else { 0 }
    let order = ServiceOrder(
      request: request, document: envelope.document, portal: envelope.portal, notAfter: warrant.notAfter,
      latency: latency)
    let held = HeldMandate(
      term: warrant.term, digest: warrant.digest, bytes: warrant.encoded(), isProved: warrant.mandate != nil)
    event("election.won", request, "manages the request in term \(warrant.term)", [.init("term", "\(warrant.term)")])
    notes[request] = ManagerNote(warrant: warrant, document: document, electedAt: now)
    if case .success(let read) = document { askAbout(read.request.source.node) }
    guard let effects = director.elected(order, held, snapshot: newest?.state, at: now, in: managerContext) else {
      notes[request] = nil
      return decline(request)
    }
    perform(effects, for: request)
  }

  mutating func onLost(_ request: RequestID, _ reason: LossReason) {
    event("election.lost", request, "no longer manages the request: \(reason)")
    director.forget(request)
    notes[request] = nil
  }

  // MARK: - On the manager's wishes

  mutating func manage(_ request: RequestID, _ input: ManagerInput) {
    perform(director.handle(input, of: request, at: now, in: managerContext), for: request)
  }

  mutating func manage(_ message: SessionMessage, from node: NodeID) {
    let (request, effects) = director.handle(message, from: node, at: now, in: managerContext)
    perform(effects, for: request)
  }

  private mutating func perform(_ effects: [ManagerEffect], for request: RequestID) {
    for effect in effects {
      switch effect {
      case .record(let version, let content, let claims, let isFinal):
        let mine = claims.map { Mandates.Claim(stream: $0.stream, node: $0.node) }
        let draft = SnapshotDraft(
          version: UInt64(version), label: director.services[request]?.phase.rawValue ?? "", state: content,
          claims: mine)
        record(draft, of: request, isFinal: isFinal)
      case .send(let message, let node): send(.with { $0.session = message.wire }, to: node)
      case .setTimer(let timer, let at): effectsOut.append(.setTimer(.director(request, timer), at: at))
      case .planned(let version, let explanation, _):
        if !explanation.isEmpty { notes[request]?.explanation = explanation }
        event("service.planned", request, "plan \(version) is made", [.init("version", "\(version)")])
      case .entered(let phase, let reason):
        event(
          "service.\(phase.rawValue)", request, reason.isEmpty ? phase.rawValue : "\(phase.rawValue): \(reason)",
          [.init("reason", reason)])
        tellPortal(of: request)
      case .deposed(let term):
        event("election.lost", request, "a node has seen term \(term)")
        director.forget(request)
        notes[request] = nil
        if contests.has(request) { contest(.fenced(request, by: term)) }
      case .finished:
        tellPortal(of: request)
        remember(request)
        director.forget(request)
      }
    }
  }

  /// The portal hears of every change: it answers the client.
  private mutating func tellPortal(of request: RequestID) {
    guard let note = notes[request], let report = managerReport(of: request, explanation: false) else { return }
    send(.with { $0.service = .with { $0.report = report } }, to: note.warrant.envelope.body.portal)
  }

  /// Who managed a service can be asked for its mandate afterwards, as its portal can.
  private mutating func remember(_ request: RequestID) {
    guard let note = notes[request], let report = managerReport(of: request, explanation: false) else { return }
    knownServices.note(request) {
      $0.warrant = note.warrant
      $0.report = report
      $0.state = report.state
      $0.problem = report.problem
      $0.heard = now
    }
  }

  /// What a manager asks of its peer. It seldom does: the view is put together when it plans.
  var managerContext: ManagerContext {
    let (members, addresses, notes) = (members, addresses, notes)
    let overlay = OverlaySight(id: id, members: members, board: board, catalogue: catalogue, now: now)
    return ManagerContext(
      wall: wall, keys: keys,
      address: { node in members[node].flatMap { $0.isMember ? $0.address : nil } ?? addresses[node] },
      plan: { wish in
        guard let note = notes[wish.order.request] else { return .failure(.impossible("no service of this peer's")) }
        return overlay.planningView.blueprint(for: wish, of: note.document)
      }, seat: { overlay.planningView.seat(for: $0) })
  }

  // MARK: - What a manager tells

  /// How a service that this peer manages stands; nil when it does not manage it.
  func managerReport(of request: RequestID, explanation: Bool) -> WireServiceReport? {
    guard let manager = director.services[request], let note = notes[request] else { return nil }
    return .with {
      $0.request = request.hash.data
      $0.known = true
      $0.state = manager.phase.rawValue
      $0.manager = id.data
      $0.term = note.warrant.term.wire
      $0.planVersion = manager.version
      $0.repairs = manager.repairs
      $0.problem = manager.failure.map { "\($0)" } ?? ""
      $0.frozen = manager.isFrozen
      $0.mandate = .init(note.warrant.encoded())
      $0.stages = stageReports(of: manager, note.document)
      $0.sockets = socketReports(of: manager)
      if explanation {
        $0.evidence = evidence(of: request)?.json() ?? .init()
        $0.explanation = note.explanation
        $0.assignments = manager.assignments.map { Signed($0, by: keys).envelope.wire }
      }
    }
  }

  private func stageReports(of manager: Manager, _ document: ServiceDocument.Reading) -> [WireStageReport] {
    guard let plan = manager.plan,
      case .success(let service) = document.flatMap({ $0.showing(plan.showing, catalogue: catalogue) })
    else { return [] }
    let consumers = service.graph.consumers
    var places: [Int: (node: NodeID, group: UInt32, reused: Bool)] = [:]
    for group in plan.groups {
      for stage in group.spec?.stages ?? [] { places[stage.id] = (group.node, group.ordinal, false) }
      if group.isShared, let stage = service.graph.stages.first(where: { $0.key == group.output }) {
        places[stage.id] = (group.node, group.ordinal, true)
      }
    }
    // Outputs of one request may begin with the same stage: it runs once, for both.
    for stage in service.graph.stages where places[stage.id] == nil {
      let twins = service.graph.stages.filter { $0.key == stage.key }
      guard let place = twins.lazy.compactMap({ places[$0.id] }).first else { continue }
      places[stage.id] = (place.node, place.group, true)
    }
    return service.graph.stages.map { stage in
      // A stage without a place of its own runs upstream of a shared one, for another request.
      var downstream: Int? = stage.id
      while let at = downstream, places[at] == nil { downstream = consumers[at] }
      let place = places[stage.id]
      return .with {
        $0.id = UInt32(stage.id)
        $0.component = stage.component
        $0.parameters =
          StageSpec(id: stage.id, component: stage.component, parameters: stage.parameters, inputs: []).wire.parameters
        $0.inputs = stage.inputs.map { UInt32($0) }
        $0.stream = stage.key.hash.data
        if let place { $0.node = place.node.data }
        $0.group = place?.group ?? 0
        $0.reused = place?.reused ?? (downstream.flatMap { places[$0]?.reused } ?? false)
      }
    }
  }

  private func socketReports(of manager: Manager) -> [WireSocketReport] {
    let groups = manager.plan?.groups ?? []
    return manager.counters.flatMap { node, counters in
      counters.map { counter in
        .with {
          $0.node = node.data
          if case .group(let key) = counter.owner, let group = groups.first(where: { $0.output == key }) {
            $0.group = group.ordinal + 1
          }
          $0.direction = counter.isIncoming ? "in" : "out"
          $0.address =
            (members[node]?.address ?? (node == id ? settings.address : addresses[node]) ?? settings.address).wire
          $0.peer = counter.peer.data
          if let address = counter.address { $0.peerAddress = address.wire }
          $0.stream = counter.stream.hash.data
          $0.format = counter.format
          $0.bytesMoved = counter.bytes
          $0.packets = counter.packets
          if let first = counter.first { $0.firstPosition = first }
          if let last = counter.last { $0.lastPosition = last }
          if let acknowledged = counter.acknowledged { $0.acknowledged = acknowledged }
          $0.switches = counter.switches
          $0.bitsPerSecond = counter.bitsPerSecond
          $0.ageMs = UInt64(max(0, (now - (manager.countedAt[node] ?? now)).milliseconds))
        }
      }
    }
  }
}
