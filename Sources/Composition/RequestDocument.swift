import Base
import Foundation
import Yams

// A request document between bytes and checked values: Yams' tree, read field by field, each knowing its path and line.

/// One value of the document.
struct DocumentValue {
  /// Dotted, e.g. `video.size`.
  let path: String
  /// From 1.
  let line: Int?
  private let node: Node

  init(path: String, line: Int?, node: Node) {
    self.path = path
    self.line = node.mark?.line ?? line
    self.node = node
  }

  /// The top of a document: at most ``Limits/requestBytes`` of UTF-8 with a mapping in it.
  static func top(_ bytes: [UInt8]) throws(RequestError) -> DocumentValue {
    guard bytes.count <= Limits.requestBytes else {
      let allowed = "at most \(Limits.requestBytes) bytes"
      throw RequestError(.tooLarge, field: "", line: nil, value: "\(bytes.count) bytes", allowed: allowed)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw RequestError(.malformed, field: "", line: nil, value: "it is not UTF-8", allowed: "")
    }
    try refuseDeepNesting(bytes)
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch { throw malformed(error) }
    guard let node, case .mapping = node else {
      let found = node == nil ? "the document is empty" : "there are no fields at its top"
      throw RequestError(
        .malformed, field: "", line: node?.mark?.line, value: found, allowed: "fields such as “source: …”")
    }
    return DocumentValue(path: "", line: 1, node: node)
  }

