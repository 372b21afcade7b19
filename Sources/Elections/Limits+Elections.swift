import Base

extension Limits {
  /// An elector that acknowledged a heartbeat casts no later vote for this long, by its monotonic clock.
  public static let lease = Duration.seconds(2)
  /// What a manager counts of a lease, from *sending* the heartbeat: clocks may drift apart by a tenth.
  public static let managerLease = Duration.milliseconds(1_800)
  /// Four heartbeats a lease: three may be lost.
  public static let heartbeatInterval = Duration.milliseconds(500)
  /// An elector waits at least this long for a mandate, whatever the round trips: a disk may take tens of milliseconds.
  public static let electionPatience = Duration.milliseconds(250)
  /// The doubling of that wait stops here.
  public static let longestElectionPatience = Duration.seconds(8)
  /// The first repetition of a call; doubles up to ten times as much.
  public static let callRepetition = Duration.milliseconds(200)
  /// A portal that has all lots but f waits no longer than this for the rest, and a round trip.
  public static let lotPatience = Duration.milliseconds(100)
  /// A portal gives up on an election after this long: two full rounds of three candidates, each silent.
  public static let callPatience = Duration.seconds(15)
  /// How long a manager waits for the one elector whose order of claims decides, once it has its quorum.
  public static let claimPatience = Duration.milliseconds(150)
  /// How long a manager goes on telling electors of the end, for those that were away.
  public static let endNotices = 8
  /// A manager whose handover no quorum keeps makes way after this: views of who is alive agree within seconds.
  public static let handoverPatience = Duration.seconds(10)
  /// Requests that live and that one peer keeps ballots of: a few kilobytes each.
  public static let ballots = 4_096
  /// Requests that have ended and that one peer remembers until their time is over, lest one that is shown again be served again: four
  /// times as many as may live, and those that live have their place among them.
  public static let tombstones = 4 * ballots
  /// What an elector promised for a service that ran it keeps for so long after the end that it knows of: an elector that was away for a day
  /// may be told that the request was renewed meanwhile.
  public static let lapse = Duration.seconds(24 * 3_600)
  /// Such ballots that one peer keeps, the newest; who has none takes no part in what outlived its envelope.
  public static let lapsed = ballots
  /// Live requests of one client at one elector: bounds grinding for a friendly order.
  public static let ballotsPerClient = 256
  /// Elections that one portal waits for at once.
  public static let calls = 1_024
  /// Earlier claims in one answer.
  public static let earlierClaims = 512
  /// Versions that wait for the one before to be acknowledged.
  public static let waitingSnapshots = 16
  /// Portals told of a request's manager: the first and those that retried.
  public static let callers = 4
  /// Statement counters reserved on disk at a time: one write for so many statements.
  public static let counterBlock: UInt64 = 1_024
}
