import Base
import CFFmpeg
import Vocabulary

/// `source.video`: a file's frames in the order of their presentation, one position each, with the times that the file gives them.
///
/// Its origin is an anchor: a frame's position and its time in the file. A replacement goes back to a key frame before that time, decodes,
/// finds the frame by its time and counts on; where times are missing, repeated or guessed, it counts from the start.
final class SourceVideo: FileLeaf {
  let outlet = Outlet()
  private let file: SourceFile
  let input: UInt32
  private let onDamage: (MediaFailure) -> Void
  private var decoder: Decoder
  private var fitting: Fitting?
  private var nominal: Int64
  /// The first position wanted by those who know.
  private var first: UInt64?
  /// Looked for, after a seek; nil while counting.
  private var anchor: (index: UInt64, timestamp: Int64)?
  private var index: UInt64 = 0
  private var lastTime: Int64?
  private var timesAreSound: Bool
  private var ready: Element?
  private var isDraining = false
  private var packets = 0
  private var frames = 0

  init(_ file: SourceFile, input: UInt32, onDamage: @escaping (MediaFailure) -> Void) throws {
    self.file = file
    self.input = input
    self.onDamage = onDamage
    decoder = try Self.decoder(of: file)
    timesAreSound = file.demuxer.seeksExactly
    let rate = av_guess_frame_rate(nil, file.stream, nil)
    nominal = rate.num > 0 ? max(1, Rational(Int64(rate.den), Int64(rate.num))!.rescale(1, to: file.timeBase)) : 1
  }

  private static func decoder(of file: SourceFile) throws -> Decoder {
    try Decoder(file.stream.pointee.codecpar, timeBase: file.stream.pointee.time_base, lowDelay: false)
  }

  func begin(at first: UInt64?, from origin: Origin?) throws {
    self.first = first
    var format = MediaFormat(file.stream.pointee.codecpar.pointee, timeBase: file.timeBase, frameRate: nil)
    guard format.width > 0, format.height > 0, format.avPixelFormat != nil else {
      throw MediaFailure(
        .unsupported, "source.video: nothing of track \(file.streamIndex) (\(format.codec)) can be decoded",
        stage: file.stageID)
    }
    (format.codec, format.extradata) = (MediaFormat.Uncompressed.video, [])
    format.frameRate = FrameRates.constant(of: file.stream)
    fitting = Fitting(to: format)
    try outlet.open(format)
    if let origin, let timestamp = origin.timestamp {
      try look(for: (origin.position.index, timestamp))
    } else if file.startsLater {
      _ = try file.seek(before: file.zero)
    }
  }

  private func look(for anchor: (index: UInt64, timestamp: Int64)) throws {
    self.anchor = try file.seek(before: anchor.timestamp) ? anchor : nil
    (index, lastTime, isDraining) = (0, nil, false)
    decoder = try Self.decoder(of: file)
  }

  func pump(now: Instant) throws -> Pumped {
    if let element = ready {
      let time = Duration.fromSeconds(Double(element.timestamp) * file.timeBase.value)
      if let moment = file.pace.wait(for: time, now: now) { return .notBefore(moment) }
      ready = nil
      try outlet.give(element)
      return .progressed
    }
    let picture = Picture()
    switch try decoder.receive(picture) {
    case .done: try place(picture)
    case .wantsInput: try feed()
    case .ended:
      if let anchor {
        try look(for: anchor)
        return .progressed
      }
      if let damage = file.damage {
        onDamage(damage)
      } else if frames == 0, packets > 0 {
        onDamage(
          MediaFailure(
            .unsupported, "source.video: no frame of \(packets) packets could be decoded", stage: file.stageID))
      }
      try outlet.end()
      return .ended
    }
    return .progressed
  }

  private func feed() throws {
    guard !isDraining else { return }
    if let packet = file.next() {
      packets += 1
      try decoder.send(packet)
    } else {
      isDraining = true
      try decoder.send(nil)
    }
  }

  private func place(_ picture: Picture) throws {
    frames += 1
    let length = picture.pointer.pointee.pkt_duration > 0 ? picture.pointer.pointee.pkt_duration : nominal
    var time = picture.pointer.pointee.best_effort_timestamp
    if time == MR_NOPTS || time <= lastTime ?? .min {
      // No time of its own: after the frame before, and never again an anchor.
      timesAreSound = false
      time = time == MR_NOPTS ? lastTime.map { $0 + nominal } ?? file.zero : lastTime! + 1
    }
    if let lastTime, time - lastTime > Int64(MediaLimits.jump.seconds / file.timeBase.value) {
      throw MediaFailure(.truncated, "video timestamps jump from \(lastTime) to \(time)", stage: file.stageID)
    }
    lastTime = time
    if let wanted = anchor {
      if time < wanted.timestamp { return }
      if time > wanted.timestamp { return try look(for: wanted) }
      index = wanted.index
      anchor = nil
    }
    if file.startsLater, time < file.zero { return }
    defer { index += 1 }
    if let first, index < first { return }
    let origin = Origin(input: input, position: Position(index), timestamp: timesAreSound ? time : nil)
    picture.pointer.pointee.pict_type = AV_PICTURE_TYPE_NONE
    ready = Element(
      index: index, timestamp: time - file.zero, duration: length, before: [origin], after: [origin],
      content: .picture(try fitting!.fit(picture)))
  }
}

/// Constant or variable, as far as the container tells.
enum FrameRates {
  /// Frames a second where all are equally long.
  static func constant(of stream: UnsafeMutablePointer<AVStream>) -> Rational? {
    let (average, base) = (stream.pointee.avg_frame_rate, stream.pointee.r_frame_rate)
    guard let average = Rational(average), let base = Rational(base), average.numerator > 0, base.numerator > 0,
      abs(average.value / base.value - 1) < 0.02, base.value <= 480
    else { return nil }
    return base
  }
}
