import Assignments
import Base
import Desks
import Elections
import Foundation
import Identity
import Mandates
import Sessions
import Testing
import Vocabulary
import Wire

@testable import Core

/// R19 as an attacker meets it: whole peers, a real mandate of real votes, and messages that differ from the manager's own by one thing.
/// They go in as bytes of a link; the node answers with the name of what is wrong, tells it to its operator, and goes on.
@Suite("An assignment that is not covered is refused, and named")
struct AttackTests {
  /// A service that runs, its manager's commit to one node, and that node, to try things on without disturbing the world.
  struct Scene {
    var journey: Journey
    let request: RequestID
    let manager: Int
    let target: Int
    /// The manager's mandate.
    let mandate: [UInt8]
    /// What the manager assigned to the target.
    let assignment: Assignment
    var node: Node

    init(seed: UInt64) throws {
      journey = try Journey(seed: seed)
      request = try journey.begin()
      // Members that have been known for a minute count as settled: only then is an electorate judged by its size.
      journey.world.run(for: .seconds(3))
      manager = try #require(journey.manager(of: request))
      let (node, note) = (journey.world.peers[manager].node, journey.world.peers[manager].node.notes[request])
      mandate = try #require(note).warrant.encoded()
      let service = try #require(node.director.services[request])
      let work = try #require(
        service.assignments.first { assignment in
          if case .group = assignment.work { assignment.node != node.id } else { false }
        }, "somebody else than the manager works")
      assignment = work
      target = try #require(journey.world.number(of: work.node))
      self.node = journey.world.peers[target].node
    }

    /// The target as it is after a restart with these records: it has joined, and no manager has spoken to it yet.
    mutating func restart(remembering records: [Record] = []) {
      let (peer, contact) = (journey.world.peers[target], journey.world.peers[manager])
      let wall = World.wall(at: journey.world.now)
      var random = SeededRandom(seed: 3)
      node = Node(
        keys: peer.keys, settings: peer.settings, memory: Memory(records: records), now: journey.world.now, wall: wall)
      let contacts = [Contact(node: contact.keys.id, address: contact.settings.address)]
      _ = node.handle(.join(contacts), at: journey.world.now, wall: wall, using: &random)
    }

    var managerKeys: KeyPair { journey.world.peers[manager].keys }
    var stranger: KeyPair { KeyPair(seed: Bytes32([UInt8](repeating: 77, count: 32))!) }

    func signed(_ assignment: Assignment) -> ClaimedAssignment {
      .signed(Signed(assignment, by: managerKeys).envelope)
    }

    /// What the node answers to a commit, through the bytes of a link, and what it tells of it.
    mutating func commit(
      _ claimed: ClaimedAssignment, mandate: [UInt8]? = nil, term: Term? = nil
    ) throws -> (error: AssignmentError?, told: [String]) {
      let mark = PlanMark(request: assignment.request, term: term ?? assignment.term, version: assignment.version)
      let message = SessionMessage.commit(
        Commit(mark: mark, mandate: mandate ?? self.mandate, assignments: [claimed]))
      let sent = WireLinkMessage.with { $0.session = message.wire }
      let input = Input.link(try WireLinkMessage(parsing: sent.wireBytes), from: managerKeys.id)
      var random = SeededRandom(seed: 1)
      let wall = World.wall(at: journey.world.now)
      var effects = node.handle(input, at: journey.world.now, wall: wall, using: &random)
      // What waits for the disk goes on once it is written.
      for case .persist(_, let token) in effects {
        effects += node.handle(.persisted(token), at: journey.world.now, wall: wall, using: &random)
      }
      var answer: CommitAnswer?
      var told: [String] = []
      for effect in effects {
        switch effect {
        case .sendLink(let message, _, _, _):
          guard case .session(let session) = message.body else { continue }
          if case .committed(let committed) = try SessionMessage(validating: session) { answer = committed }
        case .event(let event) where event.kind == "assignment.refused":
          told += event.details.filter { $0.name == "error" }.map(\.value)
        default: break
        }
      }
      return (try #require(answer, "a commit is always answered").rejected.first?.reason, told)
    }

    /// The commit is refused with this very error, the operator is told its name, and nothing changed.
    mutating func expect(
      _ claimed: ClaimedAssignment, mandate: [UInt8]? = nil, term: Term? = nil, is code: String,
      saying words: String = "",
      at location: SourceLocation = #_sourceLocation
    ) throws {
      let before = node.groups.map(\.key)
      let (error, told) = try commit(claimed, mandate: mandate, term: term)
      let name = error?.code
      #expect(name == code, sourceLocation: location)
      #expect(told == [code], sourceLocation: location)
      let text = error.map { "\($0)" } ?? ""
      #expect(words.isEmpty || text.contains(words), "“\(text)”", sourceLocation: location)
      #expect(node.groups.map(\.key) == before, sourceLocation: location)
    }

    /// The manager's mandate with its parts changed.
    func mandate(
      envelope: Signed<Envelope>? = nil, votes change: (inout [SignedEnvelope]) -> Void = { _ in }
    ) throws -> [UInt8] {
      var verified = VerifiedDigests(capacity: 64)
      let mine = try Mandate(validating: mandate, using: &verified)
      var votes = mine.votes
      change(&votes)
      return try #require(Mandate(envelope: envelope ?? mine.envelope, term: mine.term, votes: votes)).encoded()
    }
  }

