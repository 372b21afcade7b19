import Base
import GRDB
import Synchronization
import Vocabulary

/// A peer's memory on disk: one SQLite file in its data directory.
///
/// **Group commit**: a commit costs one wait for the disk, however much it holds. Whatever arrives while a commit is
/// under way waits and goes into the next one together, so that a thousand elections at once cost a few commits and one
/// alone waits for one. A change's completion is called only when it is on disk: votes and promises are sent then, not
/// before.
public final class PeerDatabase: Sendable {
  /// What to do with a damaged file.
  public enum CorruptionPolicy: Sendable {
    /// Refuse to start: the operator decides.
    case refuse
    /// Move it aside and begin a new generation, which cannot vote in elections that are under way.
    case startNewGeneration
  }

  /// Counts since the start, for operators and tests.
  public struct Counters: Hashable, Sendable {
    /// Transactions that are on disk.
    public var commits = 0
    /// Changes in them.
    public var changes = 0
    /// Transactions that failed.
    public var failures = 0
  }

  /// The name of the file within the data directory.
  public static let fileName = "millrace.sqlite"

  /// What was stored when the file was opened.
  public let contents: StoreContents
  /// The database file.
  public let file: String

  private struct Batch: Sendable {
    var changes: [StoreChange]
    var completion: @Sendable (Result<Void, StoreError>) -> Void
  }

  private struct State {
    var waiting: [Batch] = []
    var waitingChanges = 0
    var isCommitting = false
    var counters = Counters()
  }

  private let database: DatabaseQueue
  private let callBack: @Sendable (@escaping @Sendable () -> Void) -> Void
  private let state = Mutex(State())

  /// Opens or creates the database; blocks while it is read.
  /// - Parameters:
  ///   - directory: exists, and belongs to this peer alone.
  ///   - policy: what to do with a damaged file.
  ///   - callBack: runs completions where the peer wants them: `{ eventLoop.execute($0) }`.
  public init(
    directory: String, ifCorrupt policy: CorruptionPolicy = .refuse,
    callBack: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void
  ) throws(StoreError) {
    let file = "\(directory)/\(PeerDatabase.fileName)"
    do throws(StoreError) {
      (database, contents) = try PeerDatabase.open(file, after: nil)
    } catch {
      guard case (.corrupt, .startNewGeneration) = (error, policy) else { throw error }
      (database, contents) = try PeerDatabase.open(file, after: .corrupt(movedTo: try StoreFile.moveAside(file)))
    }
    self.file = file
    self.callBack = callBack
  }

  private static func open(
    _ file: String, after reason: StoreGeneration.Reason?
  ) throws(StoreError) -> (DatabaseQueue, StoreContents) {
    let database = try StoreFile.open(file)
    do {
      let contents = try database.writeWithoutTransaction { database in
        try StoreFile.contents(database, try StoreFile.generation(database, file, after: reason))
      }
      return (database, contents)
    } catch { throw StoreError(error, file: file) }
  }

  /// Counts since the start.
  public var counters: Counters { state.withLock { $0.counters } }

  /// Writes changes, all or none, and calls back when they are on disk or cannot be. Never blocks.
  ///
  /// Calls from one thread complete in their order. After a failure later changes are still tried.
  /// - Parameter completion: is called through `callBack`.
  public func append(
    _ changes: [StoreChange], completion: @escaping @Sendable (Result<Void, StoreError>) -> Void = { _ in }
  ) {
    let (isFull, starts) = state.withLock { state in
      guard state.waitingChanges + changes.count <= Limits.storeBacklog else { return (true, false) }
      state.waiting.append(Batch(changes: changes, completion: completion))
      state.waitingChanges += changes.count
      defer { state.isCommitting = true }
      return (false, !state.isCommitting)
    }
    if isFull { return callBack { [file] in completion(.failure(.overloaded(file))) } }
    if starts { commitNext() }
  }

  /// The journal's last lines, oldest first.
  /// - Parameters:
  ///   - request: whose lines; nil for all.
  ///   - last: how many at most.
  public func journal(_ request: RequestID? = nil, last: Int) throws(StoreError) -> [JournalLine] {
    do { return try database.read { try StoreFile.journal($0, request: request, last: last) } } catch {
      throw StoreError(error, file: file)
    }
  }

  /// Waits for what was given so far and closes the file.
  public func close() throws(StoreError) {
    do {
      // The database's own queue is serial, but each commit queues the next: go round until none is under way.
      while state.withLock({ $0.isCommitting }) { database.writeWithoutTransaction { _ in } }
      try database.close()
    } catch { throw StoreError(error, file: file) }
  }

  // MARK: Committing

  private func commitNext() {
    database.asyncWriteWithoutTransaction { database in
      let batches = self.takeBatches()
      let result = Result { try PeerDatabase.commit(batches, database) }.mapError { StoreError($0, file: self.file) }
      let goesOn = self.state.withLock { state in
        switch result {
        case .success: state.counters.commits += 1
        case .failure: state.counters.failures += 1
        }
        if case .success = result { state.counters.changes += batches.reduce(0) { $0 + $1.changes.count } }
        state.isCommitting = !state.waiting.isEmpty
        return state.isCommitting
      }
      self.callBack { for batch in batches { batch.completion(result) } }
      if goesOn { self.commitNext() }
    }
  }

  /// Everything that waits, up to the size of one commit.
  private func takeBatches() -> [Batch] {
    state.withLock { state in
      var (count, changes) = (0, 0)
      while count < state.waiting.count, count == 0 || changes < Limits.commitChanges {
        changes += state.waiting[count].changes.count
        count += 1
      }
      defer {
        state.waiting.removeFirst(count)
        state.waitingChanges -= changes
      }
      return Array(state.waiting.prefix(count))
    }
  }

  private static func commit(_ batches: [Batch], _ database: Database) throws {
    try database.inTransaction(.immediate) {
      for batch in batches {
        for change in batch.changes { try StoreFile.apply(change, to: database) }
      }
      return .commit
    }
  }
}
