import Base

extension Limits {
  // MARK: Datagrams

  /// Peers whose datagram keys are kept: every member, and as many again that come and go. About 300 bytes each.
  public static let datagramSessions = 2 * members
  /// Keys made for strangers that have not yet shown that they hold the other half; the oldest goes first.
  public static let unconfirmedSessions = 1_024
  /// Strangers' greetings a second that may cost public-key work (115 µs each): 2 % of a core.
  public static let strangersPerSecond = 200.0
  /// Greetings that may come at once: a small overlay that joins through one peer at the same moment.
  public static let strangersAtOnce = 200.0
  /// Answers a second to datagrams of sessions that this peer does not know (10 bytes each).
  public static let resetsPerSecond = 50.0
  /// Messages that wait for a peer's welcome; more would be stale by then.
  public static let messagesAwaitingWelcome = 8
  /// Peers greeted at the same time.
  public static let greetings = 1_024
  /// A message that waited longer for a welcome is dropped: the probe that it carries has timed out.
  public static let welcomeWait = Duration.seconds(2)
  /// A greeting is repeated at most this often, when there is again something to send.
  public static let greetingInterval = Duration.milliseconds(200)

  // MARK: Links

  /// TCP, TLS and HELLO of one link together; three round trips at 300 ms and a lost packet.
  public static let linkDialTime = Duration.seconds(5)
  /// After a failed dial the next to the same peer waits this long, so that a sender cannot spin on a refused port.
  public static let linkRedialPause = Duration.milliseconds(200)
  /// Accepted connections that have not yet said HELLO.
  public static let linkStrangers = 128
  /// Links, both purposes: members talked to at a time, well under a usual limit of 4,096 descriptors.
  public static let links = 2_048
  /// A HELLO or its answer, in bytes: all that a stranger may send.
  public static let helloBytes = 512
  /// Unsent bytes of control messages on one link.
  public static let controlBacklogBytes = 16 << 20
  /// Unsent bytes of media on one link: credit windows keep it far below; two of the largest frames.
  public static let mediaBacklogBytes = 2 * linkMessageBytes
  /// Bytes handed to the socket layer at a time; the rest waits where it can be seen and bounded.
  public static let linkInFlightBytes = 256 << 10
  /// A link without a frame for this long is closed, both purposes.
  public static let linkIdle = Duration.seconds(120)
  /// Unacknowledged data or probes this old mean that the other host is gone.
  public static let linkDeadAfter = Duration.seconds(6)

  // MARK: Workers

  /// Unread bytes towards one worker: the input credit of its sockets keeps it far below.
  public static let workerBacklogBytes = 4 * linkMessageBytes
  /// A worker that closed its socket has this long to exit before it is killed.
  public static let workerExitTime = Duration.seconds(2)
  /// Idle workers are replaced this long after one was taken, so that the start of a process does not compete with
  /// the start of the service.
  public static let workerRefillPause = Duration.milliseconds(250)
  /// Idle workers are kept this long after one was last wanted: who works, works again soon; a peer that only takes part does not
  /// hold 20 MiB for it. The first request after that waits longer for its media: 290 instead of 110 ms over three nodes.
  public static let workersKept = Duration.seconds(120)
  /// The longest pause before a crashing worker executable is tried again; it doubles from the refill pause.
  public static let workerRefillPauseMost = Duration.seconds(15)
}
