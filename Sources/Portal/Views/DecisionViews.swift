/// How the manager of a request came to be.
public struct ElectionView: Codable, Hashable, Sendable {
  /// The request's ID.
  public var request: String
  /// Strategy that orders the candidates, e.g. `rendezvous`.
  public var strategy: String
  /// What may be believed of who manages: `quorum`, `majorityCrashOnly` or `unsafe`.
  public var safety: String
  /// The electorate's epoch.
  public var epoch: Int
  /// Term of the newest mandate known here.
  public var term: String
  /// What everybody must know who relies on the manager, where no quorum proves it; nil otherwise.
  public var warning: String?
  /// Who holds it; nil before there is one.
  public var manager: String?
  /// Node IDs of the electors, in candidate order: the candidate of term t is number (t − 1) mod k.
  public var electorate: [String]
  /// What the electorate bears.
  public var tolerance: ToleranceView
  /// The votes that make the mandate.
  public var votes: [VoteView]
  /// This peer checked the mandate's signatures, quorum and electorate.
  public var mandateValid: Bool
  /// Why not, when not.
  public var mandateFault: String?
  /// Seconds since the mandate was first seen here.
  public var ageSeconds: Double?
  /// Everything that `millrace verify` needs: signed envelope, votes, mandate, assignments, members' records.
  public var evidence: JSONValue

  /// See the properties.
  public init(
    request: String, strategy: String, safety: String, epoch: Int, term: String, manager: String?, electorate: [String],
    tolerance: ToleranceView, votes: [VoteView], mandateValid: Bool, mandateFault: String? = nil,
    ageSeconds: Double? = nil, evidence: JSONValue
  ) {
    self.request = request
    self.strategy = strategy
    self.safety = safety
    self.epoch = epoch
    self.term = term
    self.manager = manager
    self.electorate = electorate
    self.tolerance = tolerance
    self.votes = votes
    self.mandateValid = mandateValid
    self.mandateFault = mandateFault
    self.ageSeconds = ageSeconds
    self.evidence = evidence
  }
}

/// One elector's vote.
public struct VoteView: Codable, Hashable, Sendable {
  /// Node ID.
  public var elector: String
  /// For whom.
  public var candidate: String
  /// In which term.
  public var term: String
  /// Of the elector's statement, lower-case hexadecimal.
  public var signature: String
  /// See the properties.
  public init(elector: String, candidate: String, term: String, signature: String) {
    self.elector = elector
    self.candidate = candidate
    self.term = term
    self.signature = signature
  }
}

/// Why each stage went where it went.
public struct ExplanationView: Codable, Hashable, Sendable {
  /// The service's ID.
  public var service: String
  /// Node ID of the manager that decided.
  public var manager: String
  /// Digest of what it knew when it decided: equal inputs give an equal plan.
  public var inputsDigest: String
  /// Seconds since.
  public var ageSeconds: Double
  /// In dependency order.
  public var stages: [StageDecision]
  /// Of the chosen plan, by name, e.g. `link_latency`, `node_load`, `link_load`, `hop`, `instance`, `total`; unit: cost.
  public var totals: [String: Double]
  /// Of plans, computed exactly.
  public var plansConsidered: Int?

  /// See the properties.
  public init(
    service: String, manager: String, inputsDigest: String, ageSeconds: Double, stages: [StageDecision],
    totals: [String: Double], plansConsidered: Int? = nil
  ) {
    self.service = service
    self.manager = manager
    self.inputsDigest = inputsDigest
    self.ageSeconds = ageSeconds
    self.stages = stages
    self.totals = totals
    self.plansConsidered = plansConsidered
  }

  /// One stage, its candidates and its winner.
  public struct StageDecision: Codable, Hashable, Sendable {
    /// The stage's index in the graph.
    public var stage: Int
    /// E.g. `video.scale`.
    public var component: String
    /// The cheapest first; those that could not be chosen last.
    public var candidates: [CandidateView]
    /// Node ID.
    public var winner: String
    /// For a person, one sentence.
    public var why: String
    /// See the properties.
    public init(stage: Int, component: String, candidates: [CandidateView], winner: String, why: String) {
      self.stage = stage
      self.component = component
      self.candidates = candidates
      self.winner = winner
      self.why = why
    }
  }

  /// A node that the stage could have gone to.
  public struct CandidateView: Codable, Hashable, Sendable {
    /// Node ID.
    public var node: String
    /// Cost of the best whole plan with the stage on this node; nil when it cannot be.
    public var total: Double?
    /// The terms of that cost, by name, as in ``ExplanationView/totals``.
    public var costs: [String: Double]
    /// Why it cannot be: capability, bandwidth, policy, refusal; nil when it can.
    public var excluded: String?
    /// It already serves the stage's stream.
    public var reuses: Bool
    /// See the properties.
    public init(node: String, total: Double?, costs: [String: Double], excluded: String? = nil, reuses: Bool = false) {
      self.node = node
      self.total = total
      self.costs = costs
      self.excluded = excluded
      self.reuses = reuses
    }
  }
}

/// What the builder makes of a request, before anyone places it.
public struct PlanView: Codable, Hashable, Sendable {
  /// The request document, canonical.
  public var request: String
  /// The graph in dependency order; nodes are nil.
  public var stages: [StageView]
  /// Stream keys of the stages, in their order.
  public var streamKeys: [String]
  /// What can be played; URLs are empty.
  public var outputs: [OutputView]
  /// For a person, e.g. that a track is missing.
  public var warnings: [String]
  /// See the properties.
  public init(
    request: String, stages: [StageView], streamKeys: [String], outputs: [OutputView], warnings: [String] = []
  ) {
    self.request = request
    self.stages = stages
    self.streamKeys = streamKeys
    self.outputs = outputs
    self.warnings = warnings
  }
}
