import Base

extension Limits {
  /// Electors of a request: seven tolerate two faults; more cost a signature each without need.
  public static let electors = 7
  /// Members known for less time do not count against an electorate: views need time to agree.
  public static let settledMember = Duration.seconds(60)
  /// A measurement that an order of candidates follows from is at most so far from the request's time: nodes publish every 10 s, and
  /// gossip takes a few more.
  public static let bearingAge = Duration.seconds(60)
  /// Electorates of one request: each is a certificate of some 2 KB that every mandate carries.
  public static let epochs = 64
  /// A request lives at most this long; a longer service is renewed.
  public static let requestLifetime = Duration.seconds(7 * 24 * 3_600)
  /// An encoded snapshot: a graph of hundreds of stages with its plan.
  public static let snapshotBytes = 256 << 10
  /// Streams that one request starts.
  public static let claims = 256
}
