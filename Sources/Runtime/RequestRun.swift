import Base
import Composition
import Foundation
import Portal

/// One client's request from asking to its end: what `millrace request` does. Whatever ends it before the stream's own end (Ctrl-C, the time
/// that was asked for, a player that was closed, a full disk) ends the service too: nobody else reads what it makes.
public struct RequestRun: Sendable {
  /// Why it ended.
  public enum Ending: Hashable, Sendable {
    /// The stream, or the service, came to its end.
    case finished
    /// The time that was asked for has passed.
    case timeUp
    /// The player was closed.
    case playerClosed
    /// This signal came.
    case interrupted(Int32)

    /// For people and programs.
    public var name: String {
      switch self {
      case .finished: "finished"
      case .timeUp: "time-up"
      case .playerClosed: "player-closed"
      case .interrupted: "interrupted"
      }
    }
  }

  private let client: PortalClient
  /// Which output; nil for the main one.
  public var output: String?
  /// A file to record into.
  public var record: String?
  /// Whether ffplay is to play it.
  public var play = false
  /// How long after the first media the service is ended; nil for its own end.
  public var duration: Duration?
  private let interruption = Interruption()

  /// - Parameter client: of the portal to ask.
  public init(client: PortalClient) { self.client = client }

  /// `20s`, `1:30`, `500ms` → a duration. Throws ``ConfigurationError``.
  public static func duration(_ text: String) throws(ConfigurationError) -> Duration {
    guard let milliseconds = Quantity.milliseconds(text), milliseconds > 0 else {
      throw ConfigurationError("--for", "“\(text)” where a time such as 20s or 1:30 was expected")
    }
    return .milliseconds(milliseconds)
  }

  /// Whether media is taken, and not only events.
  public var takesMedia: Bool { record != nil || play }

  // MARK: - Asking

  /// Asks, takes what comes, and says how it went.
  /// - Parameters:
  ///   - accepted: called once the portal has taken the request.
  ///   - progress: called with every chunk.
  ///   - event: called with every event, when no media is taken.
  public func serve(
    _ document: (bytes: [UInt8], format: DocumentFormat),
    accepted: @Sendable (ServiceAccepted) throws -> Void,
    progress: @escaping @Sendable (Reception) -> Void,
    event: @escaping @Sendable (ServiceEvent) throws -> Void
  ) async throws -> (ending: Ending, summary: Reception.Summary) {
    let asked = monotonicNanoseconds()
    let service = try await client.submit(
      document.bytes, format: document.format, idempotencyKey: RequestFile.freshKey())
    do {
      try accepted(service)
      var (ending, summary) = try await take(service.id, asked: asked, progress: progress, event: event)
      if ending != .finished { _ = try? await client.end(service.id) }
      let view = try? await client.service(service.id)
      // A stream that ends because its service failed has not come to its end. The sink closes first: what failed may still be ending.
      if ending == .finished, let view, view.state == .failed || view.failure != nil {
        throw ConfigurationError("service \(service.id)", view.failure?.detail ?? "it failed")
      }
      summary.electionMs = view?.timings.electionMs
      summary.placementMs = view?.timings.placementMs
      summary.ending = ending.name
      return (ending, summary)
    } catch {
      _ = try? await client.end(service.id)
      throw error
    }
  }

  // MARK: - Until something ends it

  private enum Step: Sendable {
    case done(Reception.Summary)
    case stopped(Ending)
    case cancelled
  }

  private func take(
    _ service: String, asked: Int64, progress: @escaping @Sendable (Reception) -> Void,
    event: @escaping @Sendable (ServiceEvent) throws -> Void
  ) async throws -> (Ending, Reception.Summary) {
    let (firstMedia, began) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
    return try await withThrowingTaskGroup(of: Step.self) { tasks in
      tasks.addTask {
        guard takesMedia else { return try await watch(service, asked: asked, event) }
        return try await receive(service, asked: asked) { reception in
          began.yield()
          progress(reception)
        }
      }
      tasks.addTask { await interruption.came().map { .stopped(.interrupted($0)) } ?? .cancelled }
      if let duration {
        tasks.addTask {
          for await _ in firstMedia { break }
          return (try? await Task.sleep(for: duration)) == nil ? .cancelled : .stopped(.timeUp)
        }
      }
      var ending: Ending?
      var summary: Reception.Summary?
      for try await step in tasks {
        switch step {
        case .done(let done): summary = done
        case .stopped(let why): ending = ending ?? why
        case .cancelled: break
        }
        if summary != nil || ending != nil { tasks.cancelAll() }
      }
      let taken = summary ?? Reception(asked: asked).summary(of: service, output: output)
      return (taken.playerClosed ? .playerClosed : ending ?? .finished, taken)
    }
  }

  private func watch(
    _ service: String, asked: Int64, _ event: @Sendable (ServiceEvent) throws -> Void
  ) async throws -> Step {
    var failure: String?
    do {
      try await client.watch(service) { told in
        try event(told)
        if told.kind == "service.failed" { failure = told.summary }
        return told.kind != "service.ended" && told.kind != "service.failed"
      }
    } catch { guard Task.isCancelled else { throw error } }
    if let failure { throw ConfigurationError("service \(service)", failure) }
    return .done(Reception(asked: asked).summary(of: service, output: output))
  }

  private func receive(
    _ service: String, asked: Int64, _ progress: @Sendable (Reception) -> Void
  ) async throws -> Step {
    let recording = try Recording(record: record, play: play)
    let reception = Reception(asked: asked)
    var next: UInt64?
    var attempts = 0
    var playerClosed = false
    receiving: while true {
      do {
        try await client.receive(service, output: output, from: next) { part in
          switch part {
          case .opened: break
          case .preamble(let bytes): if next == nil { try recording.write(bytes) }
          case .chunk(let chunk):
            attempts = 0
            try reception.take(chunk)
            try recording.write(chunk.bytes)
            next = chunk.position + 1
            progress(reception)
          }
        }
        break receiving
      } catch is Recording.PlayerClosed {
        playerClosed = true
        break receiving
      } catch {
        if Task.isCancelled { break receiving }
        // The connection broke, not the stream: go on where it stopped.
        guard case .cutOff? = error as? PortalClientError, attempts < RequestRun.attempts else { throw error }
        attempts += 1
        try? await Task.sleep(for: RequestRun.pause)
      }
    }
    recording.close(andWait: !Task.isCancelled)
    var summary = reception.summary(of: service, output: output)
    summary.playerClosed = playerClosed
    return .done(summary)
  }

  /// Connections that may break in a row without a chunk between them: the portal itself is gone then.
  private static let attempts = 5
  /// Before a broken connection is made again.
  private static let pause = Duration.milliseconds(200)
}
