import Base

// Every queue of this room in numbers. What a node holds for one stream is at most `windowBytes.hard` + `retention` + a
// packet, however long the stream.
extension Limits {
  /// A publisher that has sent nothing else for this long beats.
  public static let beatInterval = Duration.milliseconds(80)
  /// Two missed beats and 40 ms for the way: a consumer then turns to its next upstream.
  public static let silence = Duration.milliseconds(200)
  /// Each silence doubles what counts as the next, so many times at most: 3.2 s.
  public static let silenceDoublings = 4
  /// Until a subscription has held for this long.
  public static let calm = Duration.seconds(3)
  /// A subscription not answered for this long counts as silent: opening a TLS link takes three round trips first.
  public static let answerTime = Duration.seconds(1)
  /// A subscription to a stream not yet known waits this long for its group: a plan's commits arrive in any order.
  public static let parkingTime = Duration.milliseconds(750)
  /// Subscriptions that wait so or for their authorisation, on a node: beyond it the newest is refused.
  public static let parkedSubscriptions = 256

  /// First pause after all upstreams were tried in vain; doubles up to ``retryPauseMost``.
  public static let retryPause = Duration.milliseconds(50)
  /// Longest pause between attempts: the manager's repair is then on its way.
  public static let retryPauseMost = Duration.seconds(2)
  /// Rounds through all upstreams before a consumer reports itself exhausted.
  public static let upstreamCycles = 3
  /// Upstreams of an input: a primary and standbys.
  public static let upstreams = 8

  /// Payload bytes that may be under way to one consumer, its worker's queue included: three raw 720p frames, or a second
  /// at 32 Mbit/s; enough for 80 MB/s at a round trip of 50 ms.
  public static let inputBudget = 4 << 20
  /// Packets beyond the acknowledged one that a publisher sends to one subscriber: slots of text may be empty, so bytes
  /// alone bound nothing. 82 s of audio, 34 minutes of text.
  public static let packetsAhead = 4_096
  /// Unacknowledged payload bytes at which a publisher stops its worker: two seconds of a 32 Mbit/s mezzanine.
  public static let windowSoft = 8 << 20
  /// The same while a subscriber has everything and wants more: then the pipeline downstream is deep, not slow. Twenty raw
  /// 1080p frames.
  public static let windowHard = 64 << 20
  /// Unacknowledged packets beyond which no pipeline is that deep: five seconds of warm-up at 60 a second. It spares the
  /// nodes above a client that has stopped reading from filling their windows to the hard limit.
  public static let pipelinePackets = 320
  /// Packets in a window, by the same token: at this many the worker is stopped and started again when there is room.
  public static let windowPackets = 65_536
  /// Acknowledged payload bytes kept for joiners: sixteen seconds at 2 Mbit/s, so that an equal request a few seconds
  /// later is grafted at the beginning.
  public static let retention = 4 << 20
  /// Formats in one window: a new one comes with a new encoder, and each may carry a mebibyte of extradata.
  public static let windowFormats = 16
  /// What a packet costs the window beyond its payload: positions, origins, headers.
  public static let packetOverhead = 128

  /// A group that makes nothing for this long while a subscriber wants more stalls: perhaps because another is stuck.
  public static let stallTime = Duration.seconds(1)
  /// A subscriber whose oldest unacknowledged packet is this old is stuck, if its group stalls.
  public static let stuckTime = Duration.seconds(3)
  /// A subscriber that says nothing for this long has departed: four missed beats, later than its own subscribers see it.
  public static let subscriberSilence = Duration.milliseconds(400)
  /// The mark of a departed subscriber holds the window for this long: its replacement resumes where it stood.
  public static let departedGrace = Duration.seconds(2)
  /// The same once a replacement has subscribed: a sibling of its first subscriber may stand a little further back.
  public static let replacedGrace = Duration.milliseconds(500)
  /// A group that started no longer ago than this starts once more for a subscriber who stands a little further back than
  /// the first: two subscribers of a dead node never stand at the same position.
  public static let reseatTime = Duration.seconds(3)
  /// Worker deaths within ``restartPeriod`` that a group survives: a packet that kills the worker kills the next one too.
  public static let workerRestarts = 3
  /// See ``workerRestarts``.
  public static let restartPeriod = Duration.seconds(10)

  /// Subscribers of one stream: past it the node's uplink is the bottleneck in any case.
  public static let subscribers = 64
  /// Groups of one node: well above the slots of any machine.
  public static let groups = 256
  /// Bytes of an assignment with its mandate: a few signatures of 100 bytes each.
  public static let assignmentBytes = 64 << 10
}
