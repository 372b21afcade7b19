import Assignments
import Base
import Composition
import Desks
import Elections
import Foundation
import Identity
import Mandates
import Sessions
import Streams
import Vocabulary
import Wire

// What clients ask of this peer's portal: a request's source is resolved at the node that shares it, an envelope is signed for the
// client, the electors are called; the answer goes out when the sinks are open, or when somebody has said why not.

/// Requests that came in through this portal.
struct PortalBook: Sendable {
  /// Waiting for the node that shares the source.
  var resolving: OrderedDictionary<UInt64, Submission> = [:]
  /// Waiting for the electors' lots, by draw; with the token under which the submission was resolved.
  var drawing: OrderedDictionary<Bytes32, (token: UInt64, submission: Submission)> = [:]
  /// Called, running or over.
  var called: OrderedDictionary<RequestID, Submission> = [:]
  /// Idempotency keys, with the document that they stood for first.
  var keys: OrderedDictionary<String, KeyUse> = [:]
  /// Of the newest envelope.
  var counter: UInt64 = 0

  /// One request.
  struct Submission: Sendable {
    /// Clients that wait for the answer: one, and those that came again with the same key.
    var clients: [ClientToken]
    var request: ServiceRequest
    var place: Coordinate?
    var extra: Double
    /// Nothing is to run: the graph is all that is asked for.
    var onlyPlan = false
    var began: Instant
    /// Outputs that the graph has.
    var outputs: [String] = []
    var opened: OrderedSet<String> = []
    var delivered: OrderedSet<String> = []
    var calledAt: Instant?
    var managed: Instant?
    var running: Instant?
    /// When its manager, silent for too long, was last sought.
    var sought: Instant?
    var isOver = false
    /// Sinks without clients, and since when.
    var abandoned: OrderedDictionary<String, Instant> = [:]
    /// Clients that wait to hear of the end that they wished, and since when the first of them does.
    var ending: [ClientToken] = []
    var endAskedAt: Instant?
    /// Nobody wants it any more: every manager is told so until it is over. A wish can die with the manager that it was sent to.
    var isUnwanted = false
    /// What the node that shares the source says of it.
    var source: Signed<SourceStatement>?
    /// Times that the electors were called again with an electorate that they find plausible.
    var recalls = 0
    /// The newest renewal, when it was told last, and whether a quorum keeps it.
    var renewal: (word: Signed<Renewal>, told: Instant, isKept: Bool)?
    /// The newest phase that was told as an event here.
    var toldState = ""
  }

  enum KeyUse: Sendable {
    case resolving(Bytes32, UInt64)
    case called(Bytes32, RequestID)
  }
}

extension Node {
  // MARK: - On a request

  mutating func onSubmit(
    _ client: ClientToken, _ request: ServiceRequest, key: String?, place: Coordinate?, extra: Double,
    onlyPlan: Bool = false
  ) {
    let digest = Digest.of(request.canonicalBytes, kind: "idempotency")
    if let key, let use = portal.keys[key] { return onRepeat(client, digest, use) }
    guard
      portal.resolving.count + portal.drawing.count + portal.called.values.count(where: { !$0.isOver })
        < Limits.submissions
    else {
      return effectsOut.append(.answer(client, .refused(.busy)))
    }
    nextToken += 1
    let token = nextToken
    if let key {
      if portal.keys.count >= 4 * Limits.submissions { portal.keys.removeFirst() }
      portal.keys[key] = .resolving(digest, token)
    }
    portal.resolving[token] = PortalBook.Submission(
      clients: [client], request: request, place: place, extra: extra, onlyPlan: onlyPlan, began: now)
    let source = request.source
    guard source.node == id || members[source.node]?.isMember == true else {
      return giveUp(token, .sourceNodeUnreachable(source.node))
    }
    send(
      .with {
        $0.service = .with {
          $0.resolve = .with {
            $0.token = token
            $0.path = source.path
          }
        }
      }, to: source.node)
  }

