import Base

extension Limits {
  /// TCP connections that a portal takes at once; more wait in the kernel's backlog. A browser opens six.
  public static let portalConnections = 1_024
  /// Open deliveries and event streams at once: each holds a task and a chunk (≤ 8 MiB in theory, tens of kilobytes in practice).
  public static let portalStreams = 256
  /// Events that a slow reader may fall behind before it is cut; it comes back with `Last-Event-ID`.
  public static let portalEventBacklog = 256
  /// A comment goes down an idle event stream this often: proxies cut silent ones after 30 s and more.
  public static let portalKeepAlive = Duration.seconds(15)
  /// A connection on which a request does not make progress for this long is closed.
  public static let portalIdle = Duration.seconds(30)
  /// What a stopping portal gives to answers under way; streams are cut at once.
  public static let portalGrace = Duration.seconds(2)
  /// An `Idempotency-Key`, in characters.
  public static let idempotencyKeyCharacters = 255
  /// Delivery bytes that the kernel may hold unsent: what a client has not taken shall stay in the replay window, not in buffers.
  public static let portalUnsentBytes = 128 << 10
  /// What a client reads of an answer that is one document (an explanation of 100 stages × 30 candidates is 1 MB).
  public static let portalAnswerBytes = 16 << 20
  /// A server-sent event, in bytes, as a client reads it.
  public static let portalEventBytes = 256 << 10
}
