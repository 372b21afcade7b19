import Base
import Foundation
import Identity
import Testing
import Vocabulary

@testable import Membership

/// Failure detection as SWIM and Lifeguard promise it.
@Suite("Suspicion")
struct SuspicionTests {
  @Test("a killed peer is dead to all of five within six seconds", arguments: 1...12 as ClosedRange<UInt64>)
  func killed(seed: UInt64) throws {
    var overlay = Overlay(5, seed: seed)
    overlay.start()
    overlay.run(for: .seconds(20))
    #expect(overlay.isWhole)
    overlay.kill(3)
    let time = try #require(overlay.run(atMost: .seconds(12)) { $0.allSee(3, as: .dead) })
    #expect(time <= .seconds(6), "it took \(time)")
    #expect(overlay.deaths() == overlay.deaths(of: 3), "nobody else died")
  }

  @Test("a broken link has the peer looked at sooner than its turn")
  func linkBroken() throws {
    var (hinted, unhinted) = (Duration.zero, Duration.zero)
    for seed in 1...10 as ClosedRange<UInt64> {
      for isHinted in [true, false] {
        var overlay = Overlay(5, seed: seed)
        overlay.start()
        overlay.run(for: .seconds(20))
        overlay.kill(3, noticedBy: isHinted ? [0, 1, 2, 4] : [])
        let time = try #require(overlay.run(atMost: .seconds(12)) { $0.allSee(3, as: .dead) })
        if isHinted { hinted += time } else { unhinted += time }
      }
    }
    print("killed peer dead to all of five: \(unhinted / 10) without, \(hinted / 10) with a broken link")
    #expect(hinted < unhinted)
    #expect(hinted / 10 <= .milliseconds(3_500))
  }

  @Test("nobody dies of a tenth of the datagrams lost", arguments: 1...3 as ClosedRange<UInt64>)
  func loss(seed: UInt64) {
    var overlay = Overlay(20, seed: seed)
    (overlay.loss, overlay.jitter) = (0.1, 50)
    overlay.start()
    overlay.run(for: .seconds(120))
    #expect(overlay.run(atMost: .seconds(10)) { $0.isWhole } != nil, "who is a suspect just now refutes")
    #expect(overlay.deaths() == 0)
  }

  @Test("a suspect refutes with a higher incarnation")
  func refutation() throws {
    var overlay = Overlay(3, seed: 4)
    overlay.start()
    overlay.run(for: .seconds(5))
    let slander = MemberDatagram(
      sequence: 9_999, body: .nack, updates: [.suspect(overlay.id(2), incarnation: 1_000, by: overlay.id(0))])
    var random = SeededRandom(seed: 1)
    _ = overlay.peers[1].table.handle(
      .datagram(slander, from: overlay.id(0), at: overlay.peers[0].address), at: overlay.now, using: &random)
    #expect(overlay.state(of: 2, at: 1) == .suspect)
    try #require(overlay.run(atMost: .seconds(5)) { $0.state(of: 2, at: 1) == .alive } != nil)
    #expect(overlay.peers[1].table[overlay.id(2)]?.incarnation == 1_001)
    #expect(overlay.deaths() == 0)
  }

  @Test("a doubt about an incarnation that was never signed is not believed")
  func unsignedDoubt() {
    var overlay = Overlay(3, seed: 5)
    overlay.start()
    overlay.run(for: .seconds(5))
    var random = SeededRandom(seed: 1)
    for incarnation in [999, 1_001, UInt64.max] {
      for target in [1, 2] {
        let lie = MemberDatagram(
          sequence: 1, body: .nack,
          updates: [
            .suspect(overlay.id(target), incarnation: incarnation, by: overlay.id(0)),
            .dead(overlay.id(target), incarnation: incarnation, by: overlay.id(0)),
          ])
        _ = overlay.peers[1].table.handle(
          .datagram(lie, from: overlay.id(0), at: overlay.peers[0].address), at: overlay.now, using: &random)
      }
    }
    #expect(overlay.state(of: 2, at: 1) == .alive)
    #expect(overlay.peers[1].table.own.body.incarnation == 1_000)
  }

