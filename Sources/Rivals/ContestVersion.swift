import Base
import Identity
import Mandates
import Vocabulary

/// A version of a service's state as the manager of a contest signs it: what ``Snapshot`` is to the quorum protocol, and no other bytes. It is a
/// statement of its own kind, since it promises less: two managers of one term, or one that comes back in it, may well sign two under one
/// number, which for a quorum's manager would be proof of fraud.
public struct ContestVersion: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "contest-version"
  /// What it says.
  public let snapshot: Snapshot

  /// - Parameter snapshot: without successors: the members of a contest stay.
  public init(_ snapshot: Snapshot) { self.snapshot = snapshot }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) { snapshot = try Snapshot(validating: bytes) }

  /// The bytes to sign.
  public func encoded() -> [UInt8] { snapshot.encoded() }
}

extension Signed where Body == ContestVersion {
  var versionMark: ContestMessage.VersionMark {
    .init(term: body.snapshot.term.number, sequence: body.snapshot.sequence)
  }
}
