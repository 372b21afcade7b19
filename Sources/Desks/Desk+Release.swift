import Assignments
import Base
import Identity
import Vocabulary

extension Desk {
  // MARK: On a release

  /// Ends work, however often it is asked, also work that never began; what bears an older version is void from then on.
  mutating func onRelease(
    _ release: Release, from sender: NodeID, at now: Instant, in context: DeskContext
  ) -> [DeskEffect] {
    let mark = release.mark
    let done = DeskEffect.send(.released(mark), to: sender)
    // Nothing is known of the request: nothing to stop, and no place in the table for it.
    guard dossiers[mark.request] != nil else { return [done] }
    let admission: Admission
    do throws(AssignmentError) {
      admission = try admit(
        request: mark.request, term: mark.term, mandate: release.mandate, signer: sender, in: context)
    } catch { return [.refused(mark.request, error, from: sender)] }
    enter(admission, request: mark.request, at: now)
    guard mark.version >= dossiers[mark.request]!.floor else { return behind(admission.fence, [done]) }
    var effects: [DeskEffect] = []
    if let held = dossiers[mark.request]!.reservation, held.version <= mark.version {
      dossiers[mark.request]!.reservation = nil
    }
    switch release.scope {
    case .everything:
      dossiers[mark.request]!.floor = mark.version + 1
      for id in sinks.keys where id.request == mark.request { effects += close(id) }
      for stream in groups.keys { effects += dropShare(of: mark.request, in: stream, at: now) }
    case .some(let streams, let outputs):
      dossiers[mark.request]!.floor = mark.version
      for output in outputs { effects += close(DeliveryID(request: mark.request, output: output)) }
      for stream in streams { effects += dropShare(of: mark.request, in: stream, at: now) }
    }
    return behind(admission.fence, effects + [done])
  }

  private mutating func close(_ id: DeliveryID) -> [DeskEffect] {
    sinks.removeValue(forKey: id) == nil ? [] : [.closeSink(id)]
  }

  /// Takes a request's share from a group; the last one closes it unless it is consumed, the oldest one passes the care on.
  private mutating func dropShare(of request: RequestID, in stream: StreamKey, at now: Instant) -> [DeskEffect] {
    guard var group = groups[stream], group.shares.removeValue(forKey: request) != nil else { return [] }
    if group.shares.isEmpty {
      guard group.isConsumed else { return closeGroup(stream) }
      group.sharelessSince = now
    }
    groups[stream] = group
    guard let heir = group.shares.keys.first, group.caretaker == request else { return [] }
    return report(.inherited(group.legacy), to: heir)
  }

  private mutating func closeGroup(_ stream: StreamKey) -> [DeskEffect] {
    groups[stream] = nil
    return [.closeGroup(stream)]
  }

  // MARK: On consumers

  /// The last subscriber left: a group that nobody has a share of, or whose managers are silent, has no reason any more.
  mutating func onUnconsumed(_ stream: StreamKey, at now: Instant) -> [DeskEffect] {
    guard groups[stream] != nil else { return [] }
    groups[stream]!.isConsumed = false
    if groups[stream]!.shares.isEmpty { return closeGroup(stream) }
    return dropOrphans(in: stream, at: now)
  }

  /// Clients came to a sink, or the last one left.
  mutating func onClients(_ id: DeliveryID, present: Bool, at now: Instant) -> [DeskEffect] {
    guard sinks[id] != nil else { return [] }
    sinks[id]!.hasClients = present
    return !present && sinks[id]!.leaseEnds <= now ? close(id) : []
  }

  // MARK: On time

  /// Frees what lapsed: reservations, orphans, groups that only a consumer held.
  mutating func sweep(at now: Instant, in context: DeskContext) -> [DeskEffect] {
    sweepAt = nil
    for (request, dossier) in dossiers {
      guard let reservation = dossier.reservation, reservation.until <= now else { continue }
      dossiers[request]!.reservation = nil
      dossiers[request]!.lapsed = reservation.version
    }
    var effects: [DeskEffect] = []
    for (id, sink) in sinks where sink.leaseEnds <= now && !sink.hasClients { effects += close(id) }
    for (stream, group) in groups {
      if let since = group.sharelessSince, group.shares.isEmpty, since + Limits.takeoverGrace <= now {
        effects += closeGroup(stream)
      } else {
        effects += dropOrphans(in: stream, at: now)
      }
    }
    forgetExpired(in: context)
    return effects
  }

  /// A lapsed share goes when nobody consumes the group, or when another request's manager is there to take care of it.
  private mutating func dropOrphans(in stream: StreamKey, at now: Instant) -> [DeskEffect] {
    var effects: [DeskEffect] = []
    for (request, share) in groups[stream]?.shares ?? [:] where share.leaseEnds <= now {
      guard let group = groups[stream] else { break }
      let hasLivingShare = group.shares.values.contains { $0.leaseEnds > now }
      if !group.isConsumed || hasLivingShare { effects += dropShare(of: request, in: stream, at: now) }
    }
    return effects
  }

  /// The timer for whatever lapses first, where that has changed.
  mutating func nextSweep(at now: Instant) -> [DeskEffect] {
    var next: Instant?
    func consider(_ instant: Instant?) {
      guard let instant else { return }
      next = min(next ?? instant, instant)
    }
    for dossier in dossiers.values { consider(dossier.reservation?.until) }
    for sink in sinks.values where !sink.hasClients { consider(sink.leaseEnds) }
    for group in groups.values {
      if group.shares.isEmpty { consider(group.sharelessSince.map { $0 + Limits.takeoverGrace }) }
      // Where somebody consumes, the last share may lapse without consequence, and so may all at once: none is dropped then.
      guard !group.isConsumed || group.shares.count > 1 && group.shares.values.contains(where: { $0.leaseEnds > now })
      else { continue }
      for share in group.shares.values { consider(share.leaseEnds) }
    }
    guard let next, next != sweepAt else { return [] }
    sweepAt = next
    return [.setTimer(.sweep, at: next)]
  }
}

extension Desk.LiveGroup {
  /// What the next caretaker must know.
  var legacy: InheritedGroup {
    InheritedGroup(spec: spec, inputs: inputs, standbys: standbys, demand: demand)
  }
}
