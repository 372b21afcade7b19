import Base
import Foundation
import Identity
import Vocabulary
import Wire

// Assignments and what they are made of: wire words to checked values and back.

extension Assignment {
  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireAssignment(parsing: bytes)
    let term = try Term(validating: wire.term, "Assignment.term")
    var inputs: [InputAssignment] = []
    for input in try Field.list(wire.inputs, "Assignment.inputs", limit: 16) {
      inputs.append(try InputAssignment(validating: input, "Assignment.inputs"))
    }
    let work = try AssignedWork(validating: wire.work, "Assignment.work")
    switch work {
    case .group(let spec, _, _):
      guard spec.inputs == inputs.map(\.stream) else {
        throw InvalidMessage("Assignment.inputs", "not the group's input streams, in its order")
      }
    case .share:
      guard inputs.isEmpty else { throw InvalidMessage("Assignment.inputs", "a share has none") }
    case .delivery(_, let stream):
      guard inputs.map(\.stream) == [stream] else {
        throw InvalidMessage("Assignment.inputs", "a delivery has one input: the stream that it delivers")
      }
    }
    self.init(
      request: RequestID(try Field.bytes32(wire.request, "Assignment.request")), term: term,
      mandate: try Field.bytes32(wire.mandate, "Assignment.mandate"),
      node: try Field.node(wire.node, "Assignment.node"), version: try Field.step(wire.version, "Assignment.version"),
      ordinal: try Field.step(wire.ordinal, "Assignment.ordinal"), work: work,
      inputs: inputs, expires: try Field.wall(wire.expiresMs, "Assignment.expires"),
      latency: try Field.number(wire.latencyMs, "Assignment.latency_ms", in: 0...3_600_000),
      standbys: try Provider.list(wire.standbys, "Assignment.standbys"))
  }

  /// The bytes that the manager signs.
  public func encoded() -> [UInt8] {
    WireAssignment.with {
      $0.request = request.hash.data
      $0.term = term.wire
      $0.mandate = mandate.data
      $0.node = node.data
      $0.version = version
      $0.ordinal = ordinal
      $0.work = work.wire
      $0.inputs = inputs.map(\.wire)
      $0.expiresMs = expires.milliseconds
      $0.latencyMs = latency
      $0.standbys = standbys.map(\.wire)
    }.wireBytes
  }
}

extension AssignedWork {
  package init(validating wire: WireWork, _ field: String) throws(InvalidMessage) {
    switch wire.kind {
    case .group(let group):
      self = .group(
        try GroupSpec(validating: group.group), role: group.standby ? .standby : .primary,
        start: group.armed ? .onSubscribe : .now)
    case .share(let stream): self = .share(StreamKey(try Field.bytes32(stream, "\(field).share")))
    case .delivery(let delivery):
      self = .delivery(
        output: try Field.text(delivery.output, "\(field).delivery.output", limit: 64),
        stream: StreamKey(try Field.bytes32(delivery.stream, "\(field).delivery.stream")))
    case nil: throw InvalidMessage(field, "says nothing that this version understands")
    }
  }

  package var wire: WireWork {
    .with {
      switch self {
      case .group(let spec, let role, let start):
        $0.group = .with {
          $0.group = spec.wire
          $0.standby = role == .standby
          $0.armed = start == .onSubscribe
        }
      case .share(let stream): $0.share = stream.hash.data
      case .delivery(let output, let stream):
        $0.delivery = .with {
          $0.output = output
          $0.stream = stream.hash.data
        }
      }
    }
  }
}

extension Provider {
  static func list(_ wire: [WireProvider], _ field: String) throws(InvalidMessage) -> [Provider] {
    var result: [Provider] = []
    for provider in try Field.list(wire, field, limit: Limits.upstreams) {
      result.append(
        Provider(
          node: try Field.node(provider.node, "\(field).node"),
          address: try PeerAddress(validating: provider.address, "\(field).address")))
    }
    return result
  }

  package var wire: WireProvider {
    .with {
      $0.node = node.data
      $0.address = address.wire
    }
  }
}

