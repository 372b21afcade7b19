import Base
import Foundation
import Testing

@testable import Lab

/// `MILLRACE_SPEED=1000,0,60 swift test -c release -Xswiftc -enable-testing --filter speed` plays 1,000 nodes with full views for a minute;
/// a number in the middle bounds their views.
@Suite struct SpeedTests {
  private static let wish = ProcessInfo.processInfo.environment["MILLRACE_SPEED"]?.split(separator: ",").compactMap {
    Int($0)
  }

  @Test("(by hand) how fast very many nodes gossip, with a request a second", .enabled(if: wish?.count == 3))
  func speed() throws {
    let (nodes, view, seconds) = (Self.wish![0], Self.wish![1], Self.wish![2])
    let parts = [
      "source.video", "source.audio", "source.text", "video.scale", "video.overlay", "video.vp8", "mux.webm",
    ]
    var scenario = Scenario(
      seed: 1,
      nodes: (0..<nodes).map { Scenario.Machine(components: parts, startsAt: Double($0 % 1_000) * 0.01) },
      healsAt: Double(seconds), endsAt: Double(seconds))
    scenario.economy.uncheckedForSpeed = true
    scenario.economy.coarseTrace = true
    scenario.economy.viewBound = view > 0 ? view : nil
    scenario.sources = (0..<min(nodes, 100)).map { Scenario.Source(node: $0, path: "talk-\($0)", seconds: 3) }
    scenario.requests = (20..<max(21, seconds - 5)).map {
      Scenario.Ask(at: Double($0), portal: ($0 * 7) % nodes, source: $0 % scenario.sources.count, variant: $0)
    }
    let start = Date()
    let outcome = try Simulation(scenario).run()
    let took = Date().timeIntervalSince(start)
    let memory =
      (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n")
      .first { $0.hasPrefix("VmHWM") } ?? ""
    let ends = Dictionary(outcome.requests.map { ($0.end?.rawValue ?? "open", 1) }, uniquingKeysWith: +)
    FileHandle.standardError.write(
      Data(
        ("\(nodes) nodes, views of \(view > 0 ? view : nodes), \(outcome.simulated) s simulated in \(took) s, "
          + "\(Int(Double(outcome.counts.happenings) / took)) happenings a second, \(outcome.counts), \(ends), \(memory)\n")
          .utf8))
    #expect(outcome.simulated > 0)
  }
}
