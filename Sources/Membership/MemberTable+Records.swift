import Base
import Identity
import Vocabulary

// What is said of members, and how the newest word wins: a higher incarnation over a lower, dead over suspect over alive.

extension MemberTable {
  mutating func apply(_ update: MemberUpdate, at now: Instant, using random: inout SeededRandom) -> [MemberEffect] {
    switch update {
    case .record(let envelope): return onRecord(envelope, at: now)
    case .suspect(node, let incarnation, _), .dead(node, let incarnation, _):
      onOwnDoubt(incarnation)
      return []
    case .suspect(let target, let incarnation, let accuser):
      return suspect(target, incarnation: incarnation, by: accuser, at: now, using: &random)
    case .dead(let target, let incarnation, let accuser):
      // Believed at once only of one who has been a suspect here for a while and said nothing: word from behind a partition, or
      // of a liar, is a suspicion like any other, and leaves time to refute.
      guard suspicions[target]?.hasLookedAgain == true else {
        return suspect(target, incarnation: incarnation, by: accuser, at: now, using: &random)
      }
      return declareDead(target, incarnation: incarnation, by: accuser, at: now)
    }
  }

  // MARK: - On a member's own word

  mutating func onRecord(_ envelope: SignedEnvelope, at now: Instant) -> [MemberEffect] {
    if envelope.signer == node {
      recall(envelope, at: now)
      return []
    }
    // Most that gossip brings is known already: that costs a comparison, not a signature check.
    if let place = members.index(forKey: envelope.signer) {
      if members.values[place].record.saysTheSame(as: envelope) { return [] }
    }
    guard let record = try? Signed<MemberRecord>(verifying: envelope, using: &verified),
      record.body.node == record.signer
    else { return [] }
    guard record.body.overlay == own.body.overlay else {
      refuse(record.signer, "is of overlay “\(record.body.overlay)”, this peer of “\(own.body.overlay)”")
      return []
    }
    guard var member = members[record.signer] else { return onNewcomer(record, at: now) }
    guard record.body.incarnation > member.incarnation else { return [] }
    let before = member.state
    let tookPart = member.isMember
    member.record = record
    member.state = record.body.isLeaving ? .left : .alive
    if before != member.state { member.stateSince = now }
    if !tookPart, member.isMember {
      member.knownSince = now
      // Once: who comes and goes all the time would else be probed in the others' stead.
      if !round.contains(member.node) { insertIntoRound(member.node) }
    }
    put(member)
    suspicions.removeValue(forKey: member.node)
    outgoing.add(.record(envelope), about: member.node)
    return [.changed(member, from: before)]
  }

  private mutating func onNewcomer(_ record: Signed<MemberRecord>, at now: Instant) -> [MemberEffect] {
    // Somebody who only says farewell was never here.
    guard !record.body.isLeaving, let (dropped, isForAll) = makeRoom(for: record.signer) else { return [] }
    if !record.body.speaksOurVersion {
      refuse(
        record.signer,
        "speaks version \(record.body.version) of the protocol, this peer version \(Limits.protocolVersion)")
    }
    let member = Member(record: record, state: .alive, knownSince: now, stateSince: now, lastHeard: nil)
    put(member)
    if member.isMember { insertIntoRound(member.node) }
    if isForAll { outgoing.add(.record(record.envelope), about: member.node) }
    return (dropped.map { [.dropped($0)] } ?? []) + [.changed(member, from: nil)]
  }

  private mutating func refuse(_ node: NodeID, _ why: String) {
    if refused[node] == nil, refused.count >= Limits.refusedRecords { refused.removeFirst() }
    refused[node] = why
  }

  /// Somewhere in the middle of what is left of the round: soon, but not at once by everybody. A round that is full already leaves it to
  /// the next.
  private mutating func insertIntoRound(_ newcomer: NodeID) {
    guard round.count < Limits.members else { return }
    round.insert(newcomer, at: round.count / 2)
  }

  // MARK: - On the own word of an earlier life

  /// This peer's own signature under a higher incarnation than its own: it ran before under a clock that was ahead. It goes
  /// above it, or nobody would believe it.
  private mutating func recall(_ envelope: SignedEnvelope, at now: Instant) {
    guard envelope.bytes != own.bytes, let earlier = try? MemberRecord(validating: envelope.bytes) else { return }
    guard earlier.incarnation >= own.body.incarnation, earlier.incarnation < Limits.incarnation else { return }
    if let recalledAt, now - recalledAt < Limits.recallPause { return }
    guard (try? Signed<MemberRecord>(verifying: envelope, using: &verified)) != nil else { return }
    recalledAt = now
    renew(above: earlier.incarnation)
  }
}

extension MemberRecord {
  var speaksOurVersion: Bool { version == Limits.protocolVersion }
}
