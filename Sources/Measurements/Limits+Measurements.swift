import Base

extension Limits {
  /// A node tells of itself at least this often, even when nothing moved.
  public static let reportInterval = Duration.seconds(10)
  /// And at most this often, whatever moves.
  public static let reportPause = Duration.milliseconds(500)
  /// Bytes of reports beside one probe: a datagram's room less the probe, its updates and sealing.
  public static let reportBytes = 560
  /// Bytes of reports that a node sends in a second, whatever the number of members; saved up for at most five seconds.
  public static let reportBudget = 1_200.0
  /// A report is piggybacked this many times by each who has it, times log10 of the members.
  public static let reportRetransmits = 3.0
  /// Paths in one report.
  public static let reportedPaths = 16
  /// Streams in one report.
  public static let reportedStreams = 32
  /// Datagrams of a packet train, and their size.
  public static let trainCars = 10
  /// Bytes of each.
  public static let trainBytes = 1_100
  /// A path is measured anew this often while nothing flows; sooner when it is used.
  public static let trainInterval = Duration.seconds(240)
  /// The same while the node's link is in use.
  public static let busyTrainInterval = Duration.seconds(10)
  /// Between two trains of a node, whatever the number of peers.
  public static let trainPause = Duration.milliseconds(700)
  /// A train that was not answered for so long is lost.
  public static let trainTimeout = Duration.seconds(3)
}
