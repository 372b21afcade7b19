/// A queue in a circular buffer: appending, removing the first and reading by offset take constant time, and what is
/// removed is freed at once.
struct Ring<Element> {
  private var slots: [Element?] = []
  private var head = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }
  var first: Element? { count == 0 ? nil : self[0] }
  var last: Element? { count == 0 ? nil : self[count - 1] }

  /// - Parameter offset: from the first, below ``count``.
  subscript(offset: Int) -> Element {
    precondition(offset >= 0 && offset < count, "offset \(offset) of \(count)")
    return slots[(head + offset) & (slots.count - 1)]!
  }

  mutating func append(_ element: Element) {
    if count == slots.count { grow() }
    slots[(head + count) & (slots.count - 1)] = element
    count += 1
  }

  @discardableResult
  mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    let element = slots[head]
    slots[head] = nil
    head = (head + 1) & (slots.count - 1)
    count -= 1
    return element
  }

  @discardableResult
  mutating func popLast() -> Element? {
    guard count > 0 else { return nil }
    let at = (head + count - 1) & (slots.count - 1)
    let element = slots[at]
    slots[at] = nil
    count -= 1
    return element
  }

  mutating func removeAll() { self = Ring() }

  /// How many elements at the front satisfy `belongs`, which no element after the first that does not may satisfy.
  func prefixCount(where belongs: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if belongs(self[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private mutating func grow() {
    var larger = [Element?](repeating: nil, count: Swift.max(8, slots.count * 2))
    for offset in 0..<count { larger[offset] = self[offset] }
    slots = larger
    head = 0
  }
}

extension Ring: Sendable where Element: Sendable {}
