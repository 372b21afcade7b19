import Base

extension Limits {
  /// Of the protocol that peers of one overlay share.
  public static let protocolVersion: UInt32 = 1
  /// SWIM's protocol period: one probe each; five peers then idle well below 1 kB/s.
  public static let probePeriod = Duration.seconds(1)
  /// After this without an answer others are asked to try; most paths of the world are shorter than 300 ms.
  public static let probeTimeout = Duration.milliseconds(400)
  /// Members asked to try (SWIM's k).
  public static let indirectProbes = 3
  /// Lifeguard's local health multiplier is at most this: a peer that is slow itself waits up to nine times as long.
  public static let localHealth = 8
  /// A suspicion lives at least this long, times log10 of the members.
  public static let suspicionBase = Duration.seconds(2)
  /// A suspicion that nobody confirms lives this many times longer.
  public static let suspicionPatience = 3.0
  /// Independent suspicions after which the shortest time holds (Lifeguard's K).
  public static let suspicionConfirmations = 3
  /// Bytes of updates in one datagram: with sealing and a probe it stays far below ``datagramBytes``, room for measurements.
  public static let updateBytes = 480
  /// An update is sent this many times, times log10 of the members.
  public static let retransmits = 4.0
  /// Whole views are exchanged with one random member this often: what datagrams lost is mended.
  public static let exchangePeriod = Duration.seconds(30)
  /// One dead member is tried this often: a healed partition is noticed.
  public static let reclaimPeriod = Duration.seconds(15)
  /// The dead are forgotten after this.
  public static let deadKept = Duration.seconds(86_400)
  /// One doubt raises the doubted peer's incarnation by at most this: ten years of a clock in milliseconds, more than any clock
  /// was ever set back; a forged number then neither overflows nor locks the peer out.
  public static let incarnationLeap: UInt64 = 315_360_000_000
  /// Attempts to join are repeated after this until somebody answers.
  public static let joinRetry = Duration.seconds(1)
}
