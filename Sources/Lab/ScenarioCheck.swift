import Base
import Foundation

// A scenario may come from anywhere. What is in it is checked as a whole before it runs, so that a mistake is told with its field
// instead of stopping the program in the middle.

/// Why a scenario was refused.
public struct ScenarioError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file; empty for one that comes from none.
  public var file = ""
  /// Dotted, e.g. `faults[2].lasts`, as `millrace lab replay --scenario` writes names; empty for the whole.
  public var field: String
  /// What was found, in a sentence's beginning.
  public var found: String
  /// What is allowed there.
  public var allowed: String

  public var description: String {
    [file, field, found].filter { !$0.isEmpty }.joined(separator: ": ")
      + (allowed.isEmpty ? "" : "; allowed: \(allowed)")
  }
}

extension Scenario {
  /// The longest simulation, in seconds: two days. Clocks reckon in 64 bits, and the fastest is exact for so long.
  public static let longest = 172_800.0

  /// Whether it can be played: everything that is named is there, and every number is in its range. What it may ask for is what a study
  /// file may.
  /// - Throws: the first that is not so.
  public func check() throws(ScenarioError) {
    try within("nodes", nodes.count, 1...100_000, "machines")
    try within("ends_at", endsAt, 0...Scenario.longest, "seconds")
    try within("heals_at", healsAt, 0...endsAt, "seconds, ends_at at the latest")
    for (number, machine) in nodes.enumerated() { try machine.check("nodes[\(number)]", until: endsAt) }
    try topology.check()
    try weather.check()
    try checkSources()
    for (number, ask) in requests.enumerated() { try check(ask, "requests[\(number)]") }
    for (number, fault) in faults.enumerated() { try check(fault, "faults[\(number)]") }
    var known: Set<Int> = []
    for (number, liar) in liars.enumerated() {
      try place("liars[\(number)].node", liar.node, of: nodes.count, "machines")
      guard known.insert(liar.node).inserted else {
        throw ScenarioError(
          field: "liars[\(number)].node", found: "\(liar.node) again", allowed: "one way for each machine")
      }
    }
    if let chunk { try within("chunk", chunk, 1...60_000, "milliseconds") }
    if let bound = economy.viewBound { try within("economy.view_bound", bound, 8...10_000, "members") }
  }

  private func checkSources() throws(ScenarioError) {
    for (number, source) in sources.enumerated() {
      let field = "sources[\(number)]"
      try place("\(field).node", source.node, of: nodes.count, "machines")
      let isName = !source.path.isEmpty && source.path.utf8.allSatisfy { 0x21...0x7E ~= $0 }
      guard isName, source.path.utf8.count <= 255 else {
        throw ScenarioError(
          field: "\(field).path", found: "“\(source.path.prefix(60))”",
          allowed: "1…255 letters, digits and signs of ASCII, without spaces")
      }
      if let other = sources[..<number].firstIndex(where: { $0.node == source.node && $0.path == source.path }) {
        throw ScenarioError(
          field: "\(field).path", found: "“\(source.path)” is sources[\(other)] already",
          allowed: "each file of a machine once")
      }
      try within("\(field).seconds", source.seconds, 0...86_400, "seconds")
      try within("\(field).rate", source.rate, 1...1_000, "frames a second")
      try within("\(field).frame_bytes", source.frameBytes, 0...1_000_000, "bytes")
      for (name, track) in [("sound", source.sound), ("captions", source.captions)] {
        guard let track else { continue }
        try within("\(field).\(name).interval", track.interval, 1...60_000, "milliseconds")
        try within("\(field).\(name).bytes", track.bytes, 0...1_000_000, "bytes")
      }
    }
  }

  private func check(_ ask: Ask, _ field: String) throws(ScenarioError) {
    try within("\(field).at", ask.at, 0...endsAt, "seconds, ends_at at the latest")
    try place("\(field).portal", ask.portal, of: nodes.count, "machines")
    try place("\(field).source", ask.source, of: sources.count, "sources")
    if let after = ask.stopsAfter { try within("\(field).stops_after", after, 0...Scenario.longest, "seconds") }
    try within("\(field).client_delay", ask.clientDelay, 0...60_000, "milliseconds")
  }

  // MARK: Faults

