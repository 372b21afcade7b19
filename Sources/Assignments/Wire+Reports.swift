import Base
import Foundation
import Identity
import Vocabulary
import Wire

// Refusals and reports of service nodes: wire words to checked values and back.

extension Refusal {
  package init(validating wire: WireReserveRefusal, _ field: String) throws(InvalidMessage) {
    let detail = try Field.text(wire.detail, "\(field).detail")
    switch wire.code {
    case "alreadyServed": self = .alreadyServed(StreamKey(try Field.bytes32(wire.stream, "\(field).stream")))
    case "passed": self = .passed(StreamKey(try Field.bytes32(wire.stream, "\(field).stream")))
    case "notServed":
      var open: [StreamKey] = []
      for stream in try Field.list(wire.open, "\(field).open", limit: Limits.workItems) {
        open.append(StreamKey(try Field.bytes32(stream, "\(field).open")))
      }
      self = .notServed(StreamKey(try Field.bytes32(wire.stream, "\(field).stream")), open: open)
    case "busy": self = .busy
    default:
      if let resource = Resource(rawValue: wire.code) {
        self = .capacity(resource, left: try Capacity(validating: wire.left, "\(field).left"))
      } else {
        self = .unauthorized(try AssignmentError(code: wire.code, detail: detail, wire, field))
      }
    }
  }

  package var wire: WireReserveRefusal {
    .with {
      switch self {
      case .unauthorized(let error):
        $0.code = error.code
        error.fill(&$0)
      case .capacity(let resource, let left):
        $0.code = resource.rawValue
        $0.left = left.wire
      case .alreadyServed(let stream):
        $0.code = "alreadyServed"
        $0.stream = stream.hash.data
      case .passed(let stream):
        $0.code = "passed"
        $0.stream = stream.hash.data
      case .notServed(let stream, let open):
        $0.code = "notServed"
        $0.stream = stream.hash.data
        $0.open = open.map(\.hash.data)
      case .busy: $0.code = "busy"
      }
    }
  }
}

extension AssignmentError {
  init(code: String, detail: String, _ wire: WireReserveRefusal, _ field: String) throws(InvalidMessage) {
    switch code {
    case "unsigned": self = .unsigned
    case "misSigned": self = .misSigned
    case "malformed": self = .malformed(InvalidMessage("Assignment", detail))
    case "expired": self = .expired(WallTime(milliseconds: Int64(detail) ?? 0))
    case "staleTerm": self = .staleTerm(seen: try Term(validating: wire.term, "\(field).term"))
    case "mandateMissing": self = .mandateMissing
    case "mandateInvalid": self = .mandateInvalid(detail)
    case "electorateImplausible": self = .electorateImplausible(detail)
    case "unproved": self = .unproved(detail)
    case "notForThisNode": self = .notForThisNode(try Field.node(wire.stream, "\(field).stream"))
    case "superseded": self = .superseded
    case "noReservation": self = .noReservation
    case "reservationLate": self = .reservationLate
    case "componentNotOffered": self = .componentNotOffered(detail)
    case "parameterOutOfRange": self = .parameterOutOfRange(detail)
    default: throw InvalidMessage("\(field).code", "unknown code “\(code.prefix(64))”")
    }
  }

  fileprivate func fill(_ wire: inout WireReserveRefusal) {
    switch self {
    case .malformed(let problem): wire.detail = String(problem.description.prefix(1_024))
    case .expired(let at): wire.detail = "\(at.milliseconds)"
    case .staleTerm(let seen): wire.term = seen.wire
    case .notForThisNode(let node): wire.stream = node.data
    case .mandateInvalid(let reason), .electorateImplausible(let reason), .unproved(let reason),
      .componentNotOffered(let reason), .parameterOutOfRange(let reason):
      wire.detail = String(reason.prefix(1_024))
    case .unsigned, .misSigned, .mandateMissing, .superseded, .noReservation, .reservationLate: break
    }
  }
}

extension NodeReport {
  package init(validating wire: WireNodeReport) throws(InvalidMessage) {
    var events: [NodeEvent] = []
    for event in try Field.list(wire.events, "NodeReport.events", limit: Limits.reportEvents) {
      events.append(try NodeEvent(validating: event))
    }
    var counters: [StreamCounters] = []
    for counter in try Field.list(wire.counters, "NodeReport.counters", limit: Limits.reportCounters) {
      counters.append(try StreamCounters(validating: counter))
    }
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "NodeReport.request")), events: events, counters: counters)
  }

  package var wire: WireNodeReport {
    .with {
      $0.request = request.hash.data
      $0.events = events.map(\.wire)
      $0.counters = counters.map(\.wire)
    }
  }
}

