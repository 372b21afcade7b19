import Base
import Identity
import Mandates
import Vocabulary

/// An elector's memory of one request: what is on disk, and what a restart may forget.
struct Ballot: Sendable {
  let request: RequestID
  /// Electorate and order of the newest epoch, worked out once.
  private(set) var succession: Succession
  var electorate: Electorate { succession.electorate }
  var order: [NodeID] { succession.order }
  var epoch: UInt32 { succession.epoch }
  /// What is on disk, or about to be.
  var record: BallotRecord
  /// The manager's mandate for the promised term, as it was shown.
  var mandate: Mandate?
  /// Whether ``mandate``'s votes have been checked: done when a version is to be kept under it, not for a lease.
  var mandateIsVerified = false
  /// No later vote before this: given to the manager with the last answer to a heartbeat.
  var leaseUntil: Instant?
  /// When the elector stops waiting for a mandate, or for the next heartbeat.
  var deadline: Instant?
  /// How often the current vote was repeated.
  var repetitions = 0
  /// Each elector's newest vote, this one's included.
  var heard: OrderedDictionary<NodeID, Heard> = [:]
  /// Terms up to this one were promised before a restart, or declined: this peer manages in none of them.
  var barredUpTo: Term?
  /// Portals to be told who manages.
  var callers: [NodeID] = []
  /// The next epoch's electors, as electors of this one say that they keep them; see ``Ballots/isVouchedFor(_:in:)``.
  var vouched: OrderedDictionary<NodeID, Electorate> = [:]
  /// Electors that say that the service has ended.
  var endedBy: OrderedSet<NodeID> = []

  /// An elector's vote, and the version that it names where it came along.
  struct Heard {
    var vote: Signed<Vote>
    var newest: MandatedSnapshot?
  }

  init(_ envelope: Signed<Envelope>, evidence: [SignedEnvelope]) {
    self.init(record: BallotRecord(envelope: envelope, orderEvidence: evidence))
    callers = [envelope.body.portal]
  }

  init(restoring record: BallotRecord) {
    self.init(record: record)
    callers = [record.envelope.body.portal]
    barredUpTo = record.promised
  }

  private init(record: BallotRecord) {
    self.record = record
    request = record.envelope.request
    succession = Succession(record.envelope, record.handovers)
  }

  /// The term's one candidate; nil in another epoch than the newest.
  func candidate(in term: Term) -> NodeID? { succession.candidate(in: term) }

  /// A later epoch begins: what was said and heard in the one before counts no more.
  mutating func enter(_ handovers: [Handover]) {
    record.handovers = handovers
    record.vote = nil
    succession = Succession(record.envelope, handovers)
    (mandate, mandateIsVerified) = (nil, false)
    (leaseUntil, deadline, repetitions) = (nil, nil, 0)
    heard = [:]
    vouched = [:]
    endedBy = []
  }

  /// Whether this elector's vote may be sent again: it is for the promised term, and no version was kept since. Otherwise the term had a
  /// manager, and the vote no longer tells the truth about the newest version.
  var hasOpenVote: Bool {
    guard let vote = record.vote else { return false }
    return vote.body.term == record.promised && vote.body.newest == record.accepted?.snapshot.mark
  }

  /// The highest term that at least f+1 electors have voted for or passed: one of them is honest.
  var supportedTerm: Term? {
    let terms = heard.values.map(\.vote.body.term).sorted(by: >)
    return terms.count > electorate.faults ? terms[electorate.faults] : nil
  }

  /// Electors that voted for this term or a later one.
  func supporters(of term: Term) -> Int { heard.values.count { $0.vote.body.term >= term } }
}
