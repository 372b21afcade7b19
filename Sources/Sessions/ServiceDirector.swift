import Assignments
import Base
import Identity
import Vocabulary

/// All services that one peer manages, in one table; messages and timers find their manager by the request.
public struct ServiceDirector: Sendable {
  /// By request, in the order of election.
  public private(set) var services: OrderedDictionary<RequestID, Manager> = [:]

  /// A peer that manages nothing yet.
  public init() {}

  /// This peer was elected; false when it manages as many services as it may, and should decline.
  public mutating func elected(
    _ order: ServiceOrder, _ mandate: HeldMandate, snapshot: [UInt8]?, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect]? {
    if let known = services[order.request], known.mandate.term >= mandate.term { return [] }
    guard services[order.request] != nil || services.count < Limits.services else { return nil }
    services[order.request] = Manager(order: order, mandate: mandate)
    return handle(.elected(snapshot: snapshot), of: order.request, at: now, in: context)
  }

  /// What happens to one service.
  public mutating func handle(
    _ input: ManagerInput, of request: RequestID, at now: Instant, in context: ManagerContext
  ) -> [ManagerEffect] {
    services[request]?.handle(input, at: now, in: context) ?? []
  }

  /// A message from a service node, which names its request.
  public mutating func handle(
    _ message: SessionMessage, from node: NodeID, at now: Instant, in context: ManagerContext
  ) -> (request: RequestID, effects: [ManagerEffect]) {
    let request = message.request
    return (request, handle(.message(message, from: node), of: request, at: now, in: context))
  }

  /// Membership has found a node dead; effects by request.
  public mutating func nodeLost(
    _ node: NodeID, at now: Instant, in context: ManagerContext
  ) -> [(request: RequestID, effects: [ManagerEffect])] {
    services.keys.map { ($0, handle(.nodeLost(node), of: $0, at: now, in: context)) }
  }

  /// This peer no longer manages the service: fenced by a later term, or finished and reported. Its nodes notice nothing.
  public mutating func forget(_ request: RequestID) { services[request] = nil }
}

extension SessionMessage {
  /// Whom it is about.
  public var request: RequestID {
    switch self {
    case .reserve(let body): body.mark.request
    case .reserved(let body): body.mark.request
    case .commit(let body): body.mark.request
    case .committed(let body): body.mark.request
    case .release(let body): body.mark.request
    case .released(let mark), .renew(let mark): mark.request
    case .report(let body): body.request
    }
  }

  /// Whether a manager speaks to a node, so that it is for the ``Desk``; otherwise it is for the ``ServiceDirector``.
  public var isForDesk: Bool {
    switch self {
    case .reserve, .commit, .release, .renew: true
    case .reserved, .committed, .released, .report: false
    }
  }
}
