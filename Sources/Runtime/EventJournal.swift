import Base
import Core
import Foundation
import Identity
import Portal
import Vocabulary

/// What happened at this peer: remembered for clients that come late, streamed to those that listen, written to the trace.
final class EventJournal: @unchecked Sendable {
  /// Events that are remembered.
  static let remembered = 2_000

  private let lock = NSLock()
  private var events: [ServiceEvent] = []
  private var listeners: [Int: (service: String?, stream: AsyncStream<ServiceEvent>.Continuation)] = [:]
  private var next: UInt64 = 1
  private var nextListener = 0
  private let trace: FileHandle?

  private let node: NodeID

  /// - Parameters:
  ///   - trace: a file of JSON lines, appended to; nil = none.
  ///   - node: this peer.
  init(trace path: String?, of node: NodeID) throws(ConfigurationError) {
    self.node = node
    guard let path else {
      trace = nil
      return
    }
    if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    guard let file = FileHandle(forWritingAtPath: path) else {
      throw ConfigurationError("trace", "“\(path)” cannot be written")
    }
    file.seekToEndOfFile()
    trace = file
    write(TraceLine(at: Date().timeIntervalSince1970, kind: "start", node: "\(node)"))
  }

  /// As the lab's `TraceWriter` tells its events (`Tools/lab/README.md`), so that one report reads both: `at` is in seconds since
  /// 1970-01-01T00:00:00Z by this peer's clock, `node` this peer's ID.
  private struct TraceLine: Encodable {
    var at: Double
    var kind: String
    var node: String
    var event: String?
    var service: String?
    var summary: String?
    var details: [String: String]?
  }

  private func write(_ line: TraceLine) {
    if let trace, let bytes = try? PortalJSON.encode(line) { trace.write(Data(bytes + [UInt8(ascii: "\n")])) }
  }

  func append(_ event: Event, at wall: WallTime) {
    lock.lock()
    defer { lock.unlock() }
    let told = ServiceEvent(
      sequence: next, atMs: wall.milliseconds, service: event.service?.description, kind: event.kind,
      summary: event.summary,
      details: Dictionary(event.details.map { ($0.name, JSONValue.text($0.value)) }, uniquingKeysWith: { $1 }))
    next += 1
    events.append(told)
    if events.count > EventJournal.remembered { events.removeFirst(EventJournal.remembered / 4) }
    write(
      TraceLine(
        at: Double(wall.milliseconds) / 1_000, kind: "event", node: "\(node)", event: told.kind, service: told.service,
        summary: told.summary, details: Dictionary(event.details.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }))
    )
    for listener in listeners.values where listener.service == nil || listener.service == told.service {
      listener.stream.yield(told)
      if EventJournal.isLast(told), listener.service != nil { listener.stream.finish() }
    }
  }

  private static func isLast(_ event: ServiceEvent) -> Bool {
    event.kind == "service.ended" || event.kind == "service.failed"
  }

  func follow(_ service: String?, after: UInt64?) -> AsyncStream<ServiceEvent> {
    let (stream, continuation) = AsyncStream<ServiceEvent>.makeStream(bufferingPolicy: .bufferingNewest(512))
    lock.lock()
    defer { lock.unlock() }
    var isOver = false
    for event in events
    where (service == nil || event.service == service) && (service != nil || after != nil)
      && event.sequence > after ?? 0
    {
      continuation.yield(event)
      if service != nil, EventJournal.isLast(event) { isOver = true }
    }
    if isOver {
      continuation.finish()
      return stream
    }
    nextListener += 1
    let id = nextListener
    listeners[id] = (service, continuation)
    continuation.onTermination = { [weak self] _ in self?.forget(id) }
    return stream
  }

  private func forget(_ id: Int) {
    lock.lock()
    defer { lock.unlock() }
    listeners[id] = nil
  }
}
