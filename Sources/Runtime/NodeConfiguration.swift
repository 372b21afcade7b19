import Base
import Composition
import Core
import Elections
import Foundation
import Identity
import Mandates
import Vocabulary
import Yams

/// What an operator says of a peer: YAML < environment < flags. Every key is explained in `Bootstrap/node.example.yaml`;
/// an unknown or ill-typed one is refused with its line.
public struct NodeConfiguration: Sendable {
  /// The overlay's name; peers of another are refused.
  public var overlay = "millrace"
  /// Where the key and the database live.
  public var data = "./millrace-data"
  /// UDP and TCP, as other peers reach it.
  public var listen = PeerAddress(host: "127.0.0.1", port: 7400)
  /// HTTP.
  public var portal = PeerAddress(host: "127.0.0.1", port: 8400)
  /// Whom to join through.
  public var join: [BootstrapPeer] = []
  /// A directory of media files; nil shares nothing.
  public var share: String?
  /// Offered components; nil offers all.
  public var components: [String]?
  /// The most workers at a time.
  public var slots = 8
  /// Workers started ahead.
  public var prestarted = 2
  /// Cores that workers may use; nil = all of the machine's.
  public var cores: Double?
  /// Bytes that workers may use; nil = half of the machine's.
  public var memory: Int64?
  /// Cap on sending, bits a second; nil = what is measured.
  public var up: Int64?
  /// Cap on receiving, bits a second; nil = what is measured.
  public var down: Int64?
  /// How managers are found for requests that come in here.
  public var election = ElectionStrategy.rendezvous
  /// Seconds that a request is valid before it is renewed.
  public var requestLife = Limits.requestLife.seconds
  /// A file of JSON lines, one an event; nil = none.
  public var trace: String?
  /// error, warning, info or debug.
  public var log = "info"

  /// The defaults.
  public init() {}

  /// What ``election`` may be, for people: orders of candidates under a quorum.
  public static var orders: String { ElectionStrategy.orders.map(\.rawValue).joined(separator: ", ") }
  /// What it may be besides, without a quorum.
  public static var rivals: String {
    ElectionStrategy.allCases.filter { !$0.isOrder }.map(\.rawValue).joined(separator: ", ")
  }
}

/// A peer to join through: `HOST:PORT#NODEID`.
public struct BootstrapPeer: Hashable, Sendable, CustomStringConvertible {
  /// Where it listens.
  public var address: PeerAddress
  /// Who it must prove to be.
  public var node: NodeID

  /// See the properties.
  public init(address: PeerAddress, node: NodeID) {
    self.address = address
    self.node = node
  }

  /// `HOST:PORT#NODEID`; nil for anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: "#", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = PeerAddress(parts[0]), let node = NodeID(parts[1]) else { return nil }
    self.init(address: address, node: node)
  }
  public var description: String { "\(address)#\(node)" }
}

/// What is wrong with a configuration: where, what was found, what was expected.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// File and line, variable or flag.
  public let place: String
  /// What was found and expected.
  public let reason: String
  /// See the properties.
  public init(_ place: String, _ reason: String) {
    self.place = place
    self.reason = reason
  }
  public var description: String { "\(place): \(reason)" }
}

