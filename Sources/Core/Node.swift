import Assignments
import Base
import Composition
import Desks
import Elections
import Evidence
import Identity
import Mandates
import Measurements
import Membership
import Rivals
import Sessions
import Streams
import Vocabulary
import Wire

/// One peer as a value: membership, measurements, elections, the services that it manages, the work that it does for others,
/// its streams, and what clients asked of its portal. It knows no clock, socket, task or randomness; `Runtime` runs it on the
/// world, `Lab` on a simulated one.
///
/// Its one entry is ``handle(_:at:wall:using:)``. A request passes through it in the order of the files: `Node+Portal` takes it,
/// `Node+Elections` has a manager elected, `Node+Services` has the manager plan (`Node+Planning`) and commit, `Node+Streams`
/// does what was assigned.
public struct Node: Sendable {
  /// This peer.
  public let id: NodeID
  let keys: KeyPair
  var settings: NodeSettings
  let catalogue = Catalogue.standard

  // The rooms.
  var members: MemberTable
  var board: LoadBoard
  var ballots: Ballots
  var contests: Contests
  var frauds: FraudBook
  var director = ServiceDirector()
  var desk: Desk
  var streams: StreamTable

  // What joins them.
  var addresses = AddressBook()
  var sinks = SinkBook()
  var meter = SocketMeter()
  var sources = SourceBook()
  var portal = PortalBook()
  var inquiries = InquiryBook()
  var waiting: OrderedDictionary<PersistToken, [Continuation]> = [:]
  /// All that is in ``waiting``.
  private(set) var unwritten = 0
  var notes: OrderedDictionary<RequestID, ManagerNote> = [:]
  var knownServices: OrderedDictionary<RequestID, KnownService> = [:]
  var promised = Promised()
  var verified = VerifiedDigests()
  /// The mandate that a manager shows with the message that the desk is being told.
  var shownMandate: [UInt8] = []
  /// Strangers who speak to this peer over links that they opened: they can be answered. At most ``Base/Limits/guests``.
  var guests: OrderedSet<NodeID> = []
  /// Records of promises that were dropped because one of them could not be read; until the store is told.
  var unreadable: [Record.Name] = []
  /// The members changed since the ballots and contests were told.
  var isViewStale = true
  var nextToken: UInt64 = 0
  /// When sockets are next counted and what is stale ends; nil before the join.
  var housekeepingDue: Instant?

  // The input being handled.
  var now = Instant.zero
  var wall = WallTime(milliseconds: 0)
  var random = SeededRandom(seed: 0)
  var inbox: [Input] = []
  var effectsOut: [Effect] = []

  /// What waits for records to be safe.
  enum Continuation: Sendable {
    case ballots([BallotEffect])
    case contests([ContestEffect])
    case desk([DeskEffect])
    case nothing
  }

  /// - Parameters:
  ///   - memory: what was persisted before.
  ///   - now: the peer's clock at its start.
  public init(keys: KeyPair, settings: NodeSettings, memory: Memory, now: Instant, wall: WallTime) {
    id = keys.id
    self.keys = keys
    self.settings = settings
    let beginning = UInt64(max(0, wall.milliseconds))
    members = MemberTable(
      keys: keys, address: settings.address, incarnation: beginning, portal: settings.portal, verified: verified)
    board = LoadBoard(keys: keys, offer: settings.offer, sequence: beginning)
    sources = SourceBook(restoring: memory)
    if let promises = Node.promises(in: memory), let contested = Node.contestRecords(memory) {
      ballots = Ballots(keys: keys, restoring: promises, verified: verified)
      contests = Contests(keys: keys, strategy: settings.election, restoring: contested)
    } else {
      var kept = memory
      unreadable = kept.forgetPromises()
      ballots = Ballots(keys: keys, verified: verified)
      contests = Contests(keys: keys, strategy: settings.election)
    }
    frauds = FraudBook(node: keys.id, restoring: memory.records.compactMap { FraudRecord(restoring: $0) })
    desk = Desk(
      node: keys.id,
      capacity: Capacity(
        slots: settings.offer.slots, cores: settings.offer.cores, memory: settings.offer.memory,
        up: settings.offer.upCap, down: settings.offer.downCap),
      restoring: memory.records.compactMap { Fence(restoring: $0) }, verified: verified)
    streams = StreamTable(node: keys.id)
    portal.counter = beginning << 8
    addresses.learn(keys.id, settings.address)
    self.now = now
    self.wall = wall
  }

  // MARK: - The one entry

  /// Handles one input and says what is to be done, in order.
  public mutating func handle(_ input: Input, at now: Instant, wall: WallTime, using random: inout SeededRandom)
    -> [Effect]
  {
    (self.now, self.wall, self.random) = (now, wall, random)
    effectsOut = []
    take(input)
    var steps = 1
    // Messages to this very peer are handled at once, in order; a loop of them would be a defect.
    while !inbox.isEmpty {
      steps += 1
      precondition(steps < 10_000, "a peer talks to itself without end")
      take(inbox.removeFirst())
    }
    random = self.random
    defer { effectsOut = [] }
    return effectsOut
  }

