import Base
import Identity
import Testing
import Vocabulary

@testable import Assignments
@testable import Desks

/// One desk, one manager's keys, and assignments made by hand.
struct Counter {
  let manager = KeyPair(seed: Bytes32([UInt8](repeating: 90, count: 32))!)
  let keys = KeyPair(seed: Bytes32([UInt8](repeating: 91, count: 32))!)
  let other = KeyPair(seed: Bytes32([UInt8](repeating: 92, count: 32))!)
  var request = testRequest(1)
  var desk: Desk
  var now = Instant.zero
  var wall = WallTime(milliseconds: 1_000_000)
  let planner = ChainPlanner()
  /// Streams that have moved on here.
  var begun: OrderedSet<StreamKey> = []

  init(slots: Int = 4, cores: Double = 4) {
    desk = Desk(
      node: keys.id, capacity: Capacity(slots: slots, cores: cores, memory: 1 << 33, up: 10_000_000, down: 10_000_000))
  }

  var context: DeskContext {
    var yard = Yard(peers: 1)
    yard.wall = wall
    var context = yard.deskContext()
    context.begun = begun
    return context
  }

  func mandate(term: UInt32 = 1, quality: UInt8 = 1, by manager: NodeID? = nil) -> [UInt8] {
    TestMandate.bytes(manager: manager ?? self.manager.id, request: request, term: Term(term), quality: quality)
  }

  func mark(_ version: UInt32 = 1, term: UInt32 = 1) -> PlanMark {
    PlanMark(request: request, term: Term(term), version: version)
  }

  func work(_ stage: Int = 0, component: String = "source.video", width: Int64 = 640, document: UInt8 = 1)
    -> AssignedWork
  {
    var spec = planner.spec([document], 0)
    spec.stages[0].component = component
    spec.stages[0].parameters = [.init("width", .integer(width))]
    spec.output = ChainPlanner.stream([document], stage)
    return .group(spec, role: .primary, start: .now)
  }

  func assignment(
    _ work: AssignedWork? = nil, term: UInt32 = 1, version: UInt32 = 1, node: NodeID? = nil,
    expires: Int64 = 50_000_000, mandate: [UInt8]? = nil, inputs: [InputAssignment] = []
  ) -> Assignment {
    Assignment(
      request: request, term: Term(term), mandate: TestMandate.digest(mandate ?? self.mandate(term: term)),
      node: node ?? keys.id, version: version, ordinal: 0, work: work ?? self.work(), inputs: inputs,
      expires: WallTime(milliseconds: expires))
  }

  mutating func reserve(
    _ works: [AssignedWork]? = nil, version: UInt32 = 1, term: UInt32 = 1, demand: Demand = Demand(cores: 1)
  ) -> ReserveAnswer {
    let items = (works ?? [work()]).enumerated().map {
      Reserve.Item(ordinal: UInt32($0.offset), work: $0.element, demand: demand)
    }
    let effects = hear(.reserve(Reserve(mark: mark(version, term: term), mandate: mandate(term: term), items: items)))
    for case .send(.reserved(let answer), _) in flat(effects) { return answer }
    preconditionFailure("a reservation is always answered")
  }

  /// The error of the one assignment; nil when it is in force.
  mutating func commit(
    _ claimed: ClaimedAssignment, mandate: [UInt8]? = nil, version: UInt32 = 1, term: UInt32 = 1
  ) -> AssignmentError? {
    let effects = hear(
      .commit(
        Commit(mark: mark(version, term: term), mandate: mandate ?? self.mandate(term: term), assignments: [claimed])))
    for case .send(.committed(let answer), _) in flat(effects) { return answer.rejected.first?.reason }
    preconditionFailure("a commit is always answered")
  }

  mutating func commit(_ assignment: Assignment) -> AssignmentError? {
    commit(signed(assignment), version: assignment.version, term: assignment.term.number)
  }

