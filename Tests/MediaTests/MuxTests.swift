import Foundation
import Testing
import Vocabulary

@testable import Media

@Suite("Chunks make one valid file, whoever muxed them") struct MuxTests {
  static let vp8 = Result {
    try run(
      group(
        source(0, "video", stream: 0),
        stage(1, "video.vp8", ["bitrate": .integer(300_000), "gop": .integer(30)], from: .stage(0))),
      source: TestMedia.talk)
  }
  static let h264 = Result {
    try run(
      group(
        source(0, "video", stream: 0),
        stage(1, "video.h264", ["bitrate": .integer(300_000), "gop": .integer(30)], from: .stage(0))),
      source: TestMedia.talk)
  }
  static let opus = Result {
    try run(
      group(
        source(0, "audio", stream: 1), stage(1, "audio.resample", ["rate": .integer(48_000)], from: .stage(0)),
        stage(2, "audio.opus", from: .stage(1))), source: TestMedia.talk)
  }

  enum Kind: String, CaseIterable {
    case webm, mp4, soundInWebm, soundInMP4, videoInWebm, ogg

    var component: String {
      switch self {
      case .webm, .soundInWebm, .videoInWebm: "mux.webm"
      case .mp4, .soundInMP4: "mux.mp4"
      case .ogg: "mux.ogg"
      }
    }
    func inputs() throws -> [Track] {
      switch self {
      case .webm: [try vp8.get(), try opus.get()]
      case .mp4: [try h264.get(), try opus.get()]
      case .videoInWebm: [try vp8.get()]
      case .soundInWebm, .soundInMP4, .ogg: [try opus.get()]
      }
    }
    var frames: Int { [.soundInWebm, .soundInMP4, .ogg].contains(self) ? 0 : 120 }
    var packets: Int { self == .videoInWebm ? 0 : 201 }
    var group: GroupSpec {
      switch self {
      case .webm, .mp4: MediaTests.group(stage(0, component, from: .socket(0), .socket(1)))
      default: MediaTests.group(stage(0, component, from: .socket(0)))
      }
    }
  }

