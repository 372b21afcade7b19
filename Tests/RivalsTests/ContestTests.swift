import Base
import Elections
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Rivals

/// One peer's part in contests, by its inputs and effects.
@Suite struct ContestTests {
  private static let keys = (0..<8).map { KeyPair(seed: Digest.of([UInt8($0)], kind: "contests")) }
  private let wall = WallTime(milliseconds: 1_900_000_000_000)
  private var random = SeededRandom(seed: 1)

  /// A request of four members, the first of whom is this peer; its portal is the fifth.
  private func envelope(_ counter: UInt64 = 1, contest: ElectionStrategy = .bully) throws -> Signed<Envelope> {
    Signed(
      Envelope(
        document: [1, 2], counter: counter, source: SourceKey(Digest.of([7], kind: "source")),
        electorate: try #require(Electorate(Self.keys.prefix(4).map(\.id))), portal: Self.keys[4].id, issued: wall,
        notAfter: wall + .seconds(60), contest: contest), by: Self.keys[4])
  }

  private mutating func contests(_ strategy: ElectionStrategy = .bully) -> Contests {
    var contests = Contests(keys: Self.keys[0], strategy: strategy)
    let view = MemberView(Self.keys.prefix(4).map { MemberView.Member(id: $0.id, knownSince: .zero) })
    _ = contests.handle(.members(view), at: .zero, wall: wall, using: &random)
    return contests
  }

  private mutating func call(_ contests: inout Contests, _ envelope: Signed<Envelope>, from peer: Int)
    -> [ContestEffect]
  {
    let message = ContestMessage(envelope.request, .call(isPortal: true), envelope: envelope)
    return contests.handle(.received(from: Self.keys[peer].id, message), at: .zero, wall: wall, using: &random)
  }

  @Test("what has ended does not take the place of what lives, and is bounded by itself") mutating func tombstones()
    throws
  {
    var contests = contests()
    for number in 1...3 as ClosedRange<UInt64> {
      let envelope = try envelope(number)
      _ = call(&contests, envelope, from: 4)
      let end = ContestMessage(envelope.request, .end(term: 1))
      _ = contests.handle(.received(from: Self.keys[1].id, end), at: .zero, wall: wall, using: &random)
    }
    _ = call(&contests, try envelope(4), from: 4)
    #expect(contests.kept == (live: 1, tombstones: 3))
    // Full of what lives there is no room; full of what has ended there is.
    contests.tombstones -= Limits.ballots
    func isRefused(_ effects: [ContestEffect]) -> Bool {
      effects.contains { if case .send(_, let message) = $0 { message.body == .refusal(.busy) } else { false } }
    }
    #expect(isRefused(call(&contests, try envelope(5), from: 4)))
    contests.tombstones += Limits.ballots
    #expect(!isRefused(call(&contests, try envelope(5), from: 4)))
    for number in 1...5 as ClosedRange<UInt64> {
      let expiry = ContestInput.timer(.expiry(try envelope(number).request))
      _ = contests.handle(expiry, at: .zero + .seconds(100), wall: wall + .seconds(100), using: &random)
    }
    #expect(contests.kept == (live: 0, tombstones: 0))
  }

