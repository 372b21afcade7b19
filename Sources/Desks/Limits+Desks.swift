import Base

extension Limits {
  /// After a newer term was seen, a subscriber may show an assignment of the older one for this long: the successor's
  /// assignments reach the nodes of a chain one after another, and the stream must not notice.
  public static let takeoverGrace = Duration.seconds(30)
  /// Requests that one node works for, ended ones included until their envelope expires: a few hundred bytes each.
  public static let dossiers = 4_096
  /// Standbys that a node remembers of one stream.
  public static let standbysPerStream = 4
}
