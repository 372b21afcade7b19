import Base
import Foundation
import Testing
import Vocabulary

@testable import Media

@Suite("Each position comes once, in order, through any restart") struct PositionTests {
  @Test(
    "a video source gives every frame of the file, and goes on after any of them",
    arguments: [TestMedia.talk, TestMedia.film, TestMedia.variable, TestMedia.odd])
  func video(path: String) throws {
    let group = group(source(0, "video", stream: 0))
    let whole = try run(group, source: path)
    let truth = TestMedia.packets(path, "v:0").compactMap(Double.init).sorted()
    #expect(whole.packets.count == truth.count)
    for (packet, time) in zip(whole.packets, truth) {
      #expect(abs(Double(packet.timestamp) * whole.format.timeBase.value - (time - truth[0])) < 0.0015)
    }
    try checkResume(group, source: path)
  }

  @Test("raw frames after a restart are bit for bit those before it")
  func rawVideo() throws {
    try checkResume(
      group(source(0, "video", stream: 0), mezzanine: .raw), source: TestMedia.talk, at: [0, 0.4, 0.7], exact: true)
  }

  @Test(
    "a sound source gives linear slots, and the same samples after a restart",
    arguments: [(TestMedia.talk, 1), (TestMedia.speech, 0)])
  func audio(path: String, stream: Int) throws {
    let group = group(source(0, "audio", stream: stream))
    let whole = try run(group, source: path)
    #expect(whole.packets.count == (path == TestMedia.talk ? 200 : 62))
    try checkResume(group, source: path, exact: path == TestMedia.talk)
  }

  @Test("lossy sound restarts at the same slots") func aac() throws {
    try checkResume(group(source(0, "audio", stream: 1)), source: TestMedia.film)
  }

  @Test("frames on a new rate are as many as one ffmpeg process makes", arguments: ["12", "30000/1001", "60"])
  func rates(rate: String) throws {
    for path in [TestMedia.talk, TestMedia.film, TestMedia.variable, TestMedia.late] {
      let whole = try run(
        group(
          source(0, "video", stream: 0), stage(1, "video.fps", ["rate": .rational(Rational(rate)!)], from: .stage(0))),
        source: path)
      #expect(whole.packets.count == TestMedia.framesOfOneProcess(path, filter: "fps=\(rate)"), "\(path) at \(rate)")
    }
  }

  @Test("a fused chain restarts anywhere", arguments: [TestMedia.talk, TestMedia.variable, TestMedia.late])
  func fused(path: String) throws {
    try checkResume(
      group(
        source(0, "video", stream: 0), stage(1, "video.fps", ["rate": .rational(Rational(20))], from: .stage(0)),
        stage(2, "video.scale", ["width": .integer(96), "height": .integer(54)], from: .stage(1)),
        stage(3, "video.vp8", ["bitrate": .integer(200_000), "gop": .integer(20)], from: .stage(2))), source: path)
  }

  @Test(
    "a chain over links restarts anywhere, with intra-only and long-GOP mezzanines",
    arguments: [Mezzanine.intra, .longGOP, .raw])
  func links(mezzanine: Mezzanine) throws {
    let read = try run(group(source(0, "video", stream: 0), mezzanine: mezzanine), source: TestMedia.talk)
    let rate = group(stage(0, "video.fps", ["rate": .rational(Rational(24))], from: .socket(0)), mezzanine: mezzanine)
    try checkResume(rate, inputs: [read])
    let small = group(
      stage(0, "video.scale", ["width": .integer(160), "height": .integer(90)], from: .socket(0)), mezzanine: mezzanine)
    try checkResume(small, inputs: [try run(rate, inputs: [read])])
    try checkResume(
      group(stage(0, "video.h264", ["bitrate": .integer(200_000), "gop": .integer(24)], from: .socket(0))),
      inputs: [read])
  }

  @Test("resampled sound has the phase of an unbroken run after a restart") func resample() throws {
    let read = try run(group(source(0, "audio", stream: 1)), source: TestMedia.talk)
    let resample = group(
      stage(0, "audio.resample", ["rate": .integer(48_000), "channels": .integer(1)], from: .socket(0)))
    let whole = try run(resample, inputs: [read])
    #expect(whole.packets.count == 200)
    #expect(whole.format.sampleRate == 48_000)
    try checkResume(resample, inputs: [read], exact: true)
  }

