import Base
import Composition
import Identity
import Measurements
import Sessions
import Testing
import Vocabulary

@testable import Core
@testable import Membership

@Suite("What a manager plans with") struct PlanningTests {
  private static let now = Instant.zero + .seconds(100)
  private static let wall = WallTime(milliseconds: 1_900_000_000_000)
  private static let offer = NodeOffer(components: nil, slots: 4, cores: 2, machineCores: 4, memory: 1 << 30)

  private static func keys(_ number: UInt8) -> KeyPair { KeyPair(seed: Digest.of([number], kind: "planning")) }

  /// What a peer sees of one other that stands so.
  private static func sight(of state: Member.State) throws -> OverlaySight {
    let (own, other) = (keys(1), keys(2))
    var random = SeededRandom(seed: 1)
    var members = MemberTable(keys: own, address: PeerAddress(host: "10.0.0.1", port: 7_400), incarnation: 1)
    let record = MemberRecord(node: other.id, address: PeerAddress(host: "10.0.0.2", port: 7_400), incarnation: 1)
    members.put(
      Member(
        record: Signed(record, by: other), state: state, knownSince: .zero, stateSince: .zero, lastHeard: nil))
    var told = LoadBoard(keys: other, offer: offer, sequence: 1)
    let idle = OwnState(coordinate: .origin, streams: [], slotsUsed: 0, promisedSlots: 0, promisedCores: 0)
    _ = told.handle(.own(idle), at: now, wall: wall, using: &random)
    var board = LoadBoard(keys: own, offer: offer, sequence: 1)
    _ = board.handle(.members([other.id]), at: now, wall: wall, using: &random)
    _ = board.handle(.reports(told.all), at: now, wall: wall, using: &random)
    try #require(board[other.id] != nil)
    return OverlaySight(id: own.id, members: members, board: board, catalogue: .standard, now: now)
  }

  @Test("a suspect is seen as one, for it may have the only source; who is dead or gone is not seen")
  func suspects() throws {
    func seen(_ state: Member.State) throws -> [Bool] {
      try PlanningTests.sight(of: state).planningView.nodes.map(\.isSuspect)
    }
    #expect(try seen(.alive) == [false])
    #expect(try seen(.suspect) == [true])
    #expect(try seen(.dead).isEmpty && seen(.left).isEmpty)
  }

  @Test("no suspect is a standby's seat")
  func seats() throws {
    func seat(_ state: Member.State) throws -> NodeID? {
      let order = ServiceOrder(
        request: RequestID(Digest.of([1], kind: "test")), document: [], portal: PlanningTests.keys(1).id,
        notAfter: PlanningTests.wall, latency: 0)
      let spec = GroupSpec(
        stages: [], inputs: [], output: StreamKey(Digest.of([1], kind: "test")), mezzanine: .asIs, rateCap: 0)
      return try PlanningTests.sight(of: state).planningView.seat(
        for: SeatWish(
          planning: PlanningWish(order: order), spec: spec, demand: .none, neighbours: [], taken: [], used: []))
    }
    #expect(try seat(.alive) == PlanningTests.keys(2).id)
    #expect(try seat(.suspect) == nil)
  }
}
