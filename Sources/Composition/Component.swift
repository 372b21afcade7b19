import Base
import Vocabulary

/// A media operation that nodes may offer: what it takes and gives, its parameters, what it costs.
public struct Component: Hashable, Sendable {
  /// E.g. `video.scale`.
  public let name: String
  /// Of the implementation: goes up when output for the same input and parameters changes, and so changes stream keys.
  public let version: Int
  /// In a line, for people.
  public let summary: String
  /// What it takes, in order.
  public let inputs: [Port]
  /// What it gives.
  public let output: Form
  /// Its parameters, sorted by name.
  public let parameters: [Parameter]
  /// What of its past input its next output depends on.
  public let memory: Memory

  /// Whether media is decoded, coded or in chunks.
  public enum Form: String, Hashable, Sendable, CaseIterable {
    case pictures, sound, cues, codedVideo, codedAudio, chunks
  }

  /// One input.
  public struct Port: Hashable, Sendable {
    /// What it takes.
    public let form: Form
    /// Whether it may be left open.
    public let isOptional: Bool
  }

  /// How far a replacement must warm up (design §12).
  public enum Memory: Hashable, Sendable {
    /// Each output depends on its own input alone.
    case none
    /// On input within these milliseconds around it.
    case window(before: Int64, after: Int64)
    /// Coding state: output continues after a forced key frame.
    case coding
  }

  /// A typed parameter.
  public struct Parameter: Hashable, Sendable {
    /// E.g. `width`.
    public let name: String
    /// What is allowed.
    public let type: Range
    /// Filled in when nothing is said; nil when something must be.
    public let fallback: ParameterValue?
    /// Unit and meaning, for people.
    public let meaning: String
  }

  /// What a parameter may be.
  public enum Range: Hashable, Sendable, CustomStringConvertible {
    case integer(ClosedRange<Int64>)
    case oneOf([Int64])
    case rational(Rational, Rational)
    case word([String])
    /// One line, in bytes of UTF-8.
    case text(limit: Int)
    /// `#rrggbb`, lower case.
    case color
    case flag

    public var description: String {
      switch self {
      case .integer(let range): "\(range.lowerBound) to \(range.upperBound)"
      case .oneOf(let values): values.map(String.init).joined(separator: ", ")
      case .rational(let low, let high): "\(low) to \(high)"
      case .word(let words): words.joined(separator: ", ")
      case .text(let limit): "one line of at most \(limit) bytes"
      case .color: "#rrggbb"
      case .flag: "true, false"
      }
    }

    func contains(_ value: ParameterValue) -> Bool {
      switch (self, value) {
      case (.integer(let range), .integer(let value)): range.contains(value)
      case (.oneOf(let values), .integer(let value)): values.contains(value)
      case (.rational(let low, let high), .rational(let value)): low <= value && value <= high
      case (.word(let words), .text(let value)): words.contains(value)
      case (.text(let limit), .text(let value)): value.utf8.count <= limit && !value.containsControlCharacters
      case (.color, .text(let value)):
        value.utf8.count == 7 && value.hasPrefix("#") && value == value.lowercased()
          && value.dropFirst().allSatisfy(\.isHexDigit)
      case (.flag, .flag): true
      default: false
      }
    }
  }
}

/// Why a stage is not one of the catalogue's: an assignment's, say.
public enum CatalogueError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No such component.
  case unknownComponent(String, suggestion: String?)
  /// The component has no parameter of this name.
  case unknownParameter(component: String, name: String, allowed: [String])
  /// The parameter has no default and was not given.
  case missingParameter(component: String, name: String, allowed: String)
  /// Of another type, or out of range.
  case notAllowed(component: String, name: String, value: String, allowed: String)
  /// The parameter stands twice.
  case repeated(component: String, name: String)

  public var description: String {
    switch self {
    case .unknownComponent(let name, let suggestion):
      "there is no component “\(name)”" + (suggestion.map { " — did you mean “\($0)”?" } ?? "")
    case .unknownParameter(let component, let name, let allowed):
      "\(component): there is no parameter “\(name)”; allowed: \(allowed.isEmpty ? "none" : allowed.joined(separator: ", "))"
    case .missingParameter(let component, let name, let allowed):
      "\(component): \(name) is missing; allowed: \(allowed)"
    case .notAllowed(let component, let name, let value, let allowed):
      "\(component): \(name): “\(value)” is not allowed; allowed: \(allowed)"
    case .repeated(let component, let name): "\(component): \(name) stands twice"
    }
  }
}
