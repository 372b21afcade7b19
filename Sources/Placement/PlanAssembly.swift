import Base
import Composition
import Identity
import Vocabulary

/// From places to a plan: stages fused into groups, sockets numbered, a standby for each group.
struct PlanAssembly {
  private let inputs: PlacementInputs
  private let pool: Pool
  private let trees: [PlacedTree]
  private var ledger: Ledger
  private var groups: [PlannedGroup] = []
  /// By stage id: the group that ends with it.
  private var groupEnding: OrderedDictionary<Int, Int> = [:]

  /// - Parameter ledger: with all trees booked.
  init(_ inputs: PlacementInputs, _ pool: Pool, _ trees: [PlacedTree], _ ledger: Ledger) {
    self.inputs = inputs
    self.pool = pool
    self.trees = trees
    self.ledger = ledger
  }

  mutating func plan() -> Plan {
    for tree in trees { fuse(tree) }
    for tree in trees { addBackups(tree) }
    connect()
    var plan = Plan(
      stages: [], groups: groups, grafts: [], deliveries: [], links: [], cost: CostTerms(),
      isProved: trees.allSatisfy(\.isProved), inputs: inputs.digest)
    var deliveredLinks: [PlannedLink] = []
    for tree in trees.sorted(by: { $0.output.root < $1.output.root }) {
      plan.cost += tree.cost
      for (stage, move) in zip(tree.problem.stages, tree.assignment.moves) {
        let graft = move.flatMap { tree.problem.options[stage.id - tree.output.stages.lowerBound][$0.option].graft }
        plan.stages.append(
          StagePlace(stage: stage.id, node: move.map { id($0.hop.from) }, isReused: move == nil || graft != nil))
        guard let move, let mezzanine = move.hop.mezzanine else { continue }
        let input = source(of: stage, at: move.hop.from)
        if let graft { plan.grafts.append(Graft(stage: stage.id, input: input, bitrate: graft)) }
        let isRoot = stage.id == tree.output.root
        let consumer = isRoot ? nil : move.hop.to.map { id($0) }
        let link = PlannedLink(
          key: stage.key, from: id(move.hop.from), to: consumer, bitrate: move.hop.bitrate, latency: move.hop.latency,
          mezzanine: mezzanine)
        if isRoot {
          plan.deliveries.append(
            PlannedDelivery(output: tree.output.name, input: input, delivery: tree.output.delivery))
          deliveredLinks.append(link)
        } else {
          plan.links.append(link)
        }
      }
    }
    plan.links += deliveredLinks
    return plan
  }

  private func id(_ node: Int) -> NodeID { pool.candidates[node].view.id }

  // MARK: - Groups

  private mutating func fuse(_ tree: PlacedTree) {
    for (index, stage) in tree.problem.stages.enumerated() {
      guard let move = tree.assignment.moves[index], move.hop.isNew else { continue }
      let members = members(ofGroupEndingWith: index, tree)
      var sockets: [StreamKey] = []
      let specs = members.map { member in
        StageSpec(
          id: tree.problem.stages[member].id, component: tree.problem.stages[member].component,
          parameters: tree.problem.stages[member].parameters,
          inputs: tree.problem.children[member].map { child in
            if members.contains(child) { return .stage(tree.problem.stages[child].id) }
            sockets.append(tree.problem.stages[child].key)
            return .socket(sockets.count - 1)
          })
      }
      let mezzanine = move.hop.mezzanine ?? .asIs
      var cores = members.reduce(move.hop.sending) { $0 + tree.problem.cores($1, at: move.hop.from) }
      for member in members {
        for child in tree.problem.children[member] { cores += tree.assignment.moves[child]?.hop.receiving ?? 0 }
      }
      groupEnding[stage.id] = groups.count
      groups.append(
        PlannedGroup(
          id: groups.count, node: id(move.hop.from),
          spec: GroupSpec(
            stages: specs, inputs: sockets, output: stage.key, mezzanine: mezzanine,
            rateCap: mezzanine == .longGOP ? move.hop.bitrate : 0), inputs: [], bitrate: move.hop.bitrate, cores: cores,
          backup: nil))
    }
  }

  private func members(ofGroupEndingWith end: Int, _ tree: PlacedTree) -> [Int] {
    var members = [end]
    var open = [end]
    while let stage = open.popLast() {
      for child in tree.problem.children[stage] {
        guard let move = tree.assignment.moves[child], move.hop.mezzanine == nil else { continue }
        members.append(child)
        open.append(child)
      }
    }
    return members.sorted()
  }

  // MARK: - Standbys

