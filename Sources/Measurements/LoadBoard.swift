import Base
import Identity
import Vocabulary

/// What happens to a node's board of measurements.
public enum BoardInput: Sendable {
  /// Reports came beside a datagram, or a whole board over a link.
  case reports([SignedEnvelope])
  /// What the kernel says.
  case sample(MachineSample)
  /// Frames due and late in the workers, since the last time.
  case frames(due: UInt64, late: UInt64)
  /// Throughput of this machine: megapixels a second and core.
  case calibrated(decode: Double, encode: Double, filter: Double)
  /// Payload bytes to and from peers so far.
  case traffic([(node: NodeID, sent: UInt64, received: UInt64)])
  /// The node's own state, as other rooms have it.
  case own(OwnState)
  /// Members that take part, this node not among them.
  case members([NodeID])
  /// A car of somebody's train, or the report of an own train's arrival.
  case train(TrainMessage, from: NodeID)
  /// A timer that was asked for.
  case timer(MeasurementTimer)
}

/// What other rooms know of this node.
public struct OwnState: Hashable, Sendable {
  /// Where it stands.
  public var coordinate: Coordinate
  /// What it serves.
  public var streams: [ServedStream]
  /// Workers running.
  public var slotsUsed: Int
  /// Promised to managers.
  public var promisedSlots: Int
  /// Promised to managers.
  public var promisedCores: Double
  /// See the properties.
  public init(
    coordinate: Coordinate, streams: [ServedStream], slotsUsed: Int, promisedSlots: Int, promisedCores: Double
  ) {
    self.coordinate = coordinate
    self.streams = streams
    self.slotsUsed = slotsUsed
    self.promisedSlots = promisedSlots
    self.promisedCores = promisedCores
  }
}

/// What this room wants done.
public enum BoardEffect: Sendable {
  /// The own report is new: spread it soon.
  case published
  /// Send this to measure a path, or to answer.
  case sendTrain(TrainMessage, to: NodeID)
  /// Call back then. Replaces the earlier time of the same timer.
  case setTimer(MeasurementTimer, at: Instant)
}

/// The room's timers.
public enum MeasurementTimer: Hashable, Sendable {
  /// The own report is due.
  case publish
  /// The next train is due.
  case train
  /// The last car of a train may be lost: it is judged without.
  case arrival(NodeID, UInt64)
}

/// What the operator allows and the machine has.
public struct NodeOffer: Hashable, Sendable {
  /// Components that are offered; nil = all.
  public var components: [String]?
  /// Workers at a time.
  public var slots: Int
  /// Cores of the operator's share.
  public var cores: Double
  /// Cores of the machine.
  public var machineCores: Double
  /// Bytes of the operator's share.
  public var memory: Int64
  /// The operator's caps, bits a second; 0 = none.
  public var upCap: Int64
  /// See ``upCap``.
  public var downCap: Int64
  /// See the properties.
  public init(
    components: [String]?, slots: Int, cores: Double, machineCores: Double, memory: Int64, upCap: Int64 = 0,
    downCap: Int64 = 0
  ) {
    self.components = components
    self.slots = slots
    self.cores = cores
    self.machineCores = machineCores
    self.memory = memory
    self.upCap = upCap
    self.downCap = downCap
  }
}

/// All nodes' measurements as this one has them, and its own. Reports are signed by who measured, spread beside probes under a
/// fixed budget of bytes a second whatever the number of members, and shown with their age. The own report is renewed when
/// something moved noticeably, and every ``Base/Limits/reportInterval`` in any case.
public struct LoadBoard: Sendable {
  /// This node.
  public let node: NodeID
  let keys: KeyPair
  let offer: NodeOffer
  var entries: OrderedDictionary<NodeID, Entry> = [:]
  var verified = VerifiedDigests(capacity: 4_096)
  var own: OwnState
  var load: LoadVector
  var gauge = Gauge()
  var paths = PathProber()
  var published: LoadReport?
  var publishedAt: Instant?
  var sequence: UInt64
  var allowance = Limits.reportBudget
  var allowanceAt = Instant.zero
  var memberCount = 1
  /// Members at the last change.
  var followed: Set<NodeID> = []

  struct Entry: Sendable {
    var report: Signed<LoadReport>
    var received: Instant
    var sent = 0
  }

  /// - Parameter sequence: higher than that of any report of an earlier start: the wall clock's milliseconds, say.
  public init(keys: KeyPair, offer: NodeOffer, sequence: UInt64) {
    self.keys = keys
    node = keys.id
    self.offer = offer
    self.sequence = sequence
    own = OwnState(coordinate: .origin, streams: [], slotsUsed: 0, promisedSlots: 0, promisedCores: 0)
    load = LoadVector(slots: offer.slots, cores: offer.cores)
  }

  // MARK: - What others ask

  /// A node's newest report and when it came; nil before the first.
  public subscript(node: NodeID) -> (report: LoadReport, received: Instant)? {
    entries[node].map { ($0.report.body, $0.received) }
  }
  /// All reports, for an exchange.
  public var all: [SignedEnvelope] { entries.values.map(\.report.envelope) }

