import Base
import Foundation
import Identity
import Testing
import Vocabulary

@testable import Streams

/// Which courses of failures are tried; `MILLRACE_SEEDS` asks for more of them.
enum Seeds {
  private static let count = ProcessInfo.processInfo.environment["MILLRACE_SEEDS"].flatMap { UInt64($0) } ?? 16
  /// 70: a link breaks, and a mark left behind holds the windows. 197: a standby's list begins with a node that rests.
  static let all = Array(1...count) + [70, 197].filter { $0 > count }
}

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

extension PromiseTests {
  /// One course of failures, drawn from a seed: nodes die loudly or silently, workers die, links break, one every few
  /// seconds; the manager gives a dead node's groups to it again, as standbys, once it is back.
  static func course(seed: UInt64, sabotage: World.Sabotage? = nil, traced: Bool = false) -> World {
    var world = World(nodes: 9, seed: seed)
    world.sabotage = sabotage
    if traced { world.trace = [] }
    world.linksClose = seed % 2 == 0
    var chain = service(length: 600, size: [1_000, 40_000, 100_000, 1_400_000][Int(seed / 2) % 4])
    chain.open(in: &world)
    chain.deliver(5, to: 7, as: 1, in: &world)
    let plans = chain
    world.after(.milliseconds(500 + world.random.index(below: 1_500))) { plans.deliver(5, to: 8, as: 2, in: &$0) }
    var at = Duration.milliseconds(2_500)
    for _ in 0..<2 {
      at += .milliseconds(world.random.index(below: 1_500))
      switch world.random.index(below: 6) {
      case 0:
        let site = world.random.index(below: 7)
        world.after(at) { $0.killWorker(at: site) }
      case 1:
        let (a, b) = (world.random.index(below: 9), world.random.index(below: 8))
        world.after(at) { $0.cut(a, b == a ? 8 : b) }
      default:
        let key = 3 + world.random.index(below: 3)
        let site = chain.sites(of: key)[world.random.index(below: 2)]
        world.after(at) { $0.kill(site) }
        chain.replace(sites: chain.sites(of: key).filter { $0 != site } + [site], of: key)
        let repaired = chain
        world.after(at + .milliseconds(1_500)) { repaired.repair(key, at: site, in: &$0) }
      }
      at += .milliseconds(4_000)
    }
    world.run(until: .zero + .seconds(40))
    return world
  }

  @Test("failures of nodes, workers and links, one at a time, lose and double nothing", arguments: Seeds.all)
  func disturbed(seed: UInt64) {
    let world = PromiseTests.course(seed: seed)
    #expect(world.problems == [])
    for (id, client) in world.clients.sorted(by: { $0.key < $1.key }) {
      #expect(client.isComplete, "seed \(seed): \(id) stands at \(client.next)")
      // A chunk takes 200 ms anyway, detection 200 more.
      #expect(client.worstGap < .milliseconds(800), "seed \(seed): \(id) waited \(client.worstGap)")
    }
    #expect(world.worstWindow <= Limits.windowHard + Limits.windowSoft + Limits.retention)
    #expect(world.coldStarts == 0)
    #expect(world.worstQueue <= 2 * (Limits.inputBudget + 1_400_000))
  }
}
