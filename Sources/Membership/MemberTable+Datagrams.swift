import Base
import Identity
import Vocabulary

// What a datagram brings and what goes out beside a probe.

extension MemberTable {
  // MARK: - On a datagram

  mutating func onDatagram(
    _ datagram: MemberDatagram, from sender: NodeID, at address: PeerAddress, _ now: Instant,
    using random: inout SeededRandom
  ) -> [MemberEffect] {
    let wasGone = takingPart < members.count && (state(of: sender).map { $0 == .dead || $0 == .left } ?? false)
    var effects: [MemberEffect] = []
    for update in datagram.updates.prefix(Limits.datagramUpdates) { effects += apply(update, at: now, using: &random) }
    let place = members.index(forKey: sender)
    if let place { members.values[place].lastHeard = now }
    // A doubt that is overtaken, or was just refuted, is answered at once with the newer word: its sayer missed it.
    var newer: MemberUpdate?
    for update in datagram.updates.prefix(Limits.datagramUpdates) where newer == nil { newer = newerWord(than: update) }
    switch datagram.body {
    case .ping(let coordinate):
      if let place { members.values[place].coordinate = coordinate }
      // To where it came from: the sender may not be known yet, or have moved.
      let answer = self.datagram(
        .ack(estimator.coordinate.told), sequence: datagram.sequence, to: sender, telling: newer)
      effects.append(.send(answer, to: sender, at: address))
    case .ack(let coordinate): effects += onAck(datagram.sequence, from: sender, coordinate, at: now, using: &random)
    case .indirectPing(let target): effects += onErrand(target, for: sender, at: address, datagram, now)
    case .nack:
      if probes[datagram.sequence]?.helpers.contains(sender) == true { probes[datagram.sequence]?.nacks.append(sender) }
    }
    if let newer, !datagram.body.isPing {
      sequence += 1
      let correction = self.datagram(.ping(estimator.coordinate.told), sequence: sequence, to: sender, telling: newer)
      effects.append(.send(correction, to: sender, at: address))
    }
    // Back from the dead by its own word: behind a healed partition there may be more, so the whole views meet.
    if wasGone, let back = members[sender], back.isMember {
      effects.append(.exchange(wholeView, isAnswer: false, to: sender, at: back.address))
    }
    return effects
  }

  private func state(of node: NodeID) -> Member.State? {
    members.index(forKey: node).map { members.values[$0].state }
  }

  private func newerWord(than update: MemberUpdate) -> MemberUpdate? {
    switch update {
    case .record: nil
    case .suspect(let target, let incarnation, _), .dead(let target, let incarnation, _):
      if target == node {
        own.body.incarnation > incarnation ? .record(own.envelope) : nil
      } else if let place = members.index(forKey: target), members.values[place].incarnation > incarnation {
        .record(members.values[place].record.envelope)
      } else {
        nil
      }
    }
  }

  private mutating func onAck(
    _ number: UInt64, from sender: NodeID, _ coordinate: Coordinate, at now: Instant, using random: inout SeededRandom
  ) -> [MemberEffect] {
    if let errand = errands[number], errand.target == sender {
      errands.removeValue(forKey: number)
      return [
        .stopTimer(.nack(number)),
        .send(
          datagram(.ack(coordinate), sequence: errand.sequence, to: errand.asker), to: errand.asker, at: errand.address),
      ]
    }
    guard let probe = probes[number] else { return [] }
    // Nobody vouches for another member unasked.
    guard probe.target == sender || probe.helpers.contains(sender) else { return [] }
    if probe.target == sender {
      let milliseconds = (now - probe.sent).milliseconds
      if let place = members.index(forKey: sender) {
        members.values[place].coordinate = coordinate
        let smoothed = members.values[place].roundTrip.map { $0 * 0.8 + milliseconds * 0.2 }
        members.values[place].roundTrip = smoothed ?? milliseconds
      }
      estimator.observe(milliseconds, of: sender.key, at: coordinate, using: &random)
    }
    probes.removeValue(forKey: number)
    health = max(0, health - 1)
    return [.stopTimer(.probe(number))]
  }

  // MARK: - On a request to probe for somebody else

  /// At the address that the target itself signed, in the record that this peer keeps or, of whom it keeps none, in the one that came along. Who
  /// makes up a target can name an address so: it gets one small datagram for one question.
  private mutating func onErrand(
    _ target: NodeID, for asker: NodeID, at address: PeerAddress, _ question: MemberDatagram, _ now: Instant
  ) -> [MemberEffect] {
    guard let record = members[target]?.record ?? introduction(of: target, in: question.updates),
      record.body.speaksOurVersion,
      errands.count < Limits.errands
    else { return [] }
    sequence += 1
    errands[sequence] = Errand(target: target, asker: asker, address: address, sequence: question.sequence)
    return [
      .send(
        datagram(.ping(estimator.coordinate.told), sequence: sequence, to: target), to: target, at: record.body.address),
      .setTimer(.nack(sequence), at: now + Limits.helperTimeout),
    ]
  }

  /// The record of one whom this peer does not keep, as it came along.
  mutating func introduction(of target: NodeID, in updates: [MemberUpdate]) -> Signed<MemberRecord>? {
    for case .record(let envelope) in updates.prefix(Limits.datagramUpdates) where envelope.signer == target {
      guard let record = try? Signed<MemberRecord>(verifying: envelope, using: &verified), record.body.node == target,
        record.body.overlay == own.body.overlay
      else { return nil }
      return record
    }
    return nil
  }

  /// Says so: an asker that hears no helper at all had better doubt its own ears (Lifeguard).
  mutating func onErrandFailed(_ number: UInt64) -> [MemberEffect] {
    guard let errand = errands.removeValue(forKey: number) else { return [] }
    return [.send(datagram(.nack, sequence: errand.sequence, to: errand.asker), to: errand.asker, at: errand.address)]
  }

  // MARK: - What goes out

  /// News spread faster than probes would carry them: a refutation races with a suspicion.
  mutating func onGossip(using random: inout SeededRandom) -> [MemberEffect] {
    isGossiping = false
    return outgoing.hasNews ? nudge(Limits.gossipFanOut, using: &random) : []
  }

  /// A datagram with the updates that fit. What is held against the addressee goes first (Lifeguard's buddy), with the record
  /// that this peer knows it by, so that one who came back under an older clock can go above it.
  mutating func datagram(
    _ body: MemberDatagram.Body, sequence: UInt64, to target: NodeID, telling extra: MemberUpdate? = nil
  ) -> MemberDatagram {
    var updates: [MemberUpdate] = extra.map { [$0] } ?? []
    // Nearly all are alive, and nothing is held against them: of such not even the record is touched, which others hold as well.
    if let place = members.index(forKey: target), members.values[place].state != .alive {
      let member = members.values[place]
      if member.state == .dead || member.state == .left { updates.append(.record(member.record.envelope)) }
      if let doubt = doubt(about: member) { updates.append(doubt) }
    }
    let room = Limits.updateBytes - updates.reduce(0) { $0 + $1.size }
    for update in outgoing.take(bytes: room, members: members.count + 1, for: target) where update != extra {
      updates.append(update)
    }
    return MemberDatagram(sequence: sequence, body: body, updates: updates)
  }
}