  private func check(_ fault: Fault, _ field: String) throws(ScenarioError) {
    try within("\(field).at", fault.at, 0...endsAt, "seconds, ends_at at the latest")
    try within("\(field).lasts", fault.lasts, 0...Scenario.longest, "seconds")
    if let trigger = fault.trigger {
      try place("\(field).trigger.request", trigger.request, of: requests.count, "requests")
    }
    let kind = "\(field).kind"
    switch fault.kind {
    case .crash(let target, _, _): try check(target, "\(kind).crash")
    case .pause(let target): try check(target, "\(kind).pause")
    case .partition(let targets): for target in targets { try check(target, "\(kind).partition") }
    case .oneWay(let from, let to): for target in from + to { try check(target, "\(kind).one_way") }
    case .cut(let a, let b):
      try check(a, "\(kind).cut")
      try check(b, "\(kind).cut")
    case .slowDisk(let target, let milliseconds):
      try check(target, "\(kind).slow_disk")
      try within("\(kind).slow_disk", milliseconds, 0...60_000, "milliseconds")
    case .slowNetwork(let target, let milliseconds):
      try check(target, "\(kind).slow_network")
      try within("\(kind).slow_network", milliseconds, 0...60_000, "milliseconds")
    case .rain(let share): try within("\(kind).rain", share, 0...1, "")
    case .workerDies(let target): try check(target, "\(kind).worker_dies")
    case .leave(let target): try check(target, "\(kind).leave")
    }
  }

  private func check(_ target: Fault.Target, _ field: String) throws(ScenarioError) {
    switch target {
    case .node(let number): try place("\(field).node", number, of: nodes.count, "machines")
    case .manager(let ask): try place("\(field).manager.of", ask, of: requests.count, "requests")
    case .portal(let ask): try place("\(field).portal.of", ask, of: requests.count, "requests")
    case .candidate(let ask, _): try place("\(field).candidate.of", ask, of: requests.count, "requests")
    case .elector(let ask, let seat):
      try place("\(field).elector.of", ask, of: requests.count, "requests")
      try within("\(field).elector", seat, 0...10_000, "")
    case .bystander(let ask, let seat):
      try place("\(field).bystander.of", ask, of: requests.count, "requests")
      try within("\(field).bystander", seat, 0...10_000, "")
    case .stage(let ask, let stage):
      try place("\(field).stage.of", ask, of: requests.count, "requests")
      try within("\(field).stage", stage, 0...10_000, "")
    }
  }
}

extension Scenario.Machine {
  fileprivate func check(_ field: String, until end: Double) throws(ScenarioError) {
    try within("\(field).slots", slots, 0...256, "workers")
    try within("\(field).cores", cores, 0.1...1_024, "cores")
    for (name, rate) in [("up", up), ("down", down)] where rate != 0 {
      try within("\(field).\(name)", rate, 1_000...1_000_000_000_000, "bits a second, or 0 for no bound")
    }
    try within("\(field).starts_at", startsAt, 0...end, "seconds, ends_at at the latest")
    try within("\(field).drift", drift, -50_000...50_000, "parts per million")
    try within("\(field).skew", skew, -30_000...30_000, "milliseconds")
    try within("\(field).disk", disk, 0...10_000, "milliseconds")
  }
}

extension Topology {
  fileprivate func check() throws(ScenarioError) {
    switch self {
    case .plane(let side, let least):
      try within("topology.plane.side", side, 0...10_000, "milliseconds")
      try within("topology.plane.least", least, 0...10_000, "milliseconds")
    case .transitStub(let transits, let stubs, let inStub, let toTransit, let between):
      try within("topology.transit_stub.transits", transits, 1...1_000, "")
      try within("topology.transit_stub.stubs_per_transit", stubs, 1...1_000, "")
      for (name, time) in [("in_stub", inStub), ("to_transit", toTransit), ("between", between)] {
        try within("topology.transit_stub.\(name)", time, 0...10_000, "milliseconds")
      }
    case .matrix: return  // The file is checked where it is read.
    }
  }
}

extension Scenario.Weather {
  fileprivate func check() throws(ScenarioError) {
    for (name, share) in [("loss", loss), ("duplication", duplication), ("reordering", reordering)] {
      try within("weather.\(name)", share, 0...1, "")
    }
    try within("weather.jitter", jitter, 0...10_000, "milliseconds")
  }
}

/// - Throws: when the value is not in the range, as what is no number never is.
private func within<Value: Comparable>(
  _ field: String, _ value: Value, _ range: ClosedRange<Value>, _ unit: String
) throws(ScenarioError) {
  guard !range.contains(value) else { return }
  throw ScenarioError(
    field: field, found: "\(value)", allowed: "\(range.lowerBound)…\(range.upperBound) \(unit)".trimmingSpaces)
}

/// - Throws: when there is nothing of that number.
private func place(_ field: String, _ number: Int, of count: Int, _ things: String) throws(ScenarioError) {
  guard !(0..<count).contains(number) else { return }
  throw ScenarioError(
    field: field, found: "\(number)",
    allowed: count == 0 ? "nothing, for there are no \(things)" : "0…\(count - 1), the numbers of \(things)")
}

extension String {
  fileprivate var trimmingSpaces: String { trimmingCharacters(in: .whitespaces) }
}
