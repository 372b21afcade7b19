import Base
import Identity
import Testing
import Vocabulary

@testable import Membership

/// Tables that are smaller than their overlay.
@Suite("A table smaller than its overlay")
struct BoundTests {
  private static let others = (1...60).map { KeyPair(seed: Digest.of([UInt8($0)], kind: "bound")) }

  private static func record(_ keys: KeyPair) -> MemberUpdate {
    let address = PeerAddress(host: "10.0.0.1", port: 7400)
    return .record(Signed(MemberRecord(node: keys.id, address: address, incarnation: 1), by: keys).envelope)
  }

  /// A table of 16 that has heard of these, in this order.
  private static func table(_ order: [KeyPair], of number: UInt8 = 0) -> (table: MemberTable, effects: [MemberEffect]) {
    let keys = KeyPair(seed: Digest.of([200, number], kind: "bound"))
    var table = MemberTable(keys: keys, address: PeerAddress(host: "10.0.0.2", port: 7400), incarnation: 1)
    table.bound = 16
    var random = SeededRandom(seed: 1)
    let effects = order.flatMap { stranger in
      table.handle(
        .exchange([record(stranger)], isAnswer: true, from: stranger.id), at: .zero, using: &random)
    }
    return (table, effects)
  }

  @Test("keeps the same members in whatever order it meets them: the least IDs, and a sample of its own")
  func order() {
    var random = SeededRandom(seed: 7)
    let least = Self.others.map(\.id).sorted().prefix(8)
    let first = Set(Self.table(Self.others).table.members.keys)
    #expect(first.count == 16 && least.allSatisfy(first.contains))
    for _ in 0..<5 { #expect(Set(Self.table(random.permuted(Self.others)).table.members.keys) == first) }
    let another = Set(Self.table(Self.others, of: 1).table.members.keys)
    #expect(least.allSatisfy(another.contains))
    #expect(another != first, "samples differ")
  }

  @Test("peers whose tables differ draw electors from the same members")
  func seats() {
    let seats = (0..<4).map { number in
      Self.table(Self.others, of: UInt8(number)).table.seated(at: .zero).map(\.node)
    }
    let known = Set(Self.others.map(\.id))
    // Each may have a seat itself, which it alone of these knows of.
    for seated in seats { #expect(seated.count == 6 && seated == seated.sorted()) }
    #expect(Set(seats.map { $0.filter(known.contains).prefix(5).map(\.short) }).count == 1)
  }

  @Test("says whom it dropped, and tells others only of those whom all keep")
  func drops() {
    let (table, effects) = Self.table(Self.others)
    var present = Set<NodeID>()
    for effect in effects {
      if case .changed(let member, from: nil) = effect { present.insert(member.node) }
      if case .dropped(let node) = effect { #expect(present.remove(node) != nil) }
    }
    #expect(present == Set(table.members.keys))
    var queue = table.outgoing
    let told = queue.take(bytes: 100_000, members: 16).compactMap { update -> NodeID? in
      if case .record(let envelope) = update { envelope.signer } else { nil }
    }
    let least = Set(Self.others.map(\.id).sorted().prefix(8))
    #expect(least.isSubset(of: Set(told)))
    #expect(told.allSatisfy { table.members[$0] != nil })
  }

  @Test("a newcomer that is not kept is answered all the same")
  func answers() throws {
    var (table, _) = Self.table(Self.others)
    let stranger = try #require(Self.others.first { table.members[$0.id] == nil })
    var random = SeededRandom(seed: 1)
    let effects = table.handle(
      .exchange([Self.record(stranger)], isAnswer: false, from: stranger.id), at: .zero, using: &random)
    #expect(
      effects.contains {
        if case .exchange(let view, true, stranger.id, _) = $0 { view.count == 17 } else { false }
      })
  }

  @Test("a helper probes a member that it does not keep, at the address that came with the request under its signature")
  func introduction() throws {
    var (table, _) = Self.table(Self.others)
    let stranger = try #require(Self.others.first { table.members[$0.id] == nil })
    let asker = try #require(table.members.keys.first)
    let from = PeerAddress(host: "10.0.0.9", port: 1)
    var random = SeededRandom(seed: 1)
    func probed(_ updates: [MemberUpdate]) -> PeerAddress? {
      let request = MemberDatagram(sequence: 9, body: .indirectPing(stranger.id), updates: updates)
      for effect in table.handle(.datagram(request, from: asker, at: from), at: .zero, using: &random) {
        if case .send(_, stranger.id, let address) = effect { return address }
      }
      return nil
    }
    #expect(probed([]) == nil)
    #expect(probed([Self.record(stranger)]) == PeerAddress(host: "10.0.0.1", port: 7400))
  }
}