  /// The one big switch, in the order in which a request meets it.
  private mutating func take(_ input: Input) {
    switch input {
    case .join(let contacts): onJoin(contacts)
    case .datagram(let message, let sender, let address): onDatagram(message, from: sender, at: address)
    case .gossip(let datagram, let sender, let address): onGossip(datagram, from: sender, at: address)
    case .exchange(let exchange, let sender):
      welcome(sender)
      onExchange(exchange, from: sender)
    case .sample(let sample): board(.sample(sample))
    case .traffic(let traffic): board(.traffic(traffic.map { ($0.node, $0.sent, $0.received) }))
    case .calibrated(let decode, let encode, let filter):
      board(.calibrated(decode: decode, encode: encode, filter: filter))

    case .client(let token, .submit(let request, let key, let place, let extra)):
      onSubmit(token, request, key: key, place: place, extra: extra)
    case .client(let token, .plan(let request)):
      onSubmit(token, request, key: nil, place: nil, extra: 0, onlyPlan: true)
    case .client(let token, .inquire(let request, let explanation)): onInquire(token, request, explanation: explanation)
    case .client(let token, .end(let request)): onEnd(token, request)
    case .probed(let path, let result): onProbed(path, result)
    case .link(let message, let sender): onLink(message, from: sender)
    case .linkUp: break
    case .linkDown(let node): onLinkDown(node)
    case .persisted(let token): onPersisted(token)

    case .worker(let worker, let report): stream(.worker(worker, report))
    case .workerProgress(_, let due, let late): board(.frames(due: due, late: late))
    case .workerDied(let worker, let how): stream(.workerDied(worker, how))
    case .delivered(let sink, let position): stream(.delivered(sink, through: position))
    case .clients(let sink, let present): onClients(of: sink, present: present)

    case .timer(let timer): onTimer(timer)
    case .leave: perform(members.handle(.leave, at: now, using: &random))
    }
  }

  private mutating func onTimer(_ timer: Timer) {
    switch timer {
    // What an elector would say then has to be written down first, too.
    case .ballots, .contests:
      if isDiskBehind { return effectsOut.append(.setTimer(timer, at: now + Limits.housekeeping)) }
    default: break
    }
    switch timer {
    case .membership(let timer): perform(members.handle(.timer(timer), at: now, using: &random))
    case .measurements(let timer): board(.timer(timer))
    case .ballots(let timer): ballot(.timer(timer))
    case .contests(let timer): contest(.timer(timer))
    case .desk: tellDesk(.timer(.sweep))
    case .director(let request, let timer): manage(request, .timer(timer))
    case .streams: stream(.timer(.pulse))
    case .housekeeping: keepHouse()
    }
  }

  private mutating func onLink(_ message: WireLinkMessage, from sender: NodeID) {
    welcome(sender)
    if isDiskBehind, sender != id, message.mustBeWritten {
      return event(
        "message.dropped", nil, "\(sender.short)…: the disk is \(unwritten) writes behind", [.init("from", "\(sender)")]
      )
    }
    do throws(InvalidMessage) {
      switch message.body {
      case .membership(let exchange): try onExchange(exchange, from: sender)
      case .measurements(let exchange): try onExchange(exchange, from: sender)
      case .service(let service): try onService(service, from: sender)
      case .election(let election): try onElection(election, from: sender)
      case .rival(let rival): contest(.received(from: sender, try ContestMessage(validating: rival, using: &verified)))
      case .session(let session):
        let checked = try SessionMessage(validating: session)
        if checked.isForDesk { try direct(checked, from: sender) } else { manage(checked, from: sender) }
      case .stream(let message): try onStreamMessage(message, from: sender)
      case .fraud(let word): fraud(.received(try FraudWord(validating: word, using: &verified), from: sender))
      case .hello, .helloAnswer, nil: throw InvalidMessage("LinkMessage.body", "not a message of an open link")
      }
    } catch {
      event(
        "message.refused", nil, "\(sender.short)…: \(error)", [.init("from", "\(sender)"), .init("field", error.field)])
    }
  }

  private mutating func onStreamMessage(_ message: WireStreamMessage, from sender: NodeID) throws(InvalidMessage) {
    do throws(InvalidMessage) { stream(.message(try StreamMessage(validating: message), from: sender)) } catch {
      stream(.garbage(from: sender))
      throw error
    }
  }

  // MARK: - What the leaves use

  /// Sends over a link, or hands the message to this peer itself.
  mutating func send(_ message: WireLinkMessage, to node: NodeID, _ purpose: LinkPurpose = .control) {
    if node == id { return inbox.append(.link(message, from: id)) }
    guard let address = address(of: node) else { return inbox.append(.linkDown(node)) }
    effectsOut.append(.sendLink(message, to: node, at: address.known, purpose))
  }

  /// How a node is reached.
  enum Whereabouts {
    /// There.
    case known(PeerAddress)
    /// Only over the link that it opened.
    case guest

