import Base
import Foundation
import Identity
import SwiftProtobuf
import Vocabulary

// Wire words to checked values of the vocabulary and back: one place a type. Rooms do the same for their own messages.

extension SwiftProtobuf.Message {
  /// Parses bytes as this message; a malformed one is reported under the message's own name.
  public init(parsing bytes: [UInt8]) throws(InvalidMessage) {
    do { try self.init(serializedBytes: bytes) } catch {
      throw InvalidMessage(Self.protoMessageName, "not well-formed: \(error)")
    }
  }

  /// The bytes to sign or send.
  public var wireBytes: [UInt8] {
    // A message without required fields or Any cannot fail to serialize.
    try! self.serializedBytes()
  }
}

/// Checks of single fields; each names the field that it refuses.
public enum Field {
  /// 32 bytes.
  public static func bytes32(_ data: Data, _ field: String) throws(InvalidMessage) -> Bytes32 {
    guard let value = Bytes32(data) else { throw InvalidMessage(field, "\(data.count) bytes where 32 were expected") }
    return value
  }
  /// A node's public key.
  public static func node(_ data: Data, _ field: String) throws(InvalidMessage) -> NodeID {
    NodeID(try bytes32(data, field))
  }
  /// Text of at most `limit` UTF-8 bytes.
  public static func text(_ text: String, _ field: String, limit: Int = Limits.textBytes) throws(InvalidMessage)
    -> String
  {
    guard text.utf8.count <= limit else {
      throw InvalidMessage(field, "\(text.utf8.count) bytes of text where at most \(limit) are allowed")
    }
    return text
  }
  /// A number in a range.
  public static func number<Number: BinaryInteger & Sendable>(
    _ value: Number, _ field: String, in range: ClosedRange<Number>
  ) throws(InvalidMessage) -> Number {
    guard range.contains(value) else {
      throw InvalidMessage(field, "\(value) where \(range.lowerBound) to \(range.upperBound) is allowed")
    }
    return value
  }
  /// A finite number in a range.
  public static func number(_ value: Double, _ field: String, in range: ClosedRange<Double>) throws(InvalidMessage)
    -> Double
  {
    guard range.contains(value) else {
      throw InvalidMessage(field, "\(value) where \(range.lowerBound) to \(range.upperBound) is allowed")
    }
    return value
  }
  /// A list of at most `limit` elements.
  public static func list<Element>(_ list: [Element], _ field: String, limit: Int) throws(InvalidMessage) -> [Element] {
    guard list.count <= limit else {
      throw InvalidMessage(field, "\(list.count) elements where at most \(limit) are allowed")
    }
    return list
  }
}

extension SignedEnvelope {
  /// Checks lengths only; see `Signed`.
  public init(validating wire: WireSignedBytes, _ field: String) throws(InvalidMessage) {
    guard let signature = Signature(Array(wire.signature)) else {
      throw InvalidMessage("\(field).signature", "\(wire.signature.count) bytes where 64 were expected")
    }
    self.init(bytes: Array(wire.body), signer: try Field.node(wire.signer, "\(field).signer"), signature: signature)
  }
  /// For sending.
  public var wire: WireSignedBytes {
    .with {
      $0.body = Data(bytes)
      $0.signer = signer.data
      $0.signature = Data(signature.bytes)
    }
  }
}

extension Bytes32 { public var data: Data { withBytes { Data(bytes: $0.baseAddress!, count: $0.count) } } }
extension NodeID { public var data: Data { key.data } }

extension Term {
  public init(_ wire: WireTermMark) { self.init(epoch: wire.epoch, wire.number) }
  public var wire: WireTermMark {
    .with {
      $0.epoch = epoch
      $0.number = number
    }
  }
}

extension Rational {
  public init(validating wire: WireRatio, _ field: String) throws(InvalidMessage) {
    guard let value = Rational(wire.numerator, wire.denominator) else {
      throw InvalidMessage(field, "\(wire.numerator)/\(wire.denominator) is not a ratio")
    }
    self = value
  }
  public var wire: WireRatio {
    .with {
      $0.numerator = numerator
      $0.denominator = denominator
    }
  }
}

