import CFFmpeg
import Vocabulary

/// Sound on its timeline: takes runs of samples at known places and cuts slots. Holes become silence, what overlaps is dropped;
/// so that slot index ↔ time is linear whatever the source did.
struct SlotTimeline {
  private enum Run {
    case silence(Int)
    case sound(ArraySlice<Float>)
    var count: Int {
      switch self {
      case .silence(let count): count
      case .sound(let samples): samples.count
      }
    }
  }

  private let slot: Int
  private let channels: Int
  private var runs: [Run] = []
  /// Samples held, of all channels.
  private var held = 0
  /// The slot that is cut next.
  private(set) var next: UInt64

  /// - Parameters:
  ///   - slot: samples of one channel.
  ///   - next: the first slot to be cut; sound before it is dropped.
  init(slot: Int, channels: Int, next: UInt64) {
    self.slot = slot
    self.channels = channels
    self.next = next
  }

  /// Where the next sample would stand, in samples of one channel from timeline zero.
  var end: Int64 { Int64(next) * Int64(slot) + Int64(held / channels) }
  var isEmpty: Bool { held == 0 }

  /// Puts interleaved samples at `position` (samples of one channel from timeline zero).
  mutating func put(_ samples: [Float], at position: Int64) {
    let hole = position - end
    if hole > 0 { add(.silence(Int(hole) * channels)) }
    let overlap = Int(min(max(0, -hole), Int64(samples.count / channels))) * channels
    if overlap < samples.count { add(.sound(samples[overlap...])) }
  }

  /// Silence up to the end of the slot that has begun.
  mutating func pad() {
    let rest = held % (slot * channels)
    if rest > 0 { add(.silence(slot * channels - rest)) }
  }

  /// The next slot; nil until it is complete.
  mutating func cut() -> (index: UInt64, samples: [Float])? {
    let wanted = slot * channels
    guard held >= wanted else { return nil }
    var samples: [Float] = []
    samples.reserveCapacity(wanted)
    while samples.count < wanted {
      let share = min(wanted - samples.count, runs[0].count)
      switch runs[0] {
      case .silence(let count):
        samples += repeatElement(0, count: share)
        runs[0] = .silence(count - share)
      case .sound(let slice):
        samples += slice.prefix(share)
        runs[0] = .sound(slice.dropFirst(share))
      }
      if runs[0].count == 0 { runs.removeFirst() }
    }
    held -= wanted
    defer { next += 1 }
    return (next, samples)
  }

  private mutating func add(_ run: Run) {
    runs.append(run)
    held += run.count
  }
}

/// `audio.resample`: slots to slots of the same times at another rate or number of channels. A slot is a whole number of samples at every
/// rate on links, so a fresh resampler that begins at any slot has the phase of one that ran from the start.
/// Memory: window of 2 slots before (the filter's ramp), 1 after.
final class AudioResample: Component {
  static let warmUp: UInt64 = 2

  let outlet = Outlet()
  private let rate: Int
  private let channels: Int
  private var first: UInt64?
  private var input = MediaFormat(kind: .audio, codec: MediaFormat.Uncompressed.audio, timeBase: Rational(1))
  private var resampler: Resampler?
  private var timeline: SlotTimeline?
  private var lastTaken: UInt64?
  private var trail = Trail(window: 8)