  @Test("(canary) the manager's own, unchanged, is in force: what follows differs by one thing only")
  func sound() throws {
    var scene = try Scene(seed: 1)
    let (error, told) = try scene.commit(scene.signed(scene.assignment))
    #expect(error == nil)
    #expect(told.isEmpty)
  }

  @Test("unsigned") func unsigned() throws {
    var scene = try Scene(seed: 1)
    try scene.expect(.unsigned, is: "unsigned", saying: "no signature")
  }

  @Test("signed by another, over other bytes, or with one bit of the signature changed") func misSigned() throws {
    var scene = try Scene(seed: 1)
    let good = Signed(scene.assignment, by: scene.managerKeys).envelope
    var bits = good.signature.bytes
    bits[17] ^= 4
    for forged in [
      SignedEnvelope(bytes: good.bytes, signer: scene.stranger.id, signature: good.signature),
      SignedEnvelope(bytes: good.bytes + [0], signer: good.signer, signature: good.signature),
      SignedEnvelope(bytes: good.bytes, signer: good.signer, signature: try #require(Signature(bits))),
    ] {
      try scene.expect(.signed(forged), is: "misSigned", saying: "not its signer's")
    }
  }

  @Test("well signed, but by somebody whom the mandate does not make the manager") func usurper() throws {
    var scene = try Scene(seed: 1)
    try scene.expect(.signed(Signed(scene.assignment, by: scene.stranger).envelope), is: "mandateInvalid")
  }

  @Test("signed noise") func malformed() throws {
    var scene = try Scene(seed: 1)
    let noise: [UInt8] = [9, 9, 9, 9]
    let envelope = SignedEnvelope(
      bytes: noise, signer: scene.managerKeys.id, signature: scene.managerKeys.sign(noise, kind: Assignment.kind))
    try scene.expect(.signed(envelope), is: "malformed")
  }

  @Test("expired") func expired() throws {
    var scene = try Scene(seed: 1)
    var old = scene.assignment
    old.expires = World.wall(at: scene.journey.world.now) + .seconds(-31)
    try scene.expect(scene.signed(old), is: "expired", saying: "\(old.expires.milliseconds)")
  }

  @Test("of an old term, after a successor was seen: also after a restart, since the fence was on disk")
  func staleTerm() throws {
    // A successor manages only when somebody else than the target and the source is gone.
    var found: Scene?
    for seed in 10..<40 as Range<UInt64> where found == nil {
      let scene = try Scene(seed: seed)
      if ![Journey.portal, Talk.sharedBy, scene.target].contains(scene.manager) { found = scene }
    }
    var scene = try #require(found)
    scene.journey.world.crash(scene.manager)
    let target = scene.target
    let isAdopted = scene.journey.world.run(atMost: .seconds(20)) { world in
      world.peers.contains { $0.isAlive && $0.node.managed == 1 }
        && world.peers[target].records.values.contains { Fence(restoring: $0).map { $0.term > Term(1) } ?? false }
    }
    try #require(isAdopted, "a successor has spoken to the node")
    scene.node = scene.journey.world.peers[target].node
    try scene.expect(scene.signed(scene.assignment), is: "staleTerm", saying: "was seen already")
    scene.restart(remembering: Array(scene.journey.world.peers[target].records.values))
    try scene.expect(scene.signed(scene.assignment), is: "staleTerm", saying: "was seen already")
  }

  @Test("without a mandate, at a node that knows none") func noMandate() throws {
    var scene = try Scene(seed: 1)
    scene.restart()
    try scene.expect(scene.signed(scene.assignment), mandate: [], is: "mandateMissing")
  }

  @Test("under a mandate with a vote too few, with a vote twice, or with a forged one") func badMandates() throws {
    var scene = try Scene(seed: 1)
    scene.restart()
    func reassigned(_ mandate: [UInt8]) throws -> ClaimedAssignment {
      var verified = VerifiedDigests(capacity: 64)
      var assignment = scene.assignment
      assignment.mandate = try Mandate(validating: mandate, using: &verified).digest
      return scene.signed(assignment)
    }
    let few = try scene.mandate { $0.removeLast(max(0, $0.count - 1)) }
    try scene.expect(try reassigned(few), mandate: few, is: "mandateInvalid", saying: "make a quorum")
    let twice = try scene.mandate { votes in votes = votes.map { _ in votes[0] } }
    try scene.expect(try reassigned(twice), mandate: twice, is: "mandateInvalid", saying: "stands twice")
    let forged = try scene.mandate { votes in
      var bits = votes[0].signature.bytes
      bits[3] ^= 1
      votes[0] = SignedEnvelope(bytes: votes[0].bytes, signer: votes[0].signer, signature: Signature(bits)!)
    }
    try scene.expect(try reassigned(forged), mandate: forged, is: "mandateInvalid", saying: "not signed by its voter")
  }

  @Test("under an electorate of the attacker's own friends, every signature of it sound") func implausible() throws {
    var scene = try Scene(seed: 1)
    var verified = VerifiedDigests(capacity: 64)
    let mine = try Mandate(validating: scene.mandate, using: &verified)
    let friends = (1...5).map { KeyPair(seed: Bytes32([UInt8](repeating: UInt8($0), count: 32))!) }
    var body = mine.envelope.body
    body.electorate = try #require(Electorate(friends.map(\.id)))
    let envelope = Signed(body, by: scene.stranger)
    let request = RequestID(envelope.digest)
    let candidate = try #require(body.electorate.candidate(of: request, in: Term(1)))
    let votes = friends.map { friend in
      Signed(
        Vote(request: request, term: Term(1), candidate: candidate, newest: nil, counter: 1, generation: 0), by: friend
      ).envelope
    }
    let mandate = try #require(Mandate(envelope: envelope, term: Term(1), votes: votes))
    try mandate.verify(using: &verified)  // By itself it holds: only who knows the members can tell.
    var assignment = scene.assignment
    assignment.request = request
    assignment.mandate = mandate.digest
    let usurper = try #require(friends.first { $0.id == candidate })
    // The mark names the request too.
    let claimed = ClaimedAssignment.signed(Signed(assignment, by: usurper).envelope)
    try scene.expect(
      claimed, mandate: mandate.encoded(), is: "electorateImplausible", saying: "electors are in this peer's own draw")
  }

  @Test("for another node, of an older plan, or for work that nobody reserved") func notCovered() throws {
    var scene = try Scene(seed: 1)
    var others = scene.assignment
    others.node = scene.stranger.id
    try scene.expect(scene.signed(others), is: "notForThisNode")
    var fresh = scene.assignment
    guard case .group(var spec, let role, let start) = fresh.work else { return }
    spec.output = StreamKey(Digest.of([1], kind: "test"))
    fresh.work = .group(spec, role: role, start: start)
    try scene.expect(scene.signed(fresh), is: "noReservation")
    var old = scene.assignment
    old.version = 0
    try scene.expect(scene.signed(old), is: "superseded")
  }

  @Test("noise where a session's message should be is refused with its field, and the stream goes on to its end")
  func noise() throws {
    var scene = try Scene(seed: 1)
    var random = SeededRandom(seed: 2)
    let message = WireLinkMessage.with { $0.session = .with { $0.commit = .with { $0.version = 7 } } }
    let effects = scene.node.handle(
      .link(message, from: scene.stranger.id), at: scene.journey.world.now,
      wall: World.wall(at: scene.journey.world.now),
      using: &random)
    let told = effects.compactMap { if case .event(let event) = $0 { event } else { nil } }
    #expect(told.map(\.kind) == ["message.refused"])
    #expect(told.first?.details.contains { $0.name == "field" && $0.value.hasPrefix("CommitWork") } == true)
    scene.journey.world.run(for: .seconds(20))
    try scene.journey.expectWhole(scene.request)
  }
}
