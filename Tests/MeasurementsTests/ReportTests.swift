import Base
import Identity
import Testing
import Vocabulary
import Wire

@testable import Measurements

/// What a board believes, and what it tells.
@Suite("Reports in parts")
struct ReportTests {
  static let wall = WallTime(milliseconds: 1_000_000)
  static func keys(_ number: Int) -> KeyPair {
    KeyPair(seed: Bytes32([UInt8(number / 200), UInt8(number % 200)] + [UInt8](repeating: 9, count: 30))!)
  }
  static let offer = NodeOffer(
    components: ["video.scale", "video.vp8"], slots: 4, cores: 2, machineCores: 2, memory: 1 << 32)
  static func state(slots: Int = 0, streams: Int = 0, at x: Double = 0) -> OwnState {
    OwnState(
      coordinate: Coordinate(vector: [x, 0, 0, 0], height: 1, error: 0.2),
      streams: (0..<streams).map {
        ServedStream(
          key: StreamKey(Digest.of([UInt8($0)], kind: "stream")), bitrate: 1_000_000, spareFanOut: 3, firstHeld: 0)
      }, slotsUsed: slots, promisedSlots: slots, promisedCores: 0)
  }
  static func board(_ number: Int, members: [Int] = [0, 1, 2], sequence: UInt64 = 1_000) -> LoadBoard {
    var (board, random) = (LoadBoard(keys: keys(number), offer: offer, sequence: sequence), SeededRandom(seed: 1))
    _ = board.handle(
      .members(members.filter { $0 != number }.map { keys($0).id }), at: .zero, wall: wall, using: &random)
    return board
  }
  @discardableResult
  static func tell(_ board: inout LoadBoard, _ input: BoardInput, _ seconds: Double, wall: WallTime = ReportTests.wall)
    -> [BoardEffect]
  {
    var random = SeededRandom(seed: 1)
    return board.handle(input, at: .zero + .fromSeconds(seconds), wall: wall, using: &random)
  }
  static func isPublished(_ effects: [BoardEffect]) -> Bool {
    effects.contains { if case .published = $0 { true } else { false } }
  }

  @Test("a report arrives whole: load, offer, streams, paths, coordinate, and when it was measured")
  func whole() throws {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    for peer in [1, 2] { ReportTests.tell(&a, .observed(ReportTests.keys(peer).id, .sent(7_000_000)), 0) }
    ReportTests.tell(&a, .calibrated(decode: 123.4, encode: 31.2, filter: 201), 0)
    ReportTests.tell(
      &a, .own(ReportTests.state(slots: 3, streams: 20, at: 17)), 1, wall: WallTime(milliseconds: 1_001_000))
    ReportTests.tell(&b, .reports(a.all), 2)
    let (report, received) = try #require(b[a.node])
    #expect(report.load.decodeRate == 123.4)
    #expect(report.load.slotsUsed == 3)
    #expect(report.components == ["video.scale", "video.vp8"])
    #expect(report.streams.count == 20)
    #expect(report.paths.map(\.capacity) == [7_000_000, 7_000_000])
    #expect(report.coordinate.vector[0] == 17)
    #expect(report.wall == WallTime(milliseconds: 1_001_000))
    #expect(received == .zero + .seconds(2))
  }

