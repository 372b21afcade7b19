import Base
import Core
import Identity
import Measurements
import Streams
import Vocabulary
import Wire

/// Peers of a ``ScaledSimulation`` that one thread plays for a day at a time.
final class Shard: @unchecked Sendable {
  let number: Int
  let world: ScaledSimulation.World
  @exclusivity(unchecked) var now = Instant.zero
  @exclusivity(unchecked) var queue: CalendarQueue<Happening>
  @exclusivity(unchecked) var counts = Outcome.Counts()
  /// By number in the scenario; nil for those of other shards.
  var asks: [AskedRequest?]
  /// The day that is being played, and what goes to peers of other shards.
  private var today: (number: Int64, mail: Mail)?
  let end: Instant

  enum Happening {
    case start
    case gossip(GossipDatagram, from: Int32)
    case exchange(GossipExchange, from: Int32)
    indirect case link(WireLinkMessage, from: Int32)
    indirect case input(Input)
    case timer(Core.Timer)
    case written
    case step(WorkerID)
    case second
    case ask(Int)
    case stop(Int)
  }

  init(_ number: Int, of world: ScaledSimulation.World) {
    self.number = number
    self.world = world
    queue = CalendarQueue(day: world.lookahead)
    end = .seconds(world.scenario.endsAt)
    asks = world.scenario.requests.map { world.shard(of: $0.portal) == number ? AskedRequest(ask: $0) : nil }
    for peer in world.peers where world.shard(of: peer.number) == number {
      push(.start, to: peer, at: world.starts[peer.number])
      for ask in peer.asks {
        let ask = (number: ask, wish: world.scenario.requests[ask])
        push(.ask(ask.number), to: peer, at: .seconds(ask.wish.at))
        if let after = ask.wish.stopsAfter { push(.stop(ask.number), to: peer, at: .seconds(ask.wish.at + after)) }
      }
    }
  }

  // MARK: - Days

  /// Days follow each other; of the mail, that of the day before has been written by all.
  func play(_ day: Int64, _ mail: Mail) {
    if day > 0 {
      queue.turn()
      for from in 0..<world.shards where from != number {
        mail.take(day: day - 1, from: from, to: number) { queue.add($0, $1) }
      }
    }
    today = (day, mail)
    while let (appointment, happening) = queue.next() {
      guard appointment.at <= end.nanoseconds else { break }
      now = Instant(nanoseconds: appointment.at)
      counts.happenings += 1
      happen(happening, to: world.peers[Int(appointment.peer)])
    }
  }

  private func happen(_ next: consuming Happening, to peer: ScaledPeer) {
    switch consume next {
    case .gossip(let datagram, let from):
      let sender = world.contacts[Int(from)]
      tell(peer, .gossip(datagram, from: sender.node, at: sender.address))
    case .timer(let timer):
      peer.timers.remove(timer)
      tell(peer, .timer(timer))
    case .second: lookAtMachine(peer)
    case .exchange(let exchange, let from): tell(peer, .exchange(exchange, from: world.contacts[Int(from)].node))
    case .link(let message, let from): tell(peer, .link(message, from: world.contacts[Int(from)].node))
    case .input(let input): tell(peer, input)
    case .written: written(peer)
    case .step(let worker): step(worker, at: peer)
    case .start: start(peer)
    case .ask(let number): ask(number, at: peer)
    case .stop(let number): stop(number, at: peer)
    }
  }

  func tell(_ peer: ScaledPeer, _ input: Input) {
    guard peer.isUp else { return }
    counts.inputs += 1
    let (local, wall) = (peer.clock.monotonic(now), peer.clock.wall(now))
    let effects = peer.node.pointee.handle(input, at: local, wall: wall, using: &peer.random)
    counts.effects += UInt64(effects.count)
    for effect in effects { carryOut(effect, of: peer) }
  }

  // MARK: - Asking for what is to happen

  /// At the peer itself.
  /// - Returns: what it is withdrawn by from the queue.
  @discardableResult
  func push(_ next: Happening, to peer: ScaledPeer, at time: Instant) -> Int32 {
    peer.asked += 1
    let number = Int32(peer.number)
    return queue.add(Appointment(at: time.nanoseconds, asker: number, order: peer.asked, peer: number), next)
  }

  func push(_ next: Happening, to peer: ScaledPeer, after delay: Duration) { push(next, to: peer, at: now + delay) }

  /// At another one, no sooner than the shortest path allows.
  func post(_ next: Happening, from peer: ScaledPeer, to other: Int, at time: Instant) {
    peer.asked += 1
    let appointment = Appointment(
      at: time.nanoseconds, asker: Int32(peer.number), order: peer.asked, peer: Int32(other))
    let shard = world.shard(of: other)
    if shard == number {
      queue.add(appointment, next)
    } else if let today {
      today.mail.put(Mail.Letter(appointment: appointment, happening: next), day: today.number, from: number, to: shard)
    }
  }
}
