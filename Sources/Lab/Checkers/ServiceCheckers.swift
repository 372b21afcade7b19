import Assignments
import Base
import Core
import Desks
import Identity
import Sessions
import Vocabulary

// What service nodes promise: fences, capacity, shares; and what managers promise: that every stage has an owner.

/// No service node obeys a lower (epoch, term) of a request after a higher, restarts included unless the store is lost.
struct FenceChecker: Checker {
  static let name = "fences hold"
  var faults: [CheckerFault] = []
  let watchesSteps = true
  /// The highest term that each node has on disk or has answered under. What it has only decided, a crash may undo.
  private var obeyed: [Pair: Term] = [:]
  /// What each node did last for whom: a share that no manager has touched since keeps its term, which is no disobedience.
  private var shares: [Share: Mark] = [:]

  struct Pair: Hashable {
    let node: Int
    let request: RequestID
  }
  struct Share: Hashable {
    let pair: Pair
    let stream: StreamKey?
  }
  struct Mark: Hashable {
    let term: Term
    let version: UInt32
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .crashes(let number, let losesStore):
      shares = shares.filter { $0.key.pair.node != number }
      if losesStore { obeyed = obeyed.filter { $0.key.node != number } }
    case .wrote(let number, let records):
      for fence in records.compactMap(Fence.init(restoring:)) {
        keep(Pair(node: number, request: fence.request), fence.term)
      }
    case .directs(let number, _, .reserved(let answer)):
      if case .success = answer.result { keep(Pair(node: number, request: answer.mark.request), answer.mark.term) }
    case .directs(let number, _, .committed(let answer)):
      if answer.rejected.isEmpty { keep(Pair(node: number, request: answer.mark.request), answer.mark.term) }
    default: return
    }
  }

  private mutating func keep(_ pair: Pair, _ term: Term) { obeyed[pair] = max(term, obeyed[pair] ?? term) }

  mutating func step(of number: Int, _ node: Node, after input: Input, at now: Instant, in world: Simulation) {
    guard input.concernsWork else { return }
    let look = node.deskLook
    // Not from its answers: one that waits for the disk leaves after a newer term was heeded, and promises nothing of it.
    for (request, term) in look.heeded { obey(Pair(node: number, request: request), term, "heeds") }
    for group in look.groups {
      for share in group.shares {
        note(number, share.request, group.stream, Mark(term: share.term, version: share.version))
      }
    }
    for sink in look.sinks { note(number, sink.delivery.request, nil, Mark(term: sink.term, version: sink.version)) }
  }

  private mutating func note(_ number: Int, _ request: RequestID, _ stream: StreamKey?, _ mark: Mark) {
    let share = Share(pair: Pair(node: number, request: request), stream: stream)
    guard shares[share] != mark else { return }
    shares[share] = mark
    obey(share.pair, mark.term, "works in")
  }

  private mutating func obey(_ pair: Pair, _ term: Term, _ what: String) {
    if let before = obeyed[pair], term < before {
      found("\(what) term \(term) of \(pair.request.short) after term \(before)", at: pair.node)
    }
  }
}

/// No node holds two plans of one request: what it held under an earlier term and was not given again goes as an orphan would, unless it
/// is consumed.
struct PlanChecker: Checker {
  static let name = "one plan a request"
  var faults: [CheckerFault] = []
  private var since: [Leftover: Instant] = [:]

  struct Leftover: Hashable {
    let node: Int
    let request: RequestID
    let stream: StreamKey
    let term: Term
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    if case .crashes(let number, _) = sight { since = since.filter { $0.key.node != number } }
  }

