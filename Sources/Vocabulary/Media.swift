/// What a track carries.
public enum MediaKind: String, Hashable, Sendable, CaseIterable {
  case video, audio, text
  /// Several tracks in one container, as a muxer hands them to a client.
  case muxed
}

/// An exact ratio in lowest terms, denominator positive: frame rates (30000/1001) and time bases (1/90000).
public struct Rational: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The numerator; carries the sign.
  public let numerator: Int64
  /// The denominator, at least 1.
  public let denominator: Int64

  /// Nil when `denominator` is 0 or a part cannot be negated. Reduces to lowest terms.
  public init?(_ numerator: Int64, _ denominator: Int64) {
    guard denominator != 0, numerator != .min, denominator != .min else { return nil }
    var (a, b) = (numerator.magnitude, denominator.magnitude)
    while b != 0 { (a, b) = (b, a % b) }
    let common = Int64(max(a, 1))
    let sign: Int64 = denominator < 0 ? -1 : 1
    self.numerator = sign * numerator / common
    self.denominator = sign * denominator / common
  }

  /// A whole number.
  public init(_ whole: Int64) {
    numerator = whole
    denominator = 1
  }

  /// `30`, `30000/1001`; nil for anything else.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let n = Int64(parts[0]), let d = parts.count == 2 ? Int64(parts[1]) : 1 else { return nil }
    self.init(n, d)
  }

  /// The nearest double.
  public var value: Double { Double(numerator) / Double(denominator) }
  public var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }
  public static func < (a: Rational, b: Rational) -> Bool {
    let (x, y) = (
      a.numerator.multipliedFullWidth(by: b.denominator), b.numerator.multipliedFullWidth(by: a.denominator)
    )
    return x.high != y.high ? x.high < y.high : x.low < y.low
  }
}

/// Where a packet stands on its track's own timeline: given once by the stage that makes the track, carried end to end.
/// Every acknowledgement, window, resume and check speaks in positions.
public struct Position: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Counts discontinuities of the source; 0 for a file.
  public let epoch: UInt32
  /// Consecutive from the start of the track: video, one a frame; audio, one a 20 ms slot; text, one a 500 ms slot;
  /// muxed, one a chunk.
  public let index: UInt64

  /// - Parameters:
  ///   - epoch: 0 for a file.
  ///   - index: on the track's own timeline.
  public init(epoch: UInt32 = 0, _ index: UInt64) {
    self.epoch = epoch
    self.index = index
  }
  public var description: String { epoch == 0 ? "\(index)" : "\(epoch).\(index)" }
  public static func < (a: Position, b: Position) -> Bool { (a.epoch, a.index) < (b.epoch, b.index) }
}

/// What an input must still hold once a packet is acknowledged: the first position of that input that any later output
/// of the group needs, warm-up included. It makes acknowledgements travel upstream and tells a replacement where to resume.
public struct Origin: Hashable, Sendable {
  /// Which of the group's inputs: its sockets in the order of its specification, then its source stages (so of a source
  /// group, 0 is the file). Numbers from ``firstMark`` are no inputs but marks that stages leave for their replacement: they are handed
  /// back on resume and acknowledge nothing.
  public let input: UInt32
  /// See ``input``.
  public static let firstMark: UInt32 = 65_536
  /// The first position still needed.
  public let position: Position
  /// That position's timestamp in the input's time base; lets a reader seek.
  public let timestamp: Int64?

  /// - Parameters:
  ///   - input: in the order of the group's specification.
  ///   - position: the first still needed.
  ///   - timestamp: in the input's time base.
  public init(input: UInt32, position: Position, timestamp: Int64?) {
    self.input = input
    self.position = position
    self.timestamp = timestamp
  }
}

/// Compressed media (or a muxed chunk, or a slot of cues) at one position.
public struct Packet: Hashable, Sendable {
  /// Where it stands.
  public var position: Position
  /// Presentation time in the format's time base.
  public var timestamp: Int64
  /// In the format's time base; 0 when unknown.
  public var duration: Int64
  /// A decoder or player can join here.
  public var isKey: Bool
  /// One for each input of the group that made it; empty when the group has none that can be replayed.
  public var origins: [Origin]
  /// The bytes, in the format that the preamble announced.
  public var payload: [UInt8]

