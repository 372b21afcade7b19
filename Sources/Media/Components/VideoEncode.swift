import CFFmpeg
import Vocabulary

/// `video.vp8`, `video.h264` and the mezzanines: one packet a frame, at once, no frame reordered. Key frames stand at every multiple of the
/// GOP in the stream's own index, so that two instances cut alike, and at the first frame after a resume.
/// Memory: none, for every decoder downstream begins anew at that key frame.
final class VideoEncode: Component {
  /// What an encoder needs to know beyond the pictures' format.
  struct Settings {
    var encoder: String
    var options: KeyValuePairs<String, String>
    /// Frames between key frames; 0: as many as there are in a second.
    var gop: Int
    /// Bits a second; 0 where the options set the quality instead.
    var bitrate: Int64 = 0
    /// Bits a second never exceeded for longer than half a second; 0: no cap.
    var cap: Int64 = 0
    /// Pixel formats to choose from, the first by default.
    var pixelFormats = ["yuv420p"]
  }

  let outlet = Outlet()
  private let settings: Settings
  private var encoder: Encoder?
  private var fitting: Fitting?
  private var first: UInt64?
  private var hasEncoded = false
  private var gop: UInt64 = 1
  private var clock = FrameClock(base: Rational(1), rate: Rational(25))
  /// Frames in the encoder, oldest first.
  private var inside: [Element] = []

  init(_ settings: Settings) { self.settings = settings }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] {
    self.first = first
    return [first]
  }

  func open(_ input: Int, _ format: MediaFormat) throws {
    let fitting = Fitting.forEncoding(format, allowed: settings.pixelFormats)
    self.fitting = fitting
    let target = fitting.target
    let rate = format.frameRate.flatMap { $0.numerator > 0 ? $0 : nil } ?? Rational(30)
    gop = UInt64(settings.gop > 0 ? settings.gop : max(1, Int(rate.value)))
    clock = FrameClock(base: format.timeBase, rate: rate)
    let encoder = try Encoder(settings.encoder, options: settings.options) { context in
      context.pointee.width = Int32(target.width)
      context.pointee.height = Int32(target.height)
      context.pointee.pix_fmt = target.avPixelFormat ?? AV_PIX_FMT_YUV420P
      context.pointee.sample_aspect_ratio = target.sampleAspect.av
      context.pointee.color_range = AVColorRange(UInt32(target.color.range))
      context.pointee.color_primaries = AVColorPrimaries(UInt32(target.color.primaries))
      context.pointee.color_trc = AVColorTransferCharacteristic(UInt32(target.color.transfer))
      context.pointee.colorspace = AVColorSpace(UInt32(target.color.matrix))
      context.pointee.time_base = AVRational(num: rate.av.den, den: rate.av.num)
      context.pointee.framerate = rate.av
      context.pointee.gop_size = Int32(gop)
      context.pointee.max_b_frames = 0
      context.pointee.bit_rate = settings.bitrate
      if settings.cap > 0 {
        context.pointee.rc_max_rate = settings.cap
        context.pointee.rc_buffer_size = Int32(clamping: settings.cap / 2)
      }
      context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT
    }
    var output = try encoder.format(timeBase: format.timeBase, frameRate: format.frameRate)
    output.sampleAspect = target.sampleAspect
    output.color = target.color
    self.encoder = consume encoder
    try outlet.open(output)
  }

  func take(_ element: Element, from input: Int) throws {
    if let first, element.index < first { return }
    guard case .picture(let picture) = element.content, let fitting, encoder != nil else { return }
    let fitted = try fitting.fit(picture)
    let frame = try Picture(sharing: fitted)
    frame.pointer.pointee.pts = clock.tick(at: element.timestamp)
    let isKey = !hasEncoded || element.index % gop == 0
    frame.pointer.pointee.pict_type = isKey ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
    hasEncoded = true
    inside.append(element)
    try encoder!.send(frame)
    try drain()
  }

  func end(_ input: Int) throws {
    if encoder != nil, hasEncoded {
      try encoder!.send(nil)
      try drain()
    }
    try outlet.end()
  }

  private func drain() throws {
    let packet = CodedPacket()
    while try encoder!.receive(packet) == .done {
      guard !inside.isEmpty else { throw MediaFailure(.internal, "\(settings.encoder) gave more packets than frames") }
      let element = inside.removeFirst()
      try outlet.give(element.with(.coded(packet.bytes, isKey: packet.isKey)))
      packet.clear()
    }
  }
}

