import Base

/// Why a request document was refused: what was wrong, where, and what is allowed.
public struct RequestError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of mistake.
  public enum Problem: String, Hashable, Sendable, CaseIterable {
    /// Neither YAML nor JSON, or no mapping at its top.
    case malformed
    /// A field that does not exist there.
    case unknownField
    /// A required field is not there.
    case missingField
    /// A list where a number was expected, and the like.
    case wrongType
    /// Of the right type, but not one of the values allowed.
    case notAllowed
    /// Two fields that exclude each other.
    case conflict
    /// More bytes or levels than ``Base/Limits`` allow.
    case tooLarge
  }
  /// The kind of mistake.
  public let problem: Problem
  /// Dotted, e.g. `video.overlay.size`; empty for the document itself.
  public let field: String
  /// In the document, from 1; nil where there is none (a missing field of the top level).
  public let line: Int?
  /// What was found, cut to 80 characters; empty where nothing was.
  public let value: String
  /// What is allowed there, as a sentence's end.
  public let allowed: String
  /// What was probably meant; nil when nothing is near.
  public let suggestion: String?

  /// See the properties.
  public init(
    _ problem: Problem, field: String, line: Int?, value: String = "", allowed: String, suggestion: String? = nil
  ) {
    self.problem = problem
    self.field = field
    self.line = line
    self.value = value.count > 80 ? String(value.prefix(79)) + "…" : value
    self.allowed = allowed
    self.suggestion = suggestion
  }

  public var description: String {
    let place = [line.map { "line \($0)" }, field.isEmpty ? nil : field].compactMap(\.self).joined(separator: ": ")
    let found =
      switch problem {
      case .malformed: "the request is neither YAML nor JSON: \(value)"
      case .unknownField: "there is no such field"
      case .missingField: "is missing"
      case .wrongType: value.isEmpty ? "has no value" : "“\(value)” has the wrong type"
      case .notAllowed: "“\(value)” is not allowed"
      case .conflict: "“\(value)” contradicts another field"
      case .tooLarge: "is too large (\(value))"
      }
    let end = allowed.isEmpty ? "" : "; allowed: \(allowed)"
    let hint = suggestion.map { " — did you mean “\($0)”?" } ?? ""
    return (place.isEmpty ? "" : place + ": ") + found + end + hint
  }
}

/// Finds what was probably meant by a misspelt word.
enum Spelling {
  /// The word of `known` that is fewest edits away (Damerau, 1964), if at most a third of its letters; the first of equals.
  static func nearest(to word: String, in known: [String]) -> String? {
    var best: (word: String, distance: Int)?
    for candidate in known {
      let distance = edits(Array(word.lowercased()), Array(candidate.lowercased()))
      if distance <= max(1, candidate.count / 3), distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.word
  }

  /// Letters to insert, delete, replace, or swap with the next.
  private static func edits(_ a: [Character], _ b: [Character]) -> Int {
    guard a.count <= 64 else { return .max }
    var earlier: [Int] = []
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var next = [i + 1]
      for (j, y) in b.enumerated() {
        var least = min(row[j] + (x == y ? 0 : 1), row[j + 1] + 1, next[j] + 1)
        if i > 0, j > 0, x == b[j - 1], a[i - 1] == y { least = min(least, earlier[j - 1] + 1) }
        next.append(least)
      }
      (earlier, row) = (row, next)
    }
    return row[b.count]
  }
}
