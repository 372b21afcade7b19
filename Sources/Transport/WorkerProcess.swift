import Base
import Glibc

/// How a worker ended.
public enum WorkerExit: Hashable, Sendable, CustomStringConvertible {
  /// It left of its own accord; 0 is well.
  case exited(Int32)
  /// A signal ended it: 9 when this peer killed it, 11 when hostile media crashed it.
  case signalled(Int32)
  /// It is gone, and someone else has its status.
  case unknown

  public var description: String {
    switch self {
    case .exited(let status): "exited with status \(status)"
    case .signalled(let signal): "ended by signal \(signal) (\(String(cString: strsignal(signal))))"
    case .unknown: "gone"
    }
  }
}

/// Why a worker could not be started.
public struct WorkerStartError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The executable.
  public let path: String
  /// In the system's words.
  public let reason: String
  public var description: String { "worker \(path): cannot be started: \(reason)" }
}

/// A child process and this end of its socket pair.
struct WorkerProcess {
  let pid: pid_t
  /// This end; the child has the other as descriptor 3.
  let socket: Int32

  /// Starts `path`. Its input and output are `/dev/null`, its errors go where this process's go, descriptor 3 is its
  /// socket, and nothing else of this process is open in it. Takes about a millisecond, until it runs.
  ///
  /// Call it on a thread that lives as long as this process: the child asks to be killed with its parent *thread*.
  static func start(_ path: String, _ arguments: [String]) throws(WorkerStartError) -> WorkerProcess {
    func fail(_ code: Int32) -> WorkerStartError {
      WorkerStartError(path: path, reason: String(cString: strerror(code)))
    }
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw fail(errno)
    }
    let (ours, theirs) = (ends[0], ends[1])
    defer { close(theirs) }

    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    posix_spawn_file_actions_adddup2(&files, theirs, 3)
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0)
    guard let closeFrom = WorkerProcess.closeFrom, closeFrom(&files, 4) == 0 else { throw fail(ENOSYS) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    // A group of its own: Ctrl-C ends the node, which ends its workers, and not a worker before its node.
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

    var pid: pid_t = 0
    let words = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    let code = posix_spawn(&pid, path, &files, &attributes, words, environ)
    guard code == 0 else {
      close(ours)
      throw fail(code)
    }
    return WorkerProcess(pid: pid, socket: ours)
  }

  /// `posix_spawn_file_actions_addclosefrom_np` (glibc 2.34), which its header shows only under `_DEFAULT_SOURCE`.
  private static let closeFrom: CloseFrom? = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np")
    .map { unsafeBitCast($0, to: CloseFrom.self) }
  private typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

  func kill() { _ = Glibc.kill(pid, SIGKILL) }

  /// Nil while it runs. Afterwards its process ID may belong to another process: do not ask or kill again.
  func reap() -> WorkerExit? {
    var status: Int32 = 0
    let found = waitpid(pid, &status, WNOHANG)
    if found == 0 || (found < 0 && errno == EINTR) { return nil }
    guard found == pid else { return .unknown }
    let signal = status & 0x7f
    return signal == 0 ? .exited(status >> 8 & 0xff) : .signalled(signal)
  }
}
