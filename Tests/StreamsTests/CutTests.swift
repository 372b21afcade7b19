import Base
import Testing
import Vocabulary

@testable import Streams

/// One stream out of different inputs: positions are interchangeable, origins are not.
@Suite struct CutTests {
  private static let key = World.key(0)

  /// Muxes two tracks: both encoded elsewhere, or one of them here, out of another stream.
  private static func muxer(encodes: Bool) -> GroupSpec {
    let mux = StageSpec(
      id: 7, component: "mux.webm", parameters: [],
      inputs: encodes ? [.socket(0), .stage(6)] : [.socket(0), .socket(1)])
    let opus = StageSpec(id: 6, component: "audio.opus", parameters: [], inputs: [.socket(1)])
    return GroupSpec(
      stages: encodes ? [opus, mux] : [mux], inputs: [World.key(1), World.key(encodes ? 3 : 2)], output: key,
      mezzanine: .asIs, rateCap: 0)
  }

  private static func chain(_ components: String..., from input: Int) -> GroupSpec {
    let stages = components.enumerated().map {
      StageSpec(id: $0, component: $1, parameters: [], inputs: [$0 == 0 ? .socket(0) : .stage($0 - 1)])
    }
    return GroupSpec(stages: stages, inputs: [World.key(input)], output: key, mezzanine: .asIs, rateCap: 0)
  }

  @Test("cuts of several inputs differ when inputs or stages do; of one input, when a stage gives positions anew")
  func cuts() {
    #expect(Self.muxer(encodes: true).cut != nil && Self.muxer(encodes: true).cut == Self.muxer(encodes: true).cut)
    #expect(Self.muxer(encodes: true).cut != Self.muxer(encodes: false).cut)
    #expect(Self.chain("video.scale", "video.vp8", "mux.webm", from: 1).cut == nil)
    #expect(Self.chain("mux.webm", from: 2).cut == nil)
    #expect(Self.chain("video.fps", "video.vp8", from: 1).cut != Self.chain("video.vp8", from: 2).cut)
  }

  /// A group that stands by, and is asked for position 50 with the origins of what another made before.
  private func job(of spec: GroupSpec, after packet: Packet, mayStartOver: Bool) -> WorkerJob? {
    var table = StreamTable(node: World.id(0))
    let inputs = spec.inputs.map { InputPlan(key: $0, upstreams: [Upstream(node: World.id(1), assignment: [])]) }
    _ = table.handle(.open(GroupPlan(spec: spec, inputs: inputs), .armed), at: .zero)
    let wish = StreamMessage.Subscribe(
      key: Self.key, from: .position(packet.position.next), origins: packet.origins, assignment: [], credit: 1,
      mayStartOver: mayStartOver)
    let asked = table.handle(.message(StreamMessage(SubscriptionID(1), .subscribe(wish)), from: World.id(3)), at: .zero)
    for case .authorize(let token, _, _, _) in asked {
      for case .startWorker(_, let job) in table.handle(.authorized(token), at: .zero) { return job }
    }
    return nil
  }

  /// What a group serves when its worker makes position 49.
  private func packet(of spec: GroupSpec) throws -> Packet {
    var table = StreamTable(node: World.id(2))
    let inputs = spec.inputs.map { InputPlan(key: $0, upstreams: [Upstream(node: World.id(1), assignment: [])]) }
    _ = table.handle(.open(GroupPlan(spec: spec, inputs: inputs), .now), at: .zero)
    _ = table.handle(.worker(WorkerID(1), .format(FakeWorker.format)), at: .zero)
    let origins = (0..<2).map { Origin(input: $0, position: Position(UInt64($0) + 70), timestamp: nil) }
    let made = Packet(position: Position(49), timestamp: 0, duration: 1, isKey: true, origins: origins, payload: [1])
    _ = table.handle(.worker(WorkerID(1), .packet(made)), at: .zero)
    let wish = StreamMessage.Subscribe(key: Self.key, from: .latestKey, origins: [], assignment: [], credit: 100)
    let asked = table.handle(.message(StreamMessage(SubscriptionID(1), .subscribe(wish)), from: World.id(3)), at: .zero)
    for case .authorize(let token, _, _, _) in asked {
      for case .send(let message, _) in table.handle(.authorized(token), at: .zero) {
        if case .packet(let packet) = message.body { return packet }
      }
    }
    throw Missing()
  }
  private struct Missing: Error {}

  @Test("a standby of the same cut resumes at the origins of what was made before")
  func sameCut() throws {
    let spec = Self.muxer(encodes: true)
    let job = try #require(self.job(of: spec, after: try packet(of: spec), mayStartOver: false))
    #expect(job.resumeAt == Position(50))
    #expect(job.origins.filter { $0.input < 2 }.map(\.position) == [Position(70), Position(71)])
  }

  @Test("one of another cut takes nothing from them: it begins at its inputs' start, once all upstreams were asked")
  func otherCut() throws {
    for encodes in [false, true] {
      let packet = try self.packet(of: Self.muxer(encodes: encodes))
      let other = Self.muxer(encodes: !encodes)
      #expect(job(of: other, after: packet, mayStartOver: false) == nil)
      let job = try #require(self.job(of: other, after: packet, mayStartOver: true))
      #expect(job.resumeAt == Position(50) && job.origins == [])
    }
  }
}
