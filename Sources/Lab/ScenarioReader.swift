import Base
import Foundation
import Mandates

// From JSON to a checked ``Scenario``. Names are read in both forms: as `millrace lab replay --scenario` writes them, and as a trace does.

extension Scenario {
  /// Reads a scenario's file and checks it.
  /// - Throws: what is wrong, with file, field and what is allowed.
  public init(file: String) throws(ScenarioError) {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: file, isDirectory: &isFolder)
    guard let data = FileManager.default.contents(atPath: file) else {
      let found = isFolder.boolValue ? "is a folder" : exists ? "cannot be read" : "there is no such file"
      throw ScenarioError(file: file, field: "", found: found, allowed: ScenarioReader.form)
    }
    do throws(ScenarioError) { try self.init(json: data) } catch {
      var error = error
      error.file = file
      throw error
    }
  }

  /// Reads a scenario and checks it.
  /// - Throws: what is wrong, with its field and what is allowed.
  public init(json: Data) throws(ScenarioError) {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let tree: JSONTree
    do { tree = try decoder.decode(JSONTree.self, from: json) } catch { throw ScenarioReader.told(error, in: nil) }
    do { self = try decoder.decode(Scenario.self, from: json) } catch { throw ScenarioReader.told(error, in: tree) }
    if let stray = ScenarioReader.stray(in: tree, of: self, at: "") { throw stray }
    try check()
  }
}

enum ScenarioReader {
  static let form = "a scenario as `millrace lab replay SEED --scenario` prints it"

  /// A decoder's error as a sentence about the file.
  static func told(_ error: any Error, in tree: JSONTree?) -> ScenarioError {
    switch error {
    case DecodingError.keyNotFound(let key, let context):
      ScenarioError(field: path(context.codingPath + [key]), found: "is missing", allowed: form)
    case DecodingError.typeMismatch(let type, let context):
      ScenarioError(
        field: path(context.codingPath), found: tree?.at(context.codingPath)?.written ?? "something else",
        allowed: expected(type))
    case DecodingError.valueNotFound(let type, let context):
      ScenarioError(field: path(context.codingPath), found: "null", allowed: expected(type))
    case DecodingError.dataCorrupted(let context) where tree == nil:
      ScenarioError(
        field: "",
        found: "is no JSON"
          + (((context.underlyingError as NSError?)?.userInfo[NSDebugDescriptionErrorKey] as? String).map { ": \($0)" }
            ?? ""),
        allowed: form)
    case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty:
      tree.flatMap(misfit) ?? ScenarioError(field: "", found: "cannot be read", allowed: form)
    case DecodingError.dataCorrupted(let context):
      ScenarioError(
        field: path(context.codingPath), found: tree?.at(context.codingPath)?.written ?? "something else",
        allowed: words(of: (context.codingPath.last?.stringValue ?? "")[...]))
    default: ScenarioError(field: "", found: "cannot be read", allowed: form)
    }
  }

  /// A number that does not fit its field: the decoder does not tell which. One of them is the last number that, made 1 with all before it, lets the
  /// rest be read.
  private static func misfit(in tree: JSONTree) -> ScenarioError? {
    func fits(_ count: Int) -> Bool {
      var left = count
      guard let data = try? JSONEncoder().encode(tree.tamed(&left)) else { return false }
      do { _ = try JSONDecoder().decode(Scenario.self, from: data) } catch DecodingError.dataCorrupted(let context) {
        return !context.codingPath.isEmpty
      } catch { return true }
      return true
    }
    let numbers = tree.numbers()
    for (path, value) in numbers {
      guard case .beyond = value else { continue }
      return ScenarioError(field: path, found: value.written, allowed: "a number of 64 bits")
    }
    var (low, high) = (0, numbers.count)
    guard high > 0, fits(high) else { return nil }
    while high - low > 1 {
      let middle = (low + high) / 2
      if fits(middle) { high = middle } else { low = middle }
    }
    let (path, value) = numbers[high - 1]
    return ScenarioError(field: path, found: value.written, allowed: words(of: path.split(separator: ".").last ?? ""))
  }

