import Assignments
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
