import Base
import CFFmpeg
import Vocabulary

/// An input socket's end in the worker: queues what the node brings, and decompresses it for components that work on frames.
///
/// Its origin is a position of the stream. What a position takes to be made again depends on its codec: itself where every packet stands
/// alone, the key frame before where it does not, a few packets before where the decoder has to settle.
final class SocketInlet: Leaf {
  private enum Arrival {
    case format(MediaFormat)
    case packet(Packet, at: Instant)
    case end
  }

  let outlet = Outlet()
  private let socket: Int
  private let passesPackets: Bool
  private let deadlines: Deadlines
  private let onConsumed: (Int, Int) -> Void
  private var queue: [Arrival] = []
  private var head = 0
  private var queuedBytes = 0

  private var first: UInt64?
  private var latestStart: UInt64?
  private var format: MediaFormat?
  private var next: UInt64?
  private var lastKey: UInt64 = 0
  private var video: VideoUnpacker?
  private var audio: AudioUnpacker?

  /// - Parameters:
  ///   - passesPackets: the component wants what the link carries as it is.
  ///   - onConsumed: told the socket and the payload bytes that left the queue.
  init(_ socket: Int, passesPackets: Bool, deadlines: Deadlines, onConsumed: @escaping (Int, Int) -> Void) {
    self.socket = socket
    self.passesPackets = passesPackets
    self.deadlines = deadlines
    self.onConsumed = onConsumed
  }

  func begin(at first: UInt64?, from origin: Origin?) throws {
    self.first = first
    latestStart = origin?.position.index
  }

  // MARK: - What the node brings

  func arrive(_ format: MediaFormat) { queue.append(.format(format)) }

  func arrive(_ packet: Packet, now: Instant) throws {
    queuedBytes += packet.payload.count
    guard queuedBytes <= MediaLimits.queuedInputBytes else {
      throw MediaFailure(.badMessage, "input \(socket) holds \(queuedBytes) bytes: the node does not heed “consumed”")
    }
    queue.append(.packet(packet, at: now))
  }

  func arriveEnd() { queue.append(.end) }

  // MARK: - What the group takes

  func pump(now: Instant) throws -> Pumped {
    guard head < queue.count else { return .starved(socket) }
    let arrival = queue[head]
    head += 1
    if head > 64, head * 2 > queue.count {
      queue.removeFirst(head)
      head = 0
    }
    switch arrival {
    case .format(let fresh): try open(fresh)
    case .packet(let packet, let arrived):
      queuedBytes -= packet.payload.count
      onConsumed(socket, packet.payload.count)
      deadlines.count(due: arrived, now: now, tolerance: .milliseconds(750))
      try take(packet)
    case .end:
      try video?.finish().forEach(outlet.give)
      try audio?.finish().forEach(give)
      try outlet.end()
      return .ended
    }
    return .progressed
  }

  /// A preamble comes again after every switch of the upstream: only a different one matters.
  private func open(_ fresh: MediaFormat) throws {
    guard fresh != format else { return }
    let isFirst = format == nil
    try video?.finish().forEach(outlet.give)
    format = fresh
    var output = fresh
    if !passesPackets {
      switch fresh.kind {
      case .video:
        let unpacker = try VideoUnpacker(fresh, as: outlet.format)
        video = unpacker
        output = unpacker.output
      case .audio:
        let unpacker = try AudioUnpacker(fresh, socket: UInt32(socket), next: next)
        audio = unpacker
        output = unpacker.output
      case .text:
        guard fresh.codec == MediaFormat.Uncompressed.text else {
          throw MediaFailure(
            .unsupported, "input \(socket): text as “\(fresh.codec)” where slots of cues were expected")
        }
      case .muxed: throw MediaFailure(.unsupported, "input \(socket): muxed chunks are for clients, not for components")
      }
    }
    if isFirst { try outlet.open(output) }
  }

  private func take(_ packet: Packet) throws {
    let index = packet.position.index
    if let next {
      // What a switch of the upstream brings twice is dropped; what it leaves out cannot be made up.
      if index < next { return }
      guard index == next else {
        throw MediaFailure(.gap, "input \(socket): position \(index) came where \(next) was due")
      }
    } else if let latestStart, index > latestStart {
      throw MediaFailure(.gap, "input \(socket): begins at position \(index) where \(latestStart) was asked for")
    }
    next = index + 1
    guard let format else { throw MediaFailure(.badMessage, "input \(socket): a packet came before its format") }

    if packet.isKey || index == 0 { lastKey = index }
    let standsAlone = format.kind != .video || passesPackets || format.codec == MediaFormat.Uncompressed.video
    let before = Origin(
      input: UInt32(socket), position: Position(standsAlone ? index : lastKey), timestamp: packet.timestamp)
    let after = standsAlone ? Origin(input: UInt32(socket), position: Position(index + 1), timestamp: nil) : before
    var element = Element(
      index: index, timestamp: packet.timestamp, duration: packet.duration, before: [before], after: [after],
      content: .coded(packet.payload, isKey: packet.isKey))

    if format.kind == .text {
      element.content = .cues(try CueGrid.decoded(packet.payload))
      try give(element)
    } else if passesPackets {
      try give(element)
    } else if video != nil {
      try video!.unpack(element).forEach(give)
    } else if audio != nil {
      try audio!.unpack(element).forEach(give)
    }
  }

  private func give(_ element: Element) throws {
    if let first, element.index < first { return }
    try outlet.give(element)
  }
}

