import Base
import Identity
import Vocabulary

// Failure detection: probe, ask others to probe, suspect, declare dead; and all that a datagram brings.

extension MemberTable {
  // MARK: - On a datagram

  mutating func onDatagram(
    _ datagram: MemberDatagram, from sender: NodeID, at address: PeerAddress, _ now: Instant,
    using random: inout SeededRandom
  ) -> [MemberEffect] {
    var effects = datagram.updates.flatMap { apply($0, at: now) }
    members[sender]?.lastHeard = now
    switch datagram.body {
    case .ping(let coordinate):
      members[sender]?.coordinate = coordinate
      // To where it came from: the sender may not be known yet.
      effects.append(
        .send(
          self.datagram(.ack(estimator.coordinate), sequence: datagram.sequence, to: sender), to: sender, at: address))
    case .ack(let coordinate): effects += onAck(datagram.sequence, from: sender, coordinate, at: now, using: &random)
    case .indirectPing(let target, let targetAddress):
      guard errands.count < 64 else { break }
      sequence += 1
      errands[sequence] = Errand(asker: sender, address: address, sequence: datagram.sequence)
      effects.append(
        .send(self.datagram(.ping(estimator.coordinate), sequence: sequence, to: target), to: target, at: targetAddress)
      )
      effects.append(.setTimer(.nack(sequence), at: now + Limits.probeTimeout))
    case .nack: probes[datagram.sequence]?.nacks += 1
    }
    return effects
  }

  private mutating func onAck(
    _ number: UInt64, from sender: NodeID, _ coordinate: Coordinate, at now: Instant, using random: inout SeededRandom
  ) -> [MemberEffect] {
    if let errand = errands.removeValue(forKey: number) {
      return [
        .send(
          datagram(.ack(coordinate), sequence: errand.sequence, to: errand.asker), to: errand.asker, at: errand.address)
      ]
    }
    guard var probe = probes[number], !probe.isAnswered else { return [] }
    if probe.target == sender {
      let milliseconds = (now - probe.sent).milliseconds
      members[sender]?.coordinate = coordinate
      let smoothed = members[sender]?.roundTrip.map { $0 * 0.8 + milliseconds * 0.2 }
      members[sender]?.roundTrip = smoothed ?? milliseconds
      estimator.observe(milliseconds, of: sender.key, at: coordinate, using: &random)
    }
    probe.isAnswered = true
    probes[number] = probe
    health = max(0, health - 1)
    return []
  }

  // MARK: - On timers

  mutating func onTimer(_ timer: MembershipTimer, at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    switch timer {
    case .period: return onPeriod(at: now, using: &random)
    case .indirect(let number): return onSilence(number, at: now, using: &random)
    case .verdict(let number): return onVerdict(number, at: now)
    case .nack(let number):
      guard let errand = errands.removeValue(forKey: number) else { return [] }
      return [.send(datagram(.nack, sequence: errand.sequence, to: errand.asker), to: errand.asker, at: errand.address)]
    case .suspicion(let node): return onSuspicionEnd(node, at: now)
    case .exchange:
      let next = MemberEffect.setTimer(.exchange, at: now + Limits.exchangePeriod)
      let partners = members.values.filter { $0.state == .alive }
      guard !partners.isEmpty else { return [next] }
      let partner = partners[random.index(below: partners.count)]
      return [.exchange(wholeView, isAnswer: false, to: partner.node, at: partner.address), next]
    case .reclaim:
      for member in Array(members.values) where !member.isMember && now - member.stateSince > Limits.deadKept {
        members.removeValue(forKey: member.node)
        estimator.forget(member.node.key)
      }
      let next = MemberEffect.setTimer(.reclaim, at: now + Limits.reclaimPeriod)
      let gone = members.values.filter { $0.state == .dead }
      guard !gone.isEmpty else { return [next] }
      let member = gone[random.index(below: gone.count)]
      sequence += 1
      let opening: [MemberUpdate] = [
        .record(own.envelope), .dead(member.node, incarnation: member.record.body.incarnation, by: node),
      ]
      let greeting = datagram(.ping(estimator.coordinate), sequence: sequence, to: member.node, opening: opening)
      return [.send(greeting, to: member.node, at: member.address), next]
    case .join: return knock(at: now)
    }
  }

  private mutating func onPeriod(at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    let length = Duration.nanoseconds(Limits.probePeriod.nanoseconds * Int64(health + 1))
    let next = MemberEffect.setTimer(.period, at: now + length)
    while let candidate = round.popLast() {
      if members[candidate]?.isMember == true { return probe(candidate, at: now) + [next] }
    }
    // SWIM's round robin: everybody once, in a new random order each round, so that detection time is bounded.
    round = random.permuted(members.values.filter(\.isMember).map(\.node))
    guard let first = round.popLast() else { return [next] }
    return probe(first, at: now) + [next]
  }

