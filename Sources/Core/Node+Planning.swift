import Assignments
import Base
import Composition
import Desks
import Foundation
import Identity
import Measurements
import Membership
import Placement
import Sessions
import Vocabulary

// The manager's decision: request and source become a graph, graph and overlay become a plan (design §9, §10).

/// Everything that planning looks at, taken at one moment, so that managers can be handed it as a value.
struct PlanningView: Sendable {
  var nodes: [NodeView]
  var catalogue: Catalogue
  var seed: UInt64

  // MARK: - Planning the whole

  /// A plan for a request, or why there is none. A new service takes part in the first showing of the source that it can have
  /// from its beginning; one that runs stays in its own.
  func blueprint(for wish: PlanningWish, of document: ServiceDocument.Reading) -> Result<Blueprint, PlanningProblem> {
    if let showing = wish.showing { return blueprint(for: wish, of: document, showing: showing).result }
    for showing in 0..<Int(Limits.showings) {
      let (result, isPassed) = blueprint(for: wish, of: document, showing: showing)
      switch result {
      case .failure(.noNodes), .failure(.noRoom): if isPassed { continue }
      default: break
      }
      return result
    }
    return .failure(.noNodes("the source has \(Limits.showings) showings already"))
  }

  /// `isPassed`: some stream of this showing has moved on, so that another showing may do where this one does not.
  private func blueprint(
    for wish: PlanningWish, of document: ServiceDocument.Reading, showing: Int
  ) -> (result: Result<Blueprint, PlanningProblem>, isPassed: Bool) {
    let service: ServiceDocument
    switch document.flatMap({ $0.showing(showing, catalogue: catalogue) }) {
    case .success(let read): service = read
    case .failure(let problem): return (.failure(.impossible(problem.text)), false)
    }
    var inputs = PlacementInputs(
      graph: service.graph, nodes: nodes.map { corrected($0, wish) },
      client: ClientPlace(coordinate: service.call.client, extra: service.call.clientExtra, portal: wish.order.portal))
    var ids: [Int]?
    if let part = wish.part {
      guard let made = service.graph.part(making: part.stream),
        let consumer = nodes.first(where: { $0.id == part.consumer })
      else { return (.failure(.noNodes("nothing is known of who lacks stream \(part.stream.short)…")), false) }
      inputs.graph = made.graph
      ids = made.ids
      inputs.client = ClientPlace(coordinate: consumer.coordinate, extra: 0, portal: consumer.id)
    }
    inputs.exclusions = wish.excluded.map { Exclusion(node: $0, reason: "it failed or refused a moment ago") }
    // Nobody can begin a stream anew where it runs already.
    let passed = wish.showing == nil ? passed(Set(service.graph.stages.map(\.key)), wish) : []
    inputs.exclusions += passed
    inputs.claims = wish.served.map { Claim(key: $0.key, node: $0.value) }
    inputs.latencyBound = wish.order.latency > 0 && wish.part == nil ? wish.order.latency : nil
    var random = SeededRandom(seed: seed)
    do throws(PlacementError) {
      let decision = try Placer().place(inputs, using: &random)
      let note = PlanNote(decision, inputs)
      var plan = servicePlan(decision.plan, portal: inputs.client.portal ?? wish.order.portal)
      plan.showing = showing
      guard let ids else { return (.success(Blueprint(plan: plan, explanation: note.json)), false) }
      // Of the whole service's stages the reasons stay as they were told.
      return (.success(Blueprint(plan: plan.part(numbered: ids))), false)
    } catch {
      switch error {
      // More members may come to be known; the manager's patience is bounded.
      case .nobodyOffers, .noReader, .noLinkCarries: return (.failure(.noNodes("\(error)")), !passed.isEmpty)
      case .nobodyFree, .noRoom: return (.failure(.noRoom("\(error)")), !passed.isEmpty)
      case .tooSlow: return (.failure(.impossible("\(error)")), false)
      }
    }
  }

