import Assignments
import Base
import Desks
import Elections
import Identity
import Mandates
import Sessions
import Streams
import Vocabulary

// What the simulator's checkers look at, and how its canaries are planted. Nothing here changes what a peer does, defects excepted,
// which no program outside this package can plant.

/// A fault that a test of the tests plants in a node, to see the checkers notice.
package enum Defect: String, CaseIterable, Sendable {
  /// An elector sends its vote before it is on disk.
  case promiseNotPersisted
  /// A service node heeds an older term after a newer.
  case fenceRemoved
  /// One vote too few makes a mandate, one acknowledgement too few a version.
  case quorumOffByOne
  /// A version takes effect with its first acknowledgement.
  case effectiveBeforeQuorum
  /// The same, but only once the electorate has changed: seen where electors die and the survivors are cut off from each other.
  case effectiveBeforeQuorumAfterHandover
  /// A lost store votes in elections that began before.
  case lostStoreForgotten
  /// An input socket acknowledges what came before anything was made of it.
  case acknowledgedOnReceipt
  /// A member of raft forgets a vote that it gave: seen where managers are found so.
  case raftVoteForgotten
}

extension Node {
  /// Plants a fault.
  package mutating func plant(_ defect: Defect) {
    switch defect {
    case .promiseNotPersisted: ballots.defect = .promiseNotPersisted
    case .quorumOffByOne: ballots.defect = .quorumOffByOne
    case .effectiveBeforeQuorum: ballots.defect = .effectiveBeforeQuorum
    case .effectiveBeforeQuorumAfterHandover: ballots.defect = .effectiveBeforeQuorumAfterHandover
    case .lostStoreForgotten: ballots.defect = .lostStoreForgotten
    case .fenceRemoved: desk.isFenceRemoved = true
    case .acknowledgedOnReceipt: streams.acknowledgesOnReceipt = true
    case .raftVoteForgotten: contests.plantForgottenVotes()
    }
  }

  /// Keeps no more than so many members beside itself: for overlays larger than a simulation can give every peer a full view of.
  package mutating func boundView(to most: Int) { members.bound = most }

  // MARK: - As a portal

  /// The request that a client's question became, once it was called.
  package func request(askedBy token: ClientToken) -> RequestID? {
    portal.called.elements.last { $0.value.clients.contains(token) }?.key
  }
  /// The electors that this portal called.
  package func electors(of request: RequestID) -> [NodeID]? {
    ballots.called(request)?.members ?? contests.members(of: request)?.members
  }
  /// What this peer last heard of a service; nil when it heard nothing.
  package func state(of request: RequestID) -> (state: String, problem: String)? {
    knownServices[request].map { ($0.state, $0.problem) }
  }

  /// The next envelopes bear later counters: what a portal that grinds may choose.
  package mutating func skipCounters(_ count: UInt64) { portal.counter += count }

  // MARK: - As a manager

  /// Whether this peer manages the request.
  package func manages(_ request: RequestID) -> Bool { director.services[request] != nil }
  /// All requests that this peer manages.
  package var managedRequests: OrderedSet<RequestID> { director.services.keys }
  /// The plan of a request that this peer manages.
  package func plan(of request: RequestID) -> ServicePlan? { director.services[request]?.plan }
  /// How a request stands that this peer manages, for people.
  package func managing(_ request: RequestID) -> String? {
    director.services[request].map { manager in
      "\(manager.phase.rawValue) at version \(manager.version) of term \(manager.mandate.term)"
        + (manager.isFrozen ? ", frozen" : "") + (isHandingOver(request) ? ", handing over" : "")
        + (manager.trouble.isEmpty ? "" : ", \(manager.trouble)")
    }
  }
  /// Of a request that this peer manages: its phase, term and whether a quorum is out of reach.
  package func standing(of request: RequestID) -> (phase: ServicePhase, term: Term, isFrozen: Bool)? {
    director.services[request].map { ($0.phase, $0.mandate.term, $0.isFrozen) }
  }

  /// Whether this peer manages the request and its electorate is about to change.
  package func isHandingOver(_ request: RequestID) -> Bool { ballots.isHandingOver(request) }

  // MARK: - As a service node

  /// The groups and sinks that this node runs, and for whom.
  package var deskLook: DeskLook { desk.look }
  /// No work and no promise is left.
  package var isIdle: Bool { desk.promised == Promised() && streams.isEmpty }
  /// What is left, for people.
  package var work: String {
    let groups = desk.look.groups.map { group in
      "stream \(group.stream.short) for \(group.shares.map { $0.request.short }), \(group.isConsumed ? "consumed" : "unconsumed")"
    }
    return (groups + desk.look.sinks.map { "sink \($0.delivery.output) of \($0.delivery.request.short)" }).joined(
      separator: "; ")
      + (streams.isEmpty ? "" : "; streams open")
  }
}
