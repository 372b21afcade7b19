import Base
import Identity
import Vocabulary

// From doubt to death, and the word of one who is doubted.

extension MemberTable {
  // MARK: - On a suspicion

  /// Counts only about the very incarnation that the member has signed: a doubt about an older one is stale, and one about a
  /// newer one, unseen, cannot be told from a lie. The newer record travels by itself.
  mutating func suspect(
    _ target: NodeID, incarnation: UInt64, by accuser: NodeID, at now: Instant, using random: inout SeededRandom
  ) -> [MemberEffect] {
    guard var member = members[target], incarnation == member.incarnation, member.isMember else { return [] }
    guard accuser == node || members[accuser] != nil, accuser != target else { return [] }
    if var suspicion = suspicions[target] {
      guard suspicion.by.count <= Limits.suspicionConfirmations, suspicion.by.append(accuser).inserted else {
        return []
      }
      suspicions[target] = suspicion
      outgoing.add(.suspect(target, incarnation: incarnation, by: accuser), about: target)
      return [.setTimer(.suspicion(target), at: due(suspicion))]
    }
    let before = member.state
    member.state = .suspect
    member.stateSince = now
    put(member)
    let suspicion = Suspicion(since: now, by: [accuser], incarnation: incarnation)
    suspicions[target] = suspicion
    outgoing.add(.suspect(target, incarnation: incarnation, by: accuser), about: target)
    return [.changed(member, from: before), .setTimer(.suspicion(target), at: due(suspicion))]
      + (accuser == node ? [] : lookOneself(at: target, now, using: &random))
  }

  /// About ``Base/Limits/onlookers`` of those who hear of a suspicion probe the suspect at once: so it is confirmed or refuted
  /// within a period, and not only when each comes to it on its round.
  private mutating func lookOneself(at target: NodeID, _ now: Instant, using random: inout SeededRandom)
    -> [MemberEffect]
  {
    guard !own.body.isLeaving, random.fraction() < share(of: Limits.onlookers, about: target), !isProbing(target) else {
      return []
    }
    return probe(target, at: now)
  }

  /// The share of members that make about so many of those who hear of it; hardly anybody does of one whom few keep.
  private func share(of few: Int, about target: NodeID) -> Double {
    isFull && !isCommon(target) ? 1 : Double(few) / Double(members.count + 1)
  }

  /// Lifeguard's dogpile: from the longest time for one accuser down to the shortest for K others.
  private func end(of suspicion: Suspicion) -> Instant {
    let least = Limits.suspicionBase.seconds * decimalDigits(members.count + 1)
    let most = least * Limits.suspicionPatience
    // Those who could confirm: with nobody else left there is nothing to wait for.
    let needed = min(Limits.suspicionConfirmations, takingPart - 1)
    guard needed > 0 else { return suspicion.since + .fromSeconds(least) }
    let confirmations = min(suspicion.by.count - 1, needed)
    let share = MemberTable.logarithms[confirmations] / MemberTable.logarithms[needed]
    return suspicion.since + .fromSeconds(most - (most - least) * share)
  }

  /// log10(1 + c) for c confirmations.
  private static let logarithms = [0, 0.30103, 0.47712, 0.60206]

  /// Its half-time first, then its end.
  private func due(_ suspicion: Suspicion) -> Instant {
    let end = end(of: suspicion)
    return suspicion.hasLookedAgain ? end : suspicion.since + (end - suspicion.since) / 2
  }

  mutating func onSuspicionDue(_ target: NodeID, at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    guard var suspicion = suspicions[target], let member = members[target] else { return [] }
    let due = due(suspicion)
    guard now >= due else { return [] }
    if now - due > Limits.oversleep {
      // This peer stood still meanwhile: the refutation may lie unread.
      (suspicion.since, suspicion.hasLookedAgain) = (now, false)
      suspicions[target] = suspicion
      return [.setTimer(.suspicion(target), at: self.due(suspicion))]
    }
    if suspicion.hasLookedAgain { return declareDead(target, incarnation: suspicion.incarnation, by: node, at: now) }
    suspicion.hasLookedAgain = true
    suspicions[target] = suspicion
    let again = MemberEffect.setTimer(.suspicion(target), at: self.due(suspicion))
    // Gossip leaves out somebody now and then. The suspect's answer would bring its refutation.
    guard random.fraction() < share(of: Limits.lastLooks, about: target) else { return [again] }
    sequence += 1
    return [
      .send(datagram(.ping(estimator.coordinate.told), sequence: sequence, to: target), to: target, at: member.address),
      again,
    ]
  }

  // MARK: - On a death

  mutating func declareDead(_ target: NodeID, incarnation: UInt64, by accuser: NodeID, at now: Instant)
    -> [MemberEffect]
  {
    guard var member = members[target], incarnation == member.incarnation, member.isMember else { return [] }
    let before = member.state
    member.state = .dead
    member.stateSince = now
    put(member)
    suspicions.removeValue(forKey: target)
    outgoing.add(.dead(target, incarnation: incarnation, by: accuser), about: target)
    return [.changed(member, from: before)]
  }

  // MARK: - On being doubted

  /// Somebody doubts this peer. About its present incarnation: it says otherwise with a higher one, and takes it as a hint that
  /// it may be slow. About an older one: whoever says so does not know the newest record yet.
  mutating func onOwnDoubt(_ incarnation: UInt64) {
    guard !own.body.isLeaving else { return }
    if incarnation == own.body.incarnation {
      renew(above: incarnation)
      health = min(Limits.localHealth, health + 1)
    } else if incarnation < own.body.incarnation {
      outgoing.add(.record(own.envelope), about: node)
    }
  }
}
