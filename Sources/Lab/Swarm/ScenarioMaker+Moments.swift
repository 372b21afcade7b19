import Base

// Trouble that comes at a manager's moments, and who joins late. As with liars and media it is drawn from a stream of chance of its own, so
// that all else in a seed's scenario is what it would be without.

extension ScenarioMaker {
  /// In so many something strikes when a manager reaches a state, machines have a bound on what comes down to them, or some join late.
  private static let momentShare = 0.5

  /// Faults with a trigger come after all others, whose numbers stay as they were.
  static func addMoments(to scenario: inout Scenario) {
    var random = SeededRandom(seed: scenario.seed &* 0x1656_67B1 &+ 13)
    guard random.fraction() < momentShare else { return }
    for _ in 0...random.index(below: 2) {
      let ask = random.index(below: scenario.requests.count)
      let states = Fault.ManagerState.allCases
      scenario.faults.append(
        Fault(
          at: begin, lasts: 0.2 + random.fraction() * 6, moment(of: ask, using: &random),
          when: Fault.Trigger(manager: ask, reaches: states[random.index(below: states.count)])))
    }
    for number in scenario.nodes.indices where random.fraction() < 0.2 {
      scenario.nodes[number].down = 2_000_000 + Int64(random.index(below: 6_000_000))
    }
    if random.fraction() < 0.3 { addStorm(to: &scenario, using: &random) }
  }

  private static func moment(of ask: Int, using random: inout SeededRandom) -> Fault.Kind {
    let place = random.index(below: 4)
    let targets: [Fault.Target] = [
      .manager(of: ask), .manager(of: ask), .bystander(of: ask, place), .stage(of: ask, place),
      .candidate(of: ask, term: 1 + UInt32(place)),
    ]
    let target = targets[random.index(below: targets.count)]
    switch random.index(below: 4) {
    case 0: return .crash(target, losesStore: false, silent: random.fraction() < 0.5)
    case 1: return .pause(target)
    case 2: return .partition([target])
    default: return .slowDisk(target, 20 + random.fraction() * 600)
    }
  }

  /// Machines that nobody asks or reads from join together while requests run. Until then electorates are smaller, and bear less: none of
  /// their members may lie or lose its store.
  private static func addStorm(to scenario: inout Scenario, using random: inout SeededRandom) {
    let losesStore = scenario.faults.contains { if case .crash(_, true, _) = $0.kind { true } else { false } }
    guard scenario.liars.isEmpty, !losesStore else { return }
    let needed = Set(scenario.requests.map(\.portal) + scenario.sources.map(\.node))
    let at = begin + random.fraction() * 8
    for number in random.permuted(0..<scenario.nodes.count).filter({ !needed.contains($0) }).prefix(3) {
      scenario.nodes[number].startsAt = at + random.fraction() * 0.2
    }
  }
}

extension Scenario {
  /// The same with nothing that strikes at a manager's moments, no bound on what comes down, and nobody who joins late; nil when it is so.
  var withoutMoments: Scenario? {
    var shorter = self
    shorter.faults.removeAll { $0.trigger != nil }
    for number in nodes.indices {
      shorter.nodes[number].down = 0
    }
    // Who joins late by its seed joined with the others before.
    for (number, machine) in ScenarioMaker.honest(seed: seed).nodes.enumerated()
    where nodes.indices.contains(number) && nodes[number].startsAt > ScenarioMaker.begin {
      shorter.nodes[number].startsAt = machine.startsAt
    }
    return shorter == self ? nil : shorter
  }
}
