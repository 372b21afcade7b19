import Base
import Identity
import Testing
import Vocabulary

@testable import Membership

@Suite("Who is there")
struct SwimTests {
  /// Five that know each other.
  private func five(seed: UInt64 = 1, loss: Double = 0) throws -> Village {
    var village = Village(5, seed: seed)
    village.loss = loss
    village.joinAll()
    let time = village.run(atMost: .seconds(loss == 0 ? 8 : 30)) { $0.houses.allSatisfy { $0.table.count == 5 } }
    try #require(time != nil, "\(village.houses.map(\.table.count)) members are known")
    return village
  }

  // MARK: - Coming and going

  @Test(
    "five that know but one of them find each other, though one datagram in ten is lost",
    arguments: 1...5 as ClosedRange<UInt64>)
  func join(seed: UInt64) throws {
    let village = try five(seed: seed, loss: 0.1)
    for house in village.houses.indices {
      for other in village.houses.indices where other != house {
        #expect(village.state(of: other, at: house)?.takesPart == true)
      }
    }
  }

  @Test("a killed member is dead everywhere within eight seconds", arguments: 1...10 as ClosedRange<UInt64>)
  func death(seed: UInt64) throws {
    var village = try five(seed: seed)
    village.kill(3)
    let time = village.run(atMost: .seconds(8)) { $0.states(of: 3) == [.dead] }
    #expect(time != nil, "after 8 s: \(village.states(of: 3))")
    #expect(village.houses.indices.filter { $0 != 3 }.allSatisfy { village.houses[$0].table.count == 4 })
  }

