import Base
import Identity
import Vocabulary

/// What a link is for. Two peers have at most one link of each purpose, used in both directions; a megabyte of media
/// never stands before a control message.
public enum LinkPurpose: String, Sendable, CaseIterable {
  /// Elections, sessions, exchanges, service messages.
  case control
  /// Streams.
  case media

  var backlogBytes: Int { self == .control ? Limits.controlBacklogBytes : Limits.mediaBacklogBytes }
}

/// One of the two links with a peer.
public struct LinkName: Hashable, Sendable, CustomStringConvertible {
  /// The other end.
  public var node: NodeID
  /// Which of the two.
  public var purpose: LinkPurpose
  /// See the properties.
  public init(_ node: NodeID, _ purpose: LinkPurpose) {
    self.node = node
    self.purpose = purpose
  }
  public var description: String { "\(purpose.rawValue) link with \(node.short)…" }
}

/// What a ``LinkPool`` has to say.
public enum LinkEvent: Sendable {
  /// A link is up: both ends have proved who they are and said HELLO.
  case up(LinkInfo)
  /// A frame from the peer; at most ``Limits/linkMessageBytes`` long.
  case received(from: NodeID, purpose: LinkPurpose, bytes: [UInt8])
  /// The link took the last of a backlog.
  case drained(NodeID, LinkPurpose)
  /// A link ended, or could not be made. `undelivered` frames never left this peer; those that did may be lost too.
  case down(NodeID, LinkPurpose, LinkFailure, undelivered: Int)
  /// Someone connected here and was turned away. The node is nil when it was not even clear who it is.
  case turnedAway(NodeID?, PeerAddress?, LinkFailure)
}

/// A link as operators see it.
public struct LinkInfo: Hashable, Sendable {
  /// Who and what for.
  public var name: LinkName
  /// The peer's incarnation, drawn at its start: see ``DatagramSocket/learn(_:incarnation:at:)``.
  public var incarnation: UInt64
  /// This end.
  public var local: PeerAddress
  /// The other end of the connection: not where the peer listens, unless this side dialled.
  public var remote: PeerAddress
  /// Whether this side dialled.
  public var isDialled: Bool
  /// Frame bytes sent, lengths included, TLS left out.
  public var bytesSent: Int
  /// Frame bytes received, likewise.
  public var bytesReceived: Int
  /// Frames sent.
  public var framesSent: Int
  /// Frames received.
  public var framesReceived: Int
  /// Bytes that wait for the link to take them.
  public var queuedBytes: Int
}

/// Bytes and frames exchanged with one peer since the start, over all its links.
public struct LinkTraffic: Hashable, Sendable {
  /// Frame bytes sent, lengths included, TLS left out.
  public var bytesSent = 0
  /// Frame bytes received, likewise.
  public var bytesReceived = 0
}

/// Why a link ended or could not be made.
public enum LinkFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The peer closed it, or its process is gone.
  case closed
  /// This peer closed it: nothing was said on it for ``Limits/linkIdle``.
  case idle
  /// This peer closed it, for the reason given to ``LinkPool/close(_:reason:)`` or because it stops.
  case closedHere(String)
  /// A newer connection of the same peer took its place.
  case replaced
  /// Nobody answers at the address, in the system's words.
  case unreachable(PeerAddress, String)
  /// TCP, TLS and HELLO took longer than ``Limits/linkDialTime``.
  case tooSlow(PeerAddress?)
  /// The connection broke, in the system's words; among them the time-out of a host that is gone.
  case broken(String)
  /// TLS failed: the other end is not a Millrace peer, or its certificate has no Ed25519 key.
  case notSecured(String)
  /// Another node than the expected one answers there.
  case wrongIdentity(expected: NodeID, found: NodeID)
  /// The peer speaks another version of the protocol.
  case otherVersion(theirs: UInt32)
  /// The peer belongs to another overlay.
  case otherOverlay(String)
  /// The peer refused, and says why.
  case refused(String)
  /// What came was no frame, no HELLO, or no valid message.
  case garbage(String)
  /// Too many links, or too many strangers at a time.
  case full
  /// Both dialled at once, and the other connection stays.
  case duplicate

  public var description: String {
    switch self {
    case .closed: "closed by the peer"
    case .idle: "closed: idle"
    case .closedHere(let reason): "closed by this peer: \(reason)"
    case .replaced: "replaced by a newer connection of the same peer"
    case .unreachable(let address, let reason): "nobody answers at \(address): \(reason)"
    case .tooSlow(let address):
      "\(address.map { "\($0) took" } ?? "took") longer than \(Limits.linkDialTime) to connect and say hello"
    case .broken(let reason): "the connection broke: \(reason)"
    case .notSecured(let reason): "TLS failed, so this is no peer of this overlay: \(reason)"
    case .wrongIdentity(let expected, let found): "expected node \(expected), found node \(found)"
    case .otherVersion(let theirs):
      "speaks version \(theirs) of the protocol, this peer speaks \(DatagramLayout.version): update the older one"
    case .otherOverlay(let name): "belongs to overlay “\(name)”: check the key `overlay` of both peers"
    case .refused(let reason): "refused: \(reason)"
    case .garbage(let reason): "spoke garbage: \(reason)"
    case .full: "too many links"
    case .duplicate: "both peers dialled at once"
    }
  }
}