extension PeerAddress {
  public init(validating wire: WireAddress, _ field: String) throws(InvalidMessage) {
    let port = try Field.number(wire.port, "\(field).port", in: 1...65_535)
    let host = try Field.text(wire.host, "\(field).host", limit: 255)
    self.init(host: host, port: UInt16(port))
  }
  public var wire: WireAddress {
    .with {
      $0.host = host
      $0.port = UInt32(port)
    }
  }
}

extension Coordinate {
  public init(validating wire: WireCoordinatePoint, _ field: String) throws(InvalidMessage) {
    guard wire.vector.count == Coordinate.dimensions else {
      throw InvalidMessage(
        "\(field).vector", "\(wire.vector.count) numbers where \(Coordinate.dimensions) were expected")
    }
    for component in wire.vector { _ = try Field.number(component, "\(field).vector", in: -100_000...100_000) }
    self.init(
      vector: wire.vector, height: try Field.number(wire.height, "\(field).height", in: 0...100_000),
      error: try Field.number(wire.error, "\(field).error", in: 0...1.5))
  }
  public var wire: WireCoordinatePoint {
    .with {
      $0.vector = vector
      $0.height = height
      $0.error = error
    }
  }
}

extension Position {
  public var wire: WirePositionMark {
    .with {
      $0.epoch = epoch
      $0.index = index
    }
  }
}

extension Packet {
  public init(validating wire: WireMediaPacket) throws(InvalidMessage) {
    self.init(
      position: try Position(validating: wire.position, "MediaPacket.position"), timestamp: wire.timestamp,
      duration: wire.duration, isKey: wire.key,
      origins: try Origin.list(wire.origins, "MediaPacket.origins", limit: 16), payload: Array(wire.payload))
  }
  public var wire: WireMediaPacket {
    .with {
      $0.position = position.wire
      $0.timestamp = timestamp
      $0.duration = duration
      $0.key = isKey
      $0.origins = origins.map(\.wire)
      $0.payload = Data(payload)
    }
  }
}

extension MediaFormat {
  public init(validating wire: WireFormat, nested: Bool = false) throws(InvalidMessage) {
    guard let kind = MediaKind(rawValue: wire.kind) else {
      throw InvalidMessage("Format.kind", "unknown kind “\(wire.kind)”")
    }
    self.init(
      kind: kind, codec: try Field.text(wire.codec, "Format.codec", limit: 64),
      timeBase: try Rational(validating: wire.timeBase, "Format.time_base"))
    guard timeBase.numerator > 0 else { throw InvalidMessage("Format.time_base", "\(timeBase) is not positive") }
    guard wire.extradata.count <= 1 << 20 else {
      throw InvalidMessage("Format.extradata", "\(wire.extradata.count) bytes where at most 1 MiB is allowed")
    }
    extradata = Array(wire.extradata)
    width = Int(try Field.number(wire.width, "Format.width", in: 0...16_384))
    height = Int(try Field.number(wire.height, "Format.height", in: 0...16_384))
    pixelFormat = try Field.text(wire.pixelFormat, "Format.pixel_format", limit: 32)
    frameRate = wire.hasFrameRate ? try Rational(validating: wire.frameRate, "Format.frame_rate") : nil
    sampleAspect =
      wire.hasSampleAspect ? try Rational(validating: wire.sampleAspect, "Format.sample_aspect") : Rational(1)
    color.range = Int(try Field.number(wire.colorRange, "Format.color_range", in: 0...255))
    color.primaries = Int(try Field.number(wire.colorPrimaries, "Format.color_primaries", in: 0...255))
    color.transfer = Int(try Field.number(wire.colorTransfer, "Format.color_transfer", in: 0...255))
    color.matrix = Int(try Field.number(wire.colorMatrix, "Format.color_matrix", in: 0...255))
    sampleRate = Int(try Field.number(wire.sampleRate, "Format.sample_rate", in: 0...768_000))
    channels = Int(try Field.number(wire.channels, "Format.channels", in: 0...64))
    initialPadding = Int(try Field.number(wire.initialPadding, "Format.initial_padding", in: 0...1_000_000))
    mimeType = try Field.text(wire.mimeType, "Format.mime_type", limit: 256)
    guard !nested || wire.tracks.isEmpty else { throw InvalidMessage("Format.tracks", "nested twice") }
    for track in try Field.list(wire.tracks, "Format.tracks", limit: 16) {
      tracks.append(try MediaFormat(validating: track, nested: true))
    }
  }
  public var wire: WireFormat {
    .with {
      $0.kind = kind.rawValue
      $0.codec = codec
      $0.timeBase = timeBase.wire
      $0.extradata = Data(extradata)
      $0.width = UInt32(width)
      $0.height = UInt32(height)
      $0.pixelFormat = pixelFormat
      if let frameRate { $0.frameRate = frameRate.wire }
      $0.sampleAspect = sampleAspect.wire
      $0.colorRange = UInt32(color.range)
      $0.colorPrimaries = UInt32(color.primaries)
      $0.colorTransfer = UInt32(color.transfer)
      $0.colorMatrix = UInt32(color.matrix)
      $0.sampleRate = UInt32(sampleRate)
      $0.channels = UInt32(channels)
      $0.initialPadding = UInt32(initialPadding)
      $0.mimeType = mimeType
      $0.tracks = tracks.map(\.wire)
    }
  }
}

