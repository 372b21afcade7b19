import Base
import Foundation
import GRDB
import Glibc
import Identity
import Vocabulary

/// The database file: how it is opened, checked and laid out.
enum StoreFile {
  static let layout = 1

  static func open(_ file: String) throws(StoreError) -> DatabaseQueue {
    do {
      try makePrivate(file)
      let database = try DatabaseQueue(path: file, configuration: configuration)
      try database.writeWithoutTransaction { try prepare($0, file) }
      return database
    } catch { throw StoreError(error, file: file) }
  }

  /// Moves a damaged database away with its companions; returns its new name.
  static func moveAside(_ file: String) throws(StoreError) -> String {
    var number = 1
    while access("\(file).corrupt-\(number)", F_OK) == 0 { number += 1 }
    let name = "\(file).corrupt-\(number)"
    guard rename(file, name) == 0 else { throw .unusable(file, reason: String(cString: strerror(errno))) }
    for companion in ["-wal", "-shm", "-journal"] { rename(file + companion, name + companion) }
    return name
  }

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.label = "millrace.store"
    configuration.maximumReaderCount = 1
    configuration.busyMode = .immediateError
    configuration.prepareDatabase { database in
      // One process has the file, from the first read to its end: a second peer on the same directory is told so,
      // and no shared memory is needed for the write-ahead log.
      try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
      try database.execute(sql: "PRAGMA journal_mode = WAL")
      // Each commit waits for one fdatasync of the log: a vote is on disk before it is sent. NORMAL would not wait.
      try database.execute(sql: "PRAGMA synchronous = FULL")
      try database.execute(sql: "PRAGMA cache_size = -512")
      try database.execute(sql: "PRAGMA journal_size_limit = 4194304")
    }
    return configuration
  }

  /// Made before SQLite would make it readable to all; the log takes its mode.
  private static func makePrivate(_ file: String) throws {
    let descriptor = Glibc.open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw StoreError.unusable(file, reason: String(cString: strerror(errno))) }
    fchmod(descriptor, 0o600)
    close(descriptor)
  }

  private static func prepare(_ database: Database, _ file: String) throws {
    let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    guard found <= layout else { throw StoreError.newer(file, found: found, known: layout) }
    let verdict = try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? "no answer"
    guard verdict == "ok" else { throw StoreError.corrupt(file, reason: verdict) }
    guard found == 0 else { return }
    try database.inTransaction(.immediate) {
      try database.execute(sql: tables)
      try database.execute(sql: "PRAGMA user_version = \(layout)")
      return .commit
    }
  }

  private static let tables = """
    CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE record (
      request BLOB NOT NULL, kind TEXT NOT NULL, key BLOB NOT NULL,
      sequence INTEGER NOT NULL, keep_until INTEGER NOT NULL, bytes BLOB NOT NULL,
      PRIMARY KEY (request, kind, key)
    ) WITHOUT ROWID;
    CREATE INDEX record_keep_until ON record (keep_until);
    CREATE TABLE peer (node BLOB PRIMARY KEY, host TEXT NOT NULL, port INTEGER NOT NULL, seen INTEGER NOT NULL)
      WITHOUT ROWID;
    CREATE TABLE journal (line INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, request BLOB, text TEXT NOT NULL);
    """

  // MARK: Generation

  /// The generation that the file holds, or a new one when the file is new or is not the one that was last written.
  static func generation(_ database: Database, _ file: String, after reason: StoreGeneration.Reason?) throws
    -> StoreGeneration
  {
    let identity = try identity(of: file)
    let known = try fact(database, "generation").flatMap(Bytes32.init)
    let writtenTo = try fact(database, "file")
    if let known, writtenTo == identity { return StoreGeneration(number: known.prefix64, reason: nil) }
    // Drawn, not counted: what was lost may have counted further.
    let drawn = KeyPair.generate().id.key
    try database.inTransaction(.immediate) {
      try setFact(database, "generation", drawn.bytes)
      try setFact(database, "file", identity)
      return .commit
    }
    return StoreGeneration(number: drawn.prefix64, reason: reason ?? (known == nil ? nil : .restored))
  }

  /// The file's number in its file system, which a copy does not share.
  private static func identity(of file: String) throws -> [UInt8] {
    var status = stat()
    guard stat(file, &status) == 0 else { throw StoreError.unusable(file, reason: String(cString: strerror(errno))) }
    return Array("inode \(status.st_ino)".utf8)
  }

  static func fact(_ database: Database, _ name: String) throws -> [UInt8]? {
    try Data.fetchOne(database, sql: "SELECT value FROM fact WHERE name = ?", arguments: [name]).map { Array($0) }
  }

  static func setFact(_ database: Database, _ name: String, _ value: [UInt8]) throws {
    try database.cachedStatement(sql: "INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)")
      .execute(arguments: [name, Data(value)])
  }
}
