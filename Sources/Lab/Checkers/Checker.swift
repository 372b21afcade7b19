import Assignments
import Base
import Core
import Desks
import Elections
import Identity
import Mandates
import Rivals
import Sessions
import Streams
import Vocabulary

/// Stands outside all nodes, sees everything that they say and write, and knows nothing of how they work, only what they promise.
protocol Checker {
  /// Printed with what it finds.
  static var name: String { get }
  /// What it has found since it was last asked.
  var faults: [CheckerFault] { get set }
  /// Whether it looks at a node after every single input.
  var watchesSteps: Bool { get }
  /// Something happened.
  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation)
  /// A node has handled an input.
  mutating func step(of number: Int, _ node: Node, after input: Input, at now: Instant, in world: Simulation)
  /// A second has passed.
  mutating func look(at number: Int, _ node: Node, at now: Instant, in world: Simulation)
}

/// What a checker found, and at which node.
struct CheckerFault {
  var node: Int?
  var text: String
}

extension Checker {
  var watchesSteps: Bool { false }
  mutating func see(_ sight: Sight, at now: Instant, in world: Simulation) {}
  mutating func step(of number: Int, _ node: Node, after input: Input, at now: Instant, in world: Simulation) {}
  mutating func look(at number: Int, _ node: Node, at now: Instant, in world: Simulation) {}
  mutating func found(_ text: String, at node: Int? = nil) { faults.append(CheckerFault(node: node, text: text)) }
}

/// What can be seen from outside.
enum Sight {
  /// A machine starts, first or again.
  case starts(Int)
  /// A machine loses its power.
  case crashes(Int, losesStore: Bool)
  /// A second has passed, after all nodes were looked at.
  case second
  /// Some fault begins or ends.
  case disturbance
  /// From now on nothing goes wrong.
  case heals
  /// A node is about to handle an input.
  case takes(Int, Input)
  /// A node sends a datagram of so many bytes.
  case sendsDatagram(Int, bytes: Int)
  /// A node sends a message of so many bytes over a link.
  case sends(Int, to: Int, bytes: Int)
  /// … and it is about an election.
  case elects(Int, to: Int, ElectionMessage)
  /// … and it is of a contest under a rival protocol.
  case contests(Int, to: Int, ContestMessage)
  /// … and it is between a manager and a node.
  case directs(Int, to: Int, SessionMessage)
  /// … and it is of a stream: a subscription or an acknowledgement.
  case streams(Int, to: Int, StreamMessage)
  /// Records are on a disk.
  case wrote(Int, [Record])
  /// A worker starts.
  case startsWorker(Int, WorkerJob)
  /// A node tells of something.
  case tells(Int, Event)
  /// The client of a request of the scenario is answered.
  case answers(Int, ClientAnswer)
  /// A sink is open, for an output of a request.
  case opensSink(Int, SinkID, RequestID, String)
  /// A sink's clients get something.
  case delivers(Int, SinkID, Streams.Delivery)
}

extension Simulation {
  /// All that stand by unless a scenario goes without.
  static func standardCheckers() -> [any Checker] {
    [
      MandateChecker(), PromiseChecker(), VersionChecker(), FenceChecker(), PlanChecker(), OwnerChecker(),
      ShareChecker(),
      CapacityChecker(), DeliveryChecker(), AcknowledgementChecker(), LimitChecker(), FreezeChecker(),
      LiarChecker(), GenerationChecker(), MajorityChecker(),
    ]
  }
  /// Names of all checkers, as findings bear them.
  public static var checkerNames: [String] {
    standardCheckers().map { Swift.type(of: $0).name } + ["progress", "worker input", "time goes on"]
  }
}
