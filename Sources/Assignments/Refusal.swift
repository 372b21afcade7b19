import Base
import Identity
import Vocabulary

/// Why a node refuses an assignment: a closed list, checked in this order. Every one is an answer to the sender, never a crash.
public enum AssignmentError: Error, Hashable, Sendable {
  /// It bears no signature.
  case unsigned
  /// The signature is not the signer's over these bytes.
  case misSigned
  /// The signed bytes are not an assignment.
  case malformed(InvalidMessage)
  /// Its time is over, beyond the tolerated skew of clocks.
  case expired(WallTime)
  /// This node has seen a later term of the request; what bears an older one is fenced off.
  case staleTerm(seen: Term)
  /// No mandate came along and none is known.
  case mandateMissing
  /// The mandate does not make the signer the manager of this request and term.
  case mandateInvalid(String)
  /// The mandate's electorate is not one that this node can believe.
  case electorateImplausible(String)
  /// The manager shows no mandate, only its own claim, under a protocol that this node's operator did not choose.
  case unproved(String)
  /// It is addressed to another node.
  case notForThisNode(NodeID)
  /// A newer version of the plan has been seen, or the work was released.
  case superseded
  /// Nothing was reserved for it here.
  case noReservation
  /// What was reserved for it is free again: the commit came after the TTL.
  case reservationLate
  /// This node's operator does not offer the component.
  case componentNotOffered(String)
  /// A parameter is outside the component's range, or unknown.
  case parameterOutOfRange(String)
}

/// Why a node does not reserve, with what the manager should know to do better.
public enum Refusal: Error, Hashable, Sendable {
  /// The manager may not ask: see the assignment's own errors.
  case unauthorized(AssignmentError)
  /// Too little is left; the correction replaces what gossip said of this node.
  case capacity(Resource, left: Capacity)
  /// Another request runs this stream here already, or has reserved it: share it.
  case alreadyServed(StreamKey)
  /// This stream runs here, but its beginning is no longer to be had: another showing of the source is.
  case passed(StreamKey)
  /// Nothing here serves the stream that was to be shared; what is open here replaces what gossip said of it.
  case notServed(StreamKey, open: [StreamKey])
  /// The node's tables are full.
  case busy
}

/// What is refused, and where in the message.
public struct RefusedItem: Hashable, Sendable {
  /// The work's number in the plan.
  public var ordinal: UInt32
  /// Why.
  public var reason: Refusal
  /// See the properties.
  public init(ordinal: UInt32, reason: Refusal) {
    self.ordinal = ordinal
    self.reason = reason
  }
}

extension AssignmentError: CustomStringConvertible {
  /// The error's name on the wire, in counters and in tests.
  public var code: String {
    switch self {
    case .unsigned: "unsigned"
    case .misSigned: "misSigned"
    case .malformed: "malformed"
    case .expired: "expired"
    case .staleTerm: "staleTerm"
    case .mandateMissing: "mandateMissing"
    case .mandateInvalid: "mandateInvalid"
    case .electorateImplausible: "electorateImplausible"
    case .unproved: "unproved"
    case .notForThisNode: "notForThisNode"
    case .superseded: "superseded"
    case .noReservation: "noReservation"
    case .reservationLate: "reservationLate"
    case .componentNotOffered: "componentNotOffered"
    case .parameterOutOfRange: "parameterOutOfRange"
    }
  }

  public var description: String {
    switch self {
    case .unsigned: "the assignment bears no signature"
    case .misSigned: "the assignment's signature is not its signer's"
    case .malformed(let problem): "the assignment is malformed: \(problem)"
    case .expired(let at): "the assignment expired at \(at.milliseconds) ms (Unix time)"
    case .staleTerm(let seen): "term \(seen) of this request was seen already"
    case .mandateMissing: "no mandate came with the assignment, and none is known for its term"
    case .mandateInvalid(let reason): "the mandate does not hold: \(reason)"
    case .electorateImplausible(let reason): "the mandate's electorate is not plausible: \(reason)"
    case .unproved(let reason): reason
    case .notForThisNode(let node): "the assignment is for node \(node.short)…"
    case .superseded: "a newer version of the plan was seen already"
    case .noReservation: "nothing was reserved for the assignment"
    case .reservationLate: "the reservation lapsed before the commit"
    case .componentNotOffered(let component): "component \(component) is not offered here"
    case .parameterOutOfRange(let detail): detail
    }
  }
}

extension Refusal: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unauthorized(let error): "\(error)"
    case .capacity(let resource, let left):
      "too little \(resource.rawValue) left (\(left.slots) slots, \(left.cores) cores, \(left.memory) bytes of memory, "
        + "\(left.up) bit/s up, \(left.down) bit/s down)"
    case .alreadyServed(let stream): "stream \(stream.short)… runs here already: share it"
    case .passed(let stream): "stream \(stream.short)… runs here, but no longer from its beginning"
    case .notServed(let stream, _): "stream \(stream.short)… is not served here"
    case .busy: "the node's tables are full"
    }
  }
}
