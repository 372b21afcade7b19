import Base
import Composition
import Foundation
import Identity
import Streams
import Testing
import Vocabulary

@testable import Core

/// The journey of one request, as a visitor would be told it: who is asked, who decides, who works, what arrives, and what
/// happens when somebody on the way dies. Whole peers, virtual time, lost datagrams.
@Suite("The journey of one request")
struct RequestJourneyTests {
  // MARK: - From the question to the first frame

  @Test(
    "called, then a manager elected, then a plan, then running; and the stages stand where their components are offered"
  )
  func start() throws {
    var journey = try Journey(seed: 1)
    let request = try journey.begin()
    let kinds = ["request.called", "election.won", "service.planned", "service.running"]
    let first = kinds.map { kind in journey.world.events(kind, of: request).first?.at }
    for (kind, at) in zip(kinds, first) { #expect(at != nil, "\(kind) never happened") }
    let times = first.compactMap { $0 }
    #expect(times == times.sorted(), "out of order: \(times)")
    #expect(times[0] < times[1] && times[2] < times[3], "calling and committing take messages")
    #expect(journey.world.events("request.called").map(\.peer) == [Journey.portal])
    // The portal hears of the mandate while the manager plans already, unless it is the manager itself.
    let mandate = try #require(
      journey.world.events("election.mandate", of: request).first { $0.peer == Journey.portal })
    #expect(times[1] <= mandate.at && mandate.at < times[3])
    #expect(mandate.event.details.contains { $0.name == "term" && $0.value == "1" })

    let places = try journey.places(of: request)
    #expect(places.map(\.component) == Journey.components)
    for place in places {
      #expect(Journey.offers[place.peer].contains(place.component), "\(place.component) at n\(place.peer)")
    }
    #expect(places.first?.peer == Talk.sharedBy, "the source is read where it is")
    #expect(Set(places.map(\.peer)).count >= 3, "the chain crosses three peers")
  }

  @Test(
    "a manager that has not heard yet how the only reader of the source fares asks it", arguments: [2, 3] as [UInt64])
  func readerUnheard(seed: UInt64) throws {
    var journey = try Journey(seed: seed)
    journey.world.unlearn(Talk.sharedBy)
    let request = try journey.begin()
    let manager = try #require(journey.manager(of: request))
    #expect(manager != Talk.sharedBy, "it would have known")
    #expect(try journey.places(of: request).first?.peer == Talk.sharedBy)
  }

  @Test("every position arrives once, in order, of the value that one process would have made, and then the end")
  func undisturbed() throws {
    var journey = try Journey(seed: 2)
    let request = try journey.begin()
    journey.world.run(for: .seconds(20))
    try journey.expectWhole(request)
  }

  @Test(
    "(canary) a packet that is doubled or lost is noticed", arguments: [.deliverTwice, .deliverNot] as [World.Sabotage])
  func canary(sabotage: World.Sabotage) throws {
    var journey = try Journey(seed: 2)
    journey.world.sabotage = sabotage
    let request = try journey.begin()
    journey.world.run(for: .seconds(20))
    withKnownIssue { try journey.expectWhole(request) }
  }

  // MARK: - Deaths on the way

  @Test(
    "a middle peer dies mid-stream: its standby goes on, nothing is lost or doubled", arguments: [3, 4, 5] as [UInt64])
  func middleDies(seed: UInt64) throws {
    var journey = try Journey(seed: seed)
    let request = try journey.begin()
    journey.world.run(for: .seconds(4))
    let middle = try #require(try journey.places(of: request).first { $0.component == "video.overlay" }?.peer)
    let before = try #require(journey.viewer(of: request)).positions.count
    #expect(before > 50 && before < 200, "the stream is under way: \(before)")
    journey.world.crash(middle)
    journey.world.run(for: .seconds(25))
    try journey.expectWhole(request)
    #expect(!journey.world.events("standby.activated").isEmpty, "somebody took over")
    let gap = try #require(journey.viewer(of: request)).worstGap
    #expect(gap <= .milliseconds(500), "gap of \(gap)")
  }

