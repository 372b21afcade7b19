import Base
import Elections
import Identity
import Mandates
import Vocabulary

/// What a home-made portal does: it asks everybody and appoints whoever answers first. One round trip, no disk, no votes. Two portals
/// that are asked for the same request appoint two managers, and so does one whose appointee falls silent for a moment.
public struct FirstResponder: Rival {
  /// This protocol.
  public static let strategy = ElectionStrategy.firstResponder
  private let node: NodeID
  private let members: [NodeID]
  private var term: UInt32 = 0
  private var isManaging = false
  private var calling: Calling?
  private var deadline = Instant.zero

  private enum Calling: Hashable {
    /// Nobody has answered yet.
    case open
    case appointed(NodeID)
  }

  /// See ``Rival``.
  public init(node: NodeID, members: [NodeID], restoring promises: RivalPromises?) {
    self.node = node
    self.members = members
  }

  /// See ``Rival``.
  public var managedTerm: UInt32? { isManaging ? term : nil }

  /// See ``Rival``.
  public mutating func handle(
    _ input: RivalInput, at now: Instant, using random: inout SeededRandom
  ) -> [RivalEffect] {
    switch input {
    case .start: return []
    case .call: return call(now)
    case .received(let sender, .call): return [.send(sender, .answer(term: term))]
    case .received(let sender, .answer): return onAnswer(from: sender, now)
    case .received(_, .election(let appointed)): return onAppointment(appointed, now)
    case .received(let sender, .coordinator(let term)): return onHeartbeat(of: sender, term, now)
    case .seen(let term): return makeWay(for: term)
    case .timer: return onTimer(now)
    }
  }

  // MARK: The portal

  private mutating func call(_ now: Instant) -> [RivalEffect] {
    calling = .open
    term += 1
    deadline = now + Limits.rivalPatience
    // Alone, the portal must do.
    if members == [node] { return onAppointment(term, now) }
    return members.filter { $0 != node }.map { .send($0, .call) } + [.setTimer(deadline)]
  }

  private mutating func onAnswer(from sender: NodeID, _ now: Instant) -> [RivalEffect] {
    guard calling == .open else { return [] }
    calling = .appointed(sender)
    deadline = now + Limits.rivalHeartbeat * 4
    return [.send(sender, .election(term: term)), .setTimer(deadline)]
  }

  private mutating func onHeartbeat(of sender: NodeID, _ theirs: UInt32, _ now: Instant) -> [RivalEffect] {
    let lost = makeWay(for: theirs)
    guard lost.isEmpty else { return lost }
    guard calling == .appointed(sender) else { return [] }
    deadline = now + Limits.rivalHeartbeat * 4
    return [.setTimer(deadline)]
  }

  // MARK: The appointee

  private mutating func onAppointment(_ appointed: UInt32, _ now: Instant) -> [RivalEffect] {
    // The same portal's word once more, or an older one.
    guard !isManaging || appointed > term else { return [] }
    let lost = isManaging ? [RivalEffect.lost(term: term)] : []
    term = max(term, appointed)
    isManaging = true
    return lost + [.elected(term: term)] + beat(now)
  }

  /// Somebody was appointed later.
  private mutating func makeWay(for theirs: UInt32) -> [RivalEffect] {
    guard theirs > term else { return [] }
    let lost = isManaging ? [RivalEffect.lost(term: term)] : []
    (term, isManaging) = (theirs, false)
    return lost
  }

  private mutating func beat(_ now: Instant) -> [RivalEffect] {
    deadline = now + Limits.rivalHeartbeat
    return members.filter { $0 != node }.map { .send($0, .coordinator(term: term)) } + [.setTimer(deadline)]
  }

  // MARK: On a timer

  private mutating func onTimer(_ now: Instant) -> [RivalEffect] {
    if isManaging { return now >= deadline ? beat(now) : [.setTimer(deadline)] }
    guard calling != nil else { return [] }
    guard now >= deadline else { return [.setTimer(deadline)] }
    return call(now)
  }
}