  private static func path(_ keys: [any CodingKey]) -> String {
    keys.reduce("") { path, key in
      if let number = key.intValue { return "\(path)[\(number)]" }
      return join(path, key.stringValue)
    }
  }

  static func join(_ path: String, _ name: String) -> String {
    path.isEmpty ? written(name) : "\(path).\(written(name))"
  }

  /// A name as `--scenario` writes it.
  private static func written(_ name: String) -> String {
    name.reduce("") { $0 + ($1.isUppercase ? "_\($1.lowercased())" : String($1)) }
  }

  private static func expected(_ type: any Any.Type) -> String {
    switch type {
    case is String.Type: "text"
    case is Bool.Type: "true or false"
    case is Double.Type: "a number"
    case is any FixedWidthInteger.Type: "a whole number"
    case is Fault.Kind.Type: "one of \(Fault.Kind.names.map(written).joined(separator: ", "))"
    case is Fault.Target.Type: "one of \(Fault.Target.names.joined(separator: ", "))"
    case is Topology.Type: "one of \(Topology.names.map(written).joined(separator: ", "))"
    case is [Any].Type: "a list"
    default: "fields"
    }
  }

  /// What is allowed in a field whose value has the right type and is none of its values.
  private static func words(of field: Substring) -> String {
    switch field {
    case "election": ElectionStrategy.allCases.map(\.rawValue).joined(separator: ", ")
    case "way": Liar.Way.allCases.map(\.rawValue).joined(separator: ", ")
    case "wants": Scenario.Wish.allCases.map(\.rawValue).joined(separator: ", ")
    case "state": Fault.ManagerState.allCases.map(\.rawValue).joined(separator: ", ")
    case "unit": Topology.Unit.allCases.map(\.rawValue).joined(separator: ", ")
    case "seed": "a whole number from 0 to \(UInt64.max)"
    case "term": "a whole number from 0 to \(UInt32.max)"
    default: "a whole number"
    }
  }

  /// The first field that nothing of the value came from, with those that there are.
  static func stray(in tree: JSONTree, of value: Any, at path: String) -> ScenarioError? {
    let mirror = Mirror(reflecting: value)
    switch (tree, mirror.displayStyle) {
    case (_, .optional): return mirror.children.first.flatMap { stray(in: tree, of: $0.value, at: path) }
    case (.list(let items), .collection):
      for (number, (item, child)) in zip(items, mirror.children).enumerated() {
        if let found = stray(in: item, of: child.value, at: "\(path)[\(number)]") { return found }
      }
      return nil
    case (.fields(let fields), .struct):
      return stray(among: fields, of: mirror.children.map { ($0.label, $0.value) }, at: path)
    case (.fields(let fields), .enum):
      guard let (label, payload) = mirror.children.first, let label, case .fields(let values)? = fields[label] else {
        return nil
      }
      let inside = Mirror(reflecting: payload)
      return stray(
        among: values,
        of: inside.displayStyle == .tuple ? inside.children.map { ($0.label, $0.value) } : [("_0", payload)],
        at: join(path, label))
    default: return nil
    }
  }

  private static func stray(
    among fields: [String: JSONTree], of known: [(label: String?, value: Any)], at path: String
  ) -> ScenarioError? {
    // What has no label in an enumeration's case is named by its place.
    let values = known.map { (name: ($0.label ?? "").replacing(".", with: "_"), value: $0.value) }
    for (name, inner) in fields.sorted(by: { $0.key < $1.key }) {
      guard let (_, value) = values.first(where: { $0.name == name }) else {
        return ScenarioError(
          field: join(path, name), found: "there is no such field",
          allowed: values.map { written($0.name) }.joined(separator: ", "))
      }
      if let found = stray(in: inner, of: value, at: join(path, name)) { return found }
    }
    return nil
  }
}

// Synthesised decoding does not tell which cases there are.
extension Fault.Kind {
  static let names = [
    "crash", "pause", "partition", "oneWay", "cut", "slowDisk", "slowNetwork", "rain", "workerDies", "leave",
  ]
}
extension Fault.Target {
  static let names = ["node", "manager", "elector", "bystander", "candidate", "stage", "portal"]
}
extension Topology {
  static let names = ["plane", "transitStub", "matrix"]
}
