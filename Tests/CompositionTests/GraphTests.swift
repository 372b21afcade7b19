import Base
import Foundation
import Identity
import Testing
import Vocabulary

@testable import Composition

private let node = TextForm.base32([UInt8](repeating: 7, count: 32))

/// 720p30 H.264, 44.1 kHz stereo AAC, English and German captions.
private func talk(_ change: (inout SourceDescription) -> Void = { _ in }) -> SourceDescription {
  var video = SourceTrack(stream: 0, kind: .video, codec: "h264")
  (video.width, video.height, video.frameRate) = (1_280, 720, Rational(30))
  var audio = SourceTrack(stream: 1, kind: .audio, codec: "aac")
  (audio.sampleRate, audio.channels) = (44_100, 2)
  var english = SourceTrack(stream: 2, kind: .text, codec: "subrip")
  english.language = "eng"
  var german = SourceTrack(stream: 3, kind: .text, codec: "ass")
  german.language = "de-AT"
  var source = SourceDescription(
    key: SourceKey(Digest.of([1], kind: "test")), container: "matroska,webm", duration: 60, size: 1_000_000,
    tracks: [video, audio, english, german])
  change(&source)
  return source
}

private func graph(_ document: String, _ source: SourceDescription = talk()) throws -> ComponentGraph {
  try GraphBuilder.graph(
    for: try ServiceRequest(document: "source: millrace://\(node)/talk.mkv\n" + document), on: source)
}

private func chain(_ document: String, _ source: SourceDescription = talk()) throws -> [String] {
  try graph(document, source).stages.map(\.component)
}

private func refusal(_ document: String, _ source: SourceDescription = talk()) throws -> String {
  do {
    _ = try graph(document, source)
    return "built"
  } catch let error as BuildError { return error.description }
}

/// Compares with a file under `Golden/`; `MILLRACE_GOLDEN=write` writes it.
private func expectGolden(_ text: String, _ name: String) throws {
  let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name)")
  if ProcessInfo.processInfo.environment["MILLRACE_GOLDEN"] == "write" {
    try text.write(to: file, atomically: true, encoding: .utf8)
  }
  #expect(text == (try String(contentsOf: file, encoding: .utf8)))
}

