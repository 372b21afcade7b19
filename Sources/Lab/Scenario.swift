import Base
import Elections
import Mandates

/// One experiment, whole: who takes part, what lies between them, what goes wrong, what is asked for, how long. With its seed it has
/// exactly one course. Times are in seconds of the simulation, delays in milliseconds.
public struct Scenario: Codable, Hashable, Sendable {
  /// All chance comes from it.
  public var seed: UInt64
  /// Machines, each with what it offers; numbered from 0.
  public var nodes: [Machine]
  /// How far apart they are.
  public var topology = Topology.plane(side: 20, least: 1)
  /// What the network does to what is sent.
  public var weather = Weather()
  /// What goes wrong, in any order.
  public var faults: [Fault] = []
  /// Files that machines share.
  public var sources: [Source] = []
  /// What clients ask, in any order.
  public var requests: [Ask] = []
  /// Faults end here, at the latest; then everything that is down starts again and progress is demanded.
  public var healsAt: Double
  /// The simulation ends here, or when all is settled.
  public var endsAt: Double
  /// How all peers find managers; nil: `rendezvous`.
  public var election: ElectionStrategy?
  /// Machines whose peers lie, one way each.
  public var liars: [Liar] = []
  /// Milliseconds of media that muxers put in a chunk, cut before key frames as well; nil: each packet is a chunk.
  public var chunk: Int64?
  /// How the load on the simulator itself is kept down; see the type.
  public var economy = Economy()

  /// A scenario without faults and requests.
  public init(seed: UInt64, nodes: [Machine], healsAt: Double, endsAt: Double) {
    self.seed = seed
    self.nodes = nodes
    self.healsAt = healsAt
    self.endsAt = endsAt
  }

  /// What may be believed of managers in it: checkers demand of each class what it promises.
  public var safety: ElectionStrategy.Safety { (election ?? .rendezvous).safety }

  /// One machine.
  public struct Machine: Codable, Hashable, Sendable {
    /// Components that it offers; nil: all.
    public var components: [String]?
    /// Workers at a time.
    public var slots: Int
    /// Cores of the operator's share.
    public var cores: Double
    /// Bits a second up, as the operator caps it and the network enforces it; 0: no bound.
    public var up: Int64
    /// Bits a second down, as the operator caps it; 0: no bound.
    public var down: Int64
    /// Seconds at which it starts first.
    public var startsAt: Double
    /// Parts per million that its clock runs fast.
    public var drift: Int64
    /// Milliseconds that its wall clock is ahead.
    public var skew: Int64
    /// Milliseconds that a write takes.
    public var disk: Double

    /// See the properties.
    public init(
      components: [String]? = nil, slots: Int = 8, cores: Double = 4, up: Int64 = 0, down: Int64 = 0,
      startsAt: Double = 0, drift: Int64 = 0, skew: Int64 = 0, disk: Double = 2
    ) {
      self.components = components
      self.slots = slots
      self.cores = cores
      self.up = up
      self.down = down
      self.startsAt = startsAt
      self.drift = drift
      self.skew = skew
      self.disk = disk
    }
  }

  /// What the network does to datagrams, and to all that is sent.
  public struct Weather: Codable, Hashable, Sendable {
    /// Share of datagrams lost, 0…1.
    public var loss = 0.01
    /// Share of datagrams that arrive twice.
    public var duplication = 0.0
    /// Share of datagrams that are held up for ten times the jitter, so that later ones overtake them.
    public var reordering = 0.0
    /// Milliseconds on top of the distance, at most.
    public var jitter = 2.0
    /// Nothing remarkable.
    public init() {}
  }

  /// A file.
  public struct Source: Codable, Hashable, Sendable {
    /// Who shares it.
    public var node: Int
    /// Its name there.
    public var path: String
    /// Its length.
    public var seconds: Double
    /// Frames a second.
    public var rate: Int64
    /// Bytes of an encoded frame.
    public var frameBytes: Int
    /// Its sound; nil: it is silent.
    public var sound: Track?
    /// Its captions; nil: it has none.
    public var captions: Track?
    /// See the properties.
    public init(
      node: Int, path: String, seconds: Double, rate: Int64 = 10, frameBytes: Int = 1_000, sound: Track? = nil,
      captions: Track? = nil
    ) {
      self.node = node
      self.path = path
      self.seconds = seconds
      self.rate = rate
      self.frameBytes = frameBytes
      self.sound = sound
      self.captions = captions
    }
  }

  /// What a file holds beside its pictures.
  public struct Track: Codable, Hashable, Sendable {
    /// Milliseconds of one position: a slot of sound, or of captions.
    public var interval: Int64
    /// Bytes of one.
    public var bytes: Int
    /// See the properties.
    public init(interval: Int64, bytes: Int) {
      self.interval = interval
      self.bytes = bytes
    }
  }

  /// One client's request.
  public struct Ask: Codable, Hashable, Sendable {
    /// When.
    public var at: Double
    /// At which portal.
    public var portal: Int
    /// Which of the scenario's sources.
    public var source: Int
    /// Equal variants of one source are equal requests: they share a chain. The number is the overlay's text.
    public var variant: Int
    /// Seconds after asking at which the client wants no more; nil: it watches to the end.
    public var stopsAfter: Double?
    /// Milliseconds that the client takes to write what it got.
    public var clientDelay: Double
    /// Which of the source's tracks, and in what form; nil: ``Wish/picture``.
    public var wants: Wish?
    /// See the properties.
    public init(
      at: Double, portal: Int, source: Int, variant: Int, stopsAfter: Double? = nil, clientDelay: Double = 1,
      wants: Wish? = nil
    ) {
      self.wants = wants
      self.at = at
      self.portal = portal
      self.source = source
      self.variant = variant
      self.stopsAfter = stopsAfter
      self.clientDelay = clientDelay
    }
  }

