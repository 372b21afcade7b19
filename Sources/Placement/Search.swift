import Base
import Composition

/// Branch and bound over one tree, from the root up: the cheapest assignment by true cost, proved, since a branch is left only
/// when the dynamic programme's bound says that nothing in it is cheaper than what is known already.
struct Search {
  private let problem: Problem
  private let bounds: Bounds
  private var ledger: Ledger
  private var chosen: [Bounds.Move?]
  private var delays: [Double]
  private(set) var steps = 0
  private var stepLimit: Int
  /// Branches at least this dear are left.
  private var ceiling: Double
  private(set) var found: [(assignment: Assignment, cost: Double)] = []
  private let keepsTies: Bool
  private var order: SeededRandom?

  private init(_ problem: Problem, _ bounds: Bounds, _ ledger: Ledger, ceiling: Double, steps: Int, ties: SeededRandom?)
  {
    self.problem = problem
    self.bounds = bounds
    self.ledger = ledger
    chosen = Array(repeating: nil, count: problem.stages.count)
    delays = Array(repeating: 0, count: problem.stages.count)
    self.ceiling = ceiling
    stepLimit = steps
    keepsTies = ties != nil
    order = ties
  }

  /// The cheapest assignment, and whether that is proved; nil when there is none.
  static func cheapest(
    _ problem: Problem, _ bounds: Bounds, _ ledger: Ledger
  ) -> (assignment: Assignment, cost: Double, isProved: Bool)? {
    guard bounds.cheapest != nil else { return nil }
    var search = Search(problem, bounds, ledger, ceiling: .infinity, steps: Limits.placementSteps, ties: nil)
    search.descend(problem.stages.count - 1, spent: 0, open: search.bounds.cheapest!)
    guard let best = search.found.last else { return nil }
    return (best.assignment, best.cost, search.steps < search.stepLimit)
  }

  /// Assignments that cost hardly more than `cost`, met in random order; `best` is the first.
  static func ties(
    with best: Assignment, cost: Double, _ problem: Problem, _ bounds: Bounds, _ ledger: Ledger,
    using random: inout SeededRandom
  ) -> [Assignment] {
    let ceiling = cost + Limits.placementTie * max(0, cost - problem.unavoidableStress)
    guard let cheapest = bounds.cheapest else { return [best] }
    let order = SeededRandom(seed: random.next())
    var search = Search(problem, bounds, ledger, ceiling: ceiling, steps: Limits.placementTieSteps, ties: order)
    search.descend(problem.stages.count - 1, spent: 0, open: cheapest)
    return [best] + search.found.map(\.assignment).filter { $0 != best }
  }

  /// - Parameters:
  ///   - spent: true cost of what is chosen.
  ///   - open: bounds of the stages not yet reached whose consumers are placed, this one included.
  private mutating func descend(_ stage: Int, spent: Double, open: Double) {
    guard steps < stepLimit, !keepsTies || found.count < Limits.placementTies else { return }
    steps += 1
    guard stage >= 0 else { return accept(spent) }
    let consumer = problem.parent[stage]
    var list = bounds.moves[stage][0]
    if let consumer {
      // Nothing to place above a graft.
      guard let move = chosen[consumer], problem.options[consumer][move.option].graft == nil else {
        chosen[stage] = nil
        return descend(stage - 1, spent: spent, open: open)
      }
      list = bounds.moves[stage][move.hop.from]
    }
    guard let least = list.first?.bound else { return }
    let others = open - least
    if keepsTies {
      list = list.filter { spent + others + $0.bound <= ceiling }
      list = order!.permuted(list)
    }
    for move in list {
      guard isWorthwhile(spent + others + move.bound) else { break }
      let delay = problem.delay(stage, move, after: consumer.map { delays[$0] } ?? 0)
      if let bound = problem.latencyBound, problem.totalDelay(stage, move, delay) > bound { continue }
      let mark = ledger.mark
      defer { ledger.rollBack(to: mark) }
      guard let terms = problem.take(stage, move, from: &ledger) else { continue }
      chosen[stage] = move
      delays[stage] = delay
      var next = others
      if problem.options[stage][move.option].graft == nil {
        for child in problem.children[stage] { next += bounds.moves[child][move.hop.from].first!.bound }
      }
      if isWorthwhile(spent + terms.total + next) { descend(stage - 1, spent: spent + terms.total, open: next) }
    }
    chosen[stage] = nil
  }

  /// Sums in another order differ in their last bits; a thousand-millionth is no difference.
  private func isWorthwhile(_ bound: Double) -> Bool {
    keepsTies ? bound <= ceiling : bound < ceiling - 1e-9 * max(1, abs(ceiling.isFinite ? ceiling : 0))
  }

  private mutating func accept(_ cost: Double) {
    found.append((Assignment(moves: chosen), cost))
    if !keepsTies { ceiling = cost }
  }
}
