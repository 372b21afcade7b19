import Base
import Vocabulary

/// The service builder (requirements R15): from what a client asked for and what a source has to the list of components.
/// Deterministic: same request, same source, same graph, same stream keys. Operations that would change nothing are left out;
/// fewer frames come before smaller ones, smaller ones before what is drawn on them.
public struct GraphBuilder: Sendable {
  private let request: ServiceRequest
  private let source: SourceDescription
  private let showing: Int
  private var growth: GraphGrowth

  /// - Parameter showing: which showing of the source, 0..<``Base/Limits/showings``: graphs of two have no stream in common.
  /// - Throws: ``BuildError`` when the source lacks what was asked for, or the delivery cannot carry it.
  public static func graph(
    for request: ServiceRequest, on source: SourceDescription, showing: Int = 0, catalogue: Catalogue = .standard
  ) throws(BuildError) -> ComponentGraph {
    var builder = GraphBuilder(
      request: request, source: source, showing: showing,
      growth: GraphGrowth(catalogue: catalogue, sourceKey: source.key))
    do { return try builder.build() } catch let error as BuildError { throw error } catch let error as CatalogueError {
      throw .component(error)
    } catch { preconditionFailure("building throws nothing else: \(error)") }
  }

  private mutating func build() throws -> ComponentGraph {
    let choice = try Choice(request, source)
    var outputs: [ComponentGraph.Output] = []
    func output(_ name: String, _ delivery: Delivery, _ root: Int) {
      let first = outputs.last.map { $0.root + 1 } ?? 0
      outputs.append(ComponentGraph.Output(name: name, delivery: delivery, root: root, stages: first..<root + 1))
    }
    if choice.delivery == .webvtt {
      output("main", .webvtt, try captionsOutput(choice.text!))
    } else {
      var tracks: [Int] = []
      if let video = choice.video { tracks.append(try videoBranch(video, choice)) }
      if let audio = choice.audio { tracks.append(try audioBranch(audio)) }
      let bitrate = tracks.reduce(0) { $0 + growth.stages[$1].shape.bitrate(.asIs) }
      let shape = StreamShape.muxed(choice.delivery, bitrate: bitrate)
      output("main", choice.delivery, try growth.add(choice.delivery.component, from: tracks, gives: shape))
      if choice.delivers { output("captions", .webvtt, try captionsOutput(choice.text!)) }
    }
    return ComponentGraph(source: request.source, sourceKey: source.key, stages: growth.stages, outputs: outputs)
  }

  // MARK: - Readers

  private mutating func read(_ track: SourceTrack, gives shape: StreamShape) throws(CatalogueError) -> Int {
    try growth.add(
      "source.\(track.kind.rawValue)",
      [
        .init("stream", .integer(Int64(track.stream))), .init("pacing", .text(request.pacing.rawValue)),
        .init("start", .integer(request.start)), .init("showing", .integer(Int64(showing))),
      ], gives: shape)
  }

  // MARK: - Video

  private mutating func videoBranch(_ track: SourceTrack, _ choice: Choice) throws -> Int {
    var wish = VideoWish()
    if case .asked(let asked) = request.video { wish = asked }
    guard (2...Limits.sourceSide).contains(track.width), (2...Limits.sourceSide).contains(track.height) else {
      throw BuildError.unusable(field: "video", reason: "the source's picture is \(track.width)x\(track.height) pixels")
    }
    let sourceRate = track.frameRate?.value ?? 30
    var (width, height, rate) = (track.width, track.height, sourceRate)
    var shape: StreamShape { .pictures(width: width, height: height, rate: rate) }
    var last = try read(track, gives: shape)

    func setRate(_ asked: Rational) throws(CatalogueError) {
      rate = asked.value
      last = try growth.add("video.fps", [.init("rate", .rational(asked))], from: [last], gives: shape)
    }
    let change = wish.rate.flatMap { !track.isVariableRate && $0 == track.frameRate ? nil : $0 }
    let isEarly = change.map { track.isVariableRate || track.frameRate == nil || $0.value <= sourceRate } ?? false
    if let change, isEarly { try setRate(change) }

    let (wantedWidth, wantedHeight) = Self.size(wish.size, of: track)
    if (wantedWidth, wantedHeight) != (width, height) {
      (width, height) = (wantedWidth, wantedHeight)
      let parameters: [StageSpec.Parameter] = [
        .init("width", .integer(Int64(width))), .init("height", .integer(Int64(height))),
      ]
      last = try growth.add("video.scale", parameters, from: [last], gives: shape)
    }
    if let overlay = wish.overlay {
      let parameters: [StageSpec.Parameter] = [
        .init("text", .text(overlay.text)), .init("x", .integer(Int64(overlay.x))),
        .init("y", .integer(Int64(overlay.y))),
        .init("size", .integer(Int64(overlay.size))), .init("color", .text(overlay.color)),
      ]
      last = try growth.add("video.overlay", parameters, from: [last], gives: shape)
    }
    if let change, !isEarly { try setRate(change) }
    if choice.burns, let text = choice.text {
      let cues = try textBranch(text)
      let parameters: [StageSpec.Parameter] = [
        .init("size", .integer(Int64(min(512, max(12, height / 18))))),
        .init("margin", .integer(Int64(min(2_048, height / 20)))),
      ]
      last = try growth.add("video.burn", parameters, from: [last, cues], gives: shape)
    }
    return try encode(wish, as: choice.delivery.codec ?? .vp8, from: last, rate: rate)
  }

