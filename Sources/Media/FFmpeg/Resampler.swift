import CFFmpeg
import Vocabulary

/// Owns a resampler towards interleaved floats. Its first output sample stands where its first input sample stood.
struct Resampler: ~Copyable {
  private let context: OpaquePointer
  private let ratio: Double
  private let channels: Int

  /// From FFmpeg's frames of the given shape.
  init(layout: AVChannelLayout, format: AVSampleFormat, rate: Int, toRate: Int, toChannels: Int) throws {
    var (input, output) = (layout, AVChannelLayout())
    if input.order == AV_CHANNEL_ORDER_UNSPEC { av_channel_layout_default(&input, layout.nb_channels) }
    av_channel_layout_default(&output, Int32(toChannels))
    var fresh: OpaquePointer?
    do {
      try check(
        swr_alloc_set_opts2(&fresh, &output, AV_SAMPLE_FMT_FLT, Int32(toRate), &input, format, Int32(rate), 0, nil),
        "choosing a resampler")
      try check(swr_init(fresh), "starting the resampler")
    } catch {
      swr_free(&fresh)
      throw error
    }
    context = fresh!
    ratio = Double(toRate) / Double(rate)
    channels = toChannels
  }

  /// From interleaved floats.
  init(channels: Int, rate: Int, toRate: Int, toChannels: Int) throws {
    var layout = AVChannelLayout()
    av_channel_layout_default(&layout, Int32(channels))
    try self.init(layout: layout, format: AV_SAMPLE_FMT_FLT, rate: rate, toRate: toRate, toChannels: toChannels)
  }

  deinit {
    var owned: OpaquePointer? = context
    swr_free(&owned)
  }

  /// The samples that a frame gives now; nil gives what is still inside.
  mutating func convert(_ frame: Picture?) throws -> [Float] {
    guard let frame else { return try convert(nil, samples: 0) }
    let planes = UnsafeMutableRawPointer(frame.pointer.pointee.extended_data!).assumingMemoryBound(
      to: UnsafePointer<UInt8>?.self)
    return try convert(planes, samples: frame.pointer.pointee.nb_samples)
  }

  /// The samples that interleaved floats give now.
  mutating func convert(_ sound: [Float], channels inputChannels: Int) throws -> [Float] {
    try sound.withUnsafeBytes { bytes in
      var plane = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      return try withUnsafeMutablePointer(to: &plane) { try convert($0, samples: Int32(sound.count / inputChannels)) }
    }
  }

  private mutating func convert(_ planes: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, samples: Int32) throws
    -> [Float]
  {
    let room = Int(swr_get_out_samples(context, samples)) + 64
    return try [Float](unsafeUninitializedCapacity: room * channels) { buffer, count in
      var out: UnsafeMutablePointer<UInt8>? = UnsafeMutableRawPointer(buffer.baseAddress!).assumingMemoryBound(
        to: UInt8.self)
      count = Int(try check(swr_convert(context, &out, Int32(room), planes, samples), "resampling")) * channels
    }
  }
}