  /// Reports to send beside a datagram: the least told first, within `bytes` and the budget.
  public mutating func piggyback(bytes: Int = Limits.reportBytes, at now: Instant) -> [SignedEnvelope] {
    allowance = min(Limits.reportBudget * 5, allowance + (now - allowanceAt).seconds * Limits.reportBudget)
    allowanceAt = now
    var room = min(bytes, Int(allowance))
    var taken: [SignedEnvelope] = []
    let most = max(2, Int(Limits.reportRetransmits * digits(of: memberCount) + 0.5))
    for (node, entry) in entries.sorted(by: { ($0.value.sent, $0.value.received) < ($1.value.sent, $1.value.received) })
    where entry.sent < most {
      let size = entry.report.bytes.count + 106
      guard size <= room else { continue }
      taken.append(entry.report.envelope)
      entries[node]!.sent += 1
      room -= size
      allowance -= Double(size)
    }
    return taken
  }

  private func digits(of count: Int) -> Double {
    var (rest, digits) = (Double(max(count, 5)), 0.0)
    while rest >= 10 { (rest, digits) = (rest / 10, digits + 1) }
    return digits + (rest - 1) / 9
  }

  // MARK: - The one entry

  /// Handles one input.
  public mutating func handle(_ input: BoardInput, at now: Instant, wall: WallTime, using random: inout SeededRandom)
    -> [BoardEffect]
  {
    switch input {
    case .reports(let envelopes):
      for envelope in envelopes.prefix(1_024) { learn(envelope, at: now) }
      return []
    case .sample(let sample):
      gauge.read(sample, offer: offer, into: &load, at: now)
      return publishIfMoved(at: now, wall: wall)
    case .frames(let due, let late):
      gauge.count(due: due, late: late, into: &load, at: now)
      return []
    case .calibrated(let decode, let encode, let filter):
      (load.decodeRate, load.encodeRate, load.filterRate) = (decode, encode, filter)
      return publish(at: now, wall: wall)
    case .traffic(let traffic):
      paths.count(traffic, at: now)
      gauge.count(traffic, at: now)
      return []
    case .own(let state):
      own = state
      load.slotsUsed = state.slotsUsed
      return publishIfMoved(at: now, wall: wall)
    case .members(let nodes): return onMembers(nodes, at: now)
    case .train(let message, let sender): return paths.onTrain(message, from: sender, at: now)
    case .timer(.publish): return publish(at: now, wall: wall)
    case .timer(.train): return paths.sendNext(isBusy: gauge.rate > 200_000, at: now, using: &random)
    case .timer(.arrival(let node, let train)): return paths.judge(node, train)
    }
  }

  // MARK: - On others' reports

  private mutating func learn(_ envelope: SignedEnvelope, at now: Instant) {
    guard envelope.signer != node, let report = try? Signed<LoadReport>(verifying: envelope, using: &verified),
      report.body.node == report.signer
    else { return }
    if let known = entries[report.signer], known.report.body.sequence >= report.body.sequence { return }
    guard entries[report.signer] != nil || entries.count < Limits.members else { return }
    entries[report.signer] = Entry(report: report, received: now)
  }

  private mutating func onMembers(_ nodes: [NodeID], at now: Instant) -> [BoardEffect] {
    memberCount = nodes.count + 1
    let taking = Set(nodes)
    // A newcomer has heard nothing yet: everything is told anew.
    if nodes.contains(where: { !followed.contains($0) }) { for node in Array(entries.keys) { entries[node]!.sent = 0 } }
    followed = taking
    for known in Array(entries.keys) where known != node && !taking.contains(known) {
      entries.removeValue(forKey: known)
    }
    return paths.follow(nodes, at: now)
  }

  // MARK: - On the own report

  private mutating func publishIfMoved(at now: Instant, wall: WallTime) -> [BoardEffect] {
    guard let published, let publishedAt else { return publish(at: now, wall: wall) }
    guard current(wall: wall).movedNoticeably(since: published) else { return [] }
    guard now - publishedAt >= Limits.reportPause else {
      return [.setTimer(.publish, at: publishedAt + Limits.reportPause)]
    }
    return publish(at: now, wall: wall)
  }

  private mutating func publish(at now: Instant, wall: WallTime) -> [BoardEffect] {
    sequence += 1
    let report = current(wall: wall)
    published = report
    publishedAt = now
    entries[node] = Entry(report: Signed(report, by: keys), received: now)
    return [.published, .setTimer(.publish, at: now + Limits.reportInterval)]
  }

  private func current(wall: WallTime) -> LoadReport {
    var report = LoadReport(node: node, sequence: sequence, wall: wall)
    report.load = load
    report.rates = gauge.rates(best: paths.best, offer: offer)
    report.paths = paths.rates
    report.coordinate = own.coordinate
    report.streams = Array(own.streams.prefix(Limits.reportedStreams))
    report.components = offer.components
    report.promisedSlots = own.promisedSlots
    report.promisedCores = own.promisedCores
    return report
  }
}
