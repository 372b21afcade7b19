import CFFmpeg

/// A decoded picture, counted by reference. Immutable once handed on: several components may hold it.
final class Picture {
  let pointer: UnsafeMutablePointer<AVFrame>

  init() { pointer = av_frame_alloc()! }

  /// Another reference to the same pixels, whose timestamps and type can be set apart.
  init(sharing other: Picture) throws(AVFailure) {
    pointer = av_frame_alloc()!
    try check(av_frame_ref(pointer, other.pointer), "av_frame_ref")
  }

  deinit {
    var owned: UnsafeMutablePointer<AVFrame>? = pointer
    av_frame_free(&owned)
  }

  var width: Int { Int(pointer.pointee.width) }
  var height: Int { Int(pointer.pointee.height) }
  var pixelFormat: AVPixelFormat { AVPixelFormat(pointer.pointee.format) }
}

/// Compressed bytes in FFmpeg's own packet, with its padding.
final class CodedPacket {
  let pointer: UnsafeMutablePointer<AVPacket>

  init() { pointer = av_packet_alloc()! }

  /// Copies `bytes`.
  convenience init(_ bytes: [UInt8]) throws(AVFailure) {
    self.init()
    try check(av_new_packet(pointer, Int32(bytes.count)), "av_new_packet")
    guard let data = pointer.pointee.data else { return }
    bytes.withUnsafeBytes {
      UnsafeMutableRawPointer(data).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(data), byteCount: $0.count)
    }
  }

  deinit {
    var owned: UnsafeMutablePointer<AVPacket>? = pointer
    av_packet_free(&owned)
  }

  /// A copy of the payload.
  var bytes: [UInt8] { Array(UnsafeBufferPointer(start: pointer.pointee.data, count: Int(pointer.pointee.size))) }
  var isKey: Bool { pointer.pointee.flags & AV_PKT_FLAG_KEY != 0 }
  func clear() { av_packet_unref(pointer) }
}
