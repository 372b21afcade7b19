import Assignments
import Base
import Core
import Desks
import Identity
import Sessions
import Vocabulary
import Wire

// Managers whose orders make no sense, and nodes that are not where they say.

extension LyingPeer {
  /// Every reservation is followed by others: of components that nobody offers, of more than any machine has, and without a mandate; every
  /// commit by one of work that was never reserved, and by one without a mandate.
  mutating func nonsense(_ session: WireSessionMessage, to: NodeID, _ effect: Effect) -> [Effect] {
    guard let said = try? SessionMessage(validating: session) else { return [effect] }
    func say(_ message: SessionMessage, _ node: NodeID) -> [Effect] {
      send(.with { $0.session = message.wire }, to: node)
    }
    switch said {
    case .reserve(let reserve):
      var unoffered = reserve
      unoffered.mark.version += 1
      unoffered.items = reserve.items.map { item in
        var item = item
        if case .group(var spec, let role, let start) = item.work {
          for index in spec.stages.indices { spec.stages[index].component = "video.hologram" }
          spec.output = StreamKey(Digest.of(spec.output.hash.bytes, kind: "nonsense"))
          item.work = .group(spec, role: role, start: start)
        }
        return item
      }
      var greedy = reserve
      greedy.mark.version += 2
      for index in greedy.items.indices {
        greedy.items[index].demand = Demand(cores: 1e6, memory: 1 << 60, up: 1 << 50, down: 1 << 50)
      }
      var naked = reserve
      naked.mark.term = naked.mark.term.next
      naked.mandate = []
      let victims = addresses.keys.filter { $0 != me }
      return victims.flatMap { say(.reserve(naked), $0) } + say(.reserve(unoffered), to) + say(.reserve(greedy), to) + [
        effect
      ]
    case .commit(let commit):
      var naked = commit
      naked.mark.term = naked.mark.term.next
      naked.mandate = []
      let strange = commit.assignments.compactMap { claimed -> ClaimedAssignment? in
        guard case .signed(let envelope) = claimed, let assignment = try? Signed<Assignment>(verifying: envelope) else {
          return nil
        }
        var other = assignment.body
        guard case .group(var spec, let role, let start) = other.work else { return nil }
        spec.output = StreamKey(Digest.of(spec.output.hash.bytes, kind: "nonsense"))
        other.work = .group(spec, role: role, start: start)
        return .signed(Signed(other, by: keys).envelope)
      }
      var unasked = commit
      unasked.assignments = strange
      return say(.commit(naked), to) + (strange.isEmpty ? [] : say(.commit(unasked), to)) + [effect]
    default: return [effect]
    }
  }
}

extension GossipDatagram {
  /// Whatever is measured from it, its sender says that it stands where all coordinates begin, and is sure of it.
  mutating func moveToTheMiddle() {
    var middle = Coordinate.origin
    middle.error = 0
    guard case .membership(var datagram) = body else { return }
    switch datagram.body {
    case .ping: datagram.body = .ping(middle)
    case .ack: datagram.body = .ack(middle)
    case .indirectPing, .nack: return
    }
    body = .membership(datagram)
  }
}