  @Test("every packet is in the file once, and chunks are short", arguments: Kind.allCases) func whole(kind: Kind)
    throws
  {
    let muxed = try run(kind.group, inputs: kind.inputs())
    let path = TestMedia.write("whole-\(kind).bin", muxed.file)
    if kind.frames > 0 {
      #expect(TestMedia.packets(path, "v:0").count == kind.frames)
      #expect(TestMedia.decodedFrames(path) == kind.frames)
    }
    if kind.packets > 0 { #expect(TestMedia.packets(path, "a:0").count == kind.packets) }
    #expect(muxed.packets.allSatisfy { $0.duration <= 260 })
    #expect(!muxed.format.mimeType.isEmpty && !muxed.format.extradata.isEmpty)
  }

  @Test(
    "a replacement's chunks go on where the others ended: same numbers, same bytes to begin with, no packet lost or doubled",
    arguments: Kind.allCases)
  func resumed(kind: Kind) throws {
    let inputs = try kind.inputs()
    let whole = try run(kind.group, inputs: inputs)
    let reference = TestMedia.write("reference-\(kind).bin", whole.file)
    let entries = "pts_time,duration_time,size"
    let streams = ["v:0", "a:0"].map { ($0, TestMedia.packets(reference, $0, entries)) }.filter { !$0.1.isEmpty }
    for cut in [0, whole.packets.count / 3, whole.packets.count - 2] {
      let rest = try run(kind.group, inputs: inputs, after: whole.packets[cut])
      #expect(rest.format == whole.format)
      #expect(rest.packets.map(\.position) == whole.packets[(cut + 1)...].map(\.position))
      let joined = whole.format.extradata + whole.packets[...cut].flatMap(\.payload) + rest.packets.flatMap(\.payload)
      let path = TestMedia.write("joined-\(kind)-\(cut).bin", joined)
      for (stream, packets) in streams {
        #expect(TestMedia.packets(path, stream, entries) == packets, "\(kind) after \(cut), \(stream)")
      }
    }
  }

  @Test(
    "without origins a replacement begins at the start of its inputs, and goes on where the others ended all the same",
    arguments: [Kind.webm, .mp4, .ogg])
  func startedOver(kind: Kind) throws {
    let inputs = try kind.inputs()
    let whole = try run(kind.group, inputs: inputs)
    var last = whole.packets[whole.packets.count / 3]
    last.origins = []
    let rest = try run(kind.group, inputs: inputs, after: last)
    let expected = whole.packets.drop { $0.position <= last.position }
    #expect(rest.packets.map(\.position) == expected.map(\.position))
    #expect(rest.packets.map(\.timestamp) == expected.map(\.timestamp))
  }

  @Test("sound and picture meet: times are those of the source") func synchrony() throws {
    let muxed = try run(Kind.webm.group, inputs: Kind.webm.inputs())
    let path = TestMedia.write("synchrony.webm", muxed.file)
    let video = TestMedia.packets(path, "v:0").compactMap(Double.init)
    for (index, time) in video.enumerated() { #expect(abs(time - Double(index) / 30) < 0.002) }
    // The codec's lag comes before zero.
    let audio = TestMedia.packets(path, "a:0").compactMap(Double.init)
    for (index, time) in audio.enumerated() { #expect(abs(time - Double(index) * 0.02 + 0.0065) < 0.008) }
  }

  @Test("late joiners begin at a key frame: such chunks are marked and start with it") func joining() throws {
    for kind in [Kind.webm, .mp4] {
      let muxed = try run(kind.group, inputs: kind.inputs())
      let keys = muxed.packets.filter(\.isKey)
      #expect(keys.count >= 4)
      for key in keys.dropFirst().prefix(2) {
        let rest = muxed.packets.drop { $0.position < key.position }
        let path = TestMedia.write("joined-late-\(kind).bin", muxed.format.extradata + rest.flatMap(\.payload))
        #expect(TestMedia.packets(path, "v:0", "flags").first?.hasPrefix("K") == true)
        #expect(TestMedia.decodedFrames(path) == TestMedia.packets(path, "v:0").count)
      }
    }
  }

  @Test("everything in one worker restarts anywhere too, from the file") func fused() throws {
    let whole = group(
      source(0, "video", stream: 0), stage(1, "video.fps", ["rate": .rational(Rational(24))], from: .stage(0)),
      stage(2, "video.scale", ["width": .integer(160), "height": .integer(90)], from: .stage(1)),
      stage(3, "video.vp8", ["bitrate": .integer(200_000), "gop": .integer(24)], from: .stage(2)),
      source(4, "audio", stream: 1),
      stage(5, "audio.resample", ["rate": .integer(48_000)], from: .stage(4)), stage(6, "audio.opus", from: .stage(5)),
      stage(7, "mux.webm", from: .stage(3), .stage(6)))
    let reference = try run(whole, source: TestMedia.talk)
    for cut in [0, 7, 13, reference.packets.count - 2] {
      let rest = try run(whole, source: TestMedia.talk, after: reference.packets[cut])
      #expect(rest.format == reference.format)
      #expect(rest.packets.first?.position.index == UInt64(cut + 1))
      let joined =
        reference.format.extradata + reference.packets[...cut].flatMap(\.payload) + rest.packets.flatMap(\.payload)
      let path = TestMedia.write("fused-\(cut).webm", joined)
      let video = TestMedia.packets(path, "v:0").compactMap(Double.init)
      #expect(video.count == 96)
      for (index, time) in video.enumerated() { #expect(abs(time - Double(index) / 24) < 0.002) }
      #expect(TestMedia.packets(path, "a:0").count == 201)
      #expect(TestMedia.decodedFrames(path) == 96)
    }
  }

  @Test("a container refuses codecs that it cannot hold, by name") func wrongCodec() throws {
    let inputs = [try Self.h264.get()]
    let failure = #expect(throws: MediaFailure.self) {
      try run(group(stage(0, "mux.webm", from: .socket(0))), inputs: inputs)
    }
    #expect(failure?.kind == .unsupported)
    #expect(failure?.message.contains("h264") == true)
  }
}
