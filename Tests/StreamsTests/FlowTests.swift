import Base
import Testing
import Vocabulary

@testable import Streams

@Suite("Flow: credit, windows, joiners, ends")
struct FlowTests {
  private func twoNodes(length: Int, size: Int, pace: Int = 100, lookahead: Int = 0) -> (World, Chain) {
    var chain = Chain()
    chain.source(1, at: 0, length: length, size: size, pace: pace)
    chain.stage(5, of: [(key: 1, step: 1)], at: [1], lookahead: lookahead, size: size)
    return (World(nodes: 9, seed: 3), chain)
  }

  @Test("a client that does not read stops the source, and memory stays bounded")
  func backPressure() throws {
    var (world, chain) = twoNodes(length: 100_000, size: 100_000)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.clients[SinkID(1)]?.isStuck = true
    world.run(until: .zero + .seconds(10))
    let made = try #require(world.sites[0].table.group(World.key(1), at: world.now)).output
    #expect(made.bytes < UInt64(2 * Limits.windowSoft + 2 * Limits.inputBudget + 1_000_000))
    // The first window also holds what the second one and the queues behind it are made of.
    #expect(world.worstWindow <= 2 * Limits.windowSoft)
    #expect(world.problems == [])
  }

  @Test("a pipeline deeper than the soft window still flows")
  func deepPipeline() {
    var (world, chain) = twoNodes(length: 60, size: 1_400_000, lookahead: 20)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(10))
    #expect(world.clients[SinkID(1)]?.isComplete == true)
    #expect(world.worstWindow <= Limits.windowHard + Limits.retention)
  }

  @Test("the window of an hour-long stream is no larger than that of a short one")
  func hourLong() {
    var (world, chain) = twoNodes(length: 5_000, size: 40_000)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(60))
    #expect(world.clients[SinkID(1)]?.isComplete == true)
    #expect(world.worstWindow <= Limits.windowSoft + Limits.retention + Limits.windowSoft / 8)
  }

  @Test("a second client some seconds later gets the stream from its beginning, and no worker more")
  func graft() {
    var (world, chain) = twoNodes(length: 200, size: 1_000, pace: 40_000)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(4))
    chain.deliver(5, to: 8, as: 2, in: &world)
    #expect(world.sites[1].workers.count == 1)
    world.run(until: .zero + .seconds(20))
    #expect(world.clients[SinkID(1)]?.isComplete == true)
    #expect(world.clients[SinkID(2)]?.isComplete == true)
    #expect(world.reports.filter { if case .producing = $0.report { true } else { false } }.count == 2)
  }

  @Test("a finished stream that is still held is played again without a worker")
  func playedAgain() {
    var (world, chain) = twoNodes(length: 50, size: 1_000)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(3))
    chain.deliver(5, to: 8, as: 2, in: &world)
    world.run(until: .zero + .seconds(6))
    #expect(world.clients[SinkID(2)]?.isComplete == true)
    #expect(world.reports.filter { if case .producing = $0.report { true } else { false } }.count == 2)
  }

  @Test("a finished stream that is no longer held is made again, back to its source")
  func madeAgain() {
    var (world, chain) = twoNodes(length: 300, size: 40_000)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(5))
    #expect(world.clients[SinkID(1)]?.isComplete == true)
    chain.deliver(5, to: 8, as: 2, in: &world)
    world.run(until: .zero + .seconds(10))
    #expect(world.clients[SinkID(2)]?.isComplete == true)
  }

  @Test("a client that reads nothing is cut when it lags the whole window behind another")
  func lagging() {
    var (world, chain) = twoNodes(length: 3_000, size: 100_000)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    chain.deliver(5, to: 8, as: 2, in: &world)
    world.clients[SinkID(2)]?.isStuck = true
    world.run(until: .zero + .seconds(20))
    #expect(world.clients[SinkID(1)]?.isComplete == true, "\(String(describing: world.clients[SinkID(1)]?.next))")
    #expect(world.reports.contains { $0.report == .cut(World.key(5), subscriber: World.id(8)) })
    #expect(world.worstWindow <= Limits.windowHard + Limits.windowSoft + Limits.retention)
  }

  @Test("all groups and the sink on one node: the same path, no message leaves it")
  func oneNode() {
    var chain = Chain()
    chain.source(1, at: 0, length: 100, size: 1_400_000)
    chain.stage(5, of: [(key: 1, step: 3)], at: [0], memory: 1)
    var world = World(nodes: 9, seed: 3)
    world.trace = []
    chain.open(in: &world)
    chain.deliver(5, to: 0, as: 1, in: &world)
    world.run(until: .zero + .seconds(5))
    #expect(world.clients[SinkID(1)]?.isComplete == true)
    #expect(world.trace?.contains { $0.contains("→") } == false)
  }
}

extension FlowTests {
  @Test("a group whose clients have left stands by again, and its inputs are free; a new client gets all of it")
  func rest() {
    var chain = Chain()
    chain.source(1, at: 0, length: 400, size: 1_000, pace: 20_000)
    chain.stage(5, of: [(key: 1, step: 1)], at: [1])
    var world = World(nodes: 9, seed: 3)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(2))
    world.tell(7, .closeSink(SinkID(1)))
    world.run(until: .zero + .seconds(4))
    #expect(world.sites[1].workers.isEmpty && world.sites[0].workers.isEmpty)
    #expect(world.sites[1].table.group(World.key(5), at: world.now)?.state == .armed)
    chain.deliver(5, to: 8, as: 2, in: &world)
    world.run(until: .zero + .seconds(30))
    #expect(world.clients[SinkID(2)]?.isComplete == true)
  }

  @Test("a group whose chain is cut elsewhere goes on at its next position, out of its new inputs")
  func recut() {
    var chain = Chain()
    chain.source(1, at: 0, length: 300, size: 1_000, pace: 20_000)
    chain.stage(3, of: [(key: 1, step: 1)], at: [1], memory: 2)
    chain.stage(5, of: [(key: 3, step: 1)], at: [2])
    var world = World(nodes: 9, seed: 3)
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    world.run(until: .zero + .seconds(2))
    let before = world.clients[SinkID(1)]?.next
    // The same stage under another key at another node, and the last stage takes from that.
    var (made, takes) = (chain.links[1].spec, chain.links[2].spec)
    made.output = World.key(9)
    takes.inputs = [World.key(9)]
    world.tell(4, .open(GroupPlan(spec: made, inputs: [chain.input(1)]), .armed))
    let upstream = Upstream(node: World.id(4), assignment: World.assignment(for: World.key(9), at: 4))
    world.tell(
      2, .open(GroupPlan(spec: takes, inputs: [InputPlan(key: World.key(9), upstreams: [upstream])]), .now))
    world.tell(1, .close(World.key(3)))
    world.run(until: .zero + .seconds(30))
    #expect(before.map { $0 > 20 } == true)
    #expect(world.problems == [])
    #expect(world.clients[SinkID(1)]?.isComplete == true, "\(String(describing: world.clients[SinkID(1)]?.next))")
    #expect(world.sites[4].table.group(World.key(9), at: world.now)?.output.packets ?? 0 > 200)
  }
}
