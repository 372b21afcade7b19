import Vocabulary

/// Why no graph can be built for a request on a source.
public enum BuildError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was asked for explicitly is not in the source.
  case absent(field: String, kind: MediaKind, has: [String])
  /// No text track of the asked language.
  case noSuchLanguage(String, has: [String])
  /// The captions are pictures, which cannot be shifted, burned in as text, or delivered as WebVTT.
  case pictureCaptions(codec: String)
  /// The delivery does not carry what was asked for.
  case cannotCarry(field: String, value: String, delivery: Delivery, allowed: String)
  /// Nothing of the source is left to deliver.
  case nothingLeft(delivery: Delivery?, has: [String])
  /// The source's picture or sound is unlike anything that the catalogue takes.
  case unusable(field: String, reason: String)
  /// A parameter that follows from the source is out of its component's range.
  case component(CatalogueError)

  public var description: String {
    func list(_ tracks: [String]) -> String {
      tracks.isEmpty ? "no tracks that can be used" : tracks.joined(separator: ", ")
    }
    return switch self {
    case .absent(let field, let kind, let has): "\(field): the source has no \(kind.rawValue); it has \(list(has))"
    case .noSuchLanguage(let language, let has):
      "captions.language: the source has no text in “\(language)”; it has \(has.map { $0.isEmpty ? "one of no language" : $0 }.joined(separator: ", "))"
    case .pictureCaptions(let codec): "captions: the source's are pictures (\(codec)), not text"
    case .cannotCarry(let field, let value, let delivery, let allowed):
      "\(field): “\(value)” does not go in \(delivery.rawValue); allowed: \(allowed)"
    case .nothingLeft(let delivery, let has):
      "delivery: nothing is left to deliver\(delivery.map { " as \($0.rawValue)" } ?? ""); the source has \(list(has))"
    case .unusable(let field, let reason): "\(field): \(reason)"
    case .component(let error): error.description
    }
  }
}
