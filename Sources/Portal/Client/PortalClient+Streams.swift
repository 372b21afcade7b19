import Base
import NIOCore
import NIOHTTP1

/// A piece of a delivery, as ``PortalClient/receive(_:output:from:_:)`` hands it on.
public enum DeliveryPart: Sendable, Hashable {
  /// Comes first: what it will be.
  case opened(mimeType: String, isLive: Bool)
  /// What to append before the first chunk.
  case preamble([UInt8])
  /// The next chunk.
  case chunk(Chunk)
}

extension PortalClient {
  /// Receives an output to its end. `take` is called in order and holds the stream back while it runs.
  /// - Parameters:
  ///   - service: its ID.
  ///   - output: an output's name; nil for the request's first.
  ///   - from: the first position wanted: when resuming, the last received + 1.
  ///   - take: what to do with each part; what it throws ends the delivery and is thrown on.
  /// - Throws: ``PortalClientError/cutOff(peer:)`` when the delivery ended before the stream did (resume, perhaps at another portal);
  ///   ``PortalClientError/refused(_:)`` for an unknown service or a stream that is lost for good.
  public func receive(
    _ service: String, output: String? = nil, from: UInt64? = nil, _ take: (DeliveryPart) async throws -> Void
  ) async throws {
    var path = "/v1/services/\(try Self.name(service))/media"
    if let output { path += "/\(try Self.name(output))" }
    if let from { path += "?from=\(from)" }
    let failure: (any Error)? = try await exchange(
      .GET, path, headers: ["Accept": ChunkFrame.mimeType], isStream: true
    ) { head, body in
      guard head.status == .ok else { throw try await Self.refusal(head, &body) }
      let mimeType = head.headers.first(name: "X-Millrace-Media-Type") ?? ""
      do {
        try await take(.opened(mimeType: mimeType, isLive: head.headers.first(name: "X-Millrace-Live") == "true"))
      } catch {
        return error
      }
      var pending = ByteBuffer()
      while let part = try await body.next() {
        pending.writeImmutableBuffer(part)
        while let frame = try ChunkFrame.read(from: &pending) {
          do {
            switch frame {
            case .preamble(let bytes): try await take(.preamble(bytes))
            case .chunk(let chunk): try await take(.chunk(chunk))
            case .problem(let problem): return PortalClientError.refused(problem)
            case .end: return nil
            }
          } catch {
            return error
          }
        }
        pending.discardReadBytes()
      }
      throw PortalClientError.cutOff(peer: address.authority)
    }
    if let failure { throw failure }
  }

  /// Follows what happens. `take` returns whether to go on.
  /// - Parameters:
  ///   - service: its ID; nil for all.
  ///   - after: the last event seen; nil = only what comes.
  ///   - take: called for each event in order.
  /// - Throws: ``PortalClientError``, or what `take` throws.
  public func watch(
    _ service: String?, after: UInt64? = nil, _ take: (ServiceEvent) async throws -> Bool
  ) async throws {
    let path = try service.map { "/v1/services/\(try Self.name($0))/events" } ?? "/v1/events"
    var headers: HTTPHeaders = ["Accept": "text/event-stream"]
    if let after { headers.add(name: "Last-Event-ID", value: "\(after)") }
    let failure: (any Error)? = try await exchange(.GET, path, headers: headers, isStream: true) { head, body in
      guard head.status == .ok else { throw try await Self.refusal(head, &body) }
      var lines = EventLines()
      while let part = try await body.next() {
        for data in try lines.take(part) {
          let event: ServiceEvent = try Self.decode(data)
          do {
            guard try await take(event) else { return nil }
          } catch {
            return error
          }
        }
      }
      return nil
    }
    if let failure { throw failure }
  }

  private static func refusal(_ head: HTTPResponseHead, _ body: inout AnswerBody) async throws -> PortalClientError {
    var bytes: [UInt8] = []
    while let part = try await body.next(), bytes.count < Limits.portalEventBytes { bytes += part.readableBytesView }
    return refusal(head, bytes)
  }
}

/// Takes server-sent events apart: the data of each, in order; comments and the rest are passed over.
struct EventLines {
  private var pending: [UInt8] = []
  private var data: [UInt8] = []

  mutating func take(_ part: ByteBuffer) throws(PortalClientError) -> [[UInt8]] {
    pending += part.readableBytesView
    var events: [[UInt8]] = []
    var start = 0
    while let end = pending[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = pending[start..<end]
      start = end + 1
      if line.isEmpty {
        if !data.isEmpty { events.append(data) }
        data = []
      } else if line.starts(with: "data: ".utf8) {
        data += line.dropFirst(6)
      }
    }
    pending.removeFirst(start)
    guard pending.count + data.count <= Limits.portalEventBytes else { throw .brokenAnswer("an event without an end") }
    return events
  }
}
