import Base
import Identity
import Testing
import Vocabulary

@testable import Composition

private let node = TextForm.base32([UInt8](repeating: 7, count: 32))
private let source = "source: millrace://\(node)/talks/talk.mkv\n"

private func refusal(_ document: String) -> String {
  do {
    _ = try ServiceRequest(document: document)
    return "accepted"
  } catch { return error.description }
}

@Suite("A request document")
struct RequestTests {
  @Test("needs only a source; all else is the builder's choice")
  func minimal() throws {
    let request = try ServiceRequest(document: source)
    #expect(request.source.path == "talks/talk.mkv")
    #expect(request.source.node == NodeID(node))
    #expect(request == ServiceRequest(source: SourceReference("millrace://\(node)/talks/talk.mkv")!))
  }

  static let full =
    source + """
      title: "Straße und \\"Kanal\\""
      start: 0:01:30.5
      pacing: max
      delivery: mp4
      latency: 2s
      video:
        codec: h264
        size: 640x360
        fps: 30000/1001
        bitrate: 1.5M
        gop: 60
        overlay: {text: "Cafe\\u0301: 3 > 2", x: 10, y: 20, size: 30, color: Orange}
        captions: burn
      audio: {codec: opus, bitrate: 96k, rate: 24000, channels: 1}
      captions: {language: EN, shift: -1.5s, deliver: webvtt}
      """

  @Test("says everything that can be said, in YAML")
  func complete() throws {
    let request = try ServiceRequest(document: Self.full)
    #expect(request.title == "Straße und \"Kanal\"")
    #expect(request.start == 90_500)
    #expect(request.pacing == .max)
    #expect(request.delivery == .mp4)
    #expect(request.latency == 2_000)
    guard case .asked(let video) = request.video, case .asked(let audio) = request.audio,
      case .asked(let captions) = request.captions
    else {
      Issue.record("all three were asked for")
      return
    }
    #expect(video.codec == .h264)
    #expect(video.size == .exact(width: 640, height: 360))
    #expect(video.rate == Rational(30_000, 1_001))
    #expect(video.bitrate == 1_500_000)
    #expect(video.overlay?.color == "#ffa500")
    #expect(Array((video.overlay?.text ?? "").utf8) == Array("Caf\u{e9}: 3 > 2".utf8), "text is kept in NFC")
    #expect(video.burnsCaptions)
    #expect((audio.bitrate, audio.rate, audio.channels) == (96_000, 24_000, 1))
    #expect((captions.language, captions.shift, captions.isDelivered) == ("en", -1_500, true))
  }

  @Test("is read from JSON just as well")
  func json() throws {
    let json = #"{"source": "millrace://\#(node)/a.mkv", "video": {"height": 360, "bitrate": 800000}, "audio": "none"}"#
    let yaml = "source: millrace://\(node)/a.mkv\nvideo:\n  height: 360\n  bitrate: 800k\naudio: none\n"
    #expect(try ServiceRequest(document: json) == ServiceRequest(document: yaml))
  }

  @Test(
    "has one canonical form, which is a document itself and gives the request back",
    arguments: [
      source, full, source + "video: {}\naudio: none\ncaptions: {deliver: none}",
      source + "title: 'null'\nvideo: {overlay: {text: 'a: \"b\\c\" # d *e &f'}}",
      source + "title: \(String(repeating: "w", count: 4_000))",
      "source: \"millrace://\(node)/with \\\"quotes\\\" and spaces.mkv\"",
    ])
  func canonical(_ document: String) throws {
    let request = try ServiceRequest(document: document)
    #expect(try ServiceRequest(canonical: request.canonicalBytes) == request)
  }

  @Test("in another form than the canonical one is no envelope's content")
  func otherForm() throws {
    #expect(throws: RequestError.self) { try ServiceRequest(canonical: Array(source.utf8)) }
  }

