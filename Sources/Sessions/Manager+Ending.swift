import Assignments
import Base
import Identity
import Vocabulary

extension Manager {
  // MARK: Ending

  /// Ends the service, as wished or by a failure: everything is released, the end is recorded. Asked again, nothing changes.
  mutating func close(_ failure: ServiceFailure?, at now: Instant) -> [ManagerEffect] {
    var nodes = inForce.keys
    var ending = current ?? ServicePlan(groups: [], deliveries: [])
    switch state {
    case .recording(let change), .reserving(let change), .committing(let change):
      nodes.formUnion(change.plan.nodes)
      if current == nil { ending = change.plan }
    case .closing, .over, .deposed: return []
    case .idle, .waiting, .running: break
    }
    nodes.formUnion(current?.nodes ?? [])
    nodes.formUnion(releasing.keys)
    nodes = nodes.filter { banned[$0] == nil }
    releasing = [:]
    version += 1
    state = .closing(Closing(failure: failure, awaiting: nodes, tries: 1))
    let record = record(ending, phase: failure == nil ? .ended : .failed, problem: failure.map { "\($0)" } ?? "")
    return [.record(version: version, content: record.encoded(), claims: [], isFinal: true)]
      + nodes.map { releaseEverything(at: $0) } + [.setTimer(.retry, at: now + Limits.sessionRetry)]
  }

  /// A quorum has the end on record; with the last node's confirmation it is over.
  mutating func onEndRecorded() -> [ManagerEffect] {
    guard case .closing(var closing) = state else { return [] }
    closing.isRecorded = true
    state = .closing(closing)
    return overIfDone()
  }

  private func releaseEverything(at node: NodeID) -> ManagerEffect {
    .send(.release(Release(mark: mark(version), mandate: mandate.bytes, scope: .everything)), to: node)
  }

  /// Asks again; a node that never confirms frees itself as an orphan.
  mutating func retryClosing(at now: Instant) -> [ManagerEffect] {
    guard case .closing(var closing) = state else { return [] }
    closing.tries += 1
    if closing.tries > Limits.sessionRetries { closing.awaiting = [] }
    state = .closing(closing)
    guard !closing.awaiting.isEmpty else { return overIfDone() }
    return closing.awaiting.map { releaseEverything(at: $0) } + [.setTimer(.retry, at: now + Limits.sessionRetry)]
  }

  /// Over when all nodes have confirmed and a quorum has it on record.
  mutating func overIfDone() -> [ManagerEffect] {
    guard case .closing(let closing) = state, closing.awaiting.isEmpty, closing.isRecorded else { return [] }
    state = .over(closing.failure)
    inForce = [:]
    return [.finished]
  }

  // MARK: Releasing parts

  /// What nodes still do that the plan does not name any more.
  mutating func releaseLeftovers(of change: Change, at now: Instant) -> [ManagerEffect] {
    var effects: [ManagerEffect] = []
    for (node, held) in inForce {
      let wanted = change.plan.work(of: node)
      let streams = held.filter { !$0.work.isDelivery && !wanted.streams.contains($0.work.stream) }.map(\.work.stream)
      let outputs = held.compactMap { assignment -> String? in
        guard case .delivery(let output, _) = assignment.work, !wanted.outputs.contains(output) else { return nil }
        return output
      }
      guard !streams.isEmpty || !outputs.isEmpty else { continue }
      releasing[node] = Releasing(version: change.version, streams: streams, outputs: outputs)
      let kept = held.filter { assignment in
        if case .delivery(let output, _) = assignment.work { return !outputs.contains(output) }
        return !streams.contains(assignment.work.stream)
      }
      inForce[node] = kept.isEmpty ? nil : kept
      effects.append(release(releasing[node]!, at: node))
    }
    if !effects.isEmpty { effects.append(.setTimer(.retry, at: now + Limits.sessionRetry)) }
    return effects
  }

  private func release(_ releasing: Releasing, at node: NodeID) -> ManagerEffect {
    .send(
      .release(
        Release(
          mark: mark(releasing.version), mandate: mandate.bytes,
          scope: .some(streams: releasing.streams, outputs: releasing.outputs))), to: node)
  }

  mutating func retryReleases(at now: Instant) -> [ManagerEffect] {
    var effects: [ManagerEffect] = []
    for (node, work) in releasing {
      if work.tries >= Limits.sessionRetries {
        releasing[node] = nil
      } else {
        releasing[node]!.tries += 1
        effects.append(release(work, at: node))
      }
    }
    if !effects.isEmpty { effects.append(.setTimer(.retry, at: now + Limits.sessionRetry)) }
    return effects
  }

  /// A node has confirmed a release.
  mutating func onReleased(_ mark: PlanMark, from node: NodeID) -> [ManagerEffect] {
    guard mark.term == mandate.term else { return [] }
    if let work = releasing[node], work.version == mark.version { releasing[node] = nil }
    guard case .closing(var closing) = state, mark.version == version else { return [] }
    closing.awaiting.remove(node)
    state = .closing(closing)
    return overIfDone()
  }
}
