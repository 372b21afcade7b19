import Vocabulary

/// A graph for people and for JSON: what `millrace plan` prints.
public struct GraphListing: Hashable, Sendable, Codable, CustomStringConvertible {
  /// `millrace://NODE/path`, or the file that stood in for it.
  public let source: String
  /// In the order of the trees.
  public let stages: [Line]
  /// What the client receives.
  public let outputs: [Output]

  /// One stage.
  public struct Line: Hashable, Sendable, Codable {
    /// Its index in the graph.
    public let stage: Int
    /// E.g. `video.scale`.
    public let component: String
    /// All of them, by name.
    public let parameters: [String: String]
    /// The same in order, as `name=value` with spaces between.
    public let settings: String
    /// The stages that it takes from.
    public let inputs: [Int]
    /// What it makes, e.g. `pictures 640x360 at 30/s`.
    public let gives: String
    /// The whole stream key.
    public let key: String
  }
  /// One output.
  public struct Output: Hashable, Sendable, Codable {
    /// `main` or `captions`.
    public let name: String
    /// `webm`, `mp4`, `ogg` or `webvtt`.
    public let delivery: String
    /// The stage that makes it.
    public let stage: Int
  }

  /// - Parameters:
  ///   - graph: as built.
  ///   - file: that stood in for the request's source; nil when nothing did.
  public init(_ graph: ComponentGraph, file: String? = nil) {
    source = file ?? graph.source.description
    stages = graph.stages.map { stage in
      Line(
        stage: stage.id, component: stage.component,
        parameters: Dictionary(uniqueKeysWithValues: stage.parameters.map { ($0.name, $0.value.description) }),
        settings: stage.parameters.map { parameter in
          let text = parameter.value.description
          return "\(parameter.name)=" + (text.contains(" ") ? CanonicalObject.quoted(text) : text)
        }.joined(separator: " "), inputs: stage.inputs, gives: stage.shape.description, key: stage.key.description)
    }
    outputs = graph.outputs.map { Output(name: $0.name, delivery: $0.delivery.rawValue, stage: $0.root) }
  }

  /// One line a stage, a heading for each output.
  public var description: String {
    func padded(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    let names = stages.map { padded($0.component, stages.map(\.component.count).max() ?? 0) }
    let inputs = stages.map { $0.inputs.isEmpty ? "" : "← " + $0.inputs.map(String.init).joined(separator: ", ") }
    let gives = stages.map { padded($0.gives, stages.map(\.gives.count).max() ?? 0) }
    var lines = [source]
    var first = 0
    for output in outputs {
      lines.append("\(output.name): \(output.delivery)")
      for index in first...output.stage {
        let number = padded("", stages[index].stage < 10 ? 1 : 0) + "\(stages[index].stage)"
        let line =
          "  \(number) \(names[index])  \(padded(inputs[index], 7)) → \(gives[index])  \(stages[index].key.prefix(8))"
        lines.append(line + (stages[index].settings.isEmpty ? "" : "  \(stages[index].settings)"))
      }
      first = output.stage + 1
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
