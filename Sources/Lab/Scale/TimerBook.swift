import Base
import Core

/// What each timer of a peer that waits is withdrawn by from the queue. Of most kinds a peer has one timer, and it is set and stopped with
/// every probe: these stand side by side, where a dictionary would be three looks into cold memory and a hash of the name.
struct TimerBook {
  /// By ``place(of:)``; negative: it does not wait.
  private var single = SIMD8<Int32>(repeating: -1)
  /// Probes that are under way, hardly ever more than two or three.
  private var probes: [(number: UInt64, slot: Int32)] = []
  /// Looked up, never iterated.
  private var others: [Core.Timer: Int32] = [:]

  /// A timer waits, withdrawn by `slot`.
  /// - Returns: what the one of that name that waited so far is withdrawn by.
  mutating func set(_ timer: Core.Timer, _ slot: Int32) -> Int32? {
    if let place = TimerBook.place(of: timer) {
      let earlier = single[place]
      single[place] = slot
      return earlier < 0 ? nil : earlier
    }
    guard case .membership(.probe(let number)) = timer else { return others.updateValue(slot, forKey: timer) }
    guard let place = probes.firstIndex(where: { $0.number == number }) else {
      probes.append((number, slot))
      return nil
    }
    let earlier = probes[place].slot
    probes[place].slot = slot
    return earlier
  }

  /// A timer waits no more.
  /// - Returns: what it was withdrawn by, if it waited.
  @discardableResult
  mutating func remove(_ timer: Core.Timer) -> Int32? {
    if let place = TimerBook.place(of: timer) {
      let slot = single[place]
      single[place] = -1
      return slot < 0 ? nil : slot
    }
    guard case .membership(.probe(let number)) = timer else { return others.removeValue(forKey: timer) }
    guard let place = probes.firstIndex(where: { $0.number == number }) else { return nil }
    let slot = probes[place].slot
    probes.swapAt(place, probes.count - 1)
    probes.removeLast()
    return slot
  }

  /// Of those that every peer has all the time.
  private static func place(of timer: Core.Timer) -> Int? {
    switch timer {
    case .membership(.period): 0
    case .membership(.gossip): 1
    case .membership(.exchange): 2
    case .membership(.reclaim): 3
    case .measurements(.publish): 4
    case .measurements(.train): 5
    case .housekeeping: 6
    case .streams: 7
    default: nil
    }
  }
}
