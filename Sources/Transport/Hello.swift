import Base
import Foundation
import Identity
import Wire

/// The checked form of what each end of a link says first.
struct Hello {
  var version: UInt32
  var node: NodeID
  var incarnation: UInt64
  var overlay: String
  var purpose: LinkPurpose

  init(version: UInt32, node: NodeID, incarnation: UInt64, overlay: String, purpose: LinkPurpose) {
    self.version = version
    self.node = node
    self.incarnation = incarnation
    self.overlay = overlay
    self.purpose = purpose
  }

  /// A peer of another version is told so before anything else of its HELLO is looked at.
  init(validating wire: WireHello) throws(LinkFailure) {
    guard wire.version == UInt32(DatagramLayout.version) else { throw .otherVersion(theirs: wire.version) }
    do throws(InvalidMessage) {
      node = try Field.node(wire.node, "Hello.node")
      overlay = try Field.text(wire.overlay, "Hello.overlay", limit: 128)
    } catch { throw .garbage(error.description) }
    guard let purpose = LinkPurpose(rawValue: wire.purpose) else {
      throw .garbage("Hello.purpose: “\(wire.purpose.prefix(32))” where control or media was expected")
    }
    version = wire.version
    incarnation = wire.incarnation
    self.purpose = purpose
  }

  var frame: [UInt8] {
    WireLinkMessage.with {
      $0.hello = .with {
        $0.version = version
        $0.node = node.data
        $0.incarnation = incarnation
        $0.overlay = overlay
        $0.purpose = purpose.rawValue
      }
    }.wireBytes
  }

  /// What the other end's HELLO must be, given this one and what TLS found.
  func check(_ theirs: Hello, from certified: NodeID) throws(LinkFailure) {
    guard theirs.node == certified else { throw .wrongIdentity(expected: certified, found: theirs.node) }
    guard theirs.overlay == overlay else { throw .otherOverlay(theirs.overlay) }
  }
}

/// What the accepting end says of the other's HELLO.
enum HelloAnswer {
  static func frame(refusing failure: LinkFailure?) -> [UInt8] {
    WireLinkMessage.with {
      $0.helloAnswer = .with { answer in
        answer.accepted = failure == nil
        answer.reason = failure?.description ?? ""
        answer.refusal = failure.map(code) ?? ""
      }
    }.wireBytes
  }

  /// Nil when accepted.
  static func failure(_ wire: WireHelloAnswer) -> LinkFailure? {
    if wire.accepted { return nil }
    switch wire.refusal {
    case "duplicate": return .duplicate
    default: return .refused(String(wire.reason.prefix(256)))
    }
  }

  private static func code(_ failure: LinkFailure) -> String {
    switch failure {
    case .otherVersion: "other_version"
    case .otherOverlay: "other_overlay"
    case .wrongIdentity: "not_you"
    case .duplicate: "duplicate"
    case .full: "full"
    case .garbage: "malformed"
    default: "unwanted"
    }
  }
}
