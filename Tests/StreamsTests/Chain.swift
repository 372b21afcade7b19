import Base
import Identity
import Vocabulary

@testable import Streams

/// Plans for ``World``: which group, where, with which standbys; and what each stream's values must be.
struct Chain {
  struct Link {
    var key: Int
    var spec: GroupSpec
    var inputs: [Int]
    /// The primary, then standbys.
    var sites: [Int]
  }

  private(set) var links: [Link] = []

  mutating func source(
    _ key: Int, at site: Int, length: Int, size: Int = 1_000, pace: Int = 1_000
  ) {
    links.append(
      Link(
        key: key, spec: Chain.spec(key, [], ["length": length, "size": size, "pace": pace, "seed": key]), inputs: [],
        sites: [site]))
  }

  mutating func stage(
    _ key: Int, of inputs: [(key: Int, step: Int)], at sites: [Int], memory: Int = 0, lookahead: Int = 0,
    size: Int = 1_000
  ) {
    var numbers = ["memory": memory, "lookahead": lookahead, "size": size, "seed": key]
    for (socket, input) in inputs.enumerated() { numbers["step\(socket)"] = input.step }
    links.append(
      Link(key: key, spec: Chain.spec(key, inputs.map(\.key), numbers), inputs: inputs.map(\.key), sites: sites))
  }

  private static func spec(_ key: Int, _ inputs: [Int], _ numbers: [String: Int]) -> GroupSpec {
    let parameters = numbers.sorted { $0.key < $1.key }.map { StageSpec.Parameter($0.key, .integer(Int64($0.value))) }
    let stage = StageSpec(
      id: 0, component: inputs.isEmpty ? "source.fake" : "video.fake", parameters: parameters,
      inputs: inputs.indices.map { .socket($0) })
    return GroupSpec(
      stages: [stage], inputs: inputs.map(World.key), output: World.key(key), mezzanine: .asIs, rateCap: 0)
  }

  // MARK: Plans

  func sites(of key: Int) -> [Int] { links.first { $0.key == key }?.sites ?? [] }

  mutating func replace(sites: [Int], of key: Int) {
    guard let at = links.firstIndex(where: { $0.key == key }) else { return }
    links[at].sites = sites
  }

  func input(_ key: Int) -> InputPlan {
    InputPlan(
      key: World.key(key),
      upstreams: sites(of: key).map {
        Upstream(node: World.id($0), assignment: World.assignment(for: World.key(key), at: $0))
      })
  }

  func plan(_ link: Link) -> GroupPlan { GroupPlan(spec: link.spec, inputs: link.inputs.map(input)) }

  /// Opens every group: primaries start, standbys are armed.
  func open(in world: inout World) {
    for link in links {
      for (rank, site) in link.sites.enumerated() { world.tell(site, .open(plan(link), rank == 0 ? .now : .armed)) }
    }
  }

  func deliver(_ key: Int, to site: Int, as sink: UInt64, from start: StartPoint = .beginning, in world: inout World) {
    world.clients[SinkID(sink)] = FakeClient(expected: values(of: key))
    world.tell(site, .openSink(SinkID(sink), input(key), from: start))
  }

  /// The manager's repair: a node that died is back and stands by; those who take its stream learn the new order.
  func repair(_ key: Int, at site: Int, in world: inout World) {
    world.revive(site)
    for link in links where link.key == key { world.tell(site, .open(plan(link), .armed)) }
    for link in links where link.inputs.contains(key) {
      for consumer in link.sites { world.tell(consumer, .open(plan(link), .armed)) }
    }
    let sinks = world.clients.keys.sorted()
    for sink in sinks {
      for node in world.sites.indices { world.tell(node, .replaceSinkUpstreams(sink, input(5).upstreams)) }
    }
  }

  // MARK: Truth

  /// What one process, without nodes or failures, would make.
  func values(of key: Int) -> [UInt64] {
    guard let link = links.first(where: { $0.key == key }) else { return [] }
    let shape = FakeWorker.Shape(link.spec)
    if link.inputs.isEmpty { return (0..<shape.length).map { shape.value([$0]) } }
    let inputs = link.inputs.map(values)
    let count = zip(inputs, shape.steps).map { (UInt64($0.count) + $1 - 1) / $1 }.max() ?? 0
    return (0..<count).map { index in
      var parts: [UInt64] = []
      for (socket, input) in inputs.enumerated() {
        for at in shape.range(index, of: socket) where at < UInt64(input.count) { parts.append(input[Int(at)]) }
      }
      return shape.value(parts)
    }
  }
}