  @Test(
    "the machine that reads the file restarts: it looks at the file again and reads on", arguments: [3, 4] as [UInt64])
  func readerRestarts(seed: UInt64) throws {
    var journey = try Journey(seed: seed)
    let request = try journey.begin()
    journey.world.run(for: .seconds(4))
    let before = try #require(journey.viewer(of: request)).positions.count
    #expect(before > 50 && before < 200, "the stream is under way: \(before)")
    journey.world.crash(Talk.sharedBy)
    journey.world.run(for: .milliseconds(500))
    journey.world.restart(Talk.sharedBy, through: 1)
    journey.world.run(for: .seconds(40))
    try journey.expectWhole(request)
  }

  @Test("the machine that reads the file restarts, and the file is another now: the service ends and says so")
  func fileReplaced() throws {
    var journey = try Journey(seed: 3)
    let request = try journey.begin()
    journey.world.run(for: .seconds(4))
    journey.world.crash(Talk.sharedBy)
    journey.world.source.key = SourceKey(Digest.of([2], kind: "test"))
    journey.world.restart(Talk.sharedBy, through: 1)
    let hasEnded = journey.world.run(atMost: .seconds(60)) { !$0.events("service.failed", of: request).isEmpty }
    #expect(hasEnded)
    let said = journey.world.heard.map(\.event.summary).filter { $0.contains("no file of this node's share makes") }
    #expect(!said.isEmpty)
  }

  @Test("a link between two peers of the chain is cut: the stream is mended")
  func linkCut() throws {
    var journey = try Journey(seed: 6)
    let request = try journey.begin()
    for _ in 0..<4 {
      journey.world.run(for: .seconds(2))
      let middle = try #require(try journey.places(of: request).first { $0.component == "video.overlay" }?.peer)
      journey.world.cut(Talk.sharedBy, middle)
    }
    journey.world.run(for: .seconds(25))
    try journey.expectWhole(request)
  }

  @Test("the manager dies mid-service: a successor adopts the service, and the stream does not notice")
  func managerDies() throws {
    // A seed whose election falls on a peer that is not on the chain itself.
    var found: (journey: Journey, request: RequestID, manager: Int)?
    for seed in 10..<40 as Range<UInt64> where found == nil {
      var journey = try Journey(seed: seed)
      let request = try journey.begin()
      let busy = try journey.places(of: request).map(\.peer) + [Journey.portal]
      let manager = try #require(journey.manager(of: request))
      if !busy.contains(manager) { found = (journey, request, manager) }
    }
    var (journey, request, manager) = try #require(found, "no election fell on an idle peer")
    journey.world.run(for: .seconds(3))
    let switches = journey.world.events("socket.switched").count
    journey.world.crash(manager)
    let isAdopted = journey.world.run(atMost: .seconds(8)) { world in
      world.peers.contains { $0.isAlive && $0.node.managed == 1 }
    }
    #expect(isAdopted, "nobody took the service over")
    #expect(journey.manager(of: request) != manager)
    let terms = journey.world.events("election.won", of: request).map { $0.event.details.first?.value }
    #expect(terms.count >= 2 && Set(terms).count == terms.count, "each mandate has a term of its own: \(terms)")
    journey.world.run(for: .seconds(20))
    try journey.expectWhole(request)
    #expect(journey.world.events("socket.switched").count == switches, "no socket turned away from its peer")
    let gap = try #require(journey.viewer(of: request)).worstGap
    #expect(gap <= .milliseconds(150), "gap of \(gap)")
  }

  // MARK: - A second client, and the end

  @Test("a second equal request is grafted: it starts no worker and gets the same stream from its beginning")
  func graft() throws {
    var journey = try Journey(seed: 7)
    let first = try journey.begin()
    journey.world.run(for: .seconds(2))
    let started = journey.world.workersStarted
    let second = try journey.begin()
    #expect(second != first, "it is a service of its own")
    journey.world.run(for: .seconds(20))
    #expect(journey.world.workersStarted == started)
    try journey.expectWhole(first)
    try journey.expectWhole(second)
  }