  /// Yams composes recursively, and an alias stands for all that it names: a few of them nested would be unbounded.
  private static func refuseDeepNesting(_ bytes: [UInt8]) throws(RequestError) {
    var (depth, line, aliases) = (0, 1, 0)
    var before = UInt8(ascii: "\n")
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\n"): line += 1
      case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
      case UInt8(ascii: "*") where [UInt8](" \n[,{\t".utf8).contains(before): aliases += 1
      default: break
      }
      before = byte
      if depth > Limits.requestDepth || aliases > Limits.requestDepth {
        let found = depth > Limits.requestDepth ? "\(depth) levels" : "\(aliases) aliases"
        let allowed = "at most \(Limits.requestDepth) levels and as many aliases"
        throw RequestError(.tooLarge, field: "", line: line, value: found, allowed: allowed)
      }
    }
  }

  private static func malformed(_ error: any Error) -> RequestError {
    func refusal(_ problem: String, _ line: Int?) -> RequestError {
      RequestError(.malformed, field: "", line: line, value: problem, allowed: "")
    }
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return refusal(problem, mark.line)
    case .duplicatedKeysInMapping(let names, let context):
      return refusal("“\(names.sorted().joined(separator: "”, “"))” stands twice", context.mark.line)
    case .reader(let problem, _, _, _): return refusal(problem, nil)
    default: return refusal("it cannot be read", nil)
    }
  }

  // MARK: - Shapes

  /// The fields of a mapping, none but `known`. `moved` names what belongs elsewhere.
  func fields(_ known: [String]) throws(RequestError) -> DocumentFields {
    guard case .mapping(let mapping) = node else { throw wrongType("the fields \(known.joined(separator: ", "))") }
    var values: OrderedDictionary<String, DocumentValue> = [:]
    for (key, value) in mapping {
      let line = key.mark?.line
      guard case .scalar(let name) = key else {
        throw RequestError(.unknownField, field: path, line: line, allowed: known.joined(separator: ", "))
      }
      let field = path.isEmpty ? name.string : "\(path).\(name.string)"
      guard known.contains(name.string) else {
        throw RequestError(
          .unknownField, field: field.containsControlCharacters ? path : String(field.prefix(80)), line: line,
          allowed: known.joined(separator: ", "), suggestion: Spelling.nearest(to: name.string, in: known))
      }
      values[name.string] = DocumentValue(path: field, line: line, node: value)
    }
    return DocumentFields(path: path, line: line, values: values)
  }

  /// A single value's text as written; `allowed` completes the error.
  func scalar(_ allowed: String) throws(RequestError) -> String {
    guard case .scalar(let scalar) = node else { throw wrongType(allowed) }
    guard !isNull else { throw RequestError(.wrongType, field: path, line: line, allowed: allowed) }
    return scalar.string
  }

  private var isNull: Bool {
    guard case .scalar(let scalar) = node, scalar.style == .plain else { return false }
    return ["", "~", "null"].contains(scalar.string)
  }

  /// Whether this is the word `none`.
  var isNone: Bool {
    guard case .scalar(let scalar) = node else { return false }
    return scalar.string == "none"
  }

  private func wrongType(_ allowed: String) -> RequestError {
    let found =
      switch node {
      case .scalar(let scalar): isNull ? "" : scalar.string
      case .mapping: "{…}"
      case .sequence: "[…]"
      case .alias: "*…"
      }
    return RequestError(.wrongType, field: path, line: line, value: found, allowed: allowed)
  }

  /// A refusal of this value.
  func refusal(
    _ problem: RequestError.Problem, _ value: String, _ allowed: String, suggestion: String? = nil
  ) -> RequestError {
    RequestError(problem, field: path, line: line, value: value, allowed: allowed, suggestion: suggestion)
  }

  // MARK: - Values

  /// One of a few words.
  func word<Word: RawRepresentable & CaseIterable>(_ type: Word.Type) throws(RequestError) -> Word
  where Word.RawValue == String {
    let words = Word.allCases.map(\.rawValue)
    let text = try scalar(words.joined(separator: ", "))
    guard let word = Word(rawValue: text) else {
      let near = Spelling.nearest(to: text, in: words)
      throw refusal(.notAllowed, text, words.joined(separator: ", "), suggestion: near)
    }
    return word
  }

  /// A whole number in a range, in `unit`.
  func whole(_ range: ClosedRange<Int64>, _ unit: String) throws(RequestError) -> Int64 {
    let allowed = "\(range.lowerBound) to \(range.upperBound)\(unit.isEmpty ? "" : " ")\(unit)"
    let text = try scalar(allowed)
    guard let value = Int64(text) else {
      let isNumber = Double(text) != nil
      throw refusal(isNumber ? .notAllowed : .wrongType, text, isNumber ? "a whole number, \(allowed)" : allowed)
    }
    guard range.contains(value) else { throw refusal(.notAllowed, text, allowed) }
    return value
  }

  /// Bits a second: `800000`, `800k`, `1.5M`.
  func bitrate(_ range: ClosedRange<Int64>) throws(RequestError) -> Int64 {
    let allowed =
      "\(Quantity.bitrate(range.lowerBound)) to \(Quantity.bitrate(range.upperBound)) bits a second, as 800k or 1.5M"
    let text = try scalar(allowed)
    guard let value = Quantity.bits(text) else { throw refusal(.wrongType, text, allowed) }
    guard range.contains(value) else { throw refusal(.notAllowed, text, allowed) }
    return value
  }

  /// A time in milliseconds: `1.5s`, `-200ms`, `1:30`, `0:01:30.5`.
  func time(_ range: ClosedRange<Int64>) throws(RequestError) -> Int64 {
    let allowed = "\(Quantity.time(range.lowerBound)) to \(Quantity.time(range.upperBound)), as 1.5s, 200ms or 1:30"
    let text = try scalar(allowed)
    guard let value = Quantity.milliseconds(text) else { throw refusal(.wrongType, text, allowed) }
    guard range.contains(value) else { throw refusal(.notAllowed, text, allowed) }
    return value
  }

  /// One line of text in NFC, at most `limit` bytes of UTF-8.
  func line(limit: Int) throws(RequestError) -> String {
    let text = try scalar("one line of text").precomposedStringWithCanonicalMapping
    guard text.utf8.count <= limit else {
      throw refusal(.tooLarge, "\(text.utf8.count) bytes", "at most \(limit) bytes of text")
    }
    guard !text.containsControlCharacters else { throw refusal(.notAllowed, "a control character", "one line of text") }
    return text
  }
}

/// The fields of one mapping.
struct DocumentFields {
  let path: String
  let line: Int?
  let values: OrderedDictionary<String, DocumentValue>

  subscript(name: String) -> DocumentValue? { values[name] }

  /// The field `name`, which must be there.
  func required(_ name: String, _ allowed: String) throws(RequestError) -> DocumentValue {
    guard let value = values[name] else {
      let field = path.isEmpty ? name : "\(path).\(name)"
      throw RequestError(.missingField, field: field, line: path.isEmpty ? nil : line, allowed: allowed)
    }
    return value
  }
}
