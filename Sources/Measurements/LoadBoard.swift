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
  /// All parts held, and of each what telling it depends on: flat, as every datagram looks at all of them.
  var parts: [Signed<ReportPart>] = []
  var rows: [Row] = []
  var marks: [Mark] = []
  /// Of ``rows`` those that may have to be told more often; others too, until somebody looks.
  var untold: [Int32] = []
  /// Where this node stood when the rows' nearness was reckoned.
  var reckonedAt = Coordinate.origin
  /// Of the path rates that were judged last, when none was worth telling.
  var judgedPaths: UInt64 = 0
  /// Up to this ID others keep all members, and want their reports; nil: all that there are. Of the rest each tells of itself.
  var commonLimit: NodeID?
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
    /// The two parts that nearly all gossip is about, found without a look at ``LoadBoard/marks``.
    var pulse = Held()
    var offer = Held()
    /// Which of ``LoadBoard/parts`` are its own.
    var places: [Int] = []
    /// Where it says that it stands; nil before both pulse and offer came.
    var coordinate: Coordinate?
  }

  /// The newest of a slot.
  struct Held: Sendable {
    /// Among ``LoadBoard/parts``; negative: there is none.
    var place: Int32 = -1
    var sequence: UInt64 = 0

    var found: Int? { place < 0 ? nil : Int(place) }
  }

  /// Which part of its node's report one is, and its number.
  struct Mark: Sendable {
    var slot: ReportPart.Slot
    var sequence: UInt64
  }

  /// What the telling of one part depends on, in half of a cache line.
  struct Row: Sendable {
    var received: Instant
    /// 1 for one at this very place, less with every millisecond.
    var nearness: Double
    /// On the wire.
    var size: Int32
    var sent: Int32 = 0
    /// Those whom it is told keep its node.
    var isWanted: Bool
    var isOwn: Bool
    /// It stands in ``LoadBoard/untold``.
    var isUntold = false
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
    guard let known = nodes[node], known.coordinate != nil, let pulse = known.pulse.found else { return nil }
    var report = LoadReport(node: node, sequence: 0, wall: WallTime(milliseconds: 0))
    for place in known.places { report.take(parts[place].body) }
    return (observations[node]?.corrected(report, at: clock) ?? report, rows[pulse].received)
  }
  /// How a node fares in its own signed words, for others to check; nil before its pulse came.
  public func pulse(of node: NodeID) -> SignedEnvelope? {
    place(of: .pulse, ofNodeAt: nodes.index(forKey: node)).map { parts[$0].envelope }
  }
  /// All parts of all reports, for an exchange.
  public var all: [SignedEnvelope] {
    var all: [SignedEnvelope] = []
    all.reserveCapacity(parts.count)
    for index in nodes.values.indices {
      for place in nodes.values[index].places where rows[place].isWanted { all.append(parts[place].envelope) }
    }
    return all
  }

  /// Where a part is held of the node that stands at `index` among ``nodes``.
  func place(of slot: ReportPart.Slot, ofNodeAt index: Int?) -> Int? {
    guard let index else { return nil }
    switch slot {
    case .pulse: return nodes.values[index].pulse.found
    case .offer: return nodes.values[index].offer.found
    case .streams, .paths: return nodes.values[index].places.first { marks[$0].slot == slot }
    }
  }

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
      if abs(own.coordinate.roundTrip(to: reckonedAt) - own.coordinate.height - reckonedAt.height) >= 1 { reckon() }
      load.slotsUsed = state.slotsUsed
      return tell(at: now, wall: wall)
    case .members(let nodes): return onMembers(nodes, at: now)
    case .joined(let node): return onJoined(node, at: now)
    case .gone(let node):
      forget(node)
      return []
    case .observed(let node, let observation):
      onObserved(node, observation, at: now)
      return []
    case .train(let message, let sender): return paths.onTrain(message, from: sender, at: now)
    case .timer(.publish): return tell(at: now, wall: wall)
    case .timer(.train): return paths.sendNext(isBusy: gauge.rate > 200_000, at: now, using: &random)
    case .timer(.arrival(let node)): return paths.judge(node, at: now)
    }
  }

  // MARK: - On others' reports

  private mutating func learn(_ envelopes: [SignedEnvelope], at now: Instant) {
    // Whole boards bring one node's parts together: it is looked up once, until something of it is news.
    var asked: (signer: NodeID, index: Int?)?
    // Each envelope lies somewhere else in memory: where all are asked at once who signed them, all are waited for once.
    let signers = envelopes.prefix(Limits.exchangedParts).map(\.signer)
    for (place, signer) in signers.enumerated() {
      if asked?.signer != signer { asked = (signer, nodes.index(forKey: signer)) }
      // Of whom something is held is a member or this node.
      let index = asked?.index
      guard index != nil || signer == node || members.contains(signer) else { continue }
      if let seen = envelopes[place].look(as: ReportPart.self, { Seen(of: $0) }) {
        guard seen.node == signer, isNews(seen, besideThatOf: index) else { continue }
        asked = nil
        if signer == node {
          recall(seen.sequence)
        } else if let part = envelopes[place].verified(as: ReportPart.self) {
          hold(part, at: now)
        }
        continue
      }
      // Known ones are told apart by their sequence alone; only what is newer costs a signature check.
      guard let claim = try? Unverified<ReportPart>(reading: envelopes[place]), claim.body.node == signer,
        isNews(Seen(of: claim.body), besideThatOf: index)
      else {
        continue
      }
      asked = nil
      verifications += 1
      // Whoever sends a forgery is not listened to any further.
      guard let part = try? Signed(verifying: claim) else { return }
      if signer == node { recall(part.body.sequence) } else { hold(part, at: now) }
    }
  }

  /// What tells a part from others.
  private struct Seen {
    var node: NodeID
    var slot: ReportPart.Slot
    var sequence: UInt64

    init(of part: borrowing ReportPart) { (node, slot, sequence) = (part.node, part.content.slot, part.sequence) }
  }

  private func isNews(_ part: Seen, besideThatOf index: Int?) -> Bool {
    if part.node == node { return part.sequence > sequence }
    guard let index else { return true }
    switch part.slot {
    case .pulse: return nodes.values[index].pulse.found == nil || part.sequence > nodes.values[index].pulse.sequence
    case .offer: return nodes.values[index].offer.found == nil || part.sequence > nodes.values[index].offer.sequence
    case .streams, .paths:
      guard let held = place(of: part.slot, ofNodeAt: index) else { return true }
      return part.sequence > marks[held].sequence
    }
  }

  /// Takes a newer part into the node's report.
  mutating func hold(_ part: Signed<ReportPart>, at now: Instant) {
    let (signer, slot, sequence) = (part.signer, part.body.slot, part.body.sequence)
    let size = Int32(clamping: part.byteCount + Limits.envelopeBytes)
    let index = nodes.index(forKey: signer) ?? nodes.count
    if index == nodes.count { nodes[signer] = Known() }
    let place: Int
    if let known = self.place(of: slot, ofNodeAt: index) {
      place = known
      let moved = part.body.content.movedNoticeably(since: parts[place].body.content)
      parts[place] = part
      rows[place].received = now
      rows[place].size = size
      marks[place].sequence = sequence
      rows[place].moved = moved
    } else {
      place = parts.count
      nodes.values[index].places.append(place)
      parts.append(part)
      marks.append(Mark(slot: slot, sequence: sequence))
      rows.append(
        Row(
          received: now, nearness: nearness(ofNodeAt: index), size: size, isWanted: isWanted(signer),
          isOwn: signer == node, moved: true))
    }
    tellAnew(place)
    note(Held(place: Int32(place), sequence: sequence), as: slot, ofNodeAt: index)
    guard slot == .pulse || nodes.values[index].coordinate == nil,
      let pulse = nodes.values[index].pulse.found, nodes.values[index].offer.found != nil,
      case .pulse(let content) = parts[pulse].body.content
    else { return }
    nodes.values[index].coordinate = content.coordinate
    let nearness = nearness(ofNodeAt: index)
    for place in nodes.values[index].places { rows[place].nearness = nearness }
  }

  private mutating func note(_ held: Held, as slot: ReportPart.Slot, ofNodeAt index: Int) {
    switch slot {
    case .pulse: nodes.values[index].pulse = held
    case .offer: nodes.values[index].offer = held
    case .streams, .paths: break
    }
  }

  /// Near nodes are what near peers place on; the own report has nobody else to begin with.
  private func nearness(ofNodeAt index: Int) -> Double {
    if nodes.keys[index] == node { return 4 }
    guard let coordinate = nodes.values[index].coordinate else { return 1 }
    return 50 / (50 + own.coordinate.roundTrip(to: coordinate))
  }

  private func isWanted(_ signer: NodeID) -> Bool { signer == node || commonLimit.map { signer <= $0 } ?? true }

  /// From now on others keep all members up to this ID; nil: all that there are.
  public mutating func tell(onlyUpTo limit: NodeID?) {
    guard limit != commonLimit else { return }
    commonLimit = limit
    for place in rows.indices {
      rows[place].isWanted = isWanted(parts[place].signer)
      if rows[place].isWanted { list(place) }
    }
  }

  /// From now on it is news again.
  private mutating func tellAnew(_ place: Int) {
    rows[place].sent = 0
    if rows[place].isWanted { list(place) }
  }

  mutating func list(_ place: Int) {
    guard !rows[place].isUntold else { return }
    rows[place].isUntold = true
    untold.append(Int32(place))
  }

  /// How near all are, seen from where this node stands now.
  private mutating func reckon() {
    reckonedAt = own.coordinate
    for index in nodes.values.indices {
      let nearness = nearness(ofNodeAt: index)
      for place in nodes.values[index].places { rows[place].nearness = nearness }
    }
  }

  /// This node's own signature under a higher sequence: it ran before under a clock that was ahead. It tells all anew, above it.
  private mutating func recall(_ earlier: UInt64) {
    guard earlier < .max / 2 else { return }
    sequence = earlier
    drop([node])
    toldAt = nil
  }

  // MARK: - On members and on what was seen of them

  private mutating func onMembers(_ nodes: [NodeID], at now: Instant) -> [BoardEffect] {
    let wanted = Set(nodes)
    for gone in members.subtracting(wanted).sorted() { forget(gone) }
    drop(self.nodes.keys.filter { $0 != node && !wanted.contains($0) })
    var effects: [BoardEffect] = []
    for newcomer in nodes where !members.contains(newcomer) { effects = onJoined(newcomer, at: now) }
    return effects
  }

  private mutating func onJoined(_ newcomer: NodeID, at now: Instant) -> [BoardEffect] {
    guard newcomer != node, members.insert(newcomer).inserted else { return [] }
    // A newcomer has heard nothing yet: everything is told anew.
    for place in rows.indices { tellAnew(place) }
    return paths.follow(newcomer, at: now)
  }

  private mutating func forget(_ gone: NodeID) {
    guard gone != node, members.remove(gone) != nil else { return }
    drop([gone])
    observations.removeValue(forKey: gone)
    paths.leave(gone)
  }

  /// Drops all parts of some nodes; the last ones take their places.
  private mutating func drop(_ gone: some Sequence<NodeID>) {
    for node in gone {
      guard let known = nodes.removeValue(forKey: node) else { continue }
      for place in known.places.sorted(by: >) {
        let last = parts.count - 1
        if place != last {
          parts[place] = parts[last]
          rows[place] = rows[last]
          marks[place] = marks[last]
          let owner = nodes.index(forKey: parts[place].signer)!
          nodes.values[owner].places[nodes.values[owner].places.firstIndex(of: last)!] = place
          note(Held(place: Int32(place), sequence: marks[place].sequence), as: marks[place].slot, ofNodeAt: owner)
        }
        parts.removeLast()
        rows.removeLast()
        marks.removeLast()
      }
    }
    untold = rows.indices.filter { rows[$0].isUntold }.map { Int32($0) }
  }

  private mutating func onObserved(_ node: NodeID, _ observation: Observation, at now: Instant) {
    guard members.contains(node) else { return }
    if case .sent(let bits) = observation { paths.reached(node, bits) }
    observations[node, default: Observations()].note(observation, at: now)
  }
}
