import Foundation
import Synchronization

/// SIGINT and SIGTERM, from when it is made: the first asks for an end in good order, a second ends the process at once.
public struct Interruption: Sendable {
  private let signals: AsyncStream<Int32>
  private static let count = Atomic<Int>(0)

  /// Takes the two signals over from the system's default.
  public init() {
    let (stream, continuation) = AsyncStream<Int32>.makeStream(bufferingPolicy: .bufferingOldest(1))
    signals = stream
    for number in [SIGINT, SIGTERM] {
      _ = Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        guard Interruption.count.add(1, ordering: .relaxed).newValue == 1 else { _exit(128 + number) }
        continuation.yield(number)
        _ = source  // a source stops when nobody holds it: this one is for the process's life
      }
      source.resume()
    }
  }

  /// The number of the signal that came; nil when the task was cancelled before.
  public func came() async -> Int32? {
    for await number in signals { return number }
    return nil
  }
}
