/// What a plan costs, by reason. The unit is that of the first term: one megabit a second carried over one millisecond.
public struct CostTerms: Hashable, Sendable, Codable {
  /// Σ rate × latency on links between nodes: how much of the network the plan fills.
  public var transport = 0.0
  /// Rate × latency from the edge to the client, weighted: no standby can take over there.
  public var delivery = 0.0
  /// Encoding and decoding between nodes: delay and loss of quality.
  public var codec = 0.0
  /// New workers.
  public var instances = 0.0
  /// Processors: convex in their use, so that work goes where there is most left.
  public var load = 0.0
  /// Signs of saturation other than CPU use: waiting tasks, missed deadlines, memory, slots; and old news.
  public var stress = 0.0
  /// Links: convex in their use.
  public var links = 0.0
  /// Nothing.
  public init() {}

  /// Of all terms.
  public var total: Double { transport + delivery + codec + instances + load + stress + links }
  /// With their names, in the order above.
  public var named: [(name: String, value: Double)] {
    [
      ("transport", transport), ("delivery", delivery), ("codec", codec), ("instances", instances), ("load", load),
      ("stress", stress), ("links", links),
    ]
  }

  public static func + (a: CostTerms, b: CostTerms) -> CostTerms {
    var sum = a
    sum += b
    return sum
  }
  public static func += (a: inout CostTerms, b: CostTerms) {
    a.transport += b.transport
    a.delivery += b.delivery
    a.codec += b.codec
    a.instances += b.instances
    a.load += b.load
    a.stress += b.stress
    a.links += b.links
  }
}

/// How much each reason counts. The defaults are chosen so that, on an idle overlay, stages stay together unless a hop saves
/// more than a worker costs; that half-busy nodes are as good as idle ones ten milliseconds further away; and that nothing
/// outweighs a saturated node or link.
public struct CostWeights: Hashable, Sendable {
  /// Per Mbit/s and ms between nodes.
  public var transport = 1.0
  /// Per Mbit/s and ms from the edge to the client.
  public var delivery = 4.0
  /// Per ms that a hop's codecs add.
  public var codec = 1.0
  /// Per new worker.
  public var instance = 10.0
  /// Per unit of u/(1−u) of a node's processors.
  public var load = 100.0
  /// Per stage and unit of stress.
  public var stress = 20.0
  /// Per unit of u/(1−u) of a link.
  public var links = 20.0
  /// The defaults.
  public static let standard = CostWeights()
  /// The defaults, to be changed.
  public init() {}
}

/// The convex price of using a share of something: that of waiting in an M/M/1 queue.
enum Congestion {
  /// u/(1−u); infinite from `ceiling` on.
  static func price(_ use: Double, ceiling: Double) -> Double {
    guard use < ceiling else { return .infinity }
    return max(use, 0) / (1 - max(use, 0))
  }

  /// What more use adds; infinite when it would pass the ceiling. Grows with what is there already.
  static func price(from before: Double, to after: Double, ceiling: Double) -> Double {
    guard after > before else { return 0 }
    let end = price(after, ceiling: ceiling)
    return end.isFinite ? end - price(before, ceiling: ceiling) : .infinity
  }

  /// The same, but straight on beyond the ceiling, never infinite: for what others use and may have to yield.
  static func yieldingPrice(from before: Double, to after: Double, ceiling: Double) -> Double {
    func price(_ use: Double) -> Double {
      let inside = min(max(use, 0), ceiling)
      return inside / (1 - inside) + max(0, use - ceiling) / ((1 - ceiling) * (1 - ceiling))
    }
    return max(0, price(after) - price(before))
  }
}