  private mutating func onRepeat(_ client: ClientToken, _ digest: Bytes32, _ use: PortalBook.KeyUse) {
    switch use {
    case .resolving(let first, _) where first != digest, .called(let first, _) where first != digest:
      effectsOut.append(.answer(client, .refused(.idempotencyKeyReused)))
    case .resolving(_, let token):
      guard portal.resolving[token]?.clients.count ?? 0 < Limits.waitingClients else {
        return effectsOut.append(.answer(client, .refused(.busy)))
      }
      portal.resolving[token]?.clients.append(client)
    case .called(_, let request):
      guard let submission = portal.called[request] else { return effectsOut.append(.answer(client, .unknown)) }
      if submission.running != nil || submission.isOver {
        effectsOut.append(.answer(client, .accepted(request, outputs: submission.outputs, isRepeat: true)))
      } else if submission.clients.count >= Limits.waitingClients {
        effectsOut.append(.answer(client, .refused(.busy)))
      } else {
        portal.called[request]!.clients.append(client)
      }
    }
  }

  // MARK: - On the source

  private mutating func onResolved(_ answer: WireSourceResolved, from sender: NodeID) throws(InvalidMessage) {
    guard let submission = portal.resolving[answer.token], submission.request.source.node == sender else { return }
    switch answer.result {
    case .problem(let problem):
      let fault = WorkerFault(
        kind: String(problem.kind.prefix(64)), stage: nil, message: String(problem.detail.prefix(500)))
      giveUp(answer.token, .source(fault, node: sender))
    case .description_p(let wire):
      let statement = try Signed<SourceStatement>(
        verifying: SignedEnvelope(validating: wire, "SourceResolved.description"), using: &verified)
      guard statement.signer == sender, statement.body.path == submission.request.source.path else {
        throw InvalidMessage("SourceResolved.description", "not of the path that was asked for")
      }
      call(answer.token, statement)
    case nil: throw InvalidMessage("SourceResolved", "says nothing")
    }
  }

  /// Signs an envelope for the client and calls the electors.
  mutating func call(_ token: UInt64, _ source: Signed<SourceStatement>) {
    guard var submission = portal.resolving.removeValue(forKey: token) else { return }
    do throws(BuildError) {
      let graph = try GraphBuilder.graph(for: submission.request, on: source.body.source, catalogue: catalogue)
      if submission.onlyPlan {
        for client in submission.clients { effectsOut.append(.answer(client, .planned(graph))) }
        return
      }
      submission.outputs = graph.outputs.map(\.name)
    } catch {
      portal.resolving[token] = submission
      return giveUp(token, .graph("\(error)"))
    }
    let document = ClientCall(
      request: submission.request.canonicalBytes, source: source,
      client: submission.place ?? members.estimator.coordinate, clientExtra: submission.extra)
    guard let electorate = memberView.electorate(for: source.body.source.key) else {
      portal.resolving[token] = submission
      return giveUp(token, .election("no member may elect: all that are known here are ignored for fraud"))
    }
    submission.source = source
    portal.counter += 1
    let envelope = Envelope(
      document: document.bytes, counter: portal.counter, source: source.body.source.key, electorate: electorate,
      portal: id, issued: wall, notAfter: wall + (settings.election.isOrder ? settings.requestLife : Limits.contestLife)
    )
    order(envelope, of: submission, token)
  }

  /// Calls the electors with a signed envelope.
  mutating func call(
    _ token: UInt64, _ body: Envelope, of submission: PortalBook.Submission, evidence: [SignedEnvelope]
  ) {
    var submission = submission
    let envelope = Signed(body, by: keys)
    verified.note(own: envelope)
    let request = RequestID(envelope.digest)
    submission.calledAt = now
    portal.called[request] = submission
    let over = portal.called.filter(\.value.isOver).map(\.key)
    for oldest in over.dropLast(Limits.overServices) { portal.called.removeValue(forKey: oldest) }
    for (key, use) in portal.keys {
      if case .resolving(let digest, token) = use { portal.keys[key] = .called(digest, request) }
    }
    knownServices.note(request) { $0.state = "electing" }
    let size = body.electorate.size
    event(
      "request.called", request, "called \(size) electors",
      [.init("electors", "\(size)"), .init("strategy", strategy.rawValue)])
    elect(envelope, evidence: evidence)
  }

