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
  public var size: Int {
    switch self {
    case .record(let envelope): envelope.byteCount + 112
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

/// log10, at least 1, straight between powers of ten: the protocols want its rough size, not a mathematics library.
func decimalDigits(_ count: Int) -> Double {
  var (rest, digits) = (Double(max(count, 10)), 0.0)
  while rest >= 10 {
    rest /= 10
    digits += 1
  }
  return digits + (rest - 1) / 9
}
