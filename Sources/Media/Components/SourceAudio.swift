import Base
import CFFmpeg
import Vocabulary

/// `source.audio`: a file's sound in slots of 20 ms from timeline zero: one or two channels, at the file's rate, or the
/// smallest multiple of it that divides into slots.
///
/// Its origin is an anchor: the sample at which a decoded frame was placed, and that frame's time in the file, so that a replacement places
/// the same samples at the same places, however coarse the container's clock is.
final class SourceAudio: FileLeaf {
  /// A frame that stands this far from where the last one ended belongs elsewhere; below it, the container's clock is coarse.
  private static let tolerance = Duration.milliseconds(40)

  let outlet = Outlet()
  private let file: SourceFile
  let input: UInt32
  private let onDamage: (MediaFailure) -> Void
  private var decoder: Decoder
  private var resampler: Resampler?
  private var resamplerTakes: (rate: Int32, format: Int32, channels: Int32) = (0, 0, 0)
  private var format = MediaFormat(kind: .audio, codec: MediaFormat.Uncompressed.audio, timeBase: Rational(1))
  private var first: UInt64?
  private var wanted: (sample: Int64, timestamp: Int64)?
  private var timeline: SlotTimeline?
  private var anchors: [(sample: Int64, timestamp: Int64)] = []
  private var timesAreSound: Bool
  private var lastTime: Int64?
  private var hasPlaced = false
  private var isDraining = false
  private var hasDrained = false
  private var ready: Element?

  init(_ file: SourceFile, input: UInt32, onDamage: @escaping (MediaFailure) -> Void) throws {
    self.file = file
    self.input = input
    self.onDamage = onDamage
    decoder = try Self.decoder(of: file)
    timesAreSound = file.demuxer.seeksExactly
  }

  private static func decoder(of file: SourceFile) throws -> Decoder {
    try Decoder(file.stream.pointee.codecpar, timeBase: file.stream.pointee.time_base, lowDelay: false)
  }

  func begin(at first: UInt64?, from origin: Origin?) throws {
    self.first = first
    let parameters = file.stream.pointee.codecpar.pointee
    guard parameters.sample_rate > 0, parameters.ch_layout.nb_channels > 0,
      let factor = [1, 2, 5, 10, 25, 50].first(where: { Int(parameters.sample_rate) * $0 % 50 == 0 })
    else {
      throw MediaFailure(
        .unsupported, "source.audio: nothing of track \(file.streamIndex) can be decoded", stage: file.stageID)
    }
    format.sampleRate = Int(parameters.sample_rate) * factor
    format.channels = min(2, Int(parameters.ch_layout.nb_channels))
    format.timeBase = Rational(1, Int64(format.sampleRate))!
    try outlet.open(format)
    if let origin, let timestamp = origin.timestamp {
      try look(for: (Int64(origin.position.index), timestamp))
    } else {
      if file.startsLater { _ = try file.seek(before: file.zero) }
      timeline = SlotTimeline(slot: format.slotSamples, channels: format.channels, next: 0)
    }
  }

  private func look(for anchor: (sample: Int64, timestamp: Int64)) throws {
    if try file.seek(before: anchor.timestamp) {
      (wanted, timeline) = (anchor, nil)
    } else {
      (wanted, timeline) = (nil, SlotTimeline(slot: format.slotSamples, channels: format.channels, next: 0))
    }
    (lastTime, isDraining, hasDrained, hasPlaced) = (nil, false, false, false)
    anchors = []
    resampler = nil
    resamplerTakes = (0, 0, 0)
    decoder = try Self.decoder(of: file)
  }

  func pump(now: Instant) throws -> Pumped {
    if let element = ready {
      if let moment = file.pace.wait(for: .milliseconds(Int64(element.index) * 20), now: now) {
        return .notBefore(moment)
      }
      ready = nil
      try outlet.give(element)
      return .progressed
    }
    if let slot = timeline?.cut() {
      if let first, slot.index < first { return .progressed }
      ready = element(slot.index, slot.samples)
      return .progressed
    }
    let frame = Picture()
    switch hasDrained ? .ended : try decoder.receive(frame) {
    case .done: try place(frame)
    case .wantsInput: try feed()
    case .ended: return try finish()
    }
    return .progressed
  }

  private func feed() throws {
    guard !isDraining else { return }
    if let packet = file.next() {
      try decoder.send(packet)
    } else {
      isDraining = true
      try decoder.send(nil)
    }
  }

  private func finish() throws -> Pumped {
    if let wanted, timeline == nil {
      try look(for: wanted)
      return .progressed
    }
    if !hasDrained {
      hasDrained = true
      if let end = timeline?.end, resampler != nil { timeline?.put(try resampler!.convert(nil), at: end) }
      timeline?.pad()
      return .progressed
    }
    if let damage = file.damage { onDamage(damage) }
    try outlet.end()
    return .ended
  }

  private func place(_ frame: Picture) throws {
    let samples = try convert(frame)
    let time = frame.pointer.pointee.best_effort_timestamp
    if time == MR_NOPTS || time <= lastTime ?? .min { timesAreSound = false }
    if time != MR_NOPTS { lastTime = time }
    if timeline == nil, let wanted {
      if time < wanted.timestamp { return }
      if time > wanted.timestamp { return try look(for: wanted) }
      let slot = Int64(format.slotSamples)
      var fresh = SlotTimeline(
        slot: format.slotSamples, channels: format.channels, next: UInt64((wanted.sample + slot - 1) / slot))
      anchors.append(wanted)
      fresh.put(samples, at: wanted.sample)
      timeline = fresh
      (self.wanted, hasPlaced) = (nil, true)
      return
    }
    var position = timeline!.end
    if time != MR_NOPTS {
      let nominal = file.timeBase.rescale(time - file.zero, to: format.timeBase)
      let tolerated = Int64(Self.tolerance.seconds * Double(format.sampleRate))
      if !hasPlaced || abs(nominal - position) > tolerated { position = nominal }
      guard position - timeline!.end < Int64(MediaLimits.jump.seconds) * Int64(format.sampleRate) else {
        throw MediaFailure(.truncated, "sound timestamps jump to \(time)", stage: file.stageID)
      }
      if timesAreSound, position >= timeline!.end {
        anchors.append((position, time))
      }
    }
    hasPlaced = true
    timeline!.put(samples, at: position)
  }

  private func element(_ index: UInt64, _ samples: [Float]) -> Element {
    let start = Int64(index) * Int64(format.slotSamples)
    // The latest frame that began at or before this slot stays the anchor; older ones go.
    if let last = anchors.lastIndex(where: { $0.sample <= start }), last > 0 { anchors.removeFirst(last) }
    let anchor = anchors.first.flatMap { $0.sample <= start && $0.sample >= 0 ? $0 : nil }
    let origin = Origin(
      input: input, position: Position(UInt64(anchor?.sample ?? 0)), timestamp: timesAreSound ? anchor?.timestamp : nil)
    return Element(
      index: index, timestamp: start, duration: Int64(format.slotSamples), before: [origin], after: [origin],
      content: .sound(samples))
  }

  private func convert(_ frame: Picture) throws -> [Float] {
    let raw = frame.pointer.pointee
    let takes = (raw.sample_rate, raw.format, raw.ch_layout.nb_channels)
    if takes != resamplerTakes {
      resampler = try Resampler(
        layout: raw.ch_layout, format: AVSampleFormat(raw.format), rate: Int(raw.sample_rate),
        toRate: format.sampleRate,
        toChannels: format.channels)
      resamplerTakes = takes
    }
    return try resampler!.convert(frame)
  }
}