  @Test("every part fits beside a probe, however much a node offers, serves and reaches")
  func sizes() {
    let components = [
      "source.video", "source.audio", "source.text", "video.fps", "video.scale", "video.overlay", "video.burn",
      "video.vp8",
      "video.h264", "audio.resample", "audio.opus", "text.shift", "mux.webm", "mux.mp4", "mux.ogg", "mux.webvtt",
    ]
    let offer = NodeOffer(
      components: components, slots: 64, cores: 64, machineCores: 64, memory: 1 << 40, upCap: 999_999_999_999)
    var board = LoadBoard(keys: ReportTests.keys(0), offer: offer, sequence: UInt64(1) << 45)
    ReportTests.tell(&board, .members((1..<60).map { ReportTests.keys($0).id }), 0)
    for peer in 1..<60 { ReportTests.tell(&board, .observed(ReportTests.keys(peer).id, .sent(900_000_000_000)), 0) }
    ReportTests.tell(&board, .own(ReportTests.state(slots: 60, streams: 40, at: 99_999)), 1)
    #expect(board.all.count == 2 + 4 + 2)
    for envelope in board.all { #expect(envelope.wire.wireBytes.count + 3 <= Limits.reportBytes) }
    // All are told beside a few probes.
    let told = (0..<12).flatMap { board.piggyback(at: .zero + .seconds(2 + $0)) }
    #expect(Set(told).count == board.all.count)
  }

  @Test("a report is not there before both pulse and offer are known: nobody is taken to offer everything")
  func incomplete() {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    ReportTests.tell(&a, .own(ReportTests.state()), 0)
    for envelope in a.all {
      #expect(b[a.node] == nil)
      ReportTests.tell(&b, .reports([envelope]), 1)
    }
    #expect(b[a.node] != nil)
  }

  @Test("the newest sequence wins, an older one that comes late is ignored")
  func newest() {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    ReportTests.tell(&a, .own(ReportTests.state(slots: 1)), 0)
    let old = a.all
    ReportTests.tell(&a, .own(ReportTests.state(slots: 2)), 5)
    ReportTests.tell(&b, .reports(a.all), 6)
    ReportTests.tell(&b, .reports(old), 7)
    #expect(b[a.node]?.report.load.slotsUsed == 2)
  }

  @Test("each part is verified once, however often it arrives")
  func verifiedOnce() {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    ReportTests.tell(&a, .own(ReportTests.state()), 0)
    for second in 1...50 { ReportTests.tell(&b, .reports(a.all), Double(second)) }
    #expect(b.verifications == 2)
  }

  @Test("a forged report is not believed, and a stranger's is not kept")
  func forged() {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    ReportTests.tell(&a, .own(ReportTests.state()), 0)
    let forged = a.all.map { SignedEnvelope(bytes: $0.bytes, signer: ReportTests.keys(2).id, signature: $0.signature) }
    let twisted = a.all.map {
      SignedEnvelope(bytes: $0.bytes.dropLast() + [$0.bytes.last! ^ 1], signer: $0.signer, signature: $0.signature)
    }
    ReportTests.tell(&b, .reports(forged + twisted), 1)
    var stranger = ReportTests.board(9, members: [0, 9])
    ReportTests.tell(&stranger, .own(ReportTests.state()), 0)
    ReportTests.tell(&b, .reports(stranger.all), 1)
    #expect(b.nodes.isEmpty)
  }

  @Test("the reports of the dead are forgotten")
  func forgotten() {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    ReportTests.tell(&a, .own(ReportTests.state()), 0)
    ReportTests.tell(&b, .reports(a.all), 1)
    ReportTests.tell(&b, .members([ReportTests.keys(2).id]), 2)
    #expect(b[a.node] == nil)
  }

  @Test("a node tells at once when something moved noticeably, at least every ten seconds, and at most twice a second")
  func publishing() {
    var board = ReportTests.board(0)
    #expect(ReportTests.isPublished(ReportTests.tell(&board, .own(ReportTests.state()), 0)))
    let first = board[board.node]!.report.sequence
    #expect(
      !ReportTests.isPublished(ReportTests.tell(&board, .own(ReportTests.state(at: 3)), 2)), "3 ms are not noticeable")
    #expect(ReportTests.isPublished(ReportTests.tell(&board, .own(ReportTests.state(slots: 1)), 3)))
    let soon = ReportTests.tell(&board, .own(ReportTests.state(slots: 2)), 3.1)
    #expect(!ReportTests.isPublished(soon))
    #expect(soon.contains { if case .setTimer(.publish, .zero + .fromSeconds(3.5)) = $0 { true } else { false } })
    #expect(ReportTests.isPublished(ReportTests.tell(&board, .timer(.publish), 3.5)))
    let before = board[board.node]!.report.sequence
    let renewed = ReportTests.tell(&board, .timer(.publish), 13.5)
    #expect(!ReportTests.isPublished(renewed), "a renewal rides on the probes")
    #expect(board[board.node]!.report.sequence > before && before > first)
  }

