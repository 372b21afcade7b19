import Base

extension Limits {
  /// Of the protocol that peers of one overlay share.
  public static let protocolVersion: UInt32 = 1
  /// SWIM's protocol period: one probe each; five peers then idle well below 1 kB/s.
  public static let probePeriod = Duration.seconds(1)
  /// The same until ``orientation`` round trips were taken: coordinates are then of use within ten seconds of a start.
  public static let orientingPeriod = Duration.milliseconds(200)
  /// Vivaldi needs some dozens of round trips to settle (Dabek et al., figure 5).
  public static let orientation = 40
  /// After this without an answer others are asked to try; most paths of the world are shorter than 300 ms.
  public static let probeTimeout = Duration.milliseconds(400)
  /// A far member gets twice its own round trip, but others must still have time to try within the period.
  public static let longestProbeTimeout = Duration.milliseconds(700)
  /// A helper says that it failed after this: early enough to be heard before the asker judges.
  public static let helperTimeout = Duration.milliseconds(320)
  /// Members asked to try (SWIM's k).
  public static let indirectProbes = 3
  /// Probes that a peer does for others at a time; more is refused in silence.
  public static let errands = 64
  /// Lifeguard's local health multiplier is at most this: a peer that is slow itself waits up to nine times as long.
  public static let localHealth = 8
  /// A timer that is later than this means that this peer itself stood still: nobody is accused for that.
  public static let oversleep = Duration.milliseconds(800)
  /// A suspicion lives at least this long, times log10 of the members. Five peers then see a killed one dead in about four seconds.
  public static let suspicionBase = Duration.milliseconds(1_500)
  /// A suspicion that nobody confirms lives this many times longer.
  public static let suspicionPatience = 3.0
  /// Independent suspicions after which the shortest time holds (Lifeguard's K).
  public static let suspicionConfirmations = 3
  /// About this many of those who hear of a suspicion look for themselves at once, whatever the number of members.
  public static let onlookers = 6
  /// About this many look once more at its half-time: gossip leaves out somebody now and then, whom the suspect's answer reaches.
  public static let lastLooks = 24
  /// Bytes of updates in one datagram: with sealing and a probe it stays far below ``datagramBytes``, room for measurements.
  public static let updateBytes = 480
  /// Updates of one datagram that are looked at.
  public static let datagramUpdates = 32
  /// An update is sent this many times, times log10 of the members: fewer, and a lossy network leaves out somebody too often.
  public static let retransmits = 6.0
  /// News do not wait for the next probe: they go out this soon, with what else came meanwhile.
  public static let gossipPause = Duration.milliseconds(150)
  /// To so many members at a time.
  public static let gossipFanOut = 2
  /// Members that a leaving peer tells itself.
  public static let farewells = 4
  /// Until each piece of news was sent so often; the rest of its retransmits rides on probes.
  public static let urgentSends = 2
  /// Whole views are exchanged with one random member this often: what datagrams lost is mended.
  public static let exchangePeriod = Duration.seconds(60)
  /// After a join the first exchange comes this soon, each later one after twice the time, up to ``exchangePeriod``.
  public static let firstExchange = Duration.seconds(2)
  /// Members that somebody else's view holds for dead and this peer for alive, that are asked at once.
  public static let hearsay = 64
  /// One dead member is tried this often: a healed partition is noticed.
  public static let reclaimPeriod = Duration.seconds(10)
  /// The dead are forgotten after this.
  public static let deadKept = Duration.seconds(86_400)
  /// Attempts to join are repeated after this until somebody answers, each time later, up to ``longestJoinRetry``.
  public static let joinRetry = Duration.seconds(1)
  /// Contacts that stay silent are not asked more often than this.
  public static let longestJoinRetry = Duration.seconds(30)
  /// Wall-clock milliseconds of a start and a few refutations stay far below; above it is a lie.
  public static let incarnation: UInt64 = 1 << 56
  /// An incarnation heard that is this much above the own one is not answered more often: two peers under one key would race.
  public static let recallPause = Duration.seconds(1)
  /// Records refused lately, kept to be shown.
  public static let refusedRecords = 64
}