@Suite("The builder")
struct GraphTests {
  @Test("takes what the source has when nothing is said: WebM with captions beside it")
  func defaults() throws {
    #expect(
      try chain("") == [
        "source.video", "video.vp8", "source.audio", "audio.resample", "audio.opus", "mux.webm", "source.text",
        "mux.webvtt",
      ])
  }

  @Test("makes each of the four media kinds")
  func kinds() throws {
    #expect(
      try chain("audio: none\ncaptions: none\nvideo: {height: 360}") == [
        "source.video", "video.scale", "video.vp8", "mux.webm",
      ])
    #expect(try chain("video: none\ncaptions: none") == ["source.audio", "audio.resample", "audio.opus", "mux.ogg"])
    #expect(try chain("delivery: webvtt") == ["source.text", "mux.webvtt"])
    #expect(try chain("delivery: mp4").contains("video.h264"))
  }

  @Test("reduces frames first, then scales, then draws, then burns captions in, then encodes")
  func order() throws {
    let document = "video: {fps: 15, height: 360, overlay: {text: Hi}, captions: burn}\naudio: none"
    #expect(
      try chain(document) == [
        "source.video", "video.fps", "video.scale", "video.overlay", "source.text", "video.burn", "video.vp8",
        "mux.webm",
      ])
    let faster = try chain("video: {fps: 60, height: 360, overlay: {text: Hi}}\naudio: none\ncaptions: none")
    #expect(faster == ["source.video", "video.scale", "video.overlay", "video.fps", "video.vp8", "mux.webm"])
  }

  @Test("leaves out what would change nothing")
  func noOps() throws {
    let same = "video: {fps: 30, size: 1280x720}\naudio: {channels: 2}\ncaptions: {shift: 0s, deliver: none}"
    let source = talk { $0.tracks[1].sampleRate = 48_000 }
    #expect(try chain(same, source) == ["source.video", "video.vp8", "source.audio", "audio.opus", "mux.webm"])
    let variable = talk { $0.tracks[0].isVariableRate = true }
    #expect(try chain("video: {fps: 30}", variable).contains("video.fps"), "a variable rate is put on a grid")
  }

  @Test("makes odd sizes even and keeps the shape")
  func sizes() throws {
    func size(_ document: String, _ width: Int, _ height: Int) throws -> [ParameterValue?] {
      let source = talk { ($0.tracks[0].width, $0.tracks[0].height) = (width, height) }
      let stage = try graph(document, source).stages.first { $0.component == "video.scale" }
      return [stage?["width"], stage?["height"]]
    }
    #expect(try size("", 641, 361) == [.integer(640), .integer(360)])
    #expect(try size("video: {size: 321x241}", 1_280, 720) == [.integer(320), .integer(240)])
    #expect(try size("video: {height: 360}", 1_920, 800) == [.integer(864), .integer(360)])
    #expect(try size("video: {height: 361}", 1_280, 720) == [.integer(642), .integer(360)])
  }

  @Test("drops what the source lacks when nobody asked for it")
  func dropped() throws {
    let silent = talk { $0.tracks.removeAll { $0.kind != .video } }
    #expect(try chain("", silent) == ["source.video", "video.vp8", "mux.webm"])
    let sound = talk { $0.tracks.removeAll { $0.kind != .audio } }
    #expect(try chain("", sound).last == "mux.ogg")
    let pictures = talk {
      $0.tracks[2].codec = "hdmv_pgs_subtitle"; $0.tracks.remove(at: 3)
    }
    #expect(try !chain("", pictures).contains("source.text"))
  }

  @Test("says what is missing when somebody did, and what does not fit")
  func refused() throws {
    let silent = talk { $0.tracks.removeAll { $0.kind != .video } }
    #expect(try refusal("audio: {}", silent) == "audio: the source has no audio; it has video (h264)")
    #expect(try refusal("video: {captions: burn}", silent) == "captions: the source has no text; it has video (h264)")
    #expect(try refusal("delivery: webvtt", silent) == "captions: the source has no text; it has video (h264)")
    #expect(try refusal("video: none", silent) == "delivery: nothing is left to deliver; the source has video (h264)")
    #expect(
      try refusal("delivery: ogg", silent) == "delivery: nothing is left to deliver as ogg; the source has video (h264)"
    )
    #expect(
      try refusal("captions: {language: fr}")
        == "captions.language: the source has no text in “fr”; it has eng, de-AT")
    let pictures = talk {
      $0.tracks[2].codec = "hdmv_pgs_subtitle"; $0.tracks.remove(at: 3)
    }
    #expect(
      try refusal("captions: {}", pictures) == "captions: the source's are pictures (hdmv_pgs_subtitle), not text")
    #expect(try refusal("", talk { $0.tracks[0].width = 0 }) == "video: the source's picture is 0x720 pixels")
    #expect(
      try refusal("", talk { $0.tracks = [] })
        == "delivery: nothing is left to deliver; the source has no tracks that can be used")
    var request = ServiceRequest(source: SourceReference("millrace://\(node)/a")!)
    var wish = VideoWish()
    wish.codec = .h264
    (request.video, request.delivery) = (.asked(wish), .webm)
    #expect(throws: BuildError.cannotCarry(field: "video.codec", value: "h264", delivery: .webm, allowed: "vp8")) {
      try GraphBuilder.graph(for: request, on: talk())
    }
  }

  @Test("chooses captions by language")
  func language() throws {
    func stream(_ language: String) throws -> ParameterValue? {
      try graph("delivery: webvtt\ncaptions: {language: \(language)}").stages[0]["stream"]
    }
    #expect(try stream("de") == .integer(3))
    #expect(try stream("en") == .integer(2))
  }

  @Test("makes an in-tree for each output: every stage has one consumer, inputs come first")
  func trees() throws {
    let graph = try graph("video: {captions: burn}\ncaptions: {deliver: webvtt, shift: 1s}")
    var uses = [Int](repeating: 0, count: graph.stages.count)
    for stage in graph.stages {
      for input in stage.inputs {
        #expect(input < stage.id)
        uses[input] += 1
      }
    }
    #expect(graph.outputs.map(\.name) == ["main", "captions"])
    #expect(
      uses.enumerated().allSatisfy { index, count in count == (graph.outputs.contains { $0.root == index } ? 0 : 1) })
    #expect(graph.outputs.map(\.stages.count).reduce(0, +) == graph.stages.count)
    let shifts = graph.stages.filter { $0.component == "text.shift" }
    #expect(shifts.count == 2 && shifts[0].key == shifts[1].key, "what two outputs share has one key, to be run once")
  }

  @Test("gives equal requests equal stream keys, and any other parameter, source or pacing another key")
  func keys() throws {
    func keys(_ document: String, _ source: SourceDescription = talk()) throws -> [StreamKey] {
      try graph(document, source).stages.map(\.key)
    }
    let base = try keys("video: {height: 360, overlay: {text: Hi}}")
    #expect(try keys("video:\n  overlay: {color: '#FFFFFF', text: Hi, size: 24}\n  size: 640x360\n  fps: 30") == base)
    let other = try keys("video: {height: 360, overlay: {text: Ho}}")
    #expect(other[..<2] == base[..<2], "the common prefix is one stream")
    #expect(other[2] != base[2] && other[3] != base[3])
    for document in ["pacing: max\n", "start: 5s\n"] {
      #expect(Set(try keys(document + "video: {height: 360, overlay: {text: Hi}}")).isDisjoint(with: base))
    }
    #expect(
      Set(try keys("video: {height: 360, overlay: {text: Hi}}", talk { $0.key = SourceKey(.zero) })).isDisjoint(
        with: base))
    #expect(Set(base).count == base.count)
  }

  @Test("changes stream keys when an implementation's version changes")
  func versions() throws {
    let request = try ServiceRequest(document: "source: millrace://\(node)/a\nvideo: {height: 360}")
    let newer = Catalogue(
      Catalogue.standard.components.values.map { component in
        guard component.name == "video.scale" else { return component }
        return Component(component, version: 2)
      })
    let old = try GraphBuilder.graph(for: request, on: talk()).stages.map(\.key)
    let new = try GraphBuilder.graph(for: request, on: talk(), catalogue: newer).stages.map(\.key)
    #expect(old[0] == new[0])
    #expect(old[1] != new[1] && old[2] != new[2])
  }

  @Test("lists its graph for people")
  func listing() throws {
    let document = """
      start: 5s
      video: {fps: 30000/1001, height: 360, overlay: {text: "Hello, you"}, captions: burn}
      captions: {shift: 1.5s, deliver: webvtt, language: en}
      """
    try expectGolden(GraphListing(try graph(document)).description, "talk.listing")
  }
}

