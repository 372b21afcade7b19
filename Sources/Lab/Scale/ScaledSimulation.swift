import Base
import Core
import Foundation
import Identity
import Measurements
import Synchronization
import Vocabulary

/// Very many whole peers on one virtual clock: the production ``Node`` of each, as ``Simulation`` runs it, in a world without faults and
/// checkers, played by several threads.
///
/// A conservative parallel simulation (Chandy and Misra, 1979): what one peer does reaches another no sooner than the shortest path allows, so
/// for that long a time every thread can play its own peers without looking at the others'. Peers share nothing but what they send, each
/// draws from a chance of its own, and what happens to one at the same instant is ordered by who asked for it: the course, and its hash, are
/// the same for any number of threads.
///
/// What it leaves out to be fast stands in the outcome's notes.
public final class ScaledSimulation {
  /// What is played.
  public let scenario: Scenario
  /// Threads that play it: as many as were asked for, unless paths are too short for it.
  public let threads: Int
  let world: World
  private let shards: [Shard]

  /// What all threads read and none changes.
  struct World: @unchecked Sendable {
    var scenario: Scenario
    var map: DelayMap
    var peers: [ScaledPeer]
    var numbers: NodeNumbers
    /// Who and where each peer is: what others see of it. Its own thread is at work on the rest.
    var contacts: [Contact]
    /// Nanoseconds that every path takes at least.
    var lookahead: Int64
    var shards: Int
    /// When each machine starts.
    var starts: [Instant]

    func shard(of peer: Int) -> Int { peer % shards }
    func isUp(_ peer: Int, at now: Instant) -> Bool { starts[peer] <= now }
  }

  /// - Parameters:
  ///   - scenario: without faults.
  ///   - threads: 1…64.
  /// - Throws: ``ScaleError`` for a scenario that needs ``Simulation``, or whose topology cannot be made.
  public init(_ scenario: Scenario, threads: Int = 1) throws(ScaleError) {
    guard scenario.faults.isEmpty else { throw .faults(scenario.faults.count) }
    guard (1...64).contains(threads) else { throw .threads(threads) }
    self.scenario = scenario
    var random = SeededRandom(seed: scenario.seed)
    let map: DelayMap
    do { map = try DelayMap(scenario.topology, nodes: scenario.nodes.count, using: &random) } catch {
      throw .topology(error)
    }
    var peers: [ScaledPeer] = []
    for (number, machine) in scenario.nodes.enumerated() {
      let keys = scenario.keys(of: number)
      peers.append(
        ScaledPeer(
          number, machine, keys: keys, settings: scenario.settings(of: number), view: scenario.economy.viewBound,
          using: &random))
    }
    for (number, ask) in scenario.requests.enumerated() { peers[ask.portal].asks.append(number) }
    // What is posted at a day's very beginning comes at the next one's: a longer day would have to hear of it on the day itself.
    let lookahead = map.least
    self.threads = lookahead < ScaledSimulation.leastLookahead ? 1 : min(threads, max(1, peers.count))
    let isAlone = self.threads == 1
    world = World(
      scenario: scenario, map: map, peers: peers,
      numbers: NodeNumbers(peers.map(\.id)),
      contacts: peers.map { Contact(node: $0.id, address: $0.settings.address) },
      lookahead: max(lookahead, isAlone ? ScaledSimulation.leastLookahead : 1),
      shards: isAlone ? 1 : min(peers.count, self.threads * ScaledSimulation.shardsPerThread),
      starts: scenario.nodes.map { .seconds($0.startsAt) })
    let world = world
    shards = (0..<world.shards).map { Shard($0, of: world) }
  }

  /// Below this, nanoseconds, threads would wait for each other more than they work.
  static let leastLookahead: Int64 = 200_000
  /// So many that threads end a day together, so few that a day of each is worth taking.
  private static let shardsPerThread = 12

  /// Plays the scenario to its end.
  /// - Parameter progress: is told the simulated seconds now and then, from one of the threads.
  public func run(progress: (@Sendable (Double) -> Void)? = nil) -> ScaleOutcome {
    let start = ScaledSimulation.spent(at: 0)
    let firstRequest = min(scenario.requests.map(\.at).min() ?? .infinity, scenario.endsAt)
    let gathered = Mutex(start)
    let (lockstep, mail) = (Lockstep(parties: threads, parts: shards.count), Mail(shards: shards.count))
    let days = Instant.seconds(scenario.endsAt).nanoseconds / world.lookahead
    let servingDay = Instant.seconds(firstRequest).nanoseconds / world.lookahead
    let ends = DispatchGroup()
    for number in 0..<threads {
      ends.enter()
      let told = number == 0 ? progress : nil
      let thread = Thread(block: { [shards, world] in
        for day in 0...days {
          if number == 0, day == servingDay { gathered.withLock { $0 = ScaledSimulation.spent(at: firstRequest) } }
          while let part = lockstep.take() { shards[part].play(day, mail) }
          lockstep.wait()
          if let told, day % 256 == 0 { told(Double(day * world.lookahead) / 1e9) }
        }
        ends.leave()
      })
      thread.stackSize = 16 << 20
      thread.start()
    }
    ends.wait()
    let (end, middle) = (ScaledSimulation.spent(at: scenario.endsAt), gathered.withLock { $0 })
    return outcome(of: shards, gathering: middle - start, serving: end - middle)
  }

  /// Read off the clocks. Processor time is of all threads of this process; POSIX counts it in microseconds.
  private static func spent(at simulated: Double) -> ScaleOutcome.Cost {
    ScaleOutcome.Cost(
      simulated: simulated, wall: Double(DispatchTime.now().uptimeNanoseconds) / 1e9, cpu: Double(clock()) / 1e6)
  }
}

/// What shards have for each other: written on one day, read on the next.
final class Mail: @unchecked Sendable {
  struct Letter {
    var appointment: Appointment
    var happening: Shard.Happening
  }
  /// By the day's parity, sender and addressee. Each has one writer and, a day later, one reader.
  private let boxes: UnsafeMutablePointer<[Letter]>
  private let shards: Int

  init(shards: Int) {
    self.shards = shards
    boxes = .allocate(capacity: 2 * shards * shards)
    boxes.initialize(repeating: [], count: 2 * shards * shards)
  }

  deinit {
    boxes.deinitialize(count: 2 * shards * shards)
    boxes.deallocate()
  }

  /// Puts a letter into the day's box.
  func put(_ letter: Letter, day: Int64, from: Int, to: Int) {
    boxes[(Int(day & 1) * shards + from) * shards + to].append(letter)
  }

  /// Takes out what lies in the day's box, in no order that matters; its room is kept for the day after the next.
  func take(day: Int64, from: Int, to: Int, _ each: (Appointment, consuming Shard.Happening) -> Void) {
    let box = boxes + ((Int(day & 1) * shards + from) * shards + to)
    while let letter = box.pointee.popLast() { each(letter.appointment, letter.happening) }
  }
}

/// Why a scenario cannot be played by ``ScaledSimulation``.
public enum ScaleError: Error, Hashable, Sendable, CustomStringConvertible {
  /// It has so many faults.
  case faults(Int)
  /// So many threads.
  case threads(Int)
  /// Its topology cannot be made.
  case topology(TopologyError)

  public var description: String {
    switch self {
    case .faults(let count):
      "faults: \(count) in the scenario, where a simulation of very many nodes has none; play it with `millrace lab run`"
    case .threads(let count): "threads: \(count) where 1 to 64 are expected"
    case .topology(let error): "topology: \(error)"
    }
  }
}