extension InputAssignment {
  package init(validating wire: WireAssignedInput, _ field: String) throws(InvalidMessage) {
    let upstreams = try Provider.list(wire.upstreams, "\(field).upstreams")
    guard !upstreams.isEmpty else { throw InvalidMessage("\(field).upstreams", "empty: nobody serves the stream") }
    self.init(stream: StreamKey(try Field.bytes32(wire.stream, "\(field).stream")), upstreams: upstreams)
  }

  package var wire: WireAssignedInput {
    .with {
      $0.stream = stream.hash.data
      $0.upstreams = upstreams.map(\.wire)
    }
  }
}

extension Demand {
  package init(validating wire: WireWorkDemand, _ field: String) throws(InvalidMessage) {
    self.init(
      cores: try Field.number(wire.cores, "\(field).cores", in: 0...4_096),
      memory: try Field.number(wire.memoryBytes, "\(field).memory_bytes", in: 0...1 << 50),
      up: try Field.number(wire.up, "\(field).up", in: 0...1 << 50),
      down: try Field.number(wire.down, "\(field).down", in: 0...1 << 50))
  }

  package var wire: WireWorkDemand {
    .with {
      $0.cores = cores
      $0.memoryBytes = memory
      $0.up = up
      $0.down = down
    }
  }
}

extension Capacity {
  package init(validating wire: WireCapacityLeft, _ field: String) throws(InvalidMessage) {
    self.init(
      slots: Int(try Field.number(wire.slots, "\(field).slots", in: -65_536...65_536)),
      cores: try Field.number(wire.cores, "\(field).cores", in: -4_096...4_096),
      memory: try Field.number(wire.memoryBytes, "\(field).memory_bytes", in: -(1 << 50)...1 << 50),
      up: try Field.number(wire.up, "\(field).up", in: -(1 << 50)...1 << 50),
      down: try Field.number(wire.down, "\(field).down", in: -(1 << 50)...1 << 50))
  }

  package var wire: WireCapacityLeft {
    .with {
      $0.slots = Int32(clamping: slots)
      $0.cores = cores
      $0.memoryBytes = memory
      $0.up = up
      $0.down = down
    }
  }
}

extension StreamUser {
  package init(validating wire: WireStreamUser, _ field: String) throws(InvalidMessage) {
    switch wire.kind {
    case .group(let stream): self = .group(StreamKey(try Field.bytes32(stream, "\(field).group")))
    case .delivery(let output): self = .delivery(try Field.text(output, "\(field).delivery", limit: 64))
    case nil: throw InvalidMessage(field, "names neither a group nor a delivery")
    }
  }

  package var wire: WireStreamUser {
    .with {
      switch self {
      case .group(let stream): $0.group = stream.hash.data
      case .delivery(let output): $0.delivery = output
      }
    }
  }
}

/// What a subscriber shows to a publisher: its assignment, and the mandate that backs it.
package struct AuthorizationBytes {
  package var assignment: ClaimedAssignment
  package var mandate: [UInt8]

  /// What goes to Streams as opaque bytes.
  package static func encoded(_ assignment: Signed<Assignment>, mandate: [UInt8]) -> [UInt8] {
    WireAuthorization.with {
      $0.assignment = assignment.envelope.wire
      $0.mandate = Data(mandate)
    }.wireBytes
  }

  package init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireAuthorization(parsing: bytes)
    assignment = try ClaimedAssignment(validating: wire.assignment, "Authorization.assignment")
    mandate = try Field.mandate(wire.mandate, "Authorization.mandate")
  }
}

extension ClaimedAssignment {
  package init(validating wire: WireSignedBytes, _ field: String) throws(InvalidMessage) {
    self = wire.signature.isEmpty ? .unsigned : .signed(try SignedEnvelope(validating: wire, field))
  }

  package var wire: WireSignedBytes {
    switch self {
    case .signed(let envelope): envelope.wire
    case .unsigned: WireSignedBytes()
    }
  }
}

extension Field {
  package static func mandate(_ data: Data, _ field: String) throws(InvalidMessage) -> [UInt8] {
    guard data.count <= Limits.mandateBytes else {
      throw InvalidMessage(field, "\(data.count) bytes where at most \(Limits.mandateBytes) are allowed")
    }
    return Array(data)
  }
}
