import Base

/// Random scenarios, one a seed: small overlays, because few nodes in much trouble find more than many in little; several requests, some
/// equal; trouble aimed at whoever matters at the moment: managers just elected, electors, the middle of a chain; and some with liars.
public enum ScenarioMaker {
  /// When the first client may ask, in seconds.
  static let begin = 4.0

  /// The scenario of a seed.
  public static func scenario(seed: UInt64) -> Scenario {
    var scenario = honest(seed: seed)
    addLiars(to: &scenario)
    addMedia(to: &scenario)
    addStrategy(to: &scenario)
    addMoments(to: &scenario)
    return scenario
  }

  /// The same without its liars, of pictures alone, under the default strategy, and without what ``addMoments(to:)`` adds.
  static func honest(seed: UInt64) -> Scenario {
    var random = SeededRandom(seed: seed &* 0x9E37_79B9 &+ 17)
    let size = 4 + random.index(below: 4)
    let healsAt = begin + 14 + random.fraction() * 10
    var scenario = Scenario(
      seed: seed, nodes: machines(size, using: &random), healsAt: healsAt, endsAt: healsAt + 90)
    scenario.topology = topology(using: &random)
    scenario.weather = weather(using: &random)
    for number in 0...random.index(below: 2) {
      scenario.sources.append(
        Scenario.Source(
          node: random.index(below: size), path: "talk-\(number).mkv", seconds: 4 + random.fraction() * 8, rate: 10,
          frameBytes: 200 + random.index(below: 1_800)))
    }
    for source in scenario.sources {
      let reader = ["source.video", "source.audio", "source.text"]
      if let offered = scenario.nodes[source.node].components {
        scenario.nodes[source.node].components = offered + reader.filter { !offered.contains($0) }
      }
    }
    scenario.requests = requests(scenario, using: &random)
    scenario.faults = faults(scenario, using: &random)
    return scenario
  }

  /// Of so many scenarios some machines lie. Whether, which and how is drawn from a stream of chance of its own, so that all else in a seed's
  /// scenario is what it would be without them.
  static let liarShare = 0.3

  /// As many as f of an electorate of all machines lie where there are such, none of them a source's or an honest request's portal, whose requests it could spoil. Portals
  /// that lie ask on their own, after all others.
  private static func addLiars(to scenario: inout Scenario) {
    var random = SeededRandom(seed: scenario.seed &* 0x85EB_CA6B &+ 3)
    guard random.fraction() < liarShare else { return }
    let size = scenario.nodes.count
    let needed = Set(scenario.requests.map(\.portal) + scenario.sources.map(\.node))
    let most = (size - 1) / 3
    for number in random.permuted(0..<size) where scenario.liars.count < most && !needed.contains(number) {
      let way = Liar.Way.allCases[random.index(below: Liar.Way.allCases.count)]
      scenario.liars.append(Liar(node: number, way))
      guard way.isPortals else { continue }
      scenario.requests.append(
        Scenario.Ask(
          at: begin + 1 + random.fraction() * 6, portal: number, source: random.index(below: scenario.sources.count),
          variant: 5))
    }
  }

  private static func machines(_ size: Int, using random: inout SeededRandom) -> [Scenario.Machine] {
    let parts = ["video.scale", "video.overlay", "video.vp8", "mux.webm"]
    var machines = (0..<size).map { _ in
      var offer = parts.filter { _ in random.fraction() < 0.55 }
      if random.fraction() < 0.4 { offer += ["source.video"] }
      // Clocks may drift apart by a tenth, and differ by half a minute, so each may be off by half of that.
      let drift =
        random.fraction() < 0.2 ? Int64(random.index(below: 80_000)) - 40_000 : Int64(random.index(below: 400)) - 200
      return Scenario.Machine(
        components: offer, slots: 3 + random.index(below: 5), cores: 4,
        up: random.fraction() < 0.25 ? 1_000_000 + Int64(random.index(below: 4_000_000)) : 0, down: 0,
        startsAt: random.fraction() * 1.5, drift: drift, skew: Int64(random.index(below: 24_000)) - 12_000,
        disk: 0.5 + random.fraction() * 8)
    }
    // Everything is offered twice at least, so that one death leaves somebody.
    for part in parts {
      var offering = machines.indices.filter { machines[$0].components!.contains(part) }
      while offering.count < 2 {
        let number = random.index(below: size)
        guard !offering.contains(number) else { continue }
        machines[number].components!.append(part)
        offering.append(number)
      }
    }
    return machines
  }

  private static func topology(using random: inout SeededRandom) -> Topology {
    random.fraction() < 0.7
      ? .plane(side: 2 + random.fraction() * 60, least: 0.2)
      : .transitStub(transits: 2, stubsPerTransit: 2, inStub: 0.5, toTransit: 2, between: 60)
  }

  private static func weather(using random: inout SeededRandom) -> Scenario.Weather {
    var weather = Scenario.Weather()
    weather.loss = random.fraction() < 0.5 ? 0.01 : random.fraction() * 0.15
    weather.duplication = random.fraction() < 0.5 ? 0 : 0.05
    weather.reordering = random.fraction() < 0.5 ? 0 : 0.1
    weather.jitter = 0.5 + random.fraction() * 15
    return weather
  }