/// Decodes a link's video: one frame for each packet. A packet that gives none repeats the frame before: positions are never lost.
final class VideoUnpacker {
  let output: MediaFormat
  private var decoder: Decoder
  private let fitting: Fitting
  private var inside: [Element] = []
  private var last: Picture?

  /// - Parameter announced: what the components were told of this stream, where another format came before.
  init(_ format: MediaFormat, as announced: MediaFormat? = nil) throws {
    var output = announced ?? format
    (output.codec, output.extradata) = (MediaFormat.Uncompressed.video, [])
    guard output.width > 0, output.height > 0, output.avPixelFormat != nil else {
      throw MediaFailure(.badMessage, "a video's format without size or pixel format")
    }
    self.output = output
    fitting = Fitting(to: output)
    decoder = try format.withCodecParameters {
      try Decoder($0, timeBase: AVRational(num: 1, den: 1_000), lowDelay: true)
    }
  }

  func unpack(_ element: Element) throws -> [Element] {
    guard case .coded(let bytes, let isKey) = element.content else { return [] }
    inside.append(element)
    let packet = try CodedPacket(bytes)
    packet.pointer.pointee.pts = Int64(element.index)
    packet.pointer.pointee.dts = Int64(element.index)
    if isKey { packet.pointer.pointee.flags |= AV_PKT_FLAG_KEY }
    try decoder.send(packet)
    return try drain()
  }

  func finish() throws -> [Element] {
    try decoder.send(nil)
    let rest = try drain()
    let lost = inside.compactMap { element in last.map { element.with(.picture($0)) } }
    inside = []
    return rest + lost
  }

  private func drain() throws -> [Element] {
    var given: [Element] = []
    while true {
      let raw = Picture()
      guard try decoder.receive(raw) == .done else { return given }
      let index = UInt64(max(0, raw.pointer.pointee.pts))
      raw.pointer.pointee.pict_type = AV_PICTURE_TYPE_NONE
      let picture = try fitting.fit(raw)
      while let waiting = inside.first, waiting.index <= index {
        given.append(inside.removeFirst().with(.picture(waiting.index == index ? picture : last ?? picture)))
      }
      last = picture
    }
  }
}

/// Decodes a link's sound into slots.
final class AudioUnpacker {
  let output: MediaFormat
  private let format: MediaFormat
  /// Packets that a fresh decoder needs before it sounds right.
  private let settling: Int64
  private var decoder: Decoder
  private var resampler: Resampler?
  private var timeline: SlotTimeline?
  private var trail: Trail
  private var lastIndex: UInt64 = 0

  init(_ format: MediaFormat, socket: UInt32, next: UInt64?) throws {
    guard format.sampleRate > 0, format.sampleRate % 50 == 0, (1...2).contains(format.channels) else {
      throw MediaFailure(
        .unsupported, "sound at \(format.sampleRate) Hz with \(format.channels) channels does not divide into slots")
    }
    self.format = format
    var output = MediaFormat(
      kind: .audio, codec: MediaFormat.Uncompressed.audio, timeBase: Rational(1, Int64(format.sampleRate))!)
    output.sampleRate = format.sampleRate
    output.channels = format.channels
    self.output = output
    settling = format.codec == "flac" ? 0 : 5
    trail = Trail(window: 16)
    decoder = try format.withCodecParameters { try Decoder($0, timeBase: format.timeBase.av, lowDelay: true) }
  }

  func unpack(_ element: Element) throws -> [Element] {
    guard case .coded(let bytes, _) = element.content else { return [] }
    trail.note(element)
    lastIndex = element.index
    let packet = try CodedPacket(bytes)
    packet.pointer.pointee.pts = element.timestamp
    try decoder.send(packet)
    let frame = Picture()
    var position = format.timeBase.rescale(element.timestamp, to: output.timeBase)
    if timeline == nil {
      timeline = SlotTimeline(slot: output.slotSamples, channels: output.channels, next: element.index)
    }
    while try decoder.receive(frame) == .done {
      let raw = frame.pointer.pointee
      if resampler == nil {
        resampler = try Resampler(
          layout: raw.ch_layout, format: AVSampleFormat(raw.format), rate: Int(raw.sample_rate),
          toRate: output.sampleRate,
          toChannels: output.channels)
      }
      let samples = try resampler!.convert(frame)
      timeline!.put(samples, at: position)
      position += Int64(samples.count / output.channels)
    }
    // A damaged packet of a codec without delay leaves silence, not a hole in the positions.
    if format.codec == "flac" {
      let end = Int64(element.index + 1) * Int64(output.slotSamples)
      timeline!.put([Float](repeating: 0, count: Int(max(0, end - timeline!.end)) * output.channels), at: timeline!.end)
    }
    return cut()
  }

  func finish() -> [Element] {
    timeline?.pad()
    return cut()
  }

  private func cut() -> [Element] {
    var given: [Element] = []
    while let slot = timeline?.cut() {
      let length = Int64(output.slotSamples)
      given.append(
        Element(
          index: slot.index, timestamp: Int64(slot.index) * length, duration: length,
          before: trail.needed(for: Int64(slot.index) - settling), after: needed(after: slot.index),
          content: .sound(slot.samples)))
    }
    return given
  }

  private func needed(after index: UInt64) -> [Origin] {
    guard settling == 0, index >= lastIndex, let last = trail.needed(for: Int64(index)).first else {
      return trail.needed(for: Int64(index) + 1 - settling)
    }
    return [Origin(input: last.input, position: Position(index + 1), timestamp: nil)]
  }
}
