import Base
import Identity
import Vocabulary

/// What the builder makes of a request and a source: a forest, each tree ending in the muxer of one output. Trees do not share
/// stages; stages of two trees that make the same stream have the same key, and placement runs them once.
public struct ComponentGraph: Hashable, Sendable {
  /// Which media, and whose.
  public let source: SourceReference
  /// The content's key.
  public let sourceKey: SourceKey
  /// In dependency order, one tree after the other; a stage's id is its index.
  public let stages: [Stage]
  /// What the client receives, the main output first.
  public let outputs: [Output]

  /// A component with its parameters, at work on one stream.
  public struct Stage: Hashable, Sendable {
    /// Its index in the graph.
    public let id: Int
    /// E.g. `video.scale`.
    public let component: String
    /// All parameters, defaults filled in, sorted by name.
    public let parameters: [StageSpec.Parameter]
    /// The stages that it takes from, in the component's order.
    public let inputs: [Int]
    /// Names what it makes: equal keys mean interchangeable positions.
    public let key: StreamKey
    /// What it makes.
    public let shape: StreamShape
    /// What it asks of a processor.
    public let work: Work
    /// What it adds to the delay of what passes it, in milliseconds.
    public let delay: Double
    /// Whether it reads the source, and so runs only where the source can be read.
    public var isReader: Bool { inputs.isEmpty }
    /// The value of a parameter; nil when the component has none of this name.
    public subscript(name: String) -> ParameterValue? { parameters.first { $0.name == name }?.value }
  }

  /// One thing that the client receives.
  public struct Output: Hashable, Sendable {
    /// `main` or `captions`.
    public let name: String
    /// Its container.
    public let delivery: Delivery
    /// The stage that makes it, last of its tree.
    public let root: Int
    /// The tree's stages, in dependency order.
    public let stages: Range<Int>
  }

  /// See the properties; the parts must fit each other as the builder makes them.
  public init(source: SourceReference, sourceKey: SourceKey, stages: [Stage], outputs: [Output]) {
    self.source = source
    self.sourceKey = sourceKey
    self.stages = stages
    self.outputs = outputs
  }

  /// The components that it needs, each once, in the order of the stages.
  public var components: OrderedSet<String> { OrderedSet(stages.map(\.component)) }

  /// The stage that takes from each stage; nil for roots.
  public var consumers: [Int?] {
    var result = [Int?](repeating: nil, count: stages.count)
    for stage in stages { for input in stage.inputs { result[input] = stage.id } }
    return result
  }
}

extension ComponentGraph {
  /// What makes one stream, as a graph whose one output it is, with each stage's id in the whole; nil when no stage makes it.
  public func part(making stream: StreamKey) -> (graph: ComponentGraph, ids: [Int])? {
    guard let root = stages.first(where: { $0.key == stream }),
      let output = outputs.first(where: { $0.stages.contains(root.id) })
    else { return nil }
    var needed: Set<Int> = [root.id]
    for stage in stages.reversed() where needed.contains(stage.id) { needed.formUnion(stage.inputs) }
    let ids = needed.sorted()
    let numbers = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
    let part = ids.map { id in
      let stage = stages[id]
      return Stage(
        id: numbers[id]!, component: stage.component, parameters: stage.parameters,
        inputs: stage.inputs.map { numbers[$0]! }, key: stage.key, shape: stage.shape, work: stage.work,
        delay: stage.delay)
    }
    let end = Output(name: output.name, delivery: output.delivery, root: part.count - 1, stages: 0..<part.count)
    return (ComponentGraph(source: source, sourceKey: sourceKey, stages: part, outputs: [end]), ids)
  }
}

/// Grows a graph stage by stage; keys, shapes and costs follow from the catalogue.
struct GraphGrowth {
  let catalogue: Catalogue
  let sourceKey: SourceKey
  private(set) var stages: [ComponentGraph.Stage] = []

  init(catalogue: Catalogue, sourceKey: SourceKey) {
    self.catalogue = catalogue
    self.sourceKey = sourceKey
  }

  /// Appends a stage and returns its id.
  mutating func add(
    _ name: String, _ given: [StageSpec.Parameter] = [], from inputs: [Int] = [], gives shape: StreamShape
  ) throws(CatalogueError) -> Int {
    let parameters = try catalogue.checked(name, given)
    let component = catalogue.components[name]!
    stages.append(
      ComponentGraph.Stage(
        id: stages.count, component: name, parameters: parameters, inputs: inputs,
        key: key(component, parameters, inputs), shape: shape,
        work: component.work(from: inputs.map { stages[$0].shape }, to: shape), delay: component.delay))
    return stages.count - 1
  }

  private func key(_ component: Component, _ parameters: [StageSpec.Parameter], _ inputs: [Int]) -> StreamKey {
    .prefix(component, parameters, on: inputs.map { stages[$0].key }, source: sourceKey)
  }
}

/// Bytes to hash in which no two different sequences of values look the same: each has its length before it.
public struct CanonicalBytes: Sendable {
  /// What was added so far.
  public private(set) var bytes: [UInt8] = []
  /// Nothing yet.
  public init() {}
  /// Adds bytes.
  public mutating func add(_ value: [UInt8]) {
    add(Int64(value.count))
    bytes += value
  }
  /// Adds text.
  public mutating func add(_ text: String) { add(Array(text.utf8)) }
  /// Adds a number.
  public mutating func add(_ value: Int64) { withUnsafeBytes(of: value.bigEndian) { bytes += Array($0) } }
  /// Adds a number's exact bits.
  public mutating func add(_ value: Double) { add(Int64(bitPattern: value.bitPattern)) }
}

extension Catalogue {
  /// The key of the stream that a group makes, computed again from its stages: of a group that reads a source, from the
  /// source's key. Nil when a stage's component is unknown. A node that is asked to read a file recognises by it which.
  public func outputKey(of spec: GroupSpec, source: SourceKey) -> StreamKey? {
    var growth: [Int: StreamKey] = [:]
    var last: StreamKey?
    for stage in spec.stages {
      guard let component = components[stage.component] else { return nil }
      let inputs = stage.inputs.compactMap { input in
        switch input {
        case .stage(let id): growth[id]
        case .socket(let number): spec.inputs[number]
        }
      }
      guard inputs.count == stage.inputs.count else { return nil }
      last = StreamKey.prefix(component, stage.parameters, on: inputs, source: source)
      growth[stage.id] = last
    }
    return last
  }
}

extension StreamKey {
  /// The hash of the canonical prefix: the source's key, then component, version and all parameters, on the keys of its inputs.
  static func prefix(
    _ component: Component, _ parameters: [StageSpec.Parameter], on inputs: [StreamKey], source: SourceKey
  ) -> StreamKey {
    var bytes = CanonicalBytes()
    if inputs.isEmpty { bytes.add(source.hash.bytes) }
    for input in inputs { bytes.add(input.hash.bytes) }
    bytes.add(component.name)
    bytes.add(Int64(component.version))
    for parameter in parameters {
      bytes.add(parameter.name)
      switch parameter.value {
      case .integer(let value):
        bytes.add("integer")
        bytes.add(value)
      case .rational(let value):
        bytes.add("rational")
        bytes.add(value.numerator)
        bytes.add(value.denominator)
      case .text(let value):
        bytes.add("text")
        bytes.add(value)
      case .flag(let value):
        bytes.add("flag")
        bytes.add(Int64(value ? 1 : 0))
      }
    }
    return StreamKey(Digest.of(bytes.bytes, kind: "stream"))
  }
}
