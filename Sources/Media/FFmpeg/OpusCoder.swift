import COpus

/// Owns a libopus encoder.
struct OpusCoder: ~Copyable {
  private let encoder: OpaquePointer
  /// Samples, at the encoder's rate, by which its output lags its input.
  let lookahead: Int

  /// - Parameters:
  ///   - rate: 48, 24, 16, 12 or 8 kHz.
  ///   - complexity: 0…10.
  init(rate: Int, channels: Int, bitrate: Int, complexity: Int, fec: Bool, dtx: Bool) throws {
    var code: Int32 = 0
    guard let encoder = opus_encoder_create(Int32(rate), Int32(channels), OPUS_APPLICATION_AUDIO, &code),
      code == OPUS_OK
    else {
      throw MediaFailure(
        .unsupported, "Opus takes 48, 24, 16, 12 or 8 kHz and one or two channels, not \(rate) Hz with \(channels)")
    }
    var lag: Int32 = 0
    let set = [
      mr_opus_set_bitrate(encoder, Int32(bitrate)), mr_opus_set_complexity(encoder, Int32(complexity)),
      mr_opus_set_fec(encoder, fec ? 1 : 0), mr_opus_set_loss(encoder, fec ? 5 : 0),
      mr_opus_set_dtx(encoder, dtx ? 1 : 0),
      mr_opus_get_lookahead(encoder, &lag),
    ]
    if let refused = set.first(where: { $0 != OPUS_OK }) {
      opus_encoder_destroy(encoder)
      throw MediaFailure(.unsupported, "libopus refuses these settings: \(String(cString: opus_strerror(refused)))")
    }
    self.encoder = encoder
    lookahead = Int(lag)
  }

  deinit { opus_encoder_destroy(encoder) }

  /// One packet of one slot, at most 1,275 bytes a frame.
  mutating func encode(_ sound: [Float], samples: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: 4_000) { buffer, count in
      let length = opus_encode_float(encoder, sound, Int32(samples), buffer.baseAddress!, 4_000)
      guard length > 0 else { throw MediaFailure(.internal, "libopus: \(String(cString: opus_strerror(length)))") }
      count = Int(length)
    }
  }
}
