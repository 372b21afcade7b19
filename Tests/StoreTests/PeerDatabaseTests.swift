import Base
import Foundation
import GRDB
import Identity
import Synchronization
import Testing
import Vocabulary

@testable import Store

/// A data directory of its own, gone with the test.
private final class Folder: Sendable {
  let path: String
  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "millrace-store-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  var file: String { "\(path)/\(PeerDatabase.fileName)" }
  func open(_ policy: PeerDatabase.CorruptionPolicy = .refuse) throws -> PeerDatabase {
    try PeerDatabase(directory: path, ifCorrupt: policy) { $0() }
  }
}

extension PeerDatabase {
  fileprivate func store(_ changes: [StoreChange]) async throws {
    try await withCheckedContinuation { go in append(changes) { go.resume(returning: $0) } }.get()
  }
}

@Suite(.serialized, .timeLimit(.minutes(1)))
struct PeerDatabaseTests {
  private let request = RequestID(Digest.of([1], kind: "test"))

  private func vote(_ sequence: UInt64, key: [UInt8] = [], keepUntil: Int64 = 1_000) -> StoredRecord {
    StoredRecord(
      kind: "vote", request: request, key: key, sequence: sequence, bytes: [UInt8(truncatingIfNeeded: sequence), 0xff],
      keepUntil: WallTime(milliseconds: keepUntil))
  }

  @Test("what was stored is there after a restart, and the generation is the same")
  func reopen() async throws {
    let folder = try Folder()
    let first = try folder.open()
    #expect(first.contents.records.isEmpty && first.contents.generation.reason == nil)
    let peer = KnownPeer(
      node: KeyPair.generate().id, address: PeerAddress(host: "10.0.0.1", port: 7_400), seen: WallTime(milliseconds: 5))
    let line = JournalLine(at: WallTime(milliseconds: 6), kind: "elected", request: request, text: "{}")
    try await first.store([.put(vote(.max)), .put(vote(3, key: [1])), .know(peer), .calibrate([7]), .note(line)])
    try first.close()

    let second = try folder.open()
    #expect(second.contents.records == [vote(.max), vote(3, key: [1])])
    #expect(second.contents.peers == [peer])
    #expect(second.contents.calibration == [7])
    #expect(try second.journal(request, last: 10) == [line])
    #expect(second.contents.generation == first.contents.generation)
    try await second.store([.remove(kind: "vote", request: request, key: [1]), .unknow(peer.node)])
    try second.close()
    let third = try folder.open()
    #expect(third.contents.records == [vote(.max)] && third.contents.peers.isEmpty)
    try third.close()
  }

  @Test("an older version never replaces a newer one")
  func neverBack() async throws {
    let folder = try Folder()
    let database = try folder.open()
    try await database.store([.put(vote(5))])
    try await database.store([.put(vote(4))])
    try database.close()
    #expect(try folder.open().contents.records == [vote(5)])
  }

  @Test("records are forgotten when their time has passed, or with their request")
  func retention() async throws {
    let folder = try Folder()
    let database = try folder.open()
    let other = StoredRecord(
      kind: "fence", request: RequestID(.zero), sequence: 1, bytes: [], keepUntil: WallTime(milliseconds: 9_999))
    try await database.store([.put(vote(1)), .put(vote(1, key: [2], keepUntil: 3_000)), .put(other)])
    try await database.store([.expire(WallTime(milliseconds: 2_000))])
    try database.close()
    let again = try folder.open()
    #expect(again.contents.records == [other, vote(1, key: [2], keepUntil: 3_000)])
    try await again.store([.forget(request)])
    try again.close()
    #expect(try folder.open().contents.records == [other])
  }

  @Test("a thousand changes at once cost a few commits, and complete in their order")
  func groupCommit() async throws {
    let folder = try Folder()
    let database = try folder.open()
    let order = Mutex<[Int]>([])
    let elapsed = await ContinuousClock().measure {
      await withCheckedContinuation { go in
        for number in 0..<1_000 {
          database.append([.put(vote(1, key: [UInt8(number >> 8), UInt8(number & 255)]))]) { result in
            if case .failure(let error) = result { Issue.record("\(error)") }
            let count = order.withLock { list in
              list.append(number)
              return list.count
            }
            if count == 1_000 { go.resume() }
          }
        }
      }
    }
    #expect(order.withLock { $0 } == Array(0..<1_000))
    let commits = database.counters.commits
    print("figure: 1000 votes in \(commits) commits, \(elapsed.milliseconds) ms")
    #expect(commits < 50 && database.counters.changes == 1_000)
    try database.close()
    #expect(try folder.open().contents.records.count == 1_000)
  }

