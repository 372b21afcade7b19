import Base
import Composition
import Identity

/// Finds why a tree has no plan, from the surest reason to the vaguest.
enum Diagnosis {
  static func reason(
    _ problem: Problem, _ bounds: Bounds, _ ledger: Ledger, _ inputs: PlacementInputs, _ weights: CostWeights
  ) -> PlacementError {
    for stage in problem.stages where !inputs.nodes.contains(where: { $0.offers.contains(stage.component) }) {
      return .nobodyOffers(component: stage.component)
    }
    let readers = inputs.readers.filter { problem.pool[$0] != nil }
    if readers.isEmpty,
      problem.stages.indices.contains(where: { problem.stages[$0].isReader && problem.options[$0].isEmpty })
    {
      return .noReader(inputs.readers)
    }
    for (index, stage) in problem.stages.enumerated() where problem.options[index].isEmpty {
      return .nobodyFree(component: stage.component, refusals: refusals(stage, inputs, problem.pool))
    }
    if let thin = thinLink(problem, bounds, ledger) { return thin }
    if let bound = inputs.latencyBound, let best = fastest(problem, inputs, ledger, weights) {
      return .tooSlow(bound: bound, best: best)
    }
    return .noRoom
  }

  private static func refusals(
    _ stage: ComponentGraph.Stage, _ inputs: PlacementInputs, _ pool: Pool
  ) -> [PlacementError.Refusal] {
    pool.candidates.indices.compactMap { node in
      let view = pool.candidates[node].view
      guard view.offers.contains(stage.component), !stage.isReader || inputs.readers.contains(view.id) else {
        return nil
      }
      return Problem.refusal(stage, node, inputs, pool).map { PlacementError.Refusal(node: view.id, reason: $0) }
    }
  }

  /// The first stage whose output can be made, but not be brought to any node that could take it.
  private static func thinLink(_ problem: Problem, _ bounds: Bounds, _ ledger: Ledger) -> PlacementError? {
    for stage in problem.stages.indices {
      guard bounds.inside[stage].contains(where: \.isFinite), bounds.moves[stage].allSatisfy(\.isEmpty) else {
        continue
      }
      let hops = problem.options[stage].enumerated().filter { bounds.inside[stage][$0.offset].isFinite }.flatMap {
        _, option in
        takers(of: stage, problem).flatMap { problem.hops(stage, option, to: $0) }
      }
      let blocked = hops.filter { !ledger.price(rate: Double($0.bitrate), from: $0.from, to: $0.to).isFinite }
      guard let least = blocked.map(\.bitrate).min(), blocked.count == hops.count else { continue }
      let consumer = problem.parent[stage].map { problem.stages[$0].component } ?? "the client"
      return .noLinkCarries(bits: least, from: problem.stages[stage].component, to: consumer)
    }
    return nil
  }

  private static func takers(of stage: Int, _ problem: Problem) -> [Int?] {
    guard let parent = problem.parent[stage] else { return [nil] }
    return problem.options[parent].filter { $0.graft == nil }.map(\.node)
  }

  /// The smallest delay of any plan without a bound, by halving: the bound is a filter of the search.
  private static func fastest(
    _ problem: Problem, _ inputs: PlacementInputs, _ ledger: Ledger, _ weights: CostWeights
  ) -> Double? {
    var unbound = inputs
    func delay(within bound: Double?) -> Double? {
      unbound.latencyBound = bound
      let tree = problem.stages.first!.id..<problem.stages.last!.id + 1
      let relaxed = Problem(unbound, tree: tree, pool: problem.pool, weights: weights, started: [])
      guard let best = Search.cheapest(relaxed, Bounds(relaxed, ledger), ledger) else { return nil }
      var after = ledger
      return relaxed.cost(of: best.assignment, on: &after)?.delay
    }
    guard var best = delay(within: nil) else { return nil }
    var low = inputs.latencyBound ?? 0
    for _ in 0..<8 where best - low > 1 {
      let middle = (low + best) / 2
      if let faster = delay(within: middle) { best = faster } else { low = middle }
    }
    return best
  }
}
