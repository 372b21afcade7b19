import Base
import Composition
import Vocabulary

/// What one process without nodes, packets or failures would make of a source, whole: each stage of a request's graph as the list of its
/// elements, out of the lists of its inputs. Checkers hold what nodes make against it.
struct ExpectedMedia {
  let graph: ComponentGraph
  /// By stage.
  private var lists: [List] = []
  /// By stage: its positions below the number at place n are spent once its consumer's positions below n are done.
  private var spent: [[UInt64]]

  private struct Element {
    var start: Int64
    var end: Int64
    var value: UInt64
    var isKey: Bool
  }
  private struct List {
    var elements: [Element]
    var isPicture: Bool
  }

  /// - Parameter chunk: milliseconds of a muxer's chunk; nil: each packet is one.
  init(_ graph: ComponentGraph, of source: Scenario.Source, chunk: Int64?) {
    self.graph = graph
    spent = graph.stages.map { _ in [0] }
    for stage in graph.stages {
      if let kind = MediaKind(readBy: stage.component) {
        lists.append(Self.track(kind, of: source, by: stage.component))
      } else if stage.component.hasPrefix("mux."), stage.inputs.count > 1 || chunk != nil {
        lists.append(merged(stage, chunk))
      } else if stage.component == "video.burn" {
        lists.append(burned(stage))
      } else {
        var list = lists[stage.inputs[0]]
        for index in list.elements.indices {
          list.elements[index].value = SimulatedMedia.mix(list.elements[index].value, stage.component)
        }
        lists.append(list)
        spent[stage.inputs[0]] = (0...list.elements.count).map(UInt64.init)
      }
    }
  }

  // MARK: - Asking

  /// The values of an output's positions; nil when there is no such output.
  func values(of output: String) -> [UInt64]? {
    graph.outputs.first { $0.name == output }.map { lists[$0.root].elements.map(\.value) }
  }

  /// Of a stage: below which position everything has become what the output's positions below `written` hold.
  func spent(of stage: Int, written: UInt64) -> UInt64 {
    guard let consumer = graph.consumers[stage] else { return written }
    let done = spent(of: consumer, written: written)
    return spent[stage][Int(min(done, UInt64(spent[stage].count - 1)))]
  }

  // MARK: - Making

  private static func track(_ kind: MediaKind, of source: Scenario.Source, by component: String) -> List {
    guard let track = SimulatedTrack(kind, of: source) else { return List(elements: [], isPicture: false) }
    return List(
      elements: (0..<track.length).map {
        Element(
          start: track.timestamp($0), end: track.timestamp($0 + 1), value: SimulatedMedia.read($0, by: component),
          isKey: track.isKey($0))
      }, isPicture: kind == .video)
  }

  /// All tracks' elements in the order of time, then of the tracks; cut where a chunk is full, and before a picture that is a key.
  private mutating func merged(_ stage: ComponentGraph.Stage, _ length: Int64?) -> List {
    let tracks = stage.inputs.map { lists[$0] }
    let order = tracks.enumerated().flatMap { track, list in list.elements.map { (track: track, element: $0) } }
      .sorted { ($0.element.start, $0.track) < ($1.element.start, $1.track) }
    var chunks: [[(track: Int, element: Element)]] = []
    for next in order {
      let isFull =
        length.map { length in
          next.element.start - (chunks.last?[0].element.start ?? .min / 2) >= length
            || (tracks[next.track].isPicture && next.element.isKey)
        } ?? true
      if isFull { chunks.append([]) }
      chunks[chunks.count - 1].append(next)
    }
    var taken = [UInt64](repeating: 0, count: tracks.count)
    for chunk in chunks {
      for next in chunk { taken[next.track] += 1 }
      for (track, input) in stage.inputs.enumerated() { spent[input].append(taken[track]) }
    }
    let elements = chunks.map { chunk in
      Element(
        start: chunk[0].element.start, end: chunk.map(\.element.end).max() ?? 0,
        value: SimulatedMedia.mix(chunk.map(\.element.value), stage.component), isKey: chunk[0].element.isKey)
    }
    return List(elements: elements, isPicture: false)
  }

  /// Each picture with the caption of its time; a caption's slot is spent when the next picture does not show it.
  private mutating func burned(_ stage: ComponentGraph.Stage) -> List {
    var list = lists[stage.inputs[0]]
    let captions = lists[stage.inputs[1]].elements
    for index in list.elements.indices {
      let picture = list.elements[index]
      let shown = captions.first { $0.start <= picture.start && $0.end > picture.start }
      list.elements[index].value = SimulatedMedia.mix(
        [picture.value] + (shown.map { [$0.value] } ?? []), stage.component)
      spent[stage.inputs[0]].append(UInt64(index) + 1)
      spent[stage.inputs[1]].append(UInt64(captions.count { $0.end <= picture.end }))
    }
    return list
  }
}

extension Simulation {
  /// What the client of a request of the scenario should get; nil when its request cannot be served.
  /// - Parameter showing: which showing of the source; the media is the same, the streams have other keys.
  func expected(of number: Int, showing: Int = 0) -> ExpectedMedia? {
    let ask = asks[number].ask
    let source = scenario.sources[ask.source]
    guard let request = SimulatedMedia.request(ask, of: source, at: peers[source.node].node.id),
      let graph = try? GraphBuilder.graph(
        for: request, on: SimulatedMedia.description(of: source, number: ask.source), showing: showing)
    else { return nil }
    return ExpectedMedia(graph, of: source, chunk: scenario.chunk)
  }
}
