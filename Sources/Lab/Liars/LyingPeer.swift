import Base
import Core
import Elections
import Evidence
import Identity
import Mandates
import Vocabulary
import Wire

/// Stands between a node and the world, with the node's keys in hand. The node is the production one, unmodified; what it hears may be
/// invented and what it says is twisted, doubled or kept back.
struct LyingPeer {
  let way: Liar.Way
  let keys: KeyPair
  /// All liars, this one included; they lend each other their keys.
  let friends: OrderedDictionary<NodeID, KeyPair>
  /// Where everybody listens.
  let addresses: OrderedDictionary<NodeID, PeerAddress>
  var verified = VerifiedDigests(capacity: 1_024)
  /// Votes that were doubled.
  var doubled: Set<Bytes32> = []
  /// What is being answered.
  var heard: ElectionMessage?
  /// Requests whose electorate was replaced by friends, or whose mandate was forged.
  var usurped: Set<RequestID> = []
  /// Requests that only friends have elected a manager of.
  var friendly: Set<RequestID> = []
  /// Of the node's store, as its own votes tell it.
  var generation: UInt64 = 0

  var me: NodeID { keys.id }

  init(
    _ way: Liar.Way, keys: KeyPair, friends: OrderedDictionary<NodeID, KeyPair>,
    addresses: OrderedDictionary<NodeID, PeerAddress>
  ) {
    self.way = way
    self.keys = keys
    self.friends = friends
    self.addresses = addresses
  }

  /// Handles an input as the node would, and lies.
  mutating func handle(
    _ input: Input, _ node: inout Node, at now: Instant, wall: WallTime, using random: inout SeededRandom
  ) -> [Effect] {
    heard = nil
    if case .link(let message, _) = input, case .election(let election) = message.body {
      heard = try? ElectionMessage(validating: election, using: &verified)
    }
    let effects =
      way == .grinds
      ? grind(input, &node, at: now, wall: wall, using: &random)
      : node.handle(invented(input), at: now, wall: wall, using: &random)
    return effects.flatMap { twisted($0, wall: wall) }
  }

  /// What a machine that misreports tells its node of itself.
  private func invented(_ input: Input) -> Input {
    guard way == .misreports else { return input }
    switch input {
    case .sample(var sample):
      (sample.busyTicks, sample.ownTicks, sample.ownMemory, sample.stalledMicroseconds) = (0, 0, 0, 0)
      return .sample(sample)
    case .calibrated(let decode, let encode, let filter):
      return .calibrated(decode: decode * 20, encode: encode * 20, filter: filter * 20)
    case .workerProgress(let worker, let due, _): return .workerProgress(worker, due: due, late: 0)
    default: return input
    }
  }

  private mutating func twisted(_ effect: Effect, wall: WallTime) -> [Effect] {
    switch effect {
    case .sendDatagram(var message, let to, let address) where way == .misreports:
      message.moveToTheMiddle()
      return [.sendDatagram(message, to: to, at: address)]
    case .sendLink(let message, let to, _, _):
      switch message.body {
      case .election(let election):
        guard let said = try? ElectionMessage(validating: election, using: &verified) else { return [effect] }
        return twisted(said, to: to, effect, wall: wall)
      case .session(let session) where way == .plansNonsense: return nonsense(session, to: to, effect)
      case .fraud(let fraud):
        // Its node sees through it, and is kept from saying so.
        guard var word = try? FraudWord(validating: fraud, using: &verified) else { return [effect] }
        word.proofs.removeAll { friends[$0.culprit] != nil }
        return send(.with { $0.fraud = word.wire }, to: to)
      default: return [effect]
      }
    default: return [effect]
    }
  }

  private mutating func twisted(_ said: ElectionMessage, to: NodeID, _ effect: Effect, wall: WallTime) -> [Effect] {
    if case .vote(let vote, _, _, _) = said, vote.signer == me { generation = vote.body.generation }
    return switch way {
    case .equivocates: equivocated(said, to: to, effect)
    case .withholds: said.isElectors ? [] : [effect]
    case .answersStale: stale(said, to: to, effect)
    case .forges: forged(said, to: to, effect)
    case .namesFriends: friendly(said, to: to, effect, wall: wall)
    case .sendsTwoEnvelopes: twofold(said, to: to, effect)
    case .grinds, .misreports, .plansNonsense: [effect]
    }
  }

  func send(_ message: ElectionMessage, to node: NodeID) -> [Effect] {
    send(.with { $0.election = message.wire }, to: node)
  }
  func send(_ message: WireLinkMessage, to node: NodeID) -> [Effect] {
    addresses[node].map { [.sendLink(message, to: node, at: $0, .control)] } ?? []
  }
}

extension ElectionMessage {
  /// An elector's word.
  var isElectors: Bool {
    switch self {
    case .vote, .acknowledgement, .heartbeatAnswer, .refusal, .lot: true
    default: false
    }
  }
}
