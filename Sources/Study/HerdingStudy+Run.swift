import Base
import Composition
import Foundation
import HeapModule
import Identity
import Placement
import Reports
import Vocabulary

// The bulletin board model of Mitzenmacher ("How Useful Is Old Information?", IEEE Transactions on Parallel and Distributed Systems, 2000):
// n servers, each with one queue; jobs arrive by a Poisson process of λn and take an exponential time of mean 1; a board shows all queues as
// they were at its last renewal, every T. Who goes to the shortest on the board goes where everybody goes.

/// One repetition of one policy on boards of one age.
struct HerdingTrial {
  let study: HerdingStudy
  let policy: HerdingStudy.Policy
  let age: Double
  private var random: SeededRandom
  private var queues: [[Double]]
  private var board: [Int]
  /// What refusals told since the board was renewed.
  private var corrected: [Int: Int] = [:]
  private var desk: PlacementDesk?
  private(set) var refusals = 0
  private(set) var longest = 0

  init(_ study: HerdingStudy, _ policy: HerdingStudy.Policy, age: Double, seed: UInt64) {
    (self.study, self.policy, self.age) = (study, policy, age)
    random = SeededRandom(seed: seed)
    queues = Array(repeating: [], count: study.servers)
    board = Array(repeating: 0, count: study.servers)
    desk =
      switch policy {
      case .ours: PlacementDesk(servers: study.servers, side: 20, using: &random)
      case .oursInOnePlace: PlacementDesk(servers: study.servers, side: 0, using: &random)
      default: nil
      }
  }

  private struct Departure: Comparable {
    let at: Double
    let order: Int
    let server: Int
    static func < (a: Departure, b: Departure) -> Bool { (a.at, a.order) < (b.at, b.order) }
  }

  /// The mean time in the system of all jobs but the first quarter, in mean service times.
  mutating func meanTime() -> Double {
    var (now, renewed, sum, counted) = (0.0, 0.0, 0.0, 0)
    var departures = Heap<Departure>()
    // Who is served; FIFO, so a queue's first leaves next.
    func exponential(_ mean: Double) -> Double { -log(1 - random.fraction()) * mean }
    // As M/M/1 queues are after a long time, so that nothing has to fill up first.
    for server in queues.indices {
      while random.fraction() < study.load, queues[server].count < 100 {
        let done = (queues[server].last ?? 0) + exponential(1)
        queues[server].append(done)
        departures.insert(Departure(at: done, order: -1, server: server))
      }
    }
    board = queues.map(\.count)
    for job in 0..<study.jobs {
      now += exponential(1 / (study.load * Double(study.servers)))
      while let next = departures.min, next.at <= now {
        // What changed before the renewal is on the board.
        if next.at > renewed + age { renew(&renewed, until: next.at) }
        departures.removeMin()
        queues[next.server].removeFirst()
      }
      if now > renewed + age { renew(&renewed, until: now) }
      let server = choose()
      // A job begins when the one before it is done.
      let begin = max(now, queues[server].last ?? 0)
      let done = begin + exponential(1)
      queues[server].append(done)
      longest = max(longest, queues[server].count)
      departures.insert(Departure(at: done, order: job, server: server))
      if job >= study.jobs / 4 {
        sum += done - now
        counted += 1
      }
    }
    return sum / Double(max(1, counted))
  }

  private mutating func renew(_ renewed: inout Double, until now: Double) {
    renewed += ((now - renewed) / age).rounded(.down) * age
    board = queues.map(\.count)
    corrected = [:]
  }

  private mutating func choose() -> Int {
    switch policy {
    case .random: return random.index(below: study.servers)
    case .best:
      let least = board.min() ?? 0
      let all = board.indices.filter { board[$0] == least }
      return all[random.index(below: all.count)]
    case .two:
      let a = random.index(below: study.servers)
      let b = (a + 1 + random.index(below: study.servers - 1)) % study.servers
      return board[b] < board[a] ? b : a
    case .ours, .oursInOnePlace:
      // A full node refuses and says so; the manager plans again with that correction.
      for _ in 0..<study.servers {
        guard let server = desk?.place(board: board, corrected: corrected, using: &random) else { break }
        guard queues[server].count >= PlacementDesk.slots else { return server }
        refusals += 1
        corrected[server] = queues[server].count
      }
      return random.index(below: study.servers)
    }
  }
}

/// Asks the production `Placer` where a service's work goes: one node has the source and nothing else, the servers offer everything else.
struct PlacementDesk {
  /// Of each server, and cores too: a service takes about one.
  static let slots = 16
  private var inputs: PlacementInputs
  private let numbers: [NodeID: Int]
  private let side: Double

