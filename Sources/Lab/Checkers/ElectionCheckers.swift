import Assignments
import Base
import Core
import Desks
import Elections
import Foundation
import Identity
import Mandates
import Sessions
import Vocabulary
import Wire

// What the electors of a quorum promise (a scenario of another safety class promises none of it): one mandate a term, nothing older after a promise, no version lost that a quorum acknowledged.

/// At most one mandate per request, epoch and term, and each holds: by its votes, counted here once more.
struct MandateChecker: Checker {
  static let name = "one mandate a term"
  var faults: [CheckerFault] = []
  private var known: [Key: Bytes32] = [:]
  private var verified = VerifiedDigests(capacity: 4_096)

  struct Key: Hashable {
    let request: RequestID
    let term: Term
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    // What a liar says is its own affair; what follows from it is not.
    guard case .elects(let number, _, let message) = sight, !world.isLiar(number) else { return }
    switch message {
    case .elected(let mandate): judge(mandate, number)
    case .heartbeat(_, _, _, let mandate?): judge(mandate, number)
    case .proposal(_, let mandate?): judge(mandate, number)
    case .vote(_, _, let newest?, _): judge(newest.mandate, number)
    default: return
    }
  }

  private mutating func judge(_ mandate: Mandate, _ number: Int) {
    let key = Key(request: mandate.request, term: mandate.term)
    if let before = known[key] {
      if before != mandate.digest {
        found("two mandates of \(mandate.request.short) for term \(mandate.term)", at: number)
      }
      return
    }
    known[key] = mandate.digest
    let electorate = mandate.electorate
    let (k, f) = (electorate.size, (electorate.size - 1) / 3)
    var voters: Set<NodeID> = []
    for cast in mandate.votes where electorate.contains(cast.signer) && verified.check(cast, kind: Vote.kind) {
      guard let vote = try? Vote(validating: cast.bytes), vote.request == mandate.request, vote.term == mandate.term
      else { continue }
      voters.insert(cast.signer)
    }
    if 2 * voters.count <= k + f {
      found("a mandate of \(mandate.request.short) with \(voters.count) votes of \(k)", at: number)
    }
  }
}

/// A vote for t is a promise: no vote, acknowledgement or lease for a lower term follows it, and an elector's newest version only grows.
struct PromiseChecker: Checker {
  static let name = "promises kept"
  var faults: [CheckerFault] = []
  private var promised: [Pair: Term] = [:]
  private var newest: [Pair: SnapshotMark] = [:]
  private var proposals: [Numbered: Bytes32] = [:]

  struct Pair: Hashable {
    let node: Int
    let request: RequestID
  }
  struct Numbered: Hashable {
    let request: RequestID
    let term: Term
    let sequence: UInt64
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    // What a liar says is its own affair; what follows from it is not.
    guard case .elects(let number, _, let message) = sight, !world.isLiar(number) else { return }
    let pair = Pair(node: number, request: message.request)
    switch message {
    case .vote(let vote, _, let carried, _):
      if world.number(of: vote.signer) == number { keeps(pair, vote.body.term, "vote") }
      if let carried, let before = newest[pair], carried.snapshot.mark < before {
        found(
          "an elector offers version \(carried.snapshot.mark), older than \(before), which it acknowledged", at: number)
      }
    case .acknowledgement(let statement, _):
      // Managers pass on others' words about their handover.
      guard world.number(of: statement.signer) == number else { return }
      keeps(pair, statement.body.mark.term, "acknowledgement")
      newest[pair] = max(statement.body.mark, newest[pair] ?? statement.body.mark)
    case .heartbeatAnswer(_, let term, _): keeps(pair, term, "lease")
    case .proposal(let snapshot, _):
      let key = Numbered(
        request: snapshot.body.request, term: snapshot.body.term, sequence: snapshot.body.sequence)
      if let before = proposals[key], before != snapshot.digest { found("two versions \(snapshot.mark)", at: number) }
      proposals[key] = snapshot.digest
    default: return
    }
  }

  private mutating func keeps(_ pair: Pair, _ term: Term, _ what: String) {
    if let before = promised[pair], term < before {
      found("a \(what) of \(pair.request.short) for term \(term) after term \(before)", at: pair.node)
    }
    promised[pair] = max(term, promised[pair] ?? term)
  }
}

/// A version is acted on only once a quorum has it on disk, and a later manager takes over the newest that a quorum has. What is on disk is
/// read from the disks, not heard from the nodes. Raft promises the same of a majority, since none of its members lies.
struct VersionChecker: Checker {
  static let name = "versions at a quorum"
  var faults: [CheckerFault] = []
  private var requests: [RequestID: Book] = [:]

  /// Of one request.
  private struct Book {
    /// By epoch: each has an electorate of its own.
    var quorums: [UInt32: Int] = [:]
    var versions: OrderedDictionary<Key, Version> = [:]
    var openedTerms: Set<Term> = []
    /// The newest with a quorum.
    var held: Key?

