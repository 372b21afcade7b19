import Assignments
import Base
import Identity
import Vocabulary

/// What a service node runs and for whom, for checkers outside of it.
package struct DeskLook: Sendable {
  /// A group.
  package struct Group: Sendable {
    /// Its output.
    package var stream: StreamKey
    /// Who holds it, the oldest first.
    package var shares: [Share]
    /// Whether a subscriber was let in and has not left.
    package var isConsumed: Bool
    /// Since when nobody holds it, by the node's clock.
    package var sharelessSince: Instant?
  }
  /// A request's hold on a group.
  package struct Share: Sendable {
    /// Whose.
    package var request: RequestID
    /// The term that was obeyed last for it.
    package var term: Term
    /// The plan's version.
    package var version: UInt32
    /// Its manager must be heard of before, by the node's clock.
    package var leaseEnds: Instant
  }
  /// A sink.
  package struct Sink: Sendable {
    /// Which.
    package var delivery: DeliveryID
    /// The term that was obeyed last for it.
    package var term: Term
    /// The plan's version.
    package var version: UInt32
  }
  /// The term of each request that the node acted for last, reservations included.
  package var heeded: [(request: RequestID, term: Term)]
  /// In the order in which they were opened.
  package var groups: [Group]
  /// In the order in which they were opened.
  package var sinks: [Sink]
  /// Everything promised.
  package var promised: Promised
  /// What there is in all.
  package var capacity: Capacity
}

extension Desk {
  package var look: DeskLook {
    DeskLook(
      heeded: dossiers.map { ($0, $1.fence.term) },
      groups: groups.map { stream, group in
        DeskLook.Group(
          stream: stream,
          shares: group.shares.map {
            DeskLook.Share(request: $0, term: $1.term, version: $1.version, leaseEnds: $1.leaseEnds)
          }, isConsumed: group.isConsumed, sharelessSince: group.sharelessSince)
      }, sinks: sinks.map { DeskLook.Sink(delivery: $0, term: $1.term, version: $1.version) }, promised: promised,
      capacity: capacity)
  }
  /// Requests that are remembered.
  package var remembered: Int { dossiers.count }
  /// Standbys of the stream that has most.
  package var mostStandbys: Int { groups.values.map(\.standbys.count).max() ?? 0 }
}
