import Base

/// One step towards a shorter scenario.
public enum Shortening: Hashable, Sendable, CustomStringConvertible {
  /// Without the fault of this number.
  case dropFault(Int)
  /// Without the request of this number.
  case dropRequest(Int)
  /// Without the liar of this number and what is asked through it: its machine is honest.
  case dropLiar(Int)
  /// The fault of this number lasts half as long.
  case halveFault(Int)
  /// Sources half as long.
  case halveSources
  /// Without the last machine; what concerned it concerns another.
  case dropNode
  /// A calm network: nothing lost, doubled or overtaken.
  case calm
  /// Clocks that agree.
  case exactClocks
  /// Sources that are pictures alone, and nothing else asked of them.
  case picturesOnly
  /// The request of this number is for pictures alone.
  case askPictures(Int)
  /// Each packet is a chunk.
  case smallChunks
  /// Managers are found by the default strategy.
  case quorum
  /// Nothing strikes at a manager's moments, nothing bounds what comes down, and nobody joins late.
  case noMoments

  /// As in a replay command.
  public var description: String {
    switch self {
    case .dropFault(let number): "f\(number)"
    case .dropRequest(let number): "r\(number)"
    case .dropLiar(let number): "l\(number)"
    case .halveFault(let number): "h\(number)"
    case .halveSources: "s"
    case .dropNode: "n"
    case .calm: "c"
    case .exactClocks: "k"
    case .picturesOnly: "v"
    case .askPictures(let number): "v\(number)"
    case .smallChunks: "p"
    case .quorum: "q"
    case .noMoments: "m"
    }
  }

  /// - Parameter text: as ``description`` writes it; nil otherwise.
  public init?(_ text: some StringProtocol) {
    let number = Int(text.dropFirst())
    switch (text.first, number) {
    case ("f", let number?): self = .dropFault(number)
    case ("r", let number?): self = .dropRequest(number)
    case ("l", let number?): self = .dropLiar(number)
    case ("h", let number?): self = .halveFault(number)
    case ("s", nil): self = .halveSources
    case ("n", nil): self = .dropNode
    case ("c", nil): self = .calm
    case ("k", nil): self = .exactClocks
    case ("v", nil): self = .picturesOnly
    case ("v", let number?): self = .askPictures(number)
    case ("p", nil): self = .smallChunks
    case ("q", nil): self = .quorum
    case ("m", nil): self = .noMoments
    default: return nil
    }
  }