    func quorum(in term: Term) -> Int { quorums[term.epoch] ?? .max }
  }
  private struct Version {
    var number: UInt64
    var state: Data
    var owners: Set<Int>
  }
  private struct Key: Hashable, Comparable {
    let term: Term
    let sequence: UInt64
    static func < (a: Key, b: Key) -> Bool { (a.term, a.sequence) < (b.term, b.sequence) }
  }

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {
    // Without either a version is in force by its manager's word.
    guard world.scenario.safety != .unsafe else { return }
    switch sight {
    case .wrote(let number, let records):
      for record in records where record.name.kind == "election" { read(record, at: number) }
      for record in records where record.name.kind == "contest" { readContest(record, at: number) }
    case .contests(let number, _, let message):
      if case .coordinator(_, let version?) = message.body { propose(version.body.snapshot, number) }
    case .directs(let number, _, .reserve(let reserve)) where !world.isLiar(number):
      demand(reserve.mark, "reserves", number)
    case .directs(let number, _, .commit(let commit)) where !world.isLiar(number):
      demand(commit.mark, "commits", number)
    case .elects(let number, _, .proposal(let snapshot, _)):
      propose(snapshot.body, number)
    default: return
    }
  }

  private mutating func read(_ record: Record, at number: Int) {
    guard let wire = try? WireBallotRecordFields(parsing: record.bytes), wire.hasAccepted,
      let snapshot = try? WireSnapshotStatement(parsing: Array(wire.accepted.snapshot.body)),
      let envelope = try? WireEnvelopeStatement(parsing: Array(wire.envelope.body))
    else { return }
    let electors = [envelope.electorate.count] + wire.handovers.map(\.electorate.count)
    note(snapshot, quorums: electors.map { ($0 + ($0 - 1) / 3) / 2 + 1 }, at: number)
  }

  private mutating func readContest(_ record: Record, at number: Int) {
    guard let wire = try? WireRivalRecord(parsing: record.bytes), wire.hasSnapshot,
      let snapshot = try? WireSnapshotStatement(parsing: Array(wire.snapshot.body)),
      let envelope = try? WireEnvelopeStatement(parsing: Array(wire.envelope.body))
    else { return }
    note(snapshot, quorums: [envelope.electorate.count / 2 + 1], at: number)
  }

  /// A disk has a version. `quorums`: by epoch.
  private mutating func note(_ snapshot: WireSnapshotStatement, quorums: [Int], at number: Int) {
    guard let hash = Bytes32(snapshot.request) else { return }
    let request = RequestID(hash)
    let key = Key(term: Term(snapshot.term), sequence: snapshot.sequence)
    var book = requests[request] ?? Book()
    for (epoch, quorum) in quorums.enumerated() { book.quorums[UInt32(epoch)] = quorum }
    var version = book.versions[key] ?? Version(number: snapshot.version, state: snapshot.state, owners: [])
    version.owners.insert(number)
    book.versions[key] = version
    if version.owners.count >= book.quorum(in: key.term) { book.held = max(key, book.held ?? key) }
    requests[request] = book
  }

  private mutating func demand(_ mark: PlanMark, _ what: String, _ number: Int) {
    guard let book = requests[mark.request] else {
      return found("\(what) version \(mark.version) of \(mark.request.short), which no elector has", at: number)
    }
    let owners =
      book.versions.filter { $0.key.term == mark.term && $0.value.number == UInt64(mark.version) }
      .map(\.value.owners.count).max() ?? 0
    let quorum = book.quorum(in: mark.term)
    if owners < quorum {
      found(
        "\(what) version \(mark.version) of \(mark.request.short) in term \(mark.term) with \(owners) electors where \(quorum) "
          + "make a quorum", at: number)
    }
  }

  /// The first version of a term is what the manager took over.
  private mutating func propose(_ snapshot: Snapshot, _ number: Int) {
    guard var book = requests[snapshot.request], book.openedTerms.insert(snapshot.term).inserted else {
      if requests[snapshot.request] == nil { requests[snapshot.request] = Book(openedTerms: [snapshot.term]) }
      return
    }
    let before =
      book.held.flatMap { $0.term < snapshot.term ? $0 : nil }
      ?? book.versions.filter { $0.key.term < snapshot.term && $0.value.owners.count >= book.quorum(in: $0.key.term) }
      .map(\.key).max()
    requests[snapshot.request] = book
    guard let before else { return }
    let known = book.versions.contains {
      $0.key >= before && $0.key.term < snapshot.term && $0.value.state == Data(snapshot.state)
    }
    if !known {
      found(
        "term \(snapshot.term) of \(snapshot.request.short) begins with version \(snapshot.version) and has lost "
          + "version \(book.versions[before]!.number) of term \(before.term), which a quorum had", at: number)
    }
  }
}

/// Below a quorum a service freezes; once everything has healed it thaws.
struct FreezeChecker: Checker {
  static let name = "frozen services thaw"
  var faults: [CheckerFault] = []
  private var since: [Pair: Instant] = [:]
  private var healedAt: Instant?

  struct Pair: Hashable {
    let node: Int
    let request: RequestID
  }
  /// A lease, a heartbeat, an election with its doubled waits, and the way there.
  static let bound = Duration.seconds(25)

  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) { if case .heals = sight { healedAt = now } }

  mutating func look(at number: Int, _ node: Node, at now: Instant, in world: Simulation) {
    guard let healedAt, !world.isLiar(number) else { return }
    for request in node.managedRequests {
      let pair = Pair(node: number, request: request)
      guard node.standing(of: request)?.isFrozen ?? false else {
        since[pair] = nil
        continue
      }
      let start = since[pair] ?? max(now, healedAt)
      since[pair] = start
      if now - start > FreezeChecker.bound {
        found("\(request.short) is frozen \(Int((now - start).seconds)) s after everything healed", at: number)
      }
    }
  }
}
