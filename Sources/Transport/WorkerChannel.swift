import Base
import NIOCore
import NIOPosix

/// What a ``WorkerChannel`` has to say.
public enum WorkerEvent: Sendable {
  /// A frame from the worker: one `FromWorker`, not yet parsed.
  case received([UInt8])
  /// The worker took the last of a backlog.
  case drained
  /// The worker is gone, and reaped. Nothing comes after this. `garbage` says what it sent last if that was no frame.
  case ended(WorkerExit, garbage: String?)
}

/// A worker process and the socket pair to it: frames both ways, as on links.
///
/// Its end is noticed by the end of its socket and then by asking for its status, for its process ID only, until there
/// is one; a worker that closes its socket and stays is killed after ``Limits/workerExitTime``.
///
/// Confined to its event loop: every method is called on it, and events are delivered on it.
public final class WorkerChannel: @unchecked Sendable {
  /// The child's process ID.
  public let pid: Int32
  /// The loop that this worker is confined to.
  public let eventLoop: any EventLoop
  /// Frame bytes received, lengths included.
  public private(set) var bytesReceived = 0
  /// Bytes that wait for the worker to take them.
  public var queuedBytes: Int { queue?.queuedBytes ?? 0 }
  /// Whether a frame sent now would go straight to the socket.
  public var isWritable: Bool { !hasEnded && queuedBytes == 0 }
  /// Whether the worker is gone.
  public private(set) var hasEnded = false

  private let process: WorkerProcess
  private var queue: FrameQueue?
  private var deliver: ((WorkerEvent) -> Void)?
  private var early: [[UInt8]] = []
  private var endedEarly: (() -> Void)?
  private var channel: (any Channel)?
  private var garbage: String?
  private var isClosed = false

  /// Starts a worker. What it says before ``listen(_:)`` is kept for then.
  /// - Parameters:
  ///   - path: the executable.
  ///   - arguments: after the executable's own name.
  ///   - eventLoop: the current one, whose thread must live as long as the peer does.
  public static func start(
    _ path: String, arguments: [String] = [], on eventLoop: any EventLoop
  ) throws(WorkerStartError) -> WorkerChannel {
    eventLoop.preconditionInEventLoop()
    let worker = WorkerChannel(try WorkerProcess.start(path, arguments), eventLoop)
    worker.wrapSocket()
    return worker
  }

  private init(_ process: WorkerProcess, _ eventLoop: any EventLoop) {
    self.process = process
    self.eventLoop = eventLoop
    pid = process.pid
    queue = FrameQueue(limit: Limits.workerBacklogBytes) { [weak self] in self?.deliver?(.drained) }
  }

  /// Names who is told of events from now on; what was said before is told at once.
  public func listen(_ deliver: @escaping (WorkerEvent) -> Void) {
    eventLoop.preconditionInEventLoop()
    self.deliver = deliver
    let frames = early
    early = []
    for frame in frames { deliver(.received(frame)) }
  }

  /// Is called when the worker ends before anyone listens.
  func onEarlyEnd(_ act: @escaping () -> Void) { endedEarly = act }

  /// Sends a frame (one `ToWorker`). False when the backlog is full or the worker is gone.
  @discardableResult
  public func send(_ frame: [UInt8]) -> Bool {
    eventLoop.preconditionInEventLoop()
    precondition((1...Limits.linkMessageBytes).contains(frame.count), "a frame of \(frame.count) bytes")
    return isClosed ? false : queue?.enqueue(frame) ?? false
  }

  /// Ends the worker at once. ``WorkerEvent/ended(_:garbage:)`` follows.
  public func kill() {
    eventLoop.preconditionInEventLoop()
    guard !hasEnded else { return }
    process.kill()
    channel?.close(promise: nil)
  }

  // MARK: The socket

  private func wrapSocket() {
    let reading = AdaptiveRecvByteBufferAllocator(minimum: 2_048, initial: 2_048, maximum: 65_536)
    let wrapped = ClientBootstrap(group: eventLoop)
      .channelOption(.recvAllocator, value: reading)
      .channelOption(
        .writeBufferWaterMark, value: .init(low: Limits.linkInFlightBytes / 2, high: Limits.linkInFlightBytes)
      )
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          self.channel = channel
          let decoder = ByteToMessageHandler(FrameDecoder { Limits.linkMessageBytes })
          try channel.pipeline.syncOperations.addHandlers([decoder, WorkerHandler(self)])
        }
      }
      .withConnectedSocket(process.socket)
    wrapped.whenFailure { error in
      self.garbage = "its socket cannot be used: \(error)"
      self.process.kill()
      self.closed()
    }
  }

  fileprivate func opened(_ context: ChannelHandlerContext) { queue?.open(context) }

  fileprivate func writable() { queue?.pump() }

  fileprivate func received(_ frame: [UInt8]) {
    bytesReceived += frame.count + 4
    // An idle worker says that it is ready and no more: anything else before it is taken would fill memory.
    if let deliver { deliver(.received(frame)) } else if early.count < 8 { early.append(frame) }
  }

  fileprivate func spokeGarbage(_ error: any Error) {
    if let error = error as? FrameError { garbage = error.description }
    process.kill()
    channel?.close(promise: nil)
  }

  fileprivate func closed() {
    guard !isClosed else { return }
    isClosed = true
    _ = queue?.close()
    channel = nil
    reap(after: .milliseconds(1), until: .now(eventLoop) + Limits.workerExitTime)
  }

  private func reap(after pause: Duration, until deadline: Instant) {
    if let exit = process.reap() {
      hasEnded = true
      queue = nil
      if let deliver { deliver(.ended(exit, garbage: garbage)) } else { endedEarly?() }
      (deliver, endedEarly) = (nil, nil)
      return
    }
    if Instant.now(eventLoop) >= deadline { process.kill() }
    eventLoop.scheduleTask(in: TimeAmount(pause)) {
      self.reap(after: min(pause * 2, .milliseconds(50)), until: deadline)
    }
  }
}

private final class WorkerHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let worker: WorkerChannel
  init(_ worker: WorkerChannel) { self.worker = worker }

  func channelActive(context: ChannelHandlerContext) { worker.opened(context) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    worker.received(Array(unwrapInboundIn(data).readableBytesView))
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) { worker.writable() }

  /// A crashing worker resets its socket; what it died of is its exit status.
  func errorCaught(context: ChannelHandlerContext, error: any Error) { worker.spokeGarbage(error) }

  func channelInactive(context: ChannelHandlerContext) { worker.closed() }
}