  @Test("a suspicion that three others share ends sooner than one that nobody shares (dogpile)")
  func dogpile() throws {
    func lifetime(confirmations: Int) throws -> Duration {
      var overlay = Overlay(6, seed: 6)
      overlay.start()
      overlay.run(for: .seconds(5))
      var random = SeededRandom(seed: 1)
      var ends = Instant.zero
      for accuser in [2, 3, 4, 0].prefix(1 + confirmations) {
        let doubt = MemberDatagram(
          sequence: 1, body: .nack, updates: [.suspect(overlay.id(5), incarnation: 1_000, by: overlay.id(accuser))])
        let effects = overlay.peers[1].table.handle(
          .datagram(doubt, from: overlay.id(accuser), at: overlay.peers[accuser].address), at: overlay.now,
          using: &random)
        for case .setTimer(.suspicion(_), let at) in effects { ends = at }  // the half-time
      }
      return (ends - overlay.now) * 2
    }
    let times = try (0...3).map { try lifetime(confirmations: $0) }
    #expect(times == times.sorted(by: >))
    #expect(times[0] == Limits.suspicionBase * 3)
    #expect(times[3] == Limits.suspicionBase)
  }

  @Test("a suspect is told so by the next datagram of whoever suspects it (buddy)")
  func buddy() {
    var overlay = Overlay(4, seed: 7)
    overlay.start()
    overlay.run(for: .seconds(5))
    var random = SeededRandom(seed: 1)
    let suspicion = MemberUpdate.suspect(overlay.id(2), incarnation: 1_000, by: overlay.id(3))
    let from = overlay.peers[3].address
    _ = overlay.peers[1].table.handle(
      .datagram(MemberDatagram(sequence: 1, body: .nack, updates: [suspicion]), from: overlay.id(3), at: from),
      at: overlay.now, using: &random)
    // Long after gossip has spent its retransmits the suspect still hears it.
    for _ in 0..<50 { _ = overlay.peers[1].table.outgoing.take(bytes: 10_000, members: 4) }
    let effects = overlay.peers[1].table.handle(
      .datagram(
        MemberDatagram(sequence: 2, body: .ping(.origin), updates: []), from: overlay.id(2),
        at: overlay.peers[2].address), at: overlay.now, using: &random)
    let told = effects.compactMap { effect -> [MemberUpdate]? in
      if case .send(let datagram, overlay.id(2), _) = effect { return datagram.updates }
      return nil
    }
    #expect(told.flatMap { $0 } == [suspicion])
  }

  @Test("a peer that hears nobody doubts its own ears first (local health)")
  func localHealth() {
    var overlay = Overlay(8, seed: 8)
    overlay.start()
    overlay.run(for: .seconds(10))
    #expect(overlay.peers[7].table.health == 0)
    overlay.peers[7].side = 1
    overlay.run(for: .seconds(12))
    #expect(overlay.peers[7].table.health >= 4)
    #expect(overlay.peers[0].table.health <= 1)
  }

  @Test("one suspicion and its refutation, word for word")
  func golden() throws {
    var overlay = Overlay(4, seed: 11)
    overlay.start()
    overlay.run(for: .seconds(8))
    #expect(overlay.isWhole)
    overlay.trace = []
    overlay.tracesDatagrams = true
    overlay.stop(2)
    overlay.run(atMost: .seconds(10)) { $0.changes.contains { $0.subject == 2 && $0.state == .suspect } }
    overlay.goOn(2)
    overlay.run(atMost: .seconds(10)) { $0.isWhole }
    try expectGolden("suspicion.trace", overlay.trace)
  }
}

/// Compares with `Golden/NAME`; `MILLRACE_GOLDEN=write swift test` writes it anew, for a person to read.
func expectGolden(_ name: String, _ lines: [String], file: String = #filePath) throws {
  let url = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
  let text = lines.joined(separator: "\n") + "\n"
  if ProcessInfo.processInfo.environment["MILLRACE_GOLDEN"] == "write" {
    try text.write(to: url, atomically: true, encoding: .utf8)
  }
  let expected = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map(String.init)
  for (number, (is_, should)) in zip(lines, expected).enumerated() where is_ != should {
    Issue.record("\(name):\(number + 1): “\(is_)” where “\(should)” was expected")
    return
  }
  #expect(lines.count == expected.count)
}
