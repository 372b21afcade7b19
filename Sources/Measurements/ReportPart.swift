import Base
import Foundation
import Identity
import Vocabulary
import Wire

/// One part of a node's report, under its signature. Each fits beside a probe in one datagram and is renewed when it changes:
/// the pulse often, the offer hardly ever. So a report may hold many streams and paths and yet costs little while nothing moves.
public struct ReportPart: Statement {
  /// Names these statements in their signatures.
  public static let kind = "load-report"
  /// Who measured.
  public var node: NodeID
  /// Rises with every part over all starts of the node; the highest of each slot is believed.
  public var sequence: UInt64
  /// When it was measured, by the node's own wall clock.
  public var wall: WallTime
  /// What.
  public var content: Content

  /// What a part says.
  public enum Content: Hashable, Sendable {
    /// How the node fares.
    case pulse(Pulse)
    /// Components that it offers; nil = all that it knows.
    case offer([String]?)
    /// A page of the streams that it serves.
    case streams(Int, [ServedStream])
    /// A page of the paths that it measured.
    case paths(Int, [PathRate])
  }

  /// What changes most.
  public struct Pulse: Hashable, Sendable {
    /// Load and calibrated throughput.
    public var load: LoadVector
    /// The access link.
    public var rates: LinkRates
    /// Where the node stands.
    public var coordinate: Coordinate
    /// Workers promised to managers.
    public var promisedSlots: Int
    /// Cores promised to managers.
    public var promisedCores: Double
  }

  /// Parts of one slot replace each other.
  enum Slot: Hashable, Sendable {
    case pulse, offer
    case streams(Int)
    case paths(Int)
  }

  var slot: Slot { content.slot }

  init(node: NodeID, sequence: UInt64, wall: WallTime, content: Content) {
    self.node = node
    self.sequence = sequence
    self.wall = wall
    self.content = content
  }

  public init(validating bytes: [UInt8]) throws(InvalidMessage) {
    let wire = try WireReportPart(parsing: bytes)
    node = try Field.node(wire.node, "ReportPart.node")
    sequence = wire.sequence
    wall = try Field.wall(wire.wallMs, "ReportPart.wall_ms")
    switch wire.content {
    case .pulse(let pulse): content = .pulse(try Pulse(validating: pulse))
    case .offer(let offer):
      var names: [String] = []
      for name in try Field.list(offer.components, "Offer.components", limit: Limits.reportedComponents) {
        names.append(try Field.text(name, "Offer.components", limit: 64))
      }
      content = .offer(offer.offersAll ? nil : names)
    case .streams(let page):
      let number = Int(
        try Field.number(
          page.page, "StreamPage.page", in: 0...UInt32(Limits.reportedStreams / Limits.streamsPerPage - 1)))
      var streams: [ServedStream] = []
      for stream in try Field.list(page.streams, "StreamPage.streams", limit: Limits.streamsPerPage) {
        streams.append(try ServedStream(validating: stream))
      }
      content = .streams(number, streams)
    case .paths(let page):
      let number = Int(
        try Field.number(page.page, "PathPage.page", in: 0...UInt32(Limits.reportedPaths / Limits.pathsPerPage - 1)))
      var paths: [PathRate] = []
      for path in try Field.list(page.paths, "PathPage.paths", limit: Limits.pathsPerPage) {
        paths.append(try PathRate(validating: path))
      }
      content = .paths(number, paths)
    case nil: throw InvalidMessage("ReportPart.content", "says nothing")
    }
  }

  /// The bytes that are signed.
  public func encoded() -> [UInt8] {
    WireReportPart.with {
      $0.node = node.data
      $0.sequence = sequence
      $0.wallMs = wall.milliseconds
      switch content {
      case .pulse(let pulse): $0.pulse = pulse.wire
      case .offer(let components):
        $0.offer = .with {
          $0.offersAll = components == nil
          $0.components = components ?? []
        }
      case .streams(let page, let streams):
        $0.streams = .with {
          $0.page = UInt32(clamping: page)
          $0.streams = streams.map(\.wire)
        }
      case .paths(let page, let paths):
        $0.paths = .with {
          $0.page = UInt32(clamping: page)
          $0.paths = paths.map(\.wire)
        }
      }
    }.wireBytes
  }
}

extension ReportPart.Content {
  var slot: ReportPart.Slot {
    switch self {
    case .pulse: .pulse
    case .offer: .offer
    case .streams(let page, _): .streams(page)
    case .paths(let page, _): .paths(page)
    }
  }
}
