import Base
import CFFmpeg
import Composition
import Vocabulary

/// A leaf of a group: what brings media in, from the file or a socket.
protocol Leaf: AnyObject {
  var outlet: Outlet { get }
  /// Told once, before anything else; see ``Component/resume(at:marks:)``.
  func begin(at first: UInt64?, from origin: Origin?) throws
  /// Moves one step.
  func pump(now: Instant) throws -> Pumped
}

/// A leaf that reads the file: an input with a number like the sockets'.
protocol FileLeaf: Leaf {
  var input: UInt32 { get }
}

/// What a step came to.
enum Pumped: Equatable {
  /// Something moved; there may be more.
  case progressed
  /// The socket of this number has nothing: more must come.
  case starved(Int)
  /// Live pacing holds until then.
  case notBefore(Instant)
  case ended
}

/// One track of a file, read by a source stage: opening, seeking back to an anchor, damage at the end, and pacing.
final class SourceFile {
  /// Seconds before an anchor to try, in turn; then the very start.
  private static let attempts: [Double] = [2, 15]

  let path: String
  let stageID: Int
  let streamIndex: Int
  let pace: Pace
  private let start: Int
  private(set) var demuxer: Demuxer
  private var attempt = 0
  private var readError: AVFailure?
  private let packet = CodedPacket()

  init(path: String, stage: StageSpec, kind: MediaKind, deadlines: Deadlines) throws {
    let parameters = Parameters(of: stage)
    self.path = path
    stageID = stage.id
    streamIndex = try parameters.integer("stream", in: 0...4_095)
    start = try parameters.integer("start", default: 0, in: 0...Limits.startMilliseconds)
    let pacing = try parameters.text("pacing", default: "live", oneOf: ["live", "max"])
    pace = Pace(isLive: pacing == "live" && kind != .text, deadlines: deadlines)
    demuxer = try Demuxer(path: path)
    let wanted: AVMediaType =
      kind == .video ? AVMEDIA_TYPE_VIDEO : kind == .audio ? AVMEDIA_TYPE_AUDIO : AVMEDIA_TYPE_SUBTITLE
    guard streamIndex < demuxer.streamCount, demuxer.stream(streamIndex).pointee.codecpar.pointee.codec_type == wanted
    else {
      throw MediaFailure(
        .unsupported, "\(stage.component): the source has no \(kind.rawValue) track \(streamIndex)", stage: stage.id)
    }
    demuxer.keepOnly(streamIndex)
  }

  var stream: UnsafeMutablePointer<AVStream> { demuxer.stream(streamIndex) }
  var timeBase: Rational { Rational(stream.pointee.time_base) ?? Rational(1, 1000)! }
  /// Frames before timeline zero do not count.
  var startsLater: Bool { start > 0 }
  /// Timeline zero, in the stream's time base.
  var zero: Int64 {
    av_rescale_q(demuxer.startTime + Int64(start) * 1000, AVRational(num: 1, den: 1_000_000), stream.pointee.time_base)
  }

  /// The track's next packet, valid until the next call; nil at the end, or where the file breaks.
  func next() -> CodedPacket? {
    while true {
      packet.clear()
      do {
        switch try demuxer.read(packet) {
        case .done where Int(packet.pointer.pointee.stream_index) == streamIndex: return packet
        case .done, .wantsInput: continue
        case .ended: return nil
        }
      } catch {
        readError = error
        return nil
      }
    }
  }

  /// Why the track ended early; nil where it did not, as far as the container tells.
  var damage: MediaFailure? {
    let missing = Truncation.find(path: path) ?? readError.map { "it breaks off: \($0.reason)" }
    return missing.map {
      MediaFailure(.truncated, "the source is damaged: \($0); what was readable has been delivered", stage: stageID)
    }
  }

  /// Goes back before `timestamp`, each time further than before; false: to the start of the file.
  func seek(before timestamp: Int64) throws -> Bool {
    readError = nil
    while attempt < Self.attempts.count, demuxer.seeksExactly {
      let back = Int64(Self.attempts[attempt] / timeBase.value)
      attempt += 1
      if demuxer.seek(streamIndex, before: timestamp - back) { return true }
    }
    try rewind()
    return false
  }

  /// Begins at the start of the file again.
  func rewind() throws {
    demuxer = try Demuxer(path: path)
    demuxer.keepOnly(streamIndex)
  }
}

/// Live pacing: media leaves no sooner than its time, after a burst at the start. Counts what left too late.
final class Pace {
  private let isLive: Bool
  private let deadlines: Deadlines
  private var began: (at: Instant, media: Duration)?

  init(isLive: Bool, deadlines: Deadlines) {
    self.isLive = isLive
    self.deadlines = deadlines
  }

  /// Nil: may leave now. Otherwise: not before.
  func wait(for media: Duration, now: Instant) -> Instant? {
    guard isLive else { return nil }
    let began = self.began ?? (now, media)
    self.began = began
    let due = began.at + (media - began.media) - MediaLimits.burst
    if due > now { return due }
    // After a long stop (nobody took the output) time goes on from here, rather than in one great burst.
    if now - due > MediaLimits.pacingSlack { self.began = (now, media) }
    deadlines.count(due: due, now: now, tolerance: .milliseconds(100))
    return nil
  }
}

/// Frames due and late: the real sign of saturation. Late is what waited while this worker was busy, not what waited for input, credit or time.
final class Deadlines {
  private(set) var due: UInt64 = 0
  private(set) var late: UInt64 = 0
  /// When the worker last had nothing to do.
  var lastIdle = Instant.zero

  func count(due moment: Instant, now: Instant, tolerance: Duration) {
    due += 1
    if now - max(moment, lastIdle) > tolerance { late += 1 }
  }

  /// The counts since the last call.
  func take() -> (due: UInt64, late: UInt64) {
    defer { (due, late) = (0, 0) }
    return (due, late)
  }
}
