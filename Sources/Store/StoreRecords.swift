import Base
import Identity
import Vocabulary

/// Something of an election or a session that must outlive this process: a vote, a promise, a snapshot, a fence.
/// The store does not look into its bytes.
public struct StoredRecord: Hashable, Sendable {
  /// What it is, e.g. `vote`. At most 64 bytes.
  public var kind: String
  /// Which request it belongs to.
  public var request: RequestID
  /// Tells the records of one kind and request apart; may be empty. At most 256 bytes.
  public var key: [UInt8]
  /// Grows with every version: an older one never replaces a newer.
  public var sequence: UInt64
  /// The record. At most ``Limits/recordBytes`` long.
  public var bytes: [UInt8]
  /// When it may be forgotten: the request's `notAfter` and the tolerated skew.
  public var keepUntil: WallTime

  /// See the properties.
  public init(
    kind: String, request: RequestID, key: [UInt8] = [], sequence: UInt64, bytes: [UInt8], keepUntil: WallTime
  ) {
    self.kind = kind
    self.request = request
    self.key = key
    self.sequence = sequence
    self.bytes = bytes
    self.keepUntil = keepUntil
  }
}

/// A peer to join through after a restart.
public struct KnownPeer: Hashable, Sendable {
  /// Who.
  public var node: NodeID
  /// Where it listened.
  public var address: PeerAddress
  /// When it was last alive.
  public var seen: WallTime

  /// See the properties.
  public init(node: NodeID, address: PeerAddress, seen: WallTime) {
    self.node = node
    self.address = address
    self.seen = seen
  }
}

/// A line of what happened, for people and for later evidence.
public struct JournalLine: Hashable, Sendable {
  /// When.
  public var at: WallTime
  /// The event's kind.
  public var kind: String
  /// The request that it belongs to, if any.
  public var request: RequestID?
  /// One line of JSON or prose.
  public var text: String

  /// See the properties.
  public init(at: WallTime, kind: String, request: RequestID? = nil, text: String) {
    self.at = at
    self.kind = kind
    self.request = request
    self.text = text
  }
}

/// A change to what is stored. Changes reach the disk in the order in which they are given.
public enum StoreChange: Hashable, Sendable {
  /// Writes a record, unless a newer one is there.
  case put(StoredRecord)
  /// Forgets one record.
  case remove(kind: String, request: RequestID, key: [UInt8])
  /// Forgets all records of a request.
  case forget(RequestID)
  /// Forgets all records whose time has passed.
  case expire(WallTime)
  /// Remembers a peer.
  case know(KnownPeer)
  /// Forgets a peer.
  case unknow(NodeID)
  /// Replaces the calibration's result, which the store does not look into.
  case calibrate([UInt8])
  /// Adds a line to the journal.
  case note(JournalLine)
}

/// Names a store's life: a lost, corrupt or restored store is another one, whose promises are unknown.
public struct StoreGeneration: Hashable, Sendable {
  /// Drawn when the generation began.
  public var number: UInt64
  /// Why it is not the one that this peer had before; nil when it is, or when this is the peer's first start.
  public var reason: Reason?

  /// What ended the generation before.
  public enum Reason: Hashable, Sendable, CustomStringConvertible {
    /// The file was damaged; it now bears this name.
    case corrupt(movedTo: String)
    /// The file was copied or restored: it is not the one that was last written.
    case restored

    public var description: String {
      switch self {
      case .corrupt(let name): "the database was damaged; it was moved to \(name)"
      case .restored: "the database was copied or restored from a backup"
      }
    }
  }
}

/// Everything that was stored, as it is at the start.
public struct StoreContents: Hashable, Sendable {
  /// The store's generation.
  public var generation: StoreGeneration
  /// All records, by request, kind and key.
  public var records: [StoredRecord] = []
  /// Known peers, those seen last first.
  public var peers: [KnownPeer] = []
  /// The calibration's result, if it was done.
  public var calibration: [UInt8]?
}
