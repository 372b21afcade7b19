import NIOCore
import Synchronization

/// The streams that are open: so many and no more, and all of them cut when the portal stops.
final class OpenStreams: Sendable {
  private struct State {
    var isStopping = false
    var next = 0
    var channels: [Int: any Channel] = [:]
  }
  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) { self.limit = limit }

  /// - Throws: 503 when as many are open as may be, or the portal stops.
  func open(on channel: any Channel) throws(Problem) -> OpenStream {
    let number: Int? = state.withLock { state in
      guard !state.isStopping, state.channels.count < limit else { return nil }
      state.next += 1
      state.channels[state.next] = channel
      return state.next
    }
    guard let number else {
      throw Problem(
        "too-many-streams", status: 503, title: "Too many streams",
        detail: "This portal serves \(limit) streams at once and has no more; ask another peer.", retryAfterSeconds: 5)
    }
    return OpenStream { [self] in state.withLock { state in state.channels[number] = nil } }
  }

  /// Cuts all, and takes no more.
  func stop() {
    let channels = state.withLock { state in
      state.isStopping = true
      return Array(state.channels.values)
    }
    for channel in channels { channel.close(promise: nil) }
  }
}

/// One open stream: closed once, by its writer, or by going away unwritten.
final class OpenStream: Sendable {
  private struct State {
    var isOpen = true
    var farewell: (@Sendable () async -> Void)?
  }
  private let release: @Sendable () -> Void
  private let state = Mutex(State())

  init(_ release: @escaping @Sendable () -> Void) { self.release = release }

  /// What else to do when it closes.
  func onClose(_ farewell: @escaping @Sendable () async -> Void) { state.withLock { $0.farewell = farewell } }

  func close() {
    let (wasOpen, farewell) = state.withLock { state in
      defer { state = State(isOpen: false) }
      return (state.isOpen, state.farewell)
    }
    guard wasOpen else { return }
    release()
    if let farewell { Task { await farewell() } }
  }

  deinit { close() }
}
