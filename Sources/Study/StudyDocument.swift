import Base
import Yams

// A study file between text and checked values: read field by field, each knowing its path and line, so that a mistake is told with its
// place and with what is allowed there.

/// Why a study file was refused.
public struct StudyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file.
  public var file: String
  /// From 1; nil where there is none.
  public var line: Int?
  /// Dotted, e.g. `churn.rate`; empty for the whole file.
  public var field: String
  /// What was found, in a sentence's beginning.
  public var found: String
  /// What is allowed there.
  public var allowed: String

  public var description: String {
    let place = line.map { "\(file):\($0)" } ?? file
    return place + (field.isEmpty ? "" : ": \(field)") + ": \(found)" + (allowed.isEmpty ? "" : "; allowed: \(allowed)")
  }
}

/// One value of a study file.
struct StudyValue {
  let file: String
  let path: String
  let line: Int?
  private let node: Yams.Node

  private init(file: String, path: String, line: Int?, node: Yams.Node) {
    (self.file, self.path, self.node) = (file, path, node)
    self.line = node.mark?.line ?? line
  }

  /// The top of a file's text.
  init(text: String, file: String) throws(StudyError) {
    let node: Yams.Node?
    do { node = try Yams.compose(yaml: text) } catch {
      throw StudyError(file: file, line: nil, field: "", found: "is not YAML (\(error))", allowed: "")
    }
    guard let node, node.mapping != nil else {
      throw StudyError(file: file, line: nil, field: "", found: "has no fields", allowed: "fields such as “title: …”")
    }
    self.init(file: file, path: "", line: 1, node: node)
  }

  func wrong(_ found: String, _ allowed: String) -> StudyError {
    StudyError(file: file, line: line, field: path, found: found, allowed: allowed)
  }

  // MARK: Shapes

  /// The fields of a mapping, none but `known`.
  func fields(_ known: [String]) throws(StudyError) -> StudyFields {
    let names = known.joined(separator: ", ")
    guard let mapping = node.mapping else { throw wrong("“\(written)” where fields were expected", names) }
    var values: [String: StudyValue] = [:]
    for (key, value) in mapping {
      let name = key.scalar?.string ?? "?"
      let field = path.isEmpty ? name : "\(path).\(name)"
      guard known.contains(name) else {
        throw StudyError(
          file: file, line: key.mark?.line, field: field, found: "there is no such field", allowed: names)
      }
      values[name] = StudyValue(file: file, path: field, line: key.mark?.line, node: value)
    }
    return StudyFields(of: self, values: values)
  }

  /// A list's values.
  func list(_ allowed: String) throws(StudyError) -> [StudyValue] {
    guard let sequence = node.sequence else { throw wrong("“\(written)” is no list", allowed) }
    return sequence.enumerated().map { StudyValue(file: file, path: "\(path)[\($0)]", line: line, node: $1) }
  }

  /// Whether it is a single value rather than a list or fields.
  var isScalar: Bool { node.scalar != nil }

  /// A single value as it is written.
  func text(_ allowed: String) throws(StudyError) -> String {
    guard let scalar = node.scalar, !scalar.string.isEmpty else {
      throw wrong("“\(written)” is no single value", allowed)
    }
    return scalar.string
  }

  private var written: String {
    switch node {
    case .scalar(let scalar): String(scalar.string.prefix(60))
    case .mapping: "{…}"
    case .sequence: "[…]"
    case .alias: "*…"
    }
  }

  // MARK: Values

  /// One of a few words.
  func word<Word: RawRepresentable & CaseIterable>(_ type: Word.Type) throws(StudyError) -> Word
  where Word.RawValue == String {
    let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
    let text = try text(words)
    guard let word = Word(rawValue: text) else { throw wrong("“\(text)” is not known", words) }
    return word
  }

  func whole(_ range: ClosedRange<Int>) throws(StudyError) -> Int {
    let allowed = "a whole number from \(range.lowerBound) to \(range.upperBound)"
    let text = try text(allowed)
    guard let value = Int(text), range.contains(value) else { throw wrong("“\(text)”", allowed) }
    return value
  }

  func number(_ range: ClosedRange<Double>) throws(StudyError) -> Double {
    let allowed = "a number from \(range.lowerBound) to \(range.upperBound)"
    let text = try text(allowed)
    guard let value = Double(text), range.contains(value) else { throw wrong("“\(text)”", allowed) }
    return value
  }

  /// A number with its unit; the value in the unit whose factor is 1.
  private func measure(
    _ units: KeyValuePairs<String, Double>, _ range: ClosedRange<Double>, _ allowed: String
  ) throws(StudyError) -> Double {
    let text = try text(allowed)
    for (unit, factor) in units where text.hasSuffix(unit) {
      let number = text.dropLast(unit.count).filter { $0 != " " }
      guard let value = Double(number) else { continue }
      guard range.contains(value * factor) else { throw wrong("“\(text)” is out of range", allowed) }
      return value * factor
    }
    throw wrong("“\(text)”", allowed)
  }

  /// Seconds: `250ms`, `1.5s`, `2min`, `1h`.
  func seconds(_ range: ClosedRange<Double> = 0...86_400) throws(StudyError) -> Double {
    let allowed = "a time from \(range.lowerBound)s to \(range.upperBound)s, as 250ms, 1.5s, 2min or 1h"
    return try measure(["us": 1e-6, "ms": 1e-3, "min": 60, "s": 1, "h": 3_600], range, allowed)
  }

  /// 0…1: `5%`, `0.05`.
  func share() throws(StudyError) -> Double {
    let allowed = "a share from 0 to 1, or from 0% to 100%"
    return try measure(["%": 0.01, "": 1], 0...1, allowed)
  }

  /// Happenings a second: `2/s`, `30/min`, `100/h`.
  func rate() throws(StudyError) -> Double {
    try measure(
      ["/s": 1, "/min": 1.0 / 60, "/h": 1.0 / 3_600], 1e-6...10_000, "a rate up to 10000/s, as 2/s, 30/min or 100/h")
  }

  /// Bits a second: `800kbit`, `20mbit`, `1gbit`.
  func bits() throws(StudyError) -> Int64 {
    Int64(
      try measure(["kbit": 1e3, "mbit": 1e6, "gbit": 1e9], 1e3...1e12, "bits a second, as 800kbit, 20mbit or 1gbit"))
  }
}

/// The fields of one mapping.
struct StudyFields {
  private let whole: StudyValue
  private let values: [String: StudyValue]

  init(of whole: StudyValue, values: [String: StudyValue]) { (self.whole, self.values) = (whole, values) }

  subscript(name: String) -> StudyValue? { values[name] }

  func required(_ name: String, _ allowed: String) throws(StudyError) -> StudyValue {
    guard let value = values[name] else {
      let field = whole.path.isEmpty ? name : "\(whole.path).\(name)"
      throw StudyError(file: whole.file, line: whole.line, field: field, found: "is missing", allowed: allowed)
    }
    return value
  }
}
