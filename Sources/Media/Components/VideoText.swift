import CFFmpeg
import Foundation
import Vocabulary

/// Text as a filter: one `drawtext` a line, outlined, taken literally.
enum DrawnText {
  /// The first of the usual places that has a plain sans-serif face; nil leaves the choice to fontconfig, which is slow to start.
  static let fontFile: String? = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/Library/Fonts/Arial Unicode.ttf",
  ].first { FileManager.default.fileExists(atPath: $0) }

  /// - Parameters:
  ///   - x: an expression of FFmpeg's drawtext, never a client's.
  ///   - y: as `x`.
  static func line(_ text: String, x: String, y: String, size: Int, color: String) -> FilterGraph.Filter {
    let font: (String, String) = fontFile.map { ("fontfile", $0) } ?? ("font", "Sans")
    return FilterGraph.Filter(
      name: "drawtext",
      options: [
        font.0: font.1, "expansion": "none", "text": text, "x": x, "y": y, "fontsize": "\(size)", "fontcolor": color,
        "borderw": "\(max(1, size / 12))", "bordercolor": "black",
      ])
  }

  /// `text` without what no font shows: control characters, direction overrides, NUL.
  static func printable(_ text: some StringProtocol) -> String {
    let kept = text.unicodeScalars.filter { scalar in
      scalar.properties.generalCategory != .control && !(0x202A...0x202E).contains(scalar.value)
        && !(0x2066...0x2069).contains(scalar.value)
    }
    return String(String.UnicodeScalarView(kept))
  }
}

/// `video.overlay`: a client's text at a fixed place, taken literally. Memory: none.
final class VideoOverlay: Component {
  let outlet = Outlet()
  private let filters: [FilterGraph.Filter]
  private var graph: FilterGraph?

  init(_ parameters: Parameters) throws {
    let x = try parameters.integer("x", default: 16, in: 0...8192)
    let y = try parameters.integer("y", default: 16, in: 0...8192)
    let size = try parameters.integer("size", default: 24, in: 6...400)
    let color = try parameters.text("color", default: "white")
    var parsed: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
    guard color != "random",
      withUnsafeMutableBytes(of: &parsed, { av_parse_color($0.baseAddress, color, -1, nil) }) >= 0
    else {
      throw MediaFailure(
        .unsupported, "video.overlay: parameter “color” is “\(color)” where a colour's name or #RRGGBB was expected")
    }
    filters = try parameters.text("text").split(whereSeparator: \.isNewline).enumerated().compactMap { number, line in
      let text = DrawnText.printable(line)
      guard !text.isEmpty else { return nil }
      return DrawnText.line(text, x: "\(x)", y: "\(y + number * size * 5 / 4)", size: size, color: color)
    }
  }

  func open(_ input: Int, _ format: MediaFormat) throws {
    if !filters.isEmpty { graph = try FilterGraph(filters, from: format, to: format.pixelFormat) }
    try outlet.open(format)
  }

  func take(_ element: Element, from input: Int) throws {
    guard case .picture(let picture) = element.content, graph != nil else { return try outlet.give(element) }
    try outlet.give(element.with(.picture(try graph!.apply(to: picture))))
  }
}

/// `video.burn`: captions drawn into the picture while they last: centred, outlined, from the bottom up.
/// A frame waits until the text is known up to its time. Memory: none of the video, of the text back to the oldest cue still shown.
final class VideoBurn: Component {
  let outlet = Outlet()
  private let size: Int
  private let margin: Int
  private var format: MediaFormat?
  private var graph: FilterGraph?
  /// What the graph draws.
  private var shown: [Cue] = []

  /// Cues that may still be shown, each with what it takes to get its slot again.
  private var cues: [(cue: Cue, before: [Origin])] = []
  /// Milliseconds up to which all cues are known.
  private var known: Int64 = 0
  private var textNeeds: [Origin] = []
  private var textEnded = false
  private var waiting: Element?
  private var videoEnded = false

  init(_ parameters: Parameters) throws {
    size = try parameters.integer("size", default: 24, in: 6...400)
    margin = try parameters.integer("margin", default: 24, in: 0...2000)
  }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] { [first, nil] }

  var wanted: Int { waiting == nil && !videoEnded || textEnded ? 0 : 1 }

  func open(_ input: Int, _ format: MediaFormat) throws {
    guard input == 0 else { return }
    self.format = format
    try outlet.open(format)
  }

  func take(_ element: Element, from input: Int) throws {
    if input == 0 {
      waiting = element
    } else if case .cues(let slot) = element.content {
      cues += slot.map { ($0, element.before) }
      textNeeds = element.after
      known = Int64(element.index + 1) * CueGrid.slotMilliseconds
    }
    try draw()
  }

  func end(_ input: Int) throws {
    if input == 0 { videoEnded = true } else { textEnded = true }
    try draw()
    if videoEnded, waiting == nil { try outlet.end() }
  }

  private func draw() throws {
    guard let element = waiting, let format, case .picture(let picture) = element.content else { return }
    let now = format.timeBase.rescale(element.timestamp, to: CueGrid.timeBase)
    guard textEnded || known > now else { return }
    waiting = nil
    cues.removeAll { $0.cue.end <= now }
    // Inputs are released slot by slot: the oldest cue that a later frame shows holds its slot back.
    var drawn = element
    drawn.before += cues.first?.before ?? textNeeds
    drawn.after += cues.first?.before ?? textNeeds
    let active = cues.map(\.cue).filter { $0.start <= now }
    if active.isEmpty { return try outlet.give(drawn) }
    if active != shown {
      shown = active
      let filters = self.filters(for: active, in: format)
      graph = filters.isEmpty ? nil : try FilterGraph(filters, from: format, to: format.pixelFormat)
    }
    if graph != nil { drawn.content = .picture(try graph!.apply(to: picture)) }
    try outlet.give(drawn)
  }

  private func filters(for cues: [Cue], in format: MediaFormat) -> [FilterGraph.Filter] {
    let columns = max(8, (format.width - 2 * margin) * 100 / (size * 55))
    let lines = cues.flatMap { $0.text.split(whereSeparator: \.isNewline) }
      .flatMap { wrapped(DrawnText.printable($0), columns: columns) }.suffix(max(1, (format.height - margin) / size))
    return lines.enumerated().map { number, line in
      let baseline = format.height - margin - size / 4 - (lines.count - 1 - number) * size * 5 / 4
      return DrawnText.line(line, x: "(w-text_w)/2", y: "\(baseline)-ascent", size: size, color: "white")
    }
  }

  /// Breaks at spaces, so that no line is much longer than the picture is wide.
  private func wrapped(_ line: String, columns: Int) -> [String] {
    var lines = [""]
    for word in line.split(separator: " ") {
      if lines[lines.count - 1].isEmpty {
        lines[lines.count - 1] = String(word)
      } else if lines[lines.count - 1].count + 1 + word.count <= columns {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines.filter { !$0.isEmpty }
  }
}