  func shown(_ input: StreamKey, to node: NodeID, publisher: NodeID) -> [UInt8] {
    let subscriber = Signed(
      Assignment(
        request: request, term: Term(1), mandate: TestMandate.digest(mandate()), node: node, version: 1,
        ordinal: 7, work: .delivery(output: "main", stream: input),
        inputs: [
          InputAssignment(
            stream: input, upstreams: [Provider(node: publisher, address: PeerAddress(host: "10.0.0.1", port: 1))])
        ], expires: WallTime(milliseconds: 50_000_000)), by: manager)
    return AuthorizationBytes.encoded(subscriber, mandate: mandate())
  }

  func signed(_ assignment: Assignment) -> ClaimedAssignment { .signed(Signed(assignment, by: manager).envelope) }
  mutating func hear(_ message: SessionMessage, from sender: NodeID? = nil) -> [DeskEffect] {
    desk.handle(.message(message, from: sender ?? manager.id), at: now, in: context)
  }

  mutating func wait(_ duration: Duration) -> [DeskEffect] {
    now += duration
    wall = wall + duration
    return desk.handle(.timer(.sweep), at: now, in: context)
  }

  func flat(_ effects: [DeskEffect]) -> [DeskEffect] {
    effects.flatMap { effect -> [DeskEffect] in
      if case .persist(_, let then) = effect { flat(then) } else { [effect] }
    }
  }
}

@Suite("A service node checks what it is assigned") struct AssignmentCheckTests {
  var counter = Counter()

  @Test("a sound assignment for what was reserved is in force, once") mutating func sound() {
    #expect((try? counter.reserve().result.get()) != nil)
    #expect(counter.commit(counter.assignment()) == nil)
    #expect(counter.desk.served.map(\.shares) == [1])
    #expect(counter.commit(counter.assignment()) == nil, "the same again changes nothing")
    #expect(counter.desk.promised.slots == 1)
  }

  @Test("without a signature") mutating func unsigned() {
    _ = counter.reserve()
    #expect(counter.commit(.unsigned) == .unsigned)
  }

  @Test("with another's signature, or one over other bytes") mutating func misSigned() {
    _ = counter.reserve()
    let good = Signed(counter.assignment(), by: counter.manager).envelope
    let forged = SignedEnvelope(bytes: good.bytes + [0], signer: good.signer, signature: good.signature)
    #expect(counter.commit(.signed(forged)) == .misSigned)
    let stolen = SignedEnvelope(bytes: good.bytes, signer: counter.other.id, signature: good.signature)
    #expect(counter.commit(.signed(stolen)) == .misSigned)
  }

  @Test("well signed, but no assignment") mutating func malformed() {
    let bytes: [UInt8] = [1, 2, 3]
    let signature = counter.manager.sign(bytes, kind: Assignment.kind)
    guard
      case .malformed = counter.commit(
        .signed(SignedEnvelope(bytes: bytes, signer: counter.manager.id, signature: signature)))
    else {
      Issue.record("expected malformed")
      return
    }
  }

