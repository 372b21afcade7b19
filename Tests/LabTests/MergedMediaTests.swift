import Base
import Core
import Foundation
import Testing
import Vocabulary

@testable import Lab

/// Films of several tracks through whole nodes: muxers merge them, captions are drawn or go beside, and whatever fails, every position
/// of every output comes once, in order, with what one process would have made.
@Suite struct MergedMediaTests {
  private static let readers = ["source.video", "source.audio", "source.text"]
  private static let pictures = ["video.scale", "video.overlay", "video.burn", "video.vp8"]
  private static let sounds = ["audio.resample", "audio.opus"]
  private static let muxers = ["mux.webm", "mux.ogg", "mux.webvtt"]

  /// Each kind of work on two machines that do nothing else, so that each track comes to the muxer over the network.
  static let spread = [readers] + [pictures, sounds, muxers].flatMap { [$0, $0] } + [[]]

  /// One film of six seconds from the first machine, asked for at the last.
  static func scenario(
    _ offers: [[String]], _ wish: Scenario.Wish, chunk: Int64? = 200, faults: [Fault] = [], seed: UInt64 = 1
  ) -> Scenario {
    var scenario = Scenario(
      seed: seed, nodes: offers.map { Scenario.Machine(components: $0) }, healsAt: 20, endsAt: 110)
    scenario.chunk = chunk
    scenario.sources = [
      Scenario.Source(
        node: 0, path: "talk.mkv", seconds: 6, rate: 10, sound: Scenario.Track(interval: 40, bytes: 80),
        captions: Scenario.Track(interval: 2_000, bytes: 40))
    ]
    scenario.requests = [Scenario.Ask(at: 4, portal: offers.count - 1, source: 0, variant: 0, wants: wish)]
    scenario.faults = faults
    return scenario
  }

  static func crash(_ target: Fault.Target, at: Double, lasts: Double = 60) -> Fault {
    Fault(at: at, lasts: lasts, .crash(target, losesStore: false, silent: false))
  }

  /// Chunks of 200 ms, and a caption each two seconds.
  static let packets: [Scenario.Wish: UInt64] = [
    .picture: 30, .film: 30, .captionedFilm: 33, .burnedFilm: 30, .sound: 30, .captions: 3,
  ]

  @Test("every wish is served whole", arguments: Scenario.Wish.allCases)
  func calm(_ wish: Scenario.Wish) throws {
    let outcome = try Simulation(Self.scenario(Self.spread, wish)).run()
    #expect(outcome.findings == [])
    #expect(outcome.requests.map(\.end) == [.whole], "\(outcome.requests[0].problem)")
    #expect(outcome.requests.map(\.packets) == [Self.packets[wish]])
  }

  @Test("under heavy loss, where each packet is a chunk", arguments: [Scenario.Wish.captionedFilm, .burnedFilm])
  func loss(_ wish: Scenario.Wish) throws {
    var scenario = Self.scenario(Self.spread, wish, chunk: nil)
    (scenario.weather.loss, scenario.weather.duplication, scenario.weather.reordering) = (0.15, 0.05, 0.1)
    let outcome = try Simulation(scenario).run()
    #expect(outcome.findings == [] && outcome.requests.map(\.end) == [.whole], "\(outcome.requests[0].problem)")
  }

  @Test("the node of any group dies, the muxer's among them", arguments: 0..<6)
  func crash(group: Int) throws {
    for wish in [Scenario.Wish.burnedFilm, .captionedFilm] {
      let outcome = try Simulation(
        Self.scenario(Self.spread, wish, faults: [Self.crash(.stage(of: 0, group), at: 7)])
      ).run()
      #expect(outcome.findings == [] && outcome.deaths.count == 1, "\(wish)")
      // With the only source more dies than a group.
      let isHopeless = outcome.deaths.contains { $0.node == 0 }
      #expect(isHopeless || outcome.requests.map(\.end) == [.whole], "\(wish): \(outcome.requests[0])")
    }
  }

  /// Found by the first of these tests: the origins of what a fused group made were taken for those of the muxer's own inputs, and chunks went
  /// to the client that held other media than their number says.
  @Test("both machines of some work die, and those that are left cut the chain elsewhere", arguments: [7.6, 8.4])
  func recut(second: Double) throws {
    let everything = Self.pictures + Self.sounds + Self.muxers
    let offers = [Self.readers, everything, everything, Self.pictures, Self.sounds, Self.muxers, []]
    let faults = [Self.crash(.node(1), at: 6.5), Self.crash(.node(2), at: second)]
    let outcome = try Simulation(Self.scenario(offers, .film, faults: faults)).run()
    #expect(outcome.findings == [] && outcome.deaths.count == 2)
    #expect(outcome.requests.map(\.end) == [.whole], "\(outcome.requests[0])")
  }

  @Test("the manager dies", arguments: [false, true])
  func manager(silent: Bool) throws {
    let fault = Fault(
      at: 4, lasts: 60, .crash(.manager(of: 0), losesStore: false, silent: silent),
      when: Fault.Trigger(manager: 0, reaches: .running))
    var whole = 0
    for seed in 1...3 as ClosedRange<UInt64> {
      let outcome = try Simulation(Self.scenario(Self.spread, .captionedFilm, faults: [fault], seed: seed)).run()
      #expect(outcome.findings == [] && outcome.strikes.count == 1)
      if outcome.deaths.contains(where: { $0.node == 0 || $0.node == Self.spread.count - 1 }) { continue }
      #expect(outcome.requests.map(\.end) == [.whole], "\(outcome.requests[0])")
      whole += 1
    }
    #expect(whole > 0, "the manager was the source or the portal in every world")
  }

  @Test("one scenario has one course")
  func determinism() throws {
    func hash(_ seed: UInt64) throws -> String {
      let fault = Self.crash(.stage(of: 0, 4), at: 7)
      return try Simulation(Self.scenario(Self.spread, .burnedFilm, faults: [fault], seed: seed)).run().traceHash
    }
    let once = try hash(1)
    #expect(once == (try hash(1)))
    #expect(once != (try hash(2)))
  }

  @Test(
    "(canary) what is acknowledged on receipt is noticed, also where positions are not one of one",
    arguments: [Scenario.Wish.film, .burnedFilm, .sound])
  func canary(_ wish: Scenario.Wish) throws {
    let outcome = try Simulation(Self.scenario(Self.spread, wish), defect: .acknowledgedOnReceipt).run()
    #expect(outcome.findings.contains { $0.checker == AcknowledgementChecker.name })
  }

  @Test("a scenario reads as it was written; one from before is of pictures alone")
  func files() throws {
    let scenario = Self.scenario(Self.spread, .captionedFilm)
    let text = try JSONEncoder().encode(scenario)
    #expect(try JSONDecoder().decode(Scenario.self, from: text) == scenario)
    let before = String(
      decoding: try JSONEncoder().encode(MendedTests.scenario(at: 6, lasts: 1, .rain(0))), as: UTF8.self)
    for name in ["sound", "captions", "wants", "chunk"] { #expect(!before.contains("\"\(name)\"")) }
    #expect(try JSONDecoder().decode(Scenario.self, from: Data(before.utf8)).picturesOnly == nil)
  }
}
