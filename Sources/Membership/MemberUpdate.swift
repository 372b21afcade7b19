import Base
import Identity
import Vocabulary
import Wire

/// What somebody says of a member.
public enum MemberUpdate: Hashable, Sendable {
  /// Its own word: alive, or leaving.
  case record(SignedEnvelope)
  /// Somebody could not reach it at this incarnation.
  case suspect(NodeID, incarnation: UInt64, by: NodeID)
  /// It did not refute.
  case dead(NodeID, incarnation: UInt64, by: NodeID)

  /// Bytes on the wire, from above.
  var size: Int {
    switch self {
    case .record(let envelope): envelope.bytes.count + 112
    default: 84
    }
  }
}

extension MemberUpdate {
  init(validating wire: WireMemberUpdate) throws(InvalidMessage) {
    switch wire.body {
    case .record(let record): self = .record(try SignedEnvelope(validating: record, "MemberUpdate.record"))
    case .suspect(let doubt):
      let by = try Field.node(doubt.by, "Doubt.by")
      self = .suspect(try Field.node(doubt.node, "Doubt.node"), incarnation: doubt.incarnation, by: by)
    case .dead(let doubt):
      let by = try Field.node(doubt.by, "Doubt.by")
      self = .dead(try Field.node(doubt.node, "Doubt.node"), incarnation: doubt.incarnation, by: by)
    case nil: throw InvalidMessage("MemberUpdate", "says nothing")
    }
  }

  var wire: WireMemberUpdate {
    func doubt(_ node: NodeID, _ incarnation: UInt64, _ by: NodeID) -> WireDoubt {
      .with {
        $0.node = node.data
        $0.incarnation = incarnation
        $0.by = by.data
      }
    }
    return .with {
      switch self {
      case .record(let envelope): $0.record = envelope.wire
      case .suspect(let node, let incarnation, let by): $0.suspect = doubt(node, incarnation, by)
      case .dead(let node, let incarnation, let by): $0.dead = doubt(node, incarnation, by)
      }
    }
  }
}

/// Updates on their way: each is sent a bounded number of times, the least sent first; a newer one of a member replaces the older.
struct UpdateQueue: Sendable {
  private var waiting: OrderedDictionary<NodeID, (update: MemberUpdate, sent: Int)> = [:]

  /// Something has hardly been told yet.
  var hasNews: Bool { waiting.values.contains { $0.sent < Limits.urgentSends } }

  mutating func add(_ update: MemberUpdate, about node: NodeID) {
    waiting.removeValue(forKey: node)
    waiting[node] = (update, 0)
  }

  mutating func forget(_ node: NodeID) { waiting.removeValue(forKey: node) }

  mutating func take(bytes: Int, members: Int) -> [MemberUpdate] {
    guard !waiting.isEmpty else { return [] }
    let most = Int((Limits.retransmits * decimalDigits(members + 1)).rounded(.up))
    var taken: [MemberUpdate] = []
    var room = bytes
    // A stable sort: of equally often sent ones the one that has waited longest.
    for (node, entry) in waiting.sorted(by: { $0.value.sent < $1.value.sent }) where entry.update.size <= room {
      taken.append(entry.update)
      room -= entry.update.size
      if entry.sent + 1 >= most { waiting.removeValue(forKey: node) } else { waiting[node] = (entry.update, entry.sent + 1) }
    }
    return taken
  }
}

/// log10, at least 1, straight between powers of ten: the protocols want its rough size, not a mathematics library.
func decimalDigits(_ count: Int) -> Double {
  var (rest, digits) = (Double(max(count, 10)), 0.0)
  while rest >= 10 {
    rest /= 10
    digits += 1
  }
  return digits + (rest - 1) / 9
}
