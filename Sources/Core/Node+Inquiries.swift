import Base
import Elections
import Identity
import Mandates
import Measurements
import Membership
import Rivals
import Streams
import Vocabulary
import Wire

// How a service stands: its manager knows; any peer finds the manager.

/// Questions of clients that other peers are being asked.
struct InquiryBook: Sendable {
  struct Inquiry: Sendable {
    var client: ClientToken
    var request: RequestID
    var explanation: Bool
    var asked: OrderedSet<NodeID>
    var silent: OrderedSet<NodeID>
    var began: Instant
  }
  var open: OrderedDictionary<UInt64, Inquiry> = [:]
}

/// What this peer last heard of a service.
struct KnownService: Sendable {
  var state = ""
  var problem = ""
  /// A mandate, or a manager's own claim where no quorum elects.
  var warrant: Warrant?
  var report: WireServiceReport?
  var heard: Instant?
}

extension OrderedDictionary<RequestID, KnownService> {
  /// Changes what is known of a service; the oldest is forgotten when there are too many.
  mutating func note(_ request: RequestID, _ change: (inout KnownService) -> Void) {
    if self[request] == nil, count >= Limits.knownServices { removeFirst() }
    change(&self[request, default: KnownService()])
  }
}

extension Limits {
  /// Services that a peer remembers having heard of.
  public static let knownServices = 1_024
  /// Questions of clients that other peers are being asked at a time; beyond it what is known here must do.
  public static let inquiries = 1_024
}

/// How a service stands, and how old that is.
public struct ServiceReport: Sendable {
  /// What its manager said, or the little that is known here.
  public var wire: WireServiceReport
  /// Since it was said.
  public var age: Duration
  /// Of what this portal saw itself; nil where the request came through another.
  public var portal: PortalTimes?
}

/// When a request met what, at its portal.
public struct PortalTimes: Hashable, Sendable {
  /// It came in.
  public var began: Instant
  /// Its source was known and the electors were called.
  public var called: Instant?
  /// A manager was elected.
  public var managed: Instant?
  /// The sinks were open.
  public var running: Instant?
  /// Names of its outputs, the main one first.
  public var outputs: [String]
}

extension Node {
  // MARK: - On a client's question

  mutating func onInquire(_ client: ClientToken, _ request: RequestID, explanation: Bool) {
    if let wire = managerReport(of: request, explanation: explanation) {
      return effectsOut.append(
        .answer(client, .report(ServiceReport(wire: wire, age: .zero, portal: portalTimes(of: request)))))
    }
    if let known = knownServices[request],
      known.state == "electing" || portal.called[request]?.isOver == true || known.warrant?.manager == id
    {
      return effectsOut.append(.answer(client, .report(localReport(of: request))))
    }
    nextToken += 1
    var inquiry = InquiryBook.Inquiry(
      client: client, request: request, explanation: explanation, asked: [], silent: [], began: now)
    let manager = knownServices[request]?.warrant?.manager
    let others = members.all(at: now).filter { $0.isMember && $0.node != id }.map(\.node).prefix(Limits.inquiredPeers)
    let whom = manager.map { members[$0]?.isMember == true ? [$0] : Array(others) } ?? Array(others)
    guard !whom.isEmpty, inquiries.open.count < Limits.inquiries else { return settle(inquiry) }
    inquiry.asked = OrderedSet(whom)
    inquiry.silent = inquiry.asked
    inquiries.open[nextToken] = inquiry
    for node in whom { ask(node, nextToken, inquiry) }
    keepHouse(by: now + .milliseconds(250))
  }

  private mutating func ask(_ node: NodeID, _ token: UInt64, _ inquiry: InquiryBook.Inquiry) {
    send(
      .with {
        $0.service = .with {
          $0.inquiry = .with {
            $0.token = token
            $0.request = inquiry.request.hash.data
            $0.explanation = inquiry.explanation
          }
        }
      }, to: node)
  }

  /// Nobody knows more: what is known here must do.
  private mutating func settle(_ inquiry: InquiryBook.Inquiry) {
    let answer: ClientAnswer =
      knownServices[inquiry.request] == nil ? .unknown : .report(localReport(of: inquiry.request))
    effectsOut.append(.answer(inquiry.client, answer))
  }

  // MARK: - On a peer's question, and on answers

  mutating func onInquiry(_ inquiry: WireInquiry, from sender: NodeID) throws(InvalidMessage) {
    let request = RequestID(try Field.bytes32(inquiry.request, "Inquiry.request"))
    var report =
      managerReport(of: request, explanation: inquiry.explanation)
      ?? WireServiceReport.with { $0.request = request.hash.data }
    if !report.known, let manager = knownServices[request]?.warrant?.manager, manager != id {
      report.manager = manager.data
    }
    report.token = inquiry.token
    send(.with { $0.service = .with { $0.report = report } }, to: sender)
  }

