import Base
import HTTPTypes
import HummingbirdCore
import NIOCore

/// Server-sent events (WHATWG HTML §9.2): each an `id` and one line of JSON, without event names, so that a page's `onmessage`
/// sees all of them; the kind is in the JSON.
extension PortalResponder {
  func events(of service: String?, _ request: Request, _ channel: any Channel) async throws -> Response {
    let after = try request.headers[.lastEvent].map { text throws(Problem) in
      guard let sequence = UInt64(text) else {
        throw .badRequest("Last-Event-ID", value: String(text.prefix(64)), detail: "The ID of an event is a number.")
      }
      return sequence
    }
    let stream = try streams.open(on: channel)
    let source = try await backend.events(of: service, after: after)
    let period = keepAlive
    return Answers.stream(type: "text/event-stream") { writer in
      defer { stream.close() }
      let feed = EventFeed(source, keepAlive: period, channel: channel)
      defer { feed.stop() }
      try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
      let out = Unshared(writer)
      try await request.body.consumeWithCancellationOnInboundClose { _ in
        for await text in feed.lines { try await out.value.write(ByteBuffer(string: text)) }
      }
      try await writer.finish(nil)
    }
  }
}

/// Events and keep-alive comments in one line. A reader that falls ``Limits/portalEventBacklog`` behind is cut: it comes back with
/// the last ID that it saw and is told what it missed.
private struct EventFeed {
  let lines: AsyncStream<String>
  private let tasks: [Task<Void, Never>]

  init(_ source: AsyncStream<ServiceEvent>, keepAlive: Duration, channel: any Channel) {
    let (lines, out) = AsyncStream<String>.makeStream(bufferingPolicy: .bufferingOldest(Limits.portalEventBacklog))
    self.lines = lines
    let events = Task {
      for await event in source {
        guard let bytes = try? PortalJSON.encode(event) else { continue }
        let text = "id: \(event.sequence)\ndata: \(String(decoding: bytes, as: UTF8.self))\n\n"
        if case .dropped = out.yield(text) {
          channel.close(promise: nil)
          break
        }
      }
      out.finish()
    }
    let comments = Task {
      while (try? await Task.sleep(for: keepAlive)) != nil { out.yield(": still here\n\n") }
    }
    tasks = [events, comments]
  }

  func stop() { for task in tasks { task.cancel() } }
}