  mutating func probe(_ target: NodeID, at now: Instant) -> [MemberEffect] {
    guard let member = members[target] else { return [] }
    sequence += 1
    probes[sequence] = Probe(target: target, sent: now)
    let patience = Int64(health + 1)
    // Gossip may have missed it: who was never heard from is told who asks.
    let opening: [MemberUpdate] = member.lastHeard == nil ? [.record(own.envelope)] : []
    return [
      .send(
        datagram(.ping(estimator.coordinate), sequence: sequence, to: target, opening: opening), to: target,
        at: member.address),
      .setTimer(.indirect(sequence), at: now + .nanoseconds(Limits.probeTimeout.nanoseconds * patience)),
      .setTimer(.verdict(sequence), at: now + .nanoseconds(Limits.probePeriod.nanoseconds * patience)),
    ]
  }

  private mutating func onSilence(_ number: UInt64, at now: Instant, using random: inout SeededRandom) -> [MemberEffect]
  {
    guard let probe = probes[number], !probe.isAnswered, let target = members[probe.target] else { return [] }
    let helpers = random.permuted(members.values.filter { $0.state == .alive && $0.node != probe.target }).prefix(
      Limits.indirectProbes)
    probes[number]?.nacksExpected = helpers.count
    return helpers.map {
      .send(
        datagram(.indirectPing(target.node, target.address), sequence: number, to: $0.node), to: $0.node, at: $0.address
      )
    }
  }

  private mutating func onVerdict(_ number: UInt64, at now: Instant) -> [MemberEffect] {
    guard let probe = probes.removeValue(forKey: number), !probe.isAnswered, let member = members[probe.target],
      member.isMember
    else { return [] }
    // Helpers that did not even say that they failed: perhaps it is this peer that does not hear.
    health = min(Limits.localHealth, health + (probe.nacksExpected > 0 ? probe.nacksExpected - probe.nacks : 1))
    return suspect(probe.target, incarnation: member.record.body.incarnation, by: node, at: now)
  }

  // MARK: - Suspicion

  mutating func suspect(_ target: NodeID, incarnation: UInt64, by accuser: NodeID, at now: Instant) -> [MemberEffect] {
    guard var member = members[target], incarnation >= member.record.body.incarnation, member.isMember else {
      return []
    }
    if var suspicion = suspicions[target] {
      guard suspicion.by.count <= Limits.suspicionConfirmations, suspicion.by.append(accuser).inserted else {
        return []
      }
      suspicions[target] = suspicion
      outgoing.add(.suspect(target, incarnation: incarnation, by: accuser), about: target)
      return [.setTimer(.suspicion(target), at: end(of: suspicion))]
    }
    let before = member.state
    member.state = .suspect
    member.stateSince = now
    members[target] = member
    let suspicion = Suspicion(since: now, by: [accuser], incarnation: incarnation)
    suspicions[target] = suspicion
    outgoing.add(.suspect(target, incarnation: incarnation, by: accuser), about: target)
    return [.changed(member, from: before), .setTimer(.suspicion(target), at: end(of: suspicion))]
  }

  /// Lifeguard's dogpile: from the longest time for one accuser down to the shortest for K others.
  private func end(of suspicion: Suspicion) -> Instant {
    let least = Limits.suspicionBase.seconds * decimalDigits(members.count + 1)
    let most = least * Limits.suspicionPatience
    let confirmations = min(suspicion.by.count - 1, max(1, min(Limits.suspicionConfirmations, members.count - 1)))
    let needed = max(1, min(Limits.suspicionConfirmations, members.count - 1))
    let share = decimalLogarithm(Double(confirmations + 1)) / decimalLogarithm(Double(needed + 1))
    return suspicion.since + .fromSeconds(max(least, most - (most - least) * share))
  }

  /// Exact enough for 1…4, all that is asked.
  private func decimalLogarithm(_ value: Double) -> Double {
    switch value {
    case ..<1.5: 0
    case ..<2.5: 0.30103
    case ..<3.5: 0.47712
    default: 0.60206
    }
  }

  private mutating func onSuspicionEnd(_ target: NodeID, at now: Instant) -> [MemberEffect] {
    guard let suspicion = suspicions[target], now >= end(of: suspicion) else { return [] }
    return declareDead(target, incarnation: suspicion.incarnation, by: node, at: now)
  }

  mutating func declareDead(_ target: NodeID, incarnation: UInt64, by accuser: NodeID, at now: Instant)
    -> [MemberEffect]
  {
    guard var member = members[target], incarnation >= member.record.body.incarnation, member.isMember else {
      return []
    }
    let before = member.state
    member.state = .dead
    member.stateSince = now
    members[target] = member
    suspicions.removeValue(forKey: target)
    outgoing.add(.dead(target, incarnation: incarnation, by: accuser), about: target)
    return [.changed(member, from: before)]
  }
}
