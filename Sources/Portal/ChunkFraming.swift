import Base
import NIOCore

/// `application/vnd.millrace.chunks`: a delivery with its positions, for clients that resume and check.
///
/// A frame is the payload's length (4 bytes), the position (8 bytes), flags (1 byte) and the payload; numbers are big-endian.
/// The first frame is the preamble; the last is the end, or the problem that ended it. A body that stops without one of these
/// was cut off, and the client resumes at its last position + 1.
public enum ChunkFrame: Hashable, Sendable {
  /// What a joiner appends first. Its position is 0 and means nothing.
  case preamble([UInt8])
  /// A piece of the stream.
  case chunk(Chunk)
  /// Everything was sent.
  case end
  /// The stream is lost for good.
  case problem(Problem)

  /// As `Accept` and `Content-Type` say it.
  public static let mimeType = "application/vnd.millrace.chunks"

  enum Flag {
    static let key: UInt8 = 1
    static let preamble: UInt8 = 2
    static let end: UInt8 = 4
    static let problem: UInt8 = 8
  }

  /// Length, position, flags.
  static let headerBytes = 13

  /// Appends the frame to `buffer`.
  func write(to buffer: inout ByteBuffer) {
    switch self {
    case .preamble(let bytes): Self.write(bytes, position: 0, flags: Flag.preamble, to: &buffer)
    case .chunk(let chunk):
      Self.write(chunk.bytes, position: chunk.position, flags: chunk.isKey ? Flag.key : 0, to: &buffer)
    case .end: Self.write([], position: 0, flags: Flag.end, to: &buffer)
    case .problem(let problem):
      Self.write((try? PortalJSON.encode(problem)) ?? [], position: 0, flags: Flag.problem, to: &buffer)
    }
  }

  private static func write(_ payload: [UInt8], position: UInt64, flags: UInt8, to buffer: inout ByteBuffer) {
    buffer.reserveCapacity(minimumWritableBytes: headerBytes + payload.count)
    buffer.writeInteger(UInt32(payload.count))
    buffer.writeInteger(position)
    buffer.writeInteger(flags)
    buffer.writeBytes(payload)
  }

  /// Takes a frame off `buffer`; nil while it is incomplete.
  /// - Throws: ``PortalClientError/brokenAnswer(_:)`` for a length or flags that no portal sends.
  static func read(from buffer: inout ByteBuffer) throws(PortalClientError) -> ChunkFrame? {
    guard let length: UInt32 = buffer.getInteger(at: buffer.readerIndex) else { return nil }
    guard length <= Limits.linkMessageBytes else { throw .brokenAnswer("a frame of \(length) bytes") }
    guard buffer.readableBytes >= headerBytes + Int(length) else { return nil }
    buffer.moveReaderIndex(forwardBy: 4)
    guard let position: UInt64 = buffer.readInteger(), let flags: UInt8 = buffer.readInteger(),
      let payload = buffer.readBytes(length: Int(length))
    else { return nil }
    switch flags {
    case 0, Flag.key: return .chunk(Chunk(bytes: payload, position: position, isKey: flags == Flag.key))
    case Flag.preamble: return .preamble(payload)
    case Flag.end: return .end
    case Flag.problem:
      guard let problem = try? PortalJSON.decode(Problem.self, from: payload) else {
        throw .brokenAnswer("a problem that is not JSON")
      }
      return .problem(problem)
    default: throw .brokenAnswer("a frame with flags \(flags)")
    }
  }
}
