import Base
import CSodium
import Identity

// What a UDP payload looks like. All numbers are big-endian.
//
//   every kind   version (1)  kind (1)
//   message      session (8)  counter (8)  sealed(message) (n + 16)
//   greeting     echo (8)  tag (8)  sender (32)  incarnation (8)  cookie (16)
//   challenge    echo (8)  cookie (16)
//   welcome      echo (8)  incarnation (8)  counter (8)  sealed(echo) (24)
//   reset        session (8)
//   otherVersion echo (8)
//
// A message names its session, not its sender: 34 bytes around it instead of 90. The first ten bytes of greeting and
// otherVersion are the same in all versions of the protocol, so that peers of two versions can say so.

enum DatagramKind: UInt8 {
  case message = 1
  case greeting, challenge, welcome, reset, otherVersion
}

struct Greeting {
  static let size = 74
  var echo: UInt64
  var tag: UInt64
  var sender: NodeID
  var incarnation: UInt64
  var cookie: [UInt8]
}

enum DatagramLayout {
  /// Version of datagrams and links alike.
  static let version: UInt8 = 1
  static let messageHeader = 18
  static let cookieBytes = 16

  static func message(session: UInt64, counter: UInt64, _ plain: [UInt8], key: PairwiseKey) -> [UInt8] {
    let header = start(.message) + bytes(session) + bytes(counter)
    return header + key.seal(plain, counter: counter, context: header)
  }

  static func greeting(_ greeting: Greeting, to receiver: NodeID, overlayKey: [UInt8]) -> [UInt8] {
    let tail = greeting.sender.bytes + bytes(greeting.incarnation) + greeting.cookie
    let tag = self.tag(echo: greeting.echo, tail[...], to: receiver, overlayKey: overlayKey)
    return start(.greeting) + bytes(greeting.echo) + bytes(tag) + tail
  }

  /// Nil when it is not a greeting of this overlay to this receiver: the one cheap check (SipHash-2-4, 0.2 µs).
  static func parseGreeting(_ datagram: [UInt8], to receiver: NodeID, overlayKey: [UInt8]) -> Greeting? {
    guard datagram.count == Greeting.size else { return nil }
    let (echo, tag) = (number(datagram, at: 2), number(datagram, at: 10))
    guard tag == self.tag(echo: echo, datagram[18...], to: receiver, overlayKey: overlayKey) else { return nil }
    return Greeting(
      echo: echo, tag: tag, sender: NodeID(Bytes32(datagram[18..<50])!), incarnation: number(datagram, at: 50),
      cookie: Array(datagram[58...]))
  }

  static func challenge(echo: UInt64, cookie: [UInt8]) -> [UInt8] { start(.challenge) + bytes(echo) + cookie }

  static func welcome(echo: UInt64, incarnation: UInt64, counter: UInt64, key: PairwiseKey) -> [UInt8] {
    let header = start(.welcome) + bytes(echo) + bytes(incarnation) + bytes(counter)
    return header + key.seal(bytes(echo), counter: counter, context: header)
  }

  static func isWelcome(_ datagram: [UInt8], openedBy key: PairwiseKey) -> Bool {
    key.open(datagram[26...], counter: number(datagram, at: 18), context: Array(datagram[..<26]))
      == Array(datagram[2..<10])
  }

  static func reset(session: UInt64) -> [UInt8] { start(.reset) + bytes(session) }

  static func otherVersion(echoOf datagram: [UInt8]) -> [UInt8] { start(.otherVersion) + datagram[2..<10] }

  static func number(_ datagram: [UInt8], at offset: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in offset..<offset + 8 { value = value << 8 | UInt64(datagram[index]) }
    return value
  }

  private static func start(_ kind: DatagramKind) -> [UInt8] { [version, kind.rawValue] }

  private static func bytes(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

  private static func tag(
    echo: UInt64, _ tail: ArraySlice<UInt8>, to receiver: NodeID, overlayKey: [UInt8]
  ) -> UInt64 {
    let text = bytes(echo) + receiver.bytes + tail
    var result = [UInt8](repeating: 0, count: 8)
    crypto_shorthash(&result, text, UInt64(text.count), overlayKey)
    return number(result, at: 0)
  }
}

/// What happened to datagrams since the start. Noise is normal on the open Internet; growth of the others is not.
public struct DatagramCounters: Hashable, Sendable {
  /// Messages sent.
  public var sent = 0
  /// Messages received, opened and delivered.
  public var received = 0
  /// UDP payload bytes of everything sent, greetings included.
  public var bytesSent = 0
  /// UDP payload bytes of everything received, noise included.
  public var bytesReceived = 0
  /// Not of this protocol, overlay or any known session, or altered.
  public var noise = 0
  /// Seen before, or overtaken by more than 128 others.
  public var replayed = 0
  /// Strangers' greetings dropped to save public-key work.
  public var rateLimited = 0
  /// Strangers' greetings answered with a cookie, to see that they receive at the address that they send from.
  public var challenged = 0
  /// Pairwise keys made (115 µs each).
  public var keysMade = 0
  /// Greetings from peers of another protocol version.
  public var otherVersion = 0
  /// Messages never sent: the peer did not welcome this one in time, or too many were waiting.
  public var unsent = 0
}
