import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// Raft's leader election (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014, §5.2; without a log, so
/// without its up-to-date rule): whoever loses patience becomes a candidate, a majority's votes make a leader, and randomised timeouts keep
/// votes from splitting. One vote a term, on disk before it is sent. Members may crash and restart, none may lie.
public struct Raft: Rival {
  /// This protocol.
  public static let strategy = ElectionStrategy.raft
  private let node: NodeID
  private let members: [NodeID]
  private var promises: RivalPromises
  private var state = State.idle
  private var deadline = Instant.zero
  /// A fault planted by a test of the tests: a vote that is sent, but not remembered. Nil everywhere else.
  var forgetsVotes = false
  /// Members whose logs are shorter than this one's: they get no vote of it (§5.4.1). Without a log of its own, whoever compares with the
  /// paper's trials says so from outside.
  public var behind: OrderedSet<NodeID> = []
  private let timeout: Duration
  private let spread: Duration

  private enum State: Hashable {
    /// No client has asked yet. Can become: follower.
    case idle
    /// Can become: candidate.
    case follower
    /// Can become: leader, follower, candidate of a later term.
    case candidate(votes: OrderedSet<NodeID>)
    /// Can become: follower.
    case leader
  }

  /// See ``Rival``.
  public init(node: NodeID, members: [NodeID], restoring promises: RivalPromises?) {
    self.init(
      node: node, members: members, restoring: promises, timeout: Limits.raftTimeout, spread: Limits.raftSpread)
  }

  /// - Parameters:
  ///   - timeout: the shortest wait for a leader.
  ///   - spread: on top of it, uniformly; zero shows why Raft has it.
  public init(
    node: NodeID, members: [NodeID], restoring promises: RivalPromises?, timeout: Duration, spread: Duration
  ) {
    self.node = node
    self.members = members
    self.promises = promises ?? RivalPromises(term: 0, vote: nil)
    (self.timeout, self.spread) = (timeout, spread)
    if promises != nil { state = .follower }
  }

  /// See ``Rival``.
  public var managedTerm: UInt32? { state == .leader ? promises.term : nil }
  private var majority: Int { members.count / 2 + 1 }

  /// See ``Rival``.
  public mutating func handle(
    _ input: RivalInput, at now: Instant, using random: inout SeededRandom
  ) -> [RivalEffect] {
    switch input {
    case .start: return state == .idle ? [] : wait(now, &random)
    case .call: return onCall(now, &random) + members.filter { $0 != node }.map { .send($0, .call) }
    case .received(_, .call): return onCall(now, &random)
    case .received(let sender, .election(let term)): return onCandidate(sender, term, now, &random)
    case .received(let sender, .answer(let term)): return onVote(sender, term, now)
    case .received(_, .coordinator(let term)): return onLeader(term, now, &random)
    case .seen(let term): return onSeen(term, now, &random)
    case .timer: return onTimer(now, &random)
    }
  }

  private mutating func wait(_ now: Instant, _ random: inout SeededRandom) -> [RivalEffect] {
    deadline = now + timeout + spread * random.fraction()
    return [.setTimer(deadline)]
  }

  // MARK: On a call

  private mutating func onCall(_ now: Instant, _ random: inout SeededRandom) -> [RivalEffect] {
    guard state == .idle else { return [] }
    state = .follower
    return wait(now, &random)
  }

  // MARK: On a timeout

  private mutating func onTimer(_ now: Instant, _ random: inout SeededRandom) -> [RivalEffect] {
    guard state != .idle else { return [] }
    guard now >= deadline else { return [.setTimer(deadline)] }
    if state == .leader { return heartbeats(now) }
    promises = RivalPromises(term: promises.term + 1, vote: node)
    state = .candidate(votes: [node])
    let asks = members.filter { $0 != node }.map { RivalEffect.send($0, .election(term: promises.term)) }
    return [.persist(promises, then: asks)] + wait(now, &random) + lead(now)
  }

  private mutating func heartbeats(_ now: Instant) -> [RivalEffect] {
    // As often as keeps followers patient.
    deadline = now + timeout / 3
    return members.filter { $0 != node }.map { .send($0, .coordinator(term: promises.term)) } + [.setTimer(deadline)]
  }

  // MARK: On a candidate

  private mutating func onCandidate(
    _ sender: NodeID, _ term: UInt32, _ now: Instant, _ random: inout SeededRandom
  ) -> [RivalEffect] {
    var effects = step(to: term)
    guard term == promises.term, promises.vote == nil || promises.vote == sender || forgetsVotes,
      !behind.contains(sender)
    else { return effects }
    promises.vote = sender
    effects += wait(now, &random)
    return effects + [.persist(promises, then: [.send(sender, .answer(term: term))])]
  }

  /// A later term makes a follower of everybody.
  private mutating func step(to term: UInt32) -> [RivalEffect] {
    guard term > promises.term else { return [] }
    let lost = managedTerm
    promises = RivalPromises(term: term, vote: nil)
    state = .follower
    return lost.map { [.lost(term: $0)] } ?? []
  }

  // MARK: On a vote

  private mutating func onVote(_ sender: NodeID, _ term: UInt32, _ now: Instant) -> [RivalEffect] {
    guard case .candidate(var votes) = state, term == promises.term, members.contains(sender) else { return [] }
    votes.append(sender)
    state = .candidate(votes: votes)
    return lead(now)
  }

  private mutating func lead(_ now: Instant) -> [RivalEffect] {
    guard case .candidate(let votes) = state, votes.count >= majority else { return [] }
    state = .leader
    return [.elected(term: promises.term)] + heartbeats(now)
  }

  // MARK: On a leader

  private mutating func onLeader(_ term: UInt32, _ now: Instant, _ random: inout SeededRandom) -> [RivalEffect] {
    guard term >= promises.term else { return [] }
    let before = promises
    let effects = step(to: term)
    if state != .leader { state = .follower }
    return effects + (promises == before ? [] : [.persist(promises, then: [])]) + wait(now, &random)
  }

  /// The term counts, its candidate gets no vote: the paper's rule that a leader lacks nothing a majority has (§5.4.1). Nor does it buy time, as only
  /// a vote and a leader's word do (§5.2): whoever cannot win would else keep all others from standing, for ever.
  private mutating func onSeen(_ term: UInt32, _ now: Instant, _ random: inout SeededRandom) -> [RivalEffect] {
    guard state != .idle, term > promises.term else { return [] }
    let wasLeader = state == .leader
    return step(to: term) + [.persist(promises, then: [])] + (wasLeader ? wait(now, &random) : [])
  }
}
