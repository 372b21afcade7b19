import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// The bully algorithm (Garcia-Molina, "Elections in a Distributed Computing System", 1982): whoever misses the manager asks all higher
/// members; when none answers in time it declares itself. Right where messages arrive within a known time and silence means death; in
/// a partition, or with a late answer, both sides have a manager, and neither can know.
public struct Bully: Rival {
  /// This protocol.
  public static let strategy = ElectionStrategy.bully
  private let node: NodeID
  private let members: [NodeID]
  /// Counts the managers that this member has heard of: a name for its tenure, no fencing.
  private var term: UInt32 = 0
  private var state = State.idle
  private var deadline = Instant.zero

  private enum State: Hashable {
    /// No client has asked yet. Can become: asking.
    case idle
    /// Asked the higher ones. Can become: managing, deferring, following.
    case asking
    /// Somebody higher answered and is to declare itself. Can become: following, asking.
    case deferring
    /// Can become: asking, managing.
    case following
    /// Can become: following.
    case managing
  }

  /// See ``Rival``.
  public init(node: NodeID, members: [NodeID], restoring promises: RivalPromises?) {
    self.node = node
    self.members = members
    if let promises { (term, state) = (promises.term, .following) }
  }

  /// See ``Rival``.
  public var managedTerm: UInt32? { state == .managing ? term : nil }
  private var higher: [NodeID] { members.filter { $0 > node } }

  /// See ``Rival``.
  public mutating func handle(
    _ input: RivalInput, at now: Instant, using random: inout SeededRandom
  ) -> [RivalEffect] {
    switch input {
    case .start: return state == .idle ? [] : ask(now)
    case .call: return state == .idle ? ask(now) : []
    case .received(_, .call): return state == .idle ? ask(now) : []
    case .received(let sender, .election): return onElection(from: sender, now)
    case .received(let sender, .answer(let term)): return onAnswer(from: sender, term, now)
    case .received(let sender, .coordinator(let term)): return onCoordinator(sender, term, now)
    case .seen(let term): return onSeen(term, now)
    case .timer: return onTimer(now)
    }
  }

  private mutating func ask(_ now: Instant) -> [RivalEffect] {
    guard !higher.isEmpty else { return declare(now) }
    state = .asking
    deadline = now + Limits.rivalPatience
    return higher.map { .send($0, .election(term: term)) } + [.setTimer(deadline)]
  }

  private mutating func declare(_ now: Instant) -> [RivalEffect] {
    term += 1
    state = .managing
    return [.elected(term: term)] + heartbeats(now)
  }

  private mutating func heartbeats(_ now: Instant) -> [RivalEffect] {
    deadline = now + Limits.rivalHeartbeat
    return members.filter { $0 != node }.map { .send($0, .coordinator(term: term)) } + [.setTimer(deadline)]
  }

  // MARK: On an election, an answer, a coordinator

  private mutating func onElection(from sender: NodeID, _ now: Instant) -> [RivalEffect] {
    guard sender < node else { return [] }
    let answer = RivalEffect.send(sender, .answer(term: term))
    switch state {
    case .managing: return [answer, .send(sender, .coordinator(term: term))]
    case .asking: return [answer]
    case .idle, .deferring, .following: return [answer] + ask(now)
    }
  }

  private mutating func onAnswer(from sender: NodeID, _ theirs: UInt32, _ now: Instant) -> [RivalEffect] {
    // A lower member that makes way says in which term it managed.
    if state == .managing, sender < node { return outbid(theirs, now) }
    guard state == .asking, sender > node else { return [] }
    state = .deferring
    deadline = now + Limits.rivalPatience * 2
    return [.setTimer(deadline)]
  }

  private mutating func onCoordinator(_ sender: NodeID, _ theirs: UInt32, _ now: Instant) -> [RivalEffect] {
    // A lower member that manages is bullied out of it.
    guard sender > node else { return state == .managing ? outbid(theirs, now) : ask(now) }
    let lost = managedTerm
    follow(theirs, now)
    return (lost.map { [.lost(term: $0), .send(sender, .answer(term: $0))] } ?? []) + [.setTimer(deadline)]
  }

  private mutating func follow(_ theirs: UInt32, _ now: Instant) {
    term = max(term, theirs)
    state = .following
    deadline = now + Limits.rivalHeartbeat * 4
  }

  /// Whoever obeyed the other in its term obeys only a later one.
  private mutating func outbid(_ theirs: UInt32, _ now: Instant) -> [RivalEffect] {
    guard theirs >= term else { return [] }
    let lost = RivalEffect.lost(term: term)
    term = theirs
    return [lost] + declare(now)
  }

  private mutating func onSeen(_ theirs: UInt32, _ now: Instant) -> [RivalEffect] {
    guard theirs > term else { return [] }
    let lost = managedTerm
    guard state != .idle else { return [] }
    follow(theirs, now)
    return (lost.map { [.lost(term: $0)] } ?? []) + [.setTimer(deadline)]
  }

  // MARK: On silence

  private mutating func onTimer(_ now: Instant) -> [RivalEffect] {
    guard now >= deadline else { return state == .idle ? [] : [.setTimer(deadline)] }
    switch state {
    case .idle: return []
    case .asking: return declare(now)
    case .managing: return heartbeats(now)
    case .deferring, .following: return ask(now)
    }
  }
}
