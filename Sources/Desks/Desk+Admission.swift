import Assignments
import Base
import Identity
import Vocabulary

// Who may speak for a request: terms, mandates, versions. Every message of a manager passes here first.

extension Desk {
  /// What is known of a request once its manager's message has been admitted.
  struct Admission {
    /// To be persisted before anything else is done; nil when the term is known.
    var fence: Fence?
    /// A new manager under a verified mandate; nil when it is the known one.
    var manager: Dossier.Manager?
  }

  /// Checks term and mandate without changing anything.
  func admit(
    request: RequestID, term: Term, mandate: [UInt8], signer: NodeID, in context: DeskContext
  ) throws(AssignmentError) -> Admission {
    let dossier = dossiers[request]
    if let dossier, term < dossier.fence.term, !isFenceRemoved { throw .staleTerm(seen: dossier.fence.term) }
    if let dossier, dossier.fence.term == term, let manager = dossier.manager {
      guard manager.id == signer else { throw .mandateInvalid("\(signer.short)… is not the manager of term \(term)") }
      return renewal(of: dossier.fence, by: manager, showing: mandate, in: context)
    }
    guard !mandate.isEmpty else { throw .mandateMissing }
    let verified: VerifiedMandate
    switch context.verifyMandate(mandate, request, term) {
    case .success(let mandate): verified = mandate
    case .failure(.invalid(let reason)): throw .mandateInvalid(reason)
    case .failure(.implausible(let reason)): throw .electorateImplausible(reason)
    case .failure(.unproved(let reason)): throw .unproved(reason)
    }
    guard verified.manager == signer else {
      throw .mandateInvalid("it makes \(verified.manager.short)… the manager, not \(signer.short)…")
    }
    guard verified.notAfter + Limits.clockSkew >= context.wall else { throw .expired(verified.notAfter) }
    return Admission(
      fence: fence(of: request, term, until: verified.notAfter),
      manager: Dossier.Manager(id: signer, mandate: verified.digest, mandateBytes: mandate))
  }

  /// What is to be on disk before a manager of this term is obeyed; nil when it is. A fence never falls back.
  private func fence(of request: RequestID, _ term: Term, until: WallTime) -> Fence? {
    guard let known = dossiers[request]?.fence, known.term == term else {
      return Fence(request: request, term: term, until: until)
    }
    return until > known.until ? Fence(request: request, term: term, until: until) : nil
  }

  /// The known manager may show its mandate with the client's renewal: the fence then lives as long as the request. What it shows besides
  /// changes nothing, since it is known.
  private func renewal(
    of fence: Fence, by manager: Dossier.Manager, showing mandate: [UInt8], in context: DeskContext
  ) -> Admission {
    guard !mandate.isEmpty, mandate != manager.mandateBytes,
      case .success(let verified) = context.verifyMandate(mandate, fence.request, fence.term),
      verified.manager == manager.id, verified.notAfter > fence.until
    else { return Admission() }
    var renewed = manager
    renewed.mandateBytes = mandate
    return Admission(fence: self.fence(of: fence.request, fence.term, until: verified.notAfter), manager: renewed)
  }

  /// Makes the admitted manager the request's manager.
  mutating func enter(_ admission: Admission, request: RequestID, at now: Instant) {
    if let fence = admission.fence {
      if dossiers[request] == nil {
        dossiers[request] = Dossier(fence: fence)
      } else if dossiers[request]?.fence.term == fence.term {
        dossiers[request]?.fence = fence
      } else {
        dossiers[request]?.fence = fence
        dossiers[request]?.takenOver = now
        // What the deposed manager reserved and did not commit is free for its successor.
        dossiers[request]?.reservation = nil
        // So are the numbers that it used up: its own plans are void by their term.
        dossiers[request]?.floor = 0
        dossiers[request]?.lapsed = nil
      }
    }
    if let manager = admission.manager { dossiers[request]?.manager = manager }
  }

  /// Effects that may be carried out only once the fence, if it moved, is on disk.
  func behind(_ fence: Fence?, _ effects: [DeskEffect]) -> [DeskEffect] {
    guard let fence else { return effects }
    return [.persist([fence], then: effects)]
  }

