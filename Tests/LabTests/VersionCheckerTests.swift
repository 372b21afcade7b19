import Base
import Core
import Elections
import Foundation
import Identity
import Mandates
import Rivals
import Testing
import Vocabulary
import Wire

@testable import Lab

/// A version in force is not lost: with a quorum, and with raft while members only crash. The checker is shown worlds in which a manager dies and
/// its successor goes on, as they are, and told otherwise of one thing.
@Suite("A version in force is not lost, and would be missed") struct VersionCheckerTests {
  /// Hands on what it sees, but for one lie.
  private struct Misled: Checker {
    static let name = VersionChecker.name
    enum Lie: CaseIterable { case none, oneDisk, otherState }
    let lie: Lie
    var real = VersionChecker()
    /// The first manager's term.
    var first: Term?
    /// So many versions were handed on unchanged of a successor.
    var taken = 0
    var faults: [CheckerFault] {
      get { real.faults }
      set { real.faults = newValue }
    }

    init(_ lie: Lie) { self.lie = lie }

    mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
      switch sight {
      case .wrote(let number, _) where lie == .oneDisk && number != 1: return
      case .elects(let number, let to, .proposal(let snapshot, let mandate)):
        let told = said(snapshot, by: world.peers[number])
        real.see(.elects(number, to: to, .proposal(told, mandate)), at: now, in: world)
      case .contests(let number, let to, let message):
        var told = message
        if case .coordinator(let claim, let version?) = message.body {
          let changed = said(Signed(version.body.snapshot, by: world.peers[number].keys), by: world.peers[number])
          told.body = .coordinator(
            claim, newest: Signed(ContestVersion(changed.body), by: world.peers[number].keys))
        }
        real.see(.contests(number, to: to, told), at: now, in: world)
      default: real.see(sight, at: now, in: world)
      }
    }

    /// What a manager proposes; of a successor something that nobody had before.
    private mutating func said(_ snapshot: Signed<Snapshot>, by peer: SimulatedPeer) -> Signed<Snapshot> {
      first = first ?? snapshot.body.term
      guard snapshot.body.term != first else { return snapshot }
      taken += 1
      guard lie == .otherState else { return snapshot }
      var body = snapshot.body
      body.state = [1, 2, 3]
      return Signed(body, by: peer.keys)
    }
  }

  @Test(
    "too few disks, and a successor that takes over something else, under either protocol",
    arguments: [ElectionStrategy.rendezvous, .raft], Misled.Lie.allCases)
  private func found(_ strategy: ElectionStrategy, _ lie: Misled.Lie) throws {
    let expected: [Misled.Lie: String?] = [.none: nil, .oneDisk: "make a quorum", .otherState: "and has lost version"]
    var successors = 0
    for seed in 1...2 as ClosedRange<UInt64> {
      let world = try Simulation(FailoverTests.scenario(.running, seed: seed, strategy: strategy))
      world.checkers = [Misled(lie)]
      let findings = world.run().findings.map(\.what)
      successors += (world.checkers[0] as? Misled)?.taken ?? 0
      guard let text = expected[lie]! else {
        #expect(findings == [], "seed \(seed)")
        continue
      }
      #expect(findings.contains { $0.contains(text) }, "seed \(seed): \(findings)")
    }
    // Too few disks are found before anybody dies.
    #expect(successors > 0 || lie == .oneDisk, "no manager had a successor")
  }
}
