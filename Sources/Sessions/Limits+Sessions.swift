import Base

extension Limits {
  /// A manager repeats what has not been answered after this: more than a round trip, less than a person notices.
  public static let sessionRetry = Duration.milliseconds(400)
  /// Times that a manager repeats itself before it takes the node for unreachable: 2 s in all, as long as a suspicion lives.
  public static let sessionRetries = 5
  /// Plans that a manager tries before it says that the service cannot be placed.
  public static let placementTries = 12
  /// A node that failed or refused without saying what it has left is not asked again by this service for so long.
  public static let exclusion = Duration.seconds(30)
  /// A wait before placing again when nothing has changed meanwhile.
  public static let placementPause = Duration.milliseconds(250)
  /// Where nodes are full the wait before placing again grows to this many ``placementPause``: in all the 8 s that smoothed
  /// measurements take to fall, and to be told, after a service has ended.
  public static let roomPauses = 3
  /// An earlier claim whose node does not serve the stream yet is waited for this long by the request that comes second…
  public static let graftPatience = Duration.seconds(2)
  /// … and this long by the one with the lower ID when both came at the same instant, so that one of the two goes ahead.
  public static let graftPatienceOfFirst = Duration.milliseconds(300)
  /// Between attempts to share a stream that another request has claimed and not opened yet: a fraction of a chain's start.
  public static let graftRetry = Duration.milliseconds(100)
  /// A node that left so many renewals unanswered is taken for lost, in case membership has not noticed.
  public static let missedRenewals = 4
  /// A service without a full set of standbys looks for better ones this often, in renewals: 10 s.
  public static let standbySearch = 5
  /// Services that one peer manages.
  public static let services = 512
  /// A successor counts its plans on from its predecessor's up to here, half of the numbers there are: the other half is its own, whatever
  /// was signed before.
  public static let versionsTakenOver: UInt32 = 1 << 29
}
