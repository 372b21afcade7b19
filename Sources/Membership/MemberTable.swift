import Base
import Identity
import Vocabulary

/// Who takes part, as one peer sees it: SWIM (Das, Gupta, Motivala, DSN 2002) with suspicion, refutation by incarnation and
/// piggybacked updates, and the three parts of Lifeguard (Dadgar, Phillips, Currey, DSN-W 2018): a peer that is slow itself
/// waits longer (local health), a suspicion that others share ends sooner (dogpile), and a suspect learns of it with the next
/// datagram (buddy). Beside it: whole views over a link now and then, a graceful leave, and attempts to win back the dead.
///
/// Promises: a member that answers within the timeout is not declared dead while any path to it works; one that is killed is
/// declared dead by all within a few periods; nobody can speak for another member, as its record bears its own signature, and
/// a doubt counts only about an incarnation that the member has signed.
///
/// Read on in `+Joining`, `+Datagrams`, `+Probing`, `+Suspicion`, `+Records`: the order in which a member meets them.
public struct MemberTable: Sendable {
  /// This peer.
  public let node: NodeID
  /// Where this peer stands.
  public internal(set) var estimator = CoordinateEstimator()
  /// Lifeguard's local health multiplier: 0 is well, ``Base/Limits/localHealth`` the worst.
  public internal(set) var health = 0
  /// Whose records were refused lately, and why: another overlay's, say. At most ``Base/Limits/refusedRecords``.
  public internal(set) var refused: OrderedDictionary<NodeID, String> = [:]

  let keys: KeyPair
  var own: Signed<MemberRecord>
  var members: OrderedDictionary<NodeID, Member> = [:]
  /// All of them, the least ID first.
  var ordered: [NodeID] = []
  /// How many of them take part.
  var takingPart = 0
  /// Up to this ID all members are kept by everybody; nil: all are.
  public internal(set) var commonLimit: NodeID?
  var suspicions: OrderedDictionary<NodeID, Suspicion> = [:]
  var outgoing = UpdateQueue()
  var probes: OrderedDictionary<UInt64, Probe> = [:]
  var errands: OrderedDictionary<UInt64, Errand> = [:]
  /// Who is probed next, last first.
  var round: [NodeID] = []
  var contacts: [(node: NodeID, address: PeerAddress)] = []
  var knocks = 0
  var exchangePause = Limits.firstExchange
  var isGossiping = false
  var isJoined = false
  var sequence: UInt64 = 0
  var verified: VerifiedDigests
  var recalledAt: Instant?
  /// Members kept beside this peer, at most; see `+Bound`.
  package var bound = Limits.members { didSet { reckonLimit() } }
  /// Of a full table, what is to go for a better one; nil when it must be sought.
  var leastFit: (node: NodeID, rank: UInt64)?

  struct Suspicion: Sendable {
    var since: Instant
    var by: OrderedSet<NodeID>
    var incarnation: UInt64
    var hasLookedAgain = false
  }

  struct Probe: Sendable {
    var target: NodeID
    var sent: Instant
    var judgedAt: Instant
    /// Somebody else's view holds the target for dead.
    var isHearsay = false
    /// Others were asked to try, if there were any.
    var isIndirect = false
    var helpers: [NodeID] = []
    var nacks: OrderedSet<NodeID> = []
  }

  /// A probe for somebody else.
  struct Errand: Sendable {
    var target: NodeID
    var asker: NodeID
    var address: PeerAddress
    var sequence: UInt64
  }

  /// Alone, until it joins.
  /// - Parameters:
  ///   - incarnation: higher than at any earlier start of this identity: the wall clock's milliseconds, say. Where a clock went
  ///     back, the peer learns from its own earlier record, which others still hold, and goes above it.
  ///   - portal: `http://HOST:PORT`, or empty.
  ///   - overlay: the overlay's name; records of another are refused.
  ///   - verified: what the peer's other rooms found good as well.
  public init(
    keys: KeyPair, address: PeerAddress, incarnation: UInt64, portal: String = "", overlay: String = "",
    verified: VerifiedDigests = VerifiedDigests()
  ) {
    self.verified = verified
    self.keys = keys
    node = keys.id
    let beginning = min(incarnation, Limits.incarnation - 1)
    let record = MemberRecord(node: keys.id, address: address, incarnation: beginning, portal: portal, overlay: overlay)
    own = Signed(record, by: keys)
  }

  // MARK: - What others ask

  /// All that are known, this peer first, the others by node ID.
  public func all(at now: Instant) -> [Member] {
    [me(at: now)] + ordered.map { members[$0]! }
  }
  /// One member; nil for a stranger and for this peer.
  public subscript(node: NodeID) -> Member? { members[node] }
  /// Members that take part, this peer included.
  public var count: Int { 1 + takingPart }

  // MARK: - The one entry

  /// Handles one input.
  public mutating func handle(_ input: MemberInput, at now: Instant, using random: inout SeededRandom) -> [MemberEffect]
  {
    let effects = take(input, at: now, using: &random)
    guard outgoing.hasNews, !isGossiping, takingPart > 0 else { return effects }
    isGossiping = true
    return effects + [
      .setTimer(.gossip, at: now + .fromSeconds(Limits.gossipPause.seconds * (0.5 + random.fraction())))
    ]
  }

  private mutating func take(_ input: MemberInput, at now: Instant, using random: inout SeededRandom) -> [MemberEffect]
  {
    switch input {
    case .join(let contacts): onJoin(contacts, at: now, using: &random)
    case .leave: onLeave(using: &random)
    case .datagram(let datagram, let sender, let address):
      onDatagram(datagram, from: sender, at: address, now, using: &random)
    case .exchange(let updates, let isAnswer, let sender):
      onExchange(updates, isAnswer: isAnswer, from: sender, at: now, using: &random)
    case .linkBroken(let node): onLinkBroken(node, at: now)
    case .nudge(let count): nudge(count, using: &random)
    case .timer(let timer): onTimer(timer, at: now, using: &random)
    }
  }

  private mutating func onTimer(_ timer: MembershipTimer, at now: Instant, using random: inout SeededRandom)
    -> [MemberEffect]
  {
    switch timer {
    case .join: knock(at: now)
    case .period: onPeriod(at: now, using: &random)
    case .gossip: onGossip(using: &random)
    case .probe(let number): onSilence(number, at: now, using: &random)
    case .nack(let number): onErrandFailed(number)
    case .suspicion(let node): onSuspicionDue(node, at: now, using: &random)
    case .exchange: onExchangeDue(at: now, using: &random)
    case .reclaim: onReclaimDue(at: now, using: &random)
    }
  }
}
