import Base
import CSodium
import Identity

/// Who may send sealed datagrams to whom: sessions, how they begin, and what a stranger can cost. No sockets in here.
///
/// A session is a ``PairwiseKey`` over both identities and both incarnations. Who does not know the other's incarnation
/// greets; the other answers with a *welcome*, which carries its incarnation and proves, by the greeting's echo sealed
/// under the session's key, who it is. The first message under the key proves the greeter in turn, and only then does
/// the session replace an older one: a replayed greeting costs an answer and changes nothing. A message of a session
/// that is gone (this peer restarted) is answered with a *reset*, which proves nothing either: it makes its receiver
/// greet again, and the old session stays until a welcome shows a new incarnation.
///
/// A stranger's greeting costs one keyed hash before anything else. Then a token bucket limits the public-key work,
/// and while it is less than half full greetings must first bring back a cookie (as in DTLS and WireGuard), so that
/// senders of forged addresses cannot empty it. No answer is longer than what it answers.
struct DatagramSessions<Address: Hashable & Sendable> {
  enum Action {
    case transmit([UInt8], Address)
    case deliver(NodeID, Address, [UInt8])
    case otherVersion(NodeID, UInt8)
  }

  struct Session {
    let key: PairwiseKey
    let node: NodeID
    let incarnation: UInt64
    var address: Address
    var window = ReplayWindow()
    var counter: UInt64
    var isConfirmed: Bool
    var heard: Instant
  }

  struct Outgoing {
    let echo: UInt64
    var address: Address
    var sent: Instant
    var cookie: [UInt8]
    /// Challenges and welcomes looked at since this peer last had something to send: nobody can keep it busy with them.
    var answers = 0
    var waiting: [(message: [UInt8], address: Address, since: Instant)] = []
  }

  let keys: KeyPair
  let incarnation: UInt64
  private let overlayKey: [UInt8]
  private let cookieKey: [UInt8]
  private(set) var counters = DatagramCounters()
  private var sessions: OrderedDictionary<UInt64, Session> = [:]
  private var unconfirmed: OrderedDictionary<NodeID, UInt64> = [:]
  private var current: [NodeID: UInt64] = [:]
  private var greetings: OrderedDictionary<NodeID, Outgoing> = [:]
  private var greeted: [UInt64: NodeID] = [:]
  private var strangers = TokenBucket(rate: Limits.strangersPerSecond, capacity: Limits.strangersAtOnce)
  private var resets = TokenBucket(rate: Limits.resetsPerSecond, capacity: Limits.resetsPerSecond)
  /// Above every counter of the sessions that were dropped: one that begins again must not reuse a nonce.
  private var counterFloor: UInt64 = 0

  init(keys: KeyPair, incarnation: UInt64, overlay: String) {
    self.keys = keys
    self.incarnation = incarnation
    overlayKey = Array(Digest.of(Array(overlay.utf8), kind: "datagram-overlay").bytes.prefix(16))
    cookieKey = (0..<32).map { _ in UInt8(randombytes_uniform(256)) }
  }

  // MARK: On something to send

  mutating func send(_ message: [UInt8], to node: NodeID, at address: Address, now: Instant) -> [Action] {
    precondition(message.count <= DatagramSocket.messageBytes, "a message of \(message.count) bytes fits no datagram")
    if let session = current[node] { return [transmit(message, session, to: address)] }
    var outgoing = greetings[node]
    let isDue = outgoing.map { now - $0.sent >= Limits.greetingInterval } ?? true
    if outgoing == nil { outgoing = makeGreeting(to: address, now) }
    outgoing!.address = address
    if isDue { outgoing!.answers = 0 }
    if outgoing!.waiting.count == Limits.messagesAwaitingWelcome {
      outgoing!.waiting.removeFirst()
      counters.unsent += 1
    }
    outgoing!.waiting.append((message, address, now))
    remember(outgoing!, for: node)
    return isDue ? [greet(node, now)] : []
  }

  /// Notes an incarnation that a TLS link has authenticated: saves the greeting, or ends a restarted peer's old session.
  mutating func learn(_ node: NodeID, incarnation: UInt64, at address: Address, now: Instant) -> [Action] {
    if let session = current[node], sessions[session]?.incarnation == incarnation { return [] }
    guard let session = session(with: node, incarnation, at: address, now) else { return [] }
    return confirm(session, now)
  }

  // MARK: On a datagram

  mutating func receive(_ datagram: [UInt8], from address: Address, now: Instant) -> [Action] {
    counters.bytesReceived += datagram.count
    guard datagram.count >= 10, datagram.count <= Limits.datagramBytes, let kind = DatagramKind(rawValue: datagram[1])
    else { return noise() }
    if kind == .otherVersion { return onOtherVersion(datagram, now) }
    guard datagram[0] == DatagramLayout.version else {
      guard kind == .greeting, resets.take(at: now) else { return noise() }
      counters.otherVersion += 1
      return [transmit(DatagramLayout.otherVersion(echoOf: datagram), to: address)]
    }
    switch kind {
    case .message: return onMessage(datagram, from: address, now)
    case .greeting: return onGreeting(datagram, from: address, now)
    case .challenge: return onChallenge(datagram, now)
    case .welcome: return onWelcome(datagram, from: address, now)
    case .reset: return onReset(datagram, now)
    case .otherVersion: return []
    }
  }