extension StageSpec {
  public init(validating wire: WireStage) throws(InvalidMessage) {
    var parameters: [Parameter] = []
    for parameter in try Field.list(wire.parameters, "Stage.parameters", limit: 32) {
      let name = try Field.text(parameter.name, "Stage.parameters.name", limit: 64)
      switch parameter.value {
      case .integer(let value): parameters.append(Parameter(name, .integer(value)))
      case .rational(let value):
        parameters.append(Parameter(name, .rational(try Rational(validating: value, "Stage.parameters.\(name)"))))
      case .text(let value):
        parameters.append(Parameter(name, .text(try Field.text(value, "Stage.parameters.\(name)"))))
      case .flag(let value): parameters.append(Parameter(name, .flag(value)))
      case nil: throw InvalidMessage("Stage.parameters.\(name)", "has no value")
      }
    }
    var inputs: [StageInput] = []
    for input in try Field.list(wire.inputs, "Stage.inputs", limit: 16) {
      switch input.from {
      case .stage(let id): inputs.append(.stage(Int(id)))
      case .socket(let number): inputs.append(.socket(Int(number)))
      case nil: throw InvalidMessage("Stage.inputs", "comes from nowhere")
      }
    }
    self.init(
      id: Int(wire.id), component: try Field.text(wire.component, "Stage.component", limit: 64), parameters: parameters,
      inputs: inputs)
  }
  public var wire: WireStage {
    .with {
      $0.id = UInt32(id)
      $0.component = component
      $0.parameters = parameters.map { parameter in
        .with {
          $0.name = parameter.name
          switch parameter.value {
          case .integer(let value): $0.integer = value
          case .rational(let value): $0.rational = value.wire
          case .text(let value): $0.text = value
          case .flag(let value): $0.flag = value
          }
        }
      }
      $0.inputs = inputs.map { input in
        .with {
          switch input {
          case .stage(let id): $0.stage = UInt32(id)
          case .socket(let number): $0.socket = UInt32(number)
          }
        }
      }
    }
  }
}

