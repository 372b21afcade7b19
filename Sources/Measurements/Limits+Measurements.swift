import Base

extension Limits {
  /// A node tells how it fares at least this often, even when nothing moved.
  public static let reportInterval = Duration.seconds(10)
  /// And at most this often, whatever moves.
  public static let reportPause = Duration.milliseconds(500)
  /// Bytes of reports beside one probe: a datagram's room less the probe, its updates and sealing. No part of a report is larger.
  public static let reportBytes = 560
  /// Bytes of reports that a node sends in a second, whatever the number of members.
  public static let reportBudget = 1_200.0
  /// What it did not send is saved up for this long.
  public static let reportSavings = Duration.seconds(3)
  /// A part is piggybacked this many times by each who has it, times log10 of the members.
  public static let reportRetransmits = 2.0
  /// Around a part: signer, signature, tags.
  public static let envelopeBytes = 108
  /// Parts of one message that are looked at: a whole board over a link, of a full overlay.
  public static let exchangedParts = 4 * members
  /// Components in one report: several catalogues' worth.
  public static let reportedComponents = 64
  /// Paths in one report, in pages that fit a datagram each.
  public static let reportedPaths = 16
  /// See ``reportedPaths``.
  public static let pathsPerPage = 8
  /// Streams in one report, in pages that fit a datagram each.
  public static let reportedStreams = 32
  /// See ``reportedStreams``.
  public static let streamsPerPage = 8
  /// Parts of one node's report: its pulse, its offer, and the pages.
  public static let reportParts = 2 + reportedStreams / streamsPerPage + reportedPaths / pathsPerPage
  /// A correction by what was seen of a node loses half of its weight in this time.
  public static let observationHalfLife = Duration.seconds(15)
  /// Datagrams of a packet train.
  public static let trainCars = 10
  /// Bytes of each.
  public static let trainBytes = 1_100
  /// Readings of a path that are kept; their median counts, as a receiver that was busy reads too much or too little.
  public static let trainReadings = 5
  /// A fresh path gets so many trains soon, where there are at most ``freshPaths``; else one.
  public static let firstTrains = 3
  /// See ``firstTrains``.
  public static let freshPaths = 16
  /// Between two trains of a node whose paths are known and whose link idles: 46 bytes a second, whatever the number of peers.
  public static let trainInterval = Duration.seconds(240)
  /// A path is measured anew this often while the node's link is in use; and beyond the first ``freshPaths``, fresh ones are measured one in
  /// this time: 1.2 kB/s.
  public static let busyTrainInterval = Duration.seconds(10)
  /// Between two trains of a node, whatever the number of peers.
  public static let trainPause = Duration.milliseconds(700)
  /// A train that was not answered for so long is lost.
  public static let trainTimeout = Duration.seconds(3)
  /// Trains on their way to this node at a time.
  public static let arrivingTrains = 256
}