  mutating func giveUp(_ token: UInt64, _ reason: Refused) {
    guard let submission = portal.resolving.removeValue(forKey: token) else { return }
    forgetKey { if case .resolving(_, token) = $0 { true } else { false } }
    for client in submission.clients { effectsOut.append(.answer(client, .refused(reason))) }
  }

  // MARK: - On the sinks

  mutating func onSinkOpened(_ delivery: DeliveryID) {
    let request = delivery.request
    guard let submission = portal.called[request] else { return }
    // It came to run after its clients had been told that it would not.
    guard !submission.isOver else { return wishEnd(of: request) }
    portal.called[request]!.opened.append(delivery.output)
    portal.called[request]!.abandoned[delivery.output] = now
    guard portal.called[request]!.running == nil,
      portal.called[request]!.outputs.allSatisfy(portal.called[request]!.opened.contains)
    else { return }
    portal.called[request]!.running = now
    knownServices.note(request) { $0.state = "running" }
    for client in portal.called[request]!.clients {
      effectsOut.append(.answer(client, .accepted(request, outputs: portal.called[request]!.outputs, isRepeat: false)))
    }
    portal.called[request]!.clients = []
  }

  mutating func onClients(of sink: SinkID, present: Bool) {
    guard let delivery = sinks.delivery(sink) else { return }
    portal.called[delivery.request]?.abandoned[delivery.output] = present ? nil : now
    tellDesk(.clients(delivery, present: present))
  }

  mutating func onSinkDelivered(_ delivery: DeliveryID) {
    portal.called[delivery.request]?.delivered.append(delivery.output)
  }

  /// The request comes to nothing; its clients are told why.
  mutating func refuse(_ request: RequestID, _ reason: Refused) {
    knownServices.note(request) {
      $0.state = "failed"
      $0.problem = "\(reason)"
    }
    guard let submission = portal.called[request] else { return }
    portal.called[request]!.isOver = true
    dismissReaders(of: request)
    portal.called[request]!.clients = []
    forgetKey { if case .called(_, request) = $0 { true } else { false } }
    for client in submission.clients { effectsOut.append(.answer(client, .refused(reason))) }
  }

  private mutating func forgetKey(where matches: (PortalBook.KeyUse) -> Bool) {
    for (key, use) in portal.keys where matches(use) { portal.keys.removeValue(forKey: key) }
  }

  // MARK: - On the end

  mutating func onEnd(_ client: ClientToken, _ request: RequestID) {
    guard let submission = portal.called[request] else { return onInquire(client, request, explanation: false) }
    guard !submission.isOver else { return effectsOut.append(.answer(client, .report(localReport(of: request)))) }
    guard submission.ending.count < Limits.waitingClients else {
      return effectsOut.append(.answer(client, .report(localReport(of: request))))
    }
    if submission.ending.isEmpty { portal.called[request]!.endAskedAt = now }
    portal.called[request]!.ending.append(client)
    portal.called[request]!.isUnwanted = true
    wishEnd(of: request)
  }

  /// Tells the manager that the client wants no more, under the key that signed the envelope.
  mutating func wishEnd(of request: RequestID) {
    let wish = Signed(EndWish(request: request, wall: wall), by: keys)
    guard let manager = knownServices[request]?.warrant?.manager else { return }
    send(.with { $0.service = .with { $0.end = .with { $0.wish = wish.envelope.wire } } }, to: manager)
  }

  private mutating func onEndWish(_ wire: WireEndRequest) throws(InvalidMessage) {
    let wish = try Signed<EndWish>(
      verifying: SignedEnvelope(validating: wire.wish, "EndRequest.wish"), using: &verified)
    guard let note = notes[wish.body.request] else { return }
    guard wish.signer == note.warrant.envelope.client else {
      throw InvalidMessage("EndRequest.wish", "not signed by the request's client")
    }
    manage(wish.body.request, .endRequested)
  }

