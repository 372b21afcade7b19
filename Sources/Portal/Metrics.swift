/// One named metric with its samples, as Prometheus has it (text exposition format 0.0.4).
public struct MetricFamily: Sendable, Hashable {
  /// What its samples are.
  public enum Kind: String, Sendable { case counter, gauge }
  /// `[a-zA-Z_:][a-zA-Z0-9_:]*`; counters end in `_total`, units are base units (`_seconds`, `_bytes`).
  public var name: String
  /// One sentence.
  public var help: String
  /// What its samples are.
  public var kind: Kind
  /// At most one for each set of labels.
  public var samples: [Sample]

  /// A value under labels.
  public struct Sample: Sendable, Hashable {
    /// In the order in which they are written.
    public var labels: [Label]
    /// May be infinite or NaN.
    public var value: Double
    /// See the properties.
    public init(_ value: Double, labels: [Label] = []) {
      self.labels = labels
      self.value = value
    }
  }

  /// A dimension of a sample.
  public struct Label: Sendable, Hashable {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    public var name: String
    /// Any text.
    public var value: String
    /// See the properties.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// See the properties.
  public init(_ name: String, _ kind: Kind, help: String, samples: [Sample]) {
    self.name = name
    self.help = help
    self.kind = kind
    self.samples = samples
  }
}

/// Renders families for a scraper.
enum PrometheusText {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  static func render(_ families: [MetricFamily]) -> String {
    var text = ""
    for family in families where !family.samples.isEmpty {
      text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n"
      text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
      for sample in family.samples {
        text += family.name
        if !sample.labels.isEmpty {
          let labels = sample.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
          text += "{\(labels.joined(separator: ","))}"
        }
        text += " \(number(sample.value))\n"
      }
    }
    return text
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if let whole = Int64(exactly: value) { return "\(whole)" }
    return "\(value)"
  }
}
