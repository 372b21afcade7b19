import Foundation
import Identity
import Vocabulary
import Wire

/// The grid of text streams: slot k holds the cues that start in [500k, 500k + 500) ms.
enum CueGrid {
  static let slotMilliseconds: Int64 = 500
  static let timeBase = Rational(1, 1000)!

  static var format: MediaFormat { MediaFormat(kind: .text, codec: MediaFormat.Uncompressed.text, timeBase: timeBase) }

  /// The slot in which a moment lies; moments before zero lie in slot 0.
  static func slot(of milliseconds: Int64) -> UInt64 { UInt64(max(0, milliseconds) / slotMilliseconds) }

  /// The element at `index`.
  static func element(_ index: UInt64, _ cues: [Cue], before: [Origin], after: [Origin]) -> Element {
    Element(
      index: index, timestamp: Int64(index) * slotMilliseconds, duration: slotMilliseconds, before: before,
      after: after,
      content: .cues(cues))
  }

  /// A slot's payload.
  static func encoded(_ cues: [Cue]) -> [UInt8] {
    WireCueSlot.with {
      $0.cues = cues.map { cue in
        .with {
          $0.start = cue.start
          $0.end = cue.end
          $0.text = cue.text
        }
      }
    }.wireBytes
  }

  /// A slot's cues, checked.
  static func decoded(_ bytes: [UInt8]) throws(InvalidMessage) -> [Cue] {
    let wire = try WireCueSlot(parsing: bytes)
    var cues: [Cue] = []
    for cue in try Field.list(wire.cues, "CueSlot.cues", limit: MediaLimits.cuesPerSlot) {
      let start = try Field.number(cue.start, "CueSlot.cues.start", in: 0...1_000_000_000_000)
      guard cue.end > start else { throw InvalidMessage("CueSlot.cues.end", "\(cue.end) is not after \(start)") }
      cues.append(
        Cue(
          start: start, end: cue.end, text: try Field.text(cue.text, "CueSlot.cues.text", limit: MediaLimits.cueBytes)))
    }
    return cues
  }
}

/// `text.shift`: captions earlier or later. What ends before zero is dropped, what begins before zero begins at zero.
/// Memory: the cues of the slot that is being filled.
final class TextShift: Component {
  let outlet = Outlet()
  private let offset: Int64
  private var trail: Trail
  private var next: UInt64?
  /// Milliseconds of the output up to which all cues are known; nil before the first slot of the input.
  private var known: Int64?
  private var waiting: [Cue] = []
  private var hasEnded = false

  init(_ parameters: Parameters) throws {
    offset = Int64(try parameters.integer("offset", default: 0, in: -3_600_000...3_600_000))
    trail = Trail(window: 4)
  }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] {
    next = first
    return [nil]
  }

  func open(_ input: Int, _ format: MediaFormat) throws { try outlet.open(format) }

  func take(_ element: Element, from input: Int) throws {
    guard case .cues(let cues) = element.content else { return }
    trail.note(element)
    // Output begins with slot 0 unless the group resumes later.
    next = next ?? 0
    known = max(0, Int64(element.index + 1) * CueGrid.slotMilliseconds + offset)
    for cue in cues where cue.end + offset > 0 {
      let moved = Cue(start: max(0, cue.start + offset), end: cue.end + offset, text: cue.text)
      if CueGrid.slot(of: moved.start) >= next! { waiting.append(moved) }
    }
  }

  func end(_ input: Int) throws {
    hasEnded = true
    if next == nil { try outlet.end() }
  }

  func proceed() throws -> Bool {
    guard let index = next, let known, !outlet.hasEnded else { return false }
    let end = Int64(index + 1) * CueGrid.slotMilliseconds
    guard end <= known || hasEnded && !waiting.isEmpty else {
      guard hasEnded else { return false }
      try outlet.end()
      return true
    }
    let due = waiting.filter { CueGrid.slot(of: $0.start) <= index }
    waiting.removeAll { CueGrid.slot(of: $0.start) <= index }
    next = index + 1
    // The next output slot begins at `end`: it takes the input from `end` less the offset.
    let needs = trail.needed(for: (end - offset).quotientRoundedDown(by: CueGrid.slotMilliseconds))
    try outlet.give(CueGrid.element(index, due, before: needs, after: needs))
    return true
  }
}

extension Int64 {
  /// Towards minus infinity.
  func quotientRoundedDown(by divisor: Int64) -> Int64 { self / divisor - (self % divisor < 0 ? 1 : 0) }
}

/// `mux.webvtt`: one piece a slot, empty where no cue starts. Memory: none.
final class WebVTT: Component {
  let outlet = Outlet()

  func open(_ input: Int, _ format: MediaFormat) throws {
    var output = MediaFormat(kind: .muxed, codec: "webvtt", timeBase: CueGrid.timeBase)
    output.extradata = Array("WEBVTT\n\n".utf8)
    output.mimeType = "text/vtt; charset=utf-8"
    output.tracks = [format]
    try outlet.open(output)
  }

  func take(_ element: Element, from input: Int) throws {
    guard case .cues(let cues) = element.content else { return }
    let text = cues.map { "\(Self.time($0.start)) --> \(Self.time($0.end))\n\(Self.escaped($0.text))\n\n" }.joined()
    try outlet.give(element.with(.coded(Array(text.utf8), isKey: true)))
  }

  static func time(_ milliseconds: Int64) -> String {
    func padded(_ value: Int64, _ digits: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
    let seconds = milliseconds / 1000
    return
      "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2)).\(padded(milliseconds % 1000, 3))"
  }

  /// Text that cannot be taken for markup, for a cue's timing or for the cue's end (an empty line).
  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .split(whereSeparator: \.isNewline).joined(separator: "\n")
  }
}
