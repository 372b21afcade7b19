import Base
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary
import Wire

@testable import Elections
@testable import Evidence

@Suite struct FraudTests {
  static let liar = KeyPair(seed: Digest.of([1], kind: "test"))
  static let request = RequestID(Digest.of([2], kind: "test"))
  static let candidates = (3..<6 as Range<UInt8>).map { KeyPair(seed: Digest.of([$0], kind: "test")).id }

  static func vote(_ term: UInt32, _ candidate: Int = 0, counter: UInt64, generation: UInt64 = 7) -> Utterance {
    Utterance(
      Signed(
        Vote(
          request: request, term: Term(term), candidate: candidates[candidate], newest: nil, counter: counter,
          generation: generation), by: liar))
  }
  static func word(_ term: UInt32, counter: UInt64, generation: UInt64 = 7) -> Utterance {
    let mark = SnapshotMark(term: Term(term), sequence: 1, digest: .zero)
    return Utterance(
      Signed(Acknowledgement(request: request, mark: mark, counter: counter, generation: generation), by: liar))
  }
  static func version(_ term: UInt32, _ sequence: UInt64, _ state: UInt8) -> Utterance {
    Utterance(
      Signed(
        Snapshot(
          request: request, term: Term(term), sequence: sequence, version: 1, label: "running", state: [state],
          claims: []), by: liar))
  }
  static func prove(_ a: Utterance, _ b: Utterance) -> FraudProof? {
    var verified = VerifiedDigests()
    return try? FraudProof(a, b, using: &verified)
  }

  // MARK: - What is fraud

  @Test(
    "two votes for one term, a lower term after a higher, two versions of one number: each is a proof, whoever tells it first"
  )
  func kinds() throws {
    let cases: [(Utterance, Utterance, FraudProof.Kind)] = [
      (Self.vote(1, 0, counter: 4), Self.vote(1, 1, counter: 5), .twoVotes),
      (Self.vote(3, counter: 4), Self.word(2, counter: 5), .brokenPromise),
      (Self.word(3, counter: 4), Self.word(2, counter: 9), .brokenPromise),
      (Self.vote(3, counter: 4), Self.vote(2, counter: 5), .brokenPromise),
      (Self.version(2, 5, 1), Self.version(2, 5, 2), .twoVersions),
    ]
    for (a, b, kind) in cases {
      let proof = try #require(Self.prove(a, b))
      #expect(proof.kind == kind && proof.culprit == Self.liar.id && proof == Self.prove(b, a))
      let record = FraudRecord(proof, since: WallTime(milliseconds: 5))
      #expect(try FraudRecord(validating: record.bytes) == record)
    }
  }

  @Test(
    "what an honest peer may say proves nothing: rising terms, the same vote twice, a lost store, another's word, another request"
  )
  func honesty() {
    #expect(Self.prove(Self.vote(1, counter: 4), Self.vote(2, counter: 5)) == nil)
    #expect(Self.prove(Self.vote(2, counter: 4), Self.word(2, counter: 5)) == nil)
    #expect(Self.prove(Self.word(2, counter: 4), Self.word(2, counter: 5)) == nil)
    #expect(Self.prove(Self.vote(1, counter: 4), Self.vote(1, counter: 4)) == nil)
    #expect(Self.prove(Self.vote(1, 0, counter: 4), Self.vote(1, 1, counter: 5, generation: 8)) == nil, "a lost store")
    #expect(Self.prove(Self.vote(3, counter: 4), Self.word(2, counter: 5, generation: 8)) == nil, "a lost store")
    #expect(Self.prove(Self.version(2, 5, 1), Self.version(2, 6, 2)) == nil)
    #expect(Self.prove(Self.version(2, 5, 1), Self.version(3, 5, 2)) == nil)
  }

  @Test("a forged second statement proves nothing, and does not hide the true one")
  func forged() throws {
    let (good, other) = (Self.vote(1, 0, counter: 4), Self.vote(1, 1, counter: 5))
    let forged = try Utterance(
      Vote.kind,
      SignedEnvelope(
        bytes: other.statement.bytes, signer: other.statement.signer, signature: good.statement.signature))
    #expect(Self.prove(good, forged) == nil)
    var (watch, verified) = (FraudWatch(), VerifiedDigests())
    #expect(watch.hear(forged, using: &verified) == nil)
    #expect(watch.hear(good, using: &verified) == nil, "one of the two is forged")
    #expect(watch.hear(other, using: &verified)?.kind == .twoVotes)
  }

  @Test("memory is bounded, whatever is said")
  func bounds() {
    var (watch, verified) = (FraudWatch(), VerifiedDigests())
    for counter in 1...200 as ClosedRange<UInt64> {
      #expect(watch.hear(Self.vote(UInt32(counter), counter: counter), using: &verified) == nil)
    }
    // The newest are remembered, the oldest are not.
    #expect(watch.hear(Self.vote(200, 1, counter: 201), using: &verified)?.kind == .twoVotes)
    #expect(watch.hear(Self.vote(1, 1, counter: 1), using: &verified) == nil)
    #expect(verified.verifications <= 4)
  }