  @Test("a completed change survives the process's sudden end")
  func durable() async throws {
    let (folder, copy) = (try Folder(), try Folder())
    let database = try folder.open()
    var times: [Duration] = []
    for number in 0..<50 {
      times.append(
        try await ContinuousClock().measure { try await database.store([.put(vote(UInt64(number)))]) })
    }
    times.sort()
    print("figure: one vote on disk in \(times[25].milliseconds) ms p50, \(times[49].milliseconds) ms at most of 50")
    // What is on disk at this moment, as the process would leave it.
    for name in ["", "-wal"] { try FileManager.default.copyItem(atPath: folder.file + name, toPath: copy.file + name) }
    let restored = try copy.open()
    #expect(restored.contents.records == [vote(49)])
    #expect(restored.contents.generation.reason == .restored, "a copy must not vote as the original did")
    #expect(restored.contents.generation.number != database.contents.generation.number)
    try restored.close()
    #expect(try copy.open().contents.generation.reason == nil)
    try database.close()
  }

  @Test("every commit waits for the disk: the log is synchronous")
  func synchronous() throws {
    let folder = try Folder()
    let queue = try StoreFile.open(folder.file)
    let (synchronous, journal) = try queue.read {
      (try Int.fetchOne($0, sql: "PRAGMA synchronous"), try String.fetchOne($0, sql: "PRAGMA journal_mode"))
    }
    #expect(synchronous == 2 && journal == "wal")
    try queue.close()
  }

  @Test("only the owner can read the database and its log")
  func modes() async throws {
    let folder = try Folder()
    let database = try folder.open()
    try await database.store([.put(vote(1))])
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let mode = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\(name)")[.posixPermissions] as? Int
      #expect(mode == 0o600, "\(name)")
    }
    try database.close()
  }

  @Test("a second process on the same directory is told so")
  func locked() throws {
    let folder = try Folder()
    let database = try folder.open()
    #expect(throws: StoreError.locked(folder.file)) { _ = try folder.open() }
    #expect(StoreError.locked(folder.file).description.contains("--data"))
    try database.close()
    try folder.open().close()
  }

  @Test("a damaged database is refused by name, or moved aside by policy", arguments: [0, 4_096])
  func corrupt(offset: UInt64) async throws {
    let folder = try Folder()
    let database = try folder.open()
    try await database.store((0..<200).map { .put(vote(1, key: [$0])) })
    try database.close()
    let handle = try #require(FileHandle(forWritingAtPath: folder.file))
    try handle.seek(toOffset: offset)
    try handle.write(contentsOf: Data(repeating: 0xa5, count: 8_000))
    try handle.close()

    let error = #expect(throws: StoreError.self) { _ = try folder.open() }
    guard case .corrupt(folder.file, _) = error else { return #expect(Bool(false), "\(error as Any)") }
    #expect(error?.description.contains(folder.file) == true && error?.description.contains("move it away") == true)

    let fresh = try folder.open(.startNewGeneration)
    #expect(fresh.contents.generation.reason == .corrupt(movedTo: folder.file + ".corrupt-1"))
    #expect(fresh.contents.generation.number != database.contents.generation.number)
    #expect(fresh.contents.records.isEmpty)
    #expect(FileManager.default.fileExists(atPath: folder.file + ".corrupt-1"))
    try await fresh.store([.put(vote(1))])
    try fresh.close()
  }

  @Test("a database of a newer program is left alone")
  func newer() throws {
    let folder = try Folder()
    try folder.open().close()
    let queue = try DatabaseQueue(path: folder.file)
    try queue.write { try $0.execute(sql: "PRAGMA user_version = 9") }
    try queue.close()
    #expect(throws: StoreError.newer(folder.file, found: 9, known: 1)) { _ = try folder.open(.startNewGeneration) }
  }

  @Test("a directory that is not there is named")
  func missing() {
    #expect(throws: StoreError.unusable("/no/such/millrace.sqlite", reason: "No such file or directory")) {
      _ = try PeerDatabase(directory: "/no/such") { $0() }
    }
  }

  @Test("the journal keeps its last lines")
  func journal() async throws {
    let folder = try Folder()
    let database = try folder.open()
    for part in 0..<6 {
      try await database.store(
        (0..<2_000).map { number in
          .note(JournalLine(at: WallTime(milliseconds: Int64(part * 2_000 + number)), kind: "k", text: ""))
        })
    }
    let lines = try database.journal(last: 20_000)
    #expect(lines.count == Limits.journalLines)
    #expect(lines.last?.at == WallTime(milliseconds: 11_999) && lines.first?.at == WallTime(milliseconds: 2_000))
    try database.close()
  }
}
