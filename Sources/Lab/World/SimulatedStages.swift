import Base
import Streams
import Vocabulary

// The stages that take from several inputs, as the real ones do (`ContainerMux`, `VideoBurn`).

/// Merges tracks by time, the lower input first where two come together, and cuts chunks. How the tracks fall into chunks follows from
/// the elements alone; marks among the origins hold where the next chunk begins on each track, so that a replacement's
/// chunk n + 1 takes up exactly where chunk n ended.
struct Merge {
  struct Track {
    var head: SimulatedElement?
    var hasEnded = false
    var after: [Origin] = []
    /// The first element not yet in a chunk; nil: whatever comes first.
    var next: UInt64?
  }

  private(set) var tracks: [Track]
  private let length: Int64?
  private var chunk: UInt64
  private var filling: [SimulatedElement] = []

  /// A muxer, always last in its group, has this number for its marks, as a real one.
  private static let mark: UInt32 = 1 << 16 + 32

  /// - Parameters:
  ///   - chunk: milliseconds; nil: each element is a chunk.
  init(tracks count: Int, chunk length: Int64?, _ job: WorkerJob) {
    let mark = Self.mark
    self.length = length
    tracks = (0..<count).map { track in
      Track(next: job.origins.first { $0.input == mark + UInt32(track) }?.position.index)
    }
    // At the start of all tracks the first chunk is the stream's first, and what is not wanted is dropped after it.
    chunk = job.origins.isEmpty ? 0 : job.resumeAt?.index ?? 0
  }

  /// The track that must come next; nil: what is there is enough.
  var wanted: Int? { tracks.firstIndex { !$0.hasEnded && $0.head == nil } }

  mutating func take(_ supply: SimulatedTree.Supply, from track: Int) {
    switch supply {
    case .starved: return
    case .ended: tracks[track].hasEnded = true
    case .element(let element):
      if let next = tracks[track].next, element.index < next { return }
      tracks[track].head = element
    }
  }

  /// The next chunk, or the end; nil: more is needed.
  mutating func make(_ component: String) -> SimulatedTree.Supply? {
    while wanted == nil {
      guard let track = earliest else { return filling.isEmpty ? .ended : cut(component) }
      let element = tracks[track].head!
      if begins(element) { return cut(component) }
      tracks[track].head = nil
      tracks[track].after = element.after
      tracks[track].next = element.index + 1
      filling.append(element)
      if length == nil { return cut(component) }
    }
    return nil
  }

  private var earliest: Int? {
    tracks.indices.filter { tracks[$0].head != nil }.min { a, b in
      (tracks[a].head!.timestamp, a) < (tracks[b].head!.timestamp, b)
    }
  }

  /// Whether an element begins a new chunk.
  private func begins(_ element: SimulatedElement) -> Bool {
    guard let first = filling.first, let length else { return false }
    return (element.isPicture && element.isKey) || element.timestamp - first.timestamp >= length
  }

  private mutating func cut(_ component: String) -> SimulatedTree.Supply {
    defer {
      filling = []
      chunk += 1
    }
    let needs = tracks.indices.flatMap(needs)
    let first = filling[0]
    return .element(
      SimulatedElement(
        index: chunk, timestamp: first.timestamp,
        duration: filling.reduce(first.end) { max($0, $1.end) } - first.timestamp,
        value: SimulatedMedia.mix(filling.map(\.value), component), bytes: filling.reduce(0) { $0 + $1.bytes },
        isKey: first.isKey, isPicture: first.isPicture, before: needs, after: needs))
  }

  /// What the chunks to come need of a track, and where they begin.
  private func needs(_ track: Int) -> [Origin] {
    let (head, next) = (tracks[track].head, tracks[track].next)
    let inputs = next == nil || tracks[track].after.isEmpty ? head?.before ?? [] : tracks[track].after
    guard let begin = next ?? head?.index else { return inputs }
    return inputs + [Origin(input: Self.mark + UInt32(track), position: Position(begin), timestamp: nil)]
  }
}

/// Draws into each picture the caption of its time.
struct Burning {
  private var picture: SimulatedElement?
  private var caption: SimulatedElement?
  private var picturesEnded = false
  private var captionsEnded = false
  /// What the captions to come need, once one was read.
  private var needs: [Origin] = []

  /// 0: a picture. 1: its captions.
  var wanted: Int { picture == nil && !picturesEnded || captionsEnded ? 0 : 1 }
  /// What is there is enough for a picture, or for the end.
  var isReady: Bool {
    guard let picture else { return picturesEnded }
    return captionsEnded || caption.map { $0.end > picture.timestamp } ?? false
  }

  mutating func take(_ supply: SimulatedTree.Supply, from input: Int) {
    switch supply {
    case .starved: return
    case .ended: if input == 0 { picturesEnded = true } else { captionsEnded = true }
    case .element(let element):
      if input == 0 {
        picture = element
      } else {
        caption = element
        needs = element.after
      }
    }
  }

  /// The next picture, or the end; nil: more is needed.
  mutating func make(_ component: String) -> SimulatedTree.Supply? {
    guard isReady else { return nil }
    guard var drawn = picture else { return .ended }
    picture = nil
    let shown = caption.flatMap { $0.end > drawn.timestamp ? $0 : nil }
    drawn.value = SimulatedMedia.mix([drawn.value] + (shown.map { [$0.value] } ?? []), component)
    // A slot that the next picture shows as well is held back.
    let isHeld = shown.map { $0.end > drawn.end } ?? false
    drawn.after += isHeld ? shown!.before : needs
    drawn.before += shown?.before ?? needs
    return .element(drawn)
  }
}
