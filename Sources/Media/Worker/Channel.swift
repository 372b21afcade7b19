import Base
import Foundation
import SwiftProtobuf
import Wire

/// The worker's end of the socket pair: length-prefixed messages both ways, without blocking. What the node does not take stays here, and
/// the job waits for it.
struct Channel {
  private let descriptor: Int32
  private var incoming: [UInt8] = []
  private var start = 0
  private var outgoing: [UInt8] = []
  private var sent = 0

  /// The longest message that a node sends: a packet of the link's size, and room around it.
  private static let longest = Limits.linkMessageBytes + (64 << 10)

  /// What one reading takes from the socket: made once, since filling it anew for each costs more than the reading, and in a debug build
  /// more than the media.
  private var page = [UInt8](unsafeUninitializedCapacity: 64 << 10) { bytes, count in
    memset(bytes.baseAddress!, 0, bytes.count)
    count = bytes.count
  }

  init(descriptor: Int32) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
  }

  /// Bytes that the node has not taken yet.
  var backlog: Int { outgoing.count - sent }

  mutating func send(_ body: WireFromWorker.OneOf_Body) {
    let bytes = WireFromWorker.with { $0.body = body }.wireBytes
    for shift in [24, 16, 8, 0] { outgoing.append(UInt8(truncatingIfNeeded: bytes.count >> shift)) }
    outgoing += bytes
  }

  /// Writes what the socket takes now.
  mutating func flush() throws(Closed) {
    while backlog > 0 {
      let count = outgoing.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, backlog, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else {
        if errno == EAGAIN || errno == EINTR { return }
        throw Closed()
      }
      sent += count
    }
    outgoing.removeAll(keepingCapacity: outgoing.capacity <= 4 << 20)
    sent = 0
  }

  /// Waits until the node sends, takes, or the time is over.
  mutating func wait(milliseconds: Int32) {
    var watched = pollfd(fd: descriptor, events: Int16(POLLIN | (backlog > 0 ? POLLOUT : 0)), revents: 0)
    _ = poll(&watched, 1, milliseconds)
  }

  /// All whole messages that have come. Throws ``Closed`` when the node is gone.
  mutating func receive() throws -> [WireToWorker.OneOf_Body] {
    var hasClosed = false
    while true {
      let count = page.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress!, $0.count, 0) }
      if count == 0 { hasClosed = true }
      if count < 0, errno != EAGAIN, errno != EINTR { hasClosed = true }
      incoming += page[..<max(0, count)]
      if count < page.count { break }
    }
    var messages: [WireToWorker.OneOf_Body] = []
    while incoming.count - start >= 4 {
      let length = incoming[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= Self.longest else { throw MediaFailure(.badMessage, "a message of \(length) bytes") }
      guard incoming.count - start - 4 >= length else { break }
      let bytes = Array(incoming[start + 4..<start + 4 + length])
      start += 4 + length
      guard let body = try WireToWorker(parsing: bytes).body else {
        throw MediaFailure(.badMessage, "a message without a known body")
      }
      messages.append(body)
    }
    if start > 1 << 20 || start == incoming.count {
      incoming.removeFirst(start)
      start = 0
    }
    if hasClosed, messages.isEmpty { throw Closed() }
    return messages
  }

  /// The node has closed its end, or died.
  struct Closed: Error {}
}
