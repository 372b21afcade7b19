import Base
import Identity

/// Updates on their way: each is sent a bounded number of times, the least sent first. A member's own word and its death replace
/// whatever was on its way about it; suspicions of several accusers travel side by side, as each confirms the others.
struct UpdateQueue: Sendable {
  private var waiting: OrderedDictionary<Key, Entry> = [:]

  private struct Key: Hashable {
    var about: NodeID
    var accuser: NodeID?
  }
  private struct Entry {
    var update: MemberUpdate
    var sent = 0
  }

  /// Something has hardly been told yet.
  var hasNews: Bool { waiting.values.contains { $0.sent < Limits.urgentSends } }

  mutating func add(_ update: MemberUpdate, about node: NodeID) {
    guard case .suspect(_, _, let accuser) = update else {
      forget(node)
      waiting[Key(about: node)] = Entry(update: update)
      return
    }
    waiting[Key(about: node)] = nil
    waiting[Key(about: node, accuser: accuser)] = Entry(update: update)
  }

  mutating func forget(_ node: NodeID) { waiting.removeAll { $0.key.about == node } }

  /// The least sent updates that fit; a member is not told its own record.
  mutating func take(bytes: Int, members: Int, for target: NodeID? = nil) -> [MemberUpdate] {
    guard !waiting.isEmpty else { return [] }
    let most = Int((Limits.retransmits * decimalDigits(members + 1)).rounded(.up))
    var taken: [MemberUpdate] = []
    var room = bytes
    // A stable sort: of equally often sent ones the one that has waited longest.
    for (key, entry) in waiting.sorted(by: { $0.value.sent < $1.value.sent })
    where entry.update.size <= room && key.about != target {
      taken.append(entry.update)
      room -= entry.update.size
      if entry.sent + 1 >= most { waiting.removeValue(forKey: key) } else { waiting[key]!.sent += 1 }
    }
    return taken
  }
}
