import Base
import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks a portal: what the command uses. One connection a call; HTTP/1.1 in the clear.
public struct PortalClient: Sendable {
  /// Where the portal is.
  public let address: PortalAddress
  /// How long the portal may be silent before an answer begins, and between pieces of a document. Streams may be silent longer.
  public var patience: Duration
  let group: any EventLoopGroup

  /// - Parameters:
  ///   - url: `http://HOST[:PORT]`, with or without a slash at the end.
  ///   - patience: longest silence before an answer.
  ///   - group: event loops to use.
  /// - Throws: ``PortalClientError/invalidAddress(_:)``.
  public init(
    _ url: String, patience: Duration = .seconds(30), group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) throws(PortalClientError) {
    guard let address = PortalAddress(url) else { throw .invalidAddress(url) }
    self.address = address
    self.patience = patience
    self.group = group
  }

  // MARK: - Documents

  /// Asks for a service.
  /// - Parameters:
  ///   - bytes: the request document.
  ///   - format: how it is written.
  ///   - idempotencyKey: makes a retry safe; give one.
  ///   - coordinate: the client's own, four values and the height, in milliseconds.
  public func submit(
    _ bytes: [UInt8], format: DocumentFormat, idempotencyKey: String?, coordinate: [Double]? = nil
  ) async throws(PortalClientError) -> ServiceAccepted {
    var headers = HTTPHeaders()
    if let idempotencyKey { headers.add(name: "Idempotency-Key", value: idempotencyKey) }
    if let coordinate {
      headers.add(name: "Millrace-Coordinate", value: coordinate.map { "\($0)" }.joined(separator: ","))
    }
    return try await document(.POST, "/v1/services", headers: headers, body: (bytes, format))
  }

  /// What the builder makes of a request.
  public func plan(_ bytes: [UInt8], format: DocumentFormat) async throws(PortalClientError) -> PlanView {
    try await document(.POST, "/v1/plan", body: (bytes, format))
  }

  /// All services that the peer knows.
  public func services() async throws(PortalClientError) -> [ServiceView] { try await document(.GET, "/v1/services") }

  /// One service.
  public func service(_ id: String) async throws(PortalClientError) -> ServiceView {
    try await document(.GET, "/v1/services/\(try Self.name(id))")
  }

  /// Ends a service.
  @discardableResult
  public func end(_ id: String) async throws(PortalClientError) -> ServiceView {
    try await document(.DELETE, "/v1/services/\(try Self.name(id))")
  }

  /// The overlay as the peer sees it.
  public func overlay() async throws(PortalClientError) -> OverlayStatus { try await document(.GET, "/v1/overlay") }

  /// A request's electorate, votes, mandate and evidence.
  public func election(_ id: String) async throws(PortalClientError) -> ElectionView {
    try await document(.GET, "/v1/elections/\(try Self.name(id))")
  }

  /// Why each stage went where it went.
  public func explanation(_ id: String) async throws(PortalClientError) -> ExplanationView {
    try await document(.GET, "/v1/services/\(try Self.name(id))/explanation")
  }

  /// Whether the peer can take requests; an unready one answers too.
  public func health() async throws(PortalClientError) -> HealthView {
    let (head, bytes) = try await whole(.GET, "/healthz")
    guard head.status == .ok || head.status == .serviceUnavailable else { throw Self.refusal(head, bytes) }
    return try Self.decode(bytes)
  }

  /// Any document as text: `/metrics`, `/openapi.yaml`, the page, or JSON unread.
  public func text(_ path: String) async throws(PortalClientError) -> String {
    let (head, bytes) = try await whole(.GET, path)
    guard head.status == .ok else { throw Self.refusal(head, bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func document<Value: Decodable>(
    _ method: HTTPMethod, _ path: String, headers: HTTPHeaders = [:], body: ([UInt8], DocumentFormat)? = nil
  ) async throws(PortalClientError) -> Value {
    var headers = headers
    if let (_, format) = body { headers.add(name: "Content-Type", value: "application/\(format.rawValue)") }
    let (head, bytes) = try await whole(method, path, headers: headers, body: body?.0 ?? [])
    guard (200..<300).contains(head.status.code) else { throw Self.refusal(head, bytes) }
    return try Self.decode(bytes)
  }

  /// A whole answer, whatever its status.
  func whole(
    _ method: HTTPMethod, _ path: String, headers: HTTPHeaders = [:], body: [UInt8] = []
  ) async throws(PortalClientError) -> (HTTPResponseHead, [UInt8]) {
    try await exchange(method, path, headers: headers, body: body, isStream: false) { head, parts in
      var bytes: [UInt8] = []
      while let part = try await parts.next() {
        bytes += part.readableBytesView
        guard bytes.count <= Limits.portalAnswerBytes else {
          throw PortalClientError.brokenAnswer("more than \(Limits.portalAnswerBytes) bytes")
        }
      }
      return (head, bytes)
    }
  }

  static func decode<Value: Decodable>(_ bytes: [UInt8]) throws(PortalClientError) -> Value {
    do {
      return try PortalJSON.decode(Value.self, from: bytes)
    } catch {
      throw .brokenAnswer("\(error)")
    }
  }

  static func refusal(_ head: HTTPResponseHead, _ bytes: [UInt8]) -> PortalClientError {
    guard let problem = try? PortalJSON.decode(Problem.self, from: bytes) else {
      return .brokenAnswer("HTTP \(head.status.code) without a problem document")
    }
    return .refused(problem)
  }

  static func name(_ text: String) throws(PortalClientError) -> String {
    guard Endpoint.isName(text) else { throw .refused(.notFound("\"\(text)\"")) }
    return text
  }
}

/// A portal's host and port.
public struct PortalAddress: Hashable, Sendable, CustomStringConvertible {
  /// A name or an IP address, without brackets.
  public let host: String
  /// 1…65535.
  public let port: Int

  /// `http://127.0.0.1:8080`, `http://[::1]:8080/`, `localhost:8080`; nil for anything else. Port 80 when none is given.
  public init?(_ text: String) {
    var rest = Substring(text)
    if rest.hasPrefix("http://") { rest = rest.dropFirst(7) }
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard !rest.contains("/"), let host = Admission.name(ofAuthority: String(rest)), !host.contains(" ") else {
      return nil
    }
    let end = rest.hasPrefix("[") ? rest.firstIndex(of: "]").map { rest.index(after: $0) } : rest.firstIndex(of: ":")
    let tail = end.map { rest[$0...] } ?? ""
    guard tail.isEmpty || tail.hasPrefix(":"), let port = tail.isEmpty ? 80 : Int(tail.dropFirst()),
      (1...65_535).contains(port)
    else { return nil }
    self.host = host
    self.port = port
  }

  /// As in a `Host` header.
  public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  public var description: String { "http://\(authority)" }
}
