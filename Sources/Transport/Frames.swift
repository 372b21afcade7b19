import Base
import NIOCore

// Links and workers speak in frames: a 4-byte big-endian length, then that many bytes.

/// A frame that no peer of this protocol sends.
struct FrameError: Error, CustomStringConvertible {
  let length: Int
  let limit: Int
  var description: String { "a frame of \(length) bytes where 1 to \(limit) are allowed" }
}

struct FrameDecoder: ByteToMessageDecoder {
  typealias InboundOut = ByteBuffer
  /// Grows once the other end has said who it is.
  var limit: () -> Int

  mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
    guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else { return .needMoreData }
    guard (1...limit()).contains(Int(length)) else { throw FrameError(length: Int(length), limit: limit()) }
    guard buffer.readableBytes >= 4 + Int(length) else { return .needMoreData }
    buffer.moveReaderIndex(forwardBy: 4)
    context.fireChannelRead(wrapInboundOut(buffer.readSlice(length: Int(length))!))
    return .continue
  }

  /// What is left when the connection ends is half a frame: nobody's.
  mutating func decodeLast(
    context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
  ) throws -> DecodingState {
    let state = try decode(context: context, buffer: &buffer)
    if state == .needMoreData { buffer.clear() }
    return state
  }
}

/// Frames on their way out of one connection. They wait here, where they are counted and bounded, and not in the socket
/// layer, which gets no more than ``Limits/linkInFlightBytes`` at a time.
///
/// Confined to the connection's event loop.
final class FrameQueue {
  private(set) var queuedBytes = 0
  private(set) var sentBytes = 0
  private(set) var sentFrames = 0
  private let limit: Int
  private let onDrained: () -> Void
  private var frames = CircularBuffer<[UInt8]>()
  private var context: ChannelHandlerContext?
  private var unflushed = 0
  private var isPumping = false
  private var isFlushDue = false

  init(limit: Int, onDrained: @escaping () -> Void) {
    self.limit = limit
    self.onDrained = onDrained
  }

  /// False when the queue is full: the frame is not sent. One frame always fits into an empty queue.
  func enqueue(_ frame: [UInt8]) -> Bool {
    guard queuedBytes == 0 || queuedBytes + frame.count <= limit else { return false }
    frames.append(frame)
    queuedBytes += frame.count
    pump()
    return true
  }

  /// From now on frames flow: the connection is up.
  func open(_ context: ChannelHandlerContext) {
    self.context = context
    pump()
  }

  /// Nothing flows any more. Returns the frames that never left.
  func close() -> [[UInt8]] {
    context = nil
    defer {
      frames.removeAll()
      queuedBytes = 0
    }
    return Array(frames)
  }

  /// The connection takes more, or a frame has come.
  func pump() {
    guard let context, !isPumping else { return }
    isPumping = true
    let hadFrames = !frames.isEmpty
    while context.channel.isWritable, let frame = frames.popFirst() {
      queuedBytes -= frame.count
      sentBytes += frame.count + 4
      sentFrames += 1
      unflushed += frame.count + 4
      var buffer = context.channel.allocator.buffer(capacity: frame.count + 4)
      buffer.writeInteger(UInt32(frame.count))
      buffer.writeBytes(frame)
      context.write(NIOAny(buffer), promise: nil)
      // TLS holds back what is not flushed, and until then the connection looks writable.
      if unflushed >= Limits.linkInFlightBytes { flush() }
    }
    isPumping = false
    if unflushed > 0 { flushSoon() }
    if hadFrames, frames.isEmpty { onDrained() }
  }

  private func flush() {
    unflushed = 0
    context?.flush()
  }

  /// One system call and one TLS record for the small frames of a turn of the loop.
  private func flushSoon() {
    guard !isFlushDue, let context else { return }
    isFlushDue = true
    context.eventLoop.assumeIsolated().execute {
      self.isFlushDue = false
      self.flush()
      self.pump()
    }
  }
}