extension NodeConfiguration {
  /// Every key of the file, with how its text is checked. The environment has the same keys as `MILLRACE_<KEY>`.
  static let settings:
    OrderedDictionary<String, @Sendable (inout NodeConfiguration, Setting) throws(ConfigurationError) -> Void> = [
      "overlay": { c, s throws(ConfigurationError) in c.overlay = try s.text() },
      "data": { c, s throws(ConfigurationError) in c.data = try s.text() },
      "listen": { c, s throws(ConfigurationError) in
        c.listen = try s.address()
        guard !["0.0.0.0", "::"].contains(c.listen.host) else {
          throw ConfigurationError(s.place, "“\(c.listen)” where the address was expected that other peers see")
        }
      },
      "portal": { c, s throws(ConfigurationError) in c.portal = try s.address() },
      "join": { c, s throws(ConfigurationError) in c.join += try s.peers() },
      "bootstrap": { c, s throws(ConfigurationError) in
        c.join += try NodeConfiguration.bootstrapPeers(file: s.path(), into: &c)
      },
      "share": { c, s throws(ConfigurationError) in c.share = try s.path() },
      "components": { c, s throws(ConfigurationError) in
        c.components = try s.components()
      },
      "slots": { c, s throws(ConfigurationError) in c.slots = Int(try s.number(in: 1...256)) },
      "prestarted": { c, s throws(ConfigurationError) in c.prestarted = Int(try s.number(in: 0...64)) },
      "cores": { c, s throws(ConfigurationError) in c.cores = try s.number(in: 0.1...1024) },
      "memory": { c, s throws(ConfigurationError) in c.memory = try s.bytes() },
      "up": { c, s throws(ConfigurationError) in c.up = try s.rate() },
      "down": { c, s throws(ConfigurationError) in c.down = try s.rate() },
      "election": { c, s throws(ConfigurationError) in c.election = try s.election() },
      "request_life": { c, s throws(ConfigurationError) in
        c.requestLife = try s.number(in: 5...Limits.requestLifetime.seconds)
      },
      "trace": { c, s throws(ConfigurationError) in c.trace = try s.path() },
      "log": { c, s throws(ConfigurationError) in c.log = try s.word(of: ["error", "warning", "info", "debug"]) },
    ]

  /// Takes in a YAML file.
  public mutating func read(file: String) throws(ConfigurationError) {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw ConfigurationError(file, "cannot be read")
    }
    let folder = (file as NSString).deletingLastPathComponent
    let root: Yams.Node?
    do { root = try Yams.compose(yaml: text) } catch { throw ConfigurationError(file, "is not YAML: \(error)") }
    guard let root else { return }
    guard let mapping = root.mapping else { throw ConfigurationError(file, "a mapping of keys to values was expected") }
    for (key, value) in mapping {
      let name = key.scalar?.string ?? "?"
      let place = "\(file):\(key.mark?.line ?? 0)"
      guard let apply = NodeConfiguration.settings[name] else {
        throw ConfigurationError(
          place, "unknown key “\(name)”; known are \(NodeConfiguration.settings.keys.joined(separator: ", "))")
      }
      let values: [String]
      if let sequence = value.sequence {
        values = sequence.map { $0.scalar?.string ?? "" }
      } else if let scalar = value.scalar {
        values = [scalar.string]
      } else {
        throw ConfigurationError(place, "“\(name)” wants a value or a list, not a mapping")
      }
      try apply(
        &self, Setting(place: "\(place) (\(name))", values: values, isList: value.sequence != nil, folder: folder))
    }
  }

  /// Takes in `MILLRACE_LISTEN` and the like; a list is separated by commas.
  public mutating func read(environment: [String: String]) throws(ConfigurationError) {
    for (name, apply) in NodeConfiguration.settings {
      let variable = "MILLRACE_\(name.uppercased())"
      guard let text = environment[variable] else { continue }
      let values = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      try apply(&self, Setting(place: variable, values: values, isList: values.count != 1, folder: ""))
    }
  }

  /// Takes in one flag's value.
  public mutating func read(flag: String, _ value: String) throws(ConfigurationError) {
    let name = String(flag.drop { $0 == "-" })
    guard let apply = NodeConfiguration.settings[name] else { throw ConfigurationError(flag, "unknown flag") }
    try apply(&self, Setting(place: flag, values: [value], isList: false, folder: ""))
  }

  private static func bootstrapPeers(file: String, into configuration: inout NodeConfiguration)
    throws(ConfigurationError) -> [BootstrapPeer]
  {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw ConfigurationError(file, "cannot be read")
    }
    let root: Yams.Node?
    do { root = try Yams.compose(yaml: text) } catch { throw ConfigurationError(file, "is not YAML: \(error)") }
    var peers: [BootstrapPeer] = []
    for (key, value) in root?.mapping ?? [:] {
      let place = "\(file):\(key.mark?.line ?? 0)"
      switch key.scalar?.string {
      case "overlay":
        configuration.overlay = value.scalar?.string ?? configuration.overlay
      case "bootstrap":
        let texts = (value.sequence.map { Array($0) } ?? []).map { $0.scalar?.string ?? "" }
        peers = try Setting(place: place, values: texts, isList: true, folder: "").peers()
      default:
        throw ConfigurationError(place, "unknown key “\(key.scalar?.string ?? "?")”; known are overlay, bootstrap")
      }
    }
    return peers
  }
}

