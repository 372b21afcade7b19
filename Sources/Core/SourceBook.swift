import Base
import Composition
import Identity
import Streams
import Vocabulary
import Wire

/// The sources that this node has looked at: which path holds which content. What was looked at before a restart is remembered too, but
/// a file may have changed since: it is looked at again before it is read.
struct SourceBook: Sendable {
  private var byPath: OrderedDictionary<String, SourceDescription> = [:]
  private var remembered: OrderedDictionary<String, SourceDescription> = [:]
  /// Who waits for a path to be probed.
  var waiting: OrderedDictionary<String, [(node: NodeID, token: UInt64)]> = [:]
  /// Workers that wait for a remembered path to be looked at again.
  private(set) var held: OrderedDictionary<String, [HeldWorker]> = [:]

  /// A worker that has not been started yet, with what it was told meanwhile.
  struct HeldWorker: Sendable {
    var worker: WorkerID
    var job: WorkerJob
    var commands: [WorkerCommand] = []
  }

  init() {}

  /// Sources looked at, now or in an earlier life.
  var known: Int { byPath.count + remembered.count }
  /// Peers that wait for a path to be probed.
  var asking: Int { waiting.values.reduce(0) { $0 + $1.count } }

  /// What an earlier life of this node had looked at.
  init(restoring memory: Memory) {
    for record in memory.records where record.name.kind == Record.sourceKind && remembered.count < Limits.knownSources {
      guard let wire = try? WireSourceInfo(parsing: record.bytes), let source = try? SourceDescription(validating: wire)
      else { continue }
      remembered[String(decoding: record.name.key, as: UTF8.self)] = source
    }
  }

  /// - Returns: what is to be remembered, and what no longer, when the path is new or its content changed.
  mutating func learn(_ path: String, _ source: SourceDescription) -> (remember: Record?, forget: Record.Name?) {
    var forgotten: Record.Name?
    if byPath[path] == nil, byPath.count >= Limits.knownSources {
      forgotten = Record.Name(kind: Record.sourceKind, key: Array(byPath.removeFirst().key.utf8))
    }
    let isNews = (byPath[path] ?? remembered[path]) != source
    byPath[path] = source
    remembered[path] = nil
    return (isNews ? Record(path: path, source) : nil, forgotten)
  }

  /// Holds a worker back until `path` has been looked at.
  mutating func hold(_ worker: WorkerID, _ job: WorkerJob, for path: String) {
    held[path, default: []].append(HeldWorker(worker: worker, job: job))
  }

  /// - Returns: whether the worker is held; then it will be told.
  mutating func holds(_ command: WorkerCommand, to worker: WorkerID) -> Bool {
    for path in held.keys {
      guard let place = held[path]!.firstIndex(where: { $0.worker == worker }) else { continue }
      held[path]![place].commands.append(command)
      return true
    }
    return false
  }

  /// Those that waited for `path`, in order.
  mutating func release(_ path: String) -> [HeldWorker] { held.removeValue(forKey: path) ?? [] }

  /// A worker is not wanted any more.
  mutating func forget(_ worker: WorkerID) {
    for path in held.keys { held[path]!.removeAll { $0.worker == worker } }
  }

  /// A remembered file is not there any more.
  /// - Returns: what is to be forgotten.
  mutating func lose(_ path: String) -> Record.Name? {
    remembered.removeValue(forKey: path).map { _ in Record.Name(kind: Record.sourceKind, key: Array(path.utf8)) }
  }

  /// The path whose content makes the group's output: the key that an assignment names is computed again from what this node
  /// shares, so a manager can ask for no file but those that were resolved by name.
  func path(making spec: GroupSpec, catalogue: Catalogue) -> String? {
    SourceBook.path(making: spec, among: byPath, catalogue)
  }

  /// As ``path(making:catalogue:)``, among what was looked at before a restart.
  func rememberedPath(making spec: GroupSpec, catalogue: Catalogue) -> String? {
    SourceBook.path(making: spec, among: remembered, catalogue)
  }

  private static func path(
    making spec: GroupSpec, among sources: OrderedDictionary<String, SourceDescription>, _ catalogue: Catalogue
  ) -> String? {
    sources.reversed().first { _, source in catalogue.outputKey(of: spec, source: source.key) == spec.output }?.key
  }
}

extension Record {
  static let sourceKind = "source"

  init(path: String, _ source: SourceDescription) {
    self.init(
      kind: Record.sourceKind, key: Array(path.utf8), bytes: source.wire.wireBytes, keepUntil: .distantFuture)
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
  /// Services that are over and are shown, the newest; see ``overKept``.
  public static let overServices = 1_024
  /// Clients that wait for one answer: those that came again with an idempotency key, or wish the same end.
  public static let waitingClients = 256
  /// How long an inquiry waits for peers.
  public static let inquiryTime = Duration.milliseconds(1_500)
  /// Peers that are asked when nobody here knows a service; of those whom they point to, as many again.
  public static let inquiredPeers = 64
}
