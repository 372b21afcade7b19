import Base
import Identity
import Vocabulary

// What a peer keeps of an overlay that is larger than its table.
//
// Half of a full table are the overlay's least IDs, the same at every peer: from the first of them electorates are drawn, so that peers whose
// tables differ otherwise draw alike, and an elector can judge whom a stranger names. The other half is this peer's own sample: those whose ID
// mixes with its own to the least numbers, so that the order in which they are met, or how often they are named, changes nothing (Bortnikov
// et al., Brahms, 2009). So all can be reached from everywhere, and the samples of different peers are independent.
//
// What this costs, and a table with room for all does not, is told in Decisions/BoundedViews.md of `Core`: seats are to be had for made-up keys,
// carry most of the probes, and who has none is found dead only on somebody's round.

extension MemberTable {
  /// Least IDs that are kept.
  private var common: Int { max(1, bound / 2) }
  /// Least IDs of members from whom electorates are drawn: three quarters of those kept, so that whoever follows on one who dies is known
  /// already. All of them, where there are no more.
  private var seats: Int { max(1, bound * 3 / 8) }

  /// Members from whom electorates are drawn, this peer among them if it is one.
  public func seated(at now: Instant) -> [Member] {
    var found: [Member] = []
    found.reserveCapacity(min(seats, members.count + 1))
    var isOwnDue = !own.body.isLeaving
    for id in ordered where found.count < seats {
      if isOwnDue, node < id {
        isOwnDue = false
        found.append(me(at: now))
        if found.count == seats { break }
      }
      if let member = members[id], member.state.takesPart { found.append(member) }
    }
    if isOwnDue, found.count < seats { found.append(me(at: now)) }
    return found
  }

  /// This peer as a member.
  func me(at now: Instant) -> Member {
    Member(
      record: own, state: own.body.isLeaving ? .left : .alive, knownSince: .zero, stateSince: .zero, lastHeard: now,
      coordinate: estimator.coordinate)
  }

  /// Where an ID stands among the ordered ones, or would.
  func place(of id: NodeID) -> Int {
    var (low, high) = (0, ordered.count)
    while low < high {
      let middle = (low + high) / 2
      if ordered[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// There are members that this peer does not keep, or may be.
  var isFull: Bool { members.count >= bound }

  /// Everybody with a table of this size should know it.
  func isCommon(_ id: NodeID) -> Bool { id <= ordered[min(common, ordered.count) - 1] }

  /// Reckons ``commonLimit`` anew: members came or went, far more seldom than datagrams ask for it.
  mutating func reckonLimit() { commonLimit = isFull ? ordered[min(common, ordered.count) - 1] : nil }

  // MARK: - On a newcomer

  /// Room for one more: a full table forgets the longest gone, or else the one that fits it least, if the newcomer fits better. Nil: it
  /// does not. `isForAll`: everybody with a table of this size should know it.
  mutating func makeRoom(for newcomer: NodeID) -> (dropped: NodeID?, isForAll: Bool)? {
    guard isFull else { return (nil, true) }
    let isCommon = isCommon(newcomer)
    if takingPart < members.count,
      let oldest = members.values.filter({ !$0.isMember }).min(by: { $0.stateSince < $1.stateSince })
    {
      forget(oldest.node)
      return (oldest.node, isCommon)
    }
    let least = leastFitting()
    guard isCommon || rank(newcomer) < least.rank else { return nil }
    forget(least.node)
    return (least.node, isCommon)
  }

  private mutating func leastFitting() -> (node: NodeID, rank: UInt64) {
    if let leastFit { return leastFit }
    var least = (node: ordered[ordered.count - 1], rank: UInt64(0))
    for id in ordered.dropFirst(common) where rank(id) >= least.rank { least = (id, rank(id)) }
    leastFit = least
    return least
  }

  /// The same for ever, and unrelated to what the same member is to other peers (the mixer of SplitMix64).
  private func rank(_ other: NodeID) -> UInt64 {
    var z = node.key.prefix64 ^ (other.key.prefix64 &* 0x9E37_79B9_7F4A_7C15)
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  // MARK: - Choosing at random

  /// So many different members that meet a condition, in random order; fewer where there are no more.
  func some(_ wanted: Int, using random: inout SeededRandom, where fits: (Member) -> Bool) -> [Member] {
    guard !members.isEmpty, wanted > 0 else { return [] }
    var found: [Member] = []
    // Nearly all fit nearly always: a few lots then do, whatever the size of the table.
    for _ in 0..<(3 * wanted + 8) where found.count < wanted && members.count > 4 * wanted {
      let member = members.values[random.index(below: members.count)]
      if fits(member), !found.contains(where: { $0.node == member.node }) { found.append(member) }
    }
    guard found.count < wanted else { return found }
    return Array(random.permuted(members.values.filter(fits)).prefix(wanted))
  }
}
