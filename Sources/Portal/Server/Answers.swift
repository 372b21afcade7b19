import HTTPTypes
import HummingbirdCore
import NIOCore

/// Responses, all with the same defences: nothing is sniffed, embedded elsewhere, or kept by caches.
enum Answers {
  static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, type: String = "application/json") throws
    -> Response
  {
    make(status, type: type, ByteBuffer(bytes: try PortalJSON.encode(value, pretty: true) + [0x0A]))
  }

  static func text(_ text: String, type: String) -> Response { make(.ok, type: type, ByteBuffer(string: text)) }

  static func problem(_ problem: Problem) -> Response {
    let bytes = (try? PortalJSON.encode(problem, pretty: true)) ?? []
    var response = make(
      HTTPResponse.Status(code: problem.status), type: "application/problem+json", ByteBuffer(bytes: bytes + [0x0A]))
    if problem.status == 405, let allowed = problem.allowed {
      response.headers[.allow] = allowed.joined(separator: ", ")
    }
    if let seconds = problem.retryAfterSeconds { response.headers[.retryAfter] = "\(seconds)" }
    return response
  }

  /// A body of unknown length, written piece by piece.
  static func stream(
    type: String, _ write: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void
  ) -> Response {
    Response(status: .ok, headers: headers(type), body: ResponseBody(write))
  }

  static func page(_ file: PageFile) -> Response {
    var response = text(file.text, type: file.mimeType)
    response.headers[.cacheControl] = "no-cache"
    response.headers[.contentSecurityPolicy] =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return response
  }

  private static func make(_ status: HTTPResponse.Status, type: String, _ body: ByteBuffer) -> Response {
    Response(status: status, headers: headers(type), body: ResponseBody(byteBuffer: body))
  }

  private static func headers(_ type: String) -> HTTPFields {
    [
      .contentType: type, .cacheControl: "no-store", .contentTypeOptions: "nosniff", .resourcePolicy: "same-origin",
      .referrerPolicy: "no-referrer",
    ]
  }
}