  @Test("one that comes when the stream has moved on gets a showing of its own, and a third joins that")
  func late() throws {
    var journey = try Journey(seed: 7)
    // A window then keeps less than two seconds.
    journey.world.packetBytes = 100_000
    let first = try journey.begin()
    journey.world.run(for: .seconds(4))
    let started = journey.world.workersStarted
    let second = try journey.begin()
    let startedForSecond = journey.world.workersStarted - started
    #expect(startedForSecond >= 3, "its chain is its own")
    let third = try journey.begin()
    #expect(journey.world.workersStarted == started + startedForSecond, "the third is grafted on the second's")
    journey.world.run(for: .seconds(20))
    for request in [first, second, third] { try journey.expectWhole(request) }
  }

  @Test("a DELETE ends it and frees every worker; of two equal services only the other goes on")
  func end() throws {
    var journey = try Journey(seed: 8)
    let first = try journey.begin()
    let second = try journey.begin()
    journey.world.run(for: .seconds(2))
    let running = journey.world.workersRunning
    #expect(running >= 3)

    let token = journey.world.ask(Journey.portal, .end(first))
    journey.world.run(for: .seconds(3))
    guard case .report(let report) = journey.world.answers[token] else {
      Issue.record("the client hears no end: \(String(describing: journey.world.answers[token]))")
      return
    }
    #expect(report.wire.state == "ended")
    #expect(journey.viewer(of: first)?.isClosed == true)
    #expect(journey.viewer(of: second)?.isClosed == false)
    #expect(journey.world.workersRunning >= 3, "the other client still watches")

    _ = journey.world.ask(Journey.portal, .end(second))
    journey.world.run(for: .seconds(15))
    #expect(journey.world.workersRunning == 0)
    #expect(journey.world.peers.allSatisfy { $0.node.groups.isEmpty }, "no group is left, armed or not")
    #expect(journey.world.peers.allSatisfy { $0.node.managed == 0 })
    let got = try #require(journey.viewer(of: second)).positions
    #expect(got == Array(0..<UInt64(got.count)) && got.count > 50, "to its end the other was whole")
  }

  @Test(
    "a DELETE waits for the end itself, however long the service has run and whenever the portal keeps house",
    arguments: [0, 250, 500, 750] as [Int64])
  func slowEnd(later: Int64) throws {
    var journey = try Journey(seed: 8)
    let request = try journey.begin()
    journey.world.run(for: .seconds(4) + .milliseconds(later))
    journey.world.delay = .milliseconds(300)
    let token = journey.world.ask(Journey.portal, .end(request))
    let isAnswered = journey.world.run(atMost: .seconds(5)) { $0.answers[token] != nil }
    #expect(isAnswered)
    guard case .report(let report) = journey.world.answers[token] else { throw Journey.Refusal(what: "no report") }
    #expect(report.wire.state == "ended", "answered “\(report.wire.state)”")
  }

  @Test("what a portal has told to be over stays so, whatever a manager reports that has not heard of it")
  func over() throws {
    var journey = try Journey(seed: 8)
    let request = try journey.begin()
    let manager = try #require(journey.manager(of: request))
    let sender = journey.world.peers[manager].node.id
    var late = try #require(journey.world.peers[manager].node.managerReport(of: request, explanation: false))
    _ = journey.world.ask(Journey.portal, .end(request))
    journey.world.run(for: .seconds(3))
    #expect(journey.world.peers[Journey.portal].node.state(of: request)?.state == "ended")
    late.state = "repairing"
    let told = journey.world.heard.count
    journey.world.inject(
      .link(.with { $0.service = .with { $0.report = late } }, from: sender), at: Journey.portal)
    #expect(journey.world.peers[Journey.portal].node.state(of: request)?.state == "ended")
    #expect(journey.world.heard.count == told, "nobody who listens hears of it again")
  }

  // MARK: - Refusals