  @Test("nobody is thought dead while all live, though one datagram in twenty is lost")
  func noFalseDeath() throws {
    var village = try five(seed: 4, loss: 0.05)
    for _ in 0..<120 {
      village.run(for: .seconds(1))
      for member in village.houses.indices { #expect(!village.states(of: member).contains(.dead)) }
    }
  }

  @Test("a paused member is suspected, refutes with a higher incarnation, and is back")
  func pause() throws {
    var village = try five(seed: 2)
    village.freeze(2)
    let time = village.run(atMost: .seconds(6)) { $0.states(of: 2).contains(.suspect) }
    try #require(time != nil, "nobody noticed")
    village.thaw(2)
    let back = village.run(atMost: .seconds(5)) { $0.states(of: 2) == [.alive] }
    #expect(back != nil, "\(village.states(of: 2))")
    // Its own: who had not heard of the suspicion yet may not have heard of its end either.
    #expect(village.houses[2].table.own.body.incarnation > 1_000)
  }

  @Test("one that was paused until it was dead comes back too, and those that it wronged as well")
  func longPause() throws {
    var village = try five(seed: 3)
    village.freeze(2)
    #expect(village.run(atMost: .seconds(10)) { $0.states(of: 2) == [.dead] } != nil)
    village.thaw(2)
    let back = village.run(atMost: .seconds(60)) { village in
      village.houses.indices.allSatisfy { village.states(of: $0) == [.alive] }
    }
    #expect(back != nil)
  }

  @Test("who leaves is gone everywhere at once, and dead nowhere")
  func leave() throws {
    var village = try five()
    village.tell(4, .leave)
    let time = village.run(atMost: .seconds(3)) { $0.states(of: 4) == [.left] }
    #expect(time != nil, "\(village.states(of: 4))")
    village.kill(4)
    village.run(for: .seconds(20))
    #expect(village.states(of: 4) == [.left])
  }

  @Test("who died comes back with a higher incarnation; with the old one it has to climb first")
  func rejoin() throws {
    for incarnation in [2_000, 1_000] as [UInt64] {
      var village = try five()
      village.kill(3)
      #expect(village.run(atMost: .seconds(8)) { $0.states(of: 3) == [.dead] } != nil)
      village.restart(3, incarnation: incarnation, through: 1)
      let back = village.run(atMost: .seconds(5)) { $0.states(of: 3) == [.alive] && $0.houses[3].table.count == 5 }
      #expect(back != nil, "with \(incarnation): \(village.states(of: 3))")
      let seen = try #require(village.houses[0].table[village.id(3)]).record.body.incarnation
      #expect(incarnation == 2_000 ? seen >= 2_000 : seen > 1_000)
    }
  }

  @Test(
    "the parts of an overlay that fell in two find each other again when the wall is gone",
    arguments: 1...3 as ClosedRange<UInt64>)
  func partition(seed: UInt64) throws {
    var village = try five(seed: seed)
    village.part = [0, 0, 0, 1, 1]
    village.run(for: .seconds(30))
    #expect(village.state(of: 4, at: 0) == .dead && village.state(of: 0, at: 4) == .dead)
    #expect(village.state(of: 1, at: 0) == .alive && village.state(of: 3, at: 4) == .alive)
    village.part = [0, 0, 0, 0, 0]
    let healed = village.run(atMost: .seconds(90)) { village in
      village.houses.indices.allSatisfy { village.states(of: $0) == [.alive] }
    }
    #expect(healed != nil)
  }

  // MARK: - Lies

  @Test("a record that somebody else signed, or that was changed, is refused")
  func forgery() throws {
    var village = try five()
    let thief = PeerAddress(host: "6.6.6.6", port: 666)
    let stranger = KeyPair(seed: Digest.of([9], kind: "village"))
    let lie = MemberRecord(node: village.id(3), address: thief, incarnation: 9_999)
    let bySomebody = Signed(lie, by: stranger).envelope
    let byMember = Signed(lie, by: village.houses[4].keys).envelope
    var changed = try #require(village.houses[0].table[village.id(3)]).record.envelope
    changed = SignedEnvelope(bytes: lie.encoded(), signer: changed.signer, signature: changed.signature)
    for envelope in [bySomebody, byMember, changed] {
      village.tell(0, .exchange([.record(envelope)], isAnswer: true, from: village.id(4)))
      let datagram = MemberDatagram(sequence: 1, body: .ping(.origin), updates: [.record(envelope)])
      village.tell(1, .datagram(datagram, from: village.id(4), at: Village.address(4)))
    }
    village.run(for: .seconds(5))
    for house in [0, 1, 2, 4] {
      #expect(village.houses[house].table[village.id(3)]?.address == Village.address(3))
      #expect(village.houses[house].table[stranger.id] == nil)
    }
    // The same word in the right hand is believed.
    let truth = Signed(lie, by: village.houses[3].keys).envelope
    village.tell(0, .exchange([.record(truth)], isAnswer: true, from: village.id(4)))
    #expect(village.houses[0].table[village.id(3)]?.address == thief)
  }

  @Test("a doubt of an incarnation that nobody can have does not bring the doubted down, nor keeps it out")
  func absurdDoubt() throws {
    var village = try five()
    for number in [.max, .max - 1] as [UInt64] {
      for house in village.houses.indices {
        let doubt = MemberUpdate.dead(village.id(3), incarnation: number, by: village.id(4))
        village.tell(house, .exchange([doubt], isAnswer: true, from: village.id(4)))
      }
    }
    #expect(village.state(of: 3, at: 0) == .alive)
    let back = village.run(atMost: .seconds(30)) { $0.states(of: 3) == [.alive] }
    #expect(back != nil, "\(village.states(of: 3))")
    village.kill(3)
    #expect(village.run(atMost: .seconds(8)) { $0.states(of: 3) == [.dead] } != nil, "and it can die as others do")
  }

  // MARK: - Sizes and sameness

  @Test("updates in a datagram keep their budget, with thirty members, deaths and a loss of one in ten")
  func budget() {
    var village = Village(30, seed: 1)
    village.loss = 0.1
    village.joinAll()
    village.run(for: .seconds(12))
    for number in 20..<25 { village.kill(number) }
    village.run(for: .seconds(20))
    #expect(village.largestUpdates <= Limits.updateBytes, "\(village.largestUpdates) bytes")
    #expect(village.largestUpdates > Limits.updateBytes / 2, "the budget was put to use")
    #expect(village.states(of: 22).contains(.dead))
  }

  @Test("an idle overlay of five sends a ping and its answer a second each")
  func idleTraffic() throws {
    var village = try five()
    // Once they know where they stand.
    village.run(for: .seconds(15))
    let before = (datagrams: village.datagrams, silences: village.silences)
    village.run(for: .seconds(60))
    let each = Double(village.datagrams - before.datagrams) / 60 / 5
    #expect(each > 1.5 && each < 3, "\(each) datagrams a second")
    #expect(village.silences == before.silences, "nobody is woken for a probe that was answered")
    village.kill(3)
    #expect(village.run(atMost: .seconds(8)) { $0.states(of: 3) == [.dead] } != nil)
    #expect(village.silences > before.silences)
  }

  @Test("one seed, one course")
  func determinism() {
    func course(_ seed: UInt64) -> [String] {
      var village = Village(5, seed: seed)
      village.loss = 0.1
      village.joinAll()
      village.run(for: .seconds(10))
      village.kill(2)
      village.run(for: .seconds(10))
      return village.trace
    }
    let once = course(7)
    #expect(once.count > 500)
    #expect(once == course(7))
    #expect(once != course(8))
  }
}
