import Base
import Composition
import Identity
import Vocabulary

/// Decides which node runs which stage (design §10). For each output in turn: candidates, a dynamic programme that bounds every
/// branch, a search that proves the cheapest assignment by true cost, chance among those that are as good. Streams that run
/// already, or that an earlier output of the same request starts, are taken where they are.
public struct Placer: Sendable {
  /// How much each reason counts.
  public var weights: CostWeights

  /// - Parameter weights: the defaults but for experiments.
  public init(weights: CostWeights = .standard) { self.weights = weights }

  /// A plan with its reasons.
  public struct Decision: Hashable, Sendable {
    /// What is to be done.
    public let plan: Plan
    /// Why.
    public let explanation: Explanation
  }

  /// - Throws: why there is no plan.
  public func place(
    _ inputs: PlacementInputs, using random: inout SeededRandom
  ) throws(PlacementError) -> Decision {
    let pool = Pool(inputs, using: &random)
    let outputs = inputs.graph.outputs
    do { return try place(inputs, outputs, pool, using: &random) } catch {
      // The outputs are placed one after the other: the first may have taken what only the last can use.
      guard outputs.count > 1, let decision = try? place(inputs, outputs.reversed(), pool, using: &random) else {
        throw error
      }
      return decision
    }
  }

  private func place(
    _ inputs: PlacementInputs, _ outputs: [ComponentGraph.Output], _ pool: Pool, using random: inout SeededRandom
  ) throws(PlacementError) -> Decision {
    var ledger = Ledger(pool, weights)
    var trees: [PlacedTree] = []
    var started: [Claim] = []
    for output in outputs {
      let problem = Problem(inputs, tree: output.stages, pool: pool, weights: weights, started: started)
      let tree = try placed(problem, output, &ledger, inputs, using: &random)
      started += tree.starts
      trees.append(tree)
    }
    var assembly = PlanAssembly(inputs, pool, trees, ledger)
    let plan = assembly.plan()
    return Decision(plan: plan, explanation: Explanation(plan, trees, inputs, pool))
  }

  private func placed(
    _ problem: Problem, _ output: ComponentGraph.Output, _ ledger: inout Ledger, _ inputs: PlacementInputs,
    using random: inout SeededRandom
  ) throws(PlacementError) -> PlacedTree {
    let bounds = Bounds(problem, ledger)
    guard let best = Search.cheapest(problem, bounds, ledger) else {
      throw Diagnosis.reason(problem, bounds, ledger, inputs, weights)
    }
    let ties = Search.ties(with: best.assignment, cost: best.cost, problem, bounds, ledger, using: &random)
    let assignment = chosen(from: ties, problem, ledger, using: &random)
    let before = ledger
    guard let (cost, delay) = problem.cost(of: assignment, on: &ledger) else {
      preconditionFailure("the search found what the definition of cost refuses")
    }
    return PlacedTree(
      problem: problem, bounds: bounds, output: output, assignment: assignment, cost: cost, delay: delay,
      isProved: best.isProved, before: before, alternatives: ties.count)
  }

  /// Two at random, and of them the one whose busiest node is the less busy (Mitzenmacher's two choices).
  private func chosen(
    from ties: [Assignment], _ problem: Problem, _ ledger: Ledger, using random: inout SeededRandom
  ) -> Assignment {
    guard ties.count > 1 else { return ties[0] }
    let first = random.index(below: ties.count)
    let second = (first + 1 + random.index(below: ties.count - 1)) % ties.count
    func busiest(_ assignment: Assignment) -> Double {
      var after = ledger
      _ = problem.cost(of: assignment, on: &after)
      return assignment.moves.compactMap { $0.map { after.use(of: $0.hop.from) } }.max() ?? 0
    }
    return busiest(ties[second]) < busiest(ties[first]) ? ties[second] : ties[first]
  }
}

/// One output with its places.
struct PlacedTree {
  let problem: Problem
  let bounds: Bounds
  let output: ComponentGraph.Output
  let assignment: Assignment
  let cost: CostTerms
  /// Milliseconds from the source to the client.
  let delay: Double
  let isProved: Bool
  /// What was taken before this tree was placed.
  let before: Ledger
  /// Plans among which chance decided.
  let alternatives: Int

  /// The streams that its groups will serve.
  var starts: [Claim] {
    problem.stages.indices.compactMap { stage in
      guard let move = assignment.moves[stage], move.hop.isNew else { return nil }
      return Claim(key: problem.stages[stage].key, node: problem.pool.candidates[move.hop.from].view.id)
    }
  }
}