  init?(servers count: Int, side: Double, using random: inout SeededRandom) {
    self.side = side
    func id(_ name: String) -> NodeID { NodeID(Digest.of(Array(name.utf8), kind: "herding")) }
    let reader = id("reader")
    var track = SourceTrack(stream: 0, kind: .video, codec: "h264")
    (track.width, track.height, track.frameRate) = (640, 360, Rational(10))
    let source = SourceDescription(
      key: SourceKey(Digest.of([], kind: "herding")), container: "matroska,webm", duration: 60, size: 1_000_000,
      tracks: [track])
    guard
      let request = try? ServiceRequest(
        document: "source: millrace://\(reader)/talk.mkv\nvideo: {height: 180}\naudio: none\ncaptions: none"),
      let graph = try? GraphBuilder.graph(for: request, on: source)
    else { return nil }
    func place(_ random: inout SeededRandom) -> Coordinate {
      Coordinate(
        vector: [random.fraction() * side, random.fraction() * side, 0, 0], height: 0.5, error: 0.1)
    }
    let servers = (0..<count).map { id("server \($0)") }
    numbers = Dictionary(uniqueKeysWithValues: servers.enumerated().map { ($1, $0) })
    let reading = graph.stages.map(\.component).filter { $0.hasPrefix("source.") }
    let working = Catalogue.standard.components.keys.filter { !$0.hasPrefix("source.") }
    var nodes = [NodeView(id: reader, host: "10.0.0.1", coordinate: place(&random), offers: OrderedSet(reading))]
    nodes[0].load.slots = 1_000
    for (number, server) in servers.enumerated() {
      var node = NodeView(id: server, host: "10.0.1.\(number)", coordinate: place(&random), offers: OrderedSet(working))
      node.load = LoadVector(
        slots: PlacementDesk.slots, cores: Double(PlacementDesk.slots), decodeRate: 5, encodeRate: 1.5, filterRate: 10)
      nodes.append(node)
    }
    inputs = PlacementInputs(graph: graph, nodes: nodes, client: ClientPlace(coordinate: place(&random)))
  }

  /// The server that gets the work; nil: the placer finds none.
  mutating func place(board: [Int], corrected: [Int: Int], using random: inout SeededRandom) -> Int? {
    for (number, queue) in board.enumerated() {
      let busy = max(queue, corrected[number] ?? 0)
      inputs.nodes[number + 1].load.ownCPU = Double(queue) / Double(PlacementDesk.slots)
      inputs.nodes[number + 1].load.machineCPU = inputs.nodes[number + 1].load.ownCPU
      inputs.nodes[number + 1].load.slotsUsed = queue
      inputs.nodes[number + 1].pending.slots = busy - queue
      inputs.nodes[number + 1].pending.cores = Double(busy - queue)
    }
    inputs.client.coordinate.vector = [random.fraction() * side, random.fraction() * side, 0, 0]
    guard let plan = try? Placer().place(inputs, using: &random).plan else { return nil }
    return plan.groups.compactMap { numbers[$0.node] }.first
  }
}

