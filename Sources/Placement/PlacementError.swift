import Composition
import Identity

/// Why there is no plan.
public enum PlacementError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No node of the overlay offers the component.
  case nobodyOffers(component: String)
  /// None of the nodes that can read the source is among the nodes known.
  case noReader([NodeID])
  /// Nodes offer the component, but each has its reason not to take it now.
  case nobodyFree(component: String, refusals: [Refusal])
  /// No link between the nodes that could make and take a stream carries it, however compressed.
  case noLinkCarries(bits: Int64, from: String, to: String)
  /// All plans are slower than the request allows; milliseconds.
  case tooSlow(bound: Double, best: Double)
  /// Each stage has a node that could take it, but no choice of nodes has room for all.
  case noRoom

  /// A node's reason.
  public struct Refusal: Hashable, Sendable {
    /// Which node.
    public let node: NodeID
    /// Its reason.
    public let reason: String
    /// See the properties.
    public init(node: NodeID, reason: String) {
      self.node = node
      self.reason = reason
    }
  }

  public var description: String {
    switch self {
    case .nobodyOffers(let component): "no node offers \(component)"
    case .noReader(let nodes):
      "no node that can read the source is a member now: \(nodes.map(\.short).joined(separator: ", "))"
    case .nobodyFree(let component, let refusals):
      "no node that offers \(component) can take it now: "
        + refusals.prefix(8).map { "\($0.node.short): \($0.reason)" }.joined(separator: "; ")
        + (refusals.count > 8 ? "; and \(refusals.count - 8) more" : "")
    case .noLinkCarries(let bits, let from, let to): "no link carries the \(bits) bit/s from \(from) to \(to)"
    case .tooSlow(let bound, let best):
      "the request allows a latency of \(Int(bound)) ms; the fastest plan has \(Int(best.rounded(.up))) ms"
    case .noRoom: "the nodes that offer the components have no room for all of them at once"
    }
  }
}
