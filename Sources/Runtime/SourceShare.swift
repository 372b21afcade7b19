import Foundation
import Streams
import Vocabulary

/// The directory that an operator shares: names in it become files, and nothing outside it is ever opened.
final class SourceShare {
  /// What a file was when it was probed: if any of this differs, it is probed again.
  struct Stamp: Hashable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    let modified: Int64
  }

  private let root: String?
  private var known: [String: (Stamp, SourceDescription)] = [:]
  /// Probed files that are remembered; the rest is probed again.
  static let remembered = 1_024

  /// - Parameter directory: the shared directory; nil shares nothing.
  init(directory: String?) throws(ConfigurationError) {
    guard let directory else {
      root = nil
      return
    }
    guard let resolved = realpath(directory, nil) else {
      throw ConfigurationError("share", "“\(directory)” is not a directory that can be read")
    }
    defer { free(resolved) }
    root = String(cString: resolved)
  }

  /// The file that `path` names, links followed, if it lies in the share and is a regular file that can be read.
  func file(at path: String) -> Result<(path: String, stamp: Stamp), WorkerFault> {
    func missing(_ why: String) -> Result<(path: String, stamp: Stamp), WorkerFault> {
      .failure(WorkerFault(kind: "source_missing", stage: nil, message: "“\(path)”: \(why)"))
    }
    guard let root else { return missing("this node shares nothing") }
    guard let resolved = realpath(root + "/" + path, nil) else { return missing("no such file in this node's share") }
    defer { free(resolved) }
    let file = String(cString: resolved)
    guard file.hasPrefix(root + "/") else { return missing("no such file in this node's share") }
    var status = stat()
    guard stat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, access(file, R_OK) == 0 else {
      return missing("not a file that this node can read")
    }
    let modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    return .success(
      (
        file,
        Stamp(
          device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size), modified: modified)
      ))
  }

  /// What an unchanged file was found to be.
  func description(of path: String, stamp: Stamp) -> SourceDescription? {
    guard let (then, description) = known[path], then == stamp else { return nil }
    return description
  }

  /// Keeps what a probe found.
  func remember(_ description: SourceDescription, of path: String, stamp: Stamp) {
    if known.count >= SourceShare.remembered { known.removeAll() }
    known[path] = (stamp, description)
  }
}