  init(_ parameters: Parameters) throws {
    rate = try parameters.integer("rate", default: 48_000, in: 8_000...192_000)
    channels = try parameters.integer("channels", default: 2, in: 1...2)
    guard rate % 50 == 0 else {
      throw MediaFailure(
        .unsupported, "audio.resample: parameter “rate” is \(rate) where a multiple of 50 Hz was expected")
    }
  }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] {
    self.first = first
    return [first.map { $0 - min($0, Self.warmUp) }]
  }

  func open(_ input: Int, _ format: MediaFormat) throws {
    self.input = format
    if format.sampleRate != rate || format.channels != channels {
      resampler = try Resampler(channels: format.channels, rate: format.sampleRate, toRate: rate, toChannels: channels)
    }
    var output = format
    output.sampleRate = rate
    output.channels = channels
    output.timeBase = Rational(1, Int64(rate))!
    try outlet.open(output)
  }

  func take(_ element: Element, from input: Int) throws {
    guard case .sound(let sound) = element.content else { return }
    trail.note(element)
    lastTaken = element.index
    if timeline == nil { timeline = SlotTimeline(slot: rate / 50, channels: channels, next: element.index) }
    try put(resampler == nil ? sound : resampler!.convert(sound, channels: self.input.channels))
  }

  func end(_ input: Int) throws {
    if let lastTaken, timeline != nil {
      if resampler != nil { try put(resampler!.convert(nil)) }
      // As many slots as came in, to the sample.
      let end = Int64(lastTaken + 1) * Int64(rate / 50)
      try put([Float](repeating: 0, count: Int(max(0, end - timeline!.end)) * channels), through: lastTaken)
    }
    try outlet.end()
  }

  private func put(_ sound: [Float], through last: UInt64 = .max) throws {
    let place = timeline!.end
    timeline!.put(sound, at: place)
    while let slot = timeline!.cut(), slot.index <= last {
      if let first, slot.index < first { continue }
      let duration = Int64(rate / 50)
      try outlet.give(
        Element(
          index: slot.index, timestamp: Int64(slot.index) * duration, duration: duration,
          before: trail.needed(for: Int64(slot.index) - Int64(Self.warmUp)),
          after: trail.needed(for: Int64(slot.index) + 1 - Int64(Self.warmUp)), content: .sound(slot.samples)))
    }
  }
}

/// `audio.opus`: straight through libopus, one packet a slot. The packet of slot k sounds `lookahead` samples late, which its timestamp
/// says; at the end one more packet, cut short, brings out the last of the sound.
/// Memory: window of 4 slots before, in which a fresh encoder and its decoder settle.
final class AudioOpus: Component {
  static let warmUp: UInt64 = 4

  let outlet = Outlet()
  private let bitrate: Int
  private let complexity: Int
  private let fec: Bool
  private let dtx: Bool
  private var coder: OpusCoder?
  private var format = MediaFormat(kind: .audio, codec: "opus", timeBase: Rational(1))
  private var first: UInt64?
  private var lastTaken: UInt64?
  private var trail = Trail(window: 8)

  init(_ parameters: Parameters) throws {
    bitrate = try parameters.integer("bitrate", default: 96_000, in: 6_000...510_000)
    complexity = try parameters.integer("complexity", default: 9, in: 0...10)
    fec = try parameters.flag("fec", default: false)
    dtx = try parameters.flag("dtx", default: false)
  }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] {
    self.first = first
    return [first.map { $0 - min($0, Self.warmUp) }]
  }

  func open(_ input: Int, _ format: MediaFormat) throws {
    let coder = try OpusCoder(
      rate: format.sampleRate, channels: format.channels, bitrate: bitrate, complexity: complexity, fec: fec, dtx: dtx)
    self.format.timeBase = Rational(1, Int64(format.sampleRate))!
    self.format.sampleRate = format.sampleRate
    self.format.channels = format.channels
    self.format.initialPadding = coder.lookahead
    self.format.extradata = Self.header(
      channels: format.channels, preSkip: coder.lookahead * 48_000 / format.sampleRate, rate: format.sampleRate)
    self.coder = consume coder
    try outlet.open(self.format)
  }

  func take(_ element: Element, from input: Int) throws {
    guard case .sound(let sound) = element.content else { return }
    trail.note(element)
    lastTaken = element.index
    try give(element.index, sound, duration: format.slotSamples)
  }

  func end(_ input: Int) throws {
    if let lastTaken, format.initialPadding > 0 {
      let silence = [Float](repeating: 0, count: format.slotSamples * format.channels)
      try give(lastTaken + 1, silence, duration: format.initialPadding)
    }
    try outlet.end()
  }

  private func give(_ index: UInt64, _ sound: [Float], duration: Int) throws {
    let packet = try coder!.encode(sound, samples: format.slotSamples)
    if let first, index < first { return }
    try outlet.give(
      Element(
        index: index, timestamp: Int64(index) * Int64(format.slotSamples) - Int64(format.initialPadding),
        duration: Int64(duration), before: trail.needed(for: Int64(index) - Int64(Self.warmUp)),
        after: trail.needed(for: Int64(index) + 1 - Int64(Self.warmUp)), content: .coded(packet, isKey: true)))
  }

  /// OpusHead (RFC 7845 §5.1), channel mapping family 0, no gain.
  static func header(channels: Int, preSkip: Int, rate: Int) -> [UInt8] {
    Array("OpusHead".utf8) + [1, UInt8(channels), UInt8(preSkip & 255), UInt8(preSkip >> 8)]
      + (0..<4).map { UInt8(truncatingIfNeeded: rate >> ($0 * 8)) } + [0, 0, 0]
  }
}

