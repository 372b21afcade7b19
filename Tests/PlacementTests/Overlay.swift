import Base
import Composition
import Identity
import Vocabulary

@testable import Placement

/// Small overlays to decide on. Nodes are called by letters; positions are milliseconds of round trip on a line or plane.
struct Overlay {
  static let source = SourceDescription(
    key: SourceKey(Digest.of([1], kind: "test")), container: "matroska,webm", duration: 60, size: 1_000_000,
    tracks: [video, audio, text])
  private static let video: SourceTrack = {
    var track = SourceTrack(stream: 0, kind: .video, codec: "h264")
    (track.width, track.height, track.frameRate) = (1_280, 720, Rational(30))
    return track
  }()
  private static let audio: SourceTrack = {
    var track = SourceTrack(stream: 1, kind: .audio, codec: "aac")
    (track.sampleRate, track.channels) = (48_000, 2)
    return track
  }()
  private static let text = SourceTrack(stream: 2, kind: .text, codec: "subrip")

  static let readers: OrderedSet<String> = ["source.video", "source.audio", "source.text"]
  static let all = OrderedSet(Catalogue.standard.components.keys)

  /// `a` is all 1, `b` all 2, …
  static func id(_ name: Character) -> NodeID {
    NodeID(Bytes32([UInt8](repeating: UInt8(name.asciiValue! - 96), count: 32))!)
  }
  static func name(_ id: NodeID?) -> String {
    guard let id else { return "-" }
    return String(UnicodeScalar(id.bytes[0] + 96))
  }
  static func at(_ x: Double, _ y: Double = 0) -> Coordinate {
    Coordinate(vector: [x, y, 0, 0], height: 0, error: 0.1)
  }
  static func node(_ name: Character, _ x: Double = 0, _ y: Double = 0, offers: OrderedSet<String> = all) -> NodeView {
    var view = NodeView(id: id(name), host: "10.0.0.\(name.asciiValue! - 96)", coordinate: at(x, y), offers: offers)
    view.load.cores = 4
    view.rates = LinkRates(upCapacity: 1_000_000_000, downCapacity: 1_000_000_000)
    return view
  }

  /// A request on the source shared by node `a`.
  static func graph(_ document: String = "video: {height: 360, overlay: {text: Hi}}\naudio: none\ncaptions: none")
    -> ComponentGraph
  {
    let request = try! ServiceRequest(document: "source: millrace://\(id("a"))/talk.mkv\n" + document)
    return try! GraphBuilder.graph(for: request, on: source)
  }

  static func inputs(_ nodes: [NodeView], client: Coordinate = at(0), _ document: String? = nil) -> PlacementInputs {
    PlacementInputs(graph: document.map { graph($0) } ?? graph(), nodes: nodes, client: ClientPlace(coordinate: client))
  }

  static func decide(_ inputs: PlacementInputs, seed: UInt64 = 1, weights: CostWeights = .standard) throws
    -> Placer.Decision
  {
    var random = SeededRandom(seed: seed)
    return try Placer(weights: weights).place(inputs, using: &random)
  }

  /// The node of each stage as letters; `-` above a graft, capitals where reused.
  static func letters(_ plan: Plan) -> String {
    plan.stages.map { $0.isReused ? name($0.node).uppercased() : name($0.node) }.joined()
  }

  static func place(_ inputs: PlacementInputs, weights: CostWeights = .standard) throws -> String {
    letters(try decide(inputs, weights: weights).plan)
  }
}