  mutating func onServiceEnded(_ request: RequestID) {
    if let manager = director.services[request], manager.phase != .ending {
      // A later term's manager ended it while this one was out of reach.
      onLost(request, .succeeded(manager.mandate.term))
    } else {
      manage(request, .endRecorded)
    }
    knownServices.note(request) { if $0.state != "failed" { $0.state = "ended" } }
    finishSubmission(request)
  }

  mutating func finishSubmission(_ request: RequestID) {
    guard let submission = portal.called[request], !submission.isOver else { return }
    portal.called[request]!.isOver = true
    dismissReaders(of: request)
    let waiting = submission.ending
    portal.called[request]!.ending = []
    for client in waiting { effectsOut.append(.answer(client, .report(localReport(of: request)))) }
    let problem = knownServices[request]?.problem ?? ""
    for client in submission.clients {
      effectsOut.append(.answer(client, .refused(.manager(problem.isEmpty ? "the service ended" : problem, nil))))
    }
    portal.called[request]!.clients = []
  }

  /// Nothing will come any more: a sink that its manager cannot release goes as an orphan, whoever still reads from it.
  private mutating func dismissReaders(of request: RequestID) {
    for output in sinks.outputs(of: request) {
      tellDesk(.clients(DeliveryID(request: request, output: output), present: false))
    }
  }

  // MARK: - On messages of this room

  mutating func onService(_ message: WireServiceMessage, from sender: NodeID) throws(InvalidMessage) {
    switch message.body {
    case .resolve(let resolve):
      let path = try Field.text(resolve.path, "ResolveSource.path")
      guard sources.asking < Limits.submissions else {
        let full = WireSourceResolved.with {
          $0.token = resolve.token
          $0.problem = .with {
            $0.kind = "busy"
            $0.detail = "\(Limits.submissions) peers wait for this node to look at files already"
          }
        }
        return send(.with { $0.service = .with { $0.resolved = full } }, to: sender)
      }
      sources.waiting[path, default: []].append((sender, resolve.token))
      lookAt(path)
    case .resolved(let resolved): try onResolved(resolved, from: sender)
    case .inquiry(let inquiry): try onInquiry(inquiry, from: sender)
    case .report(let report): try onReport(report, from: sender)
    case .end(let wish): try onEndWish(wish)
    case nil: throw InvalidMessage("ServiceMessage", "says nothing")
    }
  }

  // MARK: - Now and then

  mutating func expireSubmissions() {
    for (token, submission) in portal.resolving where now - submission.began > Limits.resolveTime {
      giveUp(token, .sourceNodeUnreachable(submission.request.source.node))
    }
    for (request, submission) in portal.called where !submission.isOver {
      if submission.running == nil, now - submission.began > Limits.submissionTime {
        refuse(
          request,
          .manager(
            "the service did not come to run within \(Int(Limits.submissionTime.seconds)) s",
            knownServices[request]?.warrant?.manager))
        wishEnd(of: request)
      } else if submission.isUnwanted {
        wishEnd(of: request)
      } else if submission.running != nil, !submission.abandoned.isEmpty {
        let patience = submission.delivered.isEmpty ? Limits.clientAbsence : Limits.clientAbsenceAtEnd
        let rest = submission.outputs.filter { !submission.delivered.contains($0) }
        if rest.allSatisfy({ output in submission.abandoned[output].map { now - $0 > patience } ?? false }) {
          portal.called[request]!.isUnwanted = true
          wishEnd(of: request)
        }
      }
    }
    seekSilentManagers()
    let over = portal.called.filter { $0.value.isOver && now - $0.value.began > Limits.overKept }
    for request in over.keys { portal.called.removeValue(forKey: request) }
  }
}

extension Limits {
  /// A service that none of its clients reads is ended after this.
  public static let clientAbsence = Duration.seconds(60)
  /// The same once one of its outputs has come to its end: the others were not wanted.
  public static let clientAbsenceAtEnd = Duration.seconds(3)
  /// Services that are over are shown for so long.
  public static let overKept = Duration.seconds(3600)
}
