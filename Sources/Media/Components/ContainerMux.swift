import CFFmpeg
import Vocabulary

/// `mux.webm`, `mux.mp4`, `mux.ogg`: merges tracks by time and cuts chunks: before every key frame of the video, else when a chunk is
/// 200 ms long. How the tracks fall into chunks follows from the packets alone; the marks hold where the next chunk
/// begins on each track, so that a replacement's chunk n + 1 takes up exactly where chunk n ended.
/// Memory: the packets of the chunk that is being filled.
final class ContainerMux: Component {
  /// A kind of container.
  struct Container: Sendable {
    var name: String
    var muxer: String
    var codecs: Set<String>
    /// FFmpeg's options, given the number of the first chunk.
    var options: @Sendable (UInt64) -> KeyValuePairs<String, String>
    var mimeType: @Sendable (String) -> String
  }

  private struct Track {
    var format: MediaFormat?
    var hasEnded = false
    var queue: [Element] = []
    /// What it takes to get everything after the last packet that went into a chunk.
    var after: [Origin] = []
    /// The first packet not yet in a chunk.
    var next: UInt64?
    /// Its place among the container's tracks.
    var number = 0
  }

  let outlet = Outlet()
  let takesPackets = true
  private let container: Container
  private let stage: Int
  private var tracks: [Track]
  private var marks = Marks(place: 0, origins: [])
  private var writer: ContainerWriter?
  private var chunk: UInt64 = 0
  private var filling: [(track: Int, element: Element)] = []

