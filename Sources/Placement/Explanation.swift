import Base
import Composition
import Identity
import Vocabulary

/// Why a plan is as it is: for each stage its candidates, what the best plan with each of them costs, the winner and the reason.
public struct Explanation: Hashable, Sendable {
  /// In the graph's order.
  public let stages: [StageExplanation]
  /// Of the whole plan.
  public let cost: CostTerms
  /// By output: milliseconds from the reader to the client, and plans among which chance decided (1: none).
  public let outputs: [OutputExplanation]

  /// One output.
  public struct OutputExplanation: Hashable, Sendable {
    /// `main` or `captions`.
    public let name: String
    /// Milliseconds from the reader to the client, predicted.
    public let delay: Double
    /// Plans within ``Base/Limits/placementTie`` of the best, that one included.
    public let alternatives: Int
    /// Whether the best is proved.
    public let isProved: Bool
    /// Of its tree.
    public let cost: CostTerms
  }
}

/// One stage's candidates.
public struct StageExplanation: Hashable, Sendable {
  /// Its id in the graph.
  public let stage: Int
  /// E.g. `video.scale`.
  public let component: String
  /// Where it was placed; nil when a graft further down makes it needless.
  public let winner: NodeID?
  /// Whether its stream was taken where it runs already.
  public let isReused: Bool
  /// Cheapest first, then those that are none, with their reasons.
  public let candidates: [CandidateExplanation]
  /// Why the winner won, in a sentence.
  public let reason: String
}

/// A candidate for a stage.
public struct CandidateExplanation: Hashable, Sendable {
  /// Which node.
  public let node: NodeID
  /// Whether the stream would be taken where it runs already.
  public let isReuse: Bool
  /// What the best plan for this output costs that has the stage there, by reason; nil when there is none.
  public let cost: CostTerms?
  /// Why there is none, or why the node is no candidate; empty otherwise.
  public let refusal: String
}

extension Explanation {
  init(_ plan: Plan, _ trees: [PlacedTree], _ inputs: PlacementInputs, _ pool: Pool) {
    let ordered = trees.sorted { $0.output.root < $1.output.root }
    cost = plan.cost
    outputs = ordered.map { tree in
      OutputExplanation(
        name: tree.output.name, delay: tree.delay, alternatives: tree.alternatives, isProved: tree.isProved,
        cost: tree.cost)
    }
    stages = ordered.flatMap { tree in
      let completion = Completion(tree.problem, tree.bounds)
      return tree.problem.stages.indices.map { Self.stage($0, tree, completion, inputs, pool) }
    }
  }

  private static func stage(
    _ index: Int, _ tree: PlacedTree, _ completion: Completion, _ inputs: PlacementInputs, _ pool: Pool
  ) -> StageExplanation {
    let (problem, stage) = (tree.problem, tree.problem.stages[index])
    let move = tree.assignment.moves[index]
    var candidates: [CandidateExplanation] = []
    for (number, option) in problem.options[index].enumerated() {
      var ledger = tree.before
      let assignment =
        move?.option == number ? tree.assignment : completion.assignment(with: index, at: number)
      let cost = assignment.flatMap { problem.cost(of: $0, on: &ledger)?.terms }
      candidates.append(
        CandidateExplanation(
          node: pool.candidates[option.node].view.id, isReuse: option.graft != nil, cost: cost,
          refusal: cost == nil ? "no plan with it there has room and time enough" : ""))
    }
    candidates.sort { ($0.cost?.total ?? .infinity) < ($1.cost?.total ?? .infinity) }
    for node in pool.candidates.indices where pool.candidates[node].view.offers.contains(stage.component) {
      guard let refusal = Problem.refusal(stage, node, inputs, pool) else { continue }
      candidates.append(
        CandidateExplanation(node: pool.candidates[node].view.id, isReuse: false, cost: nil, refusal: refusal))
    }
    let option = move.map { problem.options[index][$0.option] }
    let winner = option.map { pool.candidates[$0.node].view.id }
    let isReused = move == nil || option?.graft != nil
    return StageExplanation(
      stage: stage.id, component: stage.component, winner: winner, isReused: isReused, candidates: candidates,
      reason: reason(winner, isReused, candidates, tree))
  }

