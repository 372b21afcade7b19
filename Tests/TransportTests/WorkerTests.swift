import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import Transport

/// Shell scripts stand for workers: real processes with a socket as descriptor 3.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct WorkerTests {
  private let loop = MultiThreadedEventLoopGroup.singleton.next()

  private func start(_ script: String) async throws -> (WorkerChannel, Inbox<WorkerEvent>) {
    let inbox = Inbox<WorkerEvent>(loop)
    let worker = try await loop.submit {
      let worker = try WorkerChannel.start("/bin/sh", arguments: ["-c", script], on: loop)
      worker.listen { inbox.add($0) }
      return worker
    }.get()
    return (worker, inbox)
  }

  private func end(_ inbox: Inbox<WorkerEvent>) async throws -> (WorkerExit, String?) {
    try await inbox.first { if case .ended(let exit, let garbage) = $0 { (exit, garbage) } else { nil } }
  }

  private func isGone(_ pid: Int32) -> Bool { kill(pid, 0) == -1 && errno == ESRCH }

  @Test("frames go to a worker and come back, large ones too; killing it is seen")
  func echo() async throws {
    let (worker, inbox) = try await start("exec cat <&3 >&3")
    let large = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0) }
    try await loop.submit {
      #expect(worker.send([1, 2, 3]))
      #expect(worker.send(large))
    }.get()
    _ = try await inbox.first { if case .received([1, 2, 3]) = $0 { true } else { nil } }
    _ = try await inbox.first { if case .received(large) = $0 { true } else { nil } }
    try await loop.submit { worker.kill() }.get()
    #expect(try await end(inbox) == (.signalled(SIGKILL), nil))
    #expect(isGone(worker.pid))
    #expect(try await loop.submit { worker.send([1]) }.get() == false)
  }

  @Test("a worker's status is its own, whatever other children do")
  func status() async throws {
    let (_, other) = try await start("exit 3")
    let (_, crashed) = try await start("kill -SEGV $$")
    let (_, inbox) = try await start("exit 7")
    #expect(try await end(inbox) == (.exited(7), nil))
    #expect(try await end(other) == (.exited(3), nil))
    #expect(try await end(crashed) == (.signalled(SIGSEGV), nil))
  }

  @Test("a worker that speaks garbage is killed, and it is said why")
  func garbage() async throws {
    let (_, inbox) = try await start(#"printf '\377\377\377\377' >&3; sleep 60"#)
    let (exit, garbage) = try await end(inbox)
    #expect(exit == .signalled(SIGKILL))
    #expect(garbage?.contains("4294967295") == true)
  }

  @Test("a worker that closes its socket and stays is killed")
  func closedSocket() async throws {
    let (_, inbox) = try await start("exec 3>&-; sleep 60")
    #expect(try await end(inbox).0 == .signalled(SIGKILL))
  }

  @Test("a worker has none of the node's descriptors but its socket")
  func descriptors() async throws {
    let mine = (0..<20).map { _ in open("/dev/null", O_RDONLY) }
    defer { for descriptor in mine { close(descriptor) } }
    // The first byte of a frame's body: how many descriptors of 4 and more lead to /dev/null.
    let (_, inbox) = try await start(
      #"n=0; for f in /proc/$$/fd/*; do case ${f##*/} in [0-3]) ;; *) [ "$(readlink $f)" = /dev/null ] && n=$((n+1));; esac; done; printf "\0\0\0\1\\$(printf %o $n)" >&3"#
    )
    let count = try await inbox.first { if case .received(let bytes) = $0 { bytes } else { nil } }
    #expect(count == [0])
  }

  @Test("what waits for a worker that does not read is bounded")
  func backlog() async throws {
    let (worker, inbox) = try await start("sleep 60")
    let frame = [UInt8](repeating: 1, count: 4 << 20)
    let (taken, queued) = try await loop.submit {
      ((0..<64).count { _ in worker.send(frame) }, worker.queuedBytes)
    }.get()
    #expect(taken < 20 && queued <= 32 << 20)
    try await loop.submit { worker.kill() }.get()
    _ = try await end(inbox)
  }

  @Test("an executable that is not there is named")
  func missing() async throws {
    await #expect(throws: WorkerStartError(path: "/no/such/worker", reason: "No such file or directory")) {
      try await loop.submit { try WorkerChannel.start("/no/such/worker", on: loop) }.get()
    }
  }

  @Test("a pool hands out a ready worker at once, replaces it, and leaves none behind")
  func pool() async throws {
    let script = #"printf '\0\0\0\1R' >&3; exec cat <&3 >&3"#
    let pool = WorkerPool(path: "/bin/sh", arguments: ["-c", script], ahead: 2, on: loop)
    let inbox = Inbox<WorkerEvent>(loop)
    try await loop.submit {
      try pool.start()
      #expect(pool.idleCount == 2)
    }.get()
    let (worker, elapsed) = try await loop.submit {
      let start = NIODeadline.now()
      let worker = try pool.take { inbox.add($0) }
      return (worker, NIODeadline.now() - start)
    }.get()
    print("figure: a worker is handed out in \(Double(elapsed.nanoseconds) / 1e3) µs")
    _ = try await inbox.first { if case .received([0x52]) = $0 { true } else { nil } }
    #expect(try await eventually(loop) { pool.idleCount == 2 && pool.busyCount == 1 })
    try await loop.submit { _ = worker.send([9]) }.get()
    _ = try await inbox.first { if case .received([9]) = $0 { true } else { nil } }
    try await loop.flatSubmit { pool.stop() }.get()
    #expect(isGone(worker.pid))
    #expect(try await loop.submit { (pool.idleCount, pool.busyCount) }.get() == (0, 0))
    #expect(try await loop.submit { pool.crashes }.get() == 0)
  }

  @Test("workers that nobody has wanted for a while are let go, and are there again once work is expected")
  func retirement() async throws {
    let pool = WorkerPool(path: "/bin/sh", arguments: ["-c", "cat <&3"], ahead: 2, kept: .milliseconds(200), on: loop)
    try await loop.submit {
      try pool.start()
      #expect(pool.idleCount == 2)
    }.get()
    #expect(try await eventually(loop) { pool.idleCount == 0 })
    try await loop.submit {
      pool.expect()
      #expect(pool.idleCount == 1)
    }.get()
    let inbox = Inbox<WorkerEvent>(loop)
    let worker = try await loop.submit { try pool.take { inbox.add($0) } }.get()
    #expect(try await eventually(loop) { pool.idleCount == 0 && pool.busyCount == 1 })
    #expect(!isGone(worker.pid), "a worker with a job is not let go")
    #expect(try await loop.submit { pool.crashes }.get() == 0, "to be let go is no crash")
    try await loop.flatSubmit { pool.stop() }.get()
  }

  @Test("an executable that crashes at once is tried again, at growing intervals")
  func crashing() async throws {
    let pool = WorkerPool(path: "/bin/sh", arguments: ["-c", "exit 1"], ahead: 1, on: loop)
    try await loop.submit { try pool.start() }.get()
    #expect(try await eventually(loop) { pool.crashes >= 2 })
    try await loop.flatSubmit { pool.stop() }.get()
    // Without pauses it would be hundreds by now.
    #expect(try await loop.submit { pool.crashes }.get() < 6)
  }
}
