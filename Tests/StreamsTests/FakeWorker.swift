import Base
import Vocabulary

@testable import Streams

/// A worker whose output is a pure function of its inputs, so that every packet at a sink can be checked by itself: output
/// n is made of inputs n·step − memory … (n+1)·step − 1 of each socket, and waits for `lookahead` more. A source's output
/// is made of its number and its position. Values travel as timestamps; payloads are only size.
struct FakeWorker {
  /// How one group works; both the worker and the checker read it from the stage's parameters.
  struct Shape {
    var seed: UInt64
    /// Of a source: packets in all. Of others: 0.
    var length: UInt64
    var steps: [UInt64]
    var memory: UInt64
    var lookahead: UInt64
    var size: Int
    /// Microseconds between two outputs of a source.
    var pace: Int

    init(_ spec: GroupSpec) {
      func number(_ name: String) -> Int64 {
        if case .integer(let value) = spec.stages[0][name] { value } else { 0 }
      }
      seed = UInt64(number("seed"))
      length = UInt64(number("length"))
      steps = spec.inputs.indices.map { UInt64(number("step\($0)")) }
      memory = UInt64(number("memory"))
      lookahead = UInt64(number("lookahead"))
      size = Int(number("size"))
      pace = Int(number("pace"))
    }

    /// Inputs that output `index` is made of, before cutting at the input's end.
    func range(_ index: UInt64, of input: Int) -> Range<UInt64> {
      let first = index * steps[input]
      return (first > memory ? first - memory : 0)..<(index + 1) * steps[input]
    }

    func value(_ parts: [UInt64]) -> UInt64 { parts.reduce(seed &* 0x9E37_79B9) { ($0 ^ $1) &* 0x100_0000_01B3 &+ 1 } }
  }

  let shape: Shape
  let isSource: Bool
  let isForgetful: Bool
  var credit = 0
  var isAwake = false
  private(set) var problem: String?
  private(set) var queuedBytes = 0
  private var next: UInt64
  private var hasFormat = false
  private var hasEnded = false
  private var inputs: [Input]

  struct Input {
    var hasFormat = false
    var queue = Ring<Packet>()
    /// Values by position: those that are still needed.
    var values: [UInt64: UInt64] = [:]
    var first: UInt64?
    var end: UInt64 = 0
    var isOver = false
  }

  init(job: WorkerJob, isForgetful: Bool) {
    shape = Shape(job.spec)
    isSource = job.spec.inputs.isEmpty
    self.isForgetful = isForgetful
    next = job.resumeAt?.index ?? 0
    inputs = job.spec.inputs.map { _ in Input() }
  }

  static let format = MediaFormat(kind: .video, codec: "fake", timeBase: Rational(1))

  /// Time until the next step; a source is paced.
  func pause(_ microseconds: Int) -> Duration {
    .microseconds(isSource && hasFormat ? shape.pace + microseconds / 8 : microseconds)
  }

  mutating func take(_ command: WorkerCommand) {
    switch command {
    case .credit(let bytes): credit += bytes
    case .inputFormat(let socket, _): inputs[socket].hasFormat = true
    case .inputEnd(let socket): inputs[socket].queue.append(FakeWorker.end)
    case .inputPacket(let socket, let packet):
      if !inputs[socket].hasFormat { problem = "packet \(packet.position) before its format" }
      queuedBytes += packet.payload.count
      inputs[socket].queue.append(packet)
    }
  }

  private static let end = Packet(
    position: Position(epoch: .max, 0), timestamp: 0, duration: 0, isKey: false, origins: [], payload: [])

  /// Takes what it needs of its inputs, makes what it can; whether there is more to do at once.
  mutating func step() -> (said: [WorkerReport], isBusy: Bool) {
    guard !hasEnded else { return ([], false) }
    var said: [WorkerReport] = []
    if !hasFormat {
      hasFormat = true
      said.append(.format(FakeWorker.format))
    }
    for socket in inputs.indices { said += drain(socket) }
    guard credit > 0, let parts = parts() else { return (said, false) }
    if parts.isEmpty {
      hasEnded = true
      return (said + [.end], false)
    }
    let packet = make(parts)
    credit -= packet.payload.count
    next += 1
    return (said + [.packet(packet)], true)
  }

