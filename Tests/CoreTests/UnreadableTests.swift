import Base
import Elections
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Core

@Suite("Promises that cannot be read")
struct UnreadableTests {
  private func generation(of peer: Int, in world: World) throws -> StoreGeneration {
    for case .generation(let generation) in try #require(
      Node.promises(in: Memory(records: Array(world.peers[peer].records.values))))
    {
      return generation
    }
    throw NoGeneration()
  }
  private struct NoGeneration: Error {}

  @Test(
    "one record that cannot be read begins a new generation of the store, once, which stays out of what began before")
  func unreadable() throws {
    var journey = try Journey(seed: 2)
    let request = try journey.begin()
    let manager = try #require(journey.manager(of: request))
    let witness = try #require((0..<5).first { ![manager, Journey.portal, Talk.sharedBy].contains($0) })
    let name = Record.Name(kind: Node.electionKind, key: Array("ballot/\(request)".utf8))
    #expect(try generation(of: witness, in: journey.world).bornAfterLoss == nil)
    journey.world.crash(witness)
    #expect(journey.world.peers[witness].records[name] != nil)
    journey.world.spoil(name, of: witness)
    journey.world.restart(witness, through: Talk.sharedBy)
    journey.world.run(for: .seconds(3))
    let begun = try generation(of: witness, in: journey.world)
    #expect(begun.bornAfterLoss != nil)
    #expect(journey.world.peers[witness].records[name] == nil)
    #expect(journey.world.peers[witness].node.ballots.envelope(of: request) == nil, "it votes in it no more")
    journey.world.crash(witness)
    journey.world.restart(witness, through: Talk.sharedBy)
    journey.world.run(for: .seconds(3))
    #expect(try generation(of: witness, in: journey.world) == begun)
    journey.world.run(for: .seconds(15))
    try journey.expectWhole(request)
  }
}
