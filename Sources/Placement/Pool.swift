import Base
import Composition
import Identity
import Vocabulary

/// A candidate, its measurements turned into what the search adds and compares.
struct Candidate: Hashable, Sendable {
  let view: NodeView
  /// Of its processors, now and promised: the larger of own and machine, since work of others counts.
  let busy: Double
  /// The node's own part of it.
  let own: Double
  /// Workers that it can still start.
  let freeSlots: Int
  /// Bits a second.
  let upCapacity: Double, downCapacity: Double
  /// Bits a second now and promised.
  let up: Double, down: Double
  /// Signs of saturation other than CPU use; 0 for none.
  let stress: Double

  init(_ view: NodeView) {
    self.view = view
    let load = view.load
    // Work of others makes a node dear, never impossible: a scheduler gives a newcomer its share, and a source or a
    // portal may have no other node.
    own = load.ownCPU + view.pending.cores / max(load.cores, 0.01)
    busy = own + min(max(0, load.machineCPU - load.ownCPU), Limits.othersShare)
    freeSlots = load.slots - load.slotsUsed - view.pending.slots
    func capacity(_ measured: Int64) -> Double { Double(measured > 0 ? measured : Limits.assumedLinkRate) }
    upCapacity = capacity(view.rates.upCapacity)
    downCapacity = capacity(view.rates.downCapacity)
    up = Double(view.rates.upUsed + view.pending.up)
    down = Double(view.rates.downUsed + view.pending.down)
    let slots = Double(load.slotsUsed + view.pending.slots) / Double(max(load.slots, 1))
    // Missed deadlines are saturation itself, in whatever resource. Waiting tasks are no more than a hint, which CPU use has told
    // already, and jump about on a busy machine: they count in proportion. Memory matters near its end, slots a little; news
    // older than an interval is worth less.
    stress =
      (view.isSuspect ? Limits.suspicionStress : 0) + load.cpuPressure + 4
      * Congestion.price(min(load.deadlineMisses, 0.94), ceiling: 1)
      + (load.memory * load.memory * load.memory * load.memory) + 0.25 * slots * slots + 0.01 * max(0, view.age - 15)
  }

  /// Why it takes no new stage at all; nil when it may.
  /// - Parameter isReader: it is to read the source, which few can or none else: old news and suspicion make it dear, and its own word, or its
  ///   silence, decides when it is asked to reserve.
  func refusal(_ exclusions: [Exclusion], asReader isReader: Bool = false) -> String? {
    if let exclusion = exclusions.first(where: { $0.node == view.id && $0.key == nil }) { return exclusion.reason }
    switch view.policy {
    case .draining: return "it is draining"
    case .closed: return "its operator takes no new stages"
    case .open: break
    }
    if !isReader, view.isSuspect { return "somebody could not reach it just now" }
    if !isReader, view.age > Limits.measurementAge { return "its last measurement is \(Int(view.age)) s old" }
    if freeSlots <= 0 {
      return "no free slot (\(view.load.slotsUsed + view.pending.slots) of \(view.load.slots) taken)"
    }
    if own >= Limits.nodeCeiling { return "its processors are \(Int(own * 100)) % busy" }
    if view.load.memory >= Limits.nodeCeiling { return "its memory is \(Int(view.load.memory * 100)) % full" }
    return nil
  }

  /// A stream of this key that a new subscriber can have from its beginning.
  /// - Parameter isReader: the stream is what a reader makes, which few can or none else.
  func serving(_ key: StreamKey, _ exclusions: [Exclusion], asReader isReader: Bool) -> ServedStream? {
    guard view.policy != .draining, view.age <= Limits.measurementAge, isReader || !view.isSuspect,
      !exclusions.contains(where: { $0.node == view.id && ($0.key == nil || $0.key == key) })
    else { return nil }
    return view.serves.first { $0.key == key && $0.spareFanOut > 0 && $0.firstHeld == 0 }
  }
}

/// The nodes among which a plan is made, by index, in the order of their ids.
struct Pool: Sendable {
  let candidates: [Candidate]
  /// Why a candidate takes no new stage; nil when it may.
  let refusals: [String?]
  /// Why a candidate does not read; nil when it may, if it can.
  let readerRefusals: [String?]
  private let indices: OrderedDictionary<NodeID, Int>

  subscript(id: NodeID) -> Int? { indices[id] }

  /// - Parameter random: draws a few candidates that are neither near nor idle, against herding.
  init(_ inputs: PlacementInputs, using random: inout SeededRandom) {
    let all = inputs.nodes.sorted { $0.id < $1.id }.map(Candidate.init)
    let chosen = all.count <= Limits.placementPool ? all : Self.selection(from: all, inputs, using: &random)
    candidates = chosen
    refusals = chosen.map { $0.refusal(inputs.exclusions) }
    readerRefusals = chosen.map { $0.refusal(inputs.exclusions, asReader: true) }
    indices = OrderedDictionary(chosen.enumerated().map { ($1.view.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Near the source, the client, the middle between them or a node that serves a needed stream: for each component the three
  /// nearest that offer it and the least busy of the thirty nearest; besides four at random, and all that serve or read.
  private static func selection(
    from all: [Candidate], _ inputs: PlacementInputs, using random: inout SeededRandom
  ) -> [Candidate] {
    let needed = Set(inputs.graph.stages.map(\.key))
    let components = inputs.graph.components
    var chosen = Set<NodeID>(inputs.readers)
    if let portal = inputs.client.portal { chosen.insert(portal) }
    for claim in inputs.claims where needed.contains(claim.key) { chosen.insert(claim.node) }
    for candidate in all where candidate.view.serves.contains(where: { needed.contains($0.key) }) {
      chosen.insert(candidate.view.id)
    }
    var anchors =
      all.filter { chosen.contains($0.view.id) }.prefix(4).map(\.view.coordinate) + [inputs.client.coordinate]
    if let reader = all.first(where: { inputs.readers.contains($0.view.id) })?.view.coordinate {
      anchors.append(reader.middle(to: inputs.client.coordinate))
    }
    let able = all.filter { $0.refusal(inputs.exclusions) == nil }
    for anchor in anchors {
      let near = able.map { ($0, $0.view.coordinate.roundTrip(to: anchor)) }.sorted { $0.1 < $1.1 }.map(\.0)
      for component in components {
        let offering = near.lazy.filter { $0.view.offers.contains(component) }.prefix(30)
        for candidate in offering.prefix(3) { chosen.insert(candidate.view.id) }
        if let idlest = offering.min(by: { $0.busy + $0.stress < $1.busy + $1.stress }) {
          chosen.insert(idlest.view.id)
        }
      }
    }
    for _ in 0..<4 where !able.isEmpty { chosen.insert(able[random.index(below: able.count)].view.id) }
    return all.filter { chosen.contains($0.view.id) }
  }
}

extension Coordinate {
  /// Half-way in the Euclidean part.
  func middle(to other: Coordinate) -> Coordinate {
    Coordinate(vector: zip(vector, other.vector).map { ($0 + $1) / 2 }, height: 0, error: max(error, other.error))
  }
}
