import Base
import Core
import Foundation
import Identity
import Logging
import Measurements
import NIOCore
import NIOPosix
import Portal
import Store
import Vocabulary

/// One running peer: `millrace node`.
public enum Peer {
  /// Runs until SIGTERM or SIGINT, then leaves in good order.
  /// - Throws: what the operator must mend, in words: a port in use, a damaged key, a share that is not there.
  public static func run(_ configuration: NodeConfiguration) async throws {
    signal(SIGPIPE, SIG_IGN)
    let interruption = Interruption()
    let logger = Log.logger(level: configuration.log)

    let keyPath = Keys.path(in: configuration.data)
    let identityIsNew = access(keyPath, F_OK) != 0
    let keys = try KeyFile.loadOrCreate(at: keyPath)
    let isFirstStart =
      identityIsNew
      || access("\(configuration.data)/\(PeerDatabase.fileName)", F_OK) != 0
        && !FileManager.default.fileExists(atPath: "\(configuration.data)/started")
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let database = try PeerDatabase(directory: configuration.data, ifCorrupt: .startNewGeneration) { work in
      loop.execute(work)
    }
    _ = FileManager.default.createFile(atPath: "\(configuration.data)/started", contents: nil)
    if let reason = database.contents.generation.reason {
      logger.warning(
        "a new generation of the store begins: \(reason); corrupt or restored stores cannot vote in elections under way"
      )
    }

    let cores = configuration.cores ?? Double(MachineReader.cores)
    let offer = NodeOffer(
      components: configuration.components, slots: configuration.slots, cores: cores,
      machineCores: Double(MachineReader.cores), memory: configuration.memory ?? MachineReader.memory / 2,
      upCap: configuration.up ?? 0, downCap: configuration.down ?? 0)
    let settings = NodeSettings(
      address: configuration.listen, portal: "http://\(configuration.portal)", offer: offer,
      identityIsNew: isFirstStart,
      election: configuration.election, requestLife: .fromSeconds(configuration.requestLife)
    )
    let journal = try EventJournal(trace: configuration.trace, of: keys.id)
    let peer: PeerLoop = try await loop.submit {
      let share = try SourceShare(directory: configuration.share)
      return PeerLoop(
        loop: loop, keys: keys, configuration: configuration, database: database, share: share, settings: settings,
        journal: journal, logger: logger)
    }.get()
    let starting: EventLoopFuture<Void> = loop.flatSubmit { peer.start(workerPath: WorkerExecutable.path) }
    try await starting.get()
    logger.info("peer \(keys.id) listens on \(configuration.listen), portal http://\(configuration.portal)/")

    let server = PortalServer(
      backend: PeerBackend(peer: peer),
      configuration: PortalConfiguration(host: configuration.portal.host, port: Int(configuration.portal.port)),
      group: group, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await server.run() }
      tasks.addTask { _ = await interruption.came() }
      _ = try await tasks.next()
      tasks.cancelAll()
    }
    logger.info("leaving")
    let stopping: EventLoopFuture<Void> = loop.flatSubmit { peer.stop() }
    try await stopping.get()
    try? database.close()
  }
}

private enum Log {
  static func logger(level: String) -> Logger {
    var logger = Logger(label: "millrace") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = Logger.Level(rawValue: level) ?? .info
    return logger
  }
}

/// The worker's executable stands beside this one.
enum WorkerExecutable {
  static var path: String {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return (own as NSString).deletingLastPathComponent + "/millrace-worker"
  }
}

/// A node's identity on disk.
public enum Keys {
  static func path(in data: String) -> String { "\(data)/node.key" }

  /// The key of a data directory. Throws `KeyFileError`.
  public static func existing(in data: String) throws -> KeyPair { try KeyFile.load(at: path(in: data)) }

  /// A fresh key in a data directory. Throws `KeyFileError`, also when there is one.
  public static func new(in data: String) throws -> KeyPair {
    guard access(path(in: data), F_OK) != 0 else {
      throw ConfigurationError(
        path(in: data), "there is a key already; it is never overwritten: move it away yourself if it is to go")
    }
    return try KeyFile.create(at: path(in: data))
  }
}

/// What this program is.
public enum Build {
  /// Of the program; the protocol has its own.
  public static let version = "0.1.0"
}

/// The process's environment.
public enum Environment {
  /// By name.
  public static var all: [String: String] { ProcessInfo.processInfo.environment }
}

/// Standard output is block-buffered into a pipe.
public enum StandardStreams {
  /// Writes out what is buffered.
  public static func flush() { fflush(nil) }
  /// Writes a line to standard error.
  public static func complain(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}

extension StandardStreams {
  /// Whether a person looks at standard error.
  public static var isTerminal: Bool { isatty(2) == 1 }
  /// Writes over the current line of standard error.
  public static func overwrite(_ text: String) { FileHandle.standardError.write(Data("\r\(text)".utf8)) }
}

/// The monotonic clock, for people's progress lines.
public enum Monotonic {
  /// Since some moment before the process began.
  public static var seconds: Double { Double(monotonicNanoseconds()) / 1e9 }
}
