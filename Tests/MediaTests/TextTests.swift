import Foundation
import Testing
import Vocabulary

@testable import Media

@Suite("Captions are a stream like others") struct TextTests {
  private let read = group(source(0, "text", stream: 2))

  private func cues(_ track: Track) throws -> [Cue] { try track.packets.flatMap { try CueGrid.decoded($0.payload) } }

  @Test("cues come in the slot in which they start, as plain text") func slots() throws {
    let text = try run(read, source: TestMedia.talk)
    #expect(text.packets.map(\.position.index) == Array(0..<6))
    #expect(
      try cues(text) == [
        Cue(start: 400, end: 1200, text: "Hello, world & all"),
        Cue(start: 1900, end: 2700, text: "Two lines:\n'quoted' %{n} {x} \\ : done"),
        Cue(start: 2900, end: 3600, text: "The end"),
      ])
    for packet in text.packets {
      for cue in try CueGrid.decoded(packet.payload) { #expect(CueGrid.slot(of: cue.start) == packet.position.index) }
    }
    try checkResume(read, source: TestMedia.talk)
  }

  @Test("captions are delivered as WebVTT, markup in them made harmless") func webvtt() throws {
    let text = try run(read, source: TestMedia.talk)
    let mux = group(stage(0, "mux.webvtt", from: .socket(0)))
    let muxed = try run(mux, inputs: [text])
    #expect(muxed.packets.count == text.packets.count)
    let file = String(decoding: muxed.file, as: UTF8.self)
    #expect(file.hasPrefix("WEBVTT\n\n00:00:00.400 --> 00:00:01.200\nHello, world &amp; all\n\n"))
    let path = TestMedia.write("captions.vtt", muxed.file)
    #expect(
      TestMedia.packets(path, "s:0", "pts_time,duration_time") == [
        "0.400000,0.800000", "1.900000,0.800000", "2.900000,0.700000",
      ])
    try checkResume(mux, inputs: [text])
    #expect(WebVTT.escaped("a --> b\n\n<i>") == "a --&gt; b\n&lt;i&gt;")
  }

  @Test(
    "shifted captions start and end later or earlier; what would end before zero is gone",
    arguments: [0, 1300, -700, -1500, 700])
  func shift(offset: Int64) throws {
    let text = try run(read, source: TestMedia.talk)
    let shift = group(stage(0, "text.shift", ["offset": .integer(offset)], from: .socket(0)))
    let shifted = try run(shift, inputs: [text])
    let expected = try cues(text).map { Cue(start: max(0, $0.start + offset), end: $0.end + offset, text: $0.text) }
      .filter { $0.end > 0 }
    #expect(try cues(shifted) == expected)
    for packet in shifted.packets {
      for cue in try CueGrid.decoded(packet.payload) { #expect(CueGrid.slot(of: cue.start) == packet.position.index) }
    }
    try checkResume(shift, inputs: [text])
  }

  @Test("burned captions are seen while they last and at no other time, at the bottom, centred") func burn() throws {
    let video = try run(group(source(0, "video", stream: 0), mezzanine: .raw), source: TestMedia.talk)
    let text = try run(read, source: TestMedia.talk)
    let burn = group(
      stage(0, "video.burn", ["size": .integer(16), "margin": .integer(8)], from: .socket(0), .socket(1)),
      mezzanine: .raw)
    let burned = try run(burn, inputs: [video, text])
    #expect(burned.packets.count == 120)
    let (plain, drawn) = (try brightness(video), try brightness(burned))
    /// Rows of 320 pixels that differ.
    func rows(_ frame: Int) -> [Int] {
      (0..<180).filter { row in
        plain[frame].withUnsafeBytes { a in
          drawn[frame].withUnsafeBytes { b in memcmp(a.baseAddress! + row * 320, b.baseAddress! + row * 320, 320) != 0 }
        }
      }
    }
    let captions = try cues(text)
    for frame in 0..<120 {
      let milliseconds = frame * 1000 / 30
      let shown = captions.contains { $0.start <= milliseconds && milliseconds < $0.end }
      #expect(rows(frame).isEmpty == !shown, "frame \(frame)")
      if let first = rows(frame).first { #expect(first > 90, "in the lower half") }
    }
    for frame in [20, 70] {
      let columns = (0..<320).filter { column in
        rows(frame).contains { plain[frame][$0 * 320 + column] != drawn[frame][$0 * 320 + column] }
      }
      #expect(abs((columns.first! + columns.last!) / 2 - 160) <= 4, "centred")
    }
    #expect(rows(70).count > rows(20).count + 10, "two lines take more room than one")
    try checkResume(burn, inputs: [video, text], at: [0.05, 0.2, 0.55], exact: true)
  }

  @Test("a late caption holds its slot until it is over, no longer") func burnOrigins() throws {
    let video = try run(group(source(0, "video", stream: 0), mezzanine: .raw), source: TestMedia.talk)
    let text = try run(read, source: TestMedia.talk)
    let burned = try run(
      group(stage(0, "video.burn", from: .socket(0), .socket(1)), mezzanine: .raw), inputs: [video, text])
    func textOrigin(_ frame: Int) -> UInt64? { burned.packets[frame].origins.first { $0.input == 1 }?.position.index }
    #expect(textOrigin(30) == 0, "“Hello” of slot 0 is still shown")
    #expect(textOrigin(38) == 3, "the next cue starts in slot 3, which is known already")
  }

  @Test("a client's text is drawn as it is, whatever it holds") func overlay() throws {
    let video = try run(group(source(0, "video", stream: 0), mezzanine: .raw), source: TestMedia.odd)
    for text in [
      "%{pts} %{eif:1:d}", "':x=0,drawbox=color=red [in]", "\\n\u{202E}\u{0}\u{7}", "日本語\nzwei", "", "=;,'\"\\",
    ] {
      let overlay = group(
        stage(
          0, "video.overlay",
          ["text": .text(text), "x": .integer(8), "y": .integer(8), "size": .integer(14), "color": .text("yellow")],
          from: .socket(0)),
        mezzanine: .raw)
      let drawn = try run(overlay, inputs: [video])
      #expect(drawn.packets.count == 50)
      #expect((drawn.packets[3].payload == video.packets[3].payload) == text.isEmpty)
    }
    #expect(throws: MediaFailure.self) {
      try run(
        group(stage(0, "video.overlay", ["text": .text("x"), "color": .text("red:x=5")], from: .socket(0))),
        inputs: [video])
    }
  }
}
