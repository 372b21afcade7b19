import Base
import Identity
import Vocabulary

// How a peer comes and goes: whole views over links at the join and now and then, a farewell, and attempts to win back the dead.

extension MemberTable {
  // MARK: - On joining and leaving

  mutating func onJoin(
    _ contacts: [(node: NodeID, address: PeerAddress)], at now: Instant, using random: inout SeededRandom
  ) -> [MemberEffect] {
    self.contacts = contacts.filter { $0.node != node }
    knocks = 0
    isJoined = false
    exchangePause = Limits.firstExchange
    if own.body.isLeaving { renew(above: own.body.incarnation) { $0.isLeaving = false } }
    outgoing.add(.record(own.envelope), about: node)
    // The first probe comes at a time of its own, so that peers started together do not probe together.
    let effects: [MemberEffect] = [
      .setTimer(.period, at: now + .fromSeconds(Limits.probePeriod.seconds * (0.5 + random.fraction() / 2))),
      .setTimer(.exchange, at: now + .fromSeconds(exchangePause.seconds * (0.75 + random.fraction() / 2))),
      .setTimer(.reclaim, at: now + Limits.reclaimPeriod),
    ]
    return effects + knock(at: now)
  }

  /// Shows the own view to every contact; the answers are theirs. Repeated, ever later, until one has answered.
  mutating func knock(at now: Instant) -> [MemberEffect] {
    guard !contacts.isEmpty, !isJoined, !own.body.isLeaving else { return [] }
    let pause = min(Limits.longestJoinRetry, Limits.joinRetry * (1 << min(knocks, 10)))
    knocks += 1
    return contacts.map { .exchange(wholeView, isAnswer: false, to: $0.node, at: $0.address) } + [
      .setTimer(.join, at: now + pause)
    ]
  }

  /// Tells a few members at once; from then on this peer only answers.
  mutating func onLeave(using random: inout SeededRandom) -> [MemberEffect] {
    guard !own.body.isLeaving else { return [] }
    renew(above: own.body.incarnation) { $0.isLeaving = true }
    // Said to each of them outright: there is no later round in which gossip could make up for it.
    return nudge(Limits.farewells, telling: .record(own.envelope), using: &random)
  }

  /// Signs a new record of this peer and tells it.
  mutating func renew(above incarnation: UInt64, _ change: (inout MemberRecord) -> Void = { _ in }) {
    var record = own.body
    record.incarnation = min(incarnation, Limits.incarnation - 1) + 1
    change(&record)
    own = Signed(record, by: keys)
    outgoing.add(.record(own.envelope), about: node)
  }

  /// Pings some members out of turn, so that what is piggybacked spreads at once.
  mutating func nudge(_ wanted: Int, telling word: MemberUpdate? = nil, using random: inout SeededRandom)
    -> [MemberEffect]
  {
    some(wanted, using: &random, where: \.isMember).map { member in
      sequence += 1
      return .send(
        datagram(.ping(estimator.coordinate.told), sequence: sequence, to: member.node, telling: word), to: member.node,
        at: member.address)
    }
  }

  // MARK: - On a whole view

  mutating func onExchange(
    _ updates: [MemberUpdate], isAnswer: Bool, from sender: NodeID, at now: Instant, using random: inout SeededRandom
  ) -> [MemberEffect] {
    var effects: [MemberEffect] = []
    // The dead of somebody else's view, which may be an hour old or from behind a partition, are not dead for that; and those
    // never heard of stay unknown, as a tombstone would otherwise go round for ever.
    var dead: [NodeID: UInt64] = [:]
    for case .dead(let target, let incarnation, _) in updates { dead[target] = incarnation }
    var asked = hearsay
    for update in updates {
      switch update {
      case .record(let envelope):
        if dead[envelope.signer] != nil, members[envelope.signer] == nil { continue }
        effects += onRecord(envelope, at: now)
      case .dead(node, let incarnation, _): onOwnDoubt(incarnation)
      case .dead(let target, let incarnation, _):
        guard asked.count < Limits.hearsay, members[target]?.state == .alive,
          members[target]?.incarnation == incarnation, asked.insert(target).inserted
        else { continue }
        effects += probe(target, at: now, telling: update)
      case .suspect: effects += apply(update, at: now, using: &random)
      }
    }
    if isAnswer, contacts.contains(where: { $0.node == sender }) { isJoined = true }
    // Who asks is answered, kept or not: a newcomer has nobody else.
    if !isAnswer, let record = members[sender]?.record ?? introduction(of: sender, in: updates) {
      effects.append(.exchange(wholeView, isAnswer: true, to: sender, at: record.body.address))
    }
    return effects
  }

