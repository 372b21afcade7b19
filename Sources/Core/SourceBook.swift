import Base
import Composition
import Identity
import Streams
import Vocabulary

/// The sources that this node has looked at: which path holds which content.
struct SourceBook: Sendable {
  private var byPath: OrderedDictionary<String, SourceDescription> = [:]
  /// Who waits for a path to be probed.
  var waiting: OrderedDictionary<String, [(node: NodeID, token: UInt64)]> = [:]

  mutating func learn(_ path: String, _ source: SourceDescription) {
    if byPath[path] == nil, byPath.count >= Limits.knownSources { byPath.removeFirst() }
    byPath[path] = source
  }

  /// The path whose content makes the group's output: the key that an assignment names is computed again from what this node
  /// shares, so a manager can ask for no file but those that were resolved by name.
  func path(making spec: GroupSpec, catalogue: Catalogue) -> String? {
    byPath.reversed().first { _, source in catalogue.outputKey(of: spec, source: source.key) == spec.output }?.key
  }
}

extension Limits {
  /// Sources that a node remembers having looked at.
  public static let knownSources = 1_024
  /// Requests that a portal has under way.
  public static let submissions = 256
  /// How long a portal waits for the node that shares a source: a large file is read once for its digest.
  public static let resolveTime = Duration.seconds(30)
  /// How long a portal waits for a service to run before it tells the client that it does not.
  public static let submissionTime = Duration.seconds(45)
  /// How long an inquiry waits for peers.
  public static let inquiryTime = Duration.milliseconds(1_500)
  /// Peers that are asked when nobody here knows a service.
  public static let inquiredPeers = 64
}
