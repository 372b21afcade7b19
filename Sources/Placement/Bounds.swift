import Base
import Composition
import Vocabulary

/// The layered dynamic programme over a tree: for each stage and place, the cheapest way to have its output there, every price
/// taken as if nothing else were placed. Prices are convex, so it never asks for more than any real plan costs, and it is
/// exact where no two stages meet on a node or link. The search takes it as its bound.
struct Bounds: Sendable {
  /// A stage's place together with the way to its consumer.
  struct Move: Hashable, Sendable {
    /// Index into the problem's options of the stage.
    let option: Int
    let hop: Problem.Hop
    /// Of the stage, all below it, and the way; at least.
    let bound: Double
  }

  /// By stage and option: of the stage and all below it.
  let inside: [[Double]]
  /// By stage and consumer's node: the moves that are possible, cheapest first. Of the root, one list, for the client.
  let moves: [[[Move]]]

  init(_ problem: Problem, _ ledger: Ledger) {
    var inside: [[Double]] = []
    var moves: [[[Move]]] = []
    for stage in problem.stages.indices {
      inside.append(
        problem.options[stage].map { option in
          guard option.graft == nil else { return 0 }
          var sum =
            problem.stress(at: option.node)
            + ledger.price(cores: problem.cores(stage, at: option.node), at: option.node)
          for child in problem.children[stage] { sum += moves[child][option.node].first?.bound ?? .infinity }
          return sum
        })
      func list(to node: Int?) -> [Move] {
        var list: [Move] = []
        for (index, option) in problem.options[stage].enumerated() where inside[stage][index].isFinite {
          for hop in problem.hops(stage, option, to: node) {
            if hop.isNew, !ledger.hasSlot(hop.from) { continue }
            let bound = inside[stage][index] + Self.price(hop, ledger)
            if bound.isFinite { list.append(Move(option: index, hop: hop, bound: bound)) }
          }
        }
        return list.sorted { ($0.bound, $0.option) < ($1.bound, $1.option) }
      }
      guard let parent = problem.parent[stage] else {
        moves.append([list(to: nil)])
        continue
      }
      var lists = [[Move]](repeating: [], count: problem.pool.candidates.count)
      for option in problem.options[parent] where option.graft == nil { lists[option.node] = list(to: option.node) }
      moves.append(lists)
    }
    self.inside = inside
    self.moves = moves
  }

  /// The cheapest that the whole tree can be; nil when it cannot be at all.
  var cheapest: Double? { moves[moves.count - 1][0].first?.bound }

  private static func price(_ hop: Problem.Hop, _ ledger: Ledger) -> Double {
    guard hop.mezzanine != nil else { return 0 }
    var sum = hop.fixed.total + ledger.price(cores: hop.sending, at: hop.from)
    sum += ledger.price(rate: Double(hop.bitrate), from: hop.from, to: hop.to)
    if let to = hop.to { sum += ledger.price(cores: hop.receiving, at: to) }
    return sum
  }
}

/// A place for each stage of a tree and a way for each output; nil for stages above which the tree is grafted.
struct Assignment: Hashable, Sendable {
  var moves: [Bounds.Move?]
}

extension Problem {
  /// What an assignment costs, all prices as they are once everything is placed; nil when something has no room or is too
  /// late. This is the definition of a plan's cost: the search is a way to its minimum.
  func cost(of assignment: Assignment, on ledger: inout Ledger) -> (terms: CostTerms, delay: Double)? {
    var sum = CostTerms()
    var slowest = 0.0
    var delays = [Double](repeating: 0, count: stages.count)
    for stage in stages.indices.reversed() {
      guard let move = assignment.moves[stage] else { continue }
      guard let terms = take(stage, move, from: &ledger) else { return nil }
      sum += terms
      delays[stage] = delay(stage, move, after: parent[stage].map { delays[$0] } ?? 0)
      slowest = max(slowest, totalDelay(stage, move, delays[stage]))
    }
    if let latencyBound, slowest > latencyBound { return nil }
    return (sum, slowest)
  }

  /// Books one move; nil when there is no room for it.
  func take(_ stage: Int, _ move: Bounds.Move, from ledger: inout Ledger) -> CostTerms? {
    let hop = move.hop
    var terms = hop.fixed
    if hop.isNew, !ledger.takeSlot(hop.from) { return nil }
    if options[stage][move.option].graft == nil {
      terms.stress += stress(at: hop.from)
      terms.load += ledger.take(cores: cores(stage, at: hop.from), at: hop.from)
    }
    if hop.mezzanine != nil {
      terms.load += ledger.take(cores: hop.sending, at: hop.from)
      if let to = hop.to { terms.load += ledger.take(cores: hop.receiving, at: to) }
      terms.links += ledger.take(rate: Double(hop.bitrate), from: hop.from, to: hop.to)
    }
    return terms.total.isFinite ? terms : nil
  }

  /// From a stage's output to the client, given that from its consumer's output.
  func delay(_ stage: Int, _ move: Bounds.Move, after downstream: Double) -> Double {
    downstream + move.hop.delay + (parent[stage].map { stages[$0].delay } ?? 0)
  }

  /// Of the longest way that ends (or begins) with this stage.
  func totalDelay(_ stage: Int, _ move: Bounds.Move, _ downstream: Double) -> Double {
    let isGraft = options[stage][move.option].graft != nil
    return downstream + (isGraft ? prefixDelay[stage] : stages[stage].delay)
  }
}
