import Assignments
import Base
import Composition
import Identity
import Mandates
import Vocabulary

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
