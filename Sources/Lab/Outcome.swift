import Base
import Core
import Identity
import Vocabulary
import Wire

/// What a checker found.
public struct Finding: Codable, Hashable, Sendable, CustomStringConvertible {
  /// The checker's name.
  public var checker: String
  /// Seconds of the simulation.
  public var at: Double
  /// Which machine; nil when none in particular.
  public var node: Int?
  /// In a sentence.
  public var what: String
  public var description: String {
    "\((at * 1_000).rounded() / 1_000) s  \(checker)\(node.map { "  n\($0)" } ?? "")  \(what)"
  }
}

/// How a simulation went.
public struct Outcome: Codable, Sendable {
  /// The scenario's.
  public var seed: UInt64
  /// What checkers found; empty in a sound world.
  public var findings: [Finding]
  /// One for each of the scenario's requests, in its order.
  public var requests: [RequestOutcome]
  /// One for each request that was called, in the order of the calls.
  public var elections: [ElectionOutcome]
  /// Faults that waited for a manager's state and found it, in order.
  public var strikes: [Strike]
  /// How much happened.
  public var counts: Counts
  /// Seconds of the simulation.
  public var simulated: Double
  /// Of everything that all peers did, in order, with the time: equal exactly when two courses are.
  public var traceHash: String
  /// What lying came to; nil without liars.
  public var liars: LiarOutcome?
  /// What a reader of the figures must know: matrix entries that were filled, economies of the simulator.
  public var notes: [String]
  /// Whenever a machine lost its power or left, in order.
  public var deaths: [Death]

  /// A machine went down, or fell silent behind a partition.
  public struct Death: Codable, Hashable, Sendable {
    /// The machine.
    public var node: Int
    /// Seconds of the simulation.
    public var at: Double
  }

  /// A fault with a trigger, at the moment when it struck.
  public struct Strike: Codable, Hashable, Sendable {
    /// Its number in the scenario.
    public var fault: Int
    /// Seconds of the simulation.
    public var at: Double
    /// Machines that it struck.
    public var nodes: [Int]
    /// Who managed the request, in which state, version and term; for people.
    public var standing: String
  }

  /// How much happened.
  public struct Counts: Codable, Hashable, Sendable {
    /// Happenings of the event queue.
    public var happenings: UInt64 = 0
    /// Inputs that nodes handled.
    public var inputs: UInt64 = 0
    /// Effects that they asked for.
    public var effects: UInt64 = 0
    /// Datagrams sent.
    public var datagrams: UInt64 = 0
    /// Of datagrams sent; without sealing.
    public var datagramBytes: UInt64 = 0
    /// Messages sent over links.
    public var linkMessages: UInt64 = 0
    /// Of link messages sent; without TLS.
    public var linkBytes: UInt64 = 0
    /// Records asked to be written.
    public var records: UInt64 = 0
    /// Writes to disk: group commits.
    public var writes: UInt64 = 0
    /// Packets that clients got.
    public var delivered: UInt64 = 0
    /// Signatures checked by public-key work in this process since the start.
    public var verifications: UInt64 = 0
    /// Events that peers told, by kind.
    public var events: [String: Int] = [:]
  }
}

/// How one request fared.
public struct RequestOutcome: Codable, Hashable, Sendable {
  /// Its number in the scenario.
  public var number: Int
  /// The request's ID; nil when it was never called.
  public var request: String?
  /// How it ended; nil: it did not.
  public var end: End?
  /// Why, where there is a reason.
  public var problem: String
  /// Seconds from asking to the answer that it runs; nil when there was none.
  public var accepted: Double?
  /// Seconds from asking to the client's first packet.
  public var firstPacket: Double?
  /// Packets that its client got.
  public var packets: UInt64
  /// The longest time between two of them, in seconds.
  public var worstGap: Double
  /// Seconds of the simulation at which it ended; nil: it did not.
  public var endedAt: Double?

  /// How a request ends.
  public enum End: String, Codable, Hashable, Sendable {
    /// Everything was delivered to the end.
    case whole
    /// The client ended it.
    case stopped
    /// It was refused, or never came to run.
    case refused
    /// It ran and could not go on.
    case failed
    /// The portal that the client talked to was gone.
    case portalLost
  }
}