  private mutating func addBackups(_ tree: PlacedTree) {
    for index in tree.problem.stages.indices {
      guard let group = groupEnding[tree.problem.stages[index].id], let move = tree.assignment.moves[index] else {
        continue
      }
      let members = members(ofGroupEndingWith: index, tree)
      let primary = move.hop.from
      let able = pool.candidates.indices.filter { node in
        node != primary && ledger.hasSlot(node)
          && members.allSatisfy { Problem.refusal(tree.problem.stages[$0], node, inputs, pool) == nil }
      }
      // Two peers of one machine die together.
      let apart = able.filter { pool.candidates[$0].view.host != pool.candidates[primary].view.host }
      let standbys = (apart.isEmpty ? able : apart).compactMap { standby(for: index, members, at: $0, tree) }
      guard let best = standbys.min(by: { $0.cost < $1.cost }) else { continue }
      _ = ledger.takeSlot(best.node)
      var spec = groups[group].spec
      spec.mezzanine = best.hop.mezzanine ?? .asIs
      spec.rateCap = spec.mezzanine == .longGOP ? best.hop.bitrate : 0
      groups[group].backup = Backup(node: id(best.node), spec: spec, cores: best.cores)
    }
  }

  /// What a group would cost at `node`, its neighbours staying where they are; nil when it does not fit there.
  private func standby(
    for end: Int, _ members: [Int], at node: Int, _ tree: PlacedTree
  ) -> (node: Int, cost: Double, cores: Double, hop: Problem.Hop)? {
    let problem = tree.problem
    let consumer = problem.parent[end].flatMap { tree.assignment.moves[$0]?.hop.from }
    let ways = problem.hops(end, Problem.Option(node: node, graft: nil), to: consumer == node ? nil : consumer)
    let priced = ways.filter { $0.mezzanine != .raw }.map { hop in
      (hop, hop.fixed.total + ledger.price(rate: Double(hop.bitrate), from: hop.from, to: hop.to))
    }
    guard let (hop, way) = priced.min(by: { $0.1 < $1.1 }), way.isFinite else { return nil }
    var cost = way + problem.stress(at: node)
    var cores = hop.sending
    for member in members {
      cores += problem.cores(member, at: node)
      for child in problem.children[member] {
        guard let move = tree.assignment.moves[child], move.hop.mezzanine != nil else { continue }
        cores += move.hop.receiving
        guard move.hop.from != node else { continue }
        cost += ledger.price(rate: Double(move.hop.bitrate), from: move.hop.from, to: node)
        cost +=
          problem.latency(from: move.hop.from, to: node) * Double(move.hop.bitrate) / 1e6 * problem.weights.transport
      }
    }
    cost += ledger.price(cores: cores, at: node)
    return cost.isFinite ? (node, cost, cores, hop) : nil
  }

  // MARK: - Sockets

  private mutating func connect() {
    for tree in trees {
      for index in tree.problem.stages.indices {
        guard let group = groupEnding[tree.problem.stages[index].id] else { continue }
        var planned: [PlannedInput] = []
        for member in members(ofGroupEndingWith: index, tree) {
          for child in tree.problem.children[member] {
            guard let move = tree.assignment.moves[child], move.hop.mezzanine != nil else { continue }
            planned.append(source(of: tree.problem.stages[child], at: move.hop.from))
            keepFramesOffLinks(of: tree.problem.stages[child].id, consumer: group)
          }
        }
        groups[group].inputs = planned
      }
    }
  }

  /// Raw frames are for one address; a consumer whose standby is elsewhere must find them compressed.
  private mutating func keepFramesOffLinks(of stage: Int, consumer: Int) {
    guard let producer = groupEnding[stage], groups[producer].spec.mezzanine == .raw, groups[consumer].backup != nil
    else { return }
    groups[producer].spec.mezzanine = .intra
  }

  /// Who serves a stage's output: its place, then its standby, or others that serve the same stream, nearest first.
  private func source(of stage: ComponentGraph.Stage, at node: Int) -> PlannedInput {
    var standbys: [NodeID] = []
    if let group = groupEnding.values.first(where: {
      groups[$0].spec.output == stage.key && groups[$0].node == id(node)
    }) {
      if let backup = groups[group].backup { standbys.append(backup.node) }
    } else {
      let here = pool.candidates[node].view.coordinate
      let others = pool.candidates.filter {
        $0.view.id != id(node) && $0.serving(stage.key, inputs.exclusions, asReader: stage.isReader) != nil
      }
      standbys = others.sorted { $0.view.coordinate.roundTrip(to: here) < $1.view.coordinate.roundTrip(to: here) }
        .prefix(2)
        .map(\.view.id)
    }
    return PlannedInput(key: stage.key, primary: id(node), standbys: standbys)
  }
}
