import Assignments
import Base
import Identity
import Vocabulary

extension Desk {
  // MARK: On a renewal

  /// Extends the leases of the request's shares and sinks, and tells the manager how they are: counters, and everything that
  /// it should have heard of already, because a report may have gone to a manager that is no more.
  mutating func onRenew(_ mark: PlanMark, from sender: NodeID, at now: Instant) -> [DeskEffect] {
    let request = mark.request
    guard let dossier = dossiers[request], dossier.fence.term == mark.term, dossier.manager?.id == sender else {
      if let seen = dossiers[request]?.fence.term, seen > mark.term {
        return [.refused(request, .staleTerm(seen: seen), from: sender)]
      }
      return [.send(.report(NodeReport(request: request, events: [.holdsNothing])), to: sender)]
    }
    var told = NodeReport(request: request)
    var holdsSomething = false
    // What a manager commits to a node it commits whole: a share of an earlier term, or version, is of a plan that is no more.
    let newest = newestVersion(of: request, in: mark.term)
    for (stream, group) in groups {
      guard let share = group.shares[request], share.term == mark.term, share.version == newest else { continue }
      holdsSomething = true
      groups[stream]!.shares[request]!.leaseEnds = now + Limits.orphanTimeout
      let user = StreamUser.group(stream)
      if group.shares.keys.first == request {
        if group.caretaker != request { told.events.append(.inherited(group.legacy)) }
        told.events += group.health.events(of: user)
      } else {
        told.events.append(.standbysChanged(SharedStream(stream: stream, standbys: group.standbys)))
      }
      if let failure = group.health.failure {
        told.events.append(.failed(stream, kind: failure.kind, detail: failure.detail, lasting: true))
      }
      told.counters += group.health.counters
    }
    for (id, sink) in sinks where id.request == request && sink.term == mark.term && sink.version == newest {
      holdsSomething = true
      sinks[id]!.leaseEnds = now + Limits.orphanTimeout
      told.events += sink.health.events(of: .delivery(id.output))
      told.counters += sink.health.counters
    }
    if !holdsSomething { told.events.append(.holdsNothing) }
    told.events = Array(told.events.prefix(Limits.reportEvents))
    told.counters = Array(told.counters.prefix(Limits.reportCounters))
    return [.send(.report(told), to: sender)]
  }

  /// The newest plan that put work of a request in force here under a term; nil for none.
  private func newestVersion(of request: RequestID, in term: Term) -> UInt32? {
    let shares = groups.values.compactMap { $0.shares[request] }.filter { $0.term == term }.map(\.version)
    let sinks = sinks.filter { $0.key.request == request && $0.value.term == term }.map(\.value.version)
    return (shares + sinks).max()
  }

  // MARK: On what happens here

  /// An input goes on with another upstream: the caretaker makes a new standby.
  mutating func onSwitched(_ user: LocalUser, stream: StreamKey, to upstream: NodeID) -> [DeskEffect] {
    change(user) { health, inputs in
      health.starved.remove(stream)
      let isFirst = inputs.first { $0.stream == stream }?.upstreams.first?.node == upstream
      health.detours[stream] = isFirst ? nil : upstream
    }
    return tellCaretaker(of: user) { .switched($0, stream: stream, to: upstream) }
  }

  /// An input has no upstream left.
  mutating func onStarved(_ user: LocalUser, stream: StreamKey) -> [DeskEffect] {
    change(user) { health, _ in health.starved.append(stream) }
    return tellCaretaker(of: user) { .starved($0, stream: stream) }
  }

  /// A worker failed: all who share the stream hear it if that lasts.
  mutating func onFailed(_ stream: StreamKey, kind: String, detail: String, lasting: Bool) -> [DeskEffect] {
    guard let group = groups[stream] else { return [] }
    if lasting { groups[stream]!.health.failure = (kind, detail) }
    let event = NodeEvent.failed(stream, kind: kind, detail: detail, lasting: lasting)
    return group.shares.keys.flatMap { report(event, to: $0) }
  }

  /// A group or sink has passed on its last position.
  mutating func onEnded(_ user: LocalUser, at now: Instant) -> [DeskEffect] {
    change(user) { health, _ in health.hasEnded = true }
    switch user {
    case .group(let stream):
      let told = (groups[stream]?.shares.keys ?? []).flatMap { report(.ended(.group(stream)), to: $0) }
      // Every subscriber has all of it and has left.
      return told + onUnconsumed(stream, at: now)
    case .delivery(let id): return sinks[id] == nil ? [] : report(.ended(.delivery(id.output)), to: id.request)
    }
  }

  /// The newest counters of a user's sockets.
  mutating func onCounters(_ user: LocalUser, _ counters: [StreamCounters]) -> [DeskEffect] {
    change(user) { health, _ in health.counters = Array(counters.prefix(Limits.reportCounters)) }
    return []
  }

  // MARK: Telling

  /// An event to a request's manager, where one is known.
  func report(_ event: NodeEvent, to request: RequestID) -> [DeskEffect] {
    guard let manager = dossiers[request]?.manager else { return [] }
    return [.send(.report(NodeReport(request: request, events: [event])), to: manager.id)]
  }

  private func tellCaretaker(of user: LocalUser, _ event: (StreamUser) -> NodeEvent) -> [DeskEffect] {
    switch user {
    case .group(let stream):
      guard let oldest = groups[stream]?.shares.keys.first else { return [] }
      return report(event(.group(stream)), to: oldest)
    case .delivery(let id): return sinks[id] == nil ? [] : report(event(.delivery(id.output)), to: id.request)
    }
  }

  private mutating func change(_ user: LocalUser, _ body: (inout Health, [InputAssignment]) -> Void) {
    switch user {
    case .group(let stream):
      guard groups[stream] != nil else { return }
      body(&groups[stream]!.health, groups[stream]!.inputs)
    case .delivery(let id):
      guard sinks[id] != nil else { return }
      body(&sinks[id]!.health, [sinks[id]!.input])
    }
  }
}

extension Desk.Health {
  /// What the manager should have heard of.
  func events(of user: StreamUser) -> [NodeEvent] {
    var events: [NodeEvent] = detours.map { .switched(user, stream: $0.key, to: $0.value) }
    events += starved.map { .starved(user, stream: $0) }
    if hasEnded { events.append(.ended(user)) }
    return events
  }
}
