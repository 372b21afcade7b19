import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// The members that elect and oversee the manager of a request (design §8). Drawn by rendezvous hashing (Thaler and Ravishankar,
/// 1998) of the source key with equal weights, so that all requests on one source meet the same electors.
///
/// With k electors, f = ⌊(k−1)/3⌋ may lie or fail, and q = ⌊(k+f)/2⌋ + 1 make a quorum: any two quorums share an honest elector.
public struct Electorate: Hashable, Sendable {
  /// In the order of the draw, the highest draw first; 1…``Limits/electors``.
  public let members: [NodeID]

  /// - Parameter members: as drawn, without repetition; nil when empty, repeated or more than ``Limits/electors``.
  public init?(_ members: [NodeID]) {
    guard (1...Limits.electors).contains(members.count), Set(members).count == members.count else { return nil }
    self.members = members
  }

  /// An electorate as the wire has it; nil when empty.
  init?(validating wire: [Data], _ field: String) throws(InvalidMessage) {
    guard !wire.isEmpty else { return nil }
    var members: [NodeID] = []
    for node in try Field.list(wire, field, limit: Limits.electors) { members.append(try Field.node(node, field)) }
    guard let electorate = Electorate(members) else { throw InvalidMessage(field, "names someone twice") }
    self = electorate
  }

  /// The `size` highest draws among `candidates`, all of them when they are fewer; nil when there are none.
  public static func draw(
    for source: SourceKey, from candidates: some Sequence<NodeID>, size: Int = Limits.electors
  ) -> Electorate? {
    Electorate(Array(ranking(for: source, of: candidates).prefix(size)))
  }

  /// All `candidates` in the order of the draw, the highest first: an electorate of k is its first k.
  public static func ranking(for source: SourceKey, of candidates: some Sequence<NodeID>) -> [NodeID] {
    ranked(candidates, by: source.hash, kind: "draw")
  }

  /// k.
  public var size: Int { members.count }
  /// f: electors that may lie or fail.
  public var faults: Int { (size - 1) / 3 }
  /// q: signatures that make a mandate or keep a snapshot.
  public var quorum: Int { (size + faults) / 2 + 1 }
  /// Whether `node` is one of the electors.
  public func contains(_ node: NodeID) -> Bool { members.contains(node) }

  /// The order in which the electors become candidates of a request.
  public func order(of request: RequestID) -> [NodeID] { Electorate.ranked(members, by: request.hash, kind: "order") }

  /// The one candidate of a term: order[(t−1) mod k]. Nobody stands in term 0.
  public func candidate(of request: RequestID, in term: Term) -> NodeID? {
    term.number > 0 ? order(of: request)[Int(term.number - 1) % size] : nil
  }

  private static func ranked(_ nodes: some Sequence<NodeID>, by key: Bytes32, kind: String) -> [NodeID] {
    nodes.map { (Digest.of(key.bytes + $0.bytes, kind: kind), $0) }
      .sorted { $0.0 != $1.0 ? $0.0 > $1.0 : $0.1 < $1.1 }
      .map(\.1)
  }
}

/// What a peer believes of the overlay, as far as elections care.
public struct MemberView: Hashable, Sendable {
  /// An alive member, this peer included.
  public struct Member: Hashable, Sendable {
    /// Who.
    public var id: NodeID
    /// Alive without interruption since.
    public var knownSince: Instant
    /// Predicted or measured round trip; nil when unknown, zero for this peer.
    public var roundTrip: Duration?
    /// See the properties.
    public init(id: NodeID, knownSince: Instant, roundTrip: Duration? = nil) {
      self.id = id
      self.knownSince = knownSince
      self.roundTrip = roundTrip
    }
  }

  /// All alive members, this peer included.
  public private(set) var members: OrderedDictionary<NodeID, Member>

  /// Proven liars: they count as dead, and what they say as electors and managers is not heard.
  public private(set) var ignored: OrderedSet<NodeID>

  /// - Parameters:
  ///   - members: all alive members, this peer included.
  ///   - ignored: proven liars, members or not.
  public init(_ members: some Sequence<Member>, ignoring ignored: OrderedSet<NodeID> = []) {
    self.ignored = ignored
    self.members = OrderedDictionary(
      members.filter { !ignored.contains($0.id) }.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
  }

  /// Whether `node` is a proven liar.
  public func ignores(_ node: NodeID) -> Bool { ignored.contains(node) }

  /// Whether `node` is believed to be alive.
  public func isAlive(_ node: NodeID) -> Bool { members[node] != nil }

  /// The longest known round trip to any of `nodes`; zero when none is known.
  public func longestRoundTrip(to nodes: [NodeID]) -> Duration {
    nodes.compactMap { members[$0]?.roundTrip }.max() ?? .zero
  }

  /// Draws the electorate for a source from this view; nil when the view is empty.
  public func electorate(for source: SourceKey) -> Electorate? { .draw(for: source, from: members.keys) }
}

/// Why a named electorate is not the one that this peer would have expected.
public struct Implausible: Error, Hashable, Sendable, CustomStringConvertible {
  /// Members of this peer's own draw that were left out, in its order.
  public var omitted: [NodeID]
  /// What was found and what was expected.
  public var reason: String
  public var description: String { reason }
}

extension MemberView {
  /// Checks an electorate named by a stranger against this view (design §8): at least k−f of those named are in the own draw, and
  /// k is not smaller than the members known for ``Limits/settledMember`` allow, f apart, since a death spreads over seconds.
  /// Where fewer than k are settled, all known members count; who knows fewer than k judges by those it knows.
  public func checkPlausibility(
    of named: Electorate, for source: SourceKey, at now: Instant
  ) throws(Implausible) {
    let settled = members.values.filter { now - $0.knownSince >= Limits.settledMember }.map(\.id)
    let base = settled.count >= named.size ? settled : Array(members.keys)
    guard let own = Electorate.draw(for: source, from: base, size: max(named.size, 1)) else { return }
    let omitted = own.members.filter { !named.contains($0) }
    try checkSize(of: named, for: source, settled: settled)
    let shared = own.size - omitted.count
    let wanted = min(named.size - named.faults, own.size)
    guard shared >= wanted else {
      throw Implausible(
        omitted: omitted,
        reason: "\(shared) of \(named.size) electors are in this peer's own draw, at least \(wanted) were expected")
    }
  }

  private func checkSize(
    of named: Electorate, for source: SourceKey, settled: [NodeID]
  ) throws(Implausible) {
    let allowed = min(Limits.electors, settled.count)
    guard named.size + named.faults < allowed else { return }
    let drawn = Electorate.draw(for: source, from: settled)?.members ?? []
    throw Implausible(
      omitted: drawn.filter { !named.contains($0) },
      reason: "\(named.size) electors are named where this peer has known enough members for \(allowed)")
  }

  /// The half of it that also holds for an electorate drawn long ago: whether it has as many as the members allow.
  package func checkSize(of named: Electorate, for source: SourceKey, at now: Instant) throws(Implausible) {
    try checkSize(
      of: named, for: source,
      settled: members.values.filter { now - $0.knownSince >= Limits.settledMember }.map(\.id))
  }
}
