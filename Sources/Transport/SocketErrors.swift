import Base
import Glibc
import NIOCore
import Vocabulary

/// Why this peer cannot listen where it was told to.
public enum ListenError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Another process, or another peer of this one, has the port.
  case inUse(PeerAddress, transport: String)
  /// The address is not one of this machine's.
  case notHere(PeerAddress)
  /// Ports below 1,024 need privileges.
  case notAllowed(PeerAddress)
  /// Not an IP address.
  case notAnAddress(PeerAddress)
  /// Anything else, in the system's words.
  case failed(PeerAddress, reason: String)

  init(_ error: any Error, at address: PeerAddress, transport: String) {
    switch (error as? IOError)?.errnoCode {
    case EADDRINUSE: self = .inUse(address, transport: transport)
    case EADDRNOTAVAIL: self = .notHere(address)
    case EACCES: self = .notAllowed(address)
    default: self = error is SocketAddressError ? .notAnAddress(address) : .failed(address, reason: "\(error)")
    }
  }

  public var description: String {
    switch self {
    case .inUse(let address, let transport):
      "cannot listen on \(address): the \(transport) port is in use; stop the other process or choose another port "
        + "with --listen"
    case .notHere(let address):
      "cannot listen on \(address): this machine has no such address; choose one with --listen"
    case .notAllowed(let address):
      "cannot listen on \(address): not permitted; choose a port from 1024 up with --listen"
    case .notAnAddress(let address): "cannot listen on \(address): \(address.host) is not an IP address"
    case .failed(let address, let reason): "cannot listen on \(address): \(reason)"
    }
  }
}

extension PeerAddress {
  /// Nil for local sockets and addresses without a port.
  init?(_ address: SocketAddress?) {
    guard let host = address?.ipAddress, let port = address?.port, let port = UInt16(exactly: port) else { return nil }
    self.init(host: host, port: port)
  }

  func socketAddress() throws -> SocketAddress { try SocketAddress(ipAddress: host, port: Int(port)) }

  /// The same port at an IP address, when the host is a name. Blocks on the resolver: for the start of a peer only.
  public func resolved() throws -> PeerAddress {
    if (try? socketAddress()) != nil { return self }
    return PeerAddress(try SocketAddress.makeAddressResolvingHost(host, port: Int(port))) ?? self
  }
}