/// How one election went. Times are seconds of the simulation.
public struct ElectionOutcome: Codable, Hashable, Sendable {
  /// The request's ID.
  public var request: String
  /// When its portal called.
  public var calledAt: Double
  /// The portal's machine.
  public var portal: Int
  /// When the portal knew who manages; nil: it never did.
  public var mandateAt: Double?
  /// k.
  public var electors: Int
  /// Who won, in which term, and when; the first, and every successor.
  public var tenures: [Tenure]
  /// Terms in which two machines were managers: none under a quorum, where a checker would find it; elsewhere what the strategy gives
  /// up. The share of elections where it is not empty is P(two managers).
  public var sharedTerms: [String] {
    let holders = Dictionary(grouping: tenures, by: \.term).mapValues { Set($0.map(\.node)).count }
    return holders.filter { $0.value > 1 }.keys.sorted()
  }
  /// Seconds in which two machines or more believed to manage it at once, looked at every second. With fences and terms
  /// that alone is harmless: an outvoted manager may not know it yet.
  public var secondsOfTwo: Double = 0
  /// Messages of the election, leases and snapshots included, from peer to peer.
  public var messages: UInt64
  /// Their bytes.
  public var bytes: UInt64
  /// Messages until the first mandate.
  public var messagesToMandate: UInt64
  /// Their bytes.
  public var bytesToMandate: UInt64 = 0

  /// One manager's time in office.
  public struct Tenure: Codable, Hashable, Sendable {
    /// The machine.
    public var node: Int
    /// `epoch.term` or the term.
    public var term: String
    /// Seconds of the simulation.
    public var at: Double
  }
}

/// Keeps ``ElectionOutcome``s while they happen.
struct ElectionLog {
  private(set) var elections: OrderedDictionary<RequestID, ElectionOutcome> = [:]

  mutating func note(_ event: Event, _ request: RequestID, at number: Int, _ now: Instant) {
    switch event.kind {
    case "request.called":
      if elections[request] == nil {
        elections[request] = ElectionOutcome(
          request: "\(request)", calledAt: now.seconds, portal: number, electors: 0, tenures: [], messages: 0, bytes: 0,
          messagesToMandate: 0)
      }
    case "election.mandate", "election.claim":
      guard elections[request]?.portal == number, elections[request]?.mandateAt == nil else { return }
      let (messages, bytes) = (elections[request]?.messages ?? 0, elections[request]?.bytes ?? 0)
      elections[request]?.mandateAt = now.seconds
      elections[request]?.messagesToMandate = messages
      elections[request]?.bytesToMandate = bytes
    case "election.won":
      let term = event.details.first { $0.name == "term" }?.value ?? ""
      elections[request]?.tenures.append(ElectionOutcome.Tenure(node: number, term: term, at: now.seconds))
    default: break
    }
  }

  /// A second in which two believe to manage.
  mutating func two(_ request: RequestID) { elections[request]?.secondsOfTwo += 1 }

  mutating func electors(_ count: Int, of request: RequestID) { elections[request]?.electors = count }

  /// - Parameter message: of an election.
  mutating func count(_ message: WireLinkMessage, bytes: Int) {
    let named = if case .rival(let rival) = message.body { rival.requestID } else { message.election.requestID }
    guard let request = named else { return }
    elections[request]?.messages += 1
    elections[request]?.bytes += UInt64(bytes)
  }
}

extension Simulation {
  func outcome() -> Outcome {
    var requests: [RequestOutcome] = []
    for (number, asked) in asks.enumerated() {
      let mine = clients.values.filter { $0.ask == number }
      let began = asked.askedAt ?? .zero
      requests.append(
        RequestOutcome(
          number: number, request: asked.request.map { "\($0)" }, end: asked.end, problem: asked.problem,
          accepted: asked.acceptedAt.map { ($0 - began).seconds },
          firstPacket: mine.compactMap(\.first).min().map { ($0 - began).seconds },
          packets: mine.reduce(0) { $0 + $1.taken },
          worstGap: mine.map(\.worstGap.seconds).max() ?? 0, endedAt: asked.endedAt.map(\.seconds)))
    }
    return Outcome(
      seed: scenario.seed, findings: findings, requests: requests, elections: Array(elections.elections.values),
      strikes: strikes, counts: counts, simulated: now.seconds, traceHash: trace.text, liars: liarOutcome(requests),
      notes: notes, deaths: deaths)
  }
}