/// The value of one key as text, with the place it came from.
struct Setting {
  let place: String
  let values: [String]
  let isList: Bool
  /// Relative paths of a file are relative to its folder.
  let folder: String

  func text() throws(ConfigurationError) -> String {
    guard !isList, let value = values.first, !value.isEmpty else {
      throw ConfigurationError(place, "one value was expected")
    }
    return value
  }
  func path() throws(ConfigurationError) -> String {
    let value = try text()
    return value.hasPrefix("/") || folder.isEmpty ? value : (folder as NSString).appendingPathComponent(value)
  }
  func list() throws(ConfigurationError) -> [String] { values }
  /// Nil for `all`.
  func components() throws(ConfigurationError) -> [String]? {
    if values == ["all"] { return nil }
    let known = Catalogue.standard.components.keys
    for name in values where !known.contains(name) {
      throw ConfigurationError(
        place, "“\(name)” where `all` or components were expected: \(known.joined(separator: ", "))")
    }
    return values
  }
  func word(of words: [String]) throws(ConfigurationError) -> String {
    let value = try text()
    guard words.contains(value) else {
      throw ConfigurationError(place, "“\(value)” where one of \(words.joined(separator: ", ")) was expected")
    }
    return value
  }
  func election() throws(ConfigurationError) -> ElectionStrategy {
    let value = try text()
    guard let strategy = ElectionStrategy(rawValue: value) else {
      throw ConfigurationError(
        place,
        "“\(value)” where one of \(NodeConfiguration.orders) was expected; or, without a quorum, \(NodeConfiguration.rivals)"
      )
    }
    return strategy
  }
  func address() throws(ConfigurationError) -> PeerAddress {
    let value = try text()
    guard let address = PeerAddress(value) else {
      throw ConfigurationError(place, "“\(value)” where ADDRESS:PORT was expected")
    }
    return address
  }
  func peers() throws(ConfigurationError) -> [BootstrapPeer] {
    var peers: [BootstrapPeer] = []
    for value in values {
      guard let peer = BootstrapPeer(value) else {
        throw ConfigurationError(place, "“\(value)” where HOST:PORT#NODEID was expected")
      }
      peers.append(peer)
    }
    return peers
  }
  func number(in range: ClosedRange<Double>) throws(ConfigurationError) -> Double {
    let value = try text()
    guard let number = Double(value), range.contains(number) else {
      throw ConfigurationError(
        place, "“\(value)” where a number from \(range.lowerBound) to \(range.upperBound) was expected")
    }
    return number
  }
  /// `20mbit`, `1.5gbit`, `64kbit`: bits a second.
  func rate() throws(ConfigurationError) -> Int64 {
    try scaled(["kbit": 1e3, "mbit": 1e6, "gbit": 1e9], "a rate such as 20mbit")
  }
  /// `512MiB`, `4GiB`.
  func bytes() throws(ConfigurationError) -> Int64 {
    try scaled(["KiB": 1024, "MiB": 1_048_576, "GiB": 1_073_741_824], "a size such as 512MiB")
  }
  private func scaled(_ units: KeyValuePairs<String, Double>, _ expected: String) throws(ConfigurationError) -> Int64 {
    let value = try text()
    for (unit, factor) in units where value.hasSuffix(unit) {
      if let number = Double(value.dropLast(unit.count)), number > 0, number * factor < 1e15 {
        return Int64(number * factor)
      }
    }
    throw ConfigurationError(place, "“\(value)” where \(expected) was expected")
  }
}
