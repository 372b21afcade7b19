import Base
import Composition
import Core
import Elections
import Foundation
import Identity
import Mandates
import NIOCore
import Portal
import Streams
import Vocabulary
import Wire

/// What the portal asks of its peer, answered on the peer's loop. The answers' views are made in `Views+Runtime`.
struct PeerBackend: OverlayBackend {
  let peer: PeerLoop

  private func onLoop<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws(Problem) -> Value {
    do { return try await peer.loop.submit(body).get() } catch let problem as Problem { throw problem } catch {
      throw Problem("internal", status: 500, title: "Internal error", detail: "\(error)")
    }
  }

  private func ask(_ question: ClientQuestion) async throws(Problem) -> ClientAnswer {
    do { return try await peer.loop.flatSubmit { peer.ask(question) }.get() } catch {
      throw Problem(
        "stopping", status: 503, title: "Stopping", detail: "This peer is about to leave.", retryAfterSeconds: 5)
    }
  }

  private func identifier(_ text: String) throws(Problem) -> RequestID {
    guard let request = RequestID(text) else { throw .notFound("Service “\(text.prefix(60))”") }
    return request
  }

  // MARK: - Requests

  private func read(_ document: RequestDocument) throws(Problem) -> ServiceRequest {
    do { return try ServiceRequest(document: document.bytes) } catch { throw Problem(error) }
  }

  func submit(_ document: RequestDocument) async throws(Problem) -> ServiceAccepted {
    let request = try read(document)
    let place = document.client.coordinate.flatMap { numbers -> Coordinate? in
      guard numbers.count == Coordinate.dimensions + 1, numbers.allSatisfy({ $0.isFinite && abs($0) < 100_000 }),
        numbers[4] >= 0
      else { return nil }
      return Coordinate(vector: Array(numbers.prefix(4)), height: numbers[4], error: 0.5)
    }
    let extra = place == nil ? min(10_000, max(0, document.client.roundTripMs ?? 0)) : 0
    switch try await ask(.submit(request, idempotencyKey: document.idempotencyKey, place: place, extra: extra)) {
    case .accepted(let id, let outputs, let isRepeat):
      let view = try await service(id.description)
      return ServiceAccepted(
        id: id.description, state: view.state, manager: view.manager, term: view.term,
        outputs: view.outputs.isEmpty ? outputs.map { OutputView(id, $0, request) } : view.outputs, isRepeat: isRepeat)
    case .refused(let reason): throw Problem(reason)
    case .report, .unknown, .planned:
      throw Problem("gone", status: 410, title: "Gone", detail: "The service that this key stood for is over.")
    }
  }

  func plan(_ document: RequestDocument) async throws(Problem) -> PlanView {
    let request = try read(document)
    switch try await ask(.plan(request)) {
    case .planned(let graph): return PlanView(graph, request)
    case .refused(let reason): throw Problem(reason)
    default: throw .notFound("A plan of this request")
    }
  }

  func services() async throws(Problem) -> [ServiceView] {
    try await onLoop { peer.node.services.map { ServiceView($0.request, $0.report, at: peer) } }
  }

  func service(_ id: String) async throws(Problem) -> ServiceView {
    let request = try identifier(id)
    switch try await ask(.inquire(request, explanation: false)) {
    case .report(let report): return try await onLoop { ServiceView(request, report, at: peer) }
    default: throw .notFound("Service \(request.short)…")
    }
  }

  func end(_ id: String) async throws(Problem) -> ServiceView {
    let request = try identifier(id)
    switch try await ask(.end(request)) {
    case .report(let report):
      let view = try await onLoop { ServiceView(request, report, at: peer) }
      guard view.portal == "\(peer.keys.id)" || view.state == .ended || view.state == .failed else {
        throw Problem(
          "another-portals", status: 403, title: "Another portal's service",
          detail: "Service \(request.short)… came in through another portal, which alone speaks for its client.",
          peer: view.portal)
      }
      return view
    default: throw .notFound("Service \(request.short)…")
    }
  }