@Suite("The catalogue")
struct CatalogueTests {
  @Test("has exactly the components of this issue")
  func names() {
    #expect(
      Array(Catalogue.standard.components.keys) == [
        "source.video", "source.audio", "source.text", "video.fps", "video.scale", "video.overlay", "video.burn",
        "video.vp8",
        "video.h264", "audio.resample", "audio.opus", "text.shift", "mux.webm", "mux.mp4", "mux.ogg", "mux.webvtt",
      ])
    for component in Catalogue.standard.components.values {
      #expect(component.parameters.map(\.name) == component.parameters.map(\.name).sorted(), "\(component.name)")
    }
  }

  @Test("fills in defaults and refuses what is unknown, missing, twice or out of range, naming it")
  func checks() throws {
    func refusal(_ name: String, _ parameters: [StageSpec.Parameter]) -> String {
      do {
        _ = try Catalogue.standard.checked(name, parameters)
        return "accepted"
      } catch { return error.description }
    }
    #expect(
      try Catalogue.standard.checked("video.vp8", [.init("bitrate", .integer(500_000))])
        == [.init("bitrate", .integer(500_000)), .init("gop", .integer(60)), .init("speed", .integer(8))])
    #expect(refusal("video.scael", []) == "there is no component “video.scael” — did you mean “video.scale”?")
    #expect(
      refusal("video.scale", [.init("width", .integer(640))]) == "video.scale: height is missing; allowed: 2 to 16384")
    #expect(
      refusal("video.vp8", [.init("bitrate", .integer(1))])
        == "video.vp8: bitrate: “1” is not allowed; allowed: 50000 to 50000000")
    #expect(
      refusal("video.vp8", [.init("bitrate", .text("x"))])
        == "video.vp8: bitrate: “x” is not allowed; allowed: 50000 to 50000000")
    #expect(refusal("mux.ogg", [.init("a", .flag(true))]) == "mux.ogg: there is no parameter “a”; allowed: none")
    #expect(
      refusal("text.shift", [.init("offset", .integer(1)), .init("offset", .integer(2))])
        == "text.shift: offset stands twice")
    #expect(
      refusal("video.overlay", [.init("text", .text("a\nb"))])
        == "video.overlay: text: “a\nb” is not allowed; allowed: one line of at most 512 bytes")
  }
}

extension Component {
  fileprivate init(_ other: Component, version: Int) {
    self.init(
      name: other.name, version: version, summary: other.summary, inputs: other.inputs, output: other.output,
      parameters: other.parameters, memory: other.memory)
  }
}
