import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// The connection that a request came on: for the client's address, its round trip, and to bound what the kernel buffers.
struct PortalContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }

  /// Where the client is, as far as the connection tells.
  func connection() async -> ClientConnection {
    var client = ClientConnection(address: channel.remoteAddress?.ipAddress)
    #if os(Linux)
      if let provider = channel as? any SocketOptionProvider, let info = try? await provider.getTCPInfo().get() {
        client.roundTripMs = Double(info.tcpi_rtt) / 1_000
      }
    #endif
    return client
  }
}

/// Answers one request: admission, the table of endpoints, the backend, and every failure as a problem document.
struct PortalResponder: HTTPResponder {
  let backend: any OverlayBackend
  let admission: Admission
  let slots: StreamSlots
  let keepAlive: Duration
  let logger: Logger

  func respond(to request: Request, context: PortalContext) async throws -> Response {
    do {
      try admission.check(request)
      let path = request.uri.path
      let asked = request.method
      let endpoint = try Endpoint.find(method: asked == .head ? "GET" : asked.rawValue, path: path)
      if asked == .head, endpoint.isStream { throw Problem.methodNotAllowed("HEAD", path: path, allowed: ["GET"]) }
      let response = try await answer(endpoint, to: request, context: context)
      return asked == .head ? response.createHeadResponse() : response
    } catch let problem as Problem {
      return Answers.problem(problem)
    } catch let error as CancellationError {
      throw error
    } catch {
      logger.error("a request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
      return Answers.problem(.inner)
    }
  }

  private func answer(_ endpoint: Endpoint, to request: Request, context: PortalContext) async throws -> Response {
    switch endpoint {
    case .submit: return try await submit(request, context)
    case .plan:
      return try Answers.json(await backend.plan(try await admission.document(request, from: context.connection())))
    case .services: return try Answers.json(await backend.services())
    case .service(let id): return try Answers.json(await backend.service(id))
    case .end(let id): return try Answers.json(await backend.end(id))
    case .serviceEvents(let id): return try await events(of: id, request, context)
    case .allEvents: return try await events(of: nil, request, context)
    case .media(let id, let output): return try await media(id, output: output, request, context)
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

  private func submit(_ request: Request, _ context: PortalContext) async throws -> Response {
    let accepted = try await backend.submit(try await admission.document(request, from: context.connection()))
    var response = try Answers.json(accepted, status: accepted.isRepeat ? .ok : .created)
    response.headers[.location] = "/v1/services/\(accepted.id)"
    return response
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

/// Counts open streams, so that clients cannot take all the memory.
final class StreamSlots: Sendable {
  private let limit: Int
  private let used = Mutex(0)

  init(_ limit: Int) { self.limit = limit }

  /// - Throws: 503 when all are taken.
  func take() throws(Problem) {
    let taken = used.withLock { used in
      if used < limit { used += 1 } else { return false }
      return true
    }
    guard taken else {
      throw Problem(
        "too-many-streams", status: 503, title: "Too many streams",
        detail: "This portal serves \(limit) streams at once and has no more; ask another peer.", retryAfterSeconds: 5)
    }
  }

  func release() { used.withLock { $0 -= 1 } }
}