  private mutating func onMessage(_ datagram: [UInt8], from address: Address, _ now: Instant) -> [Action] {
    guard datagram.count >= DatagramLayout.messageHeader + 16 else { return noise() }
    let id = DatagramLayout.number(datagram, at: 2)
    guard var session = sessions[id] else {
      counters.noise += 1
      return resets.take(at: now) ? [transmit(DatagramLayout.reset(session: id), to: address)] : []
    }
    let counter = DatagramLayout.number(datagram, at: 10)
    guard session.window.isFresh(counter) else {
      counters.replayed += 1
      return []
    }
    let header = Array(datagram[..<DatagramLayout.messageHeader])
    guard let plain = session.key.open(datagram[header.count...], counter: counter, context: header)
    else { return noise() }
    session.window.mark(counter)
    session.address = address
    session.heard = now
    let wasConfirmed = session.isConfirmed
    sessions[id] = session
    counters.received += 1
    return (wasConfirmed ? [] : confirm(id, now)) + [.deliver(session.node, address, plain)]
  }

  private mutating func onGreeting(_ datagram: [UInt8], from address: Address, _ now: Instant) -> [Action] {
    guard let greeting = DatagramLayout.parseGreeting(datagram, to: keys.id, overlayKey: overlayKey),
      greeting.sender != keys.id
    else { return noise() }
    let known = [current[greeting.sender], unconfirmed[greeting.sender]].compactMap { $0 }
      .first { sessions[$0]?.incarnation == greeting.incarnation }
    if let known { return [welcome(known, greeting.echo, address)] }
    if strangers.level(at: now) < 0.5 {
      let cookie = cookie(for: greeting, address, slot: now)
      guard greeting.cookie == cookie || greeting.cookie == self.cookie(for: greeting, address, slot: now - cookieLife)
      else {
        counters.challenged += 1
        return [transmit(DatagramLayout.challenge(echo: greeting.echo, cookie: cookie), to: address)]
      }
    }
    guard strangers.take(at: now) else {
      counters.rateLimited += 1
      return []
    }
    guard let session = session(with: greeting.sender, greeting.incarnation, at: address, now) else { return noise() }
    if unconfirmed.count >= Limits.unconfirmedSessions { drop(unconfirmed.elements[0].value) }
    if let older = unconfirmed[greeting.sender] { drop(older) }
    if sessions[session]?.isConfirmed == false { unconfirmed[greeting.sender] = session }
    return [welcome(session, greeting.echo, address)]
  }

  private mutating func onChallenge(_ datagram: [UInt8], _ now: Instant) -> [Action] {
    guard datagram.count == 10 + DatagramLayout.cookieBytes, let node = greeted[DatagramLayout.number(datagram, at: 2)],
      let outgoing = greetings[node], outgoing.answers < 4
    else { return noise() }
    greetings[node]!.answers += 1
    greetings[node]!.cookie = Array(datagram[10...])
    return [greet(node, now)]
  }

  private mutating func onWelcome(_ datagram: [UInt8], from address: Address, _ now: Instant) -> [Action] {
    guard datagram.count == 50, let node = greeted[DatagramLayout.number(datagram, at: 2)],
      let outgoing = greetings[node], outgoing.answers < 4
    else { return noise() }
    greetings[node]!.answers += 1
    let incarnation = DatagramLayout.number(datagram, at: 10)
    guard let key = PairwiseKey(keys, ownIncarnation: self.incarnation, peer: node, peerIncarnation: incarnation)
    else { return noise() }
    counters.keysMade += 1
    guard DatagramLayout.isWelcome(datagram, openedBy: key) else { return noise() }
    if sessions[key.session] == nil { insert(key, node, incarnation, at: address, now) }
    return confirm(key.session, now)
  }

  private mutating func onReset(_ datagram: [UInt8], _ now: Instant) -> [Action] {
    guard datagram.count == 10, let session = sessions[DatagramLayout.number(datagram, at: 2)], session.isConfirmed
    else { return noise() }
    if let outgoing = greetings[session.node], now - outgoing.sent < Limits.greetingInterval { return [] }
    if greetings[session.node] == nil { remember(makeGreeting(to: session.address, now), for: session.node) }
    return [greet(session.node, now)]
  }

  private mutating func onOtherVersion(_ datagram: [UInt8], _ now: Instant) -> [Action] {
    guard datagram[0] != DatagramLayout.version, let node = greeted[DatagramLayout.number(datagram, at: 2)]
    else { return noise() }
    counters.otherVersion += 1
    forgetGreeting(node)
    return [.otherVersion(node, datagram[0])]
  }

  // MARK: Sessions