  @Test(
    "that is wrong is refused with line, field, value, what is allowed, and what was meant",
    arguments: [
      ("", "the request is neither YAML nor JSON: the document is empty; allowed: fields such as “source: …”"),
      (
        "- a",
        "line 1: the request is neither YAML nor JSON: there are no fields at its top; allowed: fields such as “source: …”"
      ),
      ("a: [", "line 2: the request is neither YAML nor JSON: did not find expected node content"),
      (
        "title: x",
        "source: is missing; allowed: millrace://NODEID/path, with NODEID in 52 characters of base32 and the path inside that node's share"
      ),
      (
        source + "vidoe: none",
        "line 2: vidoe: there is no such field; allowed: source, title, start, pacing, delivery, latency, video, audio, captions — did you mean “video”?"
      ),
      (source + "title: a\ntitle: b", "line 2: the request is neither YAML nor JSON: “title” stands twice"),
      (source + "pacing: lve", "line 2: pacing: “lve” is not allowed; allowed: live, max — did you mean “live”?"),
      (
        source + "video:\n  codec: vp9",
        "line 3: video.codec: “vp9” is not allowed; allowed: vp8, h264 — did you mean “vp8”?"
      ),
      (
        source + "video:\n  fps: fast",
        "line 3: video.fps: “fast” has the wrong type; allowed: 1 to 120 frames a second, as 25 or 30000/1001"
      ),
      (
        source + "video:\n  fps: 240",
        "line 3: video.fps: “240” is not allowed; allowed: 1 to 120 frames a second, as 25 or 30000/1001"
      ),
      (
        source + "video:\n  size: 640",
        "line 3: video.size: “640” has the wrong type; allowed: WIDTHxHEIGHT, each 16 to 8192 pixels"
      ),
      (
        source + "video:\n  size: 640x9",
        "line 3: video.size: “640x9” is not allowed; allowed: WIDTHxHEIGHT, each 16 to 8192 pixels"
      ),
      (
        source + "video:\n  size: 640x360\n  height: 360",
        "line 4: video.height: “360” contradicts another field; allowed: either size or height"
      ),
      (
        source + "video:\n  bitrate: 800kb",
        "line 3: video.bitrate: “800kb” has the wrong type; allowed: 50k to 50M bits a second, as 800k or 1.5M"
      ),
      (
        source + "video:\n  bitrate: 99M",
        "line 3: video.bitrate: “99M” is not allowed; allowed: 50k to 50M bits a second, as 800k or 1.5M"
      ),
      (
        source + "video:\n  overlay:\n    text: a\n    size: 2000",
        "line 5: video.overlay.size: “2000” is not allowed; allowed: 6 to 512 pixels"
      ),
      (source + "video:\n  overlay: {x: 2}", "line 3: video.overlay.text: is missing; allowed: one line of text"),
      (
        source + "video:\n  overlay: {text: a, color: whte}",
        "line 3: video.overlay.color: “whte” is not allowed; allowed: #rrggbb or one of white, black, red, green, lime, blue, yellow, cyan, magenta, gray, orange — did you mean “white”?"
      ),
      (
        source + "video: [1]",
        "line 2: video: “[…]” has the wrong type; allowed: the fields codec, size, height, fps, bitrate, gop, overlay, captions"
      ),
      (
        source + "video:",
        "line 2: video: has no value; allowed: the fields codec, size, height, fps, bitrate, gop, overlay, captions"
      ),
      (
        source + "audio: {rate: 44100}",
        "line 2: audio.rate: “44100” is not allowed; allowed: 8000, 12000, 16000, 24000, 48000"
      ),
      (
        source + "audio: {channels: 1.5}",
        "line 2: audio.channels: “1.5” is not allowed; allowed: a whole number, 1 to 2"
      ),
      (
        source + "captions: {shift: 2}",
        "line 2: captions.shift: “2” has the wrong type; allowed: -3600s to 3600s, as 1.5s, 200ms or 1:30"
      ),
      (
        source + "delivery: webm\nvideo: {codec: h264}",
        "line 2: delivery: “webm” contradicts another field; allowed: mp4, which carries h264"
      ),
      (
        source + "delivery: ogg\nvideo: {height: 360}",
        "line 2: delivery: “ogg” contradicts another field; allowed: webm or mp4, which carry video"
      ),
      (
        source + "video: {captions: burn}\ncaptions: none",
        "line 3: captions: “none” contradicts another field; allowed: captions, since video.captions is burn"
      ),
      (
        "source: millrace://\(node)/../etc/passwd",
        "line 1: source: “millrace://\(node)/../etc/passwd” is not allowed; allowed: millrace://NODEID/path, with NODEID in 52 characters of base32 and the path inside that node's share"
      ),
    ])
  func refused(_ document: String, _ message: String) {
    #expect(refusal(document) == message)
  }

  @Test(
    "cannot leave the share of its node",
    arguments: ["", "/etc/passwd", "a//b", "../a", "a/..", "./a", "a/\u{0}b", "a\nb"])
  func share(_ path: String) {
    #expect(SourceReference(node: NodeID(Bytes32.zero), path: path) == nil)
  }

  @Test("is bounded: its bytes, its levels, its aliases")
  func bounded() throws {
    #expect(refusal(String(repeating: "a", count: Limits.requestBytes + 1)).contains("is too large"))
    #expect(refusal("a: " + String(repeating: "[", count: 20_000)).contains("levels"))
    var bomb = "a0: &a0 [x, x]\n"
    for level in 1...30 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
    #expect(refusal(bomb).contains("aliases"))
    #expect(refusal(String(repeating: "- ", count: 5_000)) != "accepted")
  }

  @Test("of noise is refused, never a crash")
  func noise() {
    var random = SeededRandom(seed: 1)
    let letters = Array("source: {}[]\"'*&#|>-\n millrace://,video~!%@\t0".utf8) + [0, 0xC3, 0xFF]
    for _ in 0..<2_000 {
      let bytes = (0..<random.index(below: 80)).map { _ in letters[random.index(below: letters.count)] }
      #expect(throws: RequestError.self) { try ServiceRequest(document: bytes) }
    }
  }
}

@Suite("Quantities")
struct QuantityTests {
  @Test(
    "are read as people write them",
    arguments: [
      ("1.5s", 1_500), ("200ms", 200), ("-1.25s", -1_250), ("1:30", 90_000), ("0:01:30.5", 90_500), ("2m", 120_000),
    ])
  func times(_ text: String, _ milliseconds: Int64) { #expect(Quantity.milliseconds(text) == milliseconds) }

  @Test(
    "are not guessed",
    arguments: ["", "1", "s", "1.s", ".5s", "1.2345s", "--1s", "1:2:3:4", "1e3s", "١s", "9999999999s"])
  func refused(_ text: String) { #expect(Quantity.milliseconds(text) == nil) }

  @Test("come back from their shortest form", arguments: [800_000, 1_500_000, 96_123, 2_000_000, 0] as [Int64])
  func bits(_ value: Int64) { #expect(Quantity.bits(Quantity.bitrate(value)) == value) }
}
