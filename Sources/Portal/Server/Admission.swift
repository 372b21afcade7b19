import Base
import HTTPTypes
import HummingbirdCore
import NIOCore

/// What a request must satisfy before anyone looks at what it asks.
///
/// A portal on loopback is reached by every page that the operator's browser opens. Two doors are shut here: a foreign name that
/// resolves to 127.0.0.1 (DNS rebinding) fails the Host check, and a foreign page's form or `fetch` fails the Origin check;
/// besides, no answer carries CORS headers, and a document must call itself YAML or JSON, which a form cannot do.
struct Admission: Sendable {
  /// Names that this portal answers to, beside IP addresses and `localhost`; nil = any (not bound to loopback, none configured).
  var names: [String]?

  func check(_ request: Request) throws(Problem) {
    let host = request.head.authority ?? ""
    guard let name = Self.name(ofAuthority: host), serves(name) else {
      throw Problem(
        "host-not-served", status: 421, title: "Misdirected request",
        detail: "This portal does not answer to that name; use its address, or add the name to the portal's names.",
        field: "Host", value: host, allowed: (names ?? []) + ["localhost", "an IP address"])
    }
    guard request.method != .get, request.method != .head else { return }
    if let origin = request.headers[.origin], origin != "http://\(host)", origin != "https://\(host)" {
      throw Self.crossOrigin("Origin", origin)
    }
    if let site = request.headers[.fetchSite], site != "same-origin", site != "none" {
      throw Self.crossOrigin("Sec-Fetch-Site", site)
    }
  }

  private static func crossOrigin(_ field: String, _ value: String) -> Problem {
    Problem(
      "cross-origin", status: 403, title: "Cross-origin request refused",
      detail: "Another site's page may not change anything here.", field: field, value: value)
  }

  private func serves(_ name: String) -> Bool {
    guard let names else { return true }
    return name == "localhost" || Self.isAddress(name) || names.contains { $0.lowercased() == name }
  }

  /// The host of `host[:port]`, lower case; nil when it is not one.
  static func name(ofAuthority text: String) -> String? {
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      return String(text[text.index(after: text.startIndex)..<end])
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let name = parts.first, !name.isEmpty else { return nil }
    if parts.count == 2, UInt16(parts[1]) == nil { return nil }
    return name.lowercased()
  }

  static func isAddress(_ text: String) -> Bool { (try? SocketAddress(ipAddress: text, port: 0)) != nil }

  // MARK: - Documents

  /// Reads a request document with everything that came along.
  func document(_ request: Request, from connection: ClientConnection) async throws -> RequestDocument {
    let format = try Self.format(request.headers[.contentType])
    let key = try Self.idempotencyKey(request.headers[.idempotencyKey])
    var client = connection
    client.coordinate = try Self.coordinate(request.headers[.coordinate])
    let limit = Limits.requestBytes
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
      throw Problem.tooLarge(limit: limit)
    }
    let buffer: ByteBuffer
    do {
      buffer = try await request.body.collect(upTo: limit)
    } catch is NIOTooManyBytesError {
      throw Problem.tooLarge(limit: limit)
    }
    guard buffer.readableBytes > 0 else {
      throw Problem(
        "empty-document", status: 400, title: "Empty document",
        detail: "The body has no bytes; send a request document.")
    }
    return RequestDocument(bytes: Array(buffer.readableBytesView), format: format, idempotencyKey: key, client: client)
  }

  static func format(_ contentType: String?) throws(Problem) -> DocumentFormat {
    let media = contentType?.split(separator: ";").first.map { $0.lowercased().filter { $0 != " " } }
    switch media {
    case "application/json"?: return .json
    case "application/yaml"?, "application/x-yaml"?, "text/yaml"?, "text/x-yaml"?: return .yaml
    default: throw .unsupportedMediaType(contentType)
    }
  }

  static func idempotencyKey(_ value: String?) throws(Problem) -> String? {
    guard let value else { return nil }
    let limit = Limits.idempotencyKeyCharacters
    guard (1...limit).contains(value.utf8.count), value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
      throw .badRequest(
        "Idempotency-Key", value: String(value.prefix(64)), detail: "The key cannot be read.",
        allowed: ["1…\(limit) printable ASCII characters"])
    }
    return value
  }

  static func coordinate(_ value: String?) throws(Problem) -> [Double]? {
    guard let value else { return nil }
    let numbers = value.split(separator: ",", omittingEmptySubsequences: false)
      .compactMap { Double($0.filter { $0 != " " }) }
      .filter { $0.isFinite && abs($0) <= 100_000 }
    guard numbers.count == 5, value.utf8.count <= 256, numbers[4] >= 0 else {
      throw .badRequest(
        "Millrace-Coordinate", value: String(value.prefix(64)), detail: "The coordinate cannot be read.",
        allowed: ["four coordinates and a height in milliseconds, e.g. 1.5,-2,0,0,0.3"])
    }
    return numbers
  }
}

extension HTTPField.Name {
  static let idempotencyKey = Self("Idempotency-Key")!
  static let coordinate = Self("Millrace-Coordinate")!
  static let fetchSite = Self("Sec-Fetch-Site")!
  static let lastEvent = Self("Last-Event-ID")!
  static let contentTypeOptions = Self("X-Content-Type-Options")!
  static let resourcePolicy = Self("Cross-Origin-Resource-Policy")!
  static let referrerPolicy = Self("Referrer-Policy")!
  static let service = Self("X-Millrace-Service")!
  static let output = Self("X-Millrace-Output")!
  static let live = Self("X-Millrace-Live")!
}