  @Test("whoever lives has its tombstone's place, and this peer's own clients have theirs among the callers")
  mutating func room() throws {
    var contests = contests()
    let envelope = try envelope(1)
    for peer in [5, 6, 7, 1] { _ = call(&contests, envelope, from: peer) }
    #expect(contests.mostCallers == Limits.callers)
    _ = contests.handle(.call(envelope), at: .zero, wall: wall, using: &random)
    #expect(contests.mostCallers == Limits.callers)
    let callers = try #require(contests.contests[envelope.request]).callers
    #expect(callers.first == Self.keys[4].id && callers.last == Self.keys[0].id)
    // All but one place are taken by what has ended.
    var ended = try #require(contests.contests[envelope.request])
    ended.hasEnded = true
    for number in 1..<Limits.tombstones {
      contests.contests[RequestID(Digest.of(Array("\(number)".utf8), kind: "test"))] = ended
      contests.tombstones += 1
    }
    #expect(contests.kept == (live: 1, tombstones: Limits.tombstones - 1))
    let next = try self.envelope(2)
    #expect(
      call(&contests, next, from: 4) == [.send(Self.keys[4].id, ContestMessage(next.request, .refusal(.busy)))])
  }

  @Test("who has no part in a contest does not count as told of its end")
  mutating func strangers() throws {
    var contests = contests()
    let envelope = try envelope(1)
    _ = call(&contests, envelope, from: 4)
    let statement = Signed(
      ClaimStatement(request: envelope.request, strategy: .bully, term: 1, wall: wall), by: Self.keys[0])
    var tenure = ContestTenure(claim: try ManagerClaim(envelope, statement))
    tenure.endNotices = 0
    contests.contests[envelope.request]?.tenure = tenure
    contests.contests[envelope.request]?.hasEnded = true
    let known = ContestMessage(envelope.request, .refusal(.ended))
    for peer in 5...7 {
      _ = contests.handle(.received(from: Self.keys[peer].id, known), at: .zero, wall: wall, using: &random)
    }
    #expect(contests.mostToldOfEnd == 0)
    _ = contests.handle(.received(from: Self.keys[1].id, known), at: .zero, wall: wall, using: &random)
    #expect(contests.mostToldOfEnd == 1)
  }

  @Test("the portal that the client asked hears of the manager, however many others called before it")
  mutating func portal() throws {
    var contests = contests()
    let envelope = try envelope()
    for _ in 0..<2 { for peer in [5, 6, 7, 1, 2] { _ = call(&contests, envelope, from: peer) } }
    _ = call(&contests, envelope, from: 4)
    #expect(contests.contests[envelope.request]?.callers.first == Self.keys[4].id)
    #expect(contests.contests[envelope.request]?.callers.count == Limits.callers)
  }

  @Test(
    "a version of a contest is a statement of its own kind: none of the quorum's, where two under one number prove fraud"
  )
  mutating func kind() throws {
    let versions = try (1...2 as ClosedRange<UInt8>).map { state in
      Signed(
        ContestVersion(
          Snapshot(
            request: try envelope().request, term: Term(1), sequence: 1, version: 1, label: "running", state: [state],
            claims: [])), by: Self.keys[0])
    }
    #expect(versions[0].signature != versions[1].signature)
    for version in versions {
      #expect(throws: InvalidMessage.self) { try Signed<Snapshot>(verifying: version.envelope) }
      #expect(try ContestVersion(validating: version.bytes) == version.body)
    }
  }

  @Test("what a manager of a contest sends and keeps is signed as such", arguments: [ElectionStrategy.bully, .raft])
  mutating func sent(_ strategy: ElectionStrategy) throws {
    // Alone among its members, so that it manages at once.
    var contests = Contests(keys: Self.keys[0], strategy: strategy)
    let view = MemberView([MemberView.Member(id: Self.keys[0].id, knownSince: .zero)])
    _ = contests.handle(.members(view), at: .zero, wall: wall, using: &random)
    let envelope = Signed(
      Envelope(
        document: [1], counter: 1, source: SourceKey(.zero),
        electorate: try #require(Electorate([Self.keys[0].id])), portal: Self.keys[0].id, issued: wall,
        notAfter: wall + .seconds(60), contest: strategy), by: Self.keys[0])
    _ = contests.handle(.call(envelope), at: .zero, wall: wall, using: &random)
    _ = contests.handle(.timer(.member(envelope.request)), at: .zero + .seconds(1), wall: wall, using: &random)
    let draft = SnapshotDraft(version: 1, label: "running", state: [42])
    _ = contests.handle(.propose(envelope.request, draft), at: .zero + .seconds(1), wall: wall, using: &random)
    let newest = try #require(contests.contests[envelope.request]?.newest)
    #expect(newest.body.snapshot.state == [42])
    #expect(newest.signer.hasSigned(newest.bytes, kind: "contest-version", newest.signature))
    let record = try #require(contests.record(of: envelope.request))
    #expect(try ContestRecord(validating: record.encoded()) == record)
  }
}
