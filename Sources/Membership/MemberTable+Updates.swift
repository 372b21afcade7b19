import Base
import Identity
import Vocabulary

// What is said of members, and how the newest word wins: a higher incarnation over a lower, dead over suspect over alive.

extension MemberTable {
  mutating func apply(_ update: MemberUpdate, at now: Instant) -> [MemberEffect] {
    switch update {
    case .record(let envelope): return onRecord(envelope, at: now)
    case .suspect(let target, let incarnation, let accuser):
      if target == node { return refute(incarnation) }
      return suspect(target, incarnation: incarnation, by: accuser, at: now)
    case .dead(let target, let incarnation, let accuser):
      if target == node { return refute(incarnation) }
      return declareDead(target, incarnation: incarnation, by: accuser, at: now)
    }
  }

  // MARK: - On a member's own word

  private mutating func onRecord(_ envelope: SignedEnvelope, at now: Instant) -> [MemberEffect] {
    guard envelope.signer != node, let record = try? Signed<MemberRecord>(verifying: envelope, using: &verified),
      record.body.node == record.signer
    else { return [] }
    guard var member = members[record.signer] else {
      guard members.count < bound else { return [] }
      let member = Member(
        record: record, state: record.body.isLeaving ? .left : .alive, knownSince: now, stateSince: now, lastHeard: nil)
      members[member.node] = member
      insertIntoRound(member.node)
      outgoing.add(.record(envelope), about: member.node)
      return [.changed(member, from: nil)]
    }
    let newer = record.body.incarnation > member.record.body.incarnation
    let leaves =
      record.body.isLeaving && !member.record.body.isLeaving
      && record.body.incarnation >= member.record.body.incarnation
    guard newer || leaves else { return [] }
    let before = member.state
    member.record = record
    member.state = record.body.isLeaving ? .left : .alive
    if before != member.state { member.stateSince = now }
    if !before.takesPart, member.state == .alive {
      member.knownSince = now
      insertIntoRound(member.node)
    }
    members[member.node] = member
    suspicions.removeValue(forKey: member.node)
    outgoing.add(.record(envelope), about: member.node)
    return [.changed(member, from: before)]
  }

  private mutating func insertIntoRound(_ newcomer: NodeID) { round.insert(newcomer, at: round.count / 2) }

  // MARK: - On being doubted

  /// Somebody doubts this peer: it says otherwise, with a higher incarnation, and takes it as a hint that it may be slow.
  private mutating func refute(_ incarnation: UInt64) -> [MemberEffect] {
    guard incarnation >= own.body.incarnation, !own.body.isLeaving else { return [] }
    var record = own.body
    // A doubt is not signed by whom it is about: it must not drive the number to its end.
    record.incarnation = min(incarnation, own.body.incarnation + Limits.incarnationLeap) + 1
    own = Signed(record, by: keys)
    outgoing.add(.record(own.envelope), about: node)
    health = min(Limits.localHealth, health + 1)
    return []
  }
}

extension Member.State {
  var takesPart: Bool { self == .alive || self == .suspect }
}
