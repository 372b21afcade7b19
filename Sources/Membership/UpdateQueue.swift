import Base
import Identity

/// Updates on their way: each is sent a bounded number of times, the least sent first. A member's own word and its death replace
/// whatever was on its way about it; suspicions of several accusers travel side by side, as each confirms the others.
struct UpdateQueue: Sendable {
  private var waiting: OrderedDictionary<Key, Entry> = [:]
  /// Entries that have hardly been told.
  private var fresh = 0

  private struct Key: Hashable {
    var about: NodeID
    var accuser: NodeID?
  }
  private struct Entry {
    var update: MemberUpdate
    var size: Int
    var sent = 0
  }

  /// Updates on their way.
  var count: Int { waiting.count }
  /// Something has hardly been told yet.
  var hasNews: Bool { fresh > 0 }

  mutating func add(_ update: MemberUpdate, about node: NodeID) {
    guard case .suspect(_, _, let accuser) = update else {
      forget(node)
      return enter(update, Key(about: node))
    }
    remove(Key(about: node))
    remove(Key(about: node, accuser: accuser))
    enter(update, Key(about: node, accuser: accuser))
  }

  mutating func forget(_ node: NodeID) {
    guard !waiting.isEmpty else { return }
    for key in waiting.keys.filter({ $0.about == node }) { remove(key) }
  }

  private mutating func enter(_ update: MemberUpdate, _ key: Key) {
    waiting[key] = Entry(update: update, size: update.size)
    fresh += 1
  }

  private mutating func remove(_ key: Key) {
    guard let entry = waiting.removeValue(forKey: key) else { return }
    fresh -= entry.sent < Limits.urgentSends ? 1 : 0
  }

  /// The least sent updates that fit; a member is not told its own record.
  mutating func take(bytes: Int, members: Int, for target: NodeID? = nil) -> [MemberUpdate] {
    guard !waiting.isEmpty else { return [] }
    let most = Int((Limits.retransmits * decimalDigits(members + 1)).rounded(.up))
    var taken: [MemberUpdate] = []
    var used: [Key] = []
    var room = bytes
    while let index = leastSent(within: room, but: target, used) {
      let (key, entry) = waiting.elements[index]
      taken.append(entry.update)
      used.append(key)
      room -= entry.size
    }
    for key in used {
      let sent = waiting[key]!.sent + 1
      if sent == Limits.urgentSends { fresh -= 1 }
      waiting[key]!.sent = sent
      if sent >= most { waiting.removeValue(forKey: key) }
    }
    return taken
  }

  /// Of equally often sent ones the one that has waited longest.
  private func leastSent(within room: Int, but target: NodeID?, _ used: [Key]) -> Int? {
    var best: (index: Int, sent: Int)?
    for index in waiting.values.indices {
      // Of the entry no more than is asked for: a copy of its update costs more than the whole comparison.
      let sent = waiting.values[index].sent
      guard waiting.values[index].size <= room, sent < best?.sent ?? .max else { continue }
      let key = waiting.keys[index]
      guard key.about != target, !used.contains(key) else { continue }
      best = (index, sent)
    }
    return best?.index
  }
}
