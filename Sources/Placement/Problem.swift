import Base
import Composition
import Identity
import Vocabulary

/// One output's tree over a pool of nodes: what may be where, and what each choice costs by itself. Prices that depend on
/// other choices (load, links) are the ledger's.
struct Problem: Sendable {
  /// The tree's stages in dependency order: inputs before consumers, the root last.
  let stages: [ComponentGraph.Stage]
  /// By stage: the stage that takes from it; nil for the root.
  let parent: [Int?]
  /// By stage: the stages that it takes from.
  let children: [[Int]]
  /// By stage: where it may run, where it runs already.
  let options: [[Option]]
  /// By stage: the delay of the longest way from a reader to its output, stages alone, in milliseconds.
  let prefixDelay: [Double]
  let pool: Pool
  let client: ClientPlace
  let portal: Int?
  let weights: CostWeights
  let latencyBound: Double?
  /// One way, in milliseconds, by sender × count + receiver; and from each to the client.
  private let latency: [Double], clientLatency: [Double]

  /// A place for a stage.
  struct Option: Hashable, Sendable {
    /// In the pool.
    let node: Int
    /// Bits a second of the running stream when it is taken from there as it is; nil when it is to run there anew.
    let graft: Int64?
  }

  /// How a stage's output gets to its consumer.
  struct Hop: Hashable, Sendable {
    let from: Int
    /// Nil: a client outside the pool.
    let to: Int?
    /// Nil: the two are fused, nothing travels.
    let mezzanine: Mezzanine?
    let bitrate: Int64
    /// Cores on either side.
    let sending: Double, receiving: Double
    /// Whether the sender starts a worker that ends with this stage.
    let isNew: Bool
    /// One way, of the link alone; and with its codecs. Milliseconds.
    let latency: Double, delay: Double
    /// What does not depend on other choices.
    let fixed: CostTerms
  }

  init(
    _ inputs: PlacementInputs, tree: Range<Int>, pool: Pool, weights: CostWeights, started: [Claim]
  ) {
    let offset = tree.lowerBound
    stages = Array(inputs.graph.stages[tree])
    children = stages.map { $0.inputs.map { $0 - offset } }
    var parent = [Int?](repeating: nil, count: stages.count)
    var delays = [Double](repeating: 0, count: stages.count)
    for (index, inputs) in children.enumerated() {
      for input in inputs { parent[input] = index }
      delays[index] = stages[index].delay + (inputs.map { delays[$0] }.max() ?? 0)
    }
    self.parent = parent
    prefixDelay = delays
    self.pool = pool
    client = inputs.client
    portal = inputs.client.portal.flatMap { pool[$0] }
    self.weights = weights
    latencyBound = inputs.latencyBound
    let all = pool.candidates
    latency = all.indices.flatMap { from in
      all.indices.map { to in
        guard from != to else { return 0 }
        let way = all[from].view.coordinate.roundTrip(to: all[to].view.coordinate) / 2
        return all[from].view.host == all[to].view.host ? min(way, 0.1) : way
      }
    }
    clientLatency = all.map { ($0.view.coordinate.roundTrip(to: inputs.client.coordinate) + inputs.client.extra) / 2 }
    options = stages.map { Self.options($0, inputs, pool, started) }
  }

  private static func options(
    _ stage: ComponentGraph.Stage, _ inputs: PlacementInputs, _ pool: Pool, _ started: [Claim]
  ) -> [Option] {
    var result: [Option] = []
    for (index, candidate) in pool.candidates.enumerated() {
      let id = candidate.view.id
      // Where a stream runs it is not started once more, however dear its link: the node would refuse.
      if let stream = candidate.serving(stage.key, inputs.exclusions, asReader: stage.isReader) {
        result.append(Option(node: index, graft: max(stream.bitrate, 1)))
      } else if stage.isReader || !candidate.view.isSuspect,
        (inputs.claims + started).contains(where: { $0.key == stage.key && $0.node == id }),
        !inputs.exclusions.contains(where: { $0.node == id && ($0.key == nil || $0.key == stage.key) })
      {
        result.append(
          Option(node: index, graft: stage.shape.bitrate(stage.shape.mezzanines.dropFirst().first ?? .asIs)))
      } else if refusal(stage, index, inputs, pool) == nil {
        result.append(Option(node: index, graft: nil))
      }
    }
    return result
  }

