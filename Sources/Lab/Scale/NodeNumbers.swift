import Base
import Identity

/// Numbers of the peers by their IDs, asked for with everything that is sent. The IDs are uniform already: their first bytes are the place to
/// look at, and one line of memory tells.
struct NodeNumbers {
  private struct Entry {
    var prefix: UInt64
    /// Negative: nothing stands here.
    var number: Int32 = -1
  }
  private var entries: [Entry]
  private let ids: [NodeID]

  /// - Parameter ids: by number, all different.
  init(_ ids: [NodeID]) {
    self.ids = ids
    var size = 16
    while size < 2 * ids.count { size *= 2 }
    entries = Array(repeating: Entry(prefix: 0), count: size)
    for (number, id) in ids.enumerated() {
      var place = Int(truncatingIfNeeded: id.key.prefix64) & (size - 1)
      while entries[place].number >= 0 { place = (place + 1) & (size - 1) }
      entries[place] = Entry(prefix: id.key.prefix64, number: Int32(number))
    }
  }

  /// Nil for a stranger.
  subscript(id: NodeID) -> Int? {
    let prefix = id.key.prefix64
    var place = Int(truncatingIfNeeded: prefix) & (entries.count - 1)
    while entries[place].number >= 0 {
      let number = Int(entries[place].number)
      if entries[place].prefix == prefix, ids[number] == id { return number }
      place = (place + 1) & (entries.count - 1)
    }
    return nil
  }
}
