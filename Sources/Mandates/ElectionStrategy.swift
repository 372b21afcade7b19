/// How a request's manager is found. Four are orders of candidates under one quorum protocol (``Ballots``): they differ in who
/// stands first, never in what is promised. Three are protocols of their own, without a quorum of signed votes (room `Rivals`): a manager
/// under them has nothing to show but its own word.
public enum ElectionStrategy: String, CaseIterable, Codable, Hashable, Sendable {
  /// Candidates by rendezvous hashing of the request's ID (Thaler and Ravishankar, 1998). The default.
  case rendezvous
  /// Candidates by the electors' verifiable random outputs for the request: no elector knows the order before all have spoken.
  case sortition
  /// Candidates by predicted round trip to the portal, from signed coordinates.
  case nearest
  /// Candidates by load, from signed measurements.
  case leastLoaded
  /// The highest identifier among those that answer (Garcia-Molina, 1982).
  case bully
  /// Randomised timeouts, free candidacy, a majority (Ongaro and Ousterhout, 2014).
  case raft
  /// Whoever answers the call first.
  case firstResponder

  /// What may be believed of who manages.
  public enum Safety: String, Hashable, Sendable {
    /// At most one mandate a term, with up to f of the electors lying, provable to a third party.
    case quorum
    /// At most one leader a term, as long as members only crash: one liar can break it, and nothing proves it.
    case majorityCrashOnly
    /// Two may manage at once, whenever messages are lost or late.
    case unsafe
  }

  /// Its safety class.
  public var safety: Safety {
    switch self {
    case .rendezvous, .sortition, .nearest, .leastLoaded: .quorum
    case .raft: .majorityCrashOnly
    case .bully, .firstResponder: .unsafe
    }
  }

  /// Whether it is an order under the quorum protocol; the others are protocols of their own.
  public var isOrder: Bool { safety == .quorum }

  /// The orders under the quorum protocol.
  public static let orders = allCases.filter(\.isOrder)

  /// What everybody must know who relies on a manager that was found so, in a sentence; nil where a quorum's signatures prove it.
  public var warning: String? {
    switch safety {
    case .quorum: nil
    case .majorityCrashOnly:
      "\(rawValue): a majority without signatures: one liar can make two managers; not provable to a third party"
    case .unsafe: "\(rawValue): no quorum: two managers possible; not provable to a third party"
    }
  }
}
