import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore

/// Answers one request: admission, the table of endpoints, the backend, and every failure as a problem document.
struct PortalResponder: Sendable {
  let backend: any OverlayBackend
  let admission: Admission
  let streams: OpenStreams
  let keepAlive: Duration
  let logger: Logger

  func respond(to request: Request, on channel: any Channel) async -> Response {
    do {
      try admission.check(request)
      let path = request.uri.path
      let asked = request.method
      let endpoint = try Endpoint.find(method: asked == .head ? "GET" : asked.rawValue, path: path)
      if asked == .head, endpoint.isStream { throw Problem.methodNotAllowed("HEAD", path: path, allowed: ["GET"]) }
      let response = try await answer(endpoint, to: request, on: channel)
      return asked == .head ? response.createHeadResponse() : response
    } catch let problem as Problem {
      return Answers.problem(problem)
    } catch {
      logger.error("a request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
      return Answers.problem(.inner)
    }
  }

  private func answer(_ endpoint: Endpoint, to request: Request, on channel: any Channel) async throws -> Response {
    switch endpoint {
    case .submit: return try await submit(request, channel)
    case .plan:
      return try Answers.json(await backend.plan(try await admission.document(request, from: client(on: channel))))
    case .services: return try Answers.json(await backend.services())
    case .service(let id): return try Answers.json(await backend.service(id))
    case .end(let id): return try Answers.json(await backend.end(id))
    case .serviceEvents(let id): return try await events(of: id, request, channel)
    case .allEvents: return try await events(of: nil, request, channel)
    case .media(let id, let output): return try await media(id, output: output, request, channel)
    case .overlay: return try Answers.json(await backend.overlay())
    case .election(let id): return try Answers.json(await backend.election(id))
    case .explanation(let id): return try Answers.json(await backend.explanation(id))
    case .metrics: return Answers.text(PrometheusText.render(await backend.metrics()), type: PrometheusText.contentType)
    case .health:
      let health = await backend.health()
      return try Answers.json(
        health, status: health.status == .ok || health.status == .degraded ? .ok : .serviceUnavailable)
    case .description: return Answers.text(PageSources.openapi_yaml, type: "application/yaml")
    case .page(let file): return Answers.page(file)
    }
  }

  private func submit(_ request: Request, _ channel: any Channel) async throws -> Response {
    let accepted = try await backend.submit(try await admission.document(request, from: client(on: channel)))
    var response = try Answers.json(accepted, status: accepted.isRepeat ? .ok : .created)
    response.headers[.location] = "/v1/services/\(accepted.id)"
    return response
  }

  /// Where the client is, as far as the connection tells.
  private func client(on channel: any Channel) async -> ClientConnection {
    var client = ClientConnection(address: channel.remoteAddress?.ipAddress)
    #if os(Linux)
      if let provider = channel as? any SocketOptionProvider, let info = try? await provider.getTCPInfo().get() {
        client.roundTripMs = Double(info.tcpi_rtt) / 1_000
      }
    #endif
    return client
  }
}

extension Endpoint {
  /// Its answer has no end of its own.
  var isStream: Bool {
    switch self {
    case .serviceEvents, .allEvents, .media: true
    default: false
    }
  }
}
