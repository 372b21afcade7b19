import CFFmpeg
import Vocabulary

extension ContainerMux.Container {
  /// WebM, a cluster a chunk. The limits are out of reach: clusters end only where the chunks do, or a late joiner could begin without a
  /// key frame.
  static let webm = ContainerMux.Container(
    name: "webm", muxer: "webm", codecs: ["vp8", "opus"],
    options: { _ in ["live": "1", "cluster_size_limit": "8000000", "cluster_time_limit": "30000"] },
    mimeType: { "\($0)/webm" })

  /// Fragmented MP4, a fragment a chunk. Every start counts as a discontinuity, which makes FFmpeg write absolute decode times.
  static let mp4 = ContainerMux.Container(
    name: "mp4", muxer: "mp4", codecs: ["h264", "opus"],
    options: { chunk in
      [
        "movflags": "frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer", "use_editlist": "0",
        "fragment_index": "\(min(chunk, UInt64(Int32.max) - 1) + 1)",
      ]
    },
    mimeType: { "\($0)/mp4" })

  /// Ogg, a page a chunk.
  static let ogg = ContainerMux.Container(
    name: "ogg", muxer: "ogg", codecs: ["opus"],
    options: { _ in ["page_duration": "10000000", "serial_offset": "1"] },
    mimeType: { "\($0)/ogg" })
}

/// Ogg pages carry a running number under a checksum, and a muxer begins at 0: pages of a chunk take the chunk's place.
enum OggPages {
  /// Of an Opus stream: identification, comments (RFC 7845 §3).
  static let headerPages: UInt32 = 2

  /// Numbers the pages in `bytes` from `first`.
  static func renumber(_ bytes: inout [UInt8], first: UInt32) {
    var start = 0
    var number = first
    while start + 27 <= bytes.count, bytes[start..<start + 4].elementsEqual(Array("OggS".utf8)) {
      let segments = Int(bytes[start + 26])
      let body = bytes[(start + 27)..<min(bytes.count, start + 27 + segments)].reduce(0) { $0 + Int($1) }
      let end = min(bytes.count, start + 27 + segments + body)
      for byte in 0..<4 {
        bytes[start + 18 + byte] = UInt8(truncatingIfNeeded: number >> UInt32(8 * byte))
        bytes[start + 22 + byte] = 0
      }
      let checksum = bytes[start..<end].withUnsafeBufferPointer {
        av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, $0.baseAddress, $0.count).byteSwapped
      }
      for byte in 0..<4 { bytes[start + 22 + byte] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * byte)) }
      start = end
      number &+= 1
    }
  }
}

/// What browsers call codecs (RFC 6381).
enum MediaTypes {
  static func codec(_ format: MediaFormat) -> String {
    guard format.codec == "h264" else { return format.codec }
    // Profile, constraints and level are the three bytes after the start code and type of the sequence parameter set.
    let bytes = format.extradata
    guard
      let start = bytes.indices.first(where: {
        $0 + 6 < bytes.count && bytes[$0..<$0 + 3].elementsEqual([0, 0, 1]) && bytes[$0 + 3] & 31 == 7
      })
    else { return "avc1" }
    return "avc1."
      + bytes[start + 4..<start + 7].map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  }
}
