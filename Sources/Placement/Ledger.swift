import Base
import Vocabulary

/// What a plan takes from nodes and links, summed: prices are convex, so two stages on one node cost more than twice one.
/// Every change can be taken back exactly, by old values and not by subtraction.
struct Ledger: Sendable {
  private let weights: CostWeights
  private let count: Int
  /// In one row, so that one journal serves all: shares of processors, bits a second up and down, workers, each by node; then
  /// bits a second on paths, by sender × count + receiver.
  private var taken: [Double]
  /// Share of its processors that others than the node use: it counts in prices, and leaves room.
  private let others: [Double]
  /// Bits a second by path that count in prices alone, as those of others do who yield.
  private let yielding: [Double]
  private let cores: [Double], upCapacity: [Double], downCapacity: [Double], pathCapacity: [Double], freeSlots: [Double]
  private var journal: [(index: Int, old: Double)] = []

  init(_ pool: Pool, _ weights: CostWeights) {
    self.weights = weights
    let candidates = pool.candidates
    count = candidates.count
    cores = candidates.map { max($0.view.load.cores, 0.01) }
    others = candidates.map { $0.busy - $0.own }
    upCapacity = candidates.map(\.upCapacity)
    downCapacity = candidates.map(\.downCapacity)
    freeSlots = candidates.map { Double($0.freeSlots) }
    var capacity = [Double](repeating: .infinity, count: count * count)
    var used = [Double](repeating: 0, count: count * count)
    // Who sends to whom is known of peers alone. What else flows from one to the other is at most what the one sends beside
    // that and the other receives beside that.
    var sent = candidates.map { Double($0.view.rates.upUsed) }
    var received = candidates.map { Double($0.view.rates.downUsed) }
    for (from, candidate) in candidates.enumerated() {
      for rate in candidate.view.paths {
        sent[from] -= Double(rate.used)
        if let to = pool[rate.to] { received[to] -= Double(rate.used) }
      }
    }
    var yielding = [Double](repeating: 0, count: count * count)
    for (from, candidate) in candidates.enumerated() {
      for rate in candidate.view.paths {
        guard let to = pool[rate.to], rate.capacity > 0 else { continue }
        let index = from * count + to
        capacity[index] = Double(rate.capacity)
        let own = Double(rate.used)
        let others = max(0, min(sent[from], received[to], Limits.othersPathShare * capacity[index]))
        used[index] = own + others
        yielding[index] = max(0, own + others - max(own, Limits.othersShare * capacity[index]))
      }
    }
    self.yielding = yielding
    pathCapacity = capacity
    taken = candidates.map(\.busy) + candidates.map(\.up) + candidates.map(\.down) + candidates.map { _ in 0 } + used
  }

  private func cpu(_ node: Int) -> Int { node }
  private func up(_ node: Int) -> Int { count + node }
  private func down(_ node: Int) -> Int { 2 * count + node }
  private func slot(_ node: Int) -> Int { 3 * count + node }
  private func path(_ from: Int, _ to: Int) -> Int { 4 * count + from * count + to }

  // MARK: - Prices, nothing taken

  /// Of keeping `cores` more of a node busy.
  func price(cores added: Double, at node: Int) -> Double {
    guard added > 0 else { return 0 }
    let before = taken[cpu(node)]
    let after = before + added / cores[node]
    guard after - others[node] < Limits.nodeCeiling else { return .infinity }
    return weights.load * Congestion.yieldingPrice(from: before, to: after, ceiling: Limits.nodeCeiling)
  }

  /// Of `rate` more bits a second; `to` nil is a client outside the pool.
  func price(rate: Double, from: Int, to: Int?) -> Double {
    guard from != to else { return 0 }
    func share(_ used: Double, _ capacity: Double) -> Double {
      guard capacity.isFinite else { return 0 }
      return Congestion.price(from: used / capacity, to: (used + rate) / capacity, ceiling: Limits.linkCeiling)
    }
    var sum = share(taken[up(from)], upCapacity[from])
    if let to {
      sum += share(taken[down(to)], downCapacity[to])
      sum += priceOfPath(rate, from * count + to)
    }
    return weights.links * sum
  }

  /// Others on a path make it dear, by themselves never full: they may not be there, and yield if they are.
  private func priceOfPath(_ rate: Double, _ index: Int) -> Double {
    let (before, capacity) = (taken[4 * count + index], pathCapacity[index])
    guard capacity.isFinite else { return 0 }
    guard before + rate - yielding[index] < Limits.linkCeiling * capacity else { return .infinity }
    return Congestion.yieldingPrice(
      from: before / capacity, to: (before + rate) / capacity, ceiling: Limits.linkCeiling)
  }

  /// Whether a node can start one more worker.
  func hasSlot(_ node: Int) -> Bool { taken[slot(node)] + 1 <= freeSlots[node] }

  /// Share of its processors that a node would use.
  func use(of node: Int) -> Double { taken[cpu(node)] }

  // MARK: - Taking and giving back

  /// How far to go back.
  var mark: Int { journal.count }

  /// Takes what a stage or hop needs and returns what that adds to load and links; infinite terms where there is no room.
  mutating func take(cores added: Double, at node: Int) -> Double {
    let price = price(cores: added, at: node)
    set(cpu(node), adding: added / cores[node])
    return price
  }

  mutating func take(rate: Double, from: Int, to: Int?) -> Double {
    guard from != to else { return 0 }
    let price = price(rate: rate, from: from, to: to)
    set(up(from), adding: rate)
    if let to {
      set(down(to), adding: rate)
      set(path(from, to), adding: rate)
    }
    return price
  }

  /// False when there is none.
  mutating func takeSlot(_ node: Int) -> Bool {
    let fits = hasSlot(node)
    set(slot(node), adding: 1)
    return fits
  }

  mutating func rollBack(to mark: Int) {
    while journal.count > mark {
      let change = journal.removeLast()
      taken[change.index] = change.old
    }
  }

  private mutating func set(_ index: Int, adding amount: Double) {
    journal.append((index, taken[index]))
    taken[index] += amount
  }
}
