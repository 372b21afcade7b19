import Base
import Foundation
import GRDB
import Identity
import Vocabulary

extension StoreFile {
  // MARK: Writing

  static func apply(_ change: StoreChange, to database: Database) throws {
    switch change {
    case .put(let record):
      // Fencing rests on this: what bears a lower sequence leaves the newer record as it is.
      try database.cachedStatement(
        sql: """
          INSERT INTO record (request, kind, key, sequence, keep_until, bytes) VALUES (?, ?, ?, ?, ?, ?)
          ON CONFLICT DO UPDATE SET sequence = excluded.sequence, keep_until = excluded.keep_until, bytes = excluded.bytes
          WHERE excluded.sequence >= record.sequence
          """
      ).execute(arguments: [
        data(record.request), record.kind, Data(record.key), Int64(bitPattern: record.sequence),
        record.keepUntil.milliseconds, Data(record.bytes),
      ])
    case .remove(let kind, let request, let key):
      try database.cachedStatement(sql: "DELETE FROM record WHERE request = ? AND kind = ? AND key = ?")
        .execute(arguments: [data(request), kind, Data(key)])
    case .forget(let request):
      try database.cachedStatement(sql: "DELETE FROM record WHERE request = ?").execute(arguments: [data(request)])
    case .expire(let now):
      try database.cachedStatement(sql: "DELETE FROM record WHERE keep_until < ?").execute(arguments: [now.milliseconds]
      )
    case .know(let peer):
      try database.cachedStatement(sql: "INSERT OR REPLACE INTO peer (node, host, port, seen) VALUES (?, ?, ?, ?)")
        .execute(arguments: [data(peer.node), peer.address.host, Int(peer.address.port), peer.seen.milliseconds])
      try prune(database, "peer", by: "node", order: "seen", keep: Limits.knownPeers)
    case .unknow(let node):
      try database.cachedStatement(sql: "DELETE FROM peer WHERE node = ?").execute(arguments: [data(node)])
    case .calibrate(let bytes): try setFact(database, "calibration", bytes)
    case .note(let line):
      try database.cachedStatement(sql: "INSERT INTO journal (at, kind, request, text) VALUES (?, ?, ?, ?)")
        .execute(arguments: [line.at.milliseconds, line.kind, line.request.map(data), line.text])
      try database.cachedStatement(sql: "DELETE FROM journal WHERE line <= ?")
        .execute(arguments: [database.lastInsertedRowID - Int64(Limits.journalLines)])
    }
  }

  private static func prune(_ database: Database, _ table: String, by key: String, order: String, keep: Int) throws {
    try database.cachedStatement(
      sql: """
        DELETE FROM \(table) WHERE \(key) IN (SELECT \(key) FROM \(table) ORDER BY \(order) DESC LIMIT -1 OFFSET ?)
        """
    ).execute(arguments: [keep])
  }

  // MARK: Reading

  static func contents(_ database: Database, _ generation: StoreGeneration) throws -> StoreContents {
    var contents = StoreContents(generation: generation)
    let records = try Row.fetchCursor(
      database, sql: "SELECT request, kind, key, sequence, keep_until, bytes FROM record ORDER BY request, kind, key")
    while let row = try records.next() {
      contents.records.append(
        StoredRecord(
          kind: row["kind"], request: RequestID(try bytes32(row["request"])), key: Array(row["key"] as Data),
          sequence: UInt64(bitPattern: row["sequence"] as Int64), bytes: Array(row["bytes"] as Data),
          keepUntil: WallTime(milliseconds: row["keep_until"])))
    }
    let peers = try Row.fetchCursor(database, sql: "SELECT node, host, port, seen FROM peer ORDER BY seen DESC, node")
    while let row = try peers.next() {
      guard let port = UInt16(exactly: row["port"] as Int) else { throw DatabaseError(resultCode: .SQLITE_CORRUPT) }
      contents.peers.append(
        KnownPeer(
          node: NodeID(try bytes32(row["node"])), address: PeerAddress(host: row["host"], port: port),
          seen: WallTime(milliseconds: row["seen"])))
    }
    contents.calibration = try fact(database, "calibration")
    return contents
  }

  static func journal(_ database: Database, request: RequestID?, last: Int) throws -> [JournalLine] {
    let rows = try Row.fetchAll(
      database,
      sql: "SELECT at, kind, request, text FROM journal WHERE ?1 IS NULL OR request = ?1 ORDER BY line DESC LIMIT ?2",
      arguments: [request.map(data), last])
    return try rows.reversed().map { row in
      let request = try (row["request"] as Data?).map { RequestID(try bytes32($0)) }
      return JournalLine(
        at: WallTime(milliseconds: row["at"]), kind: row["kind"], request: request, text: row["text"])
    }
  }

  private static func bytes32(_ data: Data) throws -> Bytes32 {
    guard let value = Bytes32(data) else {
      throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "an identifier of \(data.count) bytes")
    }
    return value
  }

  private static func data(_ request: RequestID) -> Data { Data(request.hash.bytes) }
  private static func data(_ node: NodeID) -> Data { Data(node.bytes) }
}