  /// Where streams run that a new subscriber cannot have from their beginning, or not at all.
  private func passed(_ keys: Set<StreamKey>, _ wish: PlanningWish) -> [Exclusion] {
    let refused = wish.passed.filter { keys.contains($0.key) }.flatMap { stream, nodes in
      nodes.map { Exclusion(node: $0, key: stream, reason: "it is past this stream's beginning, it says") }
    }
    return refused
      + nodes.flatMap { node in
        node.serves.filter { keys.contains($0.key) && ($0.firstHeld != 0 || $0.spareFanOut <= 0) }.map {
          Exclusion(node: node.id, key: $0.key, reason: "it is past this stream's beginning, or serves too many")
        }
      }
  }

  /// What gossip says of a node, replaced where the node itself, or the electors, said otherwise.
  private func corrected(_ view: NodeView, _ wish: PlanningWish) -> NodeView {
    var node = view
    if let left = wish.corrections[node.id] {
      node.pending.slots = max(node.pending.slots, node.load.slots - node.load.slotsUsed - left.slots)
      node.pending.cores = max(node.pending.cores, node.load.cores * (1 - node.load.ownCPU) - left.cores)
      if left.up > 0 { node.rates.upCapacity = node.rates.upUsed + left.up }
      if left.down > 0 { node.rates.downCapacity = node.rates.downUsed + left.down }
    }
    if let missing = wish.notOffered[node.id] { node.offers.subtract(missing) }
    node.serves.removeAll { stream in
      wish.notServed[stream.key]?.contains(node.id) ?? false
        || wish.open[node.id].map { !$0.contains(stream.key) } ?? false
    }
    return node
  }

  private func servicePlan(_ plan: Plan, portal: NodeID) -> ServicePlan {
    var groups: [ServiceGroup] = []
    var ordinal: UInt32 = 0
    func next() -> UInt32 {
      defer { ordinal += 1 }
      return ordinal
    }
    /// Megabits that leave over links to other nodes.
    func sent(_ key: StreamKey, from node: NodeID) -> Int64 {
      plan.links.filter { $0.key == key && $0.from == node && ($0.to ?? portal) != node }.reduce(0) { $0 + $1.bitrate }
    }
    // Two outputs of one request may take the same stream: one makes it, and nobody else is asked to share it.
    for graft in plan.grafts where !plan.groups.contains(where: { $0.spec.output == graft.input.key }) {
      guard !groups.contains(where: { $0.output == graft.input.key }) else { continue }
      groups.append(
        ServiceGroup(
          ordinal: next(), kind: .shared(graft.input.key), node: graft.input.primary,
          demand: Demand(up: sent(graft.input.key, from: graft.input.primary))))
    }
    for group in plan.groups {
      let received = plan.links.filter { link in
        link.to == group.node && link.from != group.node && group.spec.inputs.contains(link.key)
      }
      let demand = Demand(
        cores: group.cores, memory: Limits.workerMemory, up: sent(group.spec.output, from: group.node),
        down: received.reduce(0) { $0 + $1.bitrate })
      var made = ServiceGroup(
        ordinal: next(), kind: .own(group.spec), node: group.node, standbys: group.backup.map { [$0.node] } ?? [],
        demand: demand, isPinned: group.isReader)
      if let backup = group.backup,
        backup.spec.mezzanine != group.spec.mezzanine || backup.spec.rateCap != group.spec.rateCap
      {
        made.formats[backup.node] = ServiceGroup.LinkFormat(
          mezzanine: backup.spec.mezzanine, rateCap: backup.spec.rateCap)
      }
      groups.append(made)
    }
    let deliveries = plan.deliveries.map { delivery in
      let bitrate = plan.links.first { $0.key == delivery.input.key && $0.to == nil }?.bitrate ?? 0
      return ServiceDelivery(
        ordinal: next(), output: delivery.output, stream: delivery.input.key, node: portal,
        demand: delivery.input.primary == portal ? .none : Demand(down: bitrate))
    }
    return ServicePlan(groups: groups, deliveries: deliveries)
  }

