import Base
import Core
import Foundation

/// How a simulation of very many nodes went, and what it took.
public struct ScaleOutcome: Codable, Sendable {
  /// Peers, and the most members that each kept beside itself.
  public var nodes: Int
  /// See ``nodes``; nil: all.
  public var view: Int?
  /// Seconds of the simulation.
  public var simulated: Double
  /// Threads that played it.
  public var threads: Int
  /// How much happened.
  public var counts: Outcome.Counts
  /// Seconds that it took.
  public var wall: Double
  /// Processor seconds that it took, of all threads.
  public var cpu: Double
  /// What all took until the first request was due: starting, and getting to know each other.
  public var gathering: Cost
  /// What the rest took: gossip goes on, and requests come in.
  public var serving: Cost
  /// Happenings in a second of the clock on the wall.
  public var happeningsPerSecond: Double
  /// The process's largest memory so far, in bytes; 0 where the system does not say.
  public var peakMemory: Int64
  /// Of everything that each peer did, in its order, with the time: the same for any number of threads.
  public var traceHash: String
  /// One for each of the scenario's requests, in its order.
  public var requests: [RequestOutcome]
  /// Seconds from a portal's call to its knowing the manager, one for each that did.
  public var mandates: [Double]
  /// How much the peers see at the end; of some hundred of them.
  public var sight: Sight
  /// What was left out so that it is fast, and what bounds it.
  public var notes: [String]

  /// What a part of the run took, all in seconds.
  public struct Cost: Codable, Hashable, Sendable {
    /// Of the simulation.
    public var simulated: Double
    /// Of the clock on the wall.
    public var wall: Double
    /// Of the processor, of all threads.
    public var cpu: Double

    static func - (a: Cost, b: Cost) -> Cost {
      Cost(simulated: a.simulated - b.simulated, wall: a.wall - b.wall, cpu: a.cpu - b.cpu)
    }
  }

  /// What peers know at the end, as shares of 1.
  public struct Sight: Codable, Hashable, Sendable {
    /// Of the members from whom electors are drawn, how many a peer knows.
    public var seats = 0.0
    /// Of these, of how many it has a report.
    public var seatReports = 0.0
    /// Of all members that it keeps, of how many it has a report.
    public var reports = 0.0
    /// Seconds since the reports that it has were made, the median.
    public var age = 0.0
  }

  /// Processor time of one happening, in microseconds.
  public var microseconds: Double { cpu * 1e6 / Double(max(counts.happenings, 1)) }
  /// Memory of one node, in bytes; 0 where unknown.
  public var bytesPerNode: Double { Double(peakMemory) / Double(max(nodes, 1)) }

  /// Requests by how they ended; `open`: not yet.
  public var ends: [String: Int] {
    Dictionary(requests.map { ($0.end?.rawValue ?? "open", 1) }, uniquingKeysWith: +)
  }
  /// Why requests were not served, and how often.
  public var problems: [String: Int] {
    Dictionary(
      requests.filter { $0.end != .whole && $0.end != nil }.map { (ScaleOutcome.kind(of: $0.problem), 1) },
      uniquingKeysWith: +)
  }

  /// Without the names of peers and services in it.
  private static func kind(of problem: String) -> String {
    let words: [String] = problem.split(separator: " ").map(String.init)
    return words.filter { $0.utf8.count < 24 }.joined(separator: " ")
  }

  /// What bounds a larger run on this machine, by this run's figures, in sentences.
  public func bounds(of more: Int) -> [String] {
    let factor = Double(more) / Double(max(nodes, 1))
    let view = view ?? more - 1
    let perSecond = Double(counts.happenings) / Double(max(nodes, 1)) / max(simulated, 1e-9)
    var bounds = [
      "\(more) peers with such views for as long: \(Int(cpu * factor)) s of processor (\(form(microseconds)) µs a happening, "
        + "\(form(perSecond)) happenings a peer and second), of which each thread takes its part",
      "and \(form(Double(peakMemory) * factor / Double(1 << 30))) GiB (\(Int(bytesPerNode / 1024)) KiB a peer); caches hold less of it, so a "
        + "happening takes rather longer",
    ]
    if self.view != nil {
      bounds.append(
        "one of the \(view / 2) members that all keep is probed by \(more / max(view, 1)) peers a second; its thread waits for nobody, the "
          + "others for it")
    }
    return bounds
  }