  func events(of service: String?, after: UInt64?) async throws(Problem) -> AsyncStream<ServiceEvent> {
    if let service {
      let request = try identifier(service)
      guard try await onLoop({ peer.node.services.contains { $0.request == request } }) else {
        throw .notFound("Service \(request.short)…")
      }
    }
    return peer.journal.follow(service, after: after)
  }

  // MARK: - The overlay and its elections

  func overlay() async throws(Problem) -> OverlayStatus { try await onLoop { OverlayStatus(peer) } }

  func election(_ id: String) async throws(Problem) -> ElectionView {
    let request = try identifier(id)
    guard case .report(let report) = try await ask(.inquire(request, explanation: true)) else {
      throw .notFound("Request \(request.short)…")
    }
    guard let view = ElectionView(request, report) else {
      if ["ended", "failed"].contains(report.wire.state) {
        throw Problem(
          "no-mandate-kept", status: 404, title: "No mandate is kept here",
          detail:
            "The service \(request.short)… is over; its portal and its manager keep its mandate, this peer does not.")
      }
      throw Problem(
        "no-mandate", status: 409, title: "No mandate yet",
        detail: "The electors have not given a mandate for \(request.short)… yet.", retryAfterSeconds: 1)
    }
    return view
  }

  func explanation(_ id: String) async throws(Problem) -> ExplanationView {
    let request = try identifier(id)
    guard case .report(let report) = try await ask(.inquire(request, explanation: true)) else {
      throw .notFound("Service \(request.short)…")
    }
    guard let view = ExplanationView(request, report) else {
      throw Problem(
        "no-plan", status: 409, title: "No plan",
        detail:
          "The manager of \(request.short)… has not explained a plan of its own (a successor keeps its predecessor's).")
    }
    return view
  }

  func metrics() async -> [MetricFamily] { (try? await onLoop { MetricFamily.all(of: peer) }) ?? [] }

  func health() async -> HealthView {
    let fallback = HealthView(
      status: .stopping, node: "\(peer.keys.id)", version: Build.version, uptimeSeconds: 0, membersAlive: 0)
    return
      (try? await onLoop {
        let uptime = (PeerLoop.now - peer.began).seconds
        return HealthView(
          status: .ok, node: "\(peer.keys.id)", version: Build.version, uptimeSeconds: uptime,
          membersAlive: peer.node.peers.count + 1, warnings: OverlayStatus.warnings(peer))
      }) ?? fallback
  }

  // MARK: - Delivery

  func openDelivery(of service: String, output: String?, from: UInt64?) async throws(Problem) -> any Portal.Delivery {
    let request = try identifier(service)
    let peer = peer
    let opened: EventLoopFuture<HubDelivery> = peer.loop.flatSubmit {
      let names = peer.hubsByOutput.keys.filter { $0.request == request }.map(\.output)
      guard let name = output ?? (names.contains("main") ? "main" : names.first),
        let sink = peer.hubsByOutput[.init(request: request, output: name)], let hub = peer.hubs[sink]
      else {
        return peer.loop.makeFailedFuture(
          names.isEmpty
            ? Problem(
              "not-here", status: 404, title: "No media here",
              detail: "Service \(request.short)… delivers nothing at this portal: ask the one that took the request.")
            : Problem(
              "no-such-output", status: 404, title: "No such output",
              detail: "Service \(request.short)… has no output “\(output ?? "")”.", field: "output", value: output,
              allowed: names.sorted()))
      }
      return hub.awaitFormat(deadline: .seconds(20)).assumeIsolated().flatMapThrowing { format in
        HubDelivery(
          hub: hub, loop: peer.loop, client: try hub.attach(from: from), format: format, isLive: true,
          now: { PeerLoop.now })
      }.nonisolated()
    }
    do { return try await opened.get() } catch let problem as Problem { throw problem } catch {
      throw Problem("internal", status: 500, title: "Internal error", detail: "\(error)")
    }
  }
}