/// Times for encoders, whose rate control wants frames counted at about their rate: the nearest free tick. The stream's own
/// timestamps go round the encoder.
struct FrameClock {
  private let base: Rational
  private let tickBase: Rational
  private var last: Int64?

  init(base: Rational, rate: Rational) {
    self.base = base
    tickBase = Rational(rate.denominator, rate.numerator) ?? Rational(1)
  }

  mutating func tick(at timestamp: Int64) -> Int64 {
    let nearest = base.rescale(timestamp, to: tickBase)
    let tick = max(nearest, last.map { $0 + 1 } ?? nearest)
    last = tick
    return tick
  }
}

extension VideoEncode.Settings {
  /// `video.vp8`: libvpx in real time, nothing held back, no hidden frames.
  static func vp8(_ parameters: Parameters) throws -> VideoEncode.Settings {
    let bitrate = Int64(try parameters.integer("bitrate", default: 1_000_000, in: 16_000...200_000_000))
    let speed = try parameters.integer("speed", default: 8, in: 0...16)
    return VideoEncode.Settings(
      encoder: "libvpx",
      options: ["deadline": "realtime", "cpu-used": "\(speed)", "lag-in-frames": "0", "auto-alt-ref": "0"],
      gop: try parameters.integer("gop", default: 30, in: 1...600), bitrate: bitrate)
  }

  /// `video.h264`: x264 without delay.
  static func h264(_ parameters: Parameters) throws -> VideoEncode.Settings {
    let presets = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"]
    let bitrate = Int64(try parameters.integer("bitrate", default: 1_500_000, in: 16_000...200_000_000))
    return VideoEncode.Settings(
      encoder: "libx264",
      options: [
        "preset": try parameters.text("preset", default: "veryfast", oneOf: presets), "tune": "zerolatency",
        "forced-idr": "1", "sc_threshold": "0",
      ],
      gop: try parameters.integer("gop", default: 30, in: 1...600), bitrate: bitrate, cap: bitrate * 2)
  }

  /// Between groups; nil for the mezzanine that needs no encoder.
  static func mezzanine(_ mezzanine: Mezzanine, cap: Int64) -> VideoEncode.Settings? {
    let formats = ["yuv420p", "yuv422p", "yuv444p"]
    switch mezzanine {
    case .raw: return nil
    case .intra, .asIs:
      return VideoEncode.Settings(
        encoder: "libx264", options: ["preset": "ultrafast", "tune": "zerolatency", "crf": "14", "forced-idr": "1"],
        gop: 1, pixelFormats: formats)
    case .longGOP:
      return VideoEncode.Settings(
        encoder: "libx264",
        options: ["preset": "superfast", "tune": "zerolatency", "crf": "20", "forced-idr": "1", "sc_threshold": "0"],
        gop: 0, cap: cap, pixelFormats: formats)
    }
  }
}

/// The `raw` mezzanine: pixels as they are, rows without padding. Memory: none.
final class RawVideo: Component {
  let outlet = Outlet()
  private var fitting: Fitting?

  func open(_ input: Int, _ format: MediaFormat) throws {
    var output = format
    output.codec = MediaFormat.Uncompressed.video
    fitting = Fitting(to: output)
    try outlet.open(output)
  }

  func take(_ element: Element, from input: Int) throws {
    guard case .picture(let original) = element.content, let fitting else { return }
    let picture = try fitting.fit(original)
    let (width, height) = (Int32(picture.width), Int32(picture.height))
    let size = try check(av_image_get_buffer_size(picture.pixelFormat, width, height, 1), "size of a raw frame")
    let bytes = try [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
      let frame = picture.pointer
      let planes = withUnsafePointer(to: &frame.pointee.data) { tuple in
        tuple.withMemoryRebound(to: UnsafePointer<UInt8>?.self, capacity: 8) { planes in
          withUnsafePointer(to: &frame.pointee.linesize) { lines in
            lines.withMemoryRebound(to: Int32.self, capacity: 8) {
              av_image_copy_to_buffer(buffer.baseAddress, size, planes, $0, picture.pixelFormat, width, height, 1)
            }
          }
        }
      }
      count = Int(try check(planes, "copying a raw frame"))
    }
    try outlet.give(element.with(.coded(bytes, isKey: true)))
  }
}
