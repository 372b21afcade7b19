import Identity

/// A typed parameter of a component, in canonical form.
public enum ParameterValue: Hashable, Sendable, CustomStringConvertible {
  case integer(Int64)
  case rational(Rational)
  case text(String)
  case flag(Bool)
  /// As in `millrace plan` and in stream keys.
  public var description: String {
    switch self {
    case .integer(let value): "\(value)"
    case .rational(let value): "\(value)"
    case .text(let value): value
    case .flag(let value): value ? "true" : "false"
    }
  }
}

/// One stage as a worker is told of it: which component, with all parameters, on what.
public struct StageSpec: Hashable, Sendable {
  /// The stage's index in the graph; names it in errors and events.
  public var id: Int
  /// E.g. `video.scale`.
  public var component: String
  /// All parameters, defaults filled in, sorted by name.
  public var parameters: [Parameter]
  /// Where each of its inputs comes from, in the component's order.
  public var inputs: [StageInput]
  /// See the properties.
  public init(id: Int, component: String, parameters: [Parameter], inputs: [StageInput]) {
    self.id = id
    self.component = component
    self.parameters = parameters
    self.inputs = inputs
  }
  /// The value named `name`, if the component has such a parameter.
  public subscript(name: String) -> ParameterValue? { parameters.first { $0.name == name }?.value }

  /// A named value.
  public struct Parameter: Hashable, Sendable {
    /// E.g. `width`.
    public var name: String
    /// Its checked value.
    public var value: ParameterValue
    /// See the properties.
    public init(_ name: String, _ value: ParameterValue) {
      self.name = name
      self.value = value
    }
  }
}

/// Where a stage's input comes from.
public enum StageInput: Hashable, Sendable {
  /// The output of an earlier stage of the same group, frames handed over in memory.
  case stage(Int)
  /// The group's input socket of this number.
  case socket(Int)
}

/// How frames are compressed on a link between two groups.
public enum Mezzanine: String, Hashable, Sendable, CaseIterable {
  /// Uncompressed: same host only.
  case raw
  /// Every frame a key frame: x264 ultrafast, crf 14, zerolatency, intra only.
  case intra
  /// x264 superfast, zerolatency, GOP ≤ 1 s, no B-frames, under a rate cap.
  case longGOP
  /// What leaves the stage is compressed or text already (or audio, which goes as FLAC).
  case asIs
}

/// Adjacent stages of one node, fused in one worker: a tree of stages with one output.
public struct GroupSpec: Hashable, Sendable {
  /// In dependency order; the last makes the group's output.
  public var stages: [StageSpec]
  /// Streams that the input sockets subscribe to, in socket order.
  public var inputs: [StreamKey]
  /// What the output socket serves.
  public var output: StreamKey
  /// How frames leave.
  public var mezzanine: Mezzanine
  /// Bits a second that the output may take; 0 = no cap.
  public var rateCap: Int64
  /// See the properties.
  public init(stages: [StageSpec], inputs: [StreamKey], output: StreamKey, mezzanine: Mezzanine, rateCap: Int64) {
    self.stages = stages
    self.inputs = inputs
    self.output = output
    self.mezzanine = mezzanine
    self.rateCap = rateCap
  }
}