  @Test("one request's statements alone are bounded too, and a voter's padding is not kept")
  func padded() throws {
    var (watch, verified) = (FraudWatch(), VerifiedDigests())
    let signers = (0..<40 as Range<UInt8>).map { KeyPair(seed: Digest.of([$0, 8], kind: "test")) }
    let state = [UInt8](repeating: 1, count: 255 << 10)
    func say(_ number: UInt8, by signer: KeyPair) -> FraudProof? {
      let snapshot = Snapshot(
        request: Self.request, term: Term(1), sequence: 1, version: 1, label: "running", state: state + [number],
        claims: [])
      return watch.hear(Utterance(Signed(snapshot, by: signer)), using: &verified)
    }
    for signer in signers { #expect(say(1, by: signer) == nil) }
    // Forty of them are more than the memory holds: the first was forgotten with the whole request, the last not.
    #expect(say(2, by: signers[0]) == nil)
    #expect(say(2, by: signers[39])?.kind == .twoVersions)
    // A vote is as long as it is.
    let vote = Self.vote(1, counter: 4).statement
    // Field 100, which nobody reads.
    let padding: [UInt8] = [0xA2, 0x06, 0xC0, 0x3E] + [UInt8](repeating: 0, count: 8_000)
    let padded = SignedEnvelope(
      bytes: vote.bytes + padding, signer: Self.liar.id,
      signature: Self.liar.sign(vote.bytes + padding, kind: Vote.kind))
    #expect(watch.hear(try Utterance(Vote.kind, padded), using: &verified) == nil)
    #expect(watch.hear(Self.vote(1, 1, counter: 5), using: &verified) == nil, "the padded one was not kept")
    #expect(watch.hear(Self.vote(1, 0, counter: 4), using: &verified)?.kind == .twoVotes)
  }

  @Test("a full book makes room for a smaller proof, and for a member's where a culprit has left; never for a larger")
  func full() throws {
    var book = FraudBook(node: Self.candidates[0])
    var (random, verified) = (SeededRandom(seed: 1), VerifiedDigests())
    let wall = WallTime(milliseconds: 1_000)
    func version(_ signer: KeyPair, _ size: Int, _ state: UInt8) -> Utterance {
      Utterance(
        Signed(
          Snapshot(
            request: Self.request, term: Term(1), sequence: 1, version: 1, label: "running",
            state: [UInt8](repeating: state, count: size), claims: []), by: signer))
    }
    func learn(_ signer: KeyPair, size: Int, without gone: NodeID? = nil) throws -> [FraudEffect] {
      let proof = try #require(Self.prove(version(signer, size, 1), version(signer, size, 2)))
      return book.handle(
        .received(FraudWord(proofs: [proof]), from: Self.candidates[1]), wall: wall, isMember: { $0 != gone },
        others: { [] }, using: &random, &verified)
    }
    let liars = (0..<60 as Range<UInt8>).map { KeyPair(seed: Digest.of([$0, 8], kind: "test")) }
    let large = 250 << 10
    var kept = 0
    while !(try learn(liars[kept], size: large)).isEmpty { kept += 1 }
    #expect(kept == Limits.fraudBytes / (2 * large + 1_000))
    #expect(book[liars[kept].id] == nil, "as large as those that are there")
    let small = try learn(Self.liar, size: large - 4_000)
    #expect(small.contains(.forget(liars[0].id)) && book[Self.liar.id] != nil && book[liars[0].id] == nil)
    #expect(try learn(liars[0], size: large) == [])
    let another = try learn(liars[kept], size: large, without: liars[5].id)
    #expect(another.first == .forget(liars[5].id) && book[liars[kept].id] != nil)
    #expect(book.ignored.count == kept)
  }

  // MARK: - How it spreads

  @Test("a proof reaches every member, is told on once by each, and is kept, as one a culprit")
  func spreads() throws {
    let proof = try #require(Self.prove(Self.vote(1, 0, counter: 4), Self.vote(1, 1, counter: 5)))
    let nodes = (0..<200 as Range<UInt8>).map { KeyPair(seed: Digest.of([$0, 9], kind: "test")).id }
    var books = nodes.map { FraudBook(node: $0) }
    var random = SeededRandom(seed: 4)
    var verified = VerifiedDigests()
    let wall = WallTime(milliseconds: 1_000)
    var told = 0
    var kept = 0
    var open: [(Int, FraudWord)] = [(0, FraudWord(proofs: [proof]))]
    while !open.isEmpty {
      let (to, word) = open.removeFirst()
      let others = nodes.filter { $0 != nodes[to] }
      let effects = books[to].handle(
        .received(word, from: nodes[0]), wall: wall, isMember: { $0 == Self.liar.id }, others: { others },
        using: &random,
        &verified)
      for effect in effects {
        switch effect {
        case .send(let word, let node):
          told += 1
          open.append((nodes.firstIndex(of: node)!, word))
        case .persist: kept += 1
        default: break
        }
      }
    }
    let knowing = books.count { $0.ignored.contains(Self.liar.id) }
    #expect(knowing >= 198 && kept == knowing, "\(knowing) of 200")
    #expect(told == knowing * FraudBook.fanOut(199))
    // Whom it passed by learns of it with the next whole view.
    var late = FraudBook(node: nodes[3])
    func hand(_ book: inout FraudBook, _ input: FraudInput) -> [FraudWord] {
      book.handle(input, wall: wall, isMember: { $0 == Self.liar.id }, others: { [] }, using: &random, &verified)
        .compactMap {
          if case .send(let word, _) = $0 { word } else { nil }
        }
    }
    let shown = hand(&books[0], .meets(nodes[3]))
    let asked = hand(&late, .received(try #require(shown.first), from: nodes[0]))
    let given = hand(&books[0], .received(try #require(asked.first), from: nodes[3]))
    let rest = hand(&late, .received(try #require(given.first), from: nodes[0]))
    #expect(rest == [], "and there it ends")
    #expect(late[Self.liar.id]?.proof == proof)
    // A stranger's fraud concerns nobody.
    var strict = FraudBook(node: nodes[4])
    _ = strict.handle(
      .received(FraudWord(proofs: [proof]), from: nodes[0]), wall: wall, isMember: { _ in false }, others: { [] },
      using: &random, &verified)
    #expect(strict.proofs.isEmpty)
    // And after a month it is forgotten.
    let later = wall + Limits.fraudMemory + .seconds(1)
    let effects = late.handle(
      .housekeeping, wall: later, isMember: { _ in true }, others: { [] }, using: &random, &verified)
    #expect(effects == [.forget(Self.liar.id), .released(Self.liar.id)] && late.ignored.isEmpty)
  }

  @Test("words of fraud survive the wire, and one that does not hold is refused with its part")
  func wire() throws {
    let proof = try #require(Self.prove(Self.version(2, 5, 1), Self.version(2, 5, 2)))
    let word = FraudWord(proofs: [proof], known: Self.candidates, isAnswer: true)
    var verified = VerifiedDigests()
    #expect(try FraudWord(validating: WireFraudMessage(parsing: word.wire.wireBytes), using: &verified) == word)
    var changed = word.wire
    changed.proofs[0].second.statement.signature[9] ^= 1
    #expect { try FraudWord(validating: changed, using: &verified) } throws: { "\($0)".contains("not signed by") }
    changed.proofs[0].second = changed.proofs[0].first
    #expect { try FraudWord(validating: changed, using: &verified) } throws: {
      "\($0)".contains("an honest peer may have made both")
    }
  }

  // MARK: - What follows from it

  @Test("a proven liar's votes are not counted and its turn as candidate passes; the others elect among themselves")
  func ignored() throws {
    for ignored in 0..<2 {
      var overlay = Overlay(7, seed: 1)
      let envelope = overlay.envelope()
      let liars = OrderedSet(envelope.order[0...ignored])
      for peer in overlay.peers.indices {
        overlay.give(peer, .members(MemberView(overlay.view.members.values, ignoring: liars)))
      }
      overlay.give(0, .call(envelope))
      overlay.run(2_000)
      let mandate = try #require(
        overlay.reports.compactMap { if case .elected(let mandate, _) = $0.effect { mandate } else { nil } }.first)
      #expect(mandate.manager == envelope.order[ignored + 1] && mandate.term == Term(UInt32(ignored) + 2))
      #expect(mandate.votes.allSatisfy { !liars.contains($0.signer) })
      #expect(overlay.witness.violations == [])
    }
  }

  @Test("a manager that is proven a liar loses its lease, and a successor takes over what it left")
  func deposed() throws {
    var overlay = Overlay(7, seed: 1)
    let envelope = overlay.envelope()
    overlay.give(0, .call(envelope))
    overlay.run(50)
    let manager = overlay.index(envelope.order[0])
    overlay.give(manager, .propose(envelope.request, SnapshotDraft(version: 7, label: "running", state: [42])))
    overlay.run(50)
    for peer in overlay.peers.indices {
      overlay.give(peer, .members(MemberView(overlay.view.members.values, ignoring: [envelope.order[0]])))
    }
    overlay.run(6_000)
    let elections = overlay.reports.compactMap {
      if case .elected(let mandate, let newest) = $0.effect { (mandate.manager, newest?.body.state) } else { nil }
    }
    #expect(elections.count == 2 && elections.last?.0 == envelope.order[1] && elections.last?.1 == [42])
    let lost = overlay.reports.contains {
      $0.peer == manager && $0.effect == .lost(envelope.request, .succeeded(Term(2)))
    }
    #expect(lost)
    #expect(overlay.witness.violations == [])
  }
}