  @Test("a stream that is no longer served is told as such")
  func emptied() {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    ReportTests.tell(&a, .own(ReportTests.state(streams: 9)), 0)
    ReportTests.tell(&b, .reports(a.all), 0.1)
    #expect(b[a.node]?.report.streams.count == 9)
    ReportTests.tell(&a, .own(ReportTests.state(streams: 0)), 1)
    ReportTests.tell(&b, .reports(a.all), 1.1)
    #expect(b[a.node]?.report.streams.isEmpty == true)
  }

  @Test("a node whose clock went back before it restarted goes above its own earlier report")
  func clockWentBack() {
    var (old, b) = (ReportTests.board(0, sequence: 5_000), ReportTests.board(1))
    ReportTests.tell(&old, .own(ReportTests.state(slots: 1)), 0)
    ReportTests.tell(&b, .reports(old.all), 0.1)
    var new = ReportTests.board(0, sequence: 10)
    ReportTests.tell(&new, .own(ReportTests.state(slots: 2)), 0)
    ReportTests.tell(&new, .reports(b.all), 1)
    ReportTests.tell(&new, .own(ReportTests.state(slots: 2)), 2)
    ReportTests.tell(&b, .reports(new.all), 3)
    #expect(b[new.node]?.report.load.slotsUsed == 2)
  }

  @Test("what others saw weighs more than what a node says, and fades")
  func observations() throws {
    var (a, b) = (ReportTests.board(0), ReportTests.board(1))
    ReportTests.tell(&a, .own(ReportTests.state()), 0)
    ReportTests.tell(&b, .reports(a.all), 0)
    for observation in [Observation.refused(.slots), .refused(.cores), .missed(0.4), .received(2_000_000)] {
      ReportTests.tell(&b, .observed(a.node, observation), 1)
    }
    func seen(_ seconds: Double) -> LoadReport {
      ReportTests.tell(&b, .own(ReportTests.state()), seconds)
      return b[a.node]!.report
    }
    #expect(seen(1).load.slotsUsed == 4)
    #expect(seen(1).load.ownCPU == 1)
    #expect(seen(1).load.deadlineMisses == 0.4)
    #expect(seen(1).rates.upCapacity == 2_000_000)
    #expect(abs(seen(16).load.ownCPU - 0.5) < 0.01)
    #expect(seen(16).load.slotsUsed == 2)
    #expect(abs(seen(16).load.deadlineMisses - 0.2) < 0.01)
    #expect(seen(200).load.ownCPU == 0 && seen(200).load.deadlineMisses == 0)
  }

  @Test("a malformed report names the field that is wrong")
  func malformed() {
    func field(_ wire: WireReportPart) -> String? {
      do {
        _ = try ReportPart(validating: wire.wireBytes)
        return nil
      } catch { return error.field }
    }
    let node = ReportTests.keys(0).id.data
    let place = WirePlaceMark.with { $0.vector = [0, 0, 0, 0] }
    #expect(field(.init()) == "ReportPart.node")
    #expect(field(.with { $0.node = node }) == "ReportPart.content")
    #expect(
      field(
        .with {
          $0.node = node
          $0.pulse = .with {
            $0.ownCpu = 1_001
            $0.place = place
          }
        }) == "Pulse.own_cpu")
    #expect(
      field(
        .with {
          $0.node = node
          $0.streams = .with { $0.page = 4 }
        }) == "StreamPage.page")
  }
}
