import Base
import Identity
import Vocabulary

/// Where subscriptions wait before they are served: for their group, since a plan's commits reach its nodes in any order,
/// and for Core's word on their assignment.
struct Reception: Sendable {
  /// A subscription that is not served yet.
  struct Guest: Sendable {
    let peer: NodeID
    let id: SubscriptionID
    var wish: StreamMessage.Subscribe
    var wait: Wait
  }

  enum Wait: Sendable {
    /// For the group. Can become: authorisation.
    case group(until: Instant)
    /// For Core's answer.
    case authorisation(AuthorizationToken)
  }

  private var guests: [Guest] = []
  /// How many wait.
  var count: Int { guests.count }

  // MARK: On a subscription

  /// Asks Core, or lets the guest wait for its group.
  mutating func receive(
    _ wish: StreamMessage.Subscribe, from peer: NodeID, _ id: SubscriptionID, isKnown: Bool, at now: Instant,
    _ out: inout Outbox
  ) {
    guests.removeAll { $0.peer == peer && $0.id == id }
    guard guests.count < Limits.parkedSubscriptions else { return out.send(.refused(.full), of: id, to: peer) }
    var guest = Guest(peer: peer, id: id, wish: wish, wait: .group(until: now + Limits.parkingTime))
    if isKnown { ask(&guest, &out) } else { out.wake(at: now + Limits.parkingTime) }
    guests.append(guest)
  }

  /// Their group is open now.
  mutating func onGroup(_ key: StreamKey, _ out: inout Outbox) {
    for number in guests.indices where guests[number].wish.key == key {
      if case .group = guests[number].wait { ask(&guests[number], &out) }
    }
  }

  private func ask(_ guest: inout Guest, _ out: inout Outbox) {
    let token = out.openQuestion()
    guest.wait = .authorisation(token)
    out.add(.authorize(token, subscriber: guest.peer, key: guest.wish.key, assignment: guest.wish.assignment))
  }

  // MARK: On answers, departures and the pulse

  /// The guest that a token was about; it leaves the reception.
  mutating func answered(_ token: AuthorizationToken) -> Guest? {
    let number = guests.firstIndex { if case .authorisation(token) = $0.wait { true } else { false } }
    return number.map { guests.remove(at: $0) }
  }

  /// More credit for a guest. False: no such guest.
  mutating func onCredit(_ upTo: UInt64, of peer: NodeID, _ id: SubscriptionID) {
    guard let number = guests.firstIndex(where: { $0.peer == peer && $0.id == id }) else { return }
    guests[number].wish.credit = max(guests[number].wish.credit, upTo)
  }

  mutating func leave(_ peer: NodeID, _ id: SubscriptionID) { guests.removeAll { $0.peer == peer && $0.id == id } }
  mutating func leave(_ peer: NodeID) { guests.removeAll { $0.peer == peer } }

  mutating func onPulse(at now: Instant, _ out: inout Outbox) {
    guests.removeAll { guest in
      guard case .group(let until) = guest.wait else { return false }
      guard until <= now else {
        out.wake(at: until)
        return false
      }
      out.send(.refused(.unknownStream), of: guest.id, to: guest.peer)
      return true
    }
  }
}