/// Sound between groups: FLAC of 16 bits, one packet a slot, each a place to begin. Memory: none.
final class AudioFLAC: Component {
  let outlet = Outlet()
  private var encoder: Encoder?
  private var format = MediaFormat(kind: .audio, codec: "flac", timeBase: Rational(1))
  private var inside: [Element] = []

  func open(_ input: Int, _ format: MediaFormat) throws {
    let encoder = try Encoder("flac", options: ["compression_level": "2"]) { context in
      context.pointee.sample_rate = Int32(format.sampleRate)
      context.pointee.sample_fmt = AV_SAMPLE_FMT_S16
      av_channel_layout_default(&context.pointee.ch_layout, Int32(format.channels))
      context.pointee.time_base = AVRational(num: 1, den: Int32(format.sampleRate))
      context.pointee.frame_size = Int32(format.slotSamples)
      context.pointee.flags |= AV_CODEC_FLAG_BITEXACT
    }
    self.format = try encoder.format(timeBase: format.timeBase, frameRate: nil)
    self.encoder = consume encoder
    try outlet.open(self.format)
  }

  func take(_ element: Element, from input: Int) throws {
    guard case .sound(let sound) = element.content else { return }
    let frame = Picture()
    frame.pointer.pointee.format = AV_SAMPLE_FMT_S16.rawValue
    frame.pointer.pointee.nb_samples = Int32(format.slotSamples)
    frame.pointer.pointee.sample_rate = Int32(format.sampleRate)
    frame.pointer.pointee.pts = element.timestamp
    av_channel_layout_default(&frame.pointer.pointee.ch_layout, Int32(format.channels))
    try check(av_frame_get_buffer(frame.pointer, 0), "room for a slot of sound")
    frame.pointer.pointee.data.0!.withMemoryRebound(to: Int16.self, capacity: sound.count) { samples in
      for (place, sample) in sound.enumerated() {
        samples[place] = Int16(max(-32_768, min(32_767, (sample * 32_768).rounded(.toNearestOrEven))))
      }
    }
    inside.append(element)
    try encoder!.send(frame)
    try drain()
  }

  func end(_ input: Int) throws {
    if encoder != nil {
      try encoder!.send(nil)
      try drain()
    }
    try outlet.end()
  }

  private func drain() throws {
    let packet = CodedPacket()
    while try encoder!.receive(packet) == .done {
      // Without bytes: the closing note on the whole stream's checksum.
      if packet.pointer.pointee.size > 0, !inside.isEmpty {
        try outlet.give(inside.removeFirst().with(.coded(packet.bytes, isKey: true)))
      }
      packet.clear()
    }
  }
}
