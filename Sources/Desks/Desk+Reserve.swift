import Assignments
import Base
import Identity
import Vocabulary

extension Desk {
  // MARK: On a reservation

  /// Holds all items for the TTL, or refuses the first that cannot be had. The same reservation again renews the TTL; one of
  /// a newer version replaces the older.
  mutating func onReserve(
    _ reserve: Reserve, from sender: NodeID, at now: Instant, in context: DeskContext
  ) -> [DeskEffect] {
    let request = reserve.mark.request
    func answer(_ result: Result<[SharedStream], ReserveAnswer.ItemRefused>) -> DeskEffect {
      .send(.reserved(ReserveAnswer(mark: reserve.mark, result: result)), to: sender)
    }
    func refusal(_ reason: Refusal, _ ordinal: UInt32 = 0) -> DeskEffect {
      answer(.failure(ReserveAnswer.ItemRefused(RefusedItem(ordinal: ordinal, reason: reason))))
    }
    let admission: Admission
    do throws(AssignmentError) {
      admission = try admit(
        request: request, term: reserve.mark.term, mandate: reserve.mandate, signer: sender, in: context)
    } catch { return [refusal(.unauthorized(error)), .refused(request, error, from: sender)] }
    guard dossiers[request] != nil || makeRoom(in: context) else { return [refusal(.busy)] }
    enter(admission, request: request, at: now)
    guard reserve.mark.version >= dossiers[request]!.floor else {
      return behind(admission.fence, [refusal(.unauthorized(.superseded))])
    }
    dossiers[request]!.floor = reserve.mark.version
    dossiers[request]!.reservation = nil
    switch hold(reserve, context: context) {
    case .failure(let refused): return behind(admission.fence, [refusal(refused.reason, refused.ordinal)])
    case .success(let items):
      dossiers[request]!.reservation = Reservation(
        version: reserve.mark.version, items: items, until: now + Limits.reservationTTL)
      return behind(admission.fence, [answer(.success(sharedStreams(of: reserve)))])
    }
  }

  private enum Held {
    case success(OrderedDictionary<UInt32, Reserve.Item>)
    case failure(RefusedItem)
  }

  /// The items with what they take beyond what the request holds here already.
  private func hold(_ reserve: Reserve, context: DeskContext) -> Held {
    var items: OrderedDictionary<UInt32, Reserve.Item> = [:]
    var left = self.left
    func isPassed(_ stream: StreamKey) -> Bool { reserve.isFresh && context.begun.contains(stream) }
    for item in reserve.items {
      func refused(_ reason: Refusal) -> Held { .failure(RefusedItem(ordinal: item.ordinal, reason: reason)) }
      var item = item
      switch item.work {
      case .group(let spec, _, _):
        if holds(spec, for: reserve.mark.request) { continue }
        guard groups[spec.output] == nil, !isReserved(spec.output) else {
          return refused(isPassed(spec.output) ? .passed(spec.output) : .alreadyServed(spec.output))
        }
        if case .failure(let problem) = context.checkStages(spec.stages) {
          return refused(.unauthorized(AssignmentError(problem)))
        }
        if items.values.contains(where: { $0.work.isGroup(spec.output) }) {
          return refused(.unauthorized(.malformed(InvalidMessage("Reserve.items", "a stream stands twice"))))
        }
        left.slots -= 1
        guard left.slots >= 0 else { return refused(.capacity(.slots, left: self.left)) }
      case .share(let stream):
        guard let group = groups[stream] else { return refused(.notServed(stream, open: open)) }
        if group.shares[reserve.mark.request] != nil { continue }
        guard !isPassed(stream) else { return refused(.passed(stream)) }
        item.demand = Demand(up: item.demand.up)
      case .delivery(let output, _):
        if sinks[DeliveryID(request: reserve.mark.request, output: output)] != nil { continue }
        // One that takes no download would else be held back by nothing.
        guard deliveries + items.values.count(where: \.work.isDelivery) < Limits.sinks else { return refused(.busy) }
        item.demand = Demand(down: item.demand.down)
      }
      left.subtract(item.demand)
      if let short = left.shortage(of: item.demand, whole: capacity) {
        return refused(.capacity(short, left: self.left))
      }
      items[item.ordinal] = item
    }
    return .success(items)
  }

  /// What runs here, the newest first where there is more than a refusal holds.
  private var open: [StreamKey] { Array(groups.keys.reversed().prefix(Limits.workItems)) }

  /// Whether the request has this very group, or may have its chain cut elsewhere, as the oldest share may.
  func holds(_ spec: GroupSpec, for request: RequestID) -> Bool {
    guard let group = groups[spec.output], group.shares[request] != nil else { return false }
    return group.spec.inputs == spec.inputs || group.shares.keys.first == request
  }

  /// Deliveries that are open or reserved.
  package var deliveries: Int {
    dossiers.values.reduce(sinks.count) { sum, dossier in
      sum + (dossier.reservation?.items.values.count { $0.work.isDelivery } ?? 0)
    }
  }

  private func isReserved(_ stream: StreamKey) -> Bool {
    dossiers.values.contains { $0.reservation?.items.values.contains { $0.work.isGroup(stream) } ?? false }
  }

  /// Of the streams to be shared, who else has them: the sharer's consumers get the same standbys.
  private func sharedStreams(of reserve: Reserve) -> [SharedStream] {
    reserve.items.compactMap { item in
      guard case .share(let stream) = item.work, let group = groups[stream] else { return nil }
      return SharedStream(stream: stream, standbys: group.standbys)
    }
  }

  /// A place in the table of requests, if need be one whose envelope has expired or which was released long ago.
  private mutating func makeRoom(in context: DeskContext) -> Bool {
    guard dossiers.count >= Limits.dossiers else { return true }
    forgetExpired(in: context)
    return dossiers.count < Limits.dossiers
  }

  /// Drops what nothing valid can refer to any more.
  mutating func forgetExpired(in context: DeskContext) {
    let busy = requests
    let expired = dossiers.filter {
      $0.value.fence.until + Limits.clockSkew < context.wall && $0.value.reservation == nil && !busy.contains($0.key)
    }
    for request in expired.keys { dossiers[request] = nil }
  }
}

extension AssignedWork {
  func isGroup(_ stream: StreamKey) -> Bool {
    if case .group(let spec, _, _) = self { spec.output == stream } else { false }
  }
  var isDelivery: Bool { if case .delivery = self { true } else { false } }
}

extension AssignmentError {
  init(_ problem: StageProblem) {
    switch problem {
    case .notOffered(let component): self = .componentNotOffered(component)
    case .outOfRange(let detail): self = .parameterOutOfRange(detail)
    }
  }
}

extension Capacity {
  mutating func subtract(_ demand: Demand) {
    cores -= demand.cores
    memory -= demand.memory
    up -= demand.up
    down -= demand.down
  }

  /// What has run out, of what is demanded at all: an item that takes no upload does not mind a full uplink. Rates that the
  /// whole capacity does not know are no bound.
  func shortage(of demand: Demand, whole: Capacity) -> Resource? {
    if cores < -1e-9, demand.cores > 0 { return .cores }
    if memory < 0, demand.memory > 0 { return .memory }
    if whole.up > 0, up < 0, demand.up > 0 { return .up }
    if whole.down > 0, down < 0, demand.down > 0 { return .down }
    return nil
  }
}
