import Vocabulary

/// Which tracks of the source a request means, and which container they go in. What was said explicitly must be there; what was
/// not is taken where the source has it and the delivery carries it.
struct Choice {
  let delivery: Delivery
  let video: SourceTrack?
  let audio: SourceTrack?
  let text: SourceTrack?
  /// Captions are drawn into the picture.
  let burns: Bool
  /// Captions are delivered beside the main output.
  let delivers: Bool

  init(_ request: ServiceRequest, _ source: SourceDescription) throws(BuildError) {
    let has = source.tracks.map { "\($0.kind.rawValue) (\($0.codec))" }
    let firstVideo = source.tracks.first { $0.kind == .video }
    let firstAudio = source.tracks.first { $0.kind == .audio }
    if case .asked = request.video, firstVideo == nil { throw .absent(field: "video", kind: .video, has: has) }
    if case .asked = request.audio, firstAudio == nil { throw .absent(field: "audio", kind: .audio, has: has) }

    delivery = try Self.delivery(request, hasVideo: firstVideo != nil, hasAudio: firstAudio != nil, has)
    try Self.refuseMisfits(request, delivery)
    video = delivery.carries(.video) && request.video != .none ? firstVideo : nil
    audio = delivery.carries(.audio) && request.audio != .none ? firstAudio : nil

    var isBurned = false
    if case .asked(let wish) = request.video { isBurned = wish.burnsCaptions }
    var isDelivered = !isBurned && video != nil
    var isAskedFor = isBurned || delivery == .webvtt
    var language = ""
    switch request.captions {
    case .none: isDelivered = false
    case .unsaid: break
    case .asked(let wish):
      isDelivered = (wish.isDelivered ?? !isBurned) && delivery != .webvtt
      isAskedFor = isAskedFor || isDelivered
      language = wish.language
    }
    text = isAskedFor || isDelivered ? try Self.text(of: source, language, isAskedFor: isAskedFor, has) : nil
    burns = isBurned
    delivers = isDelivered && text != nil
    if delivery != .webvtt, video == nil, audio == nil { throw .nothingLeft(delivery: delivery, has: has) }
  }

  /// What was asked for, or what fits the rest.
  private static func delivery(
    _ request: ServiceRequest, hasVideo: Bool, hasAudio: Bool, _ has: [String]
  ) throws(BuildError) -> Delivery {
    if let delivery = request.delivery { return delivery }
    if hasVideo, request.video != .none {
      if case .asked(let wish) = request.video, wish.codec == .h264 { return .mp4 }
      return .webm
    }
    if hasAudio, request.audio != .none { return .ogg }
    if has.contains(where: { $0.hasPrefix("text") }), request.captions != .none { return .webvtt }
    throw .nothingLeft(delivery: nil, has: has)
  }

  private static func refuseMisfits(_ request: ServiceRequest, _ delivery: Delivery) throws(BuildError) {
    if case .asked(let wish) = request.video {
      guard let carried = delivery.codec else {
        throw .cannotCarry(field: "delivery", value: "video", delivery: delivery, allowed: "webm or mp4")
      }
      if let codec = wish.codec, codec != carried {
        throw .cannotCarry(field: "video.codec", value: codec.rawValue, delivery: delivery, allowed: carried.rawValue)
      }
    }
    if case .asked = request.audio, !delivery.carries(.audio) {
      throw .cannotCarry(field: "delivery", value: "audio", delivery: delivery, allowed: "webm, mp4 or ogg")
    }
  }

  /// FFmpeg's names of codecs whose packets are text.
  private static let textCodecs = ["subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "ttml"]

  /// The first text track of the language; nil when there is none and nobody asked for it.
  private static func text(
    of source: SourceDescription, _ language: String, isAskedFor: Bool, _ has: [String]
  ) throws(BuildError) -> SourceTrack? {
    let all = source.tracks.filter { $0.kind == .text }
    let usable = all.filter { textCodecs.contains($0.codec) }
    if let track = usable.first(where: { language.isEmpty || matches($0.language, language) }) { return track }
    guard isAskedFor else { return nil }
    guard usable.isEmpty else { throw .noSuchLanguage(language, has: usable.map(\.language)) }
    if let picture = all.first { throw .pictureCaptions(codec: picture.codec) }
    throw .absent(field: "captions", kind: .text, has: has)
  }

  /// `en` asks for `en`, `en-GB` and, since containers keep ISO 639-2, `eng`.
  private static func matches(_ found: String, _ asked: String) -> Bool {
    let found = found.lowercased()
    return found == asked || found.hasPrefix(asked + "-")
      || (asked.count == 2 && found.count == 3 && found.hasPrefix(asked))
  }
}
