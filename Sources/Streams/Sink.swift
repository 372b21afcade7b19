import Base
import Identity
import Vocabulary

/// A delivery to clients: an input socket without a worker. What the clients have written is acknowledged upstream, so
/// that even the edge can be replaced; what they have not bounds what is under way.
struct Sink: Sendable {
  let id: SinkID
  var inlet: Inlet
  private var unconfirmed = Ring<(position: Position, bytes: Int)>()
  private var hasEnd = false
  /// Packets that the clients have not written.
  var waiting: Int { unconfirmed.count }
  /// No publisher holds so many for it. Credit counts bytes: packets without any would fill this node's memory.
  var isFlooded: Bool { waiting >= Limits.windowPackets }

  init(id: SinkID, plan: InputPlan) {
    self.id = id
    inlet = Inlet(consumer: .sink(id), plan: plan)
  }

  // MARK: On what the input socket received

  mutating func pass(_ arrival: Inlet.Arrival, _ out: inout Outbox) {
    switch arrival {
    case .format(let format): out.add(.deliver(id, .format(format)))
    case .packet(let packet):
      unconfirmed.append((packet.position, packet.payload.count))
      out.add(.deliver(id, .packet(packet)))
    case .end:
      hasEnd = true
      finishIfConfirmed(&out)
    }
  }

  // MARK: On the clients' progress

  mutating func onDelivered(through position: Position, _ out: inout Outbox) {
    var confirmed: Position?
    var bytes = 0
    while let first = unconfirmed.first, first.position <= position {
      unconfirmed.popFirst()
      confirmed = first.position
      bytes += first.bytes
    }
    guard let confirmed else { return }
    inlet.onConsumed(bytes, &out)
    inlet.acknowledge(below: confirmed.next, &out)
    finishIfConfirmed(&out)
  }

  private mutating func finishIfConfirmed(_ out: inout Outbox) {
    guard hasEnd, unconfirmed.isEmpty else { return }
    hasEnd = false
    out.add(.deliver(id, .end))
    inlet.leave(finished: true, &out)
    out.report(.delivered(id))
  }

  func snapshot(at now: Instant) -> SinkSnapshot {
    SinkSnapshot(id: id, input: inlet.snapshot(at: now), unconfirmedBytes: inlet.queued)
  }
}