  mutating func look(at number: Int, _ node: Node, at now: Instant, in world: Simulation) {
    let look = node.deskLook
    guard world.peers[number].pausedUntil.map({ $0 < now }) ?? true else { return }
    var left: Set<Leftover> = []
    for group in look.groups where !group.isConsumed {
      for share in group.shares where look.obeyed(for: share.request) > share.term {
        left.insert(Leftover(node: number, request: share.request, stream: group.stream, term: share.term))
      }
    }
    since = since.filter { $0.key.node != number || left.contains($0.key) }
    for leftover in left {
      let start = since[leftover] ?? now
      since[leftover] = start
      guard now - start > Limits.orphanTimeout + .seconds(2) else { continue }
      found(
        "keeps stream \(leftover.stream.short) of \(leftover.request.short) under term \(leftover.term) "
          + "\(Int((now - start).seconds)) s after it obeyed term \(look.obeyed(for: leftover.request)) there",
        at: number)
    }
  }
}

extension DeskLook {
  /// The newest term under which work of a request was committed here; the beginning of all terms when there is none.
  fileprivate func obeyed(for request: RequestID) -> Term {
    let shares = groups.flatMap(\.shares).filter { $0.request == request }.map(\.term)
    return (shares + sinks.filter { $0.delivery.request == request }.map(\.term)).max() ?? Term(0)
  }
}

/// What is promised never exceeds what there is, and no more workers run than there are slots.
struct CapacityChecker: Checker {
  static let name = "capacity never oversold"
  var faults: [CheckerFault] = []
  let watchesSteps = true

  mutating func step(of number: Int, _ node: Node, after input: Input, at now: Instant, in world: Simulation) {
    guard input.concernsWork else { return }
    let look = node.deskLook
    let (promised, capacity) = (look.promised, look.capacity)
    if promised.slots > capacity.slots {
      found("\(promised.slots) slots are promised where there are \(capacity.slots)", at: number)
    }
    if promised.demand.cores > capacity.cores + 1e-6 {
      found("\(promised.demand.cores) cores are promised where there are \(capacity.cores)", at: number)
    }
    if promised.demand.memory > capacity.memory {
      found("\(promised.demand.memory) bytes are promised where there are \(capacity.memory)", at: number)
    }
    if capacity.up > 0, promised.demand.up > capacity.up {
      found("\(promised.demand.up) bit/s up are promised where there are \(capacity.up)", at: number)
    }
    if capacity.down > 0, promised.demand.down > capacity.down {
      found("\(promised.demand.down) bit/s down are promised where there are \(capacity.down)", at: number)
    }
    let running = world.peers[number].workers.count
    if running > capacity.slots { found("\(running) workers run in \(capacity.slots) slots", at: number) }
  }
}

/// A stage lives exactly as long as a share of it does, or a consumer whose share is being renewed: it is not closed under a share, and
/// does not outlive the last; and the streams that are open are those that the desk knows.
struct ShareChecker: Checker {
  static let name = "stages live with their shares"
  var faults: [CheckerFault] = []
  let watchesSteps = true
  private var before: [Int: DeskLook] = [:]
  private var released: [Pair: Instant] = [:]

  struct Pair: Hashable {
    let node: Int
    let request: RequestID
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .crashes(let number, _): before[number] = nil
    case .directs(_, let to, .release(let release)):
      released[Pair(node: to, request: release.mark.request)] = now
    default: return
    }
  }

  mutating func step(of number: Int, _ node: Node, after input: Input, at now: Instant, in world: Simulation) {
    guard input.concernsWork else { return }
    let look = node.deskLook
    let local = world.peers[number].clock.monotonic(now)
    for group in before[number]?.groups ?? [] where !look.groups.contains(where: { $0.stream == group.stream }) {
      for share in group.shares where share.leaseEnds > local {
        let pair = Pair(node: number, request: share.request)
        // A manager's word to its own node does not pass the network.
        guard released[pair] == nil, !node.manages(share.request), !managedHere(share.request, number, world) else {
          continue
        }
        found("closes stream \(group.stream.short) under a living share of \(share.request.short)", at: number)
      }
    }
    for group in look.groups where group.shares.isEmpty && !group.isConsumed {
      found("keeps stream \(group.stream.short), which nobody holds or consumes", at: number)
    }
    before[number] = look
  }

  private func managedHere(_ request: RequestID, _ number: Int, _ world: Simulation) -> Bool {
    world.elections.elections[request]?.tenures.contains { $0.node == number } ?? false
  }

  mutating func look(at number: Int, _ node: Node, at now: Instant, in world: Simulation) {
    let look = node.deskLook
    let local = world.peers[number].clock.monotonic(now)
    let slack = Duration.seconds(2)
    guard world.peers[number].pausedUntil.map({ now - $0 > slack }) ?? true else { return }
    for group in look.groups {
      if group.shares.isEmpty, let since = group.sharelessSince, local - since > Limits.takeoverGrace + slack {
        found("keeps stream \(group.stream.short) \(Int((local - since).seconds)) s after its last share", at: number)
      }
      let living = group.shares.contains { $0.leaseEnds > local }
      for share in group.shares where local - share.leaseEnds > slack && (living || !group.isConsumed) {
        found(
          "keeps a share of \(share.request.short) in stream \(group.stream.short) \(Int((local - share.leaseEnds).seconds)) s "
            + "after its lease", at: number)
      }
    }
    // What waits for the disk is decided and not done.
    let awaited = node.streamsAwaited
    let known = Set(look.groups.map(\.stream)).subtracting(awaited)
    let open = Set(node.groups.map(\.key)).subtracting(awaited)
    if known != open { found("its desk has \(known.count) groups, its streams have \(open.count)", at: number) }
  }
}