extension NodeEvent {
  package init(validating wire: WireNodeEvent) throws(InvalidMessage) {
    func stream(_ data: Data, _ field: String) throws(InvalidMessage) -> StreamKey {
      StreamKey(try Field.bytes32(data, "NodeEvent.\(field)"))
    }
    switch wire.kind {
    case .switched(let body):
      self = .switched(
        try StreamUser(validating: body.consumer, "NodeEvent.switched.consumer"),
        stream: try stream(body.stream, "switched.stream"),
        to: try Field.node(body.upstream, "NodeEvent.switched.upstream"))
    case .starved(let body):
      self = .starved(
        try StreamUser(validating: body.consumer, "NodeEvent.starved.consumer"),
        stream: try stream(body.stream, "starved.stream"))
    case .failed(let body):
      self = .failed(
        try stream(body.stream, "failed.stream"), kind: try Field.text(body.kind, "NodeEvent.failed.kind", limit: 64),
        detail: try Field.text(body.detail, "NodeEvent.failed.detail"), lasting: body.lasting)
    case .ended(let body): self = .ended(try StreamUser(validating: body.consumer, "NodeEvent.ended.consumer"))
    case .inherited(let body): self = .inherited(try InheritedGroup(validating: body))
    case .standbysChanged(let body):
      self = .standbysChanged(try SharedStream(validating: body, "NodeEvent.standbys_changed"))
    case .holdsNothing: self = .holdsNothing
    case nil: throw InvalidMessage("NodeEvent", "says nothing that this version understands")
    }
  }

  package var wire: WireNodeEvent {
    .with {
      switch self {
      case .switched(let consumer, let stream, let node):
        $0.switched = .with {
          $0.consumer = consumer.wire
          $0.stream = stream.hash.data
          $0.upstream = node.data
        }
      case .starved(let consumer, let stream):
        $0.starved = .with {
          $0.consumer = consumer.wire
          $0.stream = stream.hash.data
        }
      case .failed(let stream, let kind, let detail, let lasting):
        $0.failed = .with {
          $0.stream = stream.hash.data
          $0.kind = String(kind.prefix(16))
          $0.detail = String(detail.prefix(1_024))
          $0.lasting = lasting
        }
      case .ended(let consumer): $0.ended = .with { $0.consumer = consumer.wire }
      case .inherited(let group): $0.inherited = group.wire
      case .standbysChanged(let shared): $0.standbysChanged = shared.wire
      case .holdsNothing: $0.holdsNothing = WireHoldsNothing()
      }
    }
  }
}

extension InheritedGroup {
  package init(validating wire: WireGroupInherited) throws(InvalidMessage) {
    let spec = try GroupSpec(validating: wire.group)
    var inputs: [InputAssignment] = []
    for input in try Field.list(wire.inputs, "GroupInherited.inputs", limit: 16) {
      inputs.append(try InputAssignment(validating: input, "GroupInherited.inputs"))
    }
    guard inputs.map(\.stream) == spec.inputs else {
      throw InvalidMessage("GroupInherited.inputs", "not the group's input streams, in its order")
    }
    self.init(
      spec: spec, inputs: inputs, standbys: try Provider.list(wire.standbys, "GroupInherited.standbys"),
      demand: try Demand(validating: wire.demand, "GroupInherited.demand"))
  }

  package var wire: WireGroupInherited {
    .with {
      $0.stream = spec.output.hash.data
      $0.group = spec.wire
      $0.inputs = inputs.map(\.wire)
      $0.standbys = standbys.map(\.wire)
      $0.demand = demand.wire
    }
  }
}

extension StreamCounters {
  package init(validating wire: WireStreamCounters) throws(InvalidMessage) {
    self.init(
      owner: try StreamUser(validating: wire.owner, "StreamCounters.owner"),
      stream: StreamKey(try Field.bytes32(wire.stream, "StreamCounters.stream")), isIncoming: wire.incoming,
      peer: try Field.node(wire.peer, "StreamCounters.peer"),
      address: wire.hasAddress ? try PeerAddress(validating: wire.address, "StreamCounters.address") : nil,
      format: try Field.text(wire.format, "StreamCounters.format", limit: 256), bytes: wire.bytesMoved,
      packets: wire.packets, first: wire.hasFirstPosition ? wire.firstPosition : nil,
      last: wire.hasLastPosition ? wire.lastPosition : nil,
      acknowledged: wire.hasAcknowledged ? wire.acknowledged : nil, switches: wire.switches,
      bitsPerSecond: wire.bitsPerSecond)
  }

  package var wire: WireStreamCounters {
    .with {
      $0.owner = owner.wire
      $0.stream = stream.hash.data
      $0.incoming = isIncoming
      $0.peer = peer.data
      if let address { $0.address = address.wire }
      $0.format = String(format.prefix(64))
      $0.bytesMoved = bytes
      $0.packets = packets
      if let first { $0.firstPosition = first }
      if let last { $0.lastPosition = last }
      if let acknowledged { $0.acknowledged = acknowledged }
      $0.switches = switches
      $0.bitsPerSecond = bitsPerSecond
    }
  }
}
