import Base
import Elections
import Lab
import Mandates

/// What a study file asks for: one question to the simulator, with everything that its answer depends on. Times are in seconds, shares
/// 0…1. `Tools/lab/studies` has examples; ``Experiment/init(file:)`` reads them.
public struct Experiment: Hashable, Sendable {
  /// Of the report.
  public var title: String
  /// What is asked; paragraphs.
  public var question: [String]
  /// Repetitions, each from a seed of its own; ``runsAllowed``.
  public var runs: Int
  /// Of the first repetition; the others follow.
  public var seed: UInt64
  /// What is done.
  public var form: Form

  /// How many repetitions may be asked for.
  public static let runsAllowed = 1...1_000_000

  /// The kinds of study.
  public enum Form: Hashable, Sendable {
    /// Strategies side by side on one overlay.
    case elections(ElectionStudy)
    /// A leader is crashed (Ongaro and Ousterhout, 2014, §9.3), and our manager beside it.
    case leaderFailure(LeaderFailureStudy)
    /// How often an electorate has more liars than it bears.
    case liars(LiarStudy)
    /// Load on old measurements (Mitzenmacher, "How Useful Is Old Information?", 2000).
    case herding(HerdingStudy)
  }
}

/// Strategies side by side: every strategy meets the same machines, distances, faults, joins and requests.
public struct ElectionStudy: Hashable, Sendable {
  /// Machines that are there from the beginning.
  public var nodes = 20
  /// Kinds of machine; one is drawn for each node by the shares.
  public var mix: [Mix] = [Mix(share: 1, machine: Scenario.Machine())]
  /// How far apart they are.
  public var topology = Topology.plane(side: 20, least: 1)
  /// What the network does to what is sent.
  public var weather = Scenario.Weather()
  /// Before the first request.
  public var warmup = 20.0
  /// Requests are asked for so long.
  public var lasts = 30.0
  /// What is asked.
  public var load = Load()
  /// What goes wrong.
  public var faults: [Trouble] = []
  /// Who comes and goes.
  public var churn: Churn?
  /// Many that come at once.
  public var storms: [Storm] = []
  /// Who is compared.
  public var strategies: [ElectionStrategy] = ElectionStrategy.orders
  /// Share of the nodes that belong to one attacker. They follow the protocol here: how often they win is counted.
  public var attackers = 0.0
  /// The standard study, small.
  public init() {}

  /// A kind of machine.
  public struct Mix: Hashable, Sendable {
    /// Weight among all kinds.
    public var share: Double
    /// What it offers.
    public var machine: Scenario.Machine
  }

  /// Requests.
  public struct Load: Hashable, Sendable {
    /// Poisson, a second; nil: ``times``.
    public var rate: Double? = 0.5
    /// Seconds after the warm-up, when there is no rate.
    public var times: [Double] = []
    /// Files, each at a node of its own while there are nodes.
    public var sources = 10
    /// Exponent of Zipf's law by which sources are chosen; 0: all alike.
    public var popularity = 0.0
    /// Of each source, seconds.
    public var length = 5.0
    /// See the properties.
    public init() {}
  }

  /// Something that goes wrong.
  public struct Trouble: Hashable, Sendable {
    /// What.
    public var what: What
    /// Seconds after the warm-up; of `managerDies` and `managerIsCutOff`: after the request.
    public var at: Double
    /// How long.
    public var lasts: Double
    /// Of the nodes, or of the requests, that it strikes.
    public var share: Double
    /// Milliseconds, where it makes something slow.
    public var by: Double

    /// What can go wrong.
    public enum What: String, CaseIterable, Hashable, Sendable {
      /// The share and the rest do not hear each other.
      case partition
      /// The rest does not hear the share, which hears everything.
      case oneWay
      /// Power is lost; nobody is told.
      case crash
      /// Power and disk are lost.
      case crashWithoutStore
      /// Machines stand still.
      case pause
      /// Everything to and from them takes longer.
      case slowNetwork
      /// Writing takes longer.
      case slowDisk
      /// So much more of all datagrams is lost: the share.
      case rain
      /// The managers of a share of the requests lose their power.
      case managerDies
      /// The managers of a share of the requests are cut off from all others.
      case managerIsCutOff
    }
  }

  /// Who comes and goes.
  public enum Churn: Hashable, Sendable {
    /// Newcomers by a Poisson process, `rate` a second, each staying an exponential time; a share of them crashes instead of leaving.
    case poisson(rate: Double, session: Double, crashing: Double)
    /// As a file says; see ``ChurnTrace``.
    case trace(ChurnTrace)
  }

  /// Newcomers at once.
  public struct Storm: Hashable, Sendable {
    /// Seconds after the warm-up.
    public var at: Double
    /// How many.
    public var count: Int
    /// Within so many seconds, evenly at random.
    public var within: Double
  }
}

/// Raft's §9.3: a leader is crashed uniformly at random within its heartbeat interval, right after a heartbeat that set all timers at once;
/// the survivors' logs differ in length. Downtime runs to the next leader.
public struct LeaderFailureStudy: Hashable, Sendable {
  /// The paper's five.
  public var servers = 5
  /// One way.
  public var oneWay = 0.002
  /// On top of it, at most.
  public var jitter = 0.001
  /// Of a vote.
  public var disk = 0.010
  /// Shortest election timeout.
  public var timeout = 0.150
  /// On top of it, uniformly.
  public var spreads = [0, 0.001, 0.005, 0.025, 0.050, 0.150]
  /// Trials without any spread are given up after so long.
  public var patience = 30.0
  /// Whole peers of ours whose manager is crashed, in as many runs; 0: none.
  public var ours = 20
  /// The paper's set-up.
  public init() {}
}

/// Electorates are drawn by the production code for random sources; how many of them have more liars than they bear?
public struct LiarStudy: Hashable, Sendable {
  /// N.
  public var nodes = 500
  /// Shares of liars among them.
  public var shares = [0.05, 0.10, 0.20]
  /// k.
  public var sizes = [7, 13, 31]
  /// The figures.
  public init() {}
}

/// Jobs arrive by a Poisson process and are placed by a board that is renewed now and then.
public struct HerdingStudy: Hashable, Sendable {
  /// Of the servers together, per server: λ.
  public var load = 0.9
  /// n.
  public var servers = 20
  /// Between two renewals of the board, in mean service times: T.
  public var ages = [0.1, 1, 4, 10]
  /// Jobs of one run, a quarter of them to warm up.
  public var jobs = 5_000
  /// Who is compared.
  public var policies = Policy.allCases
  /// As in the paper, with fewer servers.
  public init() {}

  /// How a job's server is chosen.
  public enum Policy: String, CaseIterable, Hashable, Sendable {
    /// At random.
    case random
    /// The least busy by the board.
    case best
    /// The less busy by the board of two at random.
    case two
    /// The production `Placer` on the board, with the corrections that a manager makes; clients and servers lie apart.
    case ours
    /// The same where all distances are alike, so that nothing but load tells servers apart.
    case oursInOnePlace
  }
}