  /// The other end has proved itself: the session becomes the one with its node, and what waited for it goes out.
  private mutating func confirm(_ id: UInt64, _ now: Instant) -> [Action] {
    guard var session = sessions.removeValue(forKey: id) else { return [] }
    session.isConfirmed = true
    session.heard = now
    sessions[id] = session  // last in order: the oldest confirmation goes first when the table is full
    unconfirmed[session.node] = nil
    if let older = current[session.node], older != id { drop(older) }
    current[session.node] = id
    let waiting = greetings[session.node]?.waiting ?? []
    forgetGreeting(session.node)
    counters.unsent += waiting.count { now - $0.since >= Limits.welcomeWait }
    return waiting.filter { now - $0.since < Limits.welcomeWait }.map { transmit($0.message, id, to: $0.address) }
  }

  private mutating func session(
    with node: NodeID, _ incarnation: UInt64, at address: Address, _ now: Instant
  ) -> UInt64? {
    counters.keysMade += 1
    guard let key = PairwiseKey(keys, ownIncarnation: self.incarnation, peer: node, peerIncarnation: incarnation)
    else { return nil }
    if sessions[key.session] == nil { insert(key, node, incarnation, at: address, now) }
    return key.session
  }

  private mutating func insert(
    _ key: PairwiseKey, _ node: NodeID, _ incarnation: UInt64, at address: Address, _ now: Instant
  ) {
    if sessions.count >= Limits.datagramSessions, let oldest = sessions.min(by: { $0.value.heard < $1.value.heard }) {
      drop(oldest.key)
    }
    sessions[key.session] = Session(
      key: key, node: node, incarnation: incarnation, address: address, counter: counterFloor, isConfirmed: false,
      heard: now)
  }

  private mutating func drop(_ id: UInt64) {
    guard let session = sessions.removeValue(forKey: id) else { return }
    counterFloor = max(counterFloor, session.counter)
    if current[session.node] == id { current[session.node] = nil }
    if unconfirmed[session.node] == id { unconfirmed[session.node] = nil }
  }

  private mutating func welcome(_ id: UInt64, _ echo: UInt64, _ address: Address) -> Action {
    let counter = sessions[id]!.counter
    sessions[id]!.counter += 1
    let key = sessions[id]!.key
    return transmit(
      DatagramLayout.welcome(echo: echo, incarnation: incarnation, counter: counter, key: key), to: address)
  }

  private mutating func transmit(_ message: [UInt8], _ id: UInt64, to address: Address) -> Action {
    let counter = sessions[id]!.counter
    sessions[id]!.counter += 1
    counters.sent += 1
    let datagram = DatagramLayout.message(session: id, counter: counter, message, key: sessions[id]!.key)
    return transmit(datagram, to: address)
  }

  private mutating func transmit(_ datagram: [UInt8], to address: Address) -> Action {
    counters.bytesSent += datagram.count
    return .transmit(datagram, address)
  }

  private mutating func noise() -> [Action] {
    counters.noise += 1
    return []
  }

  // MARK: Greetings

  private func makeGreeting(to address: Address, _ now: Instant) -> Outgoing {
    var echo: UInt64 = 0
    withUnsafeMutableBytes(of: &echo) { randombytes_buf($0.baseAddress!, 8) }
    let noCookie = [UInt8](repeating: 0, count: DatagramLayout.cookieBytes)
    return Outgoing(echo: echo, address: address, sent: now, cookie: noCookie)
  }

  private mutating func remember(_ outgoing: Outgoing, for node: NodeID) {
    if greetings[node] == nil, greetings.count >= Limits.greetings { forgetGreeting(greetings.elements[0].key) }
    greetings[node] = outgoing
    greeted[outgoing.echo] = node
  }

  private mutating func forgetGreeting(_ node: NodeID) {
    if let outgoing = greetings.removeValue(forKey: node) { greeted[outgoing.echo] = nil }
  }

  private mutating func greet(_ node: NodeID, _ now: Instant) -> Action {
    greetings[node]!.sent = now
    let outgoing = greetings[node]!
    let greeting = Greeting(
      echo: outgoing.echo, tag: 0, sender: keys.id, incarnation: incarnation, cookie: outgoing.cookie)
    // A cookie serves once: if this greeting is lost, the next one is challenged anew.
    greetings[node]!.cookie = [UInt8](repeating: 0, count: DatagramLayout.cookieBytes)
    return transmit(DatagramLayout.greeting(greeting, to: node, overlayKey: overlayKey), to: outgoing.address)
  }

  private var cookieLife: Duration { .seconds(16) }

  /// Nothing is kept for it: the address and greeter under a key of this process, good for 16 to 32 s.
  private func cookie(for greeting: Greeting, _ address: Address, slot: Instant) -> [UInt8] {
    let text = "\(slot.nanoseconds / cookieLife.nanoseconds) \(address) \(greeting.sender) \(greeting.incarnation)"
    return Array(Digest.of(cookieKey + Array(text.utf8), kind: "datagram-cookie").bytes.prefix(16))
  }
}
