import Base

extension Limits {
  /// Nodes among which a plan is exact. Up to so many all are candidates; of more, the near, the idle, the serving and a few
  /// at random. The search costs their square for each stage.
  public static let placementPool = 24
  /// Steps of the search for one output, beyond which the best so far is taken and said not to be proved: about 50 ms.
  public static let placementSteps = 50_000
  /// Steps of the search for other plans that are as good.
  public static let placementTieSteps = 2_000
  /// Plans as good among which chance decides.
  public static let placementTies = 16
  /// A measurement older than this, in seconds, says nothing: six of the slowest intervals between two were lost.
  public static let measurementAge = 60.0
  /// Stress of a node that somebody could not reach just now: dearer than news of any age that a member may have, so that of two that can read a
  /// source the other is asked.
  public static let suspicionStress = 50.0
  /// Share of its processors and memory beyond which a node takes nothing: measurements are late by seconds.
  public static let nodeCeiling = 0.95
  /// Share of a link beyond which it takes nothing: bitrates are estimates.
  public static let linkCeiling = 0.9
  /// Bits a second that an access link is taken to carry before anything was measured on it.
  public static let assumedLinkRate: Int64 = 100_000_000
  /// Where plans cost this much more than the best, at most, chance may choose between them, against herding. It is a share of what a choice can
  /// change: the stress of the only node that can read the source does not count.
  public static let placementTie = 0.02
  /// Work of others on a node's machine, and traffic of others on a path, takes room up to this share of it.
  public static let othersShare = 0.6
  /// Traffic of others on a path makes it dear up to this share of it.
  public static let othersPathShare = 0.8
}
