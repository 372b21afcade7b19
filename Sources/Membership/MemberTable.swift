import Base
import Identity
import Vocabulary

/// Who takes part, as one peer sees it: SWIM (Das, Gupta, Motivala, DSN 2002) with suspicion, refutation by incarnation and
/// piggybacked updates, and the three parts of Lifeguard (Dadgar, Phillips, Currey, DSN-W 2018): a peer that is slow itself
/// waits longer (local health), a suspicion that others share ends sooner (dogpile), and a suspect learns of it with the next
/// probe (buddy). Beside it: whole views over a link now and then, a graceful leave, and attempts to win back the dead.
///
/// Promises: a member that answers within the timeout is not declared dead while any path to it works; one that is killed is
/// declared dead by all within a few periods; nobody can speak for another member, as its record bears its own signature.
public struct MemberTable: Sendable {
  /// This peer.
  public let node: NodeID
  /// Where this peer stands.
  public internal(set) var estimator = CoordinateEstimator()
  let keys: KeyPair
  var own: Signed<MemberRecord>
  var members: OrderedDictionary<NodeID, Member> = [:]
  var suspicions: OrderedDictionary<NodeID, Suspicion> = [:]
  var outgoing = UpdateQueue()
  var probes: OrderedDictionary<UInt64, Probe> = [:]
  var errands: OrderedDictionary<UInt64, Errand> = [:]
  var round: [NodeID] = []
  var contacts: [(node: NodeID, address: PeerAddress)] = []
  var sequence: UInt64 = 0
  /// Lifeguard's local health multiplier: 0 is well.
  public internal(set) var health = 0
  var verified = VerifiedDigests(capacity: 4_096)
  var isJoined = false
  /// Members kept beside this peer, at most.
  package var bound = Limits.members

  struct Suspicion: Sendable {
    var since: Instant
    var by: OrderedSet<NodeID>
    var incarnation: UInt64
  }
  struct Probe: Sendable {
    var target: NodeID
    var sent: Instant
    var isAnswered = false
    var nacksExpected = 0
    var nacks = 0
  }
  /// A probe for somebody else.
  struct Errand: Sendable {
    var asker: NodeID
    var address: PeerAddress
    var sequence: UInt64
  }

  /// Alone, until it joins.
  /// - Parameters:
  ///   - incarnation: higher than at any earlier start of this identity: the wall clock's milliseconds, say.
  ///   - portal: `http://HOST:PORT`, or empty.
  public init(keys: KeyPair, address: PeerAddress, incarnation: UInt64, portal: String = "") {
    self.keys = keys
    node = keys.id
    own = Signed(MemberRecord(node: keys.id, address: address, incarnation: incarnation, portal: portal), by: keys)
  }

  // MARK: - What others ask

  /// All that are known, this peer first, the others by node ID.
  public func all(at now: Instant) -> [Member] {
    let me = Member(
      record: own, state: own.body.isLeaving ? .left : .alive, knownSince: .zero, stateSince: .zero, lastHeard: now,
      coordinate: estimator.coordinate)
    return [me] + members.values.sorted { $0.node < $1.node }
  }
  /// One member; nil for a stranger and for this peer.
  public subscript(node: NodeID) -> Member? { members[node] }
  /// Members that take part, this peer included.
  public var count: Int { 1 + members.values.count { $0.isMember } }

  // MARK: - The one entry

  /// Handles one input.
  public mutating func handle(_ input: MemberInput, at now: Instant, using random: inout SeededRandom) -> [MemberEffect]
  {
    switch input {
    case .join(let contacts): onJoin(contacts, at: now, using: &random)
    case .leave: onLeave(using: &random)
    case .datagram(let datagram, let sender, let address):
      onDatagram(datagram, from: sender, at: address, now, using: &random)
    case .exchange(let updates, let isAnswer, let sender):
      onExchange(updates, isAnswer: isAnswer, from: sender, at: now)
    case .linkBroken(let node): members[node]?.isMember == true ? probe(node, at: now) : []
    case .nudge(let count): nudge(count, using: &random)
    case .timer(let timer): onTimer(timer, at: now, using: &random)
    }
  }

  // MARK: - On joining and leaving

  private mutating func onJoin(
    _ contacts: [(node: NodeID, address: PeerAddress)], at now: Instant, using random: inout SeededRandom
  ) -> [MemberEffect] {
    self.contacts = contacts.filter { $0.node != node }
    var effects: [MemberEffect] = [
      .setTimer(.period, at: now + .fromSeconds(Limits.probePeriod.seconds * (0.5 + random.fraction() / 2))),
      .setTimer(.exchange, at: now + .fromSeconds(Limits.exchangePeriod.seconds * (0.5 + random.fraction()))),
      .setTimer(.reclaim, at: now + Limits.reclaimPeriod),
    ]
    effects += knock(at: now)
    return effects
  }