  @Test("expired, beyond the skew that clocks may have") mutating func expired() {
    _ = counter.reserve()
    #expect(counter.commit(counter.assignment(expires: 1_000_000 - 29_000)) == nil)
    #expect(
      counter.commit(counter.assignment(expires: 1_000_000 - 31_000)) == .expired(WallTime(milliseconds: 969_000)))
  }

  @Test("of an old term, also after a restart: the fence was on disk before anything was done")
  mutating func staleTerm() {
    let effects = counter.hear(
      .reserve(Reserve(mark: counter.mark(term: 2), mandate: counter.mandate(term: 2), items: [])))
    guard case .persist(let fences, let then)? = effects.first else {
      Issue.record("the fence comes first")
      return
    }
    #expect(fences.map(\.term) == [Term(2)])
    #expect(then.contains { if case .send = $0 { true } else { false } }, "the answer waits for the disk")
    #expect(counter.commit(counter.assignment(term: 1)) == .staleTerm(seen: Term(2)))
    counter.desk = Desk(node: counter.keys.id, capacity: counter.desk.capacity, restoring: fences)
    #expect(counter.commit(counter.assignment(term: 1)) == .staleTerm(seen: Term(2)))
  }

  @Test("without a mandate") mutating func noMandate() {
    #expect(counter.commit(counter.signed(counter.assignment()), mandate: []) == .mandateMissing)
  }

  @Test("under a mandate without a quorum, of another request, or another's") mutating func badMandate() {
    let thin = counter.mandate(quality: 2)
    #expect(
      counter.commit(counter.signed(counter.assignment(mandate: thin)), mandate: thin)
        == .mandateInvalid("two votes where three are a quorum"))
    let others = counter.mandate(by: counter.other.id)
    guard case .mandateInvalid = counter.commit(counter.signed(counter.assignment(mandate: others)), mandate: others)
    else {
      Issue.record("a mandate makes its candidate the manager, nobody else")
      return
    }
    _ = counter.reserve()
    #expect(
      counter.commit(counter.assignment(mandate: [1, 2, 3])) == .mandateInvalid("the assignment names another mandate"))
  }

  @Test("under an electorate that nobody can believe") mutating func implausible() {
    let odd = counter.mandate(quality: 3)
    #expect(
      counter.commit(counter.signed(counter.assignment(mandate: odd)), mandate: odd)
        == .electorateImplausible("nobody here knows five of its electors"))
  }

  @Test("for another node") mutating func notForThisNode() {
    _ = counter.reserve()
    #expect(counter.commit(counter.assignment(node: counter.other.id)) == .notForThisNode(counter.other.id))
  }

  @Test("without a reservation, with one for other work, or after its TTL") mutating func noReservation() {
    #expect(counter.commit(counter.assignment()) == .noReservation)
    _ = counter.reserve([counter.work(1)])
    #expect(counter.commit(counter.assignment(counter.work(2))) == .noReservation)
    _ = counter.reserve(version: 2)
    _ = counter.wait(Limits.reservationTTL)
    #expect(counter.desk.promised == Promised())
    #expect(counter.commit(counter.assignment(version: 2)) == .reservationLate)
  }

  @Test("of a version that was superseded or released") mutating func superseded() {
    _ = counter.reserve(version: 3)
    #expect(counter.commit(counter.assignment(version: 2)) == .superseded)
    _ = counter.hear(.release(Release(mark: counter.mark(3), mandate: counter.mandate(), scope: .everything)))
    #expect(counter.commit(counter.assignment(version: 3)) == .superseded)
  }

  @Test("the numbers that a manager used up are its successor's again: a version is superseded within its term only")
  mutating func usedUp() {
    _ = counter.reserve(version: 1 << 30)
    _ = counter.hear(.release(Release(mark: counter.mark(1 << 30), mandate: counter.mandate(), scope: .everything)))
    _ = counter.reserve(version: 1, term: 2)
    #expect(counter.commit(counter.assignment(term: 2, version: 1)) == nil)
    #expect(counter.commit(counter.assignment(version: 1 << 30)) == .staleTerm(seen: Term(2)))
  }

  @Test("with a component that is not offered, or a parameter out of range: refused when reserved, named")
  mutating func stages() {
    func reason(_ answer: ReserveAnswer) -> Refusal? {
      if case .failure(let refused) = answer.result { refused.item.reason } else { nil }
    }
    #expect(
      reason(counter.reserve([counter.work(component: "video.unknown")]))
        == .unauthorized(.componentNotOffered("video.unknown")))
    #expect(
      reason(counter.reserve([counter.work(width: 5_000)], version: 2))
        == .unauthorized(.parameterOutOfRange("source.video.width: 5000 where 16 to 4096 is allowed")))
  }

  @Test("every refusal survives the wire, to the letter") func wire() throws {
    let errors: [AssignmentError] = [
      .unsigned, .misSigned, .expired(WallTime(milliseconds: 7)), .staleTerm(seen: Term(epoch: 1, 3)), .mandateMissing,
      .mandateInvalid("a"), .electorateImplausible("b"), .unproved("c"), .notForThisNode(counter.other.id), .superseded,
      .noReservation,
      .reservationLate, .componentNotOffered("c"), .parameterOutOfRange("d"),
    ]
    let stream = ChainPlanner.stream([1], 1)
    let refusals: [Refusal] =
      errors.map { .unauthorized($0) } + [
        .capacity(.cores, left: Capacity(slots: 1, cores: 0.5, memory: 9, up: 8, down: 7)), .alreadyServed(stream),
        .notServed(stream, open: [stream]), .busy,
      ]
    for refusal in refusals { #expect(try Refusal(validating: refusal.wire, "test") == refusal) }
  }
}

