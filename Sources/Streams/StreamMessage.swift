import Identity
import Vocabulary

/// What two nodes say to each other about one subscription, in order and reliably, over a link. The subscriber speaks
/// ``Body/subscribe(_:)``, credit, acknowledgements and ``Body/unsubscribe(finished:)``; the publisher all the rest.
public struct StreamMessage: Hashable, Sendable {
  /// Which subscription; the subscriber chose the number.
  public var subscription: SubscriptionID
  /// What is said of it.
  public var body: Body

  /// See the properties.
  public init(_ subscription: SubscriptionID, _ body: Body) {
    self.subscription = subscription
    self.body = body
  }

  /// One thing said.
  public enum Body: Hashable, Sendable {
    // MARK: From the subscriber

    /// Opens the subscription; answered by ``accepted`` or ``refused(_:)``.
    case subscribe(Subscribe)
    /// The publisher may have sent this many payload bytes since the subscription began. It sends while it has sent
    /// less, so the last packet may exceed the number. Only ever grows.
    case credit(upTo: UInt64)
    /// Everything below this position is no longer needed: all that was derived from it is acknowledged downstream.
    case acknowledge(below: Position)
    /// The subscription is over. `finished`: the whole stream was delivered and acknowledged to its end.
    case unsubscribe(finished: Bool)
    /// Nothing to say, but alive: a publisher does not hold its window for the silent.
    case alive

    // MARK: From the publisher

    /// The subscription stands; packets or beats follow.
    case accepted
    /// The subscription does not stand, or no longer.
    case refused(Refusal)
    /// The format of the packets that follow; first before any packet, and again when it changes.
    case preamble(MediaFormat)
    /// The next packet.
    case packet(Packet)
    /// Nothing to send, but alive.
    case beat
    /// No packet comes after this position; nil when the stream had none.
    case end(after: Position?)
  }

  /// The subscriber's wish.
  public struct Subscribe: Hashable, Sendable {
    /// Which stream.
    public var key: StreamKey
    /// Where to begin.
    public var from: StartPoint
    /// Origins of the last packet that the subscriber holds: with them a standby can start at `from`. Empty when the
    /// subscriber holds none.
    public var origins: [Origin]
    /// Signed bytes that entitle the subscriber; opaque here, judged by Core.
    public var assignment: [UInt8]
    /// Payload bytes that the publisher may send at first.
    public var credit: UInt64
    /// Without origins a position can only be made from the very start, which is slow and asks for the start of all that
    /// lies upstream. Set once every upstream has been asked whether it holds the position.
    public var mayStartOver: Bool

    /// See the properties.
    public init(
      key: StreamKey, from: StartPoint, origins: [Origin], assignment: [UInt8], credit: UInt64,
      mayStartOver: Bool = false
    ) {
      self.key = key
      self.from = from
      self.origins = origins
      self.assignment = assignment
      self.credit = credit
      self.mayStartOver = mayStartOver
    }
  }

  /// Why a publisher does not serve a subscriber. Each is final for the subscription, none for the subscriber.
  public enum Refusal: Hashable, Sendable {
    /// The node neither runs nor stands by for this stream.
    case unknownStream
    /// The assignment does not entitle the subscriber; the text says why.
    case unauthorized(String)
    /// The position asked for has left the replay window, which now begins at `first`; nil when it is empty.
    case notHeld(first: Position?)
    /// The stream has as many subscribers as the node can bear.
    case full
    /// The subscriber lagged the whole window behind the others.
    case lagging
    /// The group failed for good; the text says why.
    case failed(String)
    /// The group was closed.
    case closed
  }
}

/// Where a subscription begins.
public enum StartPoint: Hashable, Sendable {
  /// At the stream's very first position, whatever its number.
  case beginning
  /// At the newest position where a decoder or player can join; the beginning when nothing is out yet.
  case latestKey
  /// At exactly this position.
  case position(Position)
}
