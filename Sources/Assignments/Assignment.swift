import Base
import Identity
import Vocabulary

/// What a manager asks one node to do for its request (design §11): signed, because publishers and `millrace verify` check it
/// without asking the manager. It says everything the node needs; a newer version of the plan replaces it by another.
public struct Assignment: Statement {
  /// Separates its signatures from those of other statements.
  public static let kind = "assignment"

  /// The request that the work is for.
  public var request: RequestID
  /// The manager's term; what bears an older one is refused.
  public var term: Term
  /// Names the mandate that makes the signer the manager.
  public var mandate: Bytes32
  /// Who is to do the work.
  public var node: NodeID
  /// The plan's version, rising within a term.
  public var version: UInt32
  /// The work's number in the plan.
  public var ordinal: UInt32
  /// The work.
  public var work: AssignedWork
  /// For each input socket of a group, or for a delivery's one input, whom to subscribe to.
  public var inputs: [InputAssignment]
  /// The end of its validity.
  public var expires: WallTime
  /// The request's latency bound in milliseconds; 0 = none.
  public var latency: Double
  /// Who else has this output armed or running, for those who share the stream.
  public var standbys: [Provider]

  /// See the properties.
  public init(
    request: RequestID, term: Term, mandate: Bytes32, node: NodeID, version: UInt32, ordinal: UInt32,
    work: AssignedWork,
    inputs: [InputAssignment], expires: WallTime, latency: Double = 0, standbys: [Provider] = []
  ) {
    self.request = request
    self.term = term
    self.mandate = mandate
    self.node = node
    self.version = version
    self.ordinal = ordinal
    self.work = work
    self.inputs = inputs
    self.expires = expires
    self.latency = latency
    self.standbys = standbys
  }
}

/// One piece of work on one node.
public enum AssignedWork: Hashable, Sendable {
  /// Runs a group of stages.
  case group(GroupSpec, role: Role, start: Start)
  /// Keeps a group that runs already, opened for another request, for this request too.
  case share(StreamKey)
  /// Holds the sink of one of the request's outputs, at the portal's node.
  case delivery(output: String, stream: StreamKey)

  /// The stream that the work makes, keeps or delivers.
  public var stream: StreamKey {
    switch self {
    case .group(let spec, _, _): spec.output
    case .share(let stream): stream
    case .delivery(_, let stream): stream
    }
  }
}

/// Whether consumers use a group first or when the first fails.
public enum Role: Hashable, Sendable {
  /// Consumers subscribe here.
  case primary
  /// Consumers turn here when the primary falls silent.
  case standby
}

/// When a group's worker starts.
public enum Start: Hashable, Sendable {
  /// At once, at the stream's beginning: the chain of a new service warms up in parallel.
  case now
  /// With the first subscriber, who says from which position and with which origins: standbys and replacements.
  case onSubscribe
}

/// A node that serves a stream, and where it listens.
public struct Provider: Hashable, Sendable {
  /// Who.
  public var node: NodeID
  /// Where.
  public var address: PeerAddress
  /// See the properties.
  public init(node: NodeID, address: PeerAddress) {
    self.node = node
    self.address = address
  }
}

/// An input socket's stream and who serves it.
public struct InputAssignment: Hashable, Sendable {
  /// What to subscribe to.
  public var stream: StreamKey
  /// Whom, the one to use first first; never empty.
  public var upstreams: [Provider]
  /// See the properties.
  public init(stream: StreamKey, upstreams: [Provider]) {
    self.stream = stream
    self.upstreams = upstreams
  }
}

/// What work takes of its node.
public struct Demand: Hashable, Sendable {
  /// Cores, of the operator's share.
  public var cores: Double
  /// Bytes of memory.
  public var memory: Int64
  /// Bits a second sent over the access link.
  public var up: Int64
  /// Bits a second received over the access link.
  public var down: Int64
  /// Nothing.
  public static let none = Demand()
  /// See the properties.
  public init(cores: Double = 0, memory: Int64 = 0, up: Int64 = 0, down: Int64 = 0) {
    self.cores = cores
    self.memory = memory
    self.up = up
    self.down = down
  }
}

/// What a node can give, or has left.
public struct Capacity: Hashable, Sendable {
  /// Workers.
  public var slots: Int
  /// Cores.
  public var cores: Double
  /// Bytes of memory.
  public var memory: Int64
  /// Bits a second to send; 0 in a node's whole capacity = not yet known, hence no bound.
  public var up: Int64
  /// Bits a second to receive; 0 in a node's whole capacity = not yet known, hence no bound.
  public var down: Int64
  /// See the properties.
  public init(slots: Int, cores: Double, memory: Int64, up: Int64 = 0, down: Int64 = 0) {
    self.slots = slots
    self.cores = cores
    self.memory = memory
    self.up = up
    self.down = down
  }

  /// Whether less is left of this resource than there was.
  package func isLess(than other: Capacity, of resource: Resource) -> Bool {
    switch resource {
    case .slots: slots < other.slots
    case .cores: cores < other.cores
    case .memory: memory < other.memory
    case .up: up < other.up
    case .down: down < other.down
    }
  }
}

/// What of a node's capacity ran out.
public enum Resource: String, Hashable, Sendable, CaseIterable {
  case slots, cores, memory, up, down
}
