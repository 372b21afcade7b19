import Base
import Foundation
import Testing

@testable import Lab

@Suite("A scenario is checked as a whole before it runs") struct ScenarioTests {
  /// A small scenario with one of everything, as JSON with all names as Swift has them.
  static func object() throws -> [String: Any] {
    var scenario = Scenario(
      seed: 7, nodes: (0..<4).map { _ in Scenario.Machine(components: ["mux.webm"]) }, healsAt: 20, endsAt: 60)
    scenario.sources = [
      Scenario.Source(
        node: 1, path: "talk.mkv", seconds: 5, sound: .init(interval: 20, bytes: 40),
        captions: .init(interval: 500, bytes: 20))
    ]
    scenario.requests = [Scenario.Ask(at: 5, portal: 0, source: 0, variant: 0, stopsAfter: 3)]
    scenario.liars = [Liar(node: 3, .forges)]
    scenario.faults = [
      Fault(at: 6, lasts: 2, .crash(.node(2), losesStore: false, silent: true)),
      Fault(
        at: 6, lasts: 2, .oneWay(from: [.stage(of: 0, 1)], to: [.manager(of: 0)]),
        when: .init(manager: 0, reaches: .running)),
    ]
    let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(scenario))
    return try #require(object as? [String: Any])
  }

  /// The value with another at a path of names and places.
  static func put(_ new: Any?, at path: ArraySlice<String>, in value: Any) -> Any {
    guard let step = path.first else { return new ?? NSNull() }
    if var list = value as? [Any], let place = Int(step) {
      list[place] = put(new, at: path.dropFirst(), in: list[place])
      return list
    }
    var fields = value as? [String: Any] ?? [:]
    fields[step] = path.count == 1 && new == nil ? nil : put(new, at: path.dropFirst(), in: fields[step] ?? [:])
    return fields
  }

  static func read(_ path: String, _ new: Any?) throws -> Scenario {
    let changed = put(new, at: path.split(separator: ".").map(String.init)[...], in: try object())
    return try Scenario(json: JSONSerialization.data(withJSONObject: changed))
  }

  struct Mistake: Sendable, CustomTestStringConvertible {
    var path: String
    /// As JSON; nil: the field is taken out.
    var value: String?
    var field: String
    var found: String
    var allowed: String
    init(_ path: String, _ value: String?, _ field: String, _ found: String, _ allowed: String) {
      (self.path, self.value, self.field, self.found, self.allowed) = (path, value, field, found, allowed)
    }
    var testDescription: String { "\(path) = \(value ?? "nothing")" }
  }

  static let mistakes = [
    Mistake("nodes", "[]", "nodes", "0", "1…100000 machines"),
    Mistake("endsAt", "-5", "ends_at", "-5.0", "0.0…172800.0 seconds"),
    Mistake("endsAt", "1e300", "ends_at", "1e+300", "0.0…172800.0 seconds"),
    Mistake("healsAt", "61", "heals_at", "61.0", "0.0…60.0 seconds"),
    Mistake("requests.0.portal", "999", "requests[0].portal", "999", "0…3, the numbers of machines"),
    Mistake("requests.0.portal", "-1", "requests[0].portal", "-1", "0…3, the numbers of machines"),
    Mistake("requests.0.source", "77", "requests[0].source", "77", "0…0, the numbers of sources"),
    Mistake("requests.0.at", "61", "requests[0].at", "61.0", "0.0…60.0 seconds"),
    Mistake("requests.0.stopsAfter", "-1", "requests[0].stops_after", "-1.0", "0.0…"),
    Mistake("requests.0.clientDelay", "1e12", "requests[0].client_delay", "1", "0.0…60000.0 milliseconds"),
    Mistake("sources.0.node", "4", "sources[0].node", "4", "0…3, the numbers of machines"),
    Mistake("sources.0.rate", "0", "sources[0].rate", "0", "1…1000 frames a second"),
    Mistake("sources.0.seconds", "-1", "sources[0].seconds", "-1.0", "0.0…86400.0 seconds"),
    Mistake("sources.0.frameBytes", "-1", "sources[0].frame_bytes", "-1", "0…1000000 bytes"),
    Mistake("sources.0.path", "\"a b\"", "sources[0].path", "“a b”", "without spaces"),
    Mistake("nodes.2.slots", "-1", "nodes[2].slots", "-1", "0…256 workers"),
    Mistake("nodes.2.cores", "0", "nodes[2].cores", "0.0", "0.1…1024.0 cores"),
    Mistake("nodes.2.up", "1", "nodes[2].up", "1", "1000…1000000000000 bits a second, or 0"),
    Mistake("nodes.2.startsAt", "61", "nodes[2].starts_at", "61.0", "0.0…60.0 seconds"),
    Mistake("nodes.2.drift", "1000000", "nodes[2].drift", "1000000", "-50000…50000 parts per million"),
    Mistake("nodes.2.skew", "30001", "nodes[2].skew", "30001", "-30000…30000 milliseconds"),
    Mistake("nodes.2.disk", "-1", "nodes[2].disk", "-1.0", "0.0…10000.0 milliseconds"),
    Mistake("weather.loss", "7", "weather.loss", "7.0", "0.0…1.0"),
    Mistake("weather.jitter", "-1", "weather.jitter", "-1.0", "0.0…10000.0 milliseconds"),
    Mistake("topology.plane.side", "1e300", "topology.plane.side", "1e+300", "0.0…10000.0 milliseconds"),
    Mistake("faults.0.lasts", "-1", "faults[0].lasts", "-1.0", "0.0…172800.0 seconds"),
    Mistake("faults.0.kind.crash._0.node._0", "9", "faults[0].kind.crash.node", "9", "0…3, the numbers of machines"),
    Mistake("faults.0.kind", "{\"rain\": {\"_0\": 2}}", "faults[0].kind.rain", "2.0", "0.0…1.0"),
    Mistake("faults.1.kind.oneWay.from.0.stage._1", "-1", "faults[1].kind.one_way.stage", "-1", "0…10000"),
    Mistake(
      "faults.1.kind.oneWay.to.0.manager.of", "1", "faults[1].kind.one_way.manager.of", "1",
      "0…0, the numbers of requests"),
    Mistake("faults.1.trigger.request", "3", "faults[1].trigger.request", "3", "0…0, the numbers of requests"),
    Mistake("liars.0.node", "4", "liars[0].node", "4", "0…3, the numbers of machines"),
    Mistake("sources.0.sound.interval", "0", "sources[0].sound.interval", "0", "1…60000 milliseconds"),
    Mistake("sources.0.captions.bytes", "-1", "sources[0].captions.bytes", "-1", "0…1000000 bytes"),
    Mistake("chunk", "0", "chunk", "0", "1…60000 milliseconds"),
    Mistake("requests.0.wants", "\"silence\"", "requests[0].wants", "“silence”", "picture, film"),
    Mistake("sources.0.sound.loud", "1", "sources[0].sound.loud", "there is no such field", "interval, bytes"),
    Mistake("economy.viewBound", "0", "economy.view_bound", "0", "8…10000 members"),
    // What is not a scenario's form.
    Mistake("nods", "3", "nods", "there is no such field", "seed, nodes, topology"),
    Mistake("weather.lost", "0", "weather.lost", "there is no such field", "loss, duplication, reordering, jitter"),
    Mistake("nodes.1.slotz", "null", "nodes[1].slotz", "there is no such field", "components, slots"),
    Mistake(
      "faults.0.kind.crash.loud", "true", "faults[0].kind.crash.loud", "there is no such field",
      "_0, loses_store, silent"),
    Mistake("faults.0.kind.crash._0.node.x", "1", "faults[0].kind.crash._0.node.x", "there is no such field", "_0"),
    Mistake("faults.1.trigger.why", "1", "faults[1].trigger.why", "there is no such field", "request, state"),
    Mistake("nodes.3.slots", nil, "nodes[3].slots", "is missing", "a scenario as"),
    Mistake("nodes.3.slots", "\"two\"", "nodes[3].slots", "“two”", "a whole number"),
    Mistake("nodes.3.slots", "1.5", "nodes[3].slots", "1.5", "a whole number"),
    Mistake("requests.0.portal", "1e300", "requests[0].portal", "1e+300", "a whole number"),
    Mistake("nodes.3.slots", "null", "nodes[3].slots", "null", "a whole number"),
    Mistake("nodes", "3", "nodes", "3", "a list"),
    Mistake("weather", "[1]", "weather", "[…]", "fields"),
    Mistake("seed", "-5", "seed", "-5", "a whole number from 0 to 18446744073709551615"),
    Mistake("election", "\"loudest\"", "election", "“loudest”", "rendezvous, sortition"),
    Mistake("liars.0.way", "\"mumbles\"", "liars[0].way", "“mumbles”", "equivocates, withholds"),
    Mistake("faults.1.trigger.state", "\"x\"", "faults[1].trigger.state", "“x”", "electing, composing"),
    Mistake("faults.0.kind", "{\"explode\": {}}", "faults[0].kind", "{…}", "one of crash, pause, partition, one_way"),
    Mistake("topology", "{\"sphere\": {}}", "topology", "{…}", "one of plane, transit_stub, matrix"),
  ]

  @Test("a mistake is told with its field, what is there and what is allowed", arguments: mistakes)
  func mistake(_ mistake: Mistake) throws {
    let value = try mistake.value.map {
      try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed)
    }
    let error = try #require(throws: ScenarioError.self) { try Self.read(mistake.path, value) }
    #expect(error.field == mistake.field)
    #expect(error.found.hasPrefix(mistake.found), "\(error)")
    #expect(error.allowed.contains(mistake.allowed), "\(error)")
  }

  @Test("a number that no type holds is told with its field")
  func beyond() throws {
    let text = String(decoding: try JSONSerialization.data(withJSONObject: Self.object()), as: UTF8.self)
    let changed = text.replacing("\"healsAt\":20", with: "\"healsAt\":1e999")
    try #require(changed != text)
    let error = try #require(throws: ScenarioError.self) { try Scenario(json: Data(changed.utf8)) }
    #expect(error.description == "heals_at: a number beyond all ranges; allowed: a number of 64 bits")
  }

  @Test("two of a kind where one can be are refused")
  func twice() throws {
    let source = try #require((try Self.object()["sources"] as? [Any])?.first)
    let again = try #require(throws: ScenarioError.self) { try Self.read("sources", [source, source]) }
    #expect(
      again.description == "sources[1].path: “talk.mkv” is sources[0] already; allowed: each file of a machine once")
    let liar = try #require((try Self.object()["liars"] as? [Any])?.first)
    let both = try #require(throws: ScenarioError.self) { try Self.read("liars", [liar, liar]) }
    #expect(both.field == "liars[1].node")
    let nothing = try #require(throws: ScenarioError.self) { try Self.read("sources", []) }
    #expect(nothing.description == "requests[0].source: 0; allowed: nothing, for there are no sources")
  }

  @Test("what is no JSON, and what is no file, is said so")
  func files() throws {
    let broken = try #require(throws: ScenarioError.self) { try Scenario(json: Data("{\"seed\": 1,".utf8)) }
    #expect(broken.found.hasPrefix("is no JSON") && !"\(broken)".contains("Error Domain"), "\(broken)")
    let absent = try #require(throws: ScenarioError.self) { try Scenario(file: "nosuch.json") }
    #expect(absent.description.hasPrefix("nosuch.json: there is no such file; allowed: a scenario as"))
    let folder = NSTemporaryDirectory()
    #expect(try #require(throws: ScenarioError.self) { try Scenario(file: folder) }.found == "is a folder")
  }

  @Test("whatever the swarm makes passes, and comes back from its JSON, whichever form its names have")
  func swarm() throws {
    for seed in UInt64(1)...300 {
      let scenario = ScenarioMaker.scenario(seed: seed)
      #expect(throws: Never.self) { try scenario.check() }
      let snakes = JSONEncoder()
      snakes.keyEncodingStrategy = .convertToSnakeCase
      #expect(try Scenario(json: snakes.encode(scenario)) == scenario)
      #expect(try Scenario(json: JSONEncoder().encode(scenario)) == scenario)
    }
  }

  @Test(
    "the swarm strikes at every moment of a manager, in every way, bounds what comes down, and lets machines join late")
  func moments() {
    var states: Set<Fault.ManagerState> = []
    var (targets, kinds): (Set<String>, Set<String>) = ([], [])
    var (bound, storms, calm) = (0, 0, 0)
    for seed in UInt64(1)...300 {
      let scenario = ScenarioMaker.scenario(seed: seed)
      let moments = scenario.faults.filter { $0.trigger != nil }
      for fault in moments {
        states.formUnion([fault.trigger?.state].compactMap(\.self))
        kinds.insert(String(describing: fault.kind).prefix { $0 != "(" }.description)
        if case .pause(let target) = fault.kind {
          targets.insert(String(describing: target).prefix { $0 != "(" }.description)
        }
      }
      bound += scenario.nodes.contains { $0.down > 0 } ? 1 : 0
      storms += scenario.nodes.contains { $0.startsAt > 4 } ? 1 : 0
      calm += moments.isEmpty ? 1 : 0
      // Taken away again, what is left is what the seed makes without.
      #expect(scenario.withoutMoments?.withoutMoments == nil, "seed \(seed)")
    }
    #expect(states == Set(Fault.ManagerState.allCases), "\(states)")
    #expect(kinds.count == 4 && targets.count == 4, "\(kinds), \(targets)")
    #expect(bound > 40 && storms > 15 && calm > 100, "\(bound), \(storms), \(calm)")
  }

  @Test("the names that an error tells are those that there are")
  func names() throws {
    let targets: [Fault.Target] = [
      .node(0), .manager(of: 0), .elector(of: 0, 0), .bystander(of: 0, 0), .candidate(of: 0, term: 1), .stage(of: 0, 0),
      .portal(of: 0),
    ]
    let kinds: [Fault.Kind] = [
      .crash(.node(0), losesStore: false, silent: false), .pause(.node(0)), .partition([]), .oneWay(from: [], to: []),
      .cut(.node(0), .node(1)), .slowDisk(.node(0), 1), .slowNetwork(.node(0), 1), .rain(0), .workerDies(.node(0)),
      .leave(.node(0)),
    ]
    let topologies: [Topology] = [
      .plane(side: 1, least: 1), .transitStub(transits: 1, stubsPerTransit: 1, inStub: 1, toTransit: 1, between: 1),
      .matrix(file: "", unit: .seconds),
    ]
    func written(_ value: some Encodable) throws -> String? {
      (try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? [String: Any])?.keys.first
    }
    #expect(try targets.map(written) == Fault.Target.names)
    #expect(try kinds.map(written) == Fault.Kind.names)
    #expect(try topologies.map(written) == Topology.names)
  }
}
