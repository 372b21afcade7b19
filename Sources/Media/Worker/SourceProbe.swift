import CFFmpeg
import Foundation
import Identity
import Vocabulary

/// Says what a file holds: its tracks, as far as components can use them, and its content's digest.
enum SourceProbe {
  /// Throws source_missing, not_media, truncated (nothing can be read of it) or unsupported (no track can be used).
  static func look(at path: String) throws -> SourceDescription {
    alarm(UInt32(MediaLimits.probe.seconds))
    var demuxer = try Demuxer(path: path)
    let rates = try constantRates(&demuxer)
    let tracks = (0..<demuxer.streamCount).compactMap { track($0, demuxer.stream($0), isConstant: rates[$0] ?? false) }
    guard !tracks.isEmpty else {
      let name = (path as NSString).lastPathComponent
      throw MediaFailure(.unsupported, "“\(name)” (\(demuxer.container)) has no track that can be decoded")
    }
    let container = demuxer.container
    let duration = demuxer.context.pointee.duration
    alarm(0)
    let (key, size) = try digest(path)
    return SourceDescription(
      key: key, container: container, duration: duration > 0 ? Double(duration) / Double(AV_TIME_BASE) : 0, size: size,
      tracks: tracks)
  }

  private static func track(
    _ index: Int, _ stream: UnsafeMutablePointer<AVStream>, isConstant: Bool
  ) -> SourceTrack? {
    let parameters = stream.pointee.codecpar.pointee
    guard stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC == 0,
      avcodec_find_decoder(parameters.codec_id) != nil
    else {
      return nil
    }
    let name = String(cString: mr_codec_name(parameters.codec_id))
    var track: SourceTrack
    switch parameters.codec_type {
    case AVMEDIA_TYPE_VIDEO where parameters.width > 0 && parameters.height > 0:
      track = SourceTrack(stream: index, kind: .video, codec: name)
      track.width = Int(parameters.width)
      track.height = Int(parameters.height)
      let average = Rational(stream.pointee.avg_frame_rate).flatMap { $0.numerator > 0 ? $0 : nil }
      track.frameRate = isConstant ? FrameRates.constant(of: stream) ?? average : nil
      track.isVariableRate = !isConstant
      track.isInterlaced = parameters.field_order.rawValue > AV_FIELD_PROGRESSIVE.rawValue
    case AVMEDIA_TYPE_AUDIO where parameters.sample_rate > 0 && parameters.ch_layout.nb_channels > 0:
      track = SourceTrack(stream: index, kind: .audio, codec: name)
      track.sampleRate = Int(parameters.sample_rate)
      track.channels = Int(parameters.ch_layout.nb_channels)
    case AVMEDIA_TYPE_SUBTITLE:
      guard let descriptor = avcodec_descriptor_get(parameters.codec_id),
        descriptor.pointee.props & AV_CODEC_PROP_TEXT_SUB != 0
      else { return nil }
      track = SourceTrack(stream: index, kind: .text, codec: name)
    default: return nil
    }
    if let language = av_dict_get(stream.pointee.metadata, "language", nil, 0) {
      track.language = String(String(cString: language.pointee.value).prefix(16))
    }
    track.bitrate = max(0, parameters.bit_rate)
    return track
  }

  /// Which video tracks keep a constant rate: the container says so, and the times of the first packets agree.
  private static func constantRates(_ demuxer: inout Demuxer) throws -> [Int: Bool] {
    var times: [Int: [Int64]] = [:]
    let packet = CodedPacket()
    for _ in 0..<MediaLimits.probedPackets {
      packet.clear()
      guard let step = try? demuxer.read(packet), step == .done else { break }
      let index = Int(packet.pointer.pointee.stream_index)
      guard index < demuxer.streamCount, packet.pointer.pointee.pts != MR_NOPTS else { continue }
      times[index, default: []].append(packet.pointer.pointee.pts)
    }
    var constant: [Int: Bool] = [:]
    for index in 0..<demuxer.streamCount {
      let stream = demuxer.stream(index)
      guard stream.pointee.codecpar.pointee.codec_type == AVMEDIA_TYPE_VIDEO else { continue }
      guard let rate = FrameRates.constant(of: stream) else {
        constant[index] = false
        continue
      }
      let length = stream.pointee.time_base.num > 0 ? 1 / rate.value / av_q2d(stream.pointee.time_base) : 1
      // The last frames may still lack those that are shown before them.
      let sorted = (times[index] ?? []).sorted().dropLast(4)
      let steps = zip(sorted, sorted.dropFirst()).map { Double($1 - $0) }
      constant[index] = steps.allSatisfy { abs($0 - length) <= max(2, length * 0.3) }
    }
    return constant
  }

  private static func digest(_ path: String) throws -> (SourceKey, Int64) {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw MediaFailure(.sourceMissing, "“\(path)” may not be read")
    }
    defer { try? file.close() }
    var digest = IncrementalDigest(kind: "source")
    var size: Int64 = 0
    var room = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = room.withUnsafeMutableBytes { read(file.fileDescriptor, $0.baseAddress!, $0.count) }
      guard count > 0 else { break }
      room.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      size += Int64(count)
    }
    return (SourceKey(digest.finish()), size)
  }
}