@Suite("A service node keeps its own books") struct DeskTests {
  var counter = Counter()

  @Test("what does not fit is refused with what is left, and nothing is held") mutating func capacity() {
    _ = counter.reserve([counter.work(0), counter.work(1), counter.work(2)])
    #expect(counter.desk.left.slots == 1)
    let works = (3..<6).map { counter.work($0) }
    let answer = counter.reserve(works, version: 2)
    #expect(counter.desk.promised.slots == 3, "a newer version replaces the older reservation")
    #expect((try? answer.result.get()) != nil)
    let more = counter.reserve((0..<5).map { counter.work($0) }, version: 3)
    guard case .failure(let refused) = more.result, case .capacity(.slots, let left) = refused.item.reason else {
      Issue.record("five workers in four slots")
      return
    }
    #expect(left.slots == 4)
    #expect(counter.desk.promised == Promised())
  }

  @Test("cores, memory and the link count too, those that are unknown do not", arguments: Resource.allCases)
  mutating func resources(resource: Resource) {
    var demand = Demand()
    switch resource {
    case .slots: return
    case .cores: demand.cores = 4.5
    case .memory: demand.memory = 1 << 34
    case .up: demand.up = 11_000_000
    case .down: demand.down = 11_000_000
    }
    guard case .failure(let refused) = counter.reserve(demand: demand).result,
      case .capacity(resource, _) = refused.item.reason
    else {
      Issue.record("\(resource) is not counted")
      return
    }
    if resource == .up || resource == .down {
      _ = counter.desk.handle(
        .capacity(Capacity(slots: 4, cores: 4, memory: 1 << 33)), at: counter.now, in: counter.context)
      #expect((try? counter.reserve(version: 2, demand: demand).result.get()) != nil)
    }
  }

  @Test("releasing twice, or what never was, is confirmed and changes nothing") mutating func release() {
    let release = SessionMessage.release(Release(mark: counter.mark(), mandate: counter.mandate(), scope: .everything))
    #expect(counter.hear(release).contains(.send(.released(counter.mark()), to: counter.manager.id)))
    _ = counter.reserve()
    _ = counter.commit(counter.assignment())
    #expect(counter.hear(release).contains(.closeGroup(counter.work().stream)))
    let again = counter.hear(release)
    #expect(again == [.send(.released(counter.mark()), to: counter.manager.id)])
    #expect(counter.desk.promised == Promised())
  }

  @Test("an orphan frees itself when neither its manager nor a consumer is heard of") mutating func orphan() {
    _ = counter.reserve()
    _ = counter.commit(counter.assignment())
    #expect(!counter.wait(Limits.orphanTimeout - .seconds(1)).contains(.closeGroup(counter.work().stream)))
    _ = counter.hear(.renew(counter.mark()))
    #expect(counter.flat(counter.wait(.seconds(2))).allSatisfy { $0 != .closeGroup(counter.work().stream) })
    #expect(counter.wait(Limits.orphanTimeout).contains(.closeGroup(counter.work().stream)))
    #expect(counter.desk.promised == Promised())
  }