  /// Why a node may not run a stage anew; nil when it may.
  static func refusal(_ stage: ComponentGraph.Stage, _ node: Int, _ inputs: PlacementInputs, _ pool: Pool) -> String? {
    let view = pool.candidates[node].view
    guard view.offers.contains(stage.component) else { return "it does not offer \(stage.component)" }
    if stage.isReader, !inputs.readers.contains(view.id) { return "it cannot read the source" }
    if let exclusion = inputs.exclusions.first(where: { $0.node == view.id && $0.key == stage.key }) {
      return exclusion.reason
    }
    return stage.isReader ? pool.readerRefusals[node] : pool.refusals[node]
  }

  // MARK: - What a choice costs by itself

  /// Of running a stage on a node, but for its load.
  func stress(at node: Int) -> Double { weights.stress * pool.candidates[node].stress }

  /// Of the stages that have one place only, and that no graft makes needless: every plan has it, so it tells none from another.
  var unavoidableStress: Double {
    var isNeeded = [Bool](repeating: true, count: stages.count)
    var sum = 0.0
    for stage in stages.indices.reversed() {
      if let parent = parent[stage] {
        isNeeded[stage] = isNeeded[parent] && options[parent].allSatisfy { $0.graft == nil }
      }
      if isNeeded[stage], options[stage].count == 1, options[stage][0].graft == nil {
        sum += stress(at: options[stage][0].node)
      }
    }
    return sum
  }

  /// Cores that a stage keeps busy on a node.
  func cores(_ stage: Int, at node: Int) -> Double { stages[stage].work.cores(on: pool.candidates[node].view.load) }

  /// One way, in milliseconds.
  func latency(from: Int, to: Int) -> Double { latency[from * pool.candidates.count + to] }

  /// The ways from a stage at `option` to its consumer at node `to`; nil is the client.
  func hops(_ stage: Int, _ option: Option, to: Int?) -> [Hop] {
    let shape = stages[stage].shape
    let isDelivery = to == nil
    if option.graft == nil, option.node == to {
      return [
        Hop(
          from: option.node, to: to, mezzanine: nil, bitrate: 0, sending: 0, receiving: 0, isNew: false, latency: 0,
          delay: 0, fixed: CostTerms())
      ]
    }
    let sender = pool.candidates[option.node].view
    let receiver = to.map { pool.candidates[$0].view }
    let way = to.map { latency[option.node * pool.candidates.count + $0] } ?? clientLatency[option.node]
    let mezzanines =
      option.graft != nil
      ? [shape.mezzanines.dropFirst().first ?? .asIs]
      : shape.mezzanines.filter { $0 != .raw || sender.host == receiver?.host }
    return mezzanines.map { mezzanine in
      let bitrate = option.graft ?? shape.bitrate(mezzanine)
      // Frames count alike however they are compressed: long GOPs save bits at the price of quality and delay, so they are
      // for links that carry no more, not for distance.
      let megabits = Double(option.graft ?? shape.bitrate(mezzanine == .asIs ? .asIs : .intra)) / 1e6
      let codecDelay = Self.codecDelay(shape, mezzanine)
      var fixed = CostTerms()
      if isDelivery {
        fixed.delivery = weights.delivery * megabits * way
      } else {
        fixed.transport = weights.transport * megabits * way
        fixed.codec = weights.codec * (codecDelay + (mezzanine == .longGOP ? 20 : 0))  // and what quality it costs
      }
      if option.graft == nil { fixed.instances = weights.instance }
      return Hop(
        from: option.node, to: to ?? portal, mezzanine: mezzanine, bitrate: bitrate,
        sending: option.graft == nil ? Work.sending(shape, mezzanine).cores(on: sender.load) : 0,
        receiving: receiver.map { Work.receiving(shape, mezzanine).cores(on: $0.load) } ?? 0,
        isNew: option.graft == nil, latency: way, delay: way + codecDelay, fixed: fixed)
    }
  }

  /// Median milliseconds that encoding, a socket and decoding add at 720p30 (spikes.md).
  private static func codecDelay(_ shape: StreamShape, _ mezzanine: Mezzanine) -> Double {
    switch shape {
    case .pictures: mezzanine == .raw ? 1 : mezzanine == .intra ? 8 : 20
    case .sound: 2
    case .cues, .coded, .muxed: 1
    }
  }
}
