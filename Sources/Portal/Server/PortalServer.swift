import Base
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// Where a portal listens, and to which names it answers.
public struct PortalConfiguration: Sendable {
  /// An IP address; loopback by default.
  public var host: String
  /// 0…65535; 0 lets the kernel choose.
  public var port: Int
  /// Names beside IP addresses and `localhost` that clients may use for it in their `Host` header (a reverse proxy's name).
  /// On loopback no other name is served; elsewhere any name is while this is empty.
  public var names: [String]
  /// A comment goes down idle event streams this often.
  public var keepAlive: Duration
  /// Deliveries and event streams at once.
  public var streams: Int

  /// See the properties.
  public init(
    host: String = "127.0.0.1", port: Int = 8080, names: [String] = [], keepAlive: Duration = Limits.portalKeepAlive,
    streams: Int = Limits.portalStreams
  ) {
    self.host = host
    self.port = port
    self.names = names
    self.keepAlive = keepAlive
    self.streams = streams
  }

  /// Reached only from this machine.
  public var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}

/// The portal cannot listen.
public enum ListeningError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Another program (or peer) has the port.
  case portInUse(host: String, port: Int)
  /// Ports below 1024 are for the superuser.
  case notPermitted(host: String, port: Int)
  /// No interface of this machine has the address.
  case noSuchAddress(host: String)
  /// Anything else, as the system says it.
  case failed(host: String, port: Int, reason: String)

  public var description: String {
    switch self {
    case .portInUse(let host, let port):
      "the portal cannot listen on \(host):\(port): the port is in use; choose another with --portal"
    case .notPermitted(let host, let port):
      "the portal may not listen on \(host):\(port): not permitted; choose a port above 1023 with --portal"
    case .noSuchAddress(let host):
      "the portal cannot listen on \(host): no interface of this machine has that address"
    case .failed(let host, let port, let reason): "the portal cannot listen on \(host):\(port): \(reason)"
    }
  }

  init(_ error: any Error, host: String, port: Int) {
    switch (error as? IOError)?.errnoCode {
    case EADDRINUSE?: self = .portInUse(host: host, port: port)
    case EACCES?, EPERM?: self = .notPermitted(host: host, port: port)
    case EADDRNOTAVAIL?: self = .noSuchAddress(host: host)
    default: self = .failed(host: host, port: port, reason: "\(error)")
    }
  }
}

/// The HTTP side of a peer: API, page and delivery. HTTP/1.1 in the clear, for loopback or behind a proxy that speaks TLS.
public struct PortalServer: Sendable {
  private let backend: any OverlayBackend
  private let configuration: PortalConfiguration
  private let group: any EventLoopGroup
  private let logger: Logger

  /// - Parameters:
  ///   - backend: the peer that answers.
  ///   - configuration: where to listen.
  ///   - group: event loops, shared with the peer's links.
  ///   - logger: for what went wrong inside; requests are logged at `debug`.
  public init(
    backend: any OverlayBackend, configuration: PortalConfiguration = PortalConfiguration(),
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger
  ) {
    self.backend = backend
    self.configuration = configuration
    self.group = group
    self.logger = logger
  }

  /// Serves until the calling task is cancelled: then it stops listening, cuts open streams, lets other answers finish for
  /// ``Limits/portalGrace`` and returns.
  /// - Parameter onListening: called once with the port that the kernel gave.
  /// - Throws: ``ListeningError`` when it cannot begin.
  public func run(onListening: @escaping @Sendable (_ port: Int) -> Void = { _ in }) async throws(ListeningError) {
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    let names = configuration.names
    let streams = OpenStreams(limit: configuration.streams)
    let responder = PortalResponder(
      backend: backend, admission: Admission(names: configuration.isLoopback || !names.isEmpty ? names : nil),
      streams: streams, keepAlive: configuration.keepAlive, logger: logger)
    let (listening, begun) = AsyncStream<Void>.makeStream()
    let server = Server(
      childChannelSetup: HTTP1Channel(
        responder: { request, writer, channel in
          let response = await responder.respond(to: request, on: channel)
          try await writer.write(response: response.head, body: response.body)
        }, configuration: .init(idleTimeout: .nanoseconds(Limits.portalIdle.nanoseconds))),
      configuration: ServerConfiguration(
        address: .hostname(configuration.host, port: configuration.port), serverName: nil,
        availableConnectionsDelegate: MaximumAvailableConnections(Limits.portalConnections, logger: quiet)),
      onServerRunning: { channel in
        onListening(channel.localAddress?.port ?? 0)
        begun.finish()
      },
      eventLoopGroup: group, logger: quiet)
    let serving = Task {
      defer { begun.finish() }
      try await server.run()
    }
    let result = await withTaskCancellationHandler {
      await serving.result
    } onCancel: {
      Task {
        // A server that is stopped while it begins, or cancelled while it accepts, drops a connection that NIO will not have dropped.
        for await _ in listening {}
        streams.stop()
        let overdue = Task {
          try await Task.sleep(for: Limits.portalGrace)
          serving.cancel()
        }
        try? await server.shutdownGracefully()
        overdue.cancel()
      }
    }
    if case .failure(let error) = result, !Task.isCancelled {
      throw ListeningError(error, host: configuration.host, port: configuration.port)
    }
  }
}
