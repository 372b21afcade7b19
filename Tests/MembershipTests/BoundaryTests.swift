import Base
import Identity
import Testing
import Vocabulary
import Wire

@testable import Membership

/// What a member does not believe, and what it costs.
@Suite("Boundaries")
struct BoundaryTests {
  static let here = PeerAddress(host: "10.0.0.1", port: 7400)

  @Test("nobody can give another member an address")
  func forgedAddress() {
    var (table, random) = (
      MemberTable(keys: Overlay.keys(0), address: BoundaryTests.here, incarnation: 1), SeededRandom(seed: 1)
    )
    let victim = MemberRecord(node: Overlay.keys(1).id, address: PeerAddress(host: "6.6.6.6", port: 1), incarnation: 9)
    // Signed by the forger in the victim's name, and under the victim's name with the forger's signature.
    let forged = Signed(victim, by: Overlay.keys(2)).envelope
    let relabelled = SignedEnvelope(bytes: forged.bytes, signer: Overlay.keys(1).id, signature: forged.signature)
    let effects = table.handle(
      .exchange([.record(forged), .record(relabelled)], isAnswer: true, from: Overlay.keys(2).id), at: .zero,
      using: &random)
    #expect(table.count == 1)
    #expect(effects.isEmpty)
  }

  @Test("a member of another overlay is refused, and it is said why")
  func otherOverlay() {
    var (table, random) = (
      MemberTable(keys: Overlay.keys(0), address: BoundaryTests.here, incarnation: 1, overlay: "home"),
      SeededRandom(seed: 1)
    )
    let stranger = Signed(
      MemberRecord(node: Overlay.keys(1).id, address: BoundaryTests.here, incarnation: 1, overlay: "away"),
      by: Overlay.keys(1))
    _ = table.handle(
      .exchange([.record(stranger.envelope)], isAnswer: true, from: stranger.signer), at: .zero, using: &random)
    #expect(table.count == 1)
    #expect(table.refused[stranger.signer] == "is of overlay “away”, this peer of “home”")
  }

  @Test("a member of another protocol version is shown and otherwise left alone")
  func otherVersion() {
    var (table, random) = (
      MemberTable(keys: Overlay.keys(0), address: BoundaryTests.here, incarnation: 1), SeededRandom(seed: 1)
    )
    let other = Signed(
      MemberRecord(node: Overlay.keys(1).id, address: BoundaryTests.here, incarnation: 1, version: 2),
      by: Overlay.keys(1))
    _ = table.handle(.join([]), at: .zero, using: &random)
    _ = table.handle(
      .exchange([.record(other.envelope)], isAnswer: true, from: other.signer), at: .zero, using: &random)
    #expect(table[other.signer]?.record.body.version == 2)
    #expect(table.count == 1)
    let effects = (1...5).flatMap { table.handle(.timer(.period), at: .zero + .seconds($0), using: &random) }
    #expect(!effects.contains { if case .send = $0 { true } else { false } })
  }

  @Test("nobody vouches for a member unasked")
  func unaskedAck() {
    var overlay = Overlay(3, seed: 1)
    overlay.start()
    overlay.run(for: .seconds(5))
    var (table, random) = (overlay.peers[0].table, SeededRandom(seed: 1))
    table.probes = [:]
    _ = table.handle(.linkBroken(overlay.id(1)), at: overlay.now, using: &random)
    let number = table.sequence
    let lie = MemberDatagram(sequence: number, body: .ack(.origin), updates: [])
    _ = table.handle(.datagram(lie, from: overlay.id(2), at: overlay.peers[2].address), at: overlay.now, using: &random)
    #expect(table.probes[number] != nil)
    _ = table.handle(.datagram(lie, from: overlay.id(1), at: overlay.peers[1].address), at: overlay.now, using: &random)
    #expect(table.probes[number] == nil)
  }

  @Test("a helper probes only members, at the address that they signed")
  func errands() {
    var overlay = Overlay(3, seed: 2)
    overlay.start()
    overlay.run(for: .seconds(5))
    var random = SeededRandom(seed: 1)
    func ask(_ target: NodeID) -> [PeerAddress] {
      let request = MemberDatagram(sequence: 7, body: .indirectPing(target), updates: [])
      let effects = overlay.peers[0].table.handle(
        .datagram(request, from: overlay.id(1), at: overlay.peers[1].address), at: overlay.now, using: &random)
      return effects.compactMap { if case .send(_, _, let address) = $0 { address } else { nil } }
    }
    #expect(ask(Overlay.keys(99).id) == [])
    #expect(ask(overlay.id(2)) == [overlay.peers[2].address])
  }

  @Test("a malformed datagram names the field that is wrong")
  func malformed() {
    func reason(_ wire: WireMembershipDatagram) -> String? {
      do {
        _ = try MemberDatagram(validating: wire)
        return nil
      } catch { return error.field }
    }
    #expect(reason(.init()) == "MembershipDatagram")
    #expect(reason(.with { $0.ping = .with { $0.place = .with { $0.vector = [1, 2] } } }) == "Probing.place.vector")
    #expect(reason(.with { $0.indirectPing = .with { $0.target = .init(count: 31) } }) == "IndirectPing.target")
    #expect(
      reason(
        .with {
          $0.nack = true
          $0.updates = Array(repeating: .init(), count: 33)
        }) == "MemberUpdate")
  }

  @Test("no datagram is larger than its share of a UDP payload", arguments: [5, 60])
  func sizes(members: Int) {
    var overlay = Overlay(members, seed: 3)
    overlay.loss = 0.1
    overlay.start()
    overlay.run(for: .seconds(20))
    for peer in 0..<members / 3 { overlay.kill(peer) }
    overlay.run(for: .seconds(40))
    // 1,200 less sealing (34), the measurements beside it (560 and their tags), and the outer message's tags.
    #expect(overlay.largestDatagram <= 600, "\(overlay.largestDatagram) bytes")
  }

  @Test("idle membership of five costs a peer less than 300 bytes a second")
  func idleCost() {
    var overlay = Overlay(5, seed: 4)
    overlay.start()
    overlay.run(for: .seconds(60))
    let before = overlay.peers.map { ($0.datagramBytes, $0.linkBytes) }
    overlay.run(for: .seconds(600))
    let rates = zip(overlay.peers, before).map {
      (Double($0.datagramBytes - $1.0) / 600, Double($0.linkBytes - $1.1) / 600)
    }
    let worst = rates.map { $0.0 + $0.1 }.max()!
    print(
      "idle membership of five: \(rates.map { "\(Int($0.0)) + \(Int($0.1))" }.joined(separator: ", ")) B/s sent (UDP + links)"
    )
    #expect(worst < 300)
  }

  @Test("the same seed gives the same trace, another seed another")
  func determinism() {
    func hash(_ seed: UInt64) -> Bytes32 {
      var overlay = Overlay(12, seed: seed)
      (overlay.loss, overlay.jitter, overlay.tracesDatagrams) = (0.1, 30, true)
      overlay.start()
      overlay.run(for: .seconds(15))
      overlay.kill(3)
      overlay.run(for: .seconds(15))
      return Digest.of(Array(overlay.trace.joined(separator: "\n").utf8), kind: "trace")
    }
    #expect(hash(1) == hash(1))
    #expect(hash(1) != hash(2))
    // The same in every process: hashing of dictionaries is seeded anew in each.
    print("membership trace hash, seed 1: \(TextForm.hexadecimal(hash(1).bytes))")
  }
}
