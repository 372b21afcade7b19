import Base
import Identity
import Vocabulary

// Two nodes may make one stream out of different inputs: one muxes what it encodes itself, another what comes encoded. Their outputs are
// interchangeable, their origins are not: the same number names another input. So packets of a group of several inputs bear its cut.
extension GroupSpec {
  /// Names the inputs and the stages between them and the output; nil where all cuts agree on positions: one input, of which each
  /// stage makes one position of one. A muxer at the end makes its own positions and is in every cut.
  var cut: UInt64? {
    let leaves = inputs.count + stages.count { $0.component.hasPrefix("source.") }
    guard leaves > 1 || stages.contains(where: { Self.renumbering.contains($0.component) }) else { return nil }
    var bytes: [UInt8] = []
    for input in inputs { bytes += input.hash.bytes }
    for stage in stages { bytes += Array(stage.component.utf8) + [0] }
    return Digest.of(bytes, kind: "cut").bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Components whose output's positions are not those of their input.
  private static let renumbering = ["video.fps", "text.shift"]

  /// What origins say to a group of this cut: nothing when they are another's.
  func understood(_ origins: [Origin]) -> [Origin] {
    origins.first { $0.input == Origin.cut }?.position.index == cut ? origins : []
  }
}

extension Origin {
  /// The number under which packets bear their group's cut: beyond all inputs and all marks of stages.
  static let cut = UInt32.max
}
