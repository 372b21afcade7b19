import Base
import NIOCore

/// Workers started ahead: a group's start then costs a message, not a process.
///
/// One is handed out at once and replaced a little later. An executable that crashes or cannot be started is tried
/// again at growing intervals, so that a broken installation costs little. Where nothing is asked for, none are kept: a
/// worker's libraries take more memory than all the rest of an idle peer.
///
/// Confined to its event loop: every method is called on it, and events are delivered on it.
public final class WorkerPool: @unchecked Sendable {
  /// Workers that wait for a job.
  public var idleCount: Int { idle.count }
  /// Workers that were taken and have not ended.
  public var busyCount: Int { busy.count }
  /// Idle workers that ended by themselves since the start: 0, if the installation is sound.
  public private(set) var crashes = 0
  /// Why the last start failed; nil when it did not.
  public private(set) var lastFailure: String?

  private let path: String
  private let arguments: [String]
  private let ahead: Int
  private let kept: Duration
  private let eventLoop: any EventLoop
  private var idle: [WorkerChannel] = []
  /// Idle ones that were told to go.
  private var leaving: [WorkerChannel] = []
  private var lastWanted = Instant.zero
  private var isRetirementDue = false
  private var busy: [Int32: WorkerChannel] = [:]
  private var pause = Limits.workerRefillPause
  private var notBefore = Instant.zero
  private var isRefillDue = false
  private var isStopped = false
  private var onStopped: EventLoopPromise<Void>?

  /// - Parameters:
  ///   - path: the worker's executable.
  ///   - arguments: after the executable's own name.
  ///   - ahead: workers kept idle; 0 starts each when it is wanted.
  ///   - kept: for how long after one was last wanted.
  ///   - eventLoop: one whose thread lives as long as the peer does.
  public init(
    path: String, arguments: [String] = [], ahead: Int, kept: Duration = Limits.workersKept, on eventLoop: any EventLoop
  ) {
    self.path = path
    self.arguments = arguments
    self.ahead = ahead
    self.kept = kept
    self.eventLoop = eventLoop
  }

  /// Starts the first idle workers. Fails when the executable cannot be started at all.
  public func start() throws(WorkerStartError) {
    eventLoop.preconditionInEventLoop()
    while idle.count < ahead { try addIdle() }
    noteWanted()
  }

  /// Work is about to come: starts the idle workers that are not there.
  public func expect() {
    eventLoop.preconditionInEventLoop()
    noteWanted()
    guard idle.isEmpty, ahead > 0, !isStopped, Instant.now(eventLoop) >= notBefore else { return refill() }
    do throws(WorkerStartError) { try addIdle() } catch { lastFailure = error.description }
    refill()
  }

  /// Hands out a worker, started ahead if there is one; it does one job and ends.
  /// - Parameter deliver: is told of its events from the first on, on the event loop, this call included.
  public func take(_ deliver: @escaping (WorkerEvent) -> Void) throws(WorkerStartError) -> WorkerChannel {
    eventLoop.preconditionInEventLoop()
    idle.removeAll(where: \.hasEnded)
    let worker = try idle.isEmpty ? WorkerChannel.start(path, arguments: arguments, on: eventLoop) : idle.removeFirst()
    busy[worker.pid] = worker
    noteWanted()
    refill()
    worker.listen { [weak self, unowned worker] event in
      if case .ended = event { self?.ended(worker) }
      deliver(event)
    }
    return worker
  }

  /// Kills all workers, taken ones included, and waits until they are gone.
  public func stop() -> EventLoopFuture<Void> {
    eventLoop.preconditionInEventLoop()
    isStopped = true
    let promise = onStopped ?? eventLoop.makePromise()
    onStopped = promise
    for worker in idle + leaving + Array(busy.values) { worker.kill() }
    finishStopping()
    return promise.futureResult
  }

  private func addIdle() throws(WorkerStartError) {
    let worker = try WorkerChannel.start(path, arguments: arguments, on: eventLoop)
    idle.append(worker)
    worker.onEarlyEnd { [weak self, unowned worker] in self?.idleEnded(worker) }
  }

  private func idleEnded(_ worker: WorkerChannel) {
    let wasLeaving = leaving.contains { $0 === worker }
    idle.removeAll { $0 === worker }
    leaving.removeAll { $0 === worker }
    if isStopped { return finishStopping() }
    if wasLeaving { return }
    crashes += 1
    backOff()
    refill()
  }

  private func ended(_ worker: WorkerChannel) {
    busy[worker.pid] = nil
    if isStopped { return finishStopping() }
    // It did something before it ended: the executable is sound.
    if worker.bytesReceived > 0 { (pause, notBefore) = (Limits.workerRefillPause, .zero) }
  }

  private func backOff() {
    notBefore = .now(eventLoop) + pause
    pause = min(pause * 2, Limits.workerRefillPauseMost)
  }

  private func refill() {
    guard !isRefillDue, !isStopped, idle.count < ahead, isWanted else { return }
    isRefillDue = true
    let delay = max(Limits.workerRefillPause, notBefore - .now(eventLoop))
    eventLoop.scheduleTask(in: TimeAmount(delay)) {
      self.isRefillDue = false
      guard !self.isStopped, self.idle.count < self.ahead else { return }
      if Instant.now(self.eventLoop) >= self.notBefore {
        do throws(WorkerStartError) {
          try self.addIdle()
          self.lastFailure = nil
        } catch {
          self.lastFailure = error.description
          self.backOff()
        }
      }
      self.refill()
    }
  }

  // MARK: Letting go

  private func noteWanted() {
    lastWanted = .now(eventLoop)
    retire(after: kept)
  }

  private func retire(after pause: Duration) {
    guard !isRetirementDue, !isStopped else { return }
    isRetirementDue = true
    eventLoop.scheduleTask(in: TimeAmount(pause)) { [weak self] in
      guard let self else { return }
      self.isRetirementDue = false
      let left = self.lastWanted + self.kept - .now(self.eventLoop)
      guard left <= .zero else { return self.retire(after: left) }
      self.leaving += self.idle
      self.idle = []
      for worker in self.leaving { worker.kill() }
    }
  }

  private var isWanted: Bool { .now(eventLoop) < lastWanted + kept }

  private func finishStopping() {
    if idle.isEmpty, leaving.isEmpty, busy.isEmpty { onStopped?.succeed() }
  }
}