/// Every stage of a running service has a node that holds a share of it, but for the time that a repair takes; and every running service has
/// a manager, but for the time that an election takes. Counted only while nothing goes wrong in the world: a stage whose nodes are all
/// cut off cannot be repaired.
struct OwnerChecker: Checker {
  static let name = "every stage has an owner"
  var faults: [CheckerFault] = []
  private var calmSince: Instant?
  private var since: [Stage: Instant] = [:]

  struct Stage: Hashable {
    let request: RequestID
    let stream: StreamKey?
  }
  /// A suspicion of SWIM (6 s in a small overlay), an exclusion that has to lapse (30 s), a placement.
  static let bound = Duration.seconds(45)

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .disturbance, .starts, .crashes, .heals: calmSince = now
    case .second: judge(now, world)
    default: return
    }
  }

  private mutating func judge(_ now: Instant, _ world: Simulation) {
    guard world.striking.isEmpty, let calmSince else { return since = [:] }
    var missing: Set<Stage> = []
    for asked in world.asks where asked.acceptedAt != nil && asked.end == nil {
      guard let request = asked.request else { continue }
      let managers = world.peers.filter { $0.isUp && $0.node.manages(request) }
      guard
        let manager = managers.max(by: { $0.node.standing(of: request)!.term < $1.node.standing(of: request)!.term })
      else {
        missing.insert(Stage(request: request, stream: nil))
        continue
      }
      guard manager.node.standing(of: request)?.phase == .running, let plan = manager.node.plan(of: request) else {
        continue
      }
      for group in plan.groups {
        let hasOwner = group.providers.contains { provider in
          guard let number = world.number(of: provider), world.peers[number].isUp else { return false }
          return world.peers[number].node.deskLook.groups.contains { $0.stream == group.output }
        }
        if !hasOwner { missing.insert(Stage(request: request, stream: group.output)) }
      }
    }
    since = since.filter { missing.contains($0.key) }
    for stage in missing {
      let start = max(since[stage] ?? now, calmSince)
      since[stage] = start
      if now - start > OwnerChecker.bound {
        found(
          stage.stream.map {
            "stream \($0.short) of \(stage.request.short) has no owner for \(Int((now - start).seconds)) s"
          }
            ?? "\(stage.request.short) runs without a manager for \(Int((now - start).seconds)) s")
      }
    }
  }
}

extension Input {
  /// Whether a service node's desk may change with it.
  var concernsWork: Bool {
    switch self {
    case .link(let message, _):
      switch message.body {
      case .session, .stream, .election: true
      default: false
      }
    case .timer(.desk), .timer(.director), .timer(.streams), .timer(.ballots), .persisted, .clients, .workerDied,
      .linkDown:
      true
    case .worker(_, .failure), .worker(_, .end): true
    default: false
    }
  }
}