  private static func reason(
    _ winner: NodeID?, _ isReused: Bool, _ candidates: [CandidateExplanation], _ tree: PlacedTree
  ) -> String {
    guard let winner else { return "not needed: a stream below it runs already" }
    let possible = candidates.filter { $0.cost != nil }
    guard let own = possible.first(where: { $0.node == winner && $0.isReuse == isReused })?.cost else { return "" }
    guard let other = possible.first(where: { $0.node != winner || $0.isReuse != isReused }), let cost = other.cost
    else {
      return "the only node that can"
    }
    let name = "\(other.node.short)\(other.isReuse ? " (reuse)" : "")"
    let difference = cost.total - own.total
    if difference < 0 {
      return
        "chance decided between \(tree.alternatives) plans within 2 %; \(name) would cost \(amount(-difference)) less"
    }
    let terms = zip(own.named, cost.named).map { ($0.name, $1.value - $0.value) }.filter { abs($0.1) >= 0.05 }
    let main = terms.sorted { ($0.1, $1.0) > ($1.1, $0.0) }.prefix(2).map {
      "\($0.0) \($0.1 < 0 ? "-" : "+")\(amount(abs($0.1)))"
    }
    let because = main.isEmpty ? "" : ": " + main.joined(separator: ", ")
    return "\(isReused ? "runs there already" : "cheapest"); next is \(name), \(amount(difference)) more\(because)"
  }

  static func amount(_ value: Double) -> String {
    let tenths = Int64((min(value, 1e12) * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
}

extension Explanation: CustomStringConvertible {
  /// For `millrace explain`.
  public var description: String {
    var lines: [String] = []
    for output in outputs {
      let terms = output.cost.named.filter { $0.value >= 0.05 }.map { "\($0.name) \(Self.amount($0.value))" }
      lines.append(
        "\(output.name): cost \(Self.amount(output.cost.total)) (\(terms.joined(separator: ", "))), \(Int(output.delay.rounded())) ms"
          + (output.isProved ? "" : ", not proved to be the best"))
    }
    for stage in stages {
      let place = stage.winner.map { "\($0.short)\(stage.isReused ? " (reused)" : "")" } ?? "—"
      lines.append("stage \(stage.stage) \(stage.component) → \(place): \(stage.reason)")
      for candidate in stage.candidates {
        let mark =
          candidate.node == stage.winner && candidate.isReuse == stage.isReused && candidate.cost != nil ? "*" : " "
        let name = candidate.node.short + (candidate.isReuse ? " (reuse)" : "")
        let text = candidate.cost.map { Self.amount($0.total) } ?? candidate.refusal
        lines.append("  \(mark) \(name)  \(text)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// The best plan with one stage at a given place, by the bounds: from the stage down by what is inside it, up to the root by
/// what is outside.
struct Completion {
  private let problem: Problem
  private let bounds: Bounds
  /// By stage and option: the move to its consumer, and the consumer's option, of the best plan with it there.
  private var up: [[(move: Bounds.Move, consumer: Int?)?]]

  init(_ problem: Problem, _ bounds: Bounds) {
    self.problem = problem
    self.bounds = bounds
    up = problem.options.map { Array(repeating: nil, count: $0.count) }
    var outside = problem.options.map { [Double](repeating: .infinity, count: $0.count) }
    for stage in problem.stages.indices.reversed() {
      func offer(_ move: Bounds.Move, _ consumer: Int?, _ rest: Double) {
        let cost = rest + move.bound - bounds.inside[stage][move.option]
        guard cost < outside[stage][move.option] else { return }
        outside[stage][move.option] = cost
        up[stage][move.option] = (move, consumer)
      }
      guard let parent = problem.parent[stage] else {
        for move in bounds.moves[stage][0] { offer(move, nil, 0) }
        continue
      }
      for (number, option) in problem.options[parent].enumerated() where option.graft == nil {
        guard let least = bounds.moves[stage][option.node].first?.bound else { continue }
        let rest = outside[parent][number] + bounds.inside[parent][number] - least
        guard rest.isFinite else { continue }
        for move in bounds.moves[stage][option.node] { offer(move, number, rest) }
      }
    }
  }

  func assignment(with stage: Int, at option: Int) -> Assignment? {
    var moves = [Bounds.Move?](repeating: nil, count: problem.stages.count)
    var isFixed = [Bool](repeating: false, count: problem.stages.count)
    var climb: (stage: Int, option: Int)? = (stage, option)
    while let (here, number) = climb {
      guard let step = up[here][number] else { return nil }
      moves[here] = step.move
      isFixed[here] = true
      climb = problem.parent[here].flatMap { parent in step.consumer.map { (parent, $0) } }
    }
    for other in problem.stages.indices.reversed() where !isFixed[other] {
      guard let parent = problem.parent[other], let move = moves[parent],
        problem.options[parent][move.option].graft == nil
      else {
        continue
      }
      moves[other] = bounds.moves[other][move.hop.from].first
    }
    return Assignment(moves: moves)
  }
}
