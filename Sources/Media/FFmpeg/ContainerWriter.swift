import CFFmpeg
import Vocabulary

/// Owns a muxer that writes into memory: first the initialisation bytes, then piece by piece. Bit-exact: two instances for the same
/// tracks begin with the same bytes, and one that begins later goes on where another stopped.
struct ContainerWriter: ~Copyable {
  /// What FFmpeg's output callback appends to.
  private final class Buffer { var bytes: [UInt8] = [] }

  private let context: UnsafeMutablePointer<AVFormatContext>
  private let io: UnsafeMutablePointer<AVIOContext>
  private let buffer: Unmanaged<Buffer>
  private let bases: [Rational]
  /// Timestamps of the last packet of each track, for FFmpeg's own checks.
  private var lastTimes: [Int64]

  /// Writes the header.
  ///
  /// - Parameters:
  ///   - muxer: FFmpeg's name.
  ///   - tracks: in the order of their numbers.
  init(_ muxer: String, tracks: [MediaFormat], options: KeyValuePairs<String, String>) throws {
    var fresh: UnsafeMutablePointer<AVFormatContext>?
    try check(avformat_alloc_output_context2(&fresh, nil, muxer, nil), "the muxer “\(muxer)”")
    let context = fresh!
    let buffer = Unmanaged.passRetained(Buffer())
    let room: Int32 = 64 << 10
    let io = avio_alloc_context(
      av_malloc(Int(room))!.assumingMemoryBound(to: UInt8.self), room, 1, buffer.toOpaque(), nil,
      { opaque, bytes, count in
        guard let opaque, let bytes else { return MR_EINVAL }
        Unmanaged<Buffer>.fromOpaque(opaque).takeUnretainedValue().bytes += UnsafeBufferPointer(
          start: bytes, count: Int(count))
        return count
      }, nil)!
    io.pointee.seekable = 0
    context.pointee.pb = io
    context.pointee.flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT
    context.pointee.avoid_negative_ts = 0
    do {
      for track in tracks {
        guard let stream = avformat_new_stream(context, nil) else { throw AVFailure(MR_ENOMEM, "a track of the muxer") }
        try track.fill(stream.pointee.codecpar)
        stream.pointee.time_base = track.timeBase.av
        stream.pointee.sample_aspect_ratio = track.sampleAspect.av
        if let rate = track.frameRate { stream.pointee.avg_frame_rate = rate.av }
      }
      try withOptions(options) { _ = try check(avformat_write_header(context, $0), "beginning a \(muxer) stream") }
    } catch {
      Self.free(context, io, buffer)
      throw error
    }
    avio_flush(io)
    bases = tracks.map(\.timeBase)
    lastTimes = Array(repeating: .min, count: tracks.count)
    (self.context, self.io, self.buffer) = (context, io, buffer)
  }

  deinit { Self.free(context, io, buffer) }

  private static func free(
    _ context: UnsafeMutablePointer<AVFormatContext>, _ io: UnsafeMutablePointer<AVIOContext>,
    _ buffer: Unmanaged<Buffer>
  ) {
    avformat_free_context(context)
    // The buffer may have been exchanged since it was handed over: free it through its owner.
    av_freep(&io.pointee.buffer)
    var owned: UnsafeMutablePointer<AVIOContext>? = io
    avio_context_free(&owned)
    buffer.release()
  }

  /// What was written since the last call.
  mutating func takeBytes() -> [UInt8] {
    avio_flush(io)
    let box = buffer.takeUnretainedValue()
    defer { box.bytes = [] }
    return box.bytes
  }

  /// Writes one packet. Tracks' packets come in the order of their times.
  mutating func write(_ bytes: [UInt8], track: Int, timestamp: Int64, duration: Int64, isKey: Bool) throws {
    let stream = context.pointee.streams[track]!
    let base = Rational(stream.pointee.time_base) ?? Rational(1, 1000)!
    let packet = try CodedPacket(bytes)
    let time = max(bases[track].rescale(timestamp, to: base), lastTimes[track])
    lastTimes[track] = time
    packet.pointer.pointee.stream_index = Int32(track)
    packet.pointer.pointee.pts = time
    packet.pointer.pointee.dts = time
    packet.pointer.pointee.duration = bases[track].rescale(duration, to: base)
    if isKey { packet.pointer.pointee.flags |= AV_PKT_FLAG_KEY }
    try trim(packet, duration: duration, track: track)
    try check(av_write_frame(context, packet.pointer), "muxing")
  }

  /// Opus packets shorter than their slot are told to end early.
  private func trim(_ packet: CodedPacket, duration: Int64, track: Int) throws {
    let parameters = context.pointee.streams[track]!.pointee.codecpar.pointee
    guard parameters.codec_id == AV_CODEC_ID_OPUS, duration < Int64(parameters.frame_size),
      packet.pointer.pointee.size > 0
    else { return }
    guard let data = av_packet_new_side_data(packet.pointer, AV_PKT_DATA_SKIP_SAMPLES, 10) else {
      throw AVFailure(MR_ENOMEM, "muxing")
    }
    let rate = Int64(parameters.sample_rate)
    let discard = UInt32((Int64(parameters.frame_size) - duration) * 48_000 / rate)
    for byte in 0..<10 { data[byte] = 0 }
    for byte in 0..<4 { data[4 + byte] = UInt8(truncatingIfNeeded: discard >> (UInt32(byte) * 8)) }
  }

  /// Ends the piece: a cluster, a fragment, a page.
  mutating func cut() throws { try check(av_write_frame(context, nil), "ending a chunk") }

  /// Ends the stream.
  mutating func finish() throws { try check(av_write_trailer(context), "ending the stream") }
}
