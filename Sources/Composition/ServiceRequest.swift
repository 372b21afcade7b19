import Base
import Identity
import Vocabulary

// What a client asks for: what, not how. The document (YAML or JSON; JSON is YAML) reads like this, `source` alone being
// required:
//
//     source: millrace://NODEID/talks/talk.mkv   # NODEID in base32; the path is relative to that node's share
//     title: A talk
//     start: beginning          # or a time: 90s, 1500ms, 1:30, 0:01:30.5
//     pacing: live              # or max: as fast as the chain goes
//     delivery: webm            # or mp4, ogg (sound alone), webvtt (captions alone); by default what fits the rest
//     latency: 2s               # bound on what stages and links may add; by default none
//     video:                    # or none
//       codec: vp8              # or h264
//       height: 360             # or size: 640x360
//       fps: 30000/1001
//       bitrate: 800k
//       gop: 60                 # frames from key frame to key frame
//       overlay: {text: Hello, x: 16, y: 16, size: 24, color: white}
//       captions: burn          # or none
//     audio: {codec: opus, bitrate: 96k, rate: 48000, channels: 2}       # or none
//     captions: {language: en, shift: 1.5s, deliver: webvtt}             # or none; deliver: none only burns
//
// What is left unsaid is taken where the source has it and the delivery can carry it; what is said and cannot be had is refused.

/// A request for a streaming media service, checked.
public struct ServiceRequest: Hashable, Sendable {
  /// Which media, and whose.
  public var source: SourceReference
  /// For people; empty when unsaid.
  public var title = ""
  /// Where in the source the stream begins, in milliseconds from its start; 0 is the beginning.
  public var start: Int64 = 0
  /// Real time or as fast as possible.
  public var pacing = Pacing.live
  /// The main output's container; nil lets the builder choose.
  public var delivery: Delivery?
  /// What stages and links may add between the reader and the client, in milliseconds; nil for no bound.
  public var latency: Int64?
  /// The picture.
  public var video = Wish<VideoWish>.unsaid
  /// The sound.
  public var audio = Wish<AudioWish>.unsaid
  /// The text.
  public var captions = Wish<CaptionWish>.unsaid

  /// A request for all that the source has.
  public init(source: SourceReference) { self.source = source }
}

/// What the client said of one kind of media.
public enum Wish<Asked: Hashable & Sendable>: Hashable, Sendable {
  /// Nothing: taken where the source has it and the delivery carries it.
  case unsaid
  /// It is not wanted.
  case none
  /// It must be there.
  case asked(Asked)
}

/// `millrace://NODEID/path`: a file in the share of a node.
public struct SourceReference: Hashable, Sendable, CustomStringConvertible {
  /// The node that shares it.
  public let node: NodeID
  /// Relative to the node's share, `/` between parts, none of them empty, `.` or `..`; taken literally (no percent signs decoded).
  public let path: String

  /// Nil when the path is empty, absolute, too long (``Base/Limits/sourcePathBytes``), leaves the share, or holds control characters.
  public init?(node: NodeID, path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard !path.isEmpty, path.utf8.count <= Limits.sourcePathBytes, !path.containsControlCharacters,
      parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
    else { return nil }
    self.node = node
    self.path = path
  }

  /// Nil when `text` is not of the form `millrace://NODEID/path`.
  public init?(_ text: String) {
    let scheme = "millrace://"
    guard text.hasPrefix(scheme) else { return nil }
    let rest = text.dropFirst(scheme.count)
    guard let slash = rest.firstIndex(of: "/"), let node = NodeID(rest[..<slash]) else { return nil }
    self.init(node: node, path: String(rest[rest.index(after: slash)...]))
  }

  public var description: String { "millrace://\(node)/\(path)" }
}

/// How fast a source is read.
public enum Pacing: String, Hashable, Sendable, CaseIterable {
  /// In real time, after a first burst.
  case live
  /// As fast as the chain and the client take it.
  case max
}

/// A container that clients receive.
public enum Delivery: String, Hashable, Sendable, CaseIterable {
  /// Progressive WebM: VP8 and Opus.
  case webm
  /// Fragmented MP4: H.264 and Opus.
  case mp4
  /// Ogg Opus: sound alone.
  case ogg
  /// WebVTT: captions alone.
  case webvtt

  /// The component that makes it.
  public var component: String { "mux.\(rawValue)" }
}

/// What is asked of the picture. Nil is the builder's choice.
public struct VideoWish: Hashable, Sendable {
  /// VP8 goes in WebM, H.264 in MP4.
  public enum Codec: String, Hashable, Sendable, CaseIterable { case vp8, h264 }
  /// How large.
  public enum Size: Hashable, Sendable {
    /// Pixels, 16…``Base/Limits/pictureSide`` each; odd ones are rounded down to even.
    case exact(width: Int, height: Int)
    /// Pixels; the width follows from the source's shape.
    case height(Int)
  }
  /// A line of text over the picture, in output pixels.
  public struct Overlay: Hashable, Sendable {
    /// One line, in NFC.
    public var text: String
    /// Pixels from the left.
    public var x = 16
    /// Pixels from the top.
    public var y = 16
    /// Font size in pixels, 6…512.
    public var size = 24
    /// `#rrggbb`, lower case.
    public var color = "#ffffff"
    /// - Parameter text: one line, at most ``Base/Limits/overlayTextBytes``.
    public init(text: String) { self.text = text }
  }
  /// Nil: what the delivery carries.
  public var codec: Codec?
  /// Nil: the source's.
  public var size: Size?
  /// Frames a second, 1…120; nil: the source's.
  public var rate: Rational?
  /// Bits a second, 50 k…50 M; nil: by size and rate.
  public var bitrate: Int64?
  /// Frames from key frame to key frame, 1…600; nil: two seconds.
  public var gop: Int64?
  /// Nil: none.
  public var overlay: Overlay?
  /// Whether captions are drawn into the picture.
  public var burnsCaptions = false
  /// A picture as the source has it.
  public init() {}
}

/// What is asked of the sound. Nil is the builder's choice.
public struct AudioWish: Hashable, Sendable {
  /// Bits a second, 6 k…510 k; nil: by channels.
  public var bitrate: Int64?
  /// Samples a second, one of ``rates``; nil: 48,000.
  public var rate: Int64?
  /// 1 or 2; nil: the source's, at most 2.
  public var channels: Int64?
  /// What Opus codes (RFC 6716 §2.1.3).
  public static let rates: [Int64] = [8_000, 12_000, 16_000, 24_000, 48_000]
  /// Sound as the source has it.
  public init() {}
}

/// What is asked of the captions.
public struct CaptionWish: Hashable, Sendable {
  /// As the container names it (`en`, `eng`); empty: the first text track.
  public var language = ""
  /// Milliseconds later (or, below 0, earlier); within an hour.
  public var shift: Int64 = 0
  /// Whether they are delivered as WebVTT. Nil: yes, unless they are burned in.
  public var isDelivered: Bool?
  /// The source's captions as they are.
  public init() {}
}

extension String {
  /// C0, C1, DEL and Unicode's line breaks: nothing that a person meant to write on one line.
  var containsControlCharacters: Bool {
    unicodeScalars.contains {
      $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || [0x2028, 0x2029].contains($0.value)
    }
  }
}
