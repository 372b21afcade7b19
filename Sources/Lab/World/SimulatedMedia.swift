import Base
import Composition
import Identity
import Streams
import Vocabulary

/// Media without codecs: a packet's value is a pure function of its position and of the stages that made it, and travels in its
/// payload. So whoever receives it can tell whether it is what one process without nodes or failures would have made.
enum SimulatedMedia {
  /// What the node that shares a source would find in it.
  static func description(of source: Scenario.Source, number: Int) -> SourceDescription {
    var video = SourceTrack(stream: 0, kind: .video, codec: "h264")
    (video.width, video.height, video.frameRate) = (640, 360, Rational(source.rate))
    var tracks = [video]
    if source.sound != nil {
      var sound = SourceTrack(stream: tracks.count, kind: .audio, codec: "aac")
      (sound.sampleRate, sound.channels) = (44_100, 2)
      tracks.append(sound)
    }
    if source.captions != nil { tracks.append(SourceTrack(stream: tracks.count, kind: .text, codec: "subrip")) }
    return SourceDescription(
      key: SourceKey(Digest.of([UInt8(truncatingIfNeeded: number)] + Array(source.path.utf8), kind: "lab-source")),
      container: "matroska,webm", duration: source.seconds, size: 1_000_000, tracks: tracks)
  }

  /// What clients ask of it, as they would write it.
  static func request(_ ask: Scenario.Ask, of source: Scenario.Source, at node: NodeID) -> ServiceRequest? {
    func picture(_ more: String = "") -> String { "video: {height: 180, overlay: {text: v\(ask.variant)}\(more)}\n" }
    let wish =
      switch ask.wants ?? .picture {
      case .picture: picture() + "audio: none\ncaptions: none"
      case .film: picture() + "captions: none"
      case .captionedFilm: picture() + "audio: {codec: opus}\ncaptions: {deliver: webvtt}"
      case .burnedFilm: picture(", captions: burn")
      case .sound: "video: none\naudio: {bitrate: \(48_000 + 1_000 * ask.variant)}\ncaptions: none"
      case .captions: "video: none\naudio: none\ncaptions: {deliver: webvtt}\ndelivery: webvtt"
      }
    return try? ServiceRequest(document: "source: millrace://\(node)/\(source.path)\n" + wish)
  }

  /// The value of a track's position as its reader gives it.
  static func read(_ index: UInt64, by component: String) -> UInt64 {
    mix(index &+ 0x9E37_79B9_7F4A_7C15, component)
  }
  /// The value of what a stage makes of one element.
  static func mix(_ value: UInt64, _ component: String) -> UInt64 {
    component.utf8.reduce(value &+ 0x9E37_79B9_7F4A_7C15) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
  /// The value of what a stage makes of several, in their order.
  static func mix(_ values: [UInt64], _ component: String) -> UInt64 {
    mix(values.dropFirst().reduce(values.first ?? 0) { ($0 &* 0x9E37_79B9_7F4A_7C15) ^ $1 }, component)
  }
  static func value(of packet: Packet) -> UInt64 {
    packet.payload.prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
  }

  /// Milliseconds that a stage keeps a core busy with one element.
  static func cost(of component: String) -> Double {
    switch component {
    case "video.vp8", "video.h264": 8
    case "source.video": 3
    case "video.scale", "video.overlay", "video.burn": 2
    default: 0.3
    }
  }
}

/// A track's elements on the timeline, in milliseconds.
struct SimulatedTrack {
  let kind: MediaKind
  /// Elements.
  let length: UInt64
  let bytes: Int
  private let spacing: Spacing

  private enum Spacing {
    case perSecond(UInt64)
    case milliseconds(UInt64)
  }

  /// Nil when the source has no such track.
  init?(_ kind: MediaKind, of source: Scenario.Source) {
    self.kind = kind
    switch kind {
    case .video:
      length = UInt64(source.seconds * Double(source.rate))
      bytes = source.frameBytes
      spacing = .perSecond(UInt64(source.rate))
    case .audio, .text:
      guard let track = kind == .audio ? source.sound : source.captions else { return nil }
      length = UInt64(source.seconds * 1_000 / Double(track.interval))
      bytes = track.bytes
      spacing = .milliseconds(UInt64(track.interval))
    case .muxed: return nil
    }
  }

  func timestamp(_ index: UInt64) -> Int64 {
    switch spacing {
    case .perSecond(let rate): Int64(index * 1_000 / rate)
    case .milliseconds(let interval): Int64(index * interval)
    }
  }
  /// Pictures: one of ten. Sound and text stand alone.
  func isKey(_ index: UInt64) -> Bool { kind != .video || index % 10 == 0 }
}

extension MediaKind {
  /// What a stage reads; nil for stages that read no file.
  init?(readBy component: String) {
    guard component.hasPrefix("source.") else { return nil }
    self.init(rawValue: String(component.dropFirst("source.".count)))
  }
}