  // MARK: - Placing one group

  /// A seat for a standby or a replacement: the cheapest by nearness to its neighbours and by load; disjoint from the
  /// service's other nodes where that can be had.
  func seat(for wish: SeatWish) -> NodeID? {
    let places = nodes.filter { wish.neighbours.contains($0.id) }.map(\.coordinate)
    var best: (cost: Double, node: NodeID)?
    for view in nodes.map({ corrected($0, wish.planning) }) {
      guard !wish.taken.contains(view.id), !wish.planning.excluded.contains(view.id), view.policy == .open,
        !view.isSuspect,
        wish.spec.stages.allSatisfy({ view.offers.contains($0.component) }), !wish.spec.readsSource,
        view.load.slots - view.load.slotsUsed - view.pending.slots > 0,
        view.load.cores * (1 - view.load.ownCPU) - view.pending.cores >= wish.demand.cores
      else { continue }
      let far = places.reduce(0) { $0 + view.coordinate.roundTrip(to: $1) }
      let busy =
        50 * max(view.load.ownCPU, view.load.machineCPU) + 200 * view.load.deadlineMisses + 100 * view.load.cpuPressure
      let cost = far + busy + (wish.used.contains(view.id) ? 1_000 : 0)
      if best.map({ (cost, view.id) < ($0.cost, $0.node) }) ?? true { best = (cost, view.id) }
    }
    return best?.node
  }
}

extension ServicePlan {
  /// The groups alone, their stages numbered as in the whole graph.
  fileprivate func part(numbered ids: [Int]) -> ServicePlan {
    var groups = groups
    for index in groups.indices {
      guard case .own(var spec) = groups[index].kind else { continue }
      for stage in spec.stages.indices {
        spec.stages[stage].id = ids[spec.stages[stage].id]
        spec.stages[stage].inputs = spec.stages[stage].inputs.map { input in
          if case .stage(let id) = input { .stage(ids[id]) } else { input }
        }
      }
      groups[index].kind = .own(spec)
    }
    return ServicePlan(groups: groups, deliveries: [], showing: showing)
  }
}

/// What gossip says of the overlay at one moment.
struct OverlaySight: Sendable {
  let id: NodeID
  let members: MemberTable
  let board: LoadBoard
  let catalogue: Catalogue
  let now: Instant

  /// For planning, by node ID. Suspects are shown as such: one may have the only source, and either answers or does not.
  var planningView: PlanningView {
    var nodes: [NodeView] = []
    for member in members.all(at: now) where member.isMember || member.node == id {
      guard let (report, received) = board[member.node] else { continue }
      let offers = OrderedSet(report.components ?? Array(catalogue.components.keys))
      var node = NodeView(id: member.node, host: member.address.host, coordinate: report.coordinate, offers: offers)
      node.load = report.load
      node.rates = report.rates
      node.paths = report.paths
      node.serves = report.streams
      node.age = (now - received).seconds
      node.isSuspect = member.state == .suspect
      // Promised, running or not: the node counts armed and reserved work too.
      node.pending.slots = max(0, report.promisedSlots - report.load.slotsUsed)
      node.pending.cores = max(0, report.promisedCores - report.load.ownCPU * report.load.cores)
      nodes.append(node)
    }
    return PlanningView(nodes: nodes, catalogue: catalogue, seed: UInt64(bitPattern: now.nanoseconds) ^ id.key.prefix64)
  }
}

extension Limits {
  /// Memory that a manager reserves for a worker, which nobody has measured: decoders, filters and encoders of 1080p with their queues.
  public static let workerMemory: Int64 = 96 << 20
}

