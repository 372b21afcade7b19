import Base
import Identity
import Vocabulary

/// All nodes' measurements as this one has them, and its own. Reports are signed by who measured, in parts that fit beside a
/// probe, spread under a fixed budget of bytes a second whatever the number of members, and shown with their age.
///
/// The own report is told when something moved noticeably, and its pulse every ``Base/Limits/reportInterval`` in any case; whom
/// gossip missed gets the rest with the next whole board. What
/// was seen of a node by others (refusals, late frames, rates reached) corrects what it says of itself, and fades.
public struct LoadBoard: Sendable {
  /// This node.
  public let node: NodeID
  /// Signatures checked so far: each part of a report once.
  public private(set) var verifications = 0

  let keys: KeyPair
  let offer: NodeOffer
  var nodes: OrderedDictionary<NodeID, Known> = [:]
  /// Members that take part; for lookup only.
  var members: Set<NodeID> = []
  var observations: OrderedDictionary<NodeID, Observations> = [:]
  var own: OwnState
  var load: LoadVector
  var gauge = Gauge()
  var paths = PathProber()
  var sequence: UInt64
  var toldAt: Instant?
  var allowance = Limits.reportBudget
  var allowanceAt = Instant.zero
  /// The time of the latest input.
  var clock = Instant.zero

  /// What is held of one node.
  struct Known: Sendable {
    var parts: OrderedDictionary<ReportPart.Slot, Held> = [:]
    /// Put together from the parts; nil before both pulse and offer came.
    var report: LoadReport?
  }

  struct Held: Sendable {
    var part: Signed<ReportPart>
    var received: Instant
    var sent = 0
    /// It differs noticeably from the one before.
    var moved: Bool
  }

  /// - Parameter sequence: higher than that of any report of an earlier start: the wall clock's milliseconds, say. Where a clock
  ///   went back, the node learns from its own earlier report, which others still hold, and goes above it.
  public init(keys: KeyPair, offer: NodeOffer, sequence: UInt64) {
    self.keys = keys
    node = keys.id
    self.offer = offer
    self.sequence = sequence
    own = OwnState(coordinate: .origin, streams: [], slotsUsed: 0, promisedSlots: 0, promisedCores: 0)
    load = LoadVector(slots: offer.slots, cores: offer.cores)
  }

  // MARK: - What others ask

  /// A node's report as it must be read now, corrected by what was seen of it, and when its pulse came; nil before pulse and
  /// offer are known.
  public subscript(node: NodeID) -> (report: LoadReport, received: Instant)? {
    guard let known = nodes[node], let report = known.report, let pulse = known.parts[.pulse] else { return nil }
    return (observations[node]?.corrected(report, at: clock) ?? report, pulse.received)
  }
  /// How a node fares in its own signed words, for others to check; nil before its pulse came.
  public func pulse(of node: NodeID) -> SignedEnvelope? { nodes[node]?.parts[.pulse]?.part.envelope }
  /// All parts of all reports, for an exchange.
  public var all: [SignedEnvelope] { nodes.values.flatMap { $0.parts.values.map(\.part.envelope) } }

  // MARK: - The one entry

  /// Handles one input.
  public mutating func handle(_ input: BoardInput, at now: Instant, wall: WallTime, using random: inout SeededRandom)
    -> [BoardEffect]
  {
    clock = max(clock, now)
    switch input {
    case .reports(let envelopes):
      learn(envelopes, at: now)
      return []
    case .sample(let sample):
      gauge.read(sample, offer: offer, into: &load, at: now)
      return tell(at: now, wall: wall)
    case .frames(let due, let late):
      gauge.count(due: due, late: late, into: &load, at: now)
      return []
    case .calibrated(let decode, let encode, let filter):
      (load.decodeRate, load.encodeRate, load.filterRate) = (decode, encode, filter)
      return tell(at: now, wall: wall)
    case .traffic(let traffic):
      paths.count(traffic, at: now)
      gauge.count(traffic, at: now)
      return []
    case .own(let state):
      own = state
      load.slotsUsed = state.slotsUsed
      return tell(at: now, wall: wall)
    case .members(let nodes): return onMembers(nodes, at: now)
    case .observed(let node, let observation):
      onObserved(node, observation, at: now)
      return []
    case .train(let message, let sender): return paths.onTrain(message, from: sender, at: now)
    case .timer(.publish): return tell(at: now, wall: wall)
    case .timer(.train): return paths.sendNext(isBusy: gauge.rate > 200_000, at: now, using: &random)
    case .timer(.arrival(let node, let train)): return paths.judge(node, train, at: now)
    }
  }

  // MARK: - On others' reports

  private mutating func learn(_ envelopes: [SignedEnvelope], at now: Instant) {
    for envelope in envelopes.prefix(Limits.exchangedParts) {
      guard envelope.signer == node || members.contains(envelope.signer) else { continue }
      // Known ones are told apart by their sequence alone; only what is newer costs a signature check.
      guard let claimed = try? ReportPart(validating: envelope.bytes), claimed.node == envelope.signer else { continue }
      let held = nodes[envelope.signer]?.parts[claimed.slot]
      let newest = envelope.signer == node ? sequence : held?.part.body.sequence
      if let newest, newest >= claimed.sequence { continue }
      verifications += 1
      // Whoever sends a forgery is not listened to any further.
      guard let part = try? Signed<ReportPart>(verifying: envelope) else { return }
      if part.signer == node { recall(part.body.sequence) } else { hold(part, at: now) }
    }
  }

  /// Takes a newer part into the node's report.
  mutating func hold(_ part: Signed<ReportPart>, at now: Instant) {
    var known = nodes[part.signer] ?? Known()
    let before = known.parts[part.body.slot]
    let moved = before.map { part.body.content.movedNoticeably(since: $0.part.body.content) } ?? true
    known.parts[part.body.slot] = Held(part: part, received: now, moved: moved)
    if known.parts[.pulse] != nil, known.parts[.offer] != nil {
      var report = LoadReport(node: part.signer, sequence: 0, wall: part.body.wall)
      for held in known.parts.values { report.take(held.part.body) }
      known.report = report
    }
    nodes[part.signer] = known
  }

  /// This node's own signature under a higher sequence: it ran before under a clock that was ahead. It tells all anew, above it.
  private mutating func recall(_ earlier: UInt64) {
    guard earlier < .max / 2 else { return }
    sequence = earlier
    nodes.removeValue(forKey: node)
    toldAt = nil
  }

  // MARK: - On members and on what was seen of them

  private mutating func onMembers(_ nodes: [NodeID], at now: Instant) -> [BoardEffect] {
    // A newcomer has heard nothing yet: everything is told anew.
    if nodes.contains(where: { !members.contains($0) }) {
      for known in Array(self.nodes.keys) {
        for slot in self.nodes[known]?.parts.keys ?? [] { self.nodes[known]?.parts[slot]?.sent = 0 }
      }
    }
    members = Set(nodes)
    for known in Array(self.nodes.keys) where known != node && !members.contains(known) {
      self.nodes.removeValue(forKey: known)
    }
    for known in Array(observations.keys) where !members.contains(known) { observations.removeValue(forKey: known) }
    return paths.follow(nodes.filter { $0 != node }, at: now)
  }

  private mutating func onObserved(_ node: NodeID, _ observation: Observation, at now: Instant) {
    guard members.contains(node) else { return }
    if case .sent(let bits) = observation { paths.reached(node, bits) }
    observations[node, default: Observations()].note(observation, at: now)
  }
}
