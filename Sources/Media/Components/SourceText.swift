import Base
import CFFmpeg
import Foundation
import Vocabulary

/// `source.text`: a file's captions as plain text in slots of 500 ms. The track is read ahead of time (nothing else tells that no cue
/// comes), so text is never paced; a replacement begins reading a little before the slot that it was told.
final class SourceText: FileLeaf {
  /// Cues of a time stand no further ahead in a file than this.
  private static let interleaving = Duration.seconds(20)
  /// How long a cue is shown whose end the file does not say.
  private static let unsaid: Int64 = 4_000

  let outlet = Outlet()
  private let file: SourceFile
  let input: UInt32
  private let onDamage: (MediaFailure) -> Void
  private let decoder: Decoder
  private var next: UInt64 = 0
  /// Read and not yet given, in order of start.
  private var cues: [Cue] = []
  private var hasRead = false

  init(_ file: SourceFile, input: UInt32, onDamage: @escaping (MediaFailure) -> Void) throws {
    self.file = file
    self.input = input
    self.onDamage = onDamage
    let parameters = file.stream.pointee.codecpar!
    guard let descriptor = avcodec_descriptor_get(parameters.pointee.codec_id),
      descriptor.pointee.props & AV_CODEC_PROP_TEXT_SUB != 0
    else {
      let name = String(cString: mr_codec_name(parameters.pointee.codec_id))
      throw MediaFailure(
        .unsupported, "source.text: captions of track \(file.streamIndex) are pictures (\(name)), not text",
        stage: file.stageID)
    }
    decoder = try Decoder(parameters, timeBase: file.stream.pointee.time_base, lowDelay: false)
  }

  func begin(at first: UInt64?, from origin: Origin?) throws {
    next = max(first ?? 0, origin?.position.index ?? 0)
    try outlet.open(CueGrid.format)
    let moment = Int64(next) * CueGrid.slotMilliseconds - Int64(Self.interleaving.milliseconds)
    guard moment > 0, file.demuxer.seeksExactly else { return }
    if try !seek(milliseconds: moment) { try file.rewind() }
  }

  private func seek(milliseconds: Int64) throws -> Bool {
    try file.seek(before: file.zero + CueGrid.timeBase.rescale(milliseconds, to: file.timeBase))
  }

  func pump(now: Instant) throws -> Pumped {
    let end = Int64(next + 1) * CueGrid.slotMilliseconds
    if !hasRead, cues.last.map({ $0.start < end }) ?? true {
      try read()
      return .progressed
    }
    if cues.isEmpty {
      if let damage = file.damage { onDamage(damage) }
      try outlet.end()
      return .ended
    }
    let due = cues.prefix { $0.start < end }
    cues.removeFirst(due.count)
    // Slot times follow from their index alone: the anchor needs no other.
    func origin(_ index: UInt64) -> Origin {
      Origin(input: input, position: Position(index), timestamp: Int64(index) * CueGrid.slotMilliseconds)
    }
    try outlet.give(
      CueGrid.element(
        next, Array(due.prefix(MediaLimits.cuesPerSlot)), before: [origin(next)], after: [origin(next + 1)]))
    next += 1
    return .progressed
  }

  private func read() throws {
    guard let packet = file.next() else {
      hasRead = true
      return
    }
    guard packet.pointer.pointee.pts != MR_NOPTS else { return }
    var subtitle = AVSubtitle()
    var found: Int32 = 0
    guard avcodec_decode_subtitle2(decoder.context, &subtitle, &found, packet.pointer) >= 0, found != 0 else { return }
    defer { avsubtitle_free(&subtitle) }
    let isASS = decoder.context.pointee.codec_id == AV_CODEC_ID_ASS
    let text = (0..<Int(subtitle.num_rects)).compactMap {
      subtitle.rects[$0].flatMap { Self.plain($0.pointee, dropsComments: isASS) }
    }
    .joined(separator: "\n")
    let start = file.timeBase.rescale(packet.pointer.pointee.pts - file.zero, to: CueGrid.timeBase)
    guard !text.isEmpty, start < Int64(MediaLimits.jump.milliseconds) * 1_000 else { return }
    let shown = file.timeBase.rescale(packet.pointer.pointee.duration, to: CueGrid.timeBase)
    let cue = Cue(start: max(0, start), end: start + (shown > 0 ? shown : Self.unsaid), text: text)
    guard cue.end > cue.start, CueGrid.slot(of: cue.start) >= next else { return }
    // Files hold cues in order, or nearly so.
    cues.insert(cue, at: (cues.lastIndex { $0.start <= cue.start } ?? -1) + 1)
  }

  /// A decoded caption's words: FFmpeg gives all kinds as lines of ASS, nine fields and the text with its markup.
  private static func plain(_ rectangle: AVSubtitleRect, dropsComments: Bool) -> String? {
    if rectangle.ass == nil { return rectangle.text.map { String(cString: $0) } }
    let fields = String(cString: rectangle.ass).split(separator: ",", maxSplits: 8, omittingEmptySubsequences: false)
    guard fields.count == 9 else { return nil }
    let words = unescaped(fields[8], dropsComments: dropsComments)
    let lines = words.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter {
      !$0.isEmpty
    }
    let text = lines.joined(separator: "\n")
    return text.utf8.count <= MediaLimits.cueBytes ? text : String(text.prefix(MediaLimits.cueBytes / 4))
  }

  /// The text of an ASS event without its escapes and `{\…}` markup; braces without a backslash are comments in ASS files, text elsewhere.
  private static func unescaped(_ event: Substring, dropsComments: Bool) -> String {
    var text = ""
    var rest = event
    while let character = rest.popFirst() {
      switch (character, rest.first) {
      case ("\\", "N"), ("\\", "n"):
        rest.removeFirst()
        text.append("\n")
      case ("\\", "h"):
        rest.removeFirst()
        text.append(" ")
      case ("\\", let escaped?) where "{}\\".contains(escaped):
        rest.removeFirst()
        text.append(escaped)
      case ("{", let next) where next == "\\" || dropsComments:
        guard let end = rest.firstIndex(of: "}") else { return text + "{" + rest }
        rest = rest[rest.index(after: end)...]
      default: text.append(character)
      }
    }
    return text
  }
}