extension HerdingStudy {
  func run(_ experiment: Experiment, _ running: Running) async throws -> Findings {
    let cells = ages.flatMap { age in policies.map { (age, $0) } }
    let trials = try await running.all(cells.count * experiment.runs) { part -> (Double, Int, Int) in
      let (age, policy) = cells[part % cells.count]
      var trial = HerdingTrial(self, policy, age: age, seed: experiment.seed &+ UInt64(part / cells.count))
      let mean = trial.meanTime()
      return (mean, trial.refusals, trial.longest)
    }
    func values(_ cell: Int) -> [(Double, Int, Int)] {
      trials.enumerated().filter { $0.offset % cells.count == cell }.map(\.element)
    }
    var runs = Table(columns: ["age", "policy", "run", "mean_time", "longest_queue", "refusals"])
    var summary = Table(columns: ["age", "policy", "metric", "value", "low", "high", "count"])
    var table = Table(
      title: "Mean time in the system, by the board's age",
      note: "In mean service times, with the 95 % interval of \(experiment.runs) repetitions.",
      columns: ["board renewed every"] + policies.map(\.told))
    var lines = policies.map { Plot.Line($0.told, []) }
    var freshest: [Policy: Double] = [:]
    var stalest: [Policy: Double] = [:]
    for age in ages.sorted() {
      var row = [Figure.plain(age)]
      for (index, policy) in policies.enumerated() {
        guard let cell = cells.firstIndex(where: { $0 == (age, policy) }) else { continue }
        let mine = values(cell)
        let estimate = Statistics.mean(mine.map(\.0))
        for (run, one) in mine.enumerated() {
          runs.add(["\(age)", policy.rawValue, "\(run)", "\(one.0)", "\(one.2)", "\(one.1)"])
        }
        summary.add([
          "\(age)", policy.rawValue, "mean_time", "\(estimate.value ?? .nan)", estimate.low.map { "\($0)" } ?? "",
          estimate.high.map { "\($0)" } ?? "", "\(estimate.count)",
        ])
        row.append(
          "\(Figure.text(estimate.value))"
            + (estimate.interval.map { " [\(Figure.text($0.lowerBound)), \(Figure.text($0.upperBound))]" } ?? ""))
        lines[index].points.append(.init(age, estimate.value ?? 0, interval: estimate.interval))
        if freshest[policy] == nil { freshest[policy] = estimate.value }
        stalest[policy] = estimate.value
      }
      table.add(row)
    }
    var report = Report(title: experiment.title, question: experiment.question)
    report.answers = answers(freshest, stalest)
    report.sections = [
      Report.Section("Published and ours", tables: [against(freshest, stalest)]),
      Report.Section(
        "By age", tables: [table],
        plots: [
          Plot(
            title: "Herding", note: "The older the board, the worse it is to trust it. Whiskers: 95 %.",
            .lines(
              lines, x: .init("board renewed every … mean service times", isLogarithmic: true),
              y: .init("mean time in the system", isLogarithmic: true)))
        ]),
    ]
    report.notes = [
      "\(servers) servers at \(Figure.percent(load)) load, \(jobs) jobs a repetition, the first quarter not counted, beginning with queues as chance makes them.",
      "Ours: the production placer, asked for a service whose source one node has and whose work any server may do, each with \(PlacementDesk.slots) slots; clients and servers lie on a square of 20 ms, so that it weighs distance too, which the other policies do not know; “ours, one place” has no distances. A full server refuses, says so, and the manager plans again with that correction, as it does in production; no queue grows beyond its slots.",
      "In production a node publishes whenever something moved and at least every 10 s; here its board is as old as everybody else's.",
    ]
    return Findings(report: report, runs: runs, summary: summary, trace: [])
  }

  private func answers(_ fresh: [Policy: Double], _ stale: [Policy: Double]) -> [String] {
    var told: [String] = []
    if let best = stale[.best], let random = stale[.random] {
      told.append(
        "With the oldest board, going to the least busy takes \(Figure.text(best / random)) times as long as going anywhere: \(best > random ? "the herd is real" : "no herd was seen")."
      )
    }
    if let ours = stale[.ours], let best = stale[.best] {
      told.append(
        "Ours takes \(Figure.text(ours)) there, going to the least busy \(Figure.text(best)), two choices \(Figure.text(stale[.two]))."
      )
    }
    if let ours = fresh[.ours] {
      told.append(
        "With the freshest board ours takes \(Figure.text(ours)), two choices \(Figure.text(fresh[.two])), the least busy \(Figure.text(fresh[.best]))."
      )
    }
    return told
  }

  /// What is known without measuring: one choice is an M/M/1 queue, 1/(1−λ); two choices with a board that is never old, for many servers,
  /// Σ λ^(2^i − 2) over i ≥ 1 (Mitzenmacher, "The Power of Two Choices", 1996).
  private func against(_ fresh: [Policy: Double], _ stale: [Policy: Double]) -> Table {
    var table = Table(
      title: "Known figures", note: "Of the same load; deviation: measured less known, by it.",
      columns: ["policy", "known", "measured", "deviation", "of"])
    let two = (1...12).reduce(0.0) { $0 + pow(load, pow(2, Double($1)) - 2) }
    let newest = ages.min() ?? 0
    for (policy, known, what) in [
      (Policy.random, 1 / (1 - load), "an M/M/1 queue"),
      (Policy.two, two, "infinitely many servers, a board never old (here: renewed every \(Figure.plain(newest)))"),
    ] {
      guard let measured = fresh[policy] else { continue }
      table.add([
        policy.told, Figure.text(known), Figure.text(measured), Figure.percent((measured - known) / known), what,
      ])
    }
    if let best = stale[.best], let random = stale[.random] {
      table.add([
        "least busy ÷ at random, oldest board", "> 1", Figure.text(best / random), best > random ? "agrees" : "differs",
        "“How Useful Is Old Information?”: worse than chance once the board is old",
      ])
    }
    return table
  }
}

extension HerdingStudy.Policy {
  var told: String {
    switch self {
    case .random: "one at random"
    case .best: "least busy"
    case .two: "two choices"
    case .ours: "ours"
    case .oursInOnePlace: "ours, one place"
    }
  }
}
