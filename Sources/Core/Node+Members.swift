import Assignments
import Base
import Desks
import Elections
import Identity
import Mandates
import Measurements
import Membership
import Sessions
import Streams
import Vocabulary
import Wire

// Who is there and how they fare: datagrams and exchanges come in, probes with measurements beside them go out.

extension Node {
  // MARK: - On the operator's word

  mutating func onJoin(_ contacts: [Contact]) {
    for contact in contacts { addresses.learn(contact.node, contact.address) }
    perform(members.handle(.join(contacts.map { ($0.node, $0.address) }), at: now, using: &random))
    isViewStale = true
    // Forgotten before anything is written: a new generation is a record of the same name.
    let isStoreWhole = unreadable.isEmpty
    if !isStoreWhole {
      effectsOut.append(.forget(unreadable))
      event(
        "election.generation", nil,
        "a promise in the store cannot be read: as a new generation this peer takes no part in elections that began before now"
      )
      unreadable = []
    }
    ballot(.start(identityIsNew: settings.identityIsNew && isStoreWhole))
    contest(.start(lostBefore: ballots.bornAfterLoss))
    if let warning = strategy.warning { event("election.unproved", nil, "managers are found by \(warning)") }
    keepHouse(by: now + Limits.housekeeping)
    board(.own(ownState))
  }

  // MARK: - On what comes in

  mutating func onDatagram(_ message: WireDatagramMessage, from sender: NodeID, at address: PeerAddress) {
    do throws(InvalidMessage) {
      switch message.body {
      case .membership(let wire):
        let datagram = try MemberDatagram(validating: wire)
        perform(members.handle(.datagram(datagram, from: sender, at: address), at: now, using: &random))
      case .train(let wire): board(.train(try TrainMessage(validating: wire), from: sender))
      case nil: break
      }
      if !message.measurements.isEmpty { board(.reports(try envelopes(message.measurements))) }
    } catch {
      event(
        "message.refused", nil, "\(sender.short)…: \(error)", [.init("from", "\(sender)"), .init("field", error.field)])
    }
  }

  mutating func onGossip(_ datagram: GossipDatagram, from sender: NodeID, at address: PeerAddress) {
    switch datagram.body {
    case .membership(let words):
      perform(members.handle(.datagram(words, from: sender, at: address), at: now, using: &random))
    case .train(let train): board(.train(train, from: sender))
    }
    if !datagram.reports.isEmpty { board(.reports(datagram.reports)) }
  }

  mutating func onExchange(_ exchange: WireMembershipExchange, from sender: NodeID) throws(InvalidMessage) {
    let updates = try [MemberUpdate](validating: exchange.updates, limit: 3 * Limits.members)
    onExchange(.view(updates, isAnswer: exchange.isAnswer), from: sender)
  }

  mutating func onExchange(_ exchange: WireMeasurementExchange, from sender: NodeID) throws(InvalidMessage) {
    onExchange(.board(try envelopes(exchange.reports), isAnswer: exchange.isAnswer), from: sender)
  }

  mutating func onExchange(_ exchange: GossipExchange, from sender: NodeID) {
    switch exchange {
    case .view(let updates, let isAnswer):
      perform(members.handle(.exchange(updates, isAnswer: isAnswer, from: sender), at: now, using: &random))
      // Views and boards go together: a newcomer can place at once.
      if isAnswer {
        sendBoard(to: sender, isAnswer: false)
        fraud(.meets(sender))
      }
    case .board(let reports, let isAnswer):
      board(.reports(reports))
      if !isAnswer { sendBoard(to: sender, isAnswer: true) }
    }
  }

  /// Asks a member how it fares if its word has not come round yet: with thousands of members that takes minutes, and who is
  /// the only one to have a source is waited for.
  mutating func askAbout(_ node: NodeID) {
    if board[node] == nil { sendBoard(to: node, isAnswer: false) }
  }

  private mutating func sendBoard(to node: NodeID, isAnswer: Bool) {
    guard node != id, let address = address(of: node) else { return }
    effectsOut.append(.sendExchange(.board(board.all, isAnswer: isAnswer), to: node, at: address.known))
  }

  private func envelopes(_ wire: [WireSignedBytes]) throws(InvalidMessage) -> [SignedEnvelope] {
    var result: [SignedEnvelope] = []
    for envelope in wire { result.append(try SignedEnvelope(validating: envelope, "measurements")) }
    return result
  }

