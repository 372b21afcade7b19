import CFFmpeg
import Vocabulary

/// Owns a decoder: one thread, no more delay than the codec itself has.
struct Decoder: ~Copyable {
  let context: UnsafeMutablePointer<AVCodecContext>
  private var isDraining = false
  private var errorsWhileDraining = 0

  /// - Parameters:
  ///   - parameters: of the stream, extradata included.
  ///   - lowDelay: the stream has no reordered frames (what a link carries): give each frame at once.
  init(_ parameters: UnsafePointer<AVCodecParameters>, timeBase: AVRational, lowDelay: Bool) throws {
    let name = String(cString: mr_codec_name(parameters.pointee.codec_id))
    guard let codec = avcodec_find_decoder(parameters.pointee.codec_id) else {
      throw MediaFailure(.unsupported, "no decoder for codec “\(name)”")
    }
    // A throwing init of a ~Copyable type does all fallible work before it sets its property.
    var fresh = avcodec_alloc_context3(codec)
    do {
      try check(avcodec_parameters_to_context(fresh, parameters), "parameters of \(name)")
      fresh!.pointee.pkt_timebase = timeBase
      fresh!.pointee.thread_count = 1
      fresh!.pointee.max_pixels = Int64(MediaLimits.pixels)
      if lowDelay { fresh!.pointee.flags |= AV_CODEC_FLAG_LOW_DELAY }
      try check(avcodec_open2(fresh, codec, nil), "opening the decoder of \(name)")
    } catch {
      avcodec_free_context(&fresh)
      throw error
    }
    context = fresh!
  }

  deinit {
    var owned: UnsafeMutablePointer<AVCodecContext>? = context
    avcodec_free_context(&owned)
  }

  /// Hands over a packet; nil starts draining. Damage is passed over, as in ``receive(_:)``: decoding goes on with the next packet.
  mutating func send(_ packet: CodedPacket?) throws(AVFailure) {
    isDraining = packet == nil
    let code = avcodec_send_packet(context, packet?.pointer)
    if code == MR_ENOMEM { throw AVFailure(code, "decoding") }
  }

  /// Takes the next frame. Decoders report damage by all kinds of codes: each counts as a frame that never was.
  mutating func receive(_ picture: Picture) throws(AVFailure) -> Step {
    let code = avcodec_receive_frame(context, picture.pointer)
    switch code {
    case 0...: return .done
    case MR_AGAIN: return isDraining ? .ended : .wantsInput
    case MR_EOF: return .ended
    case MR_ENOMEM: throw AVFailure(code, "decoding")
    default:
      guard isDraining else { return .wantsInput }
      errorsWhileDraining += 1
      return errorsWhileDraining > 64 ? .ended : .wantsInput
    }
  }
}

/// Owns an encoder that gives one packet a frame, at once.
struct Encoder: ~Copyable {
  let context: UnsafeMutablePointer<AVCodecContext>

  /// - Parameter configure: sets sizes, rates and flags before the encoder is opened.
  init(
    _ name: String, options: KeyValuePairs<String, String> = [:],
    configure: (UnsafeMutablePointer<AVCodecContext>) throws -> Void
  ) throws {
    guard let codec = avcodec_find_encoder_by_name(name) else {
      throw MediaFailure(.unsupported, "FFmpeg was built without the encoder “\(name)”")
    }
    var fresh = avcodec_alloc_context3(codec)
    do {
      try configure(fresh!)
      fresh!.pointee.thread_count = 1
      try withOptions(options) { _ = try check(avcodec_open2(fresh, codec, $0), "opening the encoder “\(name)”") }
    } catch {
      avcodec_free_context(&fresh)
      throw error
    }
    context = fresh!
  }

  deinit {
    var owned: UnsafeMutablePointer<AVCodecContext>? = context
    avcodec_free_context(&owned)
  }

  /// Hands over a frame; nil starts draining.
  mutating func send(_ picture: Picture?) throws(AVFailure) {
    try check(avcodec_send_frame(context, picture?.pointer), "encoding")
  }

  /// Takes the next packet.
  mutating func receive(_ packet: CodedPacket) throws(AVFailure) -> Step {
    try step(avcodec_receive_packet(context, packet.pointer), "encoding")
  }

  /// What the encoder says of its output, extradata included.
  func format(timeBase: Rational, frameRate: Rational?) throws -> MediaFormat {
    var parameters = avcodec_parameters_alloc()
    defer { avcodec_parameters_free(&parameters) }
    try check(avcodec_parameters_from_context(parameters, context), "parameters of the encoder")
    return MediaFormat(parameters!.pointee, timeBase: timeBase, frameRate: frameRate)
  }
}