  mutating func onReport(_ report: WireServiceReport, from sender: NodeID) throws(InvalidMessage) {
    let request = RequestID(try Field.bytes32(report.request, "ServiceReport.request"))
    if report.known { learn(report, of: request, from: sender) }
    // Tokens can be guessed: an answer counts from one that was asked, once.
    guard report.token != 0, var inquiry = inquiries.open[report.token], inquiry.request == request,
      inquiry.silent.remove(sender) != nil
    else { return }
    inquiries.open[report.token] = inquiry
    if report.known {
      inquiries.open.removeValue(forKey: report.token)
      return effectsOut.append(
        .answer(inquiry.client, .report(ServiceReport(wire: report, age: .zero, portal: portalTimes(of: request)))))
    }
    // Whoever answers may point on, but liars not from one to the next without end.
    if let hint = Bytes32(report.manager).map(NodeID.init), inquiry.asked.count < 2 * Limits.inquiredPeers,
      inquiry.asked.append(hint).inserted
    {
      inquiry.silent.append(hint)
      inquiries.open[report.token] = inquiry
      ask(hint, report.token, inquiry)
    }
    if inquiry.silent.isEmpty {
      inquiries.open.removeValue(forKey: report.token)
      settle(inquiry)
    }
  }

  /// A manager's word of its service; the mandate that comes with it is checked before it counts.
  private mutating func learn(_ report: WireServiceReport, of request: RequestID, from sender: NodeID) {
    guard let warrant = try? Warrant(validating: Array(report.mandate), using: &verified), warrant.request == request,
      warrant.manager == sender, knownServices[request]?.warrant.map({ $0.term <= warrant.term }) ?? true,
      (try? warrant.verify(using: &verified)) != nil
    else { return }
    // What its clients were told is over stays so, whatever a manager does that has not heard of it: it hears of it now.
    if portal.called[request]?.isOver ?? false, !["ended", "failed"].contains(report.state) {
      knownServices.note(request) { $0.warrant = warrant }
      if report.state != "ending" { wishEnd(of: request) }
      return
    }
    knownServices.note(request) {
      $0.warrant = warrant
      $0.report = report
      $0.state = report.state
      $0.problem = report.problem
      $0.heard = now
    }
    // Who listens at the portal hears of every phase, wherever the manager is; where it is here, it said so itself.
    if let submission = portal.called[request], submission.toldState != report.state {
      portal.called[request]!.toldState = report.state
      if sender != id {
        let reason = String(report.problem.prefix(1_000))
        event(
          "service.\(report.state)", request, reason.isEmpty ? report.state : "\(report.state): \(reason)",
          [.init("reason", reason)])
      }
    }
    switch report.state {
    case "failed":
      let problem = String(report.problem.prefix(1_000))
      if portal.called[request]?.running == nil {
        refuse(request, .manager(problem, sender))
      } else {
        finishSubmission(request)
      }
    case "ended": finishSubmission(request)
    default: break
    }
  }

  mutating func expireInquiries() {
    for (token, inquiry) in inquiries.open where now - inquiry.began > Limits.inquiryTime {
      inquiries.open.removeValue(forKey: token)
      settle(inquiry)
    }
    for (request, submission) in portal.called
    where !submission.ending.isEmpty && submission.endAskedAt.map({ now - $0 > Limits.inquiryTime }) ?? true {
      // The manager may have died over it: what is known is told, the wish stays.
      for client in submission.ending { effectsOut.append(.answer(client, .report(localReport(of: request)))) }
      portal.called[request]!.ending = []
    }
  }

  // MARK: - What is known here

  /// What this peer can say by itself.
  func localReport(of request: RequestID) -> ServiceReport {
    let known = knownServices[request]
    var wire = known?.report ?? WireServiceReport.with { $0.request = request.hash.data }
    wire.known = true
    wire.state = known?.state ?? ""
    wire.problem = known?.problem ?? ""
    if let warrant = known?.warrant {
      wire.manager = warrant.manager.data
      wire.term = warrant.term.wire
      wire.mandate = .init(warrant.encoded())
    }
    return ServiceReport(wire: wire, age: known?.heard.map { now - $0 } ?? .zero, portal: portalTimes(of: request))
  }

  /// All services that this peer has to do with, oldest first.
  public var services: [(request: RequestID, report: ServiceReport)] {
    let all = OrderedSet(portal.called.keys).union(director.services.keys).union(knownServices.keys)
    return all.map { request in
      (
        request,
        managerReport(of: request, explanation: false).map {
          ServiceReport(wire: $0, age: .zero, portal: portalTimes(of: request))
        } ?? localReport(of: request)
      )
    }
  }

  private func portalTimes(of request: RequestID) -> PortalTimes? {
    portal.called[request].map {
      PortalTimes(began: $0.began, called: $0.calledAt, managed: $0.managed, running: $0.running, outputs: $0.outputs)
    }
  }
}

// MARK: - What the shell looks at

extension Node {
  /// All members as this peer sees them, itself first.
  public var view: [(member: Member, report: LoadReport?, received: Instant?)] {
    members.all(at: now).map { member in (member, board[member.node]?.report, board[member.node]?.received) }
  }
  /// One other member.
  public func member(_ node: NodeID) -> Member? { members[node] }
  /// The other members that take part.
  public var peers: [NodeID] { members.all(at: now).filter { $0.isMember && $0.node != id }.map(\.node) }
  /// What an electorate of the members of now would bear.
  public var tolerance: Electorate? { Electorate(Array(peers.prefix(Limits.electors - 1)) + [id]) }
  /// Services that this peer manages.
  public var managed: Int { director.services.count }
  /// Groups, and whether their workers run.
  public var groups: [GroupSnapshot] { streams.groups(at: now) }
}