  /// Who is being asked because of such a view, whoever sent it and how often.
  var hearsay: Set<NodeID> { Set(probes.values.lazy.filter(\.isHearsay).map(\.target)) }

  mutating func onExchangeDue(at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    guard !own.body.isLeaving else { return [] }
    exchangePause = min(Limits.exchangePeriod, exchangePause * 2)
    let next = MemberEffect.setTimer(
      .exchange, at: now + .fromSeconds(exchangePause.seconds * (0.75 + random.fraction() / 2)))
    guard let partner = some(1, using: &random, where: { $0.state == .alive && $0.speaksOurVersion }).first else {
      return [next]
    }
    return [.exchange(wholeView, isAnswer: false, to: partner.node, at: partner.address), next]
  }

  /// Every record this peer holds, its own first, and what is said against each.
  var wholeView: [MemberUpdate] {
    var view: [MemberUpdate] = [.record(own.envelope)]
    view.reserveCapacity(members.count + 1)
    // Of each no more than is said of it: a copy of all that is known of a member costs more than the rest.
    for place in members.values.indices {
      view.append(.record(members.values[place].record.envelope))
      if members.values[place].state != .alive, let doubt = doubt(about: members.values[place]) { view.append(doubt) }
    }
    return view
  }

  func doubt(about member: Member) -> MemberUpdate? {
    switch member.state {
    case .suspect: .suspect(member.node, incarnation: member.incarnation, by: suspicions[member.node]?.by.first ?? node)
    case .dead: .dead(member.node, incarnation: member.incarnation, by: node)
    case .alive, .left: nil
    }
  }

  // MARK: - On the dead

  /// Tries one dead member: after a healed partition it answers, refutes, and the two sides' views meet. Forgets the long dead.
  mutating func onReclaimDue(at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    guard !own.body.isLeaving else { return [] }
    for member in takingPart < members.count ? Array(members.values) : []
    where !member.isMember && now - max(member.stateSince, member.lastHeard ?? .zero) > Limits.deadKept {
      forget(member.node)
    }
    let next = MemberEffect.setTimer(
      .reclaim, at: now + .fromSeconds(Limits.reclaimPeriod.seconds * (0.75 + random.fraction() / 2)))
    let gone = takingPart < members.count ? members.values.filter { $0.state == .dead && $0.speaksOurVersion } : []
    guard !gone.isEmpty else { return [next] }
    let member = gone[random.index(below: gone.count)]
    sequence += 1
    let greeting = datagram(
      .ping(estimator.coordinate.told), sequence: sequence, to: member.node, telling: .record(own.envelope))
    return [.send(greeting, to: member.node, at: member.address), next]
  }

  /// Keeps what is known of a member, new or changed.
  mutating func put(_ member: Member) {
    let node = member.node
    if let known = members.updateValue(member, forKey: node) {
      takingPart += (member.isMember ? 1 : 0) - (known.isMember ? 1 : 0)
    } else {
      takingPart += member.isMember ? 1 : 0
      ordered.insert(node, at: place(of: node))
      reckonLimit()
    }
  }

  mutating func forget(_ node: NodeID) {
    guard let known = members.removeValue(forKey: node) else { return }
    takingPart -= known.isMember ? 1 : 0
    ordered.remove(at: place(of: node))
    reckonLimit()
    if leastFit?.node == node { leastFit = nil }
    suspicions.removeValue(forKey: node)
    outgoing.forget(node)
    estimator.forget(node.key)
  }
}
