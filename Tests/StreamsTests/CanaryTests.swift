import Base
import Testing
import Vocabulary

@testable import Streams

@Suite("Canaries: what the checks must catch")
struct CanaryTests {
  /// Whether some course among a few shows the harm.
  private func isCaught(_ sabotage: World.Sabotage, seeds: ClosedRange<UInt64>, by check: (World) -> Bool) -> Bool {
    seeds.contains { check(PromiseTests.course(seed: $0, sabotage: sabotage)) }
  }

  @Test("acknowledging on receipt instead of by origins leaves nothing to resume from")
  func acknowledgedOnReceipt() {
    func coldStarts(_ sabotage: World.Sabotage?) -> Int {
      var world = World(nodes: 4, seed: 1)
      world.sabotage = sabotage
      var chain = Chain()
      chain.source(1, at: 0, length: 100, size: 1_400_000, pace: 20_000)
      chain.stage(5, of: [(key: 1, step: 1)], at: [1, 2], memory: 25)
      chain.open(in: &world)
      chain.deliver(5, to: 3, as: 1, in: &world)
      world.after(.seconds(1)) { $0.kill(1) }
      world.run(until: .zero + .seconds(10))
      return world.coldStarts
    }
    #expect(coldStarts(nil) == 0)
    #expect(coldStarts(.acknowledgeOnReceipt) > 0)
  }

  @Test("origins that forget a component's memory give wrong values after a resume")
  func forgottenMemory() {
    #expect(isCaught(.forgetMemory, seeds: 1...6) { $0.problems.contains { $0.contains("wrong value") } })
  }

  @Test("a worker with endless credit breaks the bound on memory")
  func endlessCredit() {
    var world = World(nodes: 9, seed: 1)
    world.sabotage = .endlessCredit
    var chain = Chain()
    chain.source(1, at: 0, length: 1_000, size: 1_400_000)
    chain.stage(5, of: [(key: 1, step: 1)], at: [1])
    chain.open(in: &world)
    world.run(until: .zero + .seconds(5))
    #expect(world.worstWindow > Limits.windowHard + Limits.windowSoft)
  }

  @Test("a packet that is delivered twice is seen")
  func deliveredTwice() {
    var world = World(nodes: 9, seed: 1)
    world.sabotage = .deliverTwice
    let chain = PromiseTests.service()
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(20))
    #expect(world.problems.contains { $0.contains("where") })
  }
}
