import Base
import Foundation
import Portal

/// A request document on disk.
public enum RequestFile {
  /// The bytes and, by the file's ending, the format: `.json` or YAML. Throws ``ConfigurationError``.
  public static func read(_ path: String) throws -> (bytes: [UInt8], format: DocumentFormat) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ConfigurationError(path, "cannot be read")
    }
    return ([UInt8](data), path.hasSuffix(".json") ? .json : .yaml)
  }
  /// A key under which a repeated attempt is the same request.
  public static func freshKey() -> String { UUID().uuidString }
}

/// What a client received, and when.
public final class Reception {
  /// What `millrace request --json` prints.
  public struct Summary: Codable, Sendable {
    /// The service's ID.
    public var service: String
    /// Which output; nil for the main one.
    public var output: String?
    /// Chunks received.
    public var chunks: Int
    /// Media bytes received.
    public var bytes: Int
    /// First and last position.
    public var firstPosition: UInt64?
    /// See ``firstPosition``.
    public var lastPosition: UInt64?
    /// From asking to the first media byte here.
    public var firstMediaMs: Double?
    /// The longest silence between two chunks, less the usual one.
    public var gapMs: Double?
    /// As the portal measured them.
    public var electionMs: Double?
    /// See ``electionMs``.
    public var placementMs: Double?
    /// Why it ended: `finished`, `time-up`, `player-closed`, `interrupted`.
    public var ending = "finished"
    var playerClosed = false

    private enum CodingKeys: CodingKey {
      case service, output, chunks, bytes, firstPosition, lastPosition, firstMediaMs, gapMs, electionMs, placementMs,
        ending
    }
  }

  private let asked: Int64
  private var first: Int64?
  private var last: Int64?
  private var intervals: [Double] = []
  private var positions: (first: UInt64, last: UInt64)?
  /// Chunks received.
  public private(set) var chunks = 0
  /// Media bytes received.
  public private(set) var bytes = 0

  /// - Parameter asked: when the request was sent, in nanoseconds of the monotonic clock.
  init(asked: Int64) { self.asked = asked }

  /// Counts a chunk, which must follow the one before. Throws when it does not: nothing may be lost or doubled.
  public func take(_ chunk: Chunk) throws {
    let now = monotonicNanoseconds()
    if let positions, chunk.position != positions.last + 1 {
      throw ConfigurationError("media", "position \(chunk.position) came after \(positions.last)")
    }
    positions = (positions?.first ?? chunk.position, chunk.position)
    if let last { intervals.append(Double(now - last) / 1e6) }
    first = first ?? now
    last = now
    chunks += 1
    bytes += chunk.bytes.count
  }

  /// Everything so far.
  func summary(of service: String, output: String?) -> Summary {
    let usual = intervals.sorted().dropFirst(intervals.count / 2).first ?? 0
    return Summary(
      service: service, output: output, chunks: chunks, bytes: bytes, firstPosition: positions?.first,
      lastPosition: positions?.last,
      firstMediaMs: first.map { Double($0 - asked) / 1e6 }, gapMs: intervals.max().map { max(0, $0 - usual) })
  }
}

/// Where received media goes: a file, a player, or both.
public final class Recording {
  private let file: FileHandle?
  private let player: Process?
  private let pipe: Pipe?

  /// Throws ``ConfigurationError`` when the file cannot be written or the player cannot be started.
  public init(record path: String?, play: Bool) throws {
    signal(SIGPIPE, SIG_IGN)
    if let path {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      guard let file = FileHandle(forWritingAtPath: path) else { throw ConfigurationError(path, "cannot be written") }
      self.file = file
    } else {
      file = nil
    }
    guard play else {
      player = nil
      pipe = nil
      return
    }
    let player = Process()
    let pipe = Pipe()
    player.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    player.arguments = ["ffplay", "-loglevel", "error", "-autoexit", "-i", "pipe:0"]
    player.standardInput = pipe
    do { try player.run() } catch { throw ConfigurationError("ffplay", "cannot be started: \(error)") }
    // Else a player that has gone would not be noticed: this end would keep the pipe alive.
    try? pipe.fileHandleForReading.close()
    self.player = player
    self.pipe = pipe
  }

  /// The player does not take any more.
  struct PlayerClosed: Error {}

  /// Throws when the disk is full, and ``PlayerClosed``.
  public func write(_ bytes: [UInt8]) throws {
    let data = Data(bytes)
    try file?.write(contentsOf: data)
    guard let pipe else { return }
    do { try pipe.fileHandleForWriting.write(contentsOf: data) } catch { throw PlayerClosed() }
  }

  /// All was written; waits for the player to show it, or ends it.
  public func close(andWait: Bool = true) {
    try? file?.close()
    try? pipe?.fileHandleForWriting.close()
    if !andWait { player?.terminate() }
    player?.waitUntilExit()
  }
}
