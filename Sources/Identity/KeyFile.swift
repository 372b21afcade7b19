import Base
import CSodium
import Glibc

/// The file that holds a peer's key: three lines of text, mode 0600, written whole or not at all.
///
/// ```
/// millrace key 1
/// seed SEED   (52 characters of base32: the secret)
/// node NODE   (what the seed must give: a damaged file is noticed, not used)
/// ```
public enum KeyFile {
  static let firstLine = "millrace key 1"

  /// The key in `path`, or a fresh one that is on disk when this returns.
  public static func loadOrCreate(at path: String) throws(KeyFileError) -> KeyPair {
    do { return try load(at: path) } catch .missing { return try create(at: path) }
  }

  /// The key in `path`, which must be a regular file that only its owner can read.
  public static func load(at path: String) throws(KeyFileError) -> KeyPair {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw errno == ENOENT ? .missing(path) : .unreadable(path, reason: systemReason()) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw .unreadable(path, reason: systemReason()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path, reason: "not a regular file") }
    guard status.st_mode & 0o077 == 0 else { throw .exposed(path, mode: UInt16(status.st_mode & 0o777)) }
    var bytes = [UInt8](repeating: 0, count: 1_024)
    defer { sodium_memzero(&bytes, bytes.count) }
    let count = read(file, &bytes, bytes.count)
    guard count >= 0 else { throw .unreadable(path, reason: systemReason()) }
    return try parse(String(decoding: bytes.prefix(count), as: UTF8.self), path)
  }

  /// A fresh key, written to `path`, which must not exist yet. Missing folders are made (mode 0700).
  public static func create(at path: String) throws(KeyFileError) -> KeyPair {
    let keys = KeyPair.generate()
    let folder = folder(of: path)
    try makeFolders(folder, for: path)
    let draft = "\(path).new-\(getpid())"
    let file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .unwritable(path, reason: systemReason()) }
    defer { unlink(draft) }
    var text = Array("\(firstLine)\nseed \(TextForm.base32(keys.seed.bytes))\nnode \(keys.id)\n".utf8)
    defer { sodium_memzero(&text, text.count) }
    let written = write(file, text, text.count) == text.count && fsync(file) == 0
    let reason = systemReason()
    close(file)
    guard written else { throw .unwritable(path, reason: reason) }
    // A link instead of a rename: of two peers that start at once, the second must not replace the first one's key.
    guard link(draft, path) == 0 else {
      if errno == EEXIST { return try load(at: path) }
      throw .unwritable(path, reason: systemReason())
    }
    try sync(folder: folder, for: path)
    return keys
  }

  private static func parse(_ text: String, _ path: String) throws(KeyFileError) -> KeyPair {
    let lines = text.split(separator: "\n")
    guard lines.first == firstLine[...] else { throw .corrupt(path, reason: "its first line is not “\(firstLine)”") }
    func value(_ name: String) throws(KeyFileError) -> Bytes32 {
      guard let line = lines.first(where: { $0.hasPrefix(name + " ") }) else {
        throw .corrupt(path, reason: "it has no line “\(name) …”")
      }
      guard let bytes = TextForm.bytes(base32: line.dropFirst(name.count + 1)), let value = Bytes32(bytes) else {
        throw .corrupt(path, reason: "the value of “\(name)” is not 52 characters of base32")
      }
      return value
    }
    let keys = KeyPair(seed: try value("seed"))
    guard keys.id == NodeID(try value("node")) else {
      throw .corrupt(path, reason: "its seed does not give its node ID: one of the two was altered")
    }
    return keys
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func makeFolders(_ folder: String, for path: String) throws(KeyFileError) {
    if mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, folder.contains("/"), folder != "/" else {
      throw .unwritable(path, reason: systemReason())
    }
    try makeFolders(self.folder(of: folder), for: path)
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .unwritable(path, reason: systemReason()) }
  }

  private static func sync(folder: String, for path: String) throws(KeyFileError) {
    let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw .unwritable(path, reason: systemReason()) }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw .unwritable(path, reason: systemReason()) }
  }

  private static func systemReason() -> String { String(cString: strerror(errno)) }
}

/// What is wrong with a key file, and what to do about it. Never shows the secret.
public enum KeyFileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no such file.
  case missing(String)
  /// The system does not let this process read it.
  case unreadable(String, reason: String)
  /// The system does not let this process write it.
  case unwritable(String, reason: String)
  /// Others than its owner may read or write it.
  case exposed(String, mode: UInt16)
  /// Its content is not that of a key file.
  case corrupt(String, reason: String)

  public var description: String {
    switch self {
    case .missing(let path): "key file \(path): does not exist; `millrace keys new` makes one"
    case .unreadable(let path, let reason): "key file \(path): cannot be read: \(reason)"
    case .unwritable(let path, let reason): "key file \(path): cannot be written: \(reason)"
    case .exposed(let path, let mode):
      "key file \(path): its mode is 0\(String(mode, radix: 8)), so that others can use the key; expected 0600: `chmod 600 \(path)`"
    case .corrupt(let path, let reason):
      "key file \(path): \(reason); restore it from a backup, or move it away and this peer takes a new identity"
    }
  }
}
