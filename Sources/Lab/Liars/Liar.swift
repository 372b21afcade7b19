/// A machine whose peer lies: the unmodified node, with what it hears and says twisted on the way by somebody who has its keys (see
/// ``LyingPeer``). An electorate of k bears f = ⌊(k−1)/3⌋ lying electors; a lying manager can spoil its own requests, a lying portal those that
/// come in through it.
public struct Liar: Codable, Hashable, Sendable {
  /// Which machine.
  public var node: Int
  /// How it lies.
  public var way: Way
  /// See the properties.
  public init(node: Int, _ way: Way) {
    self.node = node
    self.way = way
  }

  /// How a peer lies.
  public enum Way: String, Codable, Hashable, Sendable, CaseIterable {
    /// As an elector it votes twice in each term, for the candidate and for another that honest electors will hear of, and goes on
    /// supporting deposed managers.
    case equivocates
    /// As an elector it hears everything and says nothing.
    case withholds
    /// As an elector it says that it has kept no version, whatever it acknowledged.
    case answersStale
    /// It sends votes in others' names, and mandates made of them that make it the manager.
    case forges
    /// As a portal it tries counters until one of its friends is the first candidate.
    case grinds
    /// As a portal it names its friends as the electorate, has them elect one of them, and gives orders under that mandate.
    case namesFriends
    /// As a portal it sends two envelopes under one counter, each to half of the electors.
    case sendsTwoEnvelopes
    /// It says that it has nothing to do and is fast, and that it stands in the middle of the overlay.
    case misreports
    /// As a manager it asks nodes for components that they do not offer, for more than there is, and without a mandate.
    case plansNonsense

    /// Whether it lies about requests that come in through it.
    var isPortals: Bool { self == .grinds || self == .namesFriends || self == .sendsTwoEnvelopes }
  }
}

/// What lying came to.
public struct LiarOutcome: Codable, Hashable, Sendable {
  /// Machines that lie.
  public var liars: Int
  /// Of all machines.
  public var population: Int
  /// Elections of honest portals' requests, first terms and successors'.
  public var tenures: Int
  /// Of them won by liars.
  public var won: Int
  /// The liars' share of ``tenures`` ÷ their share of the machines; 1 when lying gains nothing, nil without any election.
  public var gain: Double?
  /// Elections of liars' own requests.
  public var ownTenures: Int
  /// Of them won by liars.
  public var ownWon: Int
  /// Honest portals' requests that were served whole, or stopped as their clients wished.
  public var served: Int
  /// Honest portals' requests that were refused or failed.
  public var spoiled: Int
  /// Packets that clients at honest portals got.
  public var delivered: UInt64
  /// Orders that honest nodes obeyed under a mandate of friends alone: what the first minute, before members are settled, allows.
  public var obeyedFriends: Int
  /// Liars against whom there is a proof of fraud.
  public var convicted: [Int]
}
