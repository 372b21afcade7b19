import Vocabulary

/// What flows out of a stage, as far as planning needs to know: what it is, how much of it a second.
public enum StreamShape: Hashable, Sendable {
  /// Decoded pictures.
  case pictures(width: Int, height: Int, rate: Double)
  /// Decoded sound.
  case sound(rate: Int, channels: Int)
  /// Slots of cues.
  case cues
  /// Compressed video or audio, at a bitrate in bits a second.
  case coded(MediaKind, codec: String, bitrate: Int64)
  /// A container's chunks, at a bitrate in bits a second.
  case muxed(Delivery, bitrate: Int64)

  /// What it carries.
  public var kind: MediaKind {
    switch self {
    case .pictures: .video
    case .sound: .audio
    case .cues: .text
    case .coded(let kind, _, _): kind
    case .muxed: .muxed
    }
  }

  /// Millions of pixels a second; 0 for all but pictures.
  public var megapixels: Double {
    guard case .pictures(let width, let height, let rate) = self else { return 0 }
    return Double(width * height) * rate / 1e6
  }

  /// The ways in which it can leave a node, best first.
  public var mezzanines: [Mezzanine] {
    if case .pictures = self { [.raw, .intra, .longGOP] } else { [.asIs] }
  }

  /// Bits a second on a link, framing included. Measured at 720p30 (spikes.md): intra only, crf 14, 14 (pattern) to 36
  /// (natural) Mbit/s of 27.6 megapixels/s; superfast under a cap 3.7 to 6.9; the upper end, since a link once chosen must hold.
  public func bitrate(_ mezzanine: Mezzanine) -> Int64 {
    switch self {
    case .pictures:
      let perPixel =
        switch mezzanine {
        case .raw, .asIs: 12.0
        case .intra: 1.3
        case .longGOP: 0.25
        }
      return Int64(megapixels * perPixel * 1e6) + Self.framing
    // FLAC takes about two thirds of 16-bit speech and music.
    case .sound(let rate, let channels): return Int64(Double(rate * channels * 16) * 0.67) + Self.framing
    case .cues: return 2_000 + Self.framing
    case .coded(_, _, let bitrate), .muxed(_, let bitrate): return bitrate + bitrate / 50 + Self.framing
    }
  }

  /// Fifty packets a second with some 30 bytes of message around each.
  private static let framing: Int64 = 12_000

  /// E.g. `video 640x360 at 29.97`, `vp8 690k`.
  public var description: String {
    switch self {
    case .pictures(let width, let height, let rate): "pictures \(width)x\(height) at \(Self.rounded(rate))/s"
    case .sound(let rate, let channels):
      "sound \(rate) Hz, \(channels == 1 ? "mono" : channels == 2 ? "stereo" : "\(channels) channels")"
    case .cues: "cues"
    case .coded(_, let codec, let bitrate): "\(codec) \(Quantity.bitrate(bitrate))bit/s"
    case .muxed(let delivery, let bitrate): "\(delivery.rawValue) \(Quantity.bitrate(bitrate))bit/s"
    }
  }

  private static func rounded(_ rate: Double) -> String {
    let hundredths = Int64((rate * 100).rounded())
    guard hundredths % 100 != 0 else { return "\(hundredths / 100)" }
    let fraction = hundredths % 100
    return "\(hundredths / 100)."
      + (fraction < 10 ? "0\(fraction)" : fraction % 10 == 0 ? "\(fraction / 10)" : "\(fraction)")
  }
}

/// What a stage, or a hop between nodes, asks of a processor: in the units in which nodes are calibrated.
public struct Work: Hashable, Sendable {
  /// Megapixels a second to decode, in those of a long-GOP H.264 stream.
  public var decode = 0.0
  /// Megapixels a second to encode, in those of x264 veryfast.
  public var encode = 0.0
  /// Megapixels a second to filter, in those of a bilinear scale.
  public var filter = 0.0
  /// What does not grow with pixels, in cores.
  public var fixed = 0.0

  /// See the properties.
  public init(decode: Double = 0, encode: Double = 0, filter: Double = 0, fixed: Double = 0) {
    self.decode = decode
    self.encode = encode
    self.filter = filter
    self.fixed = fixed
  }

  /// Cores that it keeps busy on a node calibrated so; a rate that is not known counts as the catalogue's reference machine.
  public func cores(on load: LoadVector) -> Double {
    func share(_ work: Double, _ rate: Double, _ reference: Double) -> Double { work / (rate > 0 ? rate : reference) }
    return share(decode, load.decodeRate, 100) + share(encode, load.encodeRate, 30)
      + share(filter, load.filterRate, 200) + fixed
  }

  public static func + (a: Work, b: Work) -> Work {
    Work(
      decode: a.decode + b.decode, encode: a.encode + b.encode, filter: a.filter + b.filter, fixed: a.fixed + b.fixed)
  }

  /// What the sender of a stream of this shape does for a link: 720p frames took 4.1 ms intra only, 8.1 superfast, 9.9 veryfast.
  public static func sending(_ shape: StreamShape, _ mezzanine: Mezzanine) -> Work {
    let perPixel =
      switch mezzanine {
      case .intra: 0.42
      case .longGOP: 0.82
      case .raw, .asIs: 0.0
      }
    let copying = Double(shape.bitrate(mezzanine)) / 1e9 * 0.01  // TLS: 1.3 CPU seconds a gigabyte, both ends
    return Work(encode: shape.megapixels * perPixel, fixed: copying + (shape.isSound ? 0.004 : 0))
  }

  /// What its receiver does: 2.1 ms intra only, 2.9 long-GOP.
  public static func receiving(_ shape: StreamShape, _ mezzanine: Mezzanine) -> Work {
    let perPixel =
      switch mezzanine {
      case .intra: 0.72
      case .longGOP: 1.0
      case .raw, .asIs: 0.0
      }
    let copying = Double(shape.bitrate(mezzanine)) / 1e9 * 0.01
    return Work(decode: shape.megapixels * perPixel, fixed: copying + (shape.isSound ? 0.002 : 0))
  }
}

extension StreamShape {
  fileprivate var isSound: Bool { if case .sound = self { true } else { false } }
}
