import Base
import Identity
import Vocabulary

// Failure detection: probe one member a period, ask others to probe it too, judge.

extension MemberTable {
  // MARK: - On the period

  mutating func onPeriod(at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    guard !own.body.isLeaving else { return [] }
    let next = MemberEffect.setTimer(.period, at: now + period * (health + 1))
    while let candidate = round.popLast() {
      if isMember(candidate) { return probe(candidate, at: now) + [next] }
    }
    // SWIM's round robin: everybody once, in a new random order each round, so that detection time is bounded.
    round = random.permuted(
      takingPart == members.count ? Array(members.keys) : members.values.filter(\.isMember).map(\.node))
    guard let first = round.popLast() else { return [next] }
    return probe(first, at: now) + [next]
  }

  /// A peer that hardly knows where it stands looks around faster: what is placed in its first seconds goes by coordinates too.
  private var period: Duration {
    estimator.observations < Limits.orientation ? Limits.orientingPeriod : Limits.probePeriod
  }

  /// A hint that something may be wrong: looked at now instead of at its turn.
  mutating func onLinkBroken(_ target: NodeID, at now: Instant) -> [MemberEffect] {
    guard members[target]?.isMember == true, !own.body.isLeaving, !isProbing(target) else { return [] }
    return probe(target, at: now)
  }

  /// Without a copy of all that is known of it.
  private func isMember(_ candidate: NodeID) -> Bool {
    members.index(forKey: candidate).map { members.values[$0].isMember } ?? false
  }

  func isProbing(_ target: NodeID) -> Bool { probes.values.contains { $0.target == target } }

  /// - Parameter hearsay: what others say of the target; it hears of it and can refute.
  mutating func probe(_ target: NodeID, at now: Instant, telling hearsay: MemberUpdate? = nil) -> [MemberEffect] {
    guard let place = members.index(forKey: target) else { return [] }
    sequence += 1
    let patience = health + 1
    let far = Duration.fromSeconds(2 * (members.values[place].roundTrip ?? 0) / 1_000)
    let direct = max(Limits.probeTimeout, min(far, Limits.longestProbeTimeout)) * patience
    let judged = now + Limits.probePeriod * patience
    // Gossip may have missed it: who was never heard from is told who asks.
    let opening = hearsay ?? (members.values[place].lastHeard == nil ? .record(own.envelope) : nil)
    probes[sequence] = Probe(target: target, sent: now, judgedAt: judged, isHearsay: hearsay != nil)
    return [
      .send(
        datagram(.ping(estimator.coordinate.told), sequence: sequence, to: target, telling: opening), to: target,
        at: members.values[place].address),
      .setTimer(.probe(sequence), at: now + direct),
    ]
  }

  // MARK: - On silence

  mutating func onSilence(_ number: UInt64, at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    guard let probe = probes[number] else { return [] }
    guard !probe.isIndirect else { return onVerdict(number, at: now, using: &random) }
    guard let target = members[probe.target] else {
      probes.removeValue(forKey: number)
      return []
    }
    let helpers = some(Limits.indirectProbes, using: &random) {
      $0.state == .alive && $0.speaksOurVersion && $0.node != probe.target
    }
    probes[number]?.isIndirect = true
    probes[number]?.helpers = helpers.map(\.node)
    // Those who keep other members than this peer are told where it is.
    let introduction: MemberUpdate? = isFull ? .record(target.record.envelope) : nil
    return helpers.map {
      .send(
        datagram(.indirectPing(probe.target), sequence: number, to: $0.node, telling: introduction), to: $0.node,
        at: $0.address)
    } + [.setTimer(.probe(number), at: probe.judgedAt)]
  }

  private mutating func onVerdict(_ number: UInt64, at now: Instant, using random: inout SeededRandom) -> [MemberEffect]
  {
    guard let probe = probes.removeValue(forKey: number) else { return [] }
    guard let member = members[probe.target], member.isMember else { return [] }
    guard now - probe.judgedAt <= Limits.oversleep else {
      // This peer stood still (stopped, swapped out, starved): the answer may lie unread. It accuses nobody.
      health = min(Limits.localHealth, health + 1)
      return []
    }
    // Helpers that did not even say that they failed: perhaps it is this peer that does not hear.
    health = min(Limits.localHealth, health + (probe.helpers.isEmpty ? 1 : probe.helpers.count - probe.nacks.count))
    return suspect(probe.target, incarnation: member.incarnation, by: node, at: now, using: &random)
  }
}
