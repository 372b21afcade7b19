import Base
import HTTPTypes
import HummingbirdCore
import NIOCore

/// Delivery over HTTP: a progressive body that players append, or frames with positions (``ChunkFrame``) for `millrace request`.
extension PortalResponder {
  func media(_ service: String, output: String?, _ request: Request, _ channel: any Channel) async throws -> Response {
    let from = try request.uri.queryParameters["from"].map { text throws(Problem) in
      guard let position = UInt64(text) else {
        throw .badRequest("from", value: String(text.prefix(64)), detail: "A position is a whole number from 0.")
      }
      return position
    }
    let isFramed = request.headers[.accept]?.contains(ChunkFrame.mimeType) ?? false
    let stream = try streams.open(on: channel)
    let delivery = try await backend.openDelivery(of: service, output: output, from: from)
    stream.onClose { await delivery.close() }
    var response = Answers.stream(type: isFramed ? ChunkFrame.mimeType : delivery.mimeType) { writer in
      defer { stream.close() }
      let out = Unshared(DeliveryWriter(writer: writer, channel: channel, isFramed: isFramed))
      try await request.body.consumeWithCancellationOnInboundClose { _ in try await out.value.pass(delivery) }
      try await writer.finish(nil)
    }
    response.headers[.service] = service
    response.headers[.output] = output
    response.headers[.live] = delivery.isLive ? "true" : "false"
    if isFramed { response.headers[.mediaType] = delivery.mimeType }
    return response
  }
}

/// Writes a delivery to the client's socket, one chunk at a time.
private struct DeliveryWriter {
  var writer: any ResponseBodyWriter
  let channel: any Channel
  let isFramed: Bool

  /// Returns after the last chunk. Throws when the client left or the stream is lost: a progressive body is then cut, never
  /// closed as if it were whole.
  mutating func pass(_ delivery: any Delivery) async throws {
    try await boundBuffers()
    try await write(isFramed ? .preamble(delivery.preamble) : nil, raw: delivery.preamble)
    do {
      while let chunk = try await delivery.next() {
        try await write(isFramed ? .chunk(chunk) : nil, raw: chunk.bytes)
        await delivery.acknowledge(chunk.position)
      }
    } catch let problem as Problem where isFramed {
      try await write(.problem(problem), raw: [])
      return
    }
    if isFramed { try await write(.end, raw: []) }
  }

  /// Returns once the kernel has taken everything: the channel counts as writable only while nothing is pending, so after a turn of
  /// its loop the empty write waits for just that (and writes nothing).
  private mutating func write(_ frame: ChunkFrame?, raw: [UInt8]) async throws {
    var buffer = ByteBuffer()
    if let frame { frame.write(to: &buffer) } else { buffer.writeBytes(raw) }
    guard buffer.readableBytes > 0 else { return }
    try await writer.write(buffer)
    try await channel.eventLoop.submit {}.get()
    try await writer.write(ByteBuffer())
  }

  /// What the client has not read stays here to be resumed, not in buffers.
  private func boundBuffers() async throws {
    try await channel.setOption(.writeBufferWaterMark, value: .init(low: 1, high: 1)).get()
    #if os(Linux)
      // Option 25 is TCP_NOTSENT_LOWAT.
      let unsentLowWater = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: 25))
      try? await channel.setOption(unsentLowWater, value: SocketOptionValue(Limits.portalUnsentBytes)).get()
    #endif
  }
}

/// Hands a value to the one task that uses it next; the giver waits until that task is done.
struct Unshared<Value>: @unchecked Sendable {
  private final class Box {
    var value: Value
    init(_ value: Value) { self.value = value }
  }
  private let box: Box
  init(_ value: Value) { box = Box(value) }
  var value: Value {
    get { box.value }
    nonmutating set { box.value = newValue }
  }
}

extension HTTPField.Name {
  static let mediaType = Self("X-Millrace-Media-Type")!
}