  @Test("Opus restarts anywhere, its last packet included") func opus() throws {
    let read = try run(
      group(source(0, "audio", stream: 1), stage(1, "audio.resample", ["rate": .integer(48_000)], from: .stage(0))),
      source: TestMedia.talk)
    let opus = group(stage(0, "audio.opus", ["bitrate": .integer(64_000)], from: .socket(0)))
    let whole = try run(opus, inputs: [read])
    // One more than there are slots: it brings out what the codec held back.
    #expect(whole.packets.count == 201)
    try checkResume(opus, inputs: [read], at: [0, 0.2, 0.5, 0.97, 0.995, 1])
    try checkResume(
      group(
        source(0, "audio", stream: 1), stage(1, "audio.resample", ["rate": .integer(48_000)], from: .stage(0)),
        stage(2, "audio.opus", from: .stage(1))), source: TestMedia.talk)
  }

  @Test("the origins of a packet let the links upstream forget what lies behind") func origins() throws {
    let read = try run(group(source(0, "audio", stream: 1)), source: TestMedia.talk)
    let resampled = try run(
      group(stage(0, "audio.resample", ["rate": .integer(48_000)], from: .socket(0))), inputs: [read])
    for packet in resampled.packets.dropFirst(5) {
      let origin = try #require(packet.origins.first { $0.input == 0 })
      #expect(packet.position.index - origin.position.index <= 2, "two slots of warm-up, no more")
    }
    let video = try run(group(source(0, "video", stream: 0)), source: TestMedia.talk)
    let scaled = try run(
      group(stage(0, "video.scale", ["width": .integer(32), "height": .integer(18)], from: .socket(0))), inputs: [video]
    )
    for packet in scaled.packets { #expect(packet.position.index - packet.origins[0].position.index <= 1) }
  }

  @Test("a later start counts from its own zero") func start() throws {
    let whole = try run(group(source(0, "video", stream: 0, start: 1000)), source: TestMedia.talk)
    #expect(whole.packets.count == 90)
    #expect(whole.packets[0].timestamp == 0)
    let sound = try run(group(source(0, "audio", stream: 1, start: 1000)), source: TestMedia.talk)
    #expect(sound.packets.count == 150)
    try checkResume(group(source(0, "video", stream: 0, start: 1000)), source: TestMedia.talk)
    try checkResume(group(source(0, "audio", stream: 1, start: 1000)), source: TestMedia.talk, exact: true)
  }

  @Test("a hole in an input is an error, never a silent jump") func gap() throws {
    var read = try run(group(source(0, "audio", stream: 1)), source: TestMedia.talk)
    read.packets.remove(at: 10)
    #expect(throws: MediaFailure.self) {
      try run(group(stage(0, "audio.resample", ["rate": .integer(48_000)], from: .socket(0))), inputs: [read])
    }
  }

  @Test("what arrives twice counts once") func duplicates() throws {
    var read = try run(group(source(0, "audio", stream: 1)), source: TestMedia.talk)
    read.packets.insert(contentsOf: read.packets[5..<10], at: 10)
    let resampled = try run(
      group(stage(0, "audio.resample", ["rate": .integer(48_000)], from: .socket(0))), inputs: [read])
    #expect(resampled.packets.count == 200)
  }

  @Test(
    "a damaged file neither hangs nor breaks the order of what can be read", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
  func damaged(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: seed % 2 == 0 ? TestMedia.talk : TestMedia.film)))
    for _ in 0..<200 { bytes[300 + random.index(below: bytes.count - 300)] = UInt8(truncatingIfNeeded: random.next()) }
    let path = TestMedia.write("damaged-\(seed).mkv", bytes)
    for (kind, stream) in [("video", 0), ("audio", 1)] {
      do {
        let read = try run(group(source(0, kind, stream: stream)), source: path)
        #expect(read.packets.map(\.position.index) == Array(0..<UInt64(read.packets.count)))
      } catch let failure as MediaFailure {
        #expect([.truncated, .notMedia, .unsupported].contains(failure.kind), "\(failure)")
      }
    }
  }
}