extension GroupSpec {
  public init(validating wire: WireGroup) throws(InvalidMessage) {
    var stages: [StageSpec] = []
    for stage in try Field.list(wire.stages, "Group.stages", limit: 64) {
      stages.append(try StageSpec(validating: stage))
    }
    guard !stages.isEmpty else { throw InvalidMessage("Group.stages", "a group has at least one stage") }
    var inputs: [StreamKey] = []
    for key in try Field.list(wire.inputs, "Group.inputs", limit: 16) {
      inputs.append(StreamKey(try Field.bytes32(key, "Group.inputs")))
    }
    guard let mezzanine = Mezzanine(rawValue: wire.mezzanine) else {
      throw InvalidMessage("Group.mezzanine", "unknown mezzanine “\(wire.mezzanine)”")
    }
    var known = Set<Int>()
    for stage in stages {
      for input in stage.inputs {
        switch input {
        case .stage(let id) where !known.contains(id):
          throw InvalidMessage(
            "Group.stages", "stage \(stage.id) takes from stage \(id), which does not come before it")
        case .socket(let number) where !inputs.indices.contains(number):
          throw InvalidMessage("Group.stages", "stage \(stage.id) takes from socket \(number) of \(inputs.count)")
        default: break
        }
      }
      guard known.insert(stage.id).inserted else {
        throw InvalidMessage("Group.stages", "stage \(stage.id) stands twice")
      }
    }
    self.init(
      stages: stages, inputs: inputs, output: StreamKey(try Field.bytes32(wire.output, "Group.output")),
      mezzanine: mezzanine,
      rateCap: try Field.number(wire.rateCap, "Group.rate_cap", in: 0...100_000_000_000))
  }
  public var wire: WireGroup {
    .with {
      $0.stages = stages.map(\.wire)
      $0.inputs = inputs.map(\.hash.data)
      $0.output = output.hash.data
      $0.mezzanine = mezzanine.rawValue
      $0.rateCap = rateCap
    }
  }
}

extension SourceDescription {
  public init(validating wire: WireSourceInfo) throws(InvalidMessage) {
    var tracks: [SourceTrack] = []
    for track in try Field.list(wire.tracks, "SourceInfo.tracks", limit: 64) {
      guard let kind = MediaKind(rawValue: track.kind) else {
        throw InvalidMessage("SourceInfo.tracks.kind", "unknown kind “\(track.kind)”")
      }
      var checked = SourceTrack(
        stream: Int(track.stream), kind: kind, codec: try Field.text(track.codec, "SourceInfo.tracks.codec", limit: 64))
      checked.width = Int(try Field.number(track.width, "SourceInfo.tracks.width", in: 0...16_384))
      checked.height = Int(try Field.number(track.height, "SourceInfo.tracks.height", in: 0...16_384))
      checked.frameRate =
        track.hasFrameRate ? try Rational(validating: track.frameRate, "SourceInfo.tracks.frame_rate") : nil
      checked.isVariableRate = track.variableRate
      checked.isInterlaced = track.interlaced
      checked.sampleRate = Int(try Field.number(track.sampleRate, "SourceInfo.tracks.sample_rate", in: 0...768_000))
      checked.channels = Int(try Field.number(track.channels, "SourceInfo.tracks.channels", in: 0...64))
      checked.language = try Field.text(track.language, "SourceInfo.tracks.language", limit: 64)
      checked.bitrate = track.bitrate
      tracks.append(checked)
    }
    self.init(
      key: SourceKey(try Field.bytes32(wire.key, "SourceInfo.key")),
      container: try Field.text(wire.container, "SourceInfo.container", limit: 256),
      duration: try Field.number(wire.duration, "SourceInfo.duration", in: 0...1e9), size: wire.size, tracks: tracks)
  }
  public var wire: WireSourceInfo {
    .with {
      $0.key = key.hash.data
      $0.container = container
      $0.duration = duration
      $0.size = size
      $0.tracks = tracks.map { track in
        .with {
          $0.stream = UInt32(track.stream)
          $0.kind = track.kind.rawValue
          $0.codec = track.codec
          $0.width = UInt32(track.width)
          $0.height = UInt32(track.height)
          if let rate = track.frameRate { $0.frameRate = rate.wire }
          $0.variableRate = track.isVariableRate
          $0.interlaced = track.isInterlaced
          $0.sampleRate = UInt32(track.sampleRate)
          $0.channels = UInt32(track.channels)
          $0.language = track.language
          $0.bitrate = track.bitrate
        }
      }
    }
  }
}
