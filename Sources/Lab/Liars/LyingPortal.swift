import Assignments
import Base
import Core
import Desks
import Elections
import Identity
import Mandates
import Sessions
import Vocabulary

// Portals that want a say in who manages.

extension LyingPeer {
  /// Counters that are tried for one request.
  static let tries: UInt64 = 16

  // MARK: - Grinding

  /// Before it calls, it looks what would come of other counters, on copies of its own node, until a friend is the first candidate.
  func grind(
    _ input: Input, _ node: inout Node, at now: Instant, wall: WallTime, using random: inout SeededRandom
  ) -> [Effect] {
    var best: (node: Node, random: SeededRandom, effects: [Effect])?
    for skipped in 0..<LyingPeer.tries {
      var (copy, chance, known) = (node, random, verified)
      copy.skipCounters(skipped)
      let effects = copy.handle(input, at: now, wall: wall, using: &chance)
      let envelope = effects.lazy.compactMap { effect -> Signed<Envelope>? in
        guard case .sendLink(let message, _, _, _) = effect, case .election(let election) = message.body,
          case .call(let envelope, _, _)? = try? ElectionMessage(validating: election, using: &known)
        else { return nil }
        return envelope
      }.first
      if best == nil { best = (copy, chance, effects) }
      guard let envelope, envelope.client == me else { break }
      if let first = envelope.order.first, friends[first] != nil {
        best = (copy, chance, effects)
        break
      }
    }
    guard let best else { return [] }
    (node, random) = (best.node, best.random)
    return best.effects
  }

  // MARK: - Friends

  /// Instead of the call goes an envelope that names friends alone; they elect one of them at once, and it gives orders to everybody.
  mutating func friendly(_ said: ElectionMessage, to: NodeID, _ effect: Effect, wall: WallTime) -> [Effect] {
    guard case .call(let envelope, _, _) = said, envelope.client == me else { return [effect] }
    guard usurped.insert(envelope.request).inserted,
      let electorate = Electorate(Array(friends.keys.prefix(Limits.electors)))
    else { return [] }
    var body = envelope.body
    body.electorate = electorate
    body.order = nil
    var mine = Signed(body, by: keys)
    // Its own turn comes first: only over its own link can it give orders.
    for _ in 0..<64 where mine.order.first != me {
      body.counter += 1
      mine = Signed(body, by: keys)
    }
    guard let manager = mine.order.first else { return [] }
    friendly.insert(mine.request)
    let votes = electorate.members.compactMap { friend in
      friends[friend].map { keys in
        Signed(
          Vote(
            request: mine.request, term: Term(1), candidate: manager, newest: nil, counter: 1,
            generation: UInt64(max(0, wall.milliseconds))), by: keys
        ).envelope
      }
    }
    guard let mandate = Mandate(envelope: mine, term: Term(1), votes: votes) else { return [] }
    let everybody = Array(addresses.keys).filter { $0 != me }
    return everybody.flatMap { send(.call(mine, wall: wall), to: $0) + send(.elected(mandate), to: $0) }
      + orders(under: mandate, to: everybody)
  }

  /// A reservation at each of them.
  func orders(under mandate: Mandate, to nodes: [NodeID]) -> [Effect] {
    let mark = PlanMark(request: mandate.request, term: mandate.term, version: 1)
    let work = AssignedWork.delivery(output: "main", stream: StreamKey(mandate.request.hash))
    let reserve = SessionMessage.reserve(
      Reserve(
        mark: mark, mandate: mandate.encoded(), items: [Reserve.Item(ordinal: 1, work: work, demand: .none)],
        isFresh: true))
    return nodes.filter { $0 != me }.flatMap { node in send(.with { $0.session = reserve.wire }, to: node) }
  }

  // MARK: - Two envelopes

  /// Every second elector is called with another envelope under the same counter.
  mutating func twofold(_ said: ElectionMessage, to: NodeID, _ effect: Effect) -> [Effect] {
    guard case .call(let envelope, let wall, let evidence) = said, envelope.client == me,
      let place = envelope.body.electorate.members.firstIndex(of: to), place % 2 == 1
    else { return [effect] }
    var body = envelope.body
    body.notAfter = body.notAfter + .milliseconds(-1)
    return send(.call(Signed(body, by: keys), wall: wall, evidence: evidence), to: to)
  }
}
