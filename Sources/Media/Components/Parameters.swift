import Vocabulary

/// What a stage may be told, by name, in canonical form (all defaults filled in by the builder). The builder's catalogue
/// and this table say the same; a worker told something else refuses it as `unsupported`, naming stage and parameter.
///
/// | Component | Takes | Gives | Parameter | Type | Default | Range |
/// |---|---|---|---|---|---|---|
/// | `source.video`, `source.audio`, `source.text` | the file | frames, 20 ms slots, 500 ms slots | `stream` | integer | none | 0…63: the container's stream index |
/// | | | | `pacing` | text | `live` | `live`, `max` |
/// | | | | `start` | integer, ms | 0 | 0…86 400 000: timeline zero, after the container's start |
/// | `video.fps` | frames | frames on the grid k/rate | `rate` | rational | none | 1…240 |
/// | `video.scale` | frames | frames | `width`, `height` | integer, pixels | none | 16…8192; rounded down to even |
/// | `video.overlay` | frames | frames | `text` | text | none | taken literally |
/// | | | | `x`, `y` | integer, pixels | 16 | 0…8192, of the text's upper left corner |
/// | | | | `size` | integer, pixels | 24 | 6…400 |
/// | | | | `color` | text | `white` | FFmpeg colour: a name or `#RRGGBB` |
/// | `video.burn` | frames, cues | frames | `size` | integer, pixels | 24 | 6…400 |
/// | | | | `margin` | integer, pixels | 24 | 0…2000, below the lowest line |
/// | `video.vp8` | frames | VP8 packets | `bitrate` | integer, bits/s | 1 000 000 | 16 000…200 000 000 |
/// | | | | `gop` | integer, frames | 30 | 1…600 |
/// | | | | `speed` | integer (cpu-used) | 8 | 0…16 |
/// | `video.h264` | frames | H.264 packets | `bitrate` | integer, bits/s | 1 500 000 | 16 000…200 000 000 |
/// | | | | `gop` | integer, frames | 30 | 1…600 |
/// | | | | `preset` | text | `veryfast` | x264's, `ultrafast`…`medium` |
/// | `audio.resample` | slots | slots | `rate` | integer, Hz | 48 000 | 8000…192 000, divisible by 50 |
/// | | | | `channels` | integer | 2 | 1, 2 |
/// | `audio.opus` | slots at 48, 24, 16, 12 or 8 kHz | Opus packets | `bitrate` | integer, bits/s | 96 000 | 6000…510 000 |
/// | | | | `complexity` | integer | 9 | 0…10 |
/// | | | | `fec`, `dtx` | flag | false | |
/// | `text.shift` | cues | cues | `offset` | integer, ms | 0 | ±3 600 000 |
/// | `mux.webm` | VP8 and/or Opus packets | WebM clusters | | | | |
/// | `mux.mp4` | H.264 and/or Opus packets | MP4 fragments | | | | |
/// | `mux.ogg` | Opus packets | Ogg pages | | | | |
/// | `mux.webvtt` | cues | WebVTT pieces | | | | |
///
/// Sizes that 4:2:0 cannot hold (odd ones) are scaled down by the one pixel wherever a video is encoded, mezzanines included.
struct Parameters {
  private let stage: StageSpec

  init(of stage: StageSpec) { self.stage = stage }

  /// An integer within `range`; `fallback` where the parameter is absent, refused where there is none.
  func integer(_ name: String, default fallback: Int64? = nil, in range: ClosedRange<Int64>) throws(MediaFailure) -> Int
  {
    switch stage[name] {
    case .integer(let value) where range.contains(value): return Int(value)
    case nil: if let fallback { return Int(fallback) }
    default: break
    }
    throw refusal(name, "an integer from \(range.lowerBound) to \(range.upperBound)")
  }

  /// A ratio within `range`.
  func rational(_ name: String, in range: ClosedRange<Rational>) throws(MediaFailure) -> Rational {
    switch stage[name] {
    case .rational(let value) where range.contains(value): return value
    case .integer(let value) where range.contains(Rational(value)): return Rational(value)
    default: throw refusal(name, "a ratio from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// Text, one of `choices` where there are any.
  func text(_ name: String, default fallback: String? = nil, oneOf choices: [String] = []) throws(MediaFailure)
    -> String
  {
    switch stage[name] {
    case .text(let value) where choices.isEmpty || choices.contains(value): return value
    case nil: if let fallback { return fallback }
    default: break
    }
    throw refusal(name, choices.isEmpty ? "text" : "one of \(choices.joined(separator: ", "))")
  }

  /// True or false.
  func flag(_ name: String, default fallback: Bool) throws(MediaFailure) -> Bool {
    switch stage[name] {
    case .flag(let value): return value
    case nil: return fallback
    default: throw refusal(name, "true or false")
    }
  }

  private func refusal(_ name: String, _ expected: String) -> MediaFailure {
    let found = stage[name].map { "is \($0)" } ?? "is missing"
    return MediaFailure(
      .unsupported, "\(stage.component): parameter “\(name)” \(found) where \(expected) was expected", stage: stage.id)
  }
}
