import Base
import Core
import Elections
import Identity
import Mandates
import Vocabulary

// What goes wrong, and how it is mended.

extension Simulation {
  // MARK: - Starting and stopping

  func start(_ number: Int, isFirst: Bool) {
    guard !peers[number].isUp else { return }
    peers[number].isUp = true
    peers[number].isSilent = false
    peers[number].hasLeft = false
    peers[number].life += 1
    if peers[number].starts > 0 {
      peers[number].settings.identityIsNew = false
      // A monotonic clock begins anew with its machine.
      peers[number].clock.restart(at: now, showing: Int64(random.index(below: 1_000_000_000)))
    }
    peers[number].starts += 1
    let peer = peers[number]
    peers[number].node = Node(
      keys: peer.keys, settings: peer.settings, memory: Memory(records: Array(peer.disk.records.values)),
      now: peer.clock.monotonic(now), wall: peer.clock.wall(now))
    if let bound = scenario.economy.viewBound { peers[number].node.boundView(to: bound) }
    if let defect { peers[number].node.plant(defect) }
    see(.starts(number))
    writer?.write(.start(number, at: now))
    tell(number, .join(contacts(of: number)))
    tell(number, .calibrated(decode: 200, encode: 60, filter: 400))
    push(.second(number, life: peers[number].life), after: .seconds(1))
  }

  /// Some machines that are up; of the first to start nobody is.
  private func contacts(of number: Int) -> [Contact] {
    var found: [Contact] = []
    for _ in 0..<8 where found.count < 2 {
      let other = random.index(below: peers.count)
      let contact = Contact(node: peers[other].node.id, address: peers[other].settings.address)
      if other != number, peers[other].isUp, !found.contains(contact) { found.append(contact) }
    }
    if found.isEmpty, let other = peers.indices.first(where: { $0 != number && peers[$0].isUp }) {
      found = [Contact(node: peers[other].node.id, address: peers[other].settings.address)]
    }
    return found
  }

  func crash(_ number: Int, losesStore: Bool, silent: Bool) {
    guard peers[number].isUp else { return }
    deaths.append(Outcome.Death(node: number, at: now.seconds))
    peers[number].isUp = false
    peers[number].isSilent = silent
    peers[number].life += 1
    peers[number].pausedUntil = nil
    peers[number].workers = [:]
    peers[number].timers = [:]
    let saved = peers[number].disk.crash(writeIsSaved: random.fraction() < 0.5)
    if !saved.isEmpty { see(.wrote(number, saved)) }
    if losesStore { peers[number].disk.lose() }
    for id in clients.keys where id.peer == number { clients[id]!.isClosed = true }
    see(.crashes(number, losesStore: losesStore))
    writer?.write(.crash(number, losesStore: losesStore, at: now))
    for index in asks.indices where asks[index].ask.portal == number { asks[index].portalCrashed(at: now) }
    for other in peers.indices where other != number && network.haveLink(number, other) {
      if silent {
        push(.breakLinks(number, other), after: SimulatedNetwork.linkTimeout)
      } else {
        breakLinks(number, other)
      }
    }
  }

  // MARK: - Faults

  func strike(_ index: Int) {
    guard !hasHealed else { return }
    let fault = scenario.faults[index]
    see(.disturbance)
    switch fault.kind {
    case .crash(let target, let losesStore, let silent):
      guard let number = find(target), mayFall(number, losesStore: losesStore) else { return }
      striking[index] = [number]
      crash(number, losesStore: losesStore, silent: silent)
    case .pause(let target):
      guard let number = find(target), peers[number].isUp else { return }
      peers[number].pausedUntil = max(peers[number].pausedUntil ?? now, until(fault))
      striking[index] = [number]
    case .partition(let targets):
      let inside = targets.compactMap(find)
      let outside = peers.indices.filter { !inside.contains($0) }
      striking[index] = inside
      if inside.count == 1 { deaths.append(Outcome.Death(node: inside[0], at: now.seconds)) }
      for a in inside { for b in outside { separate(a, b, both: true) } }
    case .oneWay(let from, let to):
      let (senders, receivers) = (from.compactMap(find), to.compactMap(find))
      striking[index] = senders + [-1] + receivers
      for a in senders { for b in receivers where a != b { separate(a, b, both: false) } }
    case .cut(let a, let b):
      if let a = find(a), let b = find(b), a != b { breakLinks(a, b) }
    case .slowDisk(let target, let milliseconds):
      guard let number = find(target) else { return }
      striking[index] = [number]
      peers[number].diskDelay += .fromSeconds(milliseconds / 1_000)
    case .slowNetwork(let target, let milliseconds):
      guard let number = find(target) else { return }
      striking[index] = [number]
      network.slowness[number] += Int64(milliseconds * 1e6)
    case .rain(let share):
      striking[index] = []
      network.rain += share
    case .workerDies(let target):
      guard let number = find(target), peers[number].isUp, let worker = peers[number].workers.keys.first else { return }
      peers[number].workers.removeValue(forKey: worker)
      tell(number, .workerDied(worker, "killed by the simulation"))
    case .leave(let target):
      guard let number = find(target), mayFall(number, losesStore: false) else { return }
      striking[index] = [number]
      tell(number, .leave)
      // What it had to say is said: its process ends.
      crash(number, losesStore: false, silent: false)
      peers[number].hasLeft = true
    }
    writer?.write(.fault(index, fault, struck: striking[index] ?? [], begins: true, at: now))
  }

  private func until(_ fault: Fault) -> Instant {
    .seconds(min((fault.trigger == nil ? fault.at : now.seconds) + fault.lasts, scenario.healsAt))
  }

  // MARK: - Faults that wait for a manager's state

