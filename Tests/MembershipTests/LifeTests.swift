import Base
import Identity
import Testing
import Vocabulary

@testable import Membership

/// How members come, go, stand still, and come back.
@Suite("Coming and going")
struct LifeTests {
  @Test("all of five know each other half a second after the last has joined through one")
  func join() throws {
    var overlay = Overlay(5, seed: 1)
    overlay.start()
    let time = try #require(overlay.run(atMost: .seconds(5)) { $0.isWhole })
    #expect(time <= .milliseconds(1_500), "it took \(time)")
  }

  @Test("sixty members join through one and see each other", arguments: [1, 2] as [UInt64])
  func joinOfSixty(seed: UInt64) throws {
    var overlay = Overlay(60, seed: seed)
    (overlay.loss, overlay.jitter) = (0.02, 20)
    overlay.start()
    let time = try #require(overlay.run(atMost: .seconds(60)) { $0.isWhole })
    print("sixty members know each other after \(time)")
    #expect(time <= .seconds(15))
    #expect(overlay.deaths() == 0)
  }

  @Test("the bootstrap peer is not missed after the join, and comes back without being told of anybody")
  func bootstrapLost() throws {
    var overlay = Overlay(5, seed: 2)
    overlay.start()
    overlay.run(for: .seconds(10))
    overlay.kill(0)
    try #require(overlay.run(atMost: .seconds(10)) { $0.isWhole } != nil)
    overlay.restart(0, incarnation: 5_000, through: [])
    let time = try #require(overlay.run(atMost: .seconds(40)) { $0.isWhole })
    #expect(time <= .seconds(20), "the others reclaim it; it took \(time)")
  }

  @Test("a contact that is not up yet is asked until it is")
  func patientJoin() throws {
    var overlay = Overlay(2, seed: 3)
    overlay.peers[0].isUp = false
    overlay.join(1, through: [0])
    overlay.run(for: .seconds(10))
    #expect(overlay.peers[1].table.count == 1)
    overlay.restart(0, incarnation: 1_000, through: [])
    try #require(overlay.run(atMost: .seconds(31)) { $0.isWhole } != nil)
  }

  @Test("who leaves in good order has left at once and is never suspected")
  func leave() throws {
    var overlay = Overlay(5, seed: 4)
    overlay.start()
    overlay.run(for: .seconds(10))
    overlay.leave(4)
    let time = try #require(overlay.run(atMost: .seconds(5)) { $0.allSee(4, as: .left) })
    overlay.kill(4)
    overlay.run(for: .seconds(60))
    #expect(time <= .seconds(2))
    #expect(!overlay.changes.contains { $0.subject == 4 && ($0.state == .suspect || $0.state == .dead) })
  }

  @Test("one who left may join again")
  func rejoinAfterLeave() throws {
    var overlay = Overlay(3, seed: 5)
    overlay.start()
    overlay.run(for: .seconds(5))
    overlay.leave(2)
    try #require(overlay.run(atMost: .seconds(5)) { $0.allSee(2, as: .left) } != nil)
    overlay.join(2, through: [0])
    try #require(overlay.run(atMost: .seconds(5)) { $0.isWhole } != nil)
  }

