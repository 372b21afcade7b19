import GRDB

/// What is wrong with a peer's database, and what to do about it.
public enum StoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Another process has it open.
  case locked(String)
  /// It is damaged, or no database.
  case corrupt(String, reason: String)
  /// A newer Millrace wrote it.
  case newer(String, found: Int, known: Int)
  /// No space is left for it.
  case full(String)
  /// More changes wait for the disk than ``Limits/storeBacklog``.
  case overloaded(String)
  /// The system does not let this process use it.
  case unusable(String, reason: String)

  init(_ error: any Error, file: String) {
    guard let error = error as? DatabaseError else {
      self = error as? StoreError ?? .unusable(file, reason: "\(error)")
      return
    }
    let reason = error.message ?? "\(error.resultCode)"
    switch error.resultCode {
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(file)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .corrupt(file, reason: reason)
    case .SQLITE_FULL: self = .full(file)
    default: self = .unusable(file, reason: reason)
    }
  }

  public var description: String {
    switch self {
    case .locked(let file): "database \(file): in use by another process; two peers cannot share one --data directory"
    case .corrupt(let file, let reason):
      "database \(file): damaged (\(reason)); move it away, and this peer starts a new store generation: it keeps its identity but cannot vote in elections that are under way"
    case .newer(let file, let found, let known):
      "database \(file): layout \(found), this program knows up to \(known); use the newer program"
    case .full(let file): "database \(file): no space left on the device"
    case .overloaded(let file): "database \(file): the disk does not keep up"
    case .unusable(let file, let reason): "database \(file): \(reason)"
    }
  }
}