  /// The shorter scenario; nil when the step leads nowhere.
  public func applied(to scenario: Scenario) -> Scenario? {
    var shorter = scenario
    switch self {
    case .dropFault(let number):
      guard scenario.faults.indices.contains(number) else { return nil }
      shorter.faults.remove(at: number)
    case .dropRequest(let number):
      guard scenario.requests.count > 1, scenario.requests.indices.contains(number) else { return nil }
      shorter.drop(request: number)
    case .dropLiar(let number):
      guard scenario.liars.indices.contains(number) else { return nil }
      shorter.drop(liar: number)
    case .halveFault(let number):
      guard scenario.faults.indices.contains(number), scenario.faults[number].lasts > 0.2 else { return nil }
      shorter.faults[number].lasts /= 2
    case .halveSources:
      guard scenario.sources.allSatisfy({ $0.seconds > 2 }) else { return nil }
      for index in shorter.sources.indices { shorter.sources[index].seconds /= 2 }
    case .dropNode:
      guard scenario.nodes.count > 3 else { return nil }
      let last = scenario.nodes.count - 1
      if let liar = scenario.liars.firstIndex(where: { $0.node == last }) { shorter.drop(liar: liar) }
      // What the last did its neighbour does, which must be honest then; and the others bear no more liars than their f.
      guard !shorter.liars.contains(where: { $0.node == last - 1 }), shorter.liars.count <= (last - 1) / 3 else {
        return nil
      }
      shorter.nodes.removeLast()
      // Its offer goes to its neighbour, so that everything is still to be had.
      if let offered = scenario.nodes[last].components, let held = shorter.nodes[last - 1].components {
        shorter.nodes[last - 1].components = held + offered.filter { !held.contains($0) }
      }
      for index in shorter.sources.indices where shorter.sources[index].node == last {
        shorter.sources[index].node = last - 1
      }
      for index in shorter.requests.indices where shorter.requests[index].portal == last {
        shorter.requests[index].portal = last - 1
      }
      for index in shorter.faults.indices { shorter.faults[index].kind.forget(node: last) }
    case .calm:
      guard scenario.weather.loss > 0 || scenario.weather.duplication > 0 || scenario.weather.reordering > 0 else {
        return nil
      }
      (shorter.weather.loss, shorter.weather.duplication, shorter.weather.reordering) = (0, 0, 0)
    case .exactClocks:
      guard scenario.nodes.contains(where: { $0.drift != 0 || $0.skew != 0 }) else { return nil }
      for index in shorter.nodes.indices { (shorter.nodes[index].drift, shorter.nodes[index].skew) = (0, 0) }
    case .picturesOnly: return scenario.picturesOnly
    case .askPictures(let number):
      guard scenario.requests.indices.contains(number), scenario.requests[number].wants ?? .picture != .picture else {
        return nil
      }
      shorter.requests[number].wants = nil
    case .smallChunks:
      guard scenario.chunk != nil else { return nil }
      shorter.chunk = nil
    case .quorum:
      guard scenario.election != nil else { return nil }
      shorter.election = nil
    case .noMoments: return scenario.withoutMoments
    }
    return shorter
  }
}

extension Scenario {
  fileprivate mutating func drop(request number: Int) {
    requests.remove(at: number)
    for index in faults.indices {
      faults[index].kind.forget(request: number)
      if let trigger = faults[index].trigger {
        faults[index].trigger?.request = Fault.Target.shifted(trigger.request, without: number)
      }
    }
  }

  /// Requests that an honest client asks never come in through a liar: all that do are its own.
  fileprivate mutating func drop(liar number: Int) {
    let liar = liars.remove(at: number)
    for request in requests.indices.reversed() where requests[request].portal == liar.node && liar.way.isPortals {
      drop(request: request)
    }
  }
}

extension Fault.Kind {
  /// Targets that a dropped request or machine leaves without meaning are turned to the first.
  mutating func forget(request: Int) {
    map { target in
      switch target {
      case .manager(let number): .manager(of: Fault.Target.shifted(number, without: request))
      case .elector(let number, let place): .elector(of: Fault.Target.shifted(number, without: request), place)
      case .bystander(let number, let place): .bystander(of: Fault.Target.shifted(number, without: request), place)
      case .stage(let number, let stage): .stage(of: Fault.Target.shifted(number, without: request), stage)
      case .candidate(let number, let term): .candidate(of: Fault.Target.shifted(number, without: request), term: term)
      case .portal(let number): .portal(of: Fault.Target.shifted(number, without: request))
      case .node: target
      }
    }
  }
  mutating func forget(node: Int) {
    map { target in if case .node(node) = target { .node(0) } else { target } }
  }

  private mutating func map(_ change: (Fault.Target) -> Fault.Target) {
    switch self {
    case .crash(let target, let losesStore, let silent):
      self = .crash(change(target), losesStore: losesStore, silent: silent)
    case .pause(let target): self = .pause(change(target))
    case .partition(let targets): self = .partition(targets.map(change))
    case .oneWay(let from, let to): self = .oneWay(from: from.map(change), to: to.map(change))
    case .cut(let a, let b): self = .cut(change(a), change(b))
    case .slowDisk(let target, let milliseconds): self = .slowDisk(change(target), milliseconds)
    case .slowNetwork(let target, let milliseconds): self = .slowNetwork(change(target), milliseconds)
    case .rain: return
    case .workerDies(let target): self = .workerDies(change(target))
    case .leave(let target): self = .leave(change(target))
    }
  }
}

