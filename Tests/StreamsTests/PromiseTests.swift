import Base
import Identity
import Testing
import Vocabulary

@testable import Streams

@Suite("The promise: every position once, in order, through one failure at a time")
struct PromiseTests {
  /// Video and audio of one file, filtered on nodes of their own, joined by a muxer, read by two clients.
  static func service(length: Int = 400, size: Int = 40_000, pace: Int = 20_000) -> Chain {
    var chain = Chain()
    chain.source(1, at: 0, length: length, size: size, pace: pace)
    chain.source(2, at: 0, length: length * 2, size: 10, pace: pace / 2)
    chain.stage(3, of: [(key: 1, step: 1)], at: [1, 2], memory: 3, lookahead: 2, size: size)
    chain.stage(4, of: [(key: 3, step: 2)], at: [3, 4], memory: 1, size: size)
    chain.stage(5, of: [(key: 4, step: 5), (key: 2, step: 20)], at: [5, 6], size: 100_000)
    return chain
  }

  @Test("a chain without failures delivers everything, then the end")
  func undisturbed() {
    var world = World(nodes: 9, seed: 1)
    let chain = PromiseTests.service()
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(20))
    #expect(world.problems == [])
    #expect(world.clients[SinkID(1)]?.isComplete == true, "\(String(describing: world.clients[SinkID(1)]?.next))")
    #expect(!world.reports.contains { if case .switched = $0.report { true } else { false } })
    #expect(world.reports.contains { $0.report == .finished(World.key(1)) })
    #expect(world.reports.contains { $0.report == .delivered(SinkID(1)) })
  }
}