  /// Shows the own view to every contact; the answers are theirs. Repeated until one has answered.
  func knock(at now: Instant) -> [MemberEffect] {
    guard !contacts.isEmpty, !isJoined else { return [] }
    return contacts.map { .exchange(wholeView, isAnswer: false, to: $0.node, at: $0.address) } + [
      .setTimer(.join, at: now + Limits.joinRetry)
    ]
  }

  private mutating func onLeave(using random: inout SeededRandom) -> [MemberEffect] {
    var record = own.body
    record.isLeaving = true
    own = Signed(record, by: keys)
    outgoing.add(.record(own.envelope), about: node)
    // Said to each of them outright: there is no later round for this peer in which gossip could make up for it.
    return nudge(Int(Limits.retransmits), opening: [.record(own.envelope)], using: &random)
  }

  mutating func nudge(_ wanted: Int, opening: [MemberUpdate] = [], using random: inout SeededRandom) -> [MemberEffect] {
    random.permuted(members.values.filter(\.isMember)).prefix(wanted).map { member in
      sequence += 1
      return .send(
        datagram(.ping(estimator.coordinate), sequence: sequence, to: member.node, opening: opening), to: member.node,
        at: member.address)
    }
  }

  // MARK: - On a whole view

  private mutating func onExchange(_ updates: [MemberUpdate], isAnswer: Bool, from sender: NodeID, at now: Instant)
    -> [MemberEffect]
  {
    var effects = updates.flatMap { apply($0, at: now) }
    if isAnswer, contacts.contains(where: { $0.node == sender }) { isJoined = true }
    if !isAnswer, let member = members[sender] {
      effects.append(.exchange(wholeView, isAnswer: true, to: sender, at: member.address))
    }
    return effects
  }

  var wholeView: [MemberUpdate] {
    var view: [MemberUpdate] = [.record(own.envelope)]
    for member in members.values {
      view.append(.record(member.record.envelope))
      switch member.state {
      case .suspect:
        view.append(
          .suspect(
            member.node, incarnation: member.record.body.incarnation, by: suspicions[member.node]?.by.first ?? node))
      case .dead: view.append(.dead(member.node, incarnation: member.record.body.incarnation, by: node))
      default: break
      }
    }
    return view
  }

  /// A datagram with the updates that fit beside those that must open it, a suspicion of the addressee first (Lifeguard's buddy).
  mutating func datagram(_ body: MemberDatagram.Body, sequence: UInt64, to target: NodeID, opening: [MemberUpdate] = [])
    -> MemberDatagram
  {
    var updates = opening
    var room = Limits.updateBytes - opening.reduce(0) { $0 + $1.size }
    if let suspicion = suspicions[target] {
      let doubt = MemberUpdate.suspect(target, incarnation: suspicion.incarnation, by: suspicion.by.first ?? node)
      updates.append(doubt)
      room -= doubt.size
    }
    updates += outgoing.take(bytes: room, members: members.count + 1)
    return MemberDatagram(sequence: sequence, body: body, updates: updates)
  }
}

/// Updates on their way: each is sent a bounded number of times, the least sent first; a newer one of a member replaces the older.
struct UpdateQueue: Sendable {
  private var waiting: OrderedDictionary<NodeID, (update: MemberUpdate, sent: Int)> = [:]

  mutating func add(_ update: MemberUpdate, about node: NodeID) {
    waiting.removeValue(forKey: node)
    waiting[node] = (update, 0)
  }

  mutating func take(bytes: Int, members: Int) -> [MemberUpdate] {
    guard !waiting.isEmpty else { return [] }
    let most = max(1, Int((Limits.retransmits * decimalDigits(members + 1)).rounded(.up)))
    var taken: [MemberUpdate] = []
    var room = bytes
    for (node, entry) in waiting.sorted(by: { $0.value.sent < $1.value.sent }) where entry.update.size <= room {
      taken.append(entry.update)
      room -= entry.update.size
      if entry.sent + 1 >= most {
        waiting.removeValue(forKey: node)
      } else {
        waiting[node] = (entry.update, entry.sent + 1)
      }
    }
    return taken
  }
}

/// log10, at least 0.7, without a mathematics library: the protocols only want its rough size.
func decimalDigits(_ count: Int) -> Double {
  var (rest, digits) = (Double(max(count, 5)), 0.0)
  while rest >= 10 {
    rest /= 10
    digits += 1
  }
  return digits + (rest - 1) / 9
}
