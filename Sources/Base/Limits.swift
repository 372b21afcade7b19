/// Every bound of the system, with its reason. A queue, table, message, string or retry without a limit here is a defect.
/// Rooms add their own in extensions, in a file `Limits+<Room>.swift` of their own folder.
public enum Limits {
  /// Wall clocks of two peers may differ by this much; beyond it a peer says so and does not vote.
  public static let clockSkew = Duration.seconds(30)
  /// A UDP payload, sealing included: below the MTU of every path that IPv6 allows (1,280) less headers.
  public static let datagramBytes = 1_200
  /// One length-prefixed message on a link: a raw 1080p frame (3.1 MB) with room to spare.
  public static let linkMessageBytes = 8 << 20
  /// Members a peer keeps: SWIM's full view, a few hundred bytes each.
  public static let members = 10_000
  /// Deliveries to clients that one node has open or has promised; each may serve many clients. The desk admits no more, the streams hold no
  /// more.
  public static let sinks = 1_024
  /// Text that a person wrote (a title, a path, an overlay text), in UTF-8 bytes.
  public static let textBytes = 4_096
  /// A request document (YAML or JSON), in bytes.
  public static let requestBytes = 64 << 10
}
