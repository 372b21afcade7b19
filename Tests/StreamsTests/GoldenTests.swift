import Base
import Foundation
import Testing
import Vocabulary

@testable import Streams

@Suite("Golden traces")
struct GoldenTests {
  /// Compares with `Golden/<name>.trace`; `MILLRACE_RECORD=1` writes it instead.
  private func compare(_ lines: [String], with name: String) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name).trace")
    let text = lines.joined(separator: "\n") + "\n"
    if ProcessInfo.processInfo.environment["MILLRACE_RECORD"] != nil {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    let golden = try String(contentsOf: file, encoding: .utf8)
    #expect(text == golden, "the trace changed; see with MILLRACE_RECORD=1 and git diff whether it should have")
  }

  @Test("a middle node falls silent, and its standby goes on at the next position")
  func switchOver() throws {
    var world = World(nodes: 4, seed: 7)
    world.linksClose = false
    world.jitter = 1
    world.trace = [
      "n0 reads the source; n1 filters, n2 stands by for it; n3 delivers. At 500 ms n1 dies without a word."
    ]
    var chain = Chain()
    chain.source(1, at: 0, length: 20, pace: 50_000)
    chain.stage(2, of: [(key: 1, step: 1)], at: [1, 2], memory: 2)
    chain.open(in: &world)
    chain.deliver(2, to: 3, as: 1, in: &world)
    world.after(.milliseconds(500)) { $0.kill(1) }
    world.run(until: .zero + .seconds(3))
    #expect(world.problems == [])
    #expect(world.clients[SinkID(1)]?.isComplete == true)
    try compare(world.trace ?? [], with: "switch-over")
  }
}
