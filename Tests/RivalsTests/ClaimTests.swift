import Base
import Elections
import Identity
import Mandates
import Testing
import Vocabulary
import Wire

@testable import Rivals

/// What a manager without a quorum can show, and what may be made of it.
@Suite struct ClaimTests {
  private let keys = (0..<5).map { KeyPair(seed: Digest.of([UInt8($0)], kind: "claims")) }
  private let wall = WallTime(milliseconds: 1_900_000_000_000)

  private func envelope(_ contest: ElectionStrategy? = .bully, by client: Int = 0) throws -> Signed<Envelope> {
    let electorate = try #require(Electorate(keys.prefix(4).map(\.id)))
    let source = SourceKey(Digest.of([7], kind: "source"))
    return Signed(
      Envelope(
        document: [1, 2], counter: 1, source: source, electorate: electorate, portal: keys[0].id, issued: wall,
        notAfter: wall + .seconds(60), contest: contest), by: keys[client])
  }

  private func claim(
    _ envelope: Signed<Envelope>, by peer: Int = 1, strategy: ElectionStrategy = .bully, term: UInt32 = 3
  ) throws -> ManagerClaim {
    let statement = ClaimStatement(request: envelope.request, strategy: strategy, term: term, wall: wall)
    return try ManagerClaim(envelope, Signed(statement, by: keys[peer]))
  }

  private var view: MemberView {
    MemberView(keys.prefix(4).map { MemberView.Member(id: $0.id, knownSince: .zero) })
  }

  @Test(
    "the strategy is part of what the client signs, and of the request's name",
    arguments: ElectionStrategy.allCases.filter { !$0.isOrder })
  func bound(_ strategy: ElectionStrategy) throws {
    let signed = try envelope(strategy)
    #expect(try Envelope(validating: signed.bytes) == signed.body)
    #expect(signed.body.strategy == strategy)
    #expect(try envelope(nil).request != signed.request)
    // An order of candidates does not go with it.
    var wire = try WireEnvelopeStatement(parsing: signed.bytes)
    wire.order = .init([0, 1, 2, 3])
    #expect(throws: InvalidMessage("Envelope.order", "\(strategy.rawValue) has no order of candidates")) {
      try Envelope(validating: wire.wireBytes)
    }
  }

  @Test("a claim goes over the wire whole, and every changed byte of it is refused or makes another")
  func wire() throws {
    var verified = VerifiedDigests()
    let warrant = Warrant.claim(try claim(try envelope()))
    let bytes = warrant.encoded()
    #expect(try Warrant(validating: bytes, using: &verified) == warrant)
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      #expect((try? Warrant(validating: changed, using: &verified)) != warrant, "byte \(index)")
    }
    // To the quorum's own reader it is a mandate without a vote.
    let mandate = try Mandate(validating: bytes, using: &verified)
    #expect(throws: MandateFault.noQuorum(found: 0, needed: 3)) { try mandate.verify(using: &verified) }
  }

  @Test("a claim by a stranger, for another request or under another protocol is none")
  func parts() throws {
    let signed = try envelope()
    #expect(throws: InvalidMessage.self) { try claim(signed, by: 4) }
    #expect(throws: InvalidMessage.self) { try claim(signed, strategy: .raft) }
    #expect(throws: InvalidMessage.self) { try claim(try envelope(nil)) }
    let other = Signed(
      ClaimStatement(request: try envelope(.raft).request, strategy: .bully, term: 1, wall: wall), by: keys[1])
    #expect(throws: InvalidMessage.self) { try ManagerClaim(signed, other) }
  }

  @Test("a claim is heeded under the very same protocol only, in its term, in its time, by who believes its members")
  func heeded() throws {
    let warrant = Warrant.claim(try claim(try envelope()))
    func fault(
      own: ElectionStrategy = .bully, term: Term = Term(3), later: Duration = .zero, view other: MemberView? = nil
    ) -> WarrantFault? {
      var verified = VerifiedDigests()
      do throws(WarrantFault) {
        try warrant.verify(
          for: warrant.request, in: term, own: own, wall: wall + later, view: other ?? view, at: .zero + .seconds(90),
          using: &verified)
        return nil
      } catch { return error }
    }
    #expect(fault() == nil)
    for own in ElectionStrategy.allCases where own != .bully { #expect(fault(own: own) == .unproved(.bully, own: own)) }
    #expect(fault(term: Term(4)) == .mandate(.otherTerm(Term(3))))
    #expect(fault(later: .seconds(600)) == .mandate(.expired(wall + .seconds(60))))
    let strangers = MemberView(
      (10..<17).map {
        MemberView.Member(id: KeyPair(seed: Digest.of([UInt8($0)], kind: "claims")).id, knownSince: .zero)
      })
    guard case .mandate(.implausibleElectorate) = fault(view: strangers) else {
      Issue.record("members that nobody here knows were believed")
      return
    }
  }
}
