import Base
import Composition
import Identity
import Mandates
import Vocabulary

// What Elections and Composition know, in the words of this room.

extension HeldMandate {
  /// A mandate that this peer has won.
  public init(_ mandate: Mandate) {
    self.init(term: mandate.term, digest: mandate.digest, bytes: mandate.encoded())
  }
}

extension ServiceOrder {
  /// What the client's envelope asks of the manager. The document stays opaque; the latency bound is read from it by the caller.
  public init(_ mandate: Mandate, latency: Double) {
    let envelope = mandate.envelope.body
    self.init(
      request: mandate.request, document: envelope.document, portal: envelope.portal, notAfter: mandate.notAfter,
      latency: latency)
  }
}

extension StreamClaim {
  /// What electors say of another request's claim.
  public init(_ earlier: EarlierClaim) {
    self.init(stream: earlier.claim.stream, node: earlier.claim.node, request: earlier.request)
  }
  /// For the electors.
  public var claim: Claim { Claim(stream: stream, node: node) }
}

extension DeskContext {
  /// A desk's context of a real peer.
  /// - Parameters:
  ///   - wall: now, by the wall clock.
  ///   - now: on the peer's own clock.
  ///   - members: what the peer believes of the overlay.
  ///   - offers: the components that the operator offers.
  ///   - catalogue: their parameters and ranges.
  public init(
    wall: WallTime, now: Instant, members: MemberView, offers: OrderedSet<String>, catalogue: Catalogue = .standard
  ) {
    self.init(
      wall: wall,
      verifyMandate: { bytes, request, term in
        var verified = VerifiedDigests(capacity: 64)
        let mandate: Mandate
        do throws(InvalidMessage) { mandate = try Mandate(validating: bytes, using: &verified) } catch {
          return .failure(.invalid("\(error)"))
        }
        do throws(MandateFault) {
          try mandate.verify(for: request, in: term, wall: wall, view: members, at: now, using: &verified)
        } catch {
          if case .implausibleElectorate(let why) = error { return .failure(.implausible("\(why)")) }
          return .failure(.invalid("\(error)"))
        }
        return .success(
          VerifiedMandate(
            manager: mandate.manager, digest: mandate.digest, notAfter: mandate.notAfter))
      },
      checkStages: { stages in
        for stage in stages {
          guard offers.contains(stage.component) else { return .failure(.notOffered(stage.component)) }
          do throws(CatalogueError) { _ = try catalogue.checked(stage.component, stage.parameters) } catch {
            return .failure(.outOfRange("\(error)"))
          }
        }
        return .success(())
      })
  }
}