  @Test(
    "a renewal keeps what was committed last: what an older plan, or a predecessor's, left goes as an orphan",
    arguments: [1, 2] as [UInt32])
  mutating func leftOver(term: UInt32) {
    _ = counter.reserve([counter.work(0), counter.work(1)])
    var second = counter.assignment(counter.work(1))
    second.ordinal = 1
    #expect(counter.commit(counter.assignment()) == nil && counter.commit(second) == nil)
    _ = counter.reserve(version: 2, term: term)
    let taken = counter.signed(counter.assignment(term: term, version: 2))
    #expect(counter.commit(taken, version: 2, term: term) == nil)
    var closed: [StreamKey] = []
    for _ in 0..<10 {
      _ = counter.hear(.renew(counter.mark(2, term: term)))
      for case .closeGroup(let stream) in counter.flat(counter.wait(Limits.renewInterval)) { closed.append(stream) }
    }
    #expect(closed == [counter.work(1).stream])
    #expect(counter.desk.promised.slots == 1)
  }

  @Test("a consumer keeps an orphan alive; with the last one it goes") mutating func consumed() {
    _ = counter.reserve()
    _ = counter.commit(counter.assignment())
    let stream = counter.work().stream
    let bytes = counter.shown(stream, to: counter.other.id, publisher: counter.keys.id)
    let answer = counter.desk.authorize(
      subscriber: counter.other.id, stream: stream, showing: bytes, at: counter.now, in: counter.context)
    #expect(answer == .success(counter.request))
    #expect(!counter.wait(Limits.orphanTimeout * 3).contains(.closeGroup(stream)))
    let effects = counter.desk.handle(.unconsumed(stream), at: counter.now, in: counter.context)
    #expect(effects.contains(.closeGroup(stream)))
  }

  @Test("a subscriber gets in with its own assignment that names stream and node, not otherwise")
  mutating func subscribers() {
    _ = counter.reserve()
    _ = counter.commit(counter.assignment())
    let (stream, me, you) = (counter.work().stream, counter.keys.id, counter.other.id)
    func ask(_ subscriber: NodeID, _ stream: StreamKey, _ bytes: [UInt8]) -> Result<RequestID, AuthorizationError> {
      var desk = counter.desk
      return desk.authorize(
        subscriber: subscriber, stream: stream, showing: bytes, at: counter.now, in: counter.context)
    }
    #expect(ask(you, stream, counter.shown(stream, to: you, publisher: me)) == .success(counter.request))
    #expect(
      ask(me, stream, counter.shown(stream, to: you, publisher: me)) == .failure(.assignment(.notForThisNode(you))))
    #expect(ask(you, stream, counter.shown(stream, to: you, publisher: you)) == .failure(.publisherNotNamed))
    let another = ChainPlanner.stream([1], 2)
    #expect(ask(you, stream, counter.shown(another, to: you, publisher: me)) == .failure(.streamNotNamed))
    #expect(ask(you, another, counter.shown(another, to: you, publisher: me)) == .failure(.notServed))
    guard case .failure(.assignment(.malformed)) = ask(you, stream, [9, 9, 9]) else {
      Issue.record("noise is no assignment")
      return
    }
  }

  @Test("the table of requests is bounded, and expired ones make room") mutating func bounded() {
    let fences = (0..<Limits.dossiers).map { number in
      Fence(
        request: RequestID(Digest.of([UInt8(number & 255), UInt8(number >> 8)], kind: "test")), term: Term(1),
        until: WallTime(milliseconds: 2_000_000))
    }
    counter.desk = Desk(node: counter.keys.id, capacity: counter.desk.capacity, restoring: fences)
    guard case .failure(let refused) = counter.reserve().result else {
      Issue.record("the table is full")
      return
    }
    #expect(refused.item.reason == .busy)
    counter.wall = WallTime(milliseconds: 3_000_000)
    #expect((try? counter.reserve().result.get()) != nil)
  }
}
