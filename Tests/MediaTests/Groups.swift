import Base
import Foundation
import Testing
import Vocabulary

@testable import Media

/// A stream as a node keeps it.
struct Track {
  var format: MediaFormat
  var packets: [Packet]
  var damage: MediaFailure?

  /// Muxed: what a client receives.
  var file: [UInt8] { format.extradata + packets.flatMap(\.payload) }
}

func stage(
  _ id: Int, _ component: String, _ parameters: KeyValuePairs<String, ParameterValue> = [:], from inputs: StageInput...
) -> StageSpec {
  StageSpec(id: id, component: component, parameters: parameters.map { .init($0.key, $0.value) }, inputs: inputs)
}

func group(_ stages: StageSpec..., mezzanine: Mezzanine = .intra, cap: Int64 = 0) -> GroupSpec {
  let sockets = stages.flatMap(\.inputs).filter { if case .socket = $0 { true } else { false } }.count
  let key = StreamKey(Bytes32.zero)
  return GroupSpec(
    stages: stages, inputs: Array(repeating: key, count: sockets), output: key, mezzanine: mezzanine, rateCap: cap)
}

func source(_ id: Int, _ kind: String, stream: Int, pacing: String = "max", start: Int64 = 0) -> StageSpec {
  stage(id, "source.\(kind)", ["stream": .integer(Int64(stream)), "pacing": .text(pacing), "start": .integer(start)])
}

/// Runs a group to its end within this process. Inputs are fed as a node would: resumed, from the origins of the packet
/// after which the group resumes, and not one packet more.
func run(_ group: GroupSpec, source: String = "", inputs: [Track] = [], after packet: Packet? = nil) throws -> Track {
  var track: Track?
  var job = GroupRunner.Job(group: group, sourcePath: source)
  if let packet { job.resume = (Position(packet.position.index + 1), packet.origins) }
  let runner = try GroupRunner(
    job,
    emit: { event in
      switch event {
      case .format(let format): track = Track(format: format, packets: [])
      case .packet(let packet): track?.packets.append(packet)
      case .end: break
      }
    }, onConsumed: { _, _ in })
  for (socket, input) in inputs.enumerated() {
    let from = packet.map { packet in packet.origins.first { $0.input == UInt32(socket) }?.position.index ?? 0 } ?? 0
    try runner.arrive(input.format, socket: socket)
    for packet in input.packets where packet.position.index >= from {
      try runner.arrive(packet, socket: socket, now: .zero)
    }
    try runner.arriveEnd(socket: socket)
  }
  var now = Instant.zero
  loop: while true {
    switch try runner.pump(now: now) {
    case .progressed: continue
    case .notBefore(let moment): now = moment
    case .starved(let socket):
      Issue.record("input \(socket) starved though it had ended")
      break loop
    case .ended: break loop
    }
  }
  var result = try #require(track)
  result.damage = runner.damage
  return result
}

/// Resumes a group after each of some packets, and checks that exactly the positions after it come, each once, at its time.
func checkResume(
  _ group: GroupSpec, source: String = "", inputs: [Track] = [], at places: [Double] = [0, 0.3, 0.7, 1],
  exact: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let whole = try run(group, source: source, inputs: inputs)
  #expect(whole.packets.map(\.position.index) == Array(0..<UInt64(whole.packets.count)), sourceLocation: sourceLocation)
  for place in places {
    let cut = Int(place * Double(whole.packets.count - 1))
    let rest = try run(group, source: source, inputs: inputs, after: whole.packets[cut])
    let expected = whole.packets[(cut + 1)...]
    #expect(rest.packets.map(\.position) == expected.map(\.position), "after \(cut)", sourceLocation: sourceLocation)
    #expect(rest.packets.map(\.timestamp) == expected.map(\.timestamp), "after \(cut)", sourceLocation: sourceLocation)
    #expect(rest.packets.map(\.duration) == expected.map(\.duration), "after \(cut)", sourceLocation: sourceLocation)
    #expect(rest.format == whole.format, sourceLocation: sourceLocation)
    if whole.format.kind == .video, let first = rest.packets.first {
      #expect(first.isKey, "a fresh encoder begins with a key frame", sourceLocation: sourceLocation)
    }
    if exact, !expected.isEmpty {
      var tail = whole
      tail.packets = Array(expected)
      #expect(try difference(rest, tail) <= 1, "after \(cut)", sourceLocation: sourceLocation)
    }
  }
}

/// The greatest difference between two tracks' decoded samples (of 16 bits); of pictures, whether they differ at all.
func difference(_ a: Track, _ b: Track) throws -> Int {
  guard a.format.kind == .audio else { return a.packets.map(\.payload) == b.packets.map(\.payload) ? 0 : .max }
  let (x, y) = (try sound(a), try sound(b))
  guard x.count == y.count else { return .max }
  var greatest: Float = 0
  for place in x.indices { greatest = max(greatest, abs(x[place] - y[place])) }
  return Int((greatest * 32_768).rounded())
}

/// Decoded, interleaved.
func sound(_ track: Track) throws -> [Float] {
  let unpacker = try AudioUnpacker(track.format, socket: 0, next: nil)
  var result: [Float] = []
  for packet in track.packets {
    for element in try unpacker.unpack(element(packet)) {
      if case .sound(let samples) = element.content { result += samples }
    }
  }
  return result
}

/// Decoded pictures of a video track: the brightness of every pixel, frame by frame.
func brightness(_ track: Track) throws -> [[UInt8]] {
  let unpacker = try VideoUnpacker(track.format)
  var given: [Element] = []
  for packet in track.packets { given += try unpacker.unpack(element(packet)) }
  given += try unpacker.finish()
  var result: [[UInt8]] = []
  for element in given {
    guard case .picture(let picture) = element.content else { continue }
    let frame = picture.pointer.pointee
    var pixels: [UInt8] = []
    for row in 0..<picture.height {
      pixels += UnsafeBufferPointer(start: frame.data.0! + row * Int(frame.linesize.0), count: picture.width)
    }
    result.append(pixels)
  }
  return result
}

private func element(_ packet: Packet) -> Element {
  Element(
    index: packet.position.index, timestamp: packet.timestamp, duration: packet.duration, before: [], after: [],
    content: .coded(packet.payload, isKey: packet.isKey))
}