    var known: PeerAddress? { if case .known(let address) = self { address } else { nil } }
  }

  func address(of node: NodeID) -> Whereabouts? {
    (members[node]?.address ?? addresses[node]).map { .known($0) } ?? (guests.contains(node) ? .guest : nil)
  }

  /// Notes who spoke over a link, if nobody has said where it listens.
  private mutating func welcome(_ sender: NodeID) {
    guard sender != id, members[sender] == nil, addresses[sender] == nil, guests.append(sender).inserted else { return }
    if guests.count > Limits.guests { guests.removeFirst() }
  }

  /// Has records written; what follows waits for them, and for all that was asked for before: without records it waits for that alone.
  mutating func persist(_ records: [Record], then rest: Continuation) {
    if records.isEmpty {
      guard let last = waiting.keys.last else { return perform(rest) }
      return postpone(rest, until: last)
    }
    nextToken += 1
    let token = PersistToken(number: nextToken)
    waiting[token] = [rest]
    unwritten += 1
    effectsOut.append(.persist(records, token))
  }

  /// Lets something more wait for a write that was asked for.
  mutating func postpone(_ rest: Continuation, until token: PersistToken) {
    waiting[token]!.append(rest)
    unwritten += 1
  }

  private mutating func onPersisted(_ token: PersistToken) {
    let rests = waiting.removeValue(forKey: token) ?? []
    unwritten -= rests.count
    for rest in rests { perform(rest) }
  }

  /// The disk stands still, and others may not fill this peer's memory meanwhile.
  private var isDiskBehind: Bool { unwritten >= Limits.unwritten }

  private mutating func perform(_ rest: Continuation) {
    switch rest {
    case .ballots(let rest): perform(rest)
    case .contests(let rest): perform(rest)
    case .desk(let rest): carryOut(rest)
    case .nothing: break
    }
  }

  mutating func event(_ kind: String, _ service: RequestID?, _ summary: String, _ details: [Event.Detail] = []) {
    effectsOut.append(.event(Event(kind, service, summary, details)))
  }
}

/// What an operator says of a node.
public struct NodeSettings: Hashable, Sendable {
  /// Where other peers reach it.
  public var address: PeerAddress
  /// `http://HOST:PORT` of its portal.
  public var portal: String
  /// What it offers.
  public var offer: NodeOffer
  /// The key was made together with this store: an empty store has forgotten nothing.
  public var identityIsNew: Bool
  /// How managers are found for requests that come in here. One without a quorum must be the same at every peer of the overlay: only
  /// there are its managers obeyed.
  public var election: ElectionStrategy
  /// How long a request that comes in here is valid before it must be renewed, which its portal does while somebody watches.
  public var requestLife: Duration
  /// See the properties.
  public init(
    address: PeerAddress, portal: String, offer: NodeOffer, identityIsNew: Bool,
    election: ElectionStrategy = .rendezvous, requestLife: Duration = Limits.requestLife
  ) {
    self.address = address
    self.portal = portal
    self.offer = offer
    self.identityIsNew = identityIsNew
    self.election = election
    self.requestLife = requestLife
  }
}

/// What a peer remembers of its earlier life.
public struct Memory: Hashable, Sendable {
  /// All records, by name.
  public var records: [Record]
  /// - Parameter records: all, by name.
  public init(records: [Record]) { self.records = records }

  /// Drops what this peer promised as an elector, for a store that is not the one that was last written: one that a backup brought back
  /// knows older promises than were made, and to vote by them would be fraud. With nothing left a new generation begins, which is barred
  /// from all elections that began before. Fences and proofs of fraud stay: old ones do no harm.
  /// - Returns: what was dropped.
  public mutating func forgetPromises() -> [Record.Name] {
    let stale = records.map(\.name).filter { [Node.electionKind, Node.contestKind].contains($0.kind) }
    records.removeAll { stale.contains($0.name) }
    return stale
  }
}

extension Fence {
  static let recordKind = "fence"

  /// Of what is on a disk; nil for records of other kinds.
  package init?(restoring record: Record) {
    guard record.name.kind == Fence.recordKind, let hash = Bytes32(record.name.key),
      let wire = try? WireTermRecord(parsing: record.bytes)
    else { return nil }
    self.init(request: RequestID(hash), term: Term(wire.term), until: WallTime(milliseconds: wire.untilMs))
  }
}

extension Record {
  init(_ fence: Fence) {
    let wire = WireTermRecord.with {
      $0.term = fence.term.wire
      $0.untilMs = fence.until.milliseconds
    }
    self.init(kind: Fence.recordKind, key: fence.request.hash.bytes, bytes: wire.wireBytes, keepUntil: fence.until)
  }
}

extension WireLinkMessage {
  /// Whether what it says, or what is answered, waits for the disk.
  fileprivate var mustBeWritten: Bool {
    switch body {
    case .election, .rival, .session, .fraud: true
    default: false
    }
  }
}