/// What an envelope asks for, read: the client's call, its request, and the graph that it becomes.
struct ServiceDocument: Sendable {
  var call: ClientCall
  var request: ServiceRequest
  var graph: ComponentGraph
  /// Which showing of the source the graph's streams are of.
  var showing = 0

  /// Why a document cannot be served.
  struct Unreadable: Error {
    var text: String
  }
  typealias Reading = Result<ServiceDocument, Unreadable>

  /// Of the first showing of the source.
  static func read(_ bytes: [UInt8], catalogue: Catalogue) -> Reading {
    do {
      let call = try ClientCall(validating: bytes)
      let request = try ServiceRequest(canonical: call.request)
      guard request.source.node == call.source.signer, request.source.path == call.source.body.path else {
        return .failure(Unreadable(text: "source: the description is not of the source that the request names"))
      }
      let graph = try GraphBuilder.graph(for: request, on: call.source.body.source, catalogue: catalogue)
      return .success(ServiceDocument(call: call, request: request, graph: graph))
    } catch {
      return .failure(Unreadable(text: "\(error)"))
    }
  }

  /// The same of another showing.
  func showing(_ other: Int, catalogue: Catalogue) -> Reading {
    guard other != showing else { return .success(self) }
    do {
      var document = self
      document.graph = try GraphBuilder.graph(
        for: request, on: call.source.body.source, showing: other, catalogue: catalogue)
      document.showing = other
      return .success(document)
    } catch {
      return .failure(Unreadable(text: "\(error)"))
    }
  }
}

/// Why each stage went where it went, as `millrace explain` and the API show it.
public struct PlanNote: Codable, Hashable, Sendable {
  /// Of all inputs of the decision: who holds the same recomputes the same plan.
  public var inputs: String
  /// By name; unit: cost.
  public var totals: [String: Double]
  /// In the graph's order.
  public var stages: [Stage]

  /// One stage's candidates.
  public struct Stage: Codable, Hashable, Sendable {
    /// Its id in the graph.
    public var stage: Int
    /// E.g. `video.scale`.
    public var component: String
    /// Node ID; empty when a graft further down makes the stage needless.
    public var winner: String
    /// In a sentence.
    public var why: String
    /// Cheapest first, then those that are none.
    public var candidates: [Candidate]
  }
  /// A node that the stage could have gone to, or why not.
  public struct Candidate: Codable, Hashable, Sendable {
    /// Node ID.
    public var node: String
    /// It serves the stage's stream already.
    public var reuses: Bool
    /// Cost of the best plan with the stage here; nil when there is none.
    public var total: Double?
    /// Its terms, by name.
    public var costs: [String: Double]
    /// Why there is none; nil otherwise.
    public var excluded: String?
  }

  init(_ decision: Placer.Decision, _ inputs: PlacementInputs) {
    func named(_ terms: CostTerms) -> [String: Double] {
      Dictionary(uniqueKeysWithValues: terms.named.map { ($0.name, $0.value) })
    }
    self.inputs = TextForm.base32(decision.plan.inputs.bytes)
    totals = named(decision.plan.cost).merging(["total": decision.plan.cost.total]) { a, _ in a }
    stages = decision.explanation.stages.map { stage in
      Stage(
        stage: stage.stage, component: stage.component, winner: stage.winner.map { "\($0)" } ?? "", why: stage.reason,
        candidates: stage.candidates.map { candidate in
          Candidate(
            node: "\(candidate.node)", reuses: candidate.isReuse, total: candidate.cost?.total,
            costs: candidate.cost.map(named) ?? [:],
            excluded: candidate.refusal.isEmpty ? nil : candidate.refusal)
        })
    }
  }

  /// As text, members sorted.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Costs are finite: an infinite one is no candidate and has none.
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// Nil for anything else.
  public init?(json: String) {
    guard let note = try? JSONDecoder().decode(PlanNote.self, from: Data(json.utf8)) else { return nil }
    self = note
  }
}
