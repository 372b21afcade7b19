import Base
import Foundation
import Identity
import Vocabulary
import Wire

// What electors sign. Every statement carries the elector's persisted counter, so that its order can be proved, and the generation
// of its store, so that a lost store shows.

/// Names a version of a request's state. Ordered by term, then sequence.
public struct SnapshotMark: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The manager's term.
  public var term: Term
  /// Rises within a term.
  public var sequence: UInt64
  /// Of the manager's signed statement.
  public var digest: Bytes32
  /// See the properties.
  public init(term: Term, sequence: UInt64, digest: Bytes32) {
    self.term = term
    self.sequence = sequence
    self.digest = digest
  }
  public var description: String { "\(term)/\(sequence)" }
  public static func < (a: SnapshotMark, b: SnapshotMark) -> Bool { (a.term, a.sequence) < (b.term, b.sequence) }
}

/// An elector's vote for the one candidate of a term. It is a promise too: nothing for a lower term follows it.
public struct Vote: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "vote"
  /// The request.
  public var request: RequestID
  /// From 1.
  public var term: Term
  /// Must be the term's.
  public var candidate: NodeID
  /// The newest version that the elector has acknowledged; nil before the first.
  public var newest: SnapshotMark?
  /// Rises with every statement of this elector.
  public var counter: UInt64
  /// Of the elector's store.
  public var generation: UInt64

  /// See the properties.
  public init(
    request: RequestID, term: Term, candidate: NodeID, newest: SnapshotMark?, counter: UInt64, generation: UInt64
  ) {
    self.request = request
    self.term = term
    self.candidate = candidate
    self.newest = newest
    self.counter = counter
    self.generation = generation
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireVoteStatement(parsing: bytes)
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "Vote.request")),
      term: try Term(validating: wire.term, "Vote.term"),
      candidate: try Field.node(wire.candidate, "Vote.candidate"),
      newest: wire.hasNewest ? try SnapshotMark(validating: wire.newest) : nil, counter: wire.counter,
      generation: wire.generation)
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireVoteStatement.with {
      $0.request = request.hash.data
      $0.term = term.wire
      $0.candidate = candidate.data
      if let newest { $0.newest = newest.wire }
      $0.counter = counter
      $0.generation = generation
    }.wireBytes
  }
}

/// An elector's word that it keeps a version, on disk.
public struct Acknowledgement: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "acknowledgement"
  /// The request.
  public var request: RequestID
  /// What is kept.
  public var mark: SnapshotMark
  /// Who elects in the next epoch, where the version names them: a quorum of such words is the certificate of a ``Handover``.
  public var successors: Electorate?
  /// Rises with every statement of this elector.
  public var counter: UInt64
  /// Of the elector's store.
  public var generation: UInt64

  /// See the properties.
  public init(
    request: RequestID, mark: SnapshotMark, successors: Electorate? = nil, counter: UInt64, generation: UInt64
  ) {
    self.successors = successors
    self.request = request
    self.mark = mark
    self.counter = counter
    self.generation = generation
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireAcknowledgementStatement(parsing: bytes)
    let mark = SnapshotMark(
      term: try Term(validating: wire.term, "Acknowledgement.term"), sequence: wire.sequence,
      digest: try Field.bytes32(wire.snapshot, "Acknowledgement.snapshot"))
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "Acknowledgement.request")), mark: mark,
      successors: try Electorate(validating: wire.successors, "Acknowledgement.successors"), counter: wire.counter,
      generation: wire.generation)
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireAcknowledgementStatement.with {
      $0.request = request.hash.data
      $0.term = mark.term.wire
      $0.sequence = mark.sequence
      $0.snapshot = mark.digest.data
      $0.successors = (successors?.members ?? []).map(\.data)
      $0.counter = counter
      $0.generation = generation
    }.wireBytes
  }
}

/// A candidate's or manager's word that it does not, or no longer, manage in a term; frees the electors of their lease.
public struct Decline: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "decline"
  /// The request.
  public var request: RequestID
  /// The signer's own term.
  public var term: Term
  /// Why.
  public var reason: Reason
  /// Rises with every statement of this elector.
  public var counter: UInt64
  /// Of the elector's store.
  public var generation: UInt64

  /// Why a candidate declines.
  public enum Reason: String, Hashable, Sendable, CaseIterable {
    /// It has no capacity to manage.
    case busy
    /// It leaves the overlay.
    case leaving
    /// Fewer than a quorum follow it, and some elector supports a later term for good.
    case outpaced
    /// It restarted and has forgotten what it said as a manager.
    case restarted
  }

  /// See the properties.
  public init(request: RequestID, term: Term, reason: Reason, counter: UInt64, generation: UInt64) {
    self.request = request
    self.term = term
    self.reason = reason
    self.counter = counter
    self.generation = generation
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireDeclineStatement(parsing: bytes)
    guard let reason = Reason(rawValue: wire.reason) else {
      throw InvalidMessage("Decline.reason", "unknown reason “\(wire.reason.prefix(64))”")
    }
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "Decline.request")),
      term: try Term(validating: wire.term, "Decline.term"),
      reason: reason, counter: wire.counter, generation: wire.generation)
  }

  /// The bytes to sign.
  public func encoded() -> [UInt8] {
    WireDeclineStatement.with {
      $0.request = request.hash.data
      $0.term = term.wire
      $0.reason = reason.rawValue
      $0.counter = counter
      $0.generation = generation
    }.wireBytes
  }
}

extension SnapshotMark {
  package init(validating wire: WireSnapshotMarkFields) throws(InvalidMessage) {
    self.init(
      term: try Term(validating: wire.term, "SnapshotMark.term"), sequence: wire.sequence,
      digest: try Field.bytes32(wire.digest, "SnapshotMark.digest"))
  }
  package var wire: WireSnapshotMarkFields {
    .with {
      $0.term = term.wire
      $0.sequence = sequence
      $0.digest = digest.data
    }
  }
}
