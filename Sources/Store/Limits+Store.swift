import Base

extension Limits {
  /// One stored record's bytes: a snapshot with its graph, plan and mandate.
  public static let recordBytes = 1 << 20
  /// Changes that wait for the disk. Beyond this the disk has failed to keep up for seconds: the peer must shed load.
  public static let storeBacklog = 100_000
  /// Changes of one commit; bounds its memory and how long the first of them waits.
  public static let commitChanges = 2_000
  /// Lines of the journal that are kept; the oldest go first.
  public static let journalLines = 10_000
  /// Known peers that are kept; those not seen for longest go first.
  public static let knownPeers = members
}
