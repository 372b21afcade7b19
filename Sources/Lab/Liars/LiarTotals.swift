/// What lying came to over one simulation or many.
public struct LiarTotals: Hashable, Sendable {
  /// Machines that lied.
  public private(set) var liars = 0
  /// Elections of honest portals' requests, first terms and successors'.
  public private(set) var tenures = 0
  /// Of them won by liars.
  public private(set) var won = 0
  /// Of them won by liars if every machine had won alike.
  public private(set) var fair = 0.0
  /// Honest portals' requests that were served whole, or stopped as their clients wished.
  public private(set) var served = 0
  /// Honest portals' requests that were refused or failed.
  public private(set) var spoiled = 0
  /// Orders that honest nodes obeyed under a mandate of friends alone.
  public private(set) var obeyedFriends = 0
  /// Liars against whom there is a proof of fraud.
  public private(set) var convicted = 0

  /// Nothing yet.
  public init() {}

  /// Of one simulation.
  public init(_ outcome: LiarOutcome) {
    (liars, tenures, won) = (outcome.liars, outcome.tenures, outcome.won)
    fair = Double(outcome.tenures) * Double(outcome.liars) / Double(outcome.population)
    (served, spoiled) = (outcome.served, outcome.spoiled)
    (obeyedFriends, convicted) = (outcome.obeyedFriends, outcome.convicted.count)
  }

  /// Takes in another's.
  public mutating func add(_ other: LiarTotals) {
    liars += other.liars
    tenures += other.tenures
    won += other.won
    fair += other.fair
    served += other.served
    spoiled += other.spoiled
    obeyedFriends += other.obeyedFriends
    convicted += other.convicted
  }

  /// What they won ÷ what they would have won by their share of the machines; 1 when lying gains nothing, nil without any election.
  public var gain: Double? { fair > 0 ? Double(won) / fair : nil }
}