  mutating func onLinkDown(_ node: NodeID) {
    guests.remove(node)
    stream(.linkClosed(node))
    perform(members.handle(.linkBroken(node), at: now, using: &random))
  }

  // MARK: - On the rooms' wishes

  mutating func perform(_ effects: [MemberEffect]) {
    for effect in effects {
      switch effect {
      case .send(let datagram, let node, let address):
        let room = Limits.datagramMessage - datagram.estimatedBytes - 16
        // Where not all are kept, who asks keeps this peer, and whoever else it meets may not.
        let limit = members.commonLimit
        board.tell(onlyUpTo: limit)
        let isFirstHand = limit != nil && datagram.isAnswer
        let reports = board.piggyback(
          bytes: min(room, Limits.reportBytes), isFirstHand: isFirstHand, at: now)
        let message = GossipDatagram(body: .membership(datagram), reports: reports)
        effectsOut.append(.sendDatagram(message, to: node, at: address))
      case .exchange(let updates, let isAnswer, let node, let address):
        addresses.learn(node, address)
        effectsOut.append(.sendExchange(.view(updates, isAnswer: isAnswer), to: node, at: address))
      case .changed(let member, let before): onMemberChanged(member, from: before)
      case .dropped(let node):
        isViewStale = true
        board(.gone(node))
      case .setTimer(let timer, let at): effectsOut.append(.setTimer(.membership(timer), at: at))
      case .stopTimer(let timer): effectsOut.append(.stopTimer(.membership(timer)))
      }
    }
  }

  private mutating func onMemberChanged(_ member: Member, from before: Member.State?) {
    addresses.learn(member.node, member.address)
    if before != member.state {
      event(
        "member.\(member.state.rawValue)", nil,
        "\(member.node.short)… at \(member.address) is \(member.state.rawValue)", [.init("node", "\(member.node)")])
    }
    isViewStale = true
    board(member.isMember ? .joined(member.node) : .gone(member.node))
    guard before != member.state else { return }
    switch member.state {
    case .alive: for request in Array(director.services.keys) { manage(request, .nodeFound(member.node)) }
    case .suspect: break
    case .dead, .left:
      stream(.linkClosed(member.node))
      for request in Array(director.services.keys) { manage(request, .nodeLost(member.node)) }
    }
  }

  mutating func board(_ input: BoardInput) {
    for effect in board.handle(input, at: now, wall: wall, using: &random) {
      switch effect {
      case .published: perform(members.handle(.nudge(2), at: now, using: &random))
      case .sendTrain(let message, let node):
        guard let address = members[node]?.address ?? addresses[node] else { continue }
        effectsOut.append(.sendDatagram(GossipDatagram(body: .train(message), reports: []), to: node, at: address))
      case .setTimer(let timer, let at): effectsOut.append(.setTimer(.measurements(timer), at: at))
      }
    }
  }

  var ownState: OwnState {
    let running = streams.groups(at: now).count { if case .running = $0.state { true } else { false } }
    return OwnState(
      coordinate: members.estimator.coordinate, streams: streams.servedStreams(at: now), slotsUsed: running,
      promisedSlots: promised.slots,
      promisedCores: promised.demand.cores)
  }

  mutating func onPromised(_ promised: Promised) {
    self.promised = promised
    board(.own(ownState))
  }

  // MARK: - Now and then

  /// Sockets are counted, the own state is measured, what nobody waits for any more ends.
  mutating func keepHouse() {
    housekeepingDue = nil
    countSockets()
    board(.own(ownState))
    expireSubmissions()
    expireInquiries()
    renewWatched()
    fraud(.housekeeping)
    keepHouse(by: now + Limits.housekeeping)
  }

  /// No later than then; who asks often must not put it off.
  mutating func keepHouse(by due: Instant) {
    if let housekeepingDue, housekeepingDue <= due { return }
    housekeepingDue = due
    effectsOut.append(.setTimer(.housekeeping, at: due))
  }
}

extension Limits {
  /// A datagram's message: what sealing and headers leave of ``datagramBytes``, with some bytes to spare.
  public static let datagramMessage = 1_140
  /// Strangers that are remembered as having opened a link: as many as there may be links, roughly.
  public static let guests = 4_096
  /// Sockets are counted and the own state is looked at this often.
  public static let housekeeping = Duration.milliseconds(1_000)
}