  /// Strikes whatever has waited for what is so now.
  func pullTriggers() {
    // All that wait for this moment strike in it, whatever the first of them does to it.
    let ready = waiting.filter { index in
      let fault = scenario.faults[index]
      return now >= .seconds(fault.at) && !hasHealed && fault.trigger.map(isReached) ?? false
    }
    for index in ready {
      let fault = scenario.faults[index]
      guard let trigger = fault.trigger else { continue }
      waiting.removeAll { $0 == index }
      let standing = request(trigger.request).map { describe($0) } ?? ""
      strike(index)
      strikes.append(
        Outcome.Strike(
          fault: index, at: now.seconds, nodes: (striking[index] ?? []).filter { $0 >= 0 }, standing: standing))
      queue.push(.fault(index, begins: false), at: until(fault))
    }
  }

  private func isReached(_ trigger: Fault.Trigger) -> Bool {
    guard let request = request(trigger.request) else { return false }
    let managers = peers.filter { $0.isUp && $0.node.manages(request) }
    // After a successor was elected the request is never new again.
    if trigger.state == .electing { return managers.isEmpty && asks[trigger.request].acceptedAt == nil }
    return managers.contains { manager in
      switch (trigger.state, manager.node.standing(of: request)?.phase) {
      case (.composing, .recording), (.reserving, .reserving), (.committing, .committing), (.running, .running),
        (.repairing, .repairing):
        true
      case (.handingOver, _): manager.node.isHandingOver(request)
      default: false
      }
    }
  }

  /// Whether it is up to fall at all; and a store may be lost only where the protocol goes on without it: as many as leave every electorate a
  /// quorum that remembers, where liars count as if they had forgotten.
  private func mayFall(_ number: Int, losesStore: Bool) -> Bool {
    guard peers[number].isUp else { return false }
    guard losesStore else { return true }
    let electors = min(peers.count, Limits.electors)
    let quorum = (electors + (electors - 1) / 3) / 2 + 1
    guard storesLost < electors - quorum - lies.count else { return false }
    storesLost += 1
    return true
  }

  private func separate(_ a: Int, _ b: Int, both: Bool) {
    network.block(a, b)
    if both { network.block(b, a) }
    // Links under use break when nothing passes for long; a machine that says nothing does not notice.
    if network.haveLink(a, b) { push(.breakLinks(a, b), after: SimulatedNetwork.linkTimeout) }
  }

  func mend(_ index: Int) {
    guard let struck = striking.removeValue(forKey: index) else { return }
    let fault = scenario.faults[index]
    switch fault.kind {
    case .crash, .leave: for number in struck { start(number, isFirst: false) }
    case .pause, .cut, .workerDies: break
    case .partition:
      let outside = peers.indices.filter { !struck.contains($0) }
      for a in struck {
        for b in outside {
          network.unblock(a, b)
          network.unblock(b, a)
        }
      }
    case .oneWay:
      let parts = struck.split(separator: -1, omittingEmptySubsequences: false)
      for a in parts[0] { for b in parts[1] where a != b { network.unblock(a, b) } }
    case .slowDisk(_, let milliseconds):
      for number in struck { peers[number].diskDelay -= .fromSeconds(milliseconds / 1_000) }
    case .slowNetwork(_, let milliseconds):
      for number in struck { network.slowness[number] -= Int64(milliseconds * 1e6) }
    case .rain(let share): network.rain = max(0, network.rain - share)
    }
    see(.disturbance)
    writer?.write(.fault(index, fault, struck: struck, begins: false, at: now))
  }

  /// From now on nothing goes wrong any more.
  func heal() {
    for index in Array(striking.keys) { mend(index) }
    for number in peers.indices {
      peers[number].pausedUntil = nil
      if scenario.nodes[number].startsAt <= scenario.healsAt { start(number, isFirst: false) }
    }
    hasHealed = true
    network.rain = 0
    see(.heals)
  }

  // MARK: - Whom it strikes

  private func find(_ target: Fault.Target) -> Int? {
    switch target {
    case .node(let number): return peers.indices.contains(number) ? number : nil
    case .portal(let ask): return asks.indices.contains(ask) ? asks[ask].ask.portal : nil
    case .manager(let ask):
      guard let request = request(ask) else { return nil }
      return peers.indices.last { peers[$0].isUp && peers[$0].node.manages(request) }
    case .elector(let ask, let place):
      guard asks.indices.contains(ask), let electors = asks[ask].electors, !electors.isEmpty else { return nil }
      return number(of: electors[place % electors.count])
    case .bystander(let ask, let place):
      guard let request = request(ask), let electors = asks[ask].electors else { return nil }
      let planned = peers.compactMap { $0.isUp ? $0.node.plan(of: request) : nil }.flatMap(\.nodes)
      let source = scenario.sources[asks[ask].ask.source].node
      let idle = electors.compactMap(number(of:)).filter {
        $0 != source && $0 != asks[ask].ask.portal && !peers[$0].node.manages(request)
          && !planned.contains(peers[$0].node.id)
      }
      return place < idle.count ? idle[place] : nil
    case .candidate(let ask, let term):
      guard let request = request(ask), let electors = asks[ask].electors, let electorate = Electorate(electors),
        let candidate = electorate.candidate(of: request, in: Term(term))
      else { return nil }
      return number(of: candidate)
    case .stage(let ask, let stage):
      guard let request = request(ask) else { return nil }
      for peer in peers where peer.isUp {
        guard let plan = peer.node.plan(of: request), !plan.groups.isEmpty else { continue }
        return number(of: plan.groups[stage % plan.groups.count].node)
      }
      return nil
    }
  }

  private func request(_ ask: Int) -> RequestID? { asks.indices.contains(ask) ? asks[ask].request : nil }
}
