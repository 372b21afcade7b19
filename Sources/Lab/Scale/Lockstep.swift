import Foundation
import Synchronization

/// Threads that go from day to day together: nobody begins one before all have ended the one before.
final class Lockstep: @unchecked Sendable {
  private let parties: Int
  private let arrived = Atomic<Int>(0)
  private let days = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let bell = NSCondition()

  init(parties: Int) { self.parties = parties }

  /// Waits for the others. They are hardly ever late by more than some hundred microseconds, so it looks again and again before it sleeps.
  func wait() {
    guard parties > 1 else { return }
    let day = days.load(ordering: .sequentiallyConsistent)
    if arrived.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue == parties {
      arrived.store(0, ordering: .sequentiallyConsistent)
      days.store(day + 1, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 { bell.withLock { bell.broadcast() } }
      return
    }
    for _ in 0..<Lockstep.looks where days.load(ordering: .acquiring) != day { return }
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    bell.withLock { while days.load(ordering: .sequentiallyConsistent) == day { bell.wait() } }
    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }

  /// Before it sleeps; some tens of microseconds.
  private static let looks = 50_000
}
