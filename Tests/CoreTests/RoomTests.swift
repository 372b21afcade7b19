import Assignments
import Base
import Composition
import Elections
import Foundation
import Identity
import Mandates
import Measurements
import Testing
import Vocabulary
import Wire

@testable import Core

/// What clients and peers cannot make a peer keep, one alone in the world.
@Suite("Room for what others ask")
struct RoomTests {
  static let wall = WallTime(milliseconds: 1_900_000_000_000)
  var random = SeededRandom(seed: 1)
  let keys = KeyPair(seed: Digest.of([1], kind: "room"))
  let other = KeyPair(seed: Digest.of([2], kind: "room"))
  var node: Node
  /// Writes that the disk was asked for.
  var tokens: [PersistToken] = []

  init() {
    node = Node(
      keys: keys,
      settings: NodeSettings(
        address: PeerAddress(host: "10.0.0.1", port: 7400), portal: "http://10.0.0.1:7480",
        offer: NodeOffer(
          components: nil, slots: 8, cores: 4, machineCores: 4, memory: 4 << 30, upCap: 1 << 30, downCap: 1 << 30),
        identityIsNew: true), memory: Memory(records: []), now: .zero, wall: Self.wall)
    for effect in tell(.join([])) { if case .persist(_, let token) = effect { _ = tell(.persisted(token)) } }
    tokens = []
  }

  private mutating func tell(_ input: Input) -> [Effect] {
    let effects = node.handle(input, at: .zero + .seconds(1), wall: Self.wall, using: &random)
    for case .persist(_, let token) in effects { tokens.append(token) }
    return effects
  }

  private func size(_ name: String) -> Int? { node.sizes.first { $0.name == name }?.size }

  private func envelope(_ counter: UInt64) throws -> Signed<Envelope> {
    let source = SourceKey(Digest.of([9], kind: "room"))
    let body = Envelope(
      document: Array("it".utf8), counter: counter, source: source,
      electorate: try #require(Electorate([keys.id])), portal: other.id, issued: Self.wall,
      notAfter: Self.wall + .seconds(600))
    return Signed(body, by: other)
  }

  @Test("services that are over are shown for an hour, but only the newest of them")
  mutating func over() throws {
    let request = try Talk.request(from: keys.id)
    func submission(isOver: Bool) -> PortalBook.Submission {
      var submission = PortalBook.Submission(clients: [], request: request, place: nil, extra: 0, began: .zero)
      submission.isOver = isOver
      return submission
    }
    let ids = (0..<Limits.overServices + 10).map { RequestID(Digest.of(Array("\($0)".utf8), kind: "room")) }
    for id in ids { node.portal.called[id] = submission(isOver: true) }
    let live = RequestID(Digest.of([7], kind: "room"))
    node.portal.called[live] = submission(isOver: false)
    node.call(1, try envelope(1).body, of: submission(isOver: false), evidence: [])
    #expect(node.portal.called.count == Limits.overServices + 2)
    #expect(node.portal.called[ids[9]] == nil && node.portal.called[ids[10]] != nil)
    #expect(node.portal.called[live] != nil, "what runs is not forgotten")
  }

  @Test("peers that point from one to the next are not followed without end")
  mutating func pointers() throws {
    let request = RequestID(Digest.of([3], kind: "room"))
    func peer(_ number: Int) -> NodeID { NodeID(Digest.of(Array("\(number)".utf8), kind: "peer")) }
    node.inquiries.open[77] = InquiryBook.Inquiry(
      client: ClientToken(1), request: request, explanation: false, asked: [peer(0)], silent: [peer(0)], began: .zero)
    var answered: [Effect] = []
    for number in 0..<500 {
      let report = WireServiceReport.with {
        $0.request = request.hash.data
        $0.token = 77
        $0.manager = peer(number + 1).data
      }
      answered += tell(.link(.with { $0.service = .with { $0.report = report } }, from: peer(number)))
      #expect(size("peers of one inquiry") ?? .max <= 2 * Limits.inquiredPeers)
    }
    #expect(answered.contains { if case .answer(ClientToken(1), .unknown) = $0 { true } else { false } })
  }

  @Test("a disk that stands still: what would wait for it is not heard any more, until it goes on")
  mutating func disk() throws {
    let call = ElectionMessage.call(try envelope(1), wall: Self.wall, evidence: [])
    let input = Input.link(.with { $0.election = call.wire }, from: other.id)
    var dropped = 0
    for _ in 0..<Limits.unwritten + 50 {
      dropped += tell(input).count { if case .event(let event) = $0 { event.kind == "message.dropped" } else { false } }
    }
    #expect(size("unwritten records") == Limits.unwritten && dropped == 50)
    // Nor does the elector talk to itself meanwhile.
    let timer = Core.Timer.ballots(.patience(try envelope(1).request))
    #expect(
      tell(.timer(timer)).contains { if case .setTimer(timer, _) = $0 { true } else { false } }
        && size(
          "unwritten records") == Limits.unwritten
    )
    for token in tokens { _ = tell(.persisted(token)) }
    #expect(size("unwritten records") ?? .max < 10)
    #expect(!tell(input).contains { if case .event(let event) = $0 { event.kind == "message.dropped" } else { false } })
  }

  @Test("clients that come again with one key wait together, up to a number")
  mutating func clients() throws {
    let request = try Talk.request(from: keys.id)
    var refused: [ClientToken] = []
    for number in 1...UInt64(Limits.waitingClients + 3) {
      let question = ClientQuestion.submit(request, idempotencyKey: "again", place: nil, extra: 0)
      for case .answer(let client, .refused(.busy)) in tell(.client(ClientToken(number), question)) {
        refused.append(client)
      }
    }
    #expect(refused == (1...3).map { ClientToken(UInt64(Limits.waitingClients + $0)) })
    #expect(size("clients of one request") == Limits.waitingClients)
  }

  @Test("whoever asks about a file while too many wait is told so")
  mutating func sources() throws {
    func ask(_ number: Int) -> [Effect] {
      let resolve = WireResolveSource.with {
        $0.token = UInt64(number)
        $0.path = "talk-\(number).webm"
      }
      return tell(.link(.with { $0.service = .with { $0.resolve = resolve } }, from: other.id))
    }
    for number in 0..<Limits.submissions { _ = ask(number) }
    let answers = ask(9_999).compactMap { effect -> WireSourceResolved? in
      if case .sendLink(let message, other.id, _, _) = effect { message.service.resolved } else { nil }
    }
    #expect(answers.map(\.token) == [9_999] && answers.first?.problem.kind == "busy")
    #expect(size("peers that wait for a source") == Limits.submissions)
  }
}
