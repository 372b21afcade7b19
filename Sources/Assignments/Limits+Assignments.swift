import Base

extension Limits {
  /// A reservation that is not committed is free again after this: several round trips across the world, and short enough
  /// that a manager that dies between the phases costs nobody a slot for long.
  public static let reservationTTL = Duration.seconds(5)
  /// A manager tells its service nodes this often that the service lives.
  public static let renewInterval = Duration.seconds(2)
  /// A share whose manager was not heard for so long is an orphan, if nobody consumes it either: an election and several
  /// lost renewals fit in.
  public static let orphanTimeout = Duration.seconds(15)
  /// Pieces of work in one plan, on one node or in one message: a large ladder with standbys.
  public static let workItems = 64
  /// Who may serve one input: a primary and some standbys.
  public static let upstreams = 8
  /// Events in one report of a node.
  public static let reportEvents = 64
  /// Counters in one report of a node: sockets of all groups of a request.
  public static let reportCounters = 128
  /// A mandate as it travels: the client's envelope with a request document of 64 KiB, and a quorum of votes.
  public static let mandateBytes = 128 << 10
}
