import Base
import Identity
import Testing
import Vocabulary
import Wire

@Suite("Words of the wire")
struct ConversionTests {
  static let key = StreamKey(Digest.of([1], kind: "test"))

  @Test("a group goes there and back")
  func group() throws {
    let spec = GroupSpec(
      stages: [
        StageSpec(
          id: 3, component: "video.fps", parameters: [.init("rate", .rational(Rational(30_000, 1_001)!))],
          inputs: [.socket(0)]),
        StageSpec(
          id: 4, component: "video.scale", parameters: [.init("height", .integer(360)), .init("width", .integer(640))],
          inputs: [.stage(3)]),
      ], inputs: [Self.key], output: Self.key, mezzanine: .longGOP, rateCap: 2_000_000)
    #expect(try GroupSpec(validating: WireGroup(parsing: spec.wire.wireBytes)) == spec)
  }

  @Test("a stage cannot take from a stage that comes later, nor from a socket that is not there")
  func badGroup() {
    func spec(_ input: StageInput) -> GroupSpec {
      GroupSpec(
        stages: [StageSpec(id: 1, component: "video.scale", parameters: [], inputs: [input])], inputs: [],
        output: Self.key,
        mezzanine: .intra, rateCap: 0)
    }
    for input in [StageInput.stage(1), .stage(7), .socket(0)] {
      #expect(throws: InvalidMessage.self) { try GroupSpec(validating: spec(input).wire) }
    }
  }

  @Test("a packet and its format go there and back")
  func packet() throws {
    let packet = Packet(
      position: Position(7), timestamp: -3, duration: 40, isKey: true,
      origins: [Origin(input: 1, position: Position(epoch: 2, 5), timestamp: nil)], payload: [1, 2])
    #expect(try Packet(validating: WireMediaPacket(parsing: packet.wire.wireBytes)) == packet)
    var format = MediaFormat(kind: .video, codec: "h264", timeBase: Rational(1, 1_000)!)
    format.width = 640
    format.frameRate = Rational(25)
    #expect(try MediaFormat(validating: format.wire) == format)
  }

  @Test("noise is an InvalidMessage that says which message")
  func noise() {
    let error = #expect(throws: InvalidMessage.self) { try WireGroup(parsing: [0xff, 0xff, 0xff]) }
    #expect(error?.field.contains("Group") == true)
  }

  @Test("numbers out of range name the field, the value and what is allowed")
  func ranges() {
    var wire = MediaFormat(kind: .video, codec: "h264", timeBase: Rational(1)).wire
    wire.width = 99_999
    let error = #expect(throws: InvalidMessage.self) { try MediaFormat(validating: wire) }
    #expect(error?.description == "Format.width: 99999 where 0 to 16384 is allowed")
  }
}
