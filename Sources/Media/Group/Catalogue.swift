import Vocabulary

/// The components that this worker runs, by name. What they may be told: see ``Parameters``.
enum Catalogue {
  /// All names, as announced to the node.
  static let names = [
    "source.video", "source.audio", "source.text", "video.fps", "video.scale", "video.overlay", "video.burn",
    "video.vp8",
    "video.h264", "audio.resample", "audio.opus", "text.shift", "mux.webm", "mux.mp4", "mux.ogg", "mux.webvtt",
  ]

  /// What a source stage reads; nil for other stages.
  static func source(_ name: String) -> MediaKind? {
    switch name {
    case "source.video": .video
    case "source.audio": .audio
    case "source.text": .text
    default: nil
    }
  }

  /// A fresh component for a stage.
  static func component(_ stage: StageSpec, number: Int) throws -> any Component {
    let parameters = Parameters(of: stage)
    let (component, inputs): (any Component, ClosedRange<Int>) =
      switch stage.component {
      case "video.fps": (try VideoRate(parameters), 1...1)
      case "video.scale": (try VideoScale(parameters), 1...1)
      case "video.overlay": (try VideoOverlay(parameters), 1...1)
      case "video.burn": (try VideoBurn(parameters), 2...2)
      case "video.vp8": (VideoEncode(try .vp8(parameters)), 1...1)
      case "video.h264": (VideoEncode(try .h264(parameters)), 1...1)
      case "audio.resample": (try AudioResample(parameters), 1...1)
      case "audio.opus": (try AudioOpus(parameters), 1...1)
      case "text.shift": (try TextShift(parameters), 1...1)
      case "mux.webm": (ContainerMux(.webm, inputs: stage.inputs.count, stage: stage.id), 1...2)
      case "mux.mp4": (ContainerMux(.mp4, inputs: stage.inputs.count, stage: stage.id), 1...2)
      case "mux.ogg": (ContainerMux(.ogg, inputs: stage.inputs.count, stage: stage.id), 1...1)
      case "mux.webvtt": (WebVTT(), 1...1)
      default: throw MediaFailure(.unsupported, "this worker has no component “\(stage.component)”", stage: stage.id)
      }
    guard inputs.contains(stage.inputs.count) else {
      throw MediaFailure(
        .unsupported,
        "\(stage.component) takes \(inputs.lowerBound) to \(inputs.upperBound) inputs, not \(stage.inputs.count)",
        stage: stage.id)
    }
    return component
  }

  /// What compresses the frames that a group's last stage gives; nil where it gives packets, cues or chunks.
  static func mezzanine(for component: String, _ group: GroupSpec) -> (any Component)? {
    switch component {
    case "source.video", "video.fps", "video.scale", "video.overlay", "video.burn":
      VideoEncode.Settings.mezzanine(group.mezzanine, cap: group.rateCap).map(VideoEncode.init) ?? RawVideo()
    case "source.audio", "audio.resample": AudioFLAC()
    default: nil
    }
  }
}
