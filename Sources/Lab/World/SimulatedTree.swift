import Base
import Streams
import Vocabulary

/// A group's stages on their inputs: sockets with what has come, tracks of a file with what is read next. Most stages make one element of
/// one; ``Merge`` and ``Burning`` take from several inputs, each from the one whose turn it is.
struct SimulatedTree {
  /// What the streams told that they should not have.
  private(set) var problem: String?
  private let stages: [StageSpec]
  private var works: [Work] = []
  private var sockets: [Socket]
  /// The first output that is wanted.
  private let first: UInt64
  /// Media read from the file, in milliseconds.
  private var readTo: Int64?
  private var mayRead = true
  private var consumed: [(socket: Int, bytes: Int)] = []

  enum Supply {
    case element(SimulatedElement)
    case ended
    /// Something must come first.
    case starved
  }

  private enum Work {
    case read(Reader)
    case pass
    case merge(Merge)
    case burn(Burning)
  }

  /// A track of the file, as far as it was read.
  private struct Reader {
    let track: SimulatedTrack
    let input: UInt32
    var next: UInt64
    /// Text is read ahead, since nothing else tells that no cue comes.
    var isPaced: Bool { track.kind != .text }
    var end: Int64 { track.timestamp(next + 1) }
  }

  private struct Socket {
    var queue: [Packet] = []
    var isOver = false
    /// The next position that may come; at the start, the last at which it may begin.
    var due: UInt64
    var hasBegun = false
    /// What lies before only warms up.
    var first: UInt64 = 0
    var isPicture = false
  }

  init(_ job: WorkerJob, _ source: Scenario.Source?, chunk: Int64?) {
    stages = job.spec.stages
    first = job.resumeAt?.index ?? 0
    func origin(_ input: Int) -> UInt64? { job.origins.first { $0.input == UInt32(input) }?.position.index }
    sockets = job.spec.inputs.indices.map { Socket(due: origin($0) ?? 0) }
    var readers = 0
    for stage in stages {
      if let kind = MediaKind(readBy: stage.component) {
        let input = job.spec.inputs.count + readers
        readers += 1
        guard let track = source.flatMap({ SimulatedTrack(kind, of: $0) }) else {
          problem = "\(stage.component) of a file that has no such track"
          continue
        }
        works.append(.read(Reader(track: track, input: UInt32(input), next: origin(input) ?? 0)))
      } else if stage.component.hasPrefix("mux."), stage.inputs.count > 1 || chunk != nil {
        works.append(.merge(Merge(tracks: stage.inputs.count, chunk: chunk, job)))
      } else if stage.component == "video.burn" {
        works.append(.burn(Burning()))
      } else {
        works.append(.pass)
      }
    }
    begin(stages.count - 1, at: job.resumeAt?.index)
  }

  /// From the root, the question "what is the first output that you need?" goes down to the leaves.
  private mutating func begin(_ stage: Int, at first: UInt64?) {
    guard works.indices.contains(stage) else { return }
    let wanted: [UInt64?]
    switch works[stage] {
    case .read(var reader):
      reader.next = first ?? reader.next
      works[stage] = .read(reader)
      return
    case .pass: wanted = [first]
    case .burn: wanted = [first, nil]
    case .merge(let merge): wanted = merge.tracks.map(\.next)
    }
    for (input, first) in zip(stages[stage].inputs, wanted) {
      switch input {
      case .stage(let id): begin(number(id), at: first)
      case .socket(let socket): sockets[socket].first = first ?? 0
      }
    }
  }

  private func number(_ id: Int) -> Int { stages.firstIndex { $0.id == id } ?? 0 }

  // MARK: - What comes

  mutating func arrive(_ format: MediaFormat, at socket: Int) { sockets[socket].isPicture = format.kind == .video }

  mutating func arrive(_ packet: Packet, at socket: Int) {
    let index = packet.position.index
    if index > sockets[socket].due, sockets[socket].hasBegun || index > sockets[socket].first {
      problem = "input \(socket): \(packet.position) where \(sockets[socket].due) was due"
    }
    sockets[socket].hasBegun = true
    sockets[socket].due = max(sockets[socket].due, index + 1)
    sockets[socket].queue.append(packet)
  }

  mutating func arriveEnd(at socket: Int) { sockets[socket].isOver = true }

  // MARK: - Moving

  /// One element, as far as there is what it is made of; at most one is read from the file.
  mutating func step() -> (Supply, consumed: [(socket: Int, bytes: Int)]) {
    mayRead = true
    consumed = []
    while true {
      let supply = pull(stages.count - 1)
      if case .element(let element) = supply, element.index < first { continue }
      return (supply, consumed)
    }
  }

  private mutating func pull(_ input: StageInput) -> Supply {
    switch input {
    case .stage(let id): pull(number(id))
    case .socket(let socket): take(from: socket)
    }
  }

