import Base
import Core

/// A peer's store with group commit, as `Store` has it: what is asked for while a write is under way goes with the next one. A crash
/// loses what was not written; of a write under way it loses all or nothing.
struct SimulatedDisk {
  /// What a restart finds.
  private(set) var records: OrderedDictionary<Record.Name, Record> = [:]
  private var writing: [(records: [Record], token: PersistToken)] = []
  private var waiting: [(records: [Record], token: PersistToken)] = []
  /// Writes begun so far.
  private(set) var writes: UInt64 = 0

  /// Takes in a request to write; whether the disk begins a write now.
  mutating func ask(_ records: [Record], _ token: PersistToken) -> Bool {
    guard writing.isEmpty else {
      waiting.append((records, token))
      return false
    }
    writing = [(records, token)]
    writes += 1
    return true
  }

  /// The write under way is done; what it held, in order, and whether another begins now.
  mutating func finish() -> (done: [(records: [Record], token: PersistToken)], goesOn: Bool) {
    let done = writing
    for write in done { apply(write.records) }
    writing = waiting
    waiting = []
    if !writing.isEmpty { writes += 1 }
    return (done, !writing.isEmpty)
  }

  mutating func forget(_ names: [Record.Name]) { for name in names { records.removeValue(forKey: name) } }

  /// Power is lost; what the write under way held is returned when the platter had it already.
  mutating func crash(writeIsSaved: Bool) -> [Record] {
    let saved = writeIsSaved ? writing.flatMap(\.records) : []
    apply(saved)
    writing = []
    waiting = []
    return saved
  }

  /// All is gone.
  mutating func lose() { self = SimulatedDisk() }

  private mutating func apply(_ changes: [Record]) { for record in changes { records[record.name] = record } }
}
