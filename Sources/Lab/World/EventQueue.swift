import Base

/// What is to happen, by time, then by the order in which it was asked for: a heap of four children a node, which is flatter than
/// a binary one and touches fewer cache lines. Only keys move in it; what happens lies still in slots that are used again.
struct EventQueue<Happening> {
  private struct Key {
    var at: Int64
    var order: UInt64
    var slot: Int32
  }
  private var heap: [Key] = []
  private var slots: [Happening?] = []
  private var free: [Int32] = []
  /// Happenings asked for so far.
  private(set) var asked: UInt64 = 0

  var count: Int { heap.count }
  var nextTime: Instant? { heap.first.map { Instant(nanoseconds: $0.at) } }

  /// Asks for a happening; its number, which nothing else ever has.
  @discardableResult
  mutating func push(_ next: Happening, at time: Instant) -> UInt64 {
    asked += 1
    let slot: Int32
    if let last = free.popLast() {
      slot = last
      slots[Int(slot)] = next
    } else {
      slot = Int32(slots.count)
      slots.append(next)
    }
    heap.append(Key(at: time.nanoseconds, order: asked, slot: slot))
    rise(heap.count - 1)
    return asked
  }

  /// The next, unless it lies after `end`.
  mutating func pop(notAfter end: Instant) -> (at: Instant, order: UInt64, happening: Happening)? {
    guard let first = heap.first, first.at <= end.nanoseconds else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink()
    }
    let happening = slots[Int(first.slot)]!
    slots[Int(first.slot)] = nil
    free.append(first.slot)
    return (Instant(nanoseconds: first.at), first.order, happening)
  }

  private mutating func rise(_ start: Int) {
    var child = start
    let key = heap[child]
    while child > 0 {
      let parent = (child - 1) / 4
      guard EventQueue.before(key, heap[parent]) else { break }
      heap[child] = heap[parent]
      child = parent
    }
    heap[child] = key
  }

  private mutating func sink() {
    heap.withUnsafeMutableBufferPointer { heap in
      let key = heap[0]
      var parent = 0
      while true {
        let first = 4 * parent + 1
        guard first < heap.count else { break }
        var least = first
        var child = first + 1
        while child < min(first + 4, heap.count) {
          if EventQueue.before(heap[child], heap[least]) { least = child }
          child += 1
        }
        guard EventQueue.before(heap[least], key) else { break }
        heap[parent] = heap[least]
        parent = least
      }
      heap[parent] = key
    }
  }

  private static func before(_ a: Key, _ b: Key) -> Bool { a.at != b.at ? a.at < b.at : a.order < b.order }
}
