import Assignments
import Base
import Desks
import Identity
import Sessions
import Testing
import Vocabulary

@testable import Core

@Suite("How fast a socket runs") struct SocketMeterTests {
  private let stream = StreamKey(Digest.of([1], kind: "test"))
  private let peer = NodeID(Digest.of([2], kind: "test"))

  private func counter(_ bytes: UInt64) -> StreamCounters {
    StreamCounters(owner: .group(stream), stream: stream, isIncoming: false, peer: peer, bytes: bytes)
  }

  @Test("a steady stream's rate is its bits a second; it dies away when nothing flows; a new socket counts anew")
  func rates() {
    var meter = SocketMeter()
    var now = Instant.zero
    func read(_ bytes: UInt64) -> UInt64 {
      defer { meter.forgetUnread(at: now) }
      return meter.rate(of: counter(bytes), .group(stream), at: now)
    }
    #expect(read(5_000) == 0, "one reading is no rate")
    for second in 1...10 as ClosedRange<UInt64> {
      now = now + .seconds(1)
      #expect(read(5_000 + second * 125_000) == 1_000_000)
    }
    now = now + .seconds(2)
    #expect(read(1_255_000) == 500_000, "half is forgotten after two seconds")
    now = now + .seconds(1)
    #expect(read(100) == 0, "the counter fell: it is another socket")
    now = now + .seconds(1)
    meter.forgetUnread(at: now)
    now = now + .seconds(1)
    #expect(read(1_000_000) == 0, "a socket that was closed meanwhile is new")
  }
}
