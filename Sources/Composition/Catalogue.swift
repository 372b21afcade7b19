import Base
import Vocabulary

/// All components there are. What a node offers is a part of it; a worker runs nothing else.
public struct Catalogue: Hashable, Sendable {
  /// By name, in the order of a chain.
  public let components: OrderedDictionary<String, Component>

  /// This version's.
  public static let standard = Catalogue([
    source(.video, gives: .pictures), source(.audio, gives: .sound), source(.text, gives: .cues),
    Component(
      "video.fps", "puts frames on the grid of a rate", takes: [.pictures], gives: .pictures,
      [parameter("rate", .rational(Rational(1), Rational(120)), "frames a second")],
      memory: .window(before: 2_000, after: 0)),
    Component(
      "video.scale", "resizes", takes: [.pictures], gives: .pictures,
      [parameter("height", side, "pixels, even"), parameter("width", side, "pixels, even")]),
    Component(
      "video.overlay", "draws a line of text", takes: [.pictures], gives: .pictures,
      [
        parameter("color", .color, default: .text("#ffffff"), "of the text"),
        parameter("size", .integer(6...512), default: .integer(24), "font size in pixels"),
        parameter("text", .text(limit: Limits.overlayTextBytes), "one line"),
        parameter("x", .integer(0...Int64(Limits.pictureSide)), default: .integer(16), "pixels from the left"),
        parameter("y", .integer(0...Int64(Limits.pictureSide)), default: .integer(16), "pixels from the top"),
      ]),
    Component(
      "video.burn", "draws captions into the picture", takes: [.pictures, .cues], gives: .pictures,
      [
        parameter("margin", .integer(0...2_048), default: .integer(18), "pixels from the bottom"),
        parameter("size", .integer(6...512), default: .integer(20), "font size in pixels"),
      ], memory: .window(before: 30_000, after: 0)),
    Component(
      "video.vp8", "encodes VP8 (libvpx, real time)", takes: [.pictures], gives: .codedVideo,
      [
        parameter("bitrate", .integer(50_000...50_000_000), "bits a second"),
        parameter("gop", .integer(1...600), default: .integer(60), "frames from key frame to key frame"),
        parameter("speed", .integer(0...16), default: .integer(8), "higher is faster and coarser"),
      ], memory: .coding),
    Component(
      "video.h264", "encodes H.264 (x264, no B-frames)", takes: [.pictures], gives: .codedVideo,
      [
        parameter("bitrate", .integer(50_000...50_000_000), "bits a second"),
        parameter("gop", .integer(1...600), default: .integer(60), "frames from key frame to key frame"),
        parameter(
          "preset", .word(["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"]),
          default: .text("veryfast"),
          "faster is coarser"),
      ], memory: .coding),
    Component(
      "audio.resample", "changes rate and channels", takes: [.sound], gives: .sound,
      [
        parameter("channels", .integer(1...2), default: .integer(2), ""),
        parameter("rate", .oneOf(AudioWish.rates), default: .integer(48_000), "samples a second"),
      ], memory: .window(before: 100, after: 20)),
    Component(
      "audio.opus", "encodes Opus", takes: [.sound], gives: .codedAudio,
      [
        parameter("bitrate", .integer(6_000...510_000), "bits a second"),
        parameter("complexity", .integer(0...10), default: .integer(10), "higher is better and slower"),
        parameter("dtx", .flag, default: .flag(false), "sends less in silence"),
        parameter("fec", .flag, default: .flag(false), "repeats enough to mend one lost packet"),
      ], memory: .window(before: 80, after: 0)),
    Component(
      "text.shift", "moves cues in time", takes: [.cues], gives: .cues,
      [parameter("offset", .integer(-3_600_000...3_600_000), "milliseconds later")],
      memory: .window(before: 3_600_000, after: 3_600_000)),
    Component("mux.webm", "WebM in clusters", optionally: [.codedVideo, .codedAudio], gives: .chunks),
    Component("mux.mp4", "MP4 in fragments", optionally: [.codedVideo, .codedAudio], gives: .chunks),
    Component("mux.ogg", "Ogg pages", takes: [.codedAudio], gives: .chunks),
    Component("mux.webvtt", "WebVTT in pieces", takes: [.cues], gives: .chunks),
  ])

  /// - Parameter components: of distinct names.
  public init(_ components: [Component]) {
    self.components = OrderedDictionary(uniqueKeysWithValues: components.map { ($0.name, $0) })
  }