  /// What a client wants of a source.
  public enum Wish: String, Codable, CaseIterable, Hashable, Sendable {
    /// The pictures alone.
    case picture
    /// Pictures and sound in one stream.
    case film
    /// The same, and captions in a second stream beside it.
    case captionedFilm
    /// The same, and captions drawn into the pictures.
    case burnedFilm
    /// The sound alone.
    case sound
    /// The captions alone.
    case captions
  }

  /// What is left out so that very many machines fit; all of it is said in the outcome's notes.
  public struct Economy: Codable, Hashable, Sendable {
    /// Checkers do not watch.
    public var uncheckedForSpeed = false
    /// The trace hash takes in kinds and times instead of all bytes, and bytes are estimated.
    public var coarseTrace = false
    /// Most members that a peer keeps; nil: all.
    public var viewBound: Int?
    /// Nothing left out.
    public init() {}
  }
}

extension Scenario {
  /// Reads a scenario; one that was written before there were liars has none.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      seed: try values.decode(UInt64.self, forKey: .seed), nodes: try values.decode([Machine].self, forKey: .nodes),
      healsAt: try values.decode(Double.self, forKey: .healsAt), endsAt: try values.decode(Double.self, forKey: .endsAt)
    )
    topology = try values.decode(Topology.self, forKey: .topology)
    weather = try values.decode(Weather.self, forKey: .weather)
    faults = try values.decode([Fault].self, forKey: .faults)
    sources = try values.decode([Source].self, forKey: .sources)
    requests = try values.decode([Ask].self, forKey: .requests)
    election = try values.decodeIfPresent(ElectionStrategy.self, forKey: .election)
    liars = try values.decodeIfPresent([Liar].self, forKey: .liars) ?? []
    chunk = try values.decodeIfPresent(Int64.self, forKey: .chunk)
    economy = try values.decode(Economy.self, forKey: .economy)
  }
}

/// Something that goes wrong for a while.
public struct Fault: Codable, Hashable, Sendable {
  /// When it begins, seconds; with a trigger, not before.
  public var at: Double
  /// How long it lasts, seconds; what is instantaneous ignores it.
  public var lasts: Double
  /// What.
  public var kind: Kind
  /// What it waits for; nil: only for its time.
  public var trigger: Trigger?
  /// See the properties.
  public init(at: Double, lasts: Double, _ kind: Kind, when trigger: Trigger? = nil) {
    self.at = at
    self.lasts = lasts
    self.kind = kind
    self.trigger = trigger
  }

  /// The moment when the manager of a request reaches a state; it strikes once, before anything else happens.
  public struct Trigger: Codable, Hashable, Sendable {
    /// The request's number.
    public var request: Int
    /// The state.
    public var state: ManagerState
    /// See the properties.
    public init(manager request: Int, reaches state: ManagerState) {
      self.request = request
      self.state = state
    }
  }

  /// Where a request's manager stands.
  public enum ManagerState: String, Codable, CaseIterable, Hashable, Sendable {
    /// The electors are called, and nobody manages yet.
    case electing
    /// Its first plan is made and on its way to a quorum.
    case composing
    /// Nodes are asked whether they can carry it.
    case reserving
    /// Nodes get their assignments.
    case committing
    /// Media flows.
    case running
    /// A part of the plan is being replaced.
    case repairing
    /// The next electorate is proposed, or has been told.
    case handingOver
  }

  /// What goes wrong.
  public enum Kind: Codable, Hashable, Sendable {
    /// Power is lost; the machine starts again afterwards, with its store or without. `silent`: nobody is told by a closed link.
    case crash(Target, losesStore: Bool, silent: Bool)
    /// The machine stands still; what comes meanwhile waits.
    case pause(Target)
    /// These machines and all others do not hear each other.
    case partition([Target])
    /// What the first send does not reach the second; the other way it does.
    case oneWay(from: [Target], to: [Target])
    /// Both links between two machines close once; what was on its way is lost.
    case cut(Target, Target)
    /// Writes take so many milliseconds more.
    case slowDisk(Target, Double)
    /// Everything to and from the machine takes so many milliseconds longer.
    case slowNetwork(Target, Double)
    /// So much more of all datagrams is lost.
    case rain(Double)
    /// One of the machine's workers dies, once.
    case workerDies(Target)
    /// The machine leaves in good order, and joins again afterwards.
    case leave(Target)
  }

  /// Whom it strikes; found out at the moment when it begins.
  public enum Target: Codable, Hashable, Sendable {
    /// The machine of this number.
    case node(Int)
    /// Whoever manages the request of this number.
    case manager(of: Int)
    /// The elector of the request at this place of its electorate.
    case elector(of: Int, Int)
    /// The elector at this place among those that are neither the request's manager, its portal, its source, nor at work for it.
    case bystander(of: Int, Int)
    /// Who stands in this term of the request's election.
    case candidate(of: Int, term: UInt32)
    /// Whoever runs this stage of the request, counted from the source.
    case stage(of: Int, Int)
    /// The request's portal.
    case portal(of: Int)
  }
}