  @Test("a file that is not there is refused by name, and nothing is started")
  func missingFile() throws {
    var journey = try Journey(seed: 9)
    let node = journey.world.peers[1].node.id
    let token = journey.world.ask(
      Journey.portal, .submit(try Talk.request(from: node), idempotencyKey: nil, place: nil, extra: 0))
    journey.world.run(for: .seconds(2))
    guard case .refused(.source(let fault, let at)) = journey.world.answers[token] else {
      Issue.record("refused otherwise: \(String(describing: journey.world.answers[token]))")
      return
    }
    #expect(fault.kind == "source_missing" && at == node)
    #expect(journey.world.workersStarted == 0)
  }

  @Test("the same idempotency key asks once")
  func idempotency() throws {
    var journey = try Journey(seed: 9)
    let request = try Talk.request(from: journey.world.peers[Talk.sharedBy].node.id)
    let tokens = (0..<3).map { _ in
      journey.world.ask(Journey.portal, .submit(request, idempotencyKey: "k", place: nil, extra: 0))
    }
    journey.world.run(for: .seconds(4))
    let accepted = tokens.compactMap { token -> RequestID? in
      if case .accepted(let request, _, _) = journey.world.answers[token] { request } else { nil }
    }
    #expect(accepted.count == 3 && Set(accepted).count == 1)
    #expect(journey.world.events("request.called").count == 1)
  }

  // MARK: - One seed, one course

  @Test("reads as it always did")
  func golden() throws {
    var journey = try Journey(seed: 1)
    let request = try journey.begin()
    journey.world.run(for: .seconds(1))
    let token = journey.world.ask(Journey.portal, .end(request))
    journey.world.run(for: .seconds(4))
    #expect(journey.world.answers[token] != nil)
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/journey.trace")
    let text = try journey.transcript(since: journey.asked).joined(separator: "\n") + "\n"
    if ProcessInfo.processInfo.environment["MILLRACE_RECORD_GOLDEN"] != nil {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(text == (try String(contentsOf: file, encoding: .utf8)), "MILLRACE_RECORD_GOLDEN=1 writes it anew")
  }

  @Test("the same seed gives the same effects, byte for byte; another seed does not")
  func determinism() throws {
    let once = try Self.course(seed: 1)
    #expect(once == (try Self.course(seed: 1)))
    #expect(once != (try Self.course(seed: 2)))
  }

  @Test("and so in another process, whose hashing has another seed", .enabled(if: Self.canSpawn))
  func anotherProcess() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "millrace-trace-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["--testing-library", "swift-testing", "--filter", "RequestJourneyTests/tellsItsHash"]
    process.environment = ProcessInfo.processInfo.environment.merging([Self.hashFile: file.path]) { $1 }
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let theirs = try String(contentsOf: file, encoding: .utf8).split(separator: " ").map(String.init)
    try #require(theirs.count == 2)
    #expect(theirs[0] != "\(ProcessInfo.processInfo.processIdentifier)", "it was another process")
    #expect(theirs[1] == (try Self.course(seed: 1)))
  }

  @Test("(in the other process) tells its hash", .enabled(if: ProcessInfo.processInfo.environment[hashFile] != nil))
  func tellsItsHash() throws {
    let file = try #require(ProcessInfo.processInfo.environment[Self.hashFile])
    let text = "\(ProcessInfo.processInfo.processIdentifier) \(try Self.course(seed: 1))"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
  }

  static let hashFile = "MILLRACE_TRACE_HASH_FILE"
  static var canSpawn: Bool {
    FileManager.default.fileExists(atPath: "/proc/self/exe") && ProcessInfo.processInfo.environment[hashFile] == nil
  }

  /// A request with a death in the middle, to its end: the hash of all that was done.
  static func course(seed: UInt64) throws -> String {
    var journey = try Journey(seed: seed)
    let request = try journey.begin()
    journey.world.run(for: .seconds(2))
    let middle = try #require(try journey.places(of: request).first { $0.component == "video.overlay" }?.peer)
    journey.world.crash(middle)
    journey.world.run(for: .seconds(4))
    #expect(journey.world.trace.effects > 1_000)
    return journey.world.trace.text
  }
}
