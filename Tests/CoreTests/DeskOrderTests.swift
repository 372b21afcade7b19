import Base
import Identity
import Testing
import Vocabulary

@testable import Core
@testable import Desks

/// What a desk wished first happens first, although some of it waits for the disk.
@Suite("The desk's wishes keep their order")
struct DeskOrderTests {
  private let stream = StreamKey(Digest.of([1], kind: "stream"))
  private let request = RequestID(Digest.of([2], kind: "request"))

  private func order() -> GroupOrder {
    let stage = StageSpec(id: 0, component: "video.scale", parameters: [], inputs: [])
    let spec = GroupSpec(stages: [stage], inputs: [], output: stream, mezzanine: .intra, rateCap: 0)
    return GroupOrder(spec: spec, inputs: [], isArmed: true, authorization: [])
  }

  /// A term that is new here is written down before its wish is granted.
  private func behindFence(_ effect: DeskEffect) -> DeskEffect {
    .persist([Fence(request: request, term: Term(2), until: .distantFuture)], then: [effect])
  }

  /// The streams that are open after what the desk wishes, in turn, and the disk has done.
  private func open(after wishes: [[DeskEffect]]) throws -> [StreamKey] {
    let journey = try Journey(seed: 1)
    var node = journey.world.peers[1].node
    var random = SeededRandom(seed: 1)
    for effects in wishes { node.perform(effects) }
    #expect(node.streamsAwaited == [stream])
    #expect(node.unwritten == node.waiting.values.reduce(0) { $0 + $1.count })
    for token in node.waiting.keys {
      _ = node.handle(.persisted(token), at: journey.world.now, wall: World.wall(at: journey.world.now), using: &random)
    }
    #expect(node.streamsAwaited.isEmpty && node.waiting.isEmpty && node.unwritten == 0)
    return node.groups.map(\.key)
  }

  @Test("a group that is given up while its opening waits for the disk is not opened after all")
  func closed() throws {
    #expect(try open(after: [[behindFence(.openGroup(order()))], [.closeGroup(stream)]]) == [])
  }

  @Test("a group that is taken up again while its end waits for the disk goes on")
  func opened() throws {
    let (end, begin) = (DeskEffect.closeGroup(stream), DeskEffect.openGroup(order()))
    #expect(try open(after: [[begin], [behindFence(end)], [begin]]) == [stream])
    #expect(try open(after: [[begin], [behindFence(end)], [begin], [behindFence(end)]]) == [])
    #expect(try open(after: [[behindFence(begin)], [behindFence(end)], [begin]]) == [stream])
  }
}