  private func form(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
}

extension ScaledSimulation {
  func outcome(of shards: [Shard], gathering: ScaleOutcome.Cost, serving: ScaleOutcome.Cost) -> ScaleOutcome {
    let (wall, cpu) = (gathering.wall + serving.wall, gathering.cpu + serving.cpu)
    var counts = Outcome.Counts()
    for shard in shards { counts.add(shard.counts) }
    var hash = TraceHash()
    for peer in world.peers { hash.add(peer.trace) }
    var requests: [RequestOutcome] = []
    var mandates: [Double] = []
    for (number, ask) in scenario.requests.enumerated() {
      let portal = world.peers[ask.portal]
      guard let asked = shards[world.shard(of: ask.portal)].asks[number] else { continue }
      let mine = portal.sinks.values.filter { $0.ask == number }
      let began = asked.askedAt ?? .zero
      requests.append(
        RequestOutcome(
          number: number, request: asked.request.map { "\($0)" }, end: asked.end, problem: asked.problem,
          accepted: asked.acceptedAt.map { ($0 - began).seconds },
          firstPacket: mine.compactMap(\.first).min().map { ($0 - began).seconds },
          packets: mine.reduce(0) { $0 + $1.taken }, worstGap: mine.map(\.worstGap.seconds).max() ?? 0))
      if let called = asked.calledAt, let known = asked.mandateAt { mandates.append((known - called).seconds) }
    }
    return ScaleOutcome(
      nodes: scenario.nodes.count, view: scenario.economy.viewBound, simulated: scenario.endsAt, threads: threads,
      counts: counts, wall: wall, cpu: cpu, gathering: gathering, serving: serving,
      happeningsPerSecond: Double(counts.happenings) / max(wall, 1e-9),
      peakMemory: ScaledSimulation.peakMemory, traceHash: hash.text,
      requests: requests, mandates: mandates, sight: sight, notes: notes)
  }

  private var sight: ScaleOutcome.Sight {
    let seats = OrderedSet(scenario.seats.map { world.peers[$0].id })
    var (sight, ages) = (ScaleOutcome.Sight(), [Double]())
    let observers = stride(from: 0, to: world.peers.count, by: max(1, world.peers.count / 200)).map { world.peers[$0] }
    for observer in observers {
      let view = observer.node.pointee.view.filter { $0.member.isMember }
      let seated = view.filter { seats.contains($0.member.node) }
      sight.seats += Double(seated.count) / Double(seats.count) / Double(observers.count)
      sight.seatReports +=
        Double(seated.count { $0.report != nil }) / Double(max(seated.count, 1)) / Double(observers.count)
      sight.reports += Double(view.count { $0.report != nil }) / Double(view.count) / Double(observers.count)
      let wall = observer.clock.wall(.seconds(scenario.endsAt))
      ages += view.compactMap { $0.report.map { (wall - $0.wall).seconds } }
    }
    sight.age = ages.isEmpty ? 0 : ages.sorted()[ages.count / 2]
    return sight
  }

  private var notes: [String] {
    var notes = [
      "gossip and exchanges are handed over as values: records are interned, and a signature is verified once in the process, by whoever "
        + "receives it first; bytes are estimated",
      "no checkers, no faults but lost datagrams; machines count no traffic of their links, and an idle one is sampled every 5 s",
      "the trace hash takes in kinds, times, addressees and estimated sizes",
    ]
    if let view = scenario.economy.viewBound, view < scenario.nodes.count {
      notes.append(
        "each peer keeps \(view) members: the \(view / 2) least IDs and \(view - view / 2) of its own sample; electors are drawn from the "
          + "\(max(1, view * 3 / 8)) least IDs, sources are shared by such, and work goes to nodes that its manager knows"
      )
    }
    if threads > 1 { notes.append("threads look \(Double(world.lookahead) / 1e6) ms ahead") }
    return notes + world.map.notes
  }

  /// `VmHWM` of proc(5).
  private static var peakMemory: Int64 {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kibibytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int64($0) })
    else { return 0 }
    return kibibytes * 1024
  }
}

extension Outcome.Counts {
  /// Adds what another thread counted.
  mutating func add(_ other: Self) {
    happenings += other.happenings
    inputs += other.inputs
    effects += other.effects
    datagrams += other.datagrams
    datagramBytes += other.datagramBytes
    linkMessages += other.linkMessages
    linkBytes += other.linkBytes
    records += other.records
    writes += other.writes
    delivered += other.delivered
    events.merge(other.events, uniquingKeysWith: +)
  }
}

extension TraceHash {
  /// Takes in another's state.
  mutating func add(_ other: TraceHash) { add(other.text) }
}
