import Foundation
import Synchronization

/// Threads that go from day to day together: nobody begins one before all have ended the one before. A day's work is in parts, and who is
/// free takes the next: where one part takes longer than another, or the machine lets a thread wait, the others do more.
final class Lockstep: @unchecked Sendable {
  private let parties: Int
  private let parts: Int
  private let taken = Atomic<Int>(0)
  private let arrived = Atomic<Int>(0)
  private let days = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let bell = NSCondition()

  init(parties: Int, parts: Int) {
    self.parties = parties
    self.parts = parts
  }

  /// A part of the day that nobody has begun; nil when there is none.
  func take() -> Int? {
    let part = taken.wrappingAdd(1, ordering: .relaxed).oldValue
    return part < parts ? part : nil
  }

  /// Waits for the others. They are hardly ever late by more than some hundred microseconds, so it looks again and again before it sleeps.
  func wait() {
    let day = days.load(ordering: .sequentiallyConsistent)
    if arrived.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue == parties {
      arrived.store(0, ordering: .sequentiallyConsistent)
      taken.store(0, ordering: .sequentiallyConsistent)
      days.store(day + 1, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 { bell.withLock { bell.broadcast() } }
      return
    }
    for _ in 0..<Lockstep.looks where days.load(ordering: .acquiring) != day { return }
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    bell.withLock { while days.load(ordering: .sequentiallyConsistent) == day { bell.wait() } }
    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }

  /// Before it sleeps; some hundred microseconds, as long as a sleeper on a virtual machine takes to wake.
  private static let looks = 300_000
}