  // MARK: On a subscriber's authorization

  /// Whether a subscriber may have a stream of this node, by the bytes that it shows: its own assignment, which names the
  /// stream and this node, by a manager whose request holds a share of the group here. A subscriber that is let in counts as
  /// a consumer until ``DeskInput/unconsumed(_:)``.
  public mutating func authorize(
    subscriber: NodeID, stream: StreamKey, showing bytes: [UInt8], at now: Instant, in context: DeskContext
  ) -> Result<RequestID, AuthorizationError> {
    do throws(AuthorizationError) {
      let request = try checkSubscriber(subscriber, stream: stream, showing: bytes, at: now, in: context)
      groups[stream]?.isConsumed = true
      groups[stream]?.isArmed = false
      return .success(request)
    } catch {
      return .failure(error)
    }
  }

  private mutating func checkSubscriber(
    _ subscriber: NodeID, stream: StreamKey, showing bytes: [UInt8], at now: Instant, in context: DeskContext
  ) throws(AuthorizationError) -> RequestID {
    let shown: AuthorizationBytes
    do { shown = try AuthorizationBytes(validating: bytes) } catch { throw .assignment(.malformed(error)) }
    let assignment: Signed<Assignment>
    do { assignment = try verifySignature(shown.assignment) } catch { throw .assignment(error) }
    let body = assignment.body
    guard body.expires + Limits.clockSkew >= context.wall else { throw .assignment(.expired(body.expires)) }
    guard body.node == subscriber else { throw .assignment(.notForThisNode(body.node)) }
    try checkTerm(of: assignment, mandate: shown.mandate, at: now, in: context)
    guard let input = body.inputs.first(where: { $0.stream == stream }) else { throw .streamNotNamed }
    guard input.upstreams.contains(where: { $0.node == node }) else { throw .publisherNotNamed }
    guard let group = groups[stream] else { throw .notServed }
    // A request whose share was just released may still be shown by a consumer that a later share inherits.
    let isInherited = group.isConsumed && group.shares.keys.contains { $0 != body.request }
    guard group.shares[body.request] != nil || group.sharelessSince != nil || isInherited else { throw .noShare }
    return body.request
  }

  private func checkTerm(
    of assignment: Signed<Assignment>, mandate: [UInt8], at now: Instant, in context: DeskContext
  ) throws(AuthorizationError) {
    let body = assignment.body
    if let dossier = dossiers[body.request], body.term < dossier.fence.term {
      // The successor's assignments are under way to the subscriber.
      guard let takenOver = dossier.takenOver, now - takenOver <= Limits.takeoverGrace else {
        throw .assignment(.staleTerm(seen: dossier.fence.term))
      }
      return
    }
    do {
      _ = try admit(
        request: body.request, term: body.term, mandate: mandate, signer: assignment.signer, in: context)
    } catch { throw .assignment(error) }
  }

  /// The first two checks of every assignment.
  mutating func verifySignature(_ claimed: ClaimedAssignment) throws(AssignmentError) -> Signed<Assignment> {
    guard case .signed(let envelope) = claimed else { throw .unsigned }
    guard verified.check(envelope, kind: Assignment.kind) else { throw .misSigned }
    do { return try Signed(verifying: envelope, using: &verified) } catch { throw .malformed(error) }
  }
}

/// Why a subscriber is not let in.
public enum AuthorizationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Its assignment does not hold.
  case assignment(AssignmentError)
  /// Its assignment does not name the stream as an input.
  case streamNotNamed
  /// Its assignment names others as publishers of the stream.
  case publisherNotNamed
  /// The stream is not open here.
  case notServed
  /// Its request holds no share of the stream here.
  case noShare

  public var description: String {
    switch self {
    case .assignment(let error): "\(error)"
    case .streamNotNamed: "the assignment does not name this stream"
    case .publisherNotNamed: "the assignment does not name this node as a publisher of the stream"
    case .notServed: "the stream is not open here"
    case .noShare: "the assignment's request has no share of the stream here"
    }
  }
}
