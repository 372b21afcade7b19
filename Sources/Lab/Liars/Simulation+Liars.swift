import Assignments
import Base
import Core
import Desks
import Elections
import Identity
import Mandates
import Sessions
import Vocabulary

// Liars in the simulated world, and what they gain.

/// Counts what lying comes to.
struct LiarLog {
  var convicted: OrderedSet<Int> = []
  var obeyedFriends = 0
}

extension Simulation {
  func isLiar(_ number: Int) -> Bool { lies[number] != nil }
  /// Whether a request came in through a liar, who may spoil it.
  func isLiars(_ ask: Int) -> Bool { isLiar(asks[ask].ask.portal) }

  /// Gives the liars their peers' keys, and each other's.
  func conspire() {
    let numbers = OrderedSet(scenario.liars.map(\.node).filter { peers.indices.contains($0) })
    let friends = OrderedDictionary(numbers.map { (peers[$0].keys.id, peers[$0].keys) }, uniquingKeysWith: { $1 })
    let addresses = OrderedDictionary(
      peers.map { ($0.keys.id, $0.settings.address) }, uniquingKeysWith: { $1 })
    for liar in scenario.liars where numbers.contains(liar.node) {
      lies[liar.node] = LyingPeer(liar.way, keys: peers[liar.node].keys, friends: friends, addresses: addresses)
    }
  }

  /// Whether a request's manager was elected by friends alone.
  func isFriendly(_ request: RequestID) -> Bool { lies.values.contains { $0.friendly.contains(request) } }

  func liarOutcome(_ requests: [RequestOutcome]) -> LiarOutcome? {
    guard !lies.isEmpty else { return nil }
    let honest = elections.elections.values.filter { !isLiar($0.portal) }.flatMap(\.tenures)
    let own = elections.elections.values.filter { isLiar($0.portal) }.flatMap(\.tenures)
    let won = honest.count { isLiar($0.node) }
    let mine = requests.filter { !isLiars($0.number) }
    let share = Double(lies.count) / Double(peers.count)
    return LiarOutcome(
      liars: lies.count, population: peers.count, tenures: honest.count, won: won,
      gain: honest.isEmpty ? nil : Double(won) / Double(honest.count) / share, ownTenures: own.count,
      ownWon: own.count { isLiar($0.node) }, served: mine.count { $0.end == .whole || $0.end == .stopped },
      spoiled: mine.count { $0.end == .refused || $0.end == .failed || $0.end == nil },
      delivered: mine.reduce(0) { $0 + $1.packets }, obeyedFriends: lying.obeyedFriends,
      convicted: Array(lying.convicted))
  }
}

/// Only liars are convicted, and friends who elect each other are obeyed by nobody who has known the members for a minute.
struct LiarChecker: Checker {
  static let name = "liars gain nothing"
  var faults: [CheckerFault] = []
  private var started: [Int: Instant] = [:]
  /// Members count as settled after a minute; gossip takes some seconds before that, and clocks drift by a tenth.
  static let settled = Duration.seconds(75)

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .starts(let number): started[number] = now
    case .tells(let number, let event) where event.kind == "fraud.proved":
      let culprit = event.details.first { $0.name == "culprit" }.flatMap { NodeID($0.value) }.flatMap(world.number(of:))
      guard let culprit else { return }
      if world.isLiar(culprit) {
        world.lying.convicted.append(culprit)
      } else {
        found("n\(culprit) is honest and convicted: \(event.summary)", at: number)
      }
    case .directs(let number, _, .reserved(let answer)):
      guard case .success = answer.result, world.isFriendly(answer.mark.request), !world.isLiar(number) else { return }
      world.lying.obeyedFriends += 1
      if let start = started[number], now - start > LiarChecker.settled {
        found("obeys a mandate of friends alone, \(Int((now - start).seconds)) s after its start", at: number)
      }
    default: return
    }
  }
}

/// A store that was lost may have voted: what is said after the loss concerns no election that began before it.
struct GenerationChecker: Checker {
  static let name = "lost stores do not vote"
  var faults: [CheckerFault] = []
  private var begun: [RequestID: Instant] = [:]
  private var lost: [Int: Instant] = [:]

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    switch sight {
    case .crashes(let number, losesStore: true): lost[number] = now
    case .elects(let number, _, let message):
      if case .call(let envelope, _, _) = message, begun[envelope.request] == nil { begun[envelope.request] = now }
      guard let loss = lost[number], let start = begun[message.request], start < loss, !world.isLiar(number) else {
        return
      }
      switch message {
      case .vote(let vote, _, _, _) where world.number(of: vote.signer) == number: break
      case .acknowledgement, .heartbeatAnswer: break
      default: return
      }
      found("speaks as an elector of \(message.request.short), which began before it lost its store", at: number)
    default: return
    }
  }
}
