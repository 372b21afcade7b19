import Base
import Foundation
import Identity
import Vocabulary
import Wire

// The one place where words from a link become checked values, and back.

extension StreamMessage {
  /// Throws when a field is missing, too long or out of range; the error names it.
  public init(validating wire: WireStreamMessage) throws(InvalidMessage) {
    guard wire.subscription > 0 else {
      throw InvalidMessage("StreamMessage.subscription", "0 where 1 or more is expected")
    }
    guard let body = wire.body else { throw InvalidMessage("StreamMessage.body", "says nothing this version knows") }
    self.init(SubscriptionID(wire.subscription), try Body(validating: body))
  }

  /// For sending.
  public var wire: WireStreamMessage {
    .with {
      $0.subscription = subscription.number
      $0.body = body.wire
    }
  }
}

extension StreamMessage.Body {
  init(validating wire: WireStreamMessage.OneOf_Body) throws(InvalidMessage) {
    switch wire {
    case .subscribe(let subscribe): self = .subscribe(try StreamMessage.Subscribe(validating: subscribe))
    case .credit(let upTo): self = .credit(upTo: upTo)
    case .acknowledgeBelow(let position):
      self = .acknowledge(below: try Position(validating: position, "StreamMessage.acknowledge_below"))
    case .unsubscribe(let unsubscribe): self = .unsubscribe(finished: unsubscribe.finished)
    case .alive: self = .alive
    case .accepted: self = .accepted
    case .refused(let refused): self = .refused(try StreamMessage.Refusal(validating: refused))
    case .preamble(let format): self = .preamble(try MediaFormat(validating: format))
    case .packet(let packet):
      self = .packet(try Packet(validating: packet))
    case .beat: self = .beat
    case .end(let end):
      self = .end(after: end.hasLast ? try Position(validating: end.last, "StreamEnd.last") : nil)
    }
  }

  var wire: WireStreamMessage.OneOf_Body {
    switch self {
    case .subscribe(let subscribe): .subscribe(subscribe.wire)
    case .credit(let upTo): .credit(upTo)
    case .acknowledge(let position): .acknowledgeBelow(position.wire)
    case .unsubscribe(let finished): .unsubscribe(.with { $0.finished = finished })
    case .alive: .alive(WireStreamBeat())
    case .accepted: .accepted(WireStreamAccepted())
    case .refused(let refusal): .refused(refusal.wire)
    case .preamble(let format): .preamble(format.wire)
    case .packet(let packet): .packet(packet.wire)
    case .beat: .beat(WireStreamBeat())
    case .end(let last): .end(.with { if let last { $0.last = last.wire } })
    }
  }
}

extension StreamMessage.Subscribe {
  init(validating wire: WireStreamSubscribe) throws(InvalidMessage) {
    guard wire.assignment.count <= Limits.assignmentBytes else {
      throw InvalidMessage(
        "StreamSubscribe.assignment",
        "\(wire.assignment.count) bytes where at most \(Limits.assignmentBytes) are allowed")
    }
    let from: StartPoint
    switch wire.from.start {
    case .beginning: from = .beginning
    case .latestKey: from = .latestKey
    case .position(let position): from = .position(try Position(validating: position, "StreamSubscribe.from"))
    case nil: throw InvalidMessage("StreamSubscribe.from", "begins nowhere")
    }
    self.init(
      key: StreamKey(try Field.bytes32(wire.key, "StreamSubscribe.key")), from: from,
      origins: try Origin.list(wire.origins, "StreamSubscribe.origins", limit: 16),
      assignment: Array(wire.assignment), credit: wire.credit, mayStartOver: wire.mayStartOver)
  }

  var wire: WireStreamSubscribe {
    .with {
      $0.key = key.hash.data
      switch from {
      case .beginning: $0.from.beginning = true
      case .latestKey: $0.from.latestKey = true
      case .position(let position): $0.from.position = position.wire
      }
      $0.origins = origins.map(\.wire)
      $0.assignment = Data(assignment)
      $0.credit = credit
      $0.mayStartOver = mayStartOver
    }
  }
}

extension StreamMessage.Refusal {
  init(validating wire: WireStreamRefused) throws(InvalidMessage) {
    let detail = try Field.text(wire.detail, "StreamRefused.detail")
    switch wire.reason {
    case "unknown_stream": self = .unknownStream
    case "unauthorized": self = .unauthorized(detail)
    case "not_held":
      self = .notHeld(
        first: wire.hasFirstHeld ? try Position(validating: wire.firstHeld, "StreamRefused.first_held") : nil)
    case "full": self = .full
    case "lagging": self = .lagging
    case "failed": self = .failed(detail)
    case "closed": self = .closed
    default: throw InvalidMessage("StreamRefused.reason", "unknown reason “\(wire.reason.prefix(64))”")
    }
  }

  var wire: WireStreamRefused {
    .with {
      switch self {
      case .unknownStream: $0.reason = "unknown_stream"
      case .unauthorized(let detail):
        $0.reason = "unauthorized"
        $0.detail = detail
      case .notHeld(let first):
        $0.reason = "not_held"
        if let first { $0.firstHeld = first.wire }
      case .full: $0.reason = "full"
      case .lagging: $0.reason = "lagging"
      case .failed(let detail):
        $0.reason = "failed"
        $0.detail = detail
      case .closed: $0.reason = "closed"
      }
    }
  }
}