  private mutating func pull(_ stage: Int) -> Supply {
    let component = stages[stage].component
    switch works[stage] {
    case .read(var reader):
      defer { works[stage] = .read(reader) }
      return read(&reader, by: component)
    case .pass:
      let supply = pull(stages[stage].inputs[0])
      guard case .element(var element) = supply else { return supply }
      element.value = SimulatedMedia.mix(element.value, component)
      return .element(element)
    case .merge(var merge):
      while true {
        if let made = merge.make(component) {
          works[stage] = .merge(merge)
          return made
        }
        guard let wanted = merge.wanted else { preconditionFailure("a muxer that wants nothing has something to give") }
        let supply = pull(stages[stage].inputs[wanted])
        if case .starved = supply {
          works[stage] = .merge(merge)
          return .starved
        }
        merge.take(supply, from: wanted)
      }
    case .burn(var burning):
      while true {
        if let made = burning.make(component) {
          works[stage] = .burn(burning)
          return made
        }
        let wanted = burning.wanted
        let supply = pull(stages[stage].inputs[wanted])
        if case .starved = supply {
          works[stage] = .burn(burning)
          return .starved
        }
        burning.take(supply, from: wanted)
      }
    }
  }

  private mutating func read(_ reader: inout Reader, by component: String) -> Supply {
    guard reader.next < reader.track.length else { return .ended }
    guard mayRead else { return .starved }
    mayRead = false
    let index = reader.next
    let (start, end) = (reader.track.timestamp(index), reader.end)
    if reader.isPaced { readTo = max(readTo ?? end, end) }
    reader.next += 1
    func origin(_ index: UInt64) -> Origin {
      Origin(input: reader.input, position: Position(index), timestamp: reader.track.timestamp(index))
    }
    return .element(
      SimulatedElement(
        index: index, timestamp: start, duration: end - start, value: SimulatedMedia.read(index, by: component),
        bytes: reader.track.bytes, isKey: reader.track.isKey(index), isPicture: reader.track.kind == .video,
        before: [origin(index)], after: [origin(index + 1)]))
  }

  private mutating func take(from socket: Int) -> Supply {
    while let packet = sockets[socket].queue.first {
      sockets[socket].queue.removeFirst()
      consumed.append((socket, packet.payload.count))
      let index = packet.position.index
      // Before the place where it takes over: only to warm up.
      guard index >= sockets[socket].first else { continue }
      func origin(_ index: UInt64, _ timestamp: Int64) -> Origin {
        Origin(input: UInt32(socket), position: Position(index), timestamp: timestamp)
      }
      return .element(
        SimulatedElement(
          index: index, timestamp: packet.timestamp, duration: packet.duration,
          value: SimulatedMedia.value(of: packet), bytes: packet.payload.count, isKey: packet.isKey,
          isPicture: sockets[socket].isPicture, before: [origin(index, packet.timestamp)],
          after: [origin(index + 1, packet.timestamp + packet.duration)]))
    }
    return sockets[socket].isOver ? .ended : .starved
  }

  // MARK: - What it waits for

  private enum Leaf {
    case reader(Int)
    case socket(Int)
  }

  /// The leaf whose turn it is, and the stages that work on what comes from there; nil leaf: none, what is there is enough.
  private var turn: (leaf: Leaf?, path: Set<Int>) {
    var stage = stages.count - 1
    var path: Set<Int> = []
    while works.indices.contains(stage) {
      path.insert(stage)
      let wanted: Int?
      switch works[stage] {
      case .read: return (.reader(stage), path)
      case .pass: wanted = 0
      case .merge(let merge): wanted = merge.wanted
      case .burn(let burning): wanted = burning.isReady ? nil : burning.wanted
      }
      guard let wanted else { return (nil, path) }
      switch stages[stage].inputs[wanted] {
      case .stage(let id): stage = number(id)
      case .socket(let socket): return (.socket(socket), path)
      }
    }
    return (nil, path)
  }

  var canGoOn: Bool {
    guard problem == nil, case .socket(let socket)? = turn.leaf else { return problem == nil }
    return !sockets[socket].queue.isEmpty || sockets[socket].isOver
  }

  /// All stages, once.
  var cost: Duration { cost(of: Set(stages.indices)) }

  private func cost(of path: Set<Int>) -> Duration {
    let milliseconds = stages.indices.filter(path.contains).reduce(0) {
      $0 + SimulatedMedia.cost(of: stages[$1].component)
    }
    return .nanoseconds(Int64(milliseconds * 1e6))
  }

  /// Until the next step: what its stages take, or until the file's time has come.
  var pause: Duration {
    let (leaf, path) = turn
    guard case .reader(let stage)? = leaf, case .read(let reader) = works[stage], reader.isPaced else {
      return cost(of: path)
    }
    let begun = readTo ?? reader.track.timestamp(reader.next)
    return max(cost(of: path), .milliseconds(Int(reader.end - begun)))
  }
}