  init(_ container: Container, inputs: Int, stage: Int) {
    self.container = container
    self.stage = stage
    tracks = Array(repeating: Track(), count: inputs)
  }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] {
    self.marks = marks
    for track in tracks.indices { tracks[track].next = marks[track] }
    // At the start of all tracks the first chunk is the stream's first, and what is not wanted is dropped after it.
    chunk = marks.areOfStart ? 0 : first ?? 0
    return tracks.map(\.next)
  }

  var wanted: Int { tracks.firstIndex { !$0.hasEnded && $0.queue.isEmpty } ?? 0 }

  func open(_ input: Int, _ format: MediaFormat) throws {
    guard container.codecs.contains(format.codec) else {
      throw MediaFailure(
        .unsupported,
        "\(container.name) holds \(container.codecs.sorted().joined(separator: " and ")), not \(format.codec)",
        stage: stage)
    }
    tracks[input].format = format
    try begin()
  }

  func take(_ element: Element, from input: Int) throws {
    if let next = tracks[input].next, element.index < next { return }
    tracks[input].queue.append(element)
    try merge()
  }

  func end(_ input: Int) throws {
    tracks[input].hasEnded = true
    try begin()
    try merge()
    guard tracks.allSatisfy({ $0.hasEnded }) else { return }
    if writer != nil { try finish() }
    try outlet.end()
  }

  /// Writes the header once all tracks are known (or ended before they were).
  private func begin() throws {
    guard writer == nil, tracks.allSatisfy({ $0.format != nil || $0.hasEnded }) else { return }
    let formats = tracks.compactMap(\.format)
    guard !formats.isEmpty else { return }
    var number = 0
    for track in tracks.indices where tracks[track].format != nil {
      tracks[track].number = number
      number += 1
    }
    var writer = try ContainerWriter(container.muxer, tracks: formats, options: container.options(chunk))
    var output = MediaFormat(kind: .muxed, codec: container.name, timeBase: Rational(1, 1000)!)
    output.extradata = writer.takeBytes()
    output.tracks = formats
    let codecs = formats.map(MediaTypes.codec).joined(separator: ", ")
    output.mimeType = "\(container.mimeType(formats[0].kind == .video ? "video" : "audio")); codecs=\"\(codecs)\""
    self.writer = consume writer
    try outlet.open(output)
  }

  // MARK: - Merging

  private func merge() throws {
    guard writer != nil else { return }
    while tracks.allSatisfy({ $0.hasEnded || !$0.queue.isEmpty }), let earliest = earliestTrack() {
      // Cut before the packet leaves its queue: the chunk's origins then name it as the next.
      if endsChunk(earliest, tracks[earliest].queue[0]) { try cut(last: false) }
      let element = tracks[earliest].queue.removeFirst()
      filling.append((earliest, element))
      tracks[earliest].after = element.after
      tracks[earliest].next = element.index + 1
    }
  }

  /// The track whose first packet comes first; the lower input where two come together.
  private func earliestTrack() -> Int? {
    tracks.indices.filter { !tracks[$0].queue.isEmpty }.min { a, b in
      let order = av_compare_ts(
        tracks[a].queue[0].timestamp, tracks[a].format!.timeBase.av, tracks[b].queue[0].timestamp,
        tracks[b].format!.timeBase.av)
      return order == 0 ? a < b : order < 0
    }
  }

  /// Whether the packet begins a new chunk.
  private func endsChunk(_ track: Int, _ element: Element) -> Bool {
    guard let (firstTrack, first) = filling.first else { return false }
    let begun = milliseconds(first.timestamp, firstTrack)
    return isVideoKey(track, element)
      || milliseconds(element.timestamp, track) - begun >= Int64(MediaLimits.chunk.milliseconds)
  }

  private func isVideoKey(_ track: Int, _ element: Element) -> Bool {
    guard case .coded(_, let isKey) = element.content else { return false }
    return isKey && tracks[track].format?.kind == .video
  }

  private func milliseconds(_ timestamp: Int64, _ track: Int) -> Int64 {
    tracks[track].format!.timeBase.rescale(timestamp, to: Rational(1, 1000)!)
  }

  // MARK: - Cutting

  private func finish() throws {
    if filling.isEmpty { return }
    try cut(last: true)
  }

  private func cut(last: Bool) throws {
    guard let (firstTrack, first) = filling.first else { return }
    for (track, element) in filling {
      guard case .coded(let bytes, let isKey) = element.content else { continue }
      try writer!.write(
        bytes, track: tracks[track].number, timestamp: element.timestamp, duration: element.duration, isKey: isKey)
    }
    if container.muxer == "webm",
      let (track, element) = filling.last(where: { tracks[$0.track].format?.kind == .audio })
    {
      // FFmpeg keeps the latest sound back in case a key frame follows; an empty packet brings it out.
      try writer!.write([], track: tracks[track].number, timestamp: element.timestamp, duration: 0, isKey: true)
    }
    if last { try writer!.finish() } else { try writer!.cut() }
    var bytes = writer!.takeBytes()
    if container.muxer == "ogg" {
      OggPages.renumber(&bytes, first: OggPages.headerPages + UInt32(truncatingIfNeeded: chunk))
    }

    let start = milliseconds(first.timestamp, firstTrack)
    let end = filling.map { milliseconds($0.element.timestamp + $0.element.duration, $0.track) }.max() ?? start
    let hasVideo = tracks.contains { $0.format?.kind == .video && !($0.hasEnded && $0.queue.isEmpty) }
    let needs = tracks.indices.flatMap(needs)
    filling.removeAll(keepingCapacity: true)
    try outlet.give(
      Element(
        index: chunk, timestamp: max(0, start), duration: max(0, end - start), before: needs, after: needs,
        content: .coded(bytes, isKey: isVideoKey(firstTrack, first) || !hasVideo)))
    chunk += 1
  }

  /// What the chunks to come need of this track, and where they begin.
  private func needs(_ track: Int) -> [Origin] {
    let waiting = tracks[track].queue.first
    let inputs = tracks[track].next == nil || tracks[track].after.isEmpty ? waiting?.before ?? [] : tracks[track].after
    guard let next = tracks[track].next ?? waiting?.index else { return inputs }
    return inputs + [marks.note(track, next)]
  }
}