extension Fault.Target {
  fileprivate static func shifted(_ number: Int, without gone: Int) -> Int {
    number == gone ? 0 : number > gone ? number - 1 : number
  }
}

/// A scenario of the swarm, as a replay command names it: the seed, and the steps that shortened it, in order.
public struct ReplayName: Hashable, Sendable, CustomStringConvertible {
  /// Of the random scenario.
  public var seed: UInt64
  /// In order.
  public var steps: [Shortening]

  /// See the properties.
  public init(seed: UInt64, steps: [Shortening] = []) {
    self.seed = seed
    self.steps = steps
  }
  /// - Parameter text: as ``description`` writes it, e.g. `4711` or `4711-f3-n`; nil otherwise.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard let first = parts.first, let seed = UInt64(first) else { return nil }
    let steps = parts.dropFirst().map { Shortening($0) }
    guard steps.allSatisfy({ $0 != nil }) else { return nil }
    self.init(seed: seed, steps: steps.compactMap { $0 })
    // What is written otherwise is something else mistyped.
    guard description == text else { return nil }
  }
  /// E.g. `4711-f3-n`.
  public var description: String { ([String(seed)] + steps.map(\.description)).joined(separator: "-") }

  /// The scenario that it names; steps that lead nowhere are passed over.
  public var scenario: Scenario {
    steps.reduce(ScenarioMaker.scenario(seed: seed)) { $1.applied(to: $0) ?? $0 }
  }

  /// The scenario that it names, for somebody who typed the name.
  /// - Throws: the first step that leads nowhere, with what it was to be taken from.
  public func exactScenario() throws(ScenarioError) -> Scenario {
    var scenario = ScenarioMaker.scenario(seed: seed)
    for (number, step) in steps.enumerated() {
      guard let shorter = step.applied(to: scenario) else {
        let before = ReplayName(seed: seed, steps: Array(steps.prefix(number)))
        func numbered(_ count: Int, _ things: String, _ letter: String) -> String {
          count == 0 ? "no \(things)" : "\(count) \(things) from \(letter)0 to \(letter)\(count - 1)"
        }
        throw ScenarioError(
          field: "\(self)", found: "\(step) leads nowhere",
          allowed: "what shortens \(before), which has \(numbered(scenario.faults.count, "faults", "f")), "
            + "\(numbered(scenario.requests.count, "requests", "r")), \(numbered(scenario.liars.count, "liars", "l")) "
            + "and \(scenario.nodes.count) machines")
      }
      scenario = shorter
    }
    return scenario
  }
}

/// Makes a failing scenario shorter while the same checker still finds something.
public struct Shrinker {
  /// Simulations that a shortening may cost.
  public var budget = 60
  /// With the default budget.
  public init() {}

  /// The shortest that was found.
  /// - Parameter fails: whether a scenario still fails in the same way.
  public func shortest(from name: ReplayName, fails: (Scenario) -> Bool) -> ReplayName {
    var best = name
    var left = budget
    var isShorter = true
    while isShorter, left > 0 {
      isShorter = false
      let scenario = best.scenario
      var steps: [Shortening] = scenario.liars.indices.reversed().map { .dropLiar($0) }
      steps += [.quorum, .noMoments]
      steps += scenario.requests.indices.reversed().map { .dropRequest($0) }
      steps += scenario.faults.indices.reversed().map { .dropFault($0) }
      steps += [.picturesOnly, .dropNode, .calm, .exactClocks, .halveSources, .smallChunks]
      steps += scenario.requests.indices.map { .askPictures($0) }
      steps += scenario.faults.indices.reversed().map { .halveFault($0) }
      for step in steps where left > 0 {
        guard let shorter = step.applied(to: best.scenario) else { continue }
        left -= 1
        guard fails(shorter) else { continue }
        best.steps.append(step)
        isShorter = true
      }
    }
    return best
  }
}
