import CFFmpeg
import Vocabulary

// Vocabulary's formats to FFmpeg's codec parameters and back.

extension Rational {
  /// FFmpeg's form; parts beyond 32 bits lose precision, as FFmpeg itself rounds them.
  var av: AVRational {
    var (num, den): (Int32, Int32) = (0, 1)
    av_reduce(&num, &den, numerator, denominator, Int64(Int32.max))
    return AVRational(num: num, den: den)
  }
  /// Nil for 0/0 and n/0.
  init?(_ value: AVRational) { self.init(Int64(value.num), Int64(value.den)) }
  /// `time`, counted in this time base, in another; halves away from zero, as FFmpeg rounds.
  func rescale(_ time: Int64, to other: Rational) -> Int64 { av_rescale_q(time, av, other.av) }
}

extension MediaFormat {
  /// Codecs of a track that has not been compressed, within a worker or by the `raw` mezzanine.
  enum Uncompressed {
    static let video = "rawvideo"
    static let audio = "pcm"
    static let text = "cues"
  }

  /// What FFmpeg says of a stream or an opened codec.
  init(_ parameters: AVCodecParameters, timeBase: Rational, frameRate: Rational?) {
    let kind: MediaKind =
      switch parameters.codec_type {
      case AVMEDIA_TYPE_VIDEO: .video
      case AVMEDIA_TYPE_AUDIO: .audio
      default: .text
      }
    self.init(kind: kind, codec: String(cString: mr_codec_name(parameters.codec_id)), timeBase: timeBase)
    extradata = Array(UnsafeBufferPointer(start: parameters.extradata, count: Int(parameters.extradata_size)))
    if kind == .video {
      width = Int(parameters.width)
      height = Int(parameters.height)
      pixelFormat = av_get_pix_fmt_name(AVPixelFormat(parameters.format)).text
      if let aspect = Rational(parameters.sample_aspect_ratio), aspect.numerator > 0 { sampleAspect = aspect }
      self.frameRate = frameRate
      color.range = Int(parameters.color_range.rawValue)
      color.primaries = Int(parameters.color_primaries.rawValue)
      color.transfer = Int(parameters.color_trc.rawValue)
      color.matrix = Int(parameters.color_space.rawValue)
    } else if kind == .audio {
      sampleRate = Int(parameters.sample_rate)
      channels = Int(parameters.ch_layout.nb_channels)
      initialPadding = Int(parameters.initial_padding)
    }
  }

  /// FFmpeg's pixel format of this name; nil when it has none.
  var avPixelFormat: AVPixelFormat? {
    let format = av_get_pix_fmt(pixelFormat)
    return format == AV_PIX_FMT_NONE ? nil : format
  }

  /// Fills in `parameters` for a decoder or muxer; throws for a codec that FFmpeg does not know.
  func fill(_ parameters: UnsafeMutablePointer<AVCodecParameters>) throws {
    guard let descriptor = avcodec_descriptor_get_by_name(codec) else {
      throw MediaFailure(.unsupported, "codec “\(codec)” is unknown here")
    }
    parameters.pointee.codec_id = descriptor.pointee.id
    parameters.pointee.codec_type = descriptor.pointee.type
    if !extradata.isEmpty {
      let room = av_mallocz(extradata.count + Int(AV_INPUT_BUFFER_PADDING_SIZE))!
      extradata.withUnsafeBytes { room.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
      parameters.pointee.extradata = room.assumingMemoryBound(to: UInt8.self)
      parameters.pointee.extradata_size = Int32(extradata.count)
    }
    if kind == .video {
      parameters.pointee.width = Int32(width)
      parameters.pointee.height = Int32(height)
      parameters.pointee.format = avPixelFormat?.rawValue ?? -1
      parameters.pointee.sample_aspect_ratio = sampleAspect.av
      parameters.pointee.color_range = AVColorRange(UInt32(color.range))
      parameters.pointee.color_primaries = AVColorPrimaries(UInt32(color.primaries))
      parameters.pointee.color_trc = AVColorTransferCharacteristic(UInt32(color.transfer))
      parameters.pointee.color_space = AVColorSpace(UInt32(color.matrix))
    } else if kind == .audio {
      parameters.pointee.sample_rate = Int32(sampleRate)
      av_channel_layout_default(&parameters.pointee.ch_layout, Int32(channels))
      parameters.pointee.initial_padding = Int32(initialPadding)
      parameters.pointee.frame_size = Int32(sampleRate / 50)
    }
  }

  /// Runs `body` with codec parameters of this format.
  func withCodecParameters<Result: ~Copyable>(_ body: (UnsafeMutablePointer<AVCodecParameters>) throws -> Result) throws
    -> Result
  {
    var parameters = avcodec_parameters_alloc()
    defer { avcodec_parameters_free(&parameters) }
    try fill(parameters!)
    return try body(parameters!)
  }

  /// Samples of one slot and channel.
  var slotSamples: Int { sampleRate / 50 }
}