  private mutating func drain(_ socket: Int) -> [WorkerReport] {
    var consumed = 0
    let wanted = shape.range(next, of: socket).upperBound + shape.lookahead
    while let packet = inputs[socket].queue.first, packet.position.epoch == .max || packet.position.index < wanted {
      inputs[socket].queue.popFirst()
      guard packet.position.epoch == 0 else {
        inputs[socket].isOver = true
        break
      }
      let index = packet.position.index
      if inputs[socket].first == nil {
        inputs[socket].first = index
        inputs[socket].end = index
        if index > shape.range(next, of: socket).lowerBound, !isForgetful {
          problem = "input \(socket) begins at \(index), output \(next) needs \(shape.range(next, of: socket))"
        }
      }
      if index != inputs[socket].end { problem = "input \(socket) has \(index) where \(inputs[socket].end) was due" }
      inputs[socket].end = index + 1
      inputs[socket].values[index] = UInt64(bitPattern: packet.timestamp)
      consumed += packet.payload.count
    }
    queuedBytes -= consumed
    return consumed > 0 ? [.consumed(socket: socket, bytes: consumed)] : []
  }

  /// What the next output is made of; empty at the stream's end; nil when more input is needed.
  private func parts() -> [UInt64]? {
    if isSource { return next < shape.length ? [next] : [] }
    var parts: [UInt64] = []
    var hasFresh = false
    for (socket, input) in inputs.enumerated() {
      let range = shape.range(next, of: socket)
      guard input.isOver || input.end >= range.upperBound + shape.lookahead else { return nil }
      if input.end > next * shape.steps[socket] { hasFresh = true }
      for index in range where index < input.end { parts.append(input.values[index] ?? 0) }
    }
    return hasFresh ? parts : []
  }

  private mutating func make(_ parts: [UInt64]) -> Packet {
    var origins: [Origin] = []
    for socket in inputs.indices {
      let needed = shape.range(next + 1, of: socket)
      let first = isForgetful ? (next + 1) * shape.steps[socket] : needed.lowerBound
      origins.append(Origin(input: UInt32(socket), position: Position(first), timestamp: Int64(first)))
      for index in inputs[socket].values.keys where index < needed.lowerBound { inputs[socket].values[index] = nil }
    }
    if isSource { origins = [Origin(input: 0, position: Position(next + 1), timestamp: nil)] }
    return Packet(
      position: Position(next), timestamp: Int64(bitPattern: shape.value(parts)), duration: 1, isKey: next % 10 == 0,
      origins: origins, payload: Payloads.ofSize(shape.size))
  }
}

/// Payloads share their bytes: megabytes cost nothing here.
enum Payloads {
  private static let sizes: [Int: [UInt8]] = Dictionary(
    uniqueKeysWithValues: [0, 10, 1_000, 40_000, 100_000, 1_400_000].map { ($0, [UInt8](repeating: 1, count: $0)) })
  static func ofSize(_ size: Int) -> [UInt8] { sizes[size] ?? [UInt8](repeating: 1, count: size) }
}

/// Reads one sink and holds it to the promise: every position once, in order, of the right value, then the end.
struct FakeClient {
  /// Values of all positions that the stream has; those before `next` were not asked for.
  let expected: [UInt64]
  var next: UInt64
  var received = 0
  var hasEnded = false
  var isStuck = false
  var lastWritten = Instant.zero
  var lastReceived = Instant.zero
  /// The longest time between two packets.
  var worstGap = Duration.zero
  private var hasFormat = false

  init(expected: [UInt64], from next: UInt64 = 0) {
    self.expected = expected
    self.next = next
  }

  var isComplete: Bool { hasEnded && next == UInt64(expected.count) }

  /// What is wrong with a delivery, if anything.
  mutating func take(_ delivery: Delivery) -> String? {
    switch delivery {
    case .format:
      hasFormat = true
      return nil
    case .end:
      hasEnded = true
      return next == UInt64(expected.count) ? nil : "ended at \(next) of \(expected.count)"
    case .packet(let packet):
      received += 1
      guard hasFormat, !hasEnded else { return "packet \(packet.position) outside the stream" }
      guard packet.position.index == next else { return "position \(packet.position) where \(next) was due" }
      guard next < UInt64(expected.count), UInt64(bitPattern: packet.timestamp) == expected[Int(next)] else {
        return "position \(next) has a wrong value"
      }
      next += 1
      return nil
    }
  }
}
