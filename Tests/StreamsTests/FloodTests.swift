import Base
import Identity
import Testing
import Vocabulary
import Wire

@testable import Streams

/// What publishers and subscribers send that no honest one would.
@Suite("Floods and far numbers")
struct FloodTests {
  private static let sink = SinkID(1)

  private func packet(_ index: UInt64) -> Packet {
    Packet(position: Position(index), timestamp: 0, duration: 1, isKey: true, origins: [], payload: [])
  }

  @Test("packets without bytes take no credit: their publisher is left before they fill the memory of a sink")
  func empty() {
    var table = StreamTable(node: World.id(0))
    let plan = InputPlan(
      key: World.key(1), upstreams: [1, 2].map { Upstream(node: World.id($0), assignment: [UInt8($0)]) })
    _ = table.handle(.openSink(Self.sink, plan, from: .beginning), at: .zero)
    func hear(_ body: StreamMessage.Body) -> [StreamEffect] {
      table.handle(.message(StreamMessage(SubscriptionID(1), body), from: World.id(1)), at: .zero)
    }
    for body in [StreamMessage.Body.accepted, .preamble(FakeWorker.format)] { _ = hear(body) }
    for index in 0..<UInt64(Limits.windowPackets) { _ = hear(.packet(packet(index))) }
    #expect(table.unwritten == Limits.windowPackets)
    let more = hear(.packet(packet(UInt64(Limits.windowPackets))))
    #expect(table.unwritten == Limits.windowPackets)
    let asked = more.compactMap { if case .send(let message, let peer) = $0 { (message.body, peer) } else { nil } }
    #expect(
      asked.contains {
        if case .subscribe(let wish) = $0.0 {
          $0.1 == World.id(2) && wish.from == .position(Position(UInt64(Limits.windowPackets)))
        } else {
          false
        }
      })
  }

  @Test(
    "a position that leaves no room to reckon on is refused where it comes in",
    arguments: [.max, 1 << 63, 1 << 62 + 1] as [UInt64])
  func far(index: UInt64) throws {
    let far = Position(index)
    let wish = StreamMessage.Subscribe(
      key: World.key(1), from: .position(far), origins: [], assignment: [], credit: 1)
    var back = wish
    back.from = .beginning
    back.origins = [Origin(input: 0, position: far, timestamp: nil)]
    let said: [StreamMessage.Body] = [
      .packet(packet(index)), .end(after: far), .acknowledge(below: far), .subscribe(wish), .subscribe(back),
      .refused(.notHeld(first: far)),
    ]
    for body in said {
      let wire = StreamMessage(SubscriptionID(1), body).wire
      #expect(throws: InvalidMessage.self) { try StreamMessage(validating: wire) }
    }
    // A stage's mark is handed back as it is: nobody reckons with it.
    var marked = packet(7)
    marked.origins = [Origin(input: Origin.firstMark, position: far, timestamp: nil)]
    let body = StreamMessage.Body.packet(marked)
    #expect(try StreamMessage(validating: StreamMessage(SubscriptionID(1), body).wire).body == body)
    let near = StreamMessage.Body.packet(packet(1 << 62))
    #expect(try StreamMessage(validating: StreamMessage(SubscriptionID(1), near).wire).body == near)
  }
}
