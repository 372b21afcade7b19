import Base
import Glibc
import NIOCore
import NIOPosix
import NIOSSL

extension Link {
  /// TLS, then frames, then this link.
  func addHandlers(to channel: any Channel) throws {
    // TLS gets to know early whether the key is acceptable at all, so that its alert tells the other end.
    let (expected, bound) = (dialled?.node, NIOLoopBound(self, eventLoop: channel.eventLoop))
    let verify: NIOSSLCustomVerificationCallback = { chain, promise in
      let node = NodeCertificate.node(of: chain)
      if channel.eventLoop.inEventLoop { bound.value.certified = node }
      promise.succeed(node != nil && (expected == nil || node == expected) ? .certificateVerified : .failed)
    }
    if dialled != nil {
      let tls = try NIOSSLClientHandler(
        context: pool.security.client, serverHostname: nil, customVerificationCallback: verify)
      try channel.pipeline.syncOperations.addHandler(tls)
    } else {
      let tls = NIOSSLServerHandler(context: pool.security.server, customVerificationCallback: verify)
      try channel.pipeline.syncOperations.addHandler(tls)
    }
    let decoder = FrameDecoder { [unowned self] in frameLimit }
    try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), self])
  }
}

/// What all connections between peers want of TCP.
protocol LinkConfigurable {
  func linkOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self
}

extension ClientBootstrap: LinkConfigurable {
  func linkOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self {
    channelOption(option, value: value)
  }
}

extension ServerBootstrap: LinkConfigurable {
  func linkOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self {
    childChannelOption(option, value: value)
  }
}

extension LinkConfigurable {
  func withLinkOptions() -> Self {
    let deadAfter = Int32(Limits.linkDeadAfter.milliseconds)
    // What the kernel would hold back unsent stays in the frame queue, where it is seen and bounded.
    let unsentInKernel = Int32(128 << 10)
    let reading = AdaptiveRecvByteBufferAllocator(minimum: 2_048, initial: 2_048, maximum: 65_536)
    let writing = ChannelOptions.Types.WriteBufferWaterMark(
      low: Limits.linkInFlightBytes / 2, high: Limits.linkInFlightBytes)
    return
      linkOption(.tcpOption(.tcp_nodelay), value: 1)
      .linkOption(.socketOption(.so_keepalive), value: 1)
      .linkOption(.tcp(TCP_KEEPIDLE), value: .init(deadAfter / 2_000))
      .linkOption(.tcp(TCP_KEEPINTVL), value: 1)
      .linkOption(.tcp(TCP_KEEPCNT), value: .init(deadAfter / 2_000))
      .linkOption(.tcp(TCP_USER_TIMEOUT), value: .init(deadAfter))
      .linkOption(.tcp(TCP_NOTSENT_LOWAT), value: .init(unsentInKernel))
      .linkOption(.recvAllocator, value: reading)
      .linkOption(.writeBufferWaterMark, value: writing)
  }
}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
  fileprivate static func tcp(_ name: Int32) -> Self {
    ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: name))
  }
}

extension TimeAmount {
  init(_ duration: Duration) { self = .nanoseconds(max(0, duration.nanoseconds)) }
}
