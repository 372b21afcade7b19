import Base
import Vocabulary

/// Runs one group: builds its tree of components out of the specification, then moves it step by step.
///
/// A step goes from the root down: each component names the input that it needs next, and the leaf at the end of that path reads one
/// packet, whose consequences run up to the output at once. So whatever the streams' length and however unlike their
/// rates, nothing piles up: an input that the group cannot use yet stays unread, and its sender runs out of credit.
final class GroupRunner {
  /// What the group is told at its start.
  struct Job {
    var group: GroupSpec
    /// What source stages open.
    var sourcePath = ""
    /// The first output to emit and the origins of the packet before it; nil: from the very start.
    var resume: (at: Position, origins: [Origin])?
  }

  private indirect enum Node {
    case leaf(any Leaf)
    case stage(any Component, number: Int, children: [Node])

    var outlet: Outlet {
      switch self {
      case .leaf(let leaf): leaf.outlet
      case .stage(let component, _, _): component.outlet
      }
    }
  }

  let deadlines = Deadlines()
  private let job: Job
  private var root: Node?
  private var inlets: [Int: SocketInlet] = [:]
  private var sources = 0
  private var idleSteps = 0
  /// Of the source, known at its end: reported after what was readable.
  private(set) var damage: MediaFailure?
  private(set) var hasEnded = false

  /// - Parameters:
  ///   - emit: takes formats, packets and the end, in order.
  ///   - onConsumed: takes a socket's number and how many payload bytes left its queue.
  init(_ job: Job, emit: @escaping (OutputPort.Event) -> Void, onConsumed: @escaping (Int, Int) -> Void) throws {
    self.job = job
    root = try build(port: OutputPort(emit: emit), onConsumed: onConsumed)
    try resume(root!, at: job.resume?.at.index)
  }

  // MARK: - Building

  private func build(port: OutputPort, onConsumed: @escaping (Int, Int) -> Void) throws -> Node {
    var made: [Int: Node] = [:]
    var last: (node: Node, stage: StageSpec)?
    for (number, stage) in job.group.stages.enumerated() {
      let node: Node
      if let kind = Catalogue.source(stage.component) {
        node = .leaf(try source(kind, stage))
      } else {
        let component = try Catalogue.component(stage, number: number)
        let children = try stage.inputs.map { input -> Node in
          switch input {
          case .stage(let id):
            guard let child = made.removeValue(forKey: id) else {
              throw MediaFailure(
                .badMessage, "stage \(stage.id) takes from stage \(id), whose output is not free", stage: stage.id)
            }
            return child
          case .socket(let socket):
            guard inlets[socket] == nil else {
              throw MediaFailure(
                .badMessage, "stage \(stage.id) takes from socket \(socket), which another has", stage: stage.id)
            }
            let inlet = SocketInlet(
              socket, passesPackets: component.takesPackets, deadlines: deadlines, onConsumed: onConsumed)
            inlets[socket] = inlet
            return .leaf(inlet)
          }
        }
        node = connect(component, number: number, children: children)
      }
      made[stage.id] = node
      last = (node, stage)
    }
    guard let last, made.count == 1 else { throw MediaFailure(.badMessage, "a group is one tree of stages") }
    guard let mezzanine = Catalogue.mezzanine(for: last.stage.component, job.group) else {
      return connect(port, number: job.group.stages.count + 1, children: [last.node])
    }
    let compressed = connect(mezzanine, number: job.group.stages.count, children: [last.node])
    return connect(port, number: job.group.stages.count + 1, children: [compressed])
  }

  private func connect(_ component: any Component, number: Int, children: [Node]) -> Node {
    for (input, child) in children.enumerated() { child.outlet.connect(to: component, input: input) }
    return .stage(component, number: number, children: children)
  }

  /// Files count as inputs after the sockets.
  private func source(_ kind: MediaKind, _ stage: StageSpec) throws -> any Leaf {
    let file = try SourceFile(path: job.sourcePath, stage: stage, kind: kind, deadlines: deadlines)
    let input = UInt32(job.group.inputs.count + sources)
    sources += 1
    let onDamage: (MediaFailure) -> Void = { [unowned self] in damage = damage ?? $0 }
    switch kind {
    case .video: return try SourceVideo(file, input: input, onDamage: onDamage)
    case .audio: return try SourceAudio(file, input: input, onDamage: onDamage)
    case .text, .muxed: return try SourceText(file, input: input, onDamage: onDamage)
    }
  }

  /// From the root, the question "what is the first output that you need?" goes down to the leaves.
  private func resume(_ node: Node, at first: UInt64?) throws {
    var leaves: [(any Leaf, UInt64?)] = []
    func ask(_ node: Node, _ first: UInt64?) {
      switch node {
      case .leaf(let leaf): leaves.append((leaf, first))
      case .stage(let component, let number, let children):
        let marks = Marks(place: job.group.stages.count + 1 - number, origins: job.resume?.origins ?? [])
        let wanted = component.resume(at: first, marks: marks)
        for (child, first) in zip(children, wanted) { ask(child, first) }
      }
    }
    ask(node, first)
    for (leaf, first) in leaves {
      let number = inputNumber(of: leaf)
      try leaf.begin(at: first, from: job.resume?.origins.first { $0.input == number })
    }
  }

  private func inputNumber(of leaf: any Leaf) -> UInt32 {
    if let inlet = inlets.first(where: { $0.value === leaf }) { return UInt32(inlet.key) }
    return (leaf as? any FileLeaf)?.input ?? 0
  }

  // MARK: - Input

  func arrive(_ format: MediaFormat, socket: Int) throws { try inlet(socket).arrive(format) }
  func arrive(_ packet: Packet, socket: Int, now: Instant) throws { try inlet(socket).arrive(packet, now: now) }
  func arriveEnd(socket: Int) throws { try inlet(socket).arriveEnd() }

  private func inlet(_ socket: Int) throws -> SocketInlet {
    guard let inlet = inlets[socket] else { throw MediaFailure(.badMessage, "the group has no input \(socket)") }
    return inlet
  }

  // MARK: - Moving

  /// One step. ``Pumped/ended`` once the output is complete.
  func pump(now: Instant) throws -> Pumped {
    guard let root, !root.outlet.hasEnded else {
      hasEnded = true
      return .ended
    }
    let result = try pump(root, now: now)
    idleSteps = result == .ended ? idleSteps + 1 : 0
    // The end of a leaf is a step like others; only a component that asks an ended input again and again is a defect.
    guard idleSteps < 100 else { throw MediaFailure(.internal, "the group waits for an input that has ended") }
    if root.outlet.hasEnded { hasEnded = true }
    return hasEnded ? .ended : result == .ended ? .progressed : result
  }

  private func pump(_ node: Node, now: Instant) throws -> Pumped {
    switch node {
    case .leaf(let leaf): return leaf.outlet.hasEnded ? .ended : try leaf.pump(now: now)
    case .stage(let component, _, let children):
      if try component.proceed() { return .progressed }
      return try pump(children[component.wanted], now: now)
    }
  }
}