  /// All parameters of a stage, defaults filled in, sorted by name, each of its type and in its range.
  public func checked(
    _ name: String, _ given: [StageSpec.Parameter]
  ) throws(CatalogueError) -> [StageSpec.Parameter] {
    guard let component = components[name] else {
      throw .unknownComponent(name, suggestion: Spelling.nearest(to: name, in: Array(components.keys)))
    }
    for (index, value) in given.enumerated() {
      guard component.parameters.contains(where: { $0.name == value.name }) else {
        throw .unknownParameter(component: name, name: value.name, allowed: component.parameters.map(\.name))
      }
      if given[..<index].contains(where: { $0.name == value.name }) {
        throw .repeated(component: name, name: value.name)
      }
    }
    var result: [StageSpec.Parameter] = []
    for parameter in component.parameters {
      guard let value = given.first(where: { $0.name == parameter.name })?.value ?? parameter.fallback else {
        throw .missingParameter(component: name, name: parameter.name, allowed: parameter.type.description)
      }
      guard parameter.type.contains(value) else {
        throw .notAllowed(
          component: name, name: parameter.name, value: value.description, allowed: parameter.type.description)
      }
      result.append(StageSpec.Parameter(parameter.name, value))
    }
    return result
  }

  private static let side = Component.Range.integer(2...Int64(Limits.sourceSide))

  private static func parameter(
    _ name: String, _ type: Component.Range, default fallback: ParameterValue? = nil, _ meaning: String
  ) -> Component.Parameter {
    Component.Parameter(name: name, type: type, fallback: fallback, meaning: meaning)
  }

  private static func source(_ kind: MediaKind, gives form: Component.Form) -> Component {
    Component(
      "source.\(kind.rawValue)", "reads and decodes a \(kind.rawValue) track", takes: [], gives: form,
      [
        parameter(
          "pacing", .word(Pacing.allCases.map(\.rawValue)), default: .text("live"),
          "live: in real time after a first burst"),
        parameter(
          "showing", .integer(0...Limits.showings - 1), default: .integer(0),
          "which of several showings of the same file: one that has moved on serves nobody who wants its beginning"),
        parameter(
          "start", .integer(0...Limits.startMilliseconds), default: .integer(0), "milliseconds from the source's start"),
        parameter("stream", .integer(0...4_095), "the container's stream index"),
      ])
  }
}

extension Component {
  init(
    _ name: String, _ summary: String, takes: [Form] = [], optionally: [Form] = [], gives output: Form,
    _ parameters: [Parameter] = [], memory: Memory = .none
  ) {
    self.name = name
    version = 1
    self.summary = summary
    inputs = takes.map { Port(form: $0, isOptional: false) } + optionally.map { Port(form: $0, isOptional: true) }
    self.output = output
    self.parameters = parameters
    self.memory = memory
  }

  /// What a stage does, in calibrated units, from what comes in to what goes out.
  public func work(from inputs: [StreamShape], to output: StreamShape) -> Work {
    let pixelsIn = inputs.first?.megapixels ?? 0
    switch name {
    case "source.video": return Work(decode: output.megapixels)
    case "source.audio": return Work(fixed: 0.004)
    case "source.text": return Work(fixed: 0.001)
    case "video.fps": return Work(fixed: 0.001)
    case "video.scale": return Work(filter: pixelsIn + output.megapixels)
    case "video.overlay": return Work(filter: output.megapixels * 0.3)
    case "video.burn": return Work(filter: output.megapixels * 0.5)
    case "video.vp8": return Work(encode: pixelsIn * 1.3)
    case "video.h264": return Work(encode: pixelsIn)
    case "audio.resample": return Work(fixed: 0.004)
    case "audio.opus": return Work(fixed: 0.015)
    case "text.shift": return Work(fixed: 0.0005)
    default: return Work(fixed: 0.003)
    }
  }

  /// What a stage itself adds to the delay of what passes it, in milliseconds.
  public var delay: Double {
    switch name {
    case "source.video", "video.vp8", "video.h264": 15
    case "audio.opus": 27  // a 20 ms frame and 6.5 ms of look-ahead
    case "mux.webm", "mux.mp4", "mux.ogg": 200  // a chunk
    case "mux.webvtt": 500  // a slot
    case "video.fps": 0
    default: 3
    }
  }
}