  private static func requests(_ scenario: Scenario, using random: inout SeededRandom) -> [Scenario.Ask] {
    let count = 1 + random.index(below: 4)
    var asks: [Scenario.Ask] = []
    for _ in 0..<count {
      let isTwin = !asks.isEmpty && random.fraction() < 0.4
      var ask = Scenario.Ask(
        at: begin + random.fraction() * 8, portal: random.index(below: scenario.nodes.count),
        source: random.index(below: scenario.sources.count), variant: random.index(below: 2),
        stopsAfter: random.fraction() < 0.25 ? 0.1 + random.fraction() * 6 : nil,
        clientDelay: random.fraction() < 0.8 ? 1 : random.fraction() * 150)
      if isTwin, let other = asks.last {
        (ask.source, ask.variant) = (other.source, other.variant)
        if random.fraction() < 0.5 { ask.at = other.at }
      }
      asks.append(ask)
    }
    return asks.sorted { $0.at < $1.at }
  }

  // MARK: - Trouble

  private static func faults(_ scenario: Scenario, using random: inout SeededRandom) -> [Fault] {
    let count = 1 + random.index(below: 7)
    let room = scenario.healsAt - begin
    let single = (0..<count).map { _ in
      // Half of the trouble comes while something is being begun.
      let ask = scenario.requests[random.index(below: scenario.requests.count)]
      let at = random.fraction() < 0.5 ? ask.at + random.fraction() * 0.8 : begin + random.fraction() * room * 0.8
      return Fault(at: at, lasts: lasting(using: &random), kind(scenario, using: &random))
    }
    return (single + plot(scenario, using: &random)).sorted { $0.at < $1.at }
  }

  /// Trouble that belongs together, since chance alone seldom brings it at the right moments: an election whose first candidates are silent
  /// while its electors fall and rise; or a manager that stands still while its plan is under way and wakes when another has taken over.
  private static func plot(_ scenario: Scenario, using random: inout SeededRandom) -> [Fault] {
    let number = random.index(below: scenario.requests.count)
    let at = scenario.requests[number].at
    switch random.index(below: 5) {
    case 0:
      let silent = Fault(
        at: at + 0.01 + random.fraction() * 0.1, lasts: 2 + random.fraction() * 4,
        .crash(.candidate(of: number, term: 1), losesStore: false, silent: true))
      let second = Fault(
        at: silent.at + random.fraction() * 0.2, lasts: 2 + random.fraction() * 3,
        .pause(.candidate(of: number, term: 2)))
      let falls = (0..<4).map { _ in
        Fault(
          at: at + 0.25 + random.fraction() * 2.2, lasts: 0.05 + random.fraction() * 0.4,
          .crash(.elector(of: number, random.index(below: 7)), losesStore: false, silent: false))
      }
      return [silent] + (random.fraction() < 0.6 ? [second] : []) + falls
    case 1, 2:
      return [
        Fault(
          at: at + 0.04 + random.fraction() * 0.4, lasts: 2.2 + random.fraction() * 4, .pause(.manager(of: number)))
      ]
    default: return []
    }
  }

  private static func lasting(using random: inout SeededRandom) -> Double {
    random.fraction() < 0.5 ? 0.2 + random.fraction() * 2.5 : 2.5 + random.fraction() * 9
  }

  private static func kind(_ scenario: Scenario, using random: inout SeededRandom) -> Fault.Kind {
    func target() -> Fault.Target { self.target(scenario, using: &random) }
    switch random.index(below: 16) {
    case 0, 1: return .crash(target(), losesStore: false, silent: random.fraction() < 0.5)
    case 2: return .crash(.manager(of: random.index(below: scenario.requests.count)), losesStore: false, silent: false)
    case 3: return .crash(target(), losesStore: random.fraction() < 0.5, silent: random.fraction() < 0.5)
    case 4, 5: return .pause(target())
    case 6: return .pause(.manager(of: random.index(below: scenario.requests.count)))
    case 7, 8: return .partition((0...random.index(below: 2)).map { _ in target() })
    case 9: return .partition([.manager(of: random.index(below: scenario.requests.count))])
    case 10: return .oneWay(from: [target()], to: [target(), target()])
    case 11: return .oneWay(from: scenario.nodes.indices.map { .node($0) }, to: [target()])
    case 12: return .cut(target(), target())
    case 13: return .slowDisk(target(), 20 + random.fraction() * 600)
    case 14:
      return random.fraction() < 0.5
        ? .slowNetwork(target(), 30 + random.fraction() * 300) : .rain(random.fraction() * 0.4)
    default: return random.fraction() < 0.7 ? .workerDies(target()) : .leave(target())
    }
  }

  private static func target(_ scenario: Scenario, using random: inout SeededRandom) -> Fault.Target {
    let ask = random.index(below: scenario.requests.count)
    switch random.index(below: 10) {
    case 0, 1, 2: return .manager(of: ask)
    case 3, 4: return .stage(of: ask, random.index(below: 4))
    case 5, 6: return .elector(of: ask, random.index(below: 7))
    case 7: return .portal(of: ask)
    default: return .node(random.index(below: scenario.nodes.count))
    }
  }
}