  /// See the properties.
  public init(
    position: Position, timestamp: Int64, duration: Int64, isKey: Bool, origins: [Origin], payload: [UInt8]
  ) {
    self.position = position
    self.timestamp = timestamp
    self.duration = duration
    self.isKey = isKey
    self.origins = origins
    self.payload = payload
  }
}

/// How a video's numbers become colours, in the code points of ITU-T H.273; 0 where the source does not say.
public struct ColorDescription: Hashable, Sendable {
  /// 1 = studio swing, 2 = full.
  public var range = 0
  /// E.g. 1 = BT.709.
  public var primaries = 0
  /// E.g. 1 = BT.709.
  public var transfer = 0
  /// E.g. 1 = BT.709, 5 and 6 = BT.601.
  public var matrix = 0
  /// Nothing said.
  public init() {}
}

/// A stream's preamble: what a receiver needs before the first packet, and what joiners get again.
public struct MediaFormat: Hashable, Sendable {
  /// What the track carries.
  public var kind: MediaKind
  /// FFmpeg's codec name (`h264`, `vp8`, `flac`, `opus`, `rawvideo`), `cues` for text slots, or a container
  /// (`webm`, `mp4`, `ogg`, `webvtt`) for muxed chunks.
  public var codec: String
  /// Time base of timestamps and durations, in seconds.
  public var timeBase: Rational
  /// Codec extradata; of muxed chunks, the initialisation bytes (EBML header and tracks; ftyp and moov) that a joiner gets first.
  public var extradata: [UInt8] = []
  /// Pixels.
  public var width = 0
  /// Pixels.
  public var height = 0
  /// FFmpeg's pixel format name, e.g. `yuv420p`; empty for others than video.
  public var pixelFormat = ""
  /// Frames a second where constant; nil for variable rate and for others than video.
  public var frameRate: Rational?
  /// Of a pixel, width over height.
  public var sampleAspect = Rational(1)
  /// How numbers become colours.
  public var color = ColorDescription()
  /// Samples a second; 0 for others than audio.
  public var sampleRate = 0
  /// 1 or 2 on links; 0 for others than audio.
  public var channels = 0
  /// Samples that a decoder drops at the very start (Opus pre-skip).
  public var initialPadding = 0
  /// MIME type of muxed chunks, e.g. `video/webm; codecs="vp8, opus"`; empty for others.
  public var mimeType = ""
  /// Of a muxed stream, what is inside, e.g. [vp8 video, opus audio].
  public var tracks: [MediaFormat] = []

  /// See the properties.
  public init(kind: MediaKind, codec: String, timeBase: Rational) {
    self.kind = kind
    self.codec = codec
    self.timeBase = timeBase
  }
}

/// A track of a source, as probed.
public struct SourceTrack: Hashable, Sendable {
  /// The container's stream index, from 0.
  public var stream: Int
  /// What it carries.
  public var kind: MediaKind
  /// FFmpeg's codec name.
  public var codec: String
  /// Pixels; 0 for others than video.
  public var width = 0
  /// Pixels; 0 for others than video.
  public var height = 0
  /// Average frames a second; nil where unknown, variable or not video.
  public var frameRate: Rational?
  /// Frame times are not on a constant grid.
  public var isVariableRate = false
  /// Fields, not frames.
  public var isInterlaced = false
  /// Samples a second; 0 for others than audio.
  public var sampleRate = 0
  /// Channels; 0 for others than audio.
  public var channels = 0
  /// BCP 47 or ISO 639-2 language, as the container says; empty when unsaid.
  public var language = ""
  /// Bits a second; 0 when unknown.
  public var bitrate: Int64 = 0

  /// See the properties.
  public init(stream: Int, kind: MediaKind, codec: String) {
    self.stream = stream
    self.kind = kind
    self.codec = codec
  }
}

/// What a worker found in a source.
public struct SourceDescription: Hashable, Sendable {
  /// The content's digest.
  public var key: SourceKey
  /// FFmpeg's demuxer name, e.g. `matroska,webm`.
  public var container: String
  /// Seconds; 0 when unknown.
  public var duration: Double
  /// Bytes.
  public var size: Int64
  /// The tracks that the builder may use, in the container's order.
  public var tracks: [SourceTrack]

  /// See the properties.
  public init(key: SourceKey, container: String, duration: Double, size: Int64, tracks: [SourceTrack]) {
    self.key = key
    self.container = container
    self.duration = duration
    self.size = size
    self.tracks = tracks
  }
}