  /// What was asked, or the source's; even, since both encoders take one colour sample for two pixels.
  private static func size(_ size: VideoWish.Size?, of track: SourceTrack) -> (Int, Int) {
    func even(_ side: Int) -> Int { max(2, side & ~1) }
    switch size {
    case .exact(let width, let height): return (even(width), even(height))
    case .height(let height):
      let width = (Double(height) * Double(track.width) / Double(track.height) / 2).rounded() * 2
      return (min(max(2, Int(width)), Limits.sourceSide), even(height))
    case nil: return (even(track.width), even(track.height))
    }
  }

  private mutating func encode(
    _ wish: VideoWish, as codec: VideoWish.Codec, from last: Int, rate: Double
  ) throws(CatalogueError) -> Int {
    // A tenth of a bit a pixel: good pictures of talks and films at real-time settings; to ten thousand, for people.
    let usual = Int64((growth.stages[last].shape.megapixels * 1e6 * 0.1 / 10_000).rounded()) * 10_000
    let bitrate = wish.bitrate ?? min(max(usual, 100_000), 20_000_000)
    let gop = wish.gop ?? Int64(min(max((rate * 2).rounded(), 1), 600))
    return try growth.add(
      "video.\(codec.rawValue)", [.init("bitrate", .integer(bitrate)), .init("gop", .integer(gop))], from: [last],
      gives: .coded(.video, codec: codec.rawValue, bitrate: bitrate))
  }

  // MARK: - Audio

  private mutating func audioBranch(_ track: SourceTrack) throws -> Int {
    var wish = AudioWish()
    if case .asked(let asked) = request.audio { wish = asked }
    let rate = wish.rate ?? 48_000
    let channels = wish.channels ?? (track.channels == 1 ? 1 : 2)
    var last = try read(track, gives: .sound(rate: max(track.sampleRate, 8_000), channels: max(track.channels, 1)))
    if (Int64(track.sampleRate), Int64(track.channels)) != (rate, channels) {
      last = try growth.add(
        "audio.resample", [.init("rate", .integer(rate)), .init("channels", .integer(channels))], from: [last],
        gives: .sound(rate: Int(rate), channels: Int(channels)))
    }
    let bitrate = wish.bitrate ?? (channels == 1 ? 64_000 : 96_000)
    return try growth.add(
      "audio.opus", [.init("bitrate", .integer(bitrate))], from: [last],
      gives: .coded(.audio, codec: "opus", bitrate: bitrate))
  }

  // MARK: - Text

  private mutating func textBranch(_ track: SourceTrack) throws -> Int {
    let cues = try read(track, gives: .cues)
    guard case .asked(let wish) = request.captions, wish.shift != 0 else { return cues }
    return try growth.add("text.shift", [.init("offset", .integer(wish.shift))], from: [cues], gives: .cues)
  }

  private mutating func captionsOutput(_ track: SourceTrack) throws -> Int {
    let cues = try textBranch(track)
    return try growth.add(
      "mux.webvtt", from: [cues], gives: .muxed(.webvtt, bitrate: growth.stages[cues].shape.bitrate(.asIs)))
  }
}
