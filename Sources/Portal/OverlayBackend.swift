/// What the portal asks of the peer that it belongs to. The portal speaks HTTP and nothing else: it checks headers, bounds and
/// content types, and hands documents on as bytes; whoever implements this parses, decides and remembers.
///
/// Every failure is a ``Problem`` and reaches the client as `application/problem+json` with the problem's status. Methods are
/// called from any task, many at once. Identifiers are the text that stood in the path: nobody has checked them yet.
public protocol OverlayBackend: Sendable {
  /// Takes a request for a service. Returns once a manager is elected and the service is on its way, or is refused.
  ///
  /// The same `idempotencyKey` with the same bytes gives the same service again, marked ``ServiceAccepted/isRepeat``;
  /// with other bytes it is a problem (422, `idempotency-key-reused`).
  /// - Throws: 400/422 a document at fault (with field, line, value, allowed); 404 a missing source; 503 no electorate or no capacity.
  func submit(_ request: RequestDocument) async throws(Problem) -> ServiceAccepted

  /// What the builder makes of a request; nothing runs. Throws as ``submit(_:)``.
  func plan(_ request: RequestDocument) async throws(Problem) -> PlanView

  /// The services that this peer knows, oldest first.
  func services() async throws(Problem) -> [ServiceView]

  /// One service. Throws 404 for an unknown one.
  func service(_ id: String) async throws(Problem) -> ServiceView

  /// Ends a service; ending an ended one changes nothing. Throws 404 for an unknown one.
  func end(_ id: String) async throws(Problem) -> ServiceView

  /// What happens from now on to a service, or to all (`service` nil), preceded by the remembered events after `after`.
  ///
  /// The stream finishes when the service has ended. It is dropped when the client leaves: give it a bounded buffer and an
  /// `onTermination`. Throws 404 for an unknown service.
  func events(of service: String?, after: UInt64?) async throws(Problem) -> AsyncStream<ServiceEvent>

  /// The overlay as this peer sees it.
  func overlay() async throws(Problem) -> OverlayStatus

  /// Electorate, votes and mandate of a request, with the signed evidence. Throws 404 for an unknown one.
  func election(_ id: String) async throws(Problem) -> ElectionView

  /// Why each stage went where it went. Throws 404 for an unknown service, 409 while there is no plan yet.
  func explanation(_ id: String) async throws(Problem) -> ExplanationView

  /// Counters and gauges; the portal renders them for Prometheus. Empty families are left out.
  func metrics() async -> [MetricFamily]

  /// Whether this peer can take requests.
  func health() async -> HealthView

  /// Opens one client's delivery of an output. Waits until the stream's format is known.
  ///
  /// - Parameters:
  ///   - service: the service's ID.
  ///   - output: an output's name; nil for the request's first.
  ///   - from: the first position wanted (a resuming client's last + 1); nil for what the request's `start` says.
  /// - Throws: 404 an unknown service or output; 410 an ended service, or a position that the replay window no longer holds;
  ///   503 no media within the deadline.
  func openDelivery(of service: String, output: String?, from: UInt64?) async throws(Problem) -> any Delivery
}

/// A request document as it came in, unread.
public struct RequestDocument: Sendable {
  /// The document, at most `Limits.requestBytes` long, not empty.
  public var bytes: [UInt8]
  /// What the client says it is.
  public var format: DocumentFormat
  /// The client's `Idempotency-Key`, 1…255 printable ASCII characters; nil when it gave none.
  public var idempotencyKey: String?
  /// Who asks, from where.
  public var client: ClientConnection

  /// See the properties.
  public init(
    bytes: [UInt8], format: DocumentFormat, idempotencyKey: String? = nil, client: ClientConnection = ClientConnection()
  ) {
    self.bytes = bytes
    self.format = format
    self.idempotencyKey = idempotencyKey
    self.client = client
  }
}

/// How a request document is written.
public enum DocumentFormat: String, Sendable, CaseIterable {
  /// `application/json`
  case json
  /// `application/yaml` (RFC 9512), `application/x-yaml`, `text/yaml`
  case yaml
}

/// What is known of the client's place: its own coordinate if it sent one, else the portal's plus the connection's round trip.
public struct ClientConnection: Sendable, Hashable {
  /// The client's IP address in text form; nil when unknown.
  public var address: String?
  /// Smoothed round trip of its TCP connection in milliseconds, as the kernel measured it; nil when unknown.
  public var roundTripMs: Double?
  /// Four Euclidean milliseconds, then the height in milliseconds: `Millrace-Coordinate: 1.5,-2,0,0,0.3`; nil when not sent.
  public var coordinate: [Double]?

  /// See the properties.
  public init(address: String? = nil, roundTripMs: Double? = nil, coordinate: [Double]? = nil) {
    self.address = address
    self.roundTripMs = roundTripMs
    self.coordinate = coordinate
  }
}

/// One client's share of an output stream. The portal takes a chunk, writes it to the socket, waits until the socket has taken it,
/// acknowledges its position, and only then takes the next: a slow client holds back its own delivery and nothing else.
public protocol Delivery: Sendable {
  /// Of the stream, e.g. `video/webm; codecs="vp8, opus"`.
  var mimeType: String { get }
  /// The stream is paced in real time and a player shall not expect to seek.
  var isLive: Bool { get }
  /// What a joiner gets before its first chunk (EBML header and tracks; ftyp and moov; `WEBVTT`).
  var preamble: [UInt8] { get }

  /// The next chunk; nil after the last. Waits until there is one.
  /// - Throws: a ``Problem`` when the stream is lost for good; `CancellationError` when the task was cancelled while waiting.
  func next() async throws -> Chunk?
  /// The socket has taken everything up to and including `position`.
  func acknowledge(_ position: UInt64) async
  /// The client left, the stream ended or broke: called once, last.
  func close() async
}

/// A muxed piece that a player can append: a WebM cluster, an fMP4 fragment, Ogg pages, WebVTT cues.
public struct Chunk: Sendable, Hashable {
  /// The bytes.
  public var bytes: [UInt8]
  /// Its index on the muxed stream.
  public var position: UInt64
  /// A player can join here.
  public var isKey: Bool

  /// See the properties.
  public init(bytes: [UInt8], position: UInt64, isKey: Bool) {
    self.bytes = bytes
    self.position = position
    self.isKey = isKey
  }
}
