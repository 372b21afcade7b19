import Base
import Core
import Elections
import Mandates

extension Scenario {
  /// A crowd: machines that offer everything start one after the other, gossip, and are asked for a service once a second.
  /// - Parameters:
  ///   - nodes: at least 2.
  ///   - view: members that each keeps; nil: all.
  ///   - seconds: of a request each second, once all have started.
  ///   - starting: seconds over which the machines start.
  public static func crowd(nodes: Int, view: Int?, seconds: Double, starting: Double = 30, seed: UInt64 = 1) -> Scenario
  {
    let parts = [
      "source.video", "source.audio", "source.text", "video.scale", "video.overlay", "video.vp8", "mux.webm",
    ]
    // Electors judge by the members that they have known for a minute: before, they refuse what a newcomer calls them for.
    let settling = Limits.settledMember.seconds + 5
    let end = starting + settling + seconds + 15
    var scenario = Scenario(
      seed: seed,
      nodes: (0..<nodes).map {
        Scenario.Machine(components: parts, startsAt: Double($0) * starting / Double(max(nodes, 1)))
      }, healsAt: end, endsAt: end)
    // Continents: paths of 10 to 67 ms one way.
    scenario.topology = .plane(side: 40, least: 10)
    scenario.economy.uncheckedForSpeed = true
    scenario.economy.coarseTrace = true
    scenario.economy.viewBound = view
    // Who shares is known to everybody: with bounded views those with the least IDs.
    for (number, node) in scenario.seats.prefix(100).enumerated() {
      scenario.sources.append(Scenario.Source(node: node, path: "talk-\(number)", seconds: 3))
    }
    var random = SeededRandom(seed: seed)
    for number in 0..<Int(seconds) {
      scenario.requests.append(
        Scenario.Ask(
          at: starting + settling + Double(number), portal: random.index(below: nodes),
          source: random.index(below: scenario.sources.count), variant: number))
    }
    return scenario
  }

  /// The machines that have a seat: those with the least IDs, as `MemberTable+Bound` has it.
  var seats: [Int] {
    let seats = economy.viewBound.map { max(1, $0 * 3 / 8) } ?? nodes.count
    return nodes.indices.map { (id: keys(of: $0).id, number: $0) }.sorted { $0.id < $1.id }.prefix(seats).map(\.number)
  }
}