  @Test("the same identity comes back after a crash, even before it was missed", arguments: [500, 20_000])
  func crash(milliseconds: Int) throws {
    var overlay = Overlay(5, seed: 6)
    overlay.start()
    overlay.run(for: .seconds(10))
    overlay.kill(2)
    overlay.run(for: .milliseconds(milliseconds))
    overlay.restart(2, incarnation: 2_000, through: [0])
    try #require(
      overlay.run(atMost: .seconds(5)) { $0.isWhole && $0.peers[4].table[$0.id(2)]!.incarnation == 2_000 } != nil)
  }

  @Test("one whose clock went back before it restarted goes above its own earlier word")
  func clockWentBack() throws {
    var overlay = Overlay(5, seed: 7)
    overlay.start()
    overlay.run(for: .seconds(10))
    overlay.kill(2)
    try #require(overlay.run(atMost: .seconds(10)) { $0.allSee(2, as: .dead) } != nil)
    overlay.restart(2, incarnation: 10, through: [0])
    try #require(overlay.run(atMost: .seconds(10)) { $0.isWhole } != nil)
    #expect(overlay.peers[2].table.own.body.incarnation == 1_001)
  }

  @Test(
    "a stopped peer is dead to the others, comes back by itself and accuses nobody",
    arguments: 1...6 as ClosedRange<UInt64>)
  func stopped(seed: UInt64) throws {
    var overlay = Overlay(5, seed: seed)
    overlay.start()
    overlay.run(for: .seconds(10))
    overlay.stop(1)
    try #require(overlay.run(atMost: .seconds(10)) { $0.allSee(1, as: .dead) } != nil)
    overlay.run(for: .seconds(5))
    overlay.goOn(1)
    let time = try #require(overlay.run(atMost: .seconds(10)) { $0.isWhole })
    #expect(time <= .seconds(4), "it took \(time)")
    #expect(!overlay.changes.contains { $0.observer == 1 && $0.state != .alive })
    overlay.run(for: .seconds(30))
    #expect(overlay.deaths() == overlay.deaths(of: 1))
  }

  @Test(
    "two halves of sixty find each other after the partition heals, and no view errs for it",
    arguments: [1, 2] as [UInt64])
  func partition(seed: UInt64) throws {
    var overlay = Overlay(60, seed: seed)
    overlay.start()
    try #require(overlay.run(atMost: .seconds(60)) { $0.isWhole } != nil)
    for peer in 30..<60 { overlay.peers[peer].side = 1 }
    let parted = overlay.run(atMost: .seconds(180)) { overlay in
      (0..<60).allSatisfy { overlay.peers[$0].table.count == 30 }
    }
    try #require(parted != nil)
    let deaths = overlay.deaths()
    for peer in 30..<60 { overlay.peers[peer].side = 0 }
    let time = try #require(overlay.run(atMost: .seconds(120)) { $0.isWhole })
    print("sixty members: parted after \(parted!), whole again \(time) after the partition healed")
    #expect(time <= .seconds(45))
    overlay.run(for: .seconds(30))
    #expect(overlay.isWhole)
    print("of 3,540 views \(overlay.deaths() - deaths) erred for a moment")
    #expect(overlay.deaths() == deaths)
  }

  @Test("whom a view from behind a partition holds for dead is asked, and told so that it can refute")
  func foreignView() {
    var overlay = Overlay(3, seed: 8)
    overlay.start()
    overlay.run(for: .seconds(5))
    var random = SeededRandom(seed: 1)
    let view: [MemberUpdate] = [
      .record(overlay.peers[2].table.own.envelope), .dead(overlay.id(2), incarnation: 1_000, by: overlay.id(0)),
    ]
    let effects = overlay.peers[1].table.handle(
      .exchange(view, isAnswer: true, from: overlay.id(0)), at: overlay.now, using: &random)
    #expect(overlay.state(of: 2, at: 1) == .alive)
    let told = effects.compactMap { effect -> [MemberUpdate]? in
      if case .send(let datagram, overlay.id(2), _) = effect { datagram.updates } else { nil }
    }
    #expect(told == [[view[1]]])
  }

  @Test("a newcomer does not take the long dead for members")
  func tombstones() throws {
    var overlay = Overlay(5, seed: 9)
    for peer in 0..<4 { overlay.join(peer, through: peer == 0 ? [] : [0]) }
    overlay.run(for: .seconds(10))
    overlay.kill(3)
    try #require(overlay.run(atMost: .seconds(10)) { $0.peers[0].table[$0.id(3)]?.state == .dead } != nil)
    overlay.run(for: .seconds(20))
    overlay.join(4, through: [0])
    overlay.run(for: .seconds(20))
    #expect(!overlay.changes.contains { $0.observer == 4 && $0.subject == 3 })
  }

  @Test("the long dead are forgotten")
  func reaped() throws {
    var overlay = Overlay(2, seed: 10)
    overlay.start()
    overlay.run(for: .seconds(5))
    overlay.kill(1)
    try #require(overlay.run(atMost: .seconds(10)) { $0.state(of: 1, at: 0) == .dead } != nil)
    overlay.run(for: Limits.deadKept + .seconds(60))
    #expect(overlay.state(of: 1, at: 0) == nil)
  }
}
