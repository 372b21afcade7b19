import Base
import Vocabulary

// From a document to a checked request. Past this file nothing is checked again.

extension ServiceRequest {
  /// Reads a request document: YAML or JSON, at most ``Base/Limits/requestBytes`` of UTF-8.
  /// - Parameters:
  ///   - bytes: the document.
  ///   - replacement: the source in place of the document's own, which is then neither required nor read.
  /// - Throws: what is wrong, with field, line, value and what is allowed.
  public init(document bytes: [UInt8], source replacement: SourceReference? = nil) throws(RequestError) {
    let top = try DocumentValue.top(bytes)
    let fields = try top.fields([
      "source", "title", "start", "pacing", "delivery", "latency", "video", "audio", "captions",
    ])
    if let replacement { self.init(source: replacement) } else { self.init(source: try Self.source(fields)) }
    if let value = fields["title"] { title = try value.line(limit: Limits.textBytes) }
    if let value = fields["start"] { start = try Self.start(value) }
    if let value = fields["pacing"] { pacing = try value.word(Pacing.self) }
    if let value = fields["delivery"] { delivery = try value.word(Delivery.self) }
    if let value = fields["latency"] { latency = try value.time(1...600_000) }
    if let value = fields["video"] { video = value.isNone ? .none : .asked(try VideoWish(value)) }
    if let value = fields["audio"] { audio = value.isNone ? .none : .asked(try AudioWish(value)) }
    if let value = fields["captions"] { captions = value.isNone ? .none : .asked(try CaptionWish(value)) }
    try refuseContradictions(fields)
  }

  /// Reads a request document.
  public init(document text: String) throws(RequestError) { try self.init(document: Array(text.utf8)) }

  private static func source(_ fields: DocumentFields) throws(RequestError) -> SourceReference {
    let form = "millrace://NODEID/path, with NODEID in 52 characters of base32 and the path inside that node's share"
    let value = try fields.required("source", form)
    let text = try value.scalar(form)
    guard let source = SourceReference(text) else { throw value.refusal(.notAllowed, text, form) }
    return source
  }

  private static func start(_ value: DocumentValue) throws(RequestError) -> Int64 {
    if try value.scalar("beginning, or a time as 90s or 1:30") == "beginning" { return 0 }
    return try value.time(0...Limits.startMilliseconds)
  }

  /// What can be seen to exclude each other before the source is known.
  private func refuseContradictions(_ fields: DocumentFields) throws(RequestError) {
    if case .asked(let wish) = video {
      if let codec = wish.codec, let delivery, let fits = delivery.codec, codec != fits, let value = fields["delivery"]
      {
        throw value.refusal(
          .conflict, delivery.rawValue, "\(codec == .h264 ? "mp4" : "webm"), which carries \(codec.rawValue)")
      }
      if let delivery, !delivery.carries(.video), let value = fields["delivery"] {
        throw value.refusal(.conflict, delivery.rawValue, "webm or mp4, which carry video")
      }
      if wish.burnsCaptions, captions == .none, let value = fields["captions"] {
        throw value.refusal(.conflict, "none", "captions, since video.captions is burn")
      }
    }
    if case .asked = audio, let delivery, !delivery.carries(.audio), let value = fields["delivery"] {
      throw value.refusal(.conflict, delivery.rawValue, "webm, mp4 or ogg, which carry audio")
    }
    if delivery == .webvtt {
      var isDelivered = captions != .none
      if case .asked(let wish) = captions { isDelivered = wish.isDelivered ?? true }
      if !isDelivered, let value = fields["delivery"] {
        throw value.refusal(.conflict, "webvtt", "captions that are delivered")
      }
    }
    if delivery == .ogg, audio == .none, let value = fields["delivery"] {
      throw value.refusal(.conflict, "ogg", "webm, mp4 or webvtt, since audio is none")
    }
  }
}

extension Delivery {
  /// The only video codec it carries; nil for those without video.
  var codec: VideoWish.Codec? {
    switch self {
    case .webm: .vp8
    case .mp4: .h264
    case .ogg, .webvtt: nil
    }
  }
  /// Whether tracks of this kind go in it.
  func carries(_ kind: MediaKind) -> Bool {
    switch (self, kind) {
    case (.webm, .video), (.webm, .audio), (.mp4, .video), (.mp4, .audio), (.ogg, .audio), (.webvtt, .text): true
    default: false
    }
  }
}

extension VideoWish {
  init(_ value: DocumentValue) throws(RequestError) {
    let fields = try value.fields(["codec", "size", "height", "fps", "bitrate", "gop", "overlay", "captions"])
    self.init()
    if let value = fields["codec"] { codec = try value.word(Codec.self) }
    if let value = fields["size"] { size = try Self.size(value) }
    if let value = fields["height"] {
      let height = try value.whole(Int64(Self.side.lowerBound)...Int64(Self.side.upperBound), "pixels")
      guard size == nil else { throw value.refusal(.conflict, "\(height)", "either size or height") }
      size = .height(Int(height))
    }
    if let value = fields["fps"] { rate = try Self.rate(value) }
    if let value = fields["bitrate"] { bitrate = try value.bitrate(50_000...50_000_000) }
    if let value = fields["gop"] { gop = try value.whole(1...600, "frames") }
    if let value = fields["overlay"], !value.isNone { overlay = try Overlay(value) }
    if let value = fields["captions"] { burnsCaptions = try value.word(Burning.self) == .burn }
  }

  private enum Burning: String, CaseIterable { case burn, none }
  private static let side = 16...Limits.pictureSide

  private static func size(_ value: DocumentValue) throws(RequestError) -> Size {
    let allowed = "WIDTHxHEIGHT, each \(side.lowerBound) to \(side.upperBound) pixels"
    let text = try value.scalar(allowed)
    let parts = text.split(separator: "x", omittingEmptySubsequences: false)
    guard parts.count == 2, let width = Int(parts[0]), let height = Int(parts[1]) else {
      throw value.refusal(.wrongType, text, allowed)
    }
    guard side.contains(width), side.contains(height) else { throw value.refusal(.notAllowed, text, allowed) }
    return .exact(width: width, height: height)
  }

  private static func rate(_ value: DocumentValue) throws(RequestError) -> Rational {
    let allowed = "1 to 120 frames a second, as 25 or 30000/1001"
    let text = try value.scalar(allowed)
    guard let rate = Rational(text) else { throw value.refusal(.wrongType, text, allowed) }
    guard rate >= Rational(1), rate <= Rational(120), rate.denominator <= 100_000 else {
      throw value.refusal(.notAllowed, text, allowed)
    }
    return rate
  }
}

extension VideoWish.Overlay {
  init(_ value: DocumentValue) throws(RequestError) {
    let fields = try value.fields(["text", "x", "y", "size", "color"])
    let text = try fields.required("text", "one line of text")
    self.init(text: try text.line(limit: Limits.overlayTextBytes))
    guard !self.text.isEmpty else { throw text.refusal(.notAllowed, "", "one line of text") }
    let place = Int64(0)...Int64(Limits.pictureSide)
    if let value = fields["x"] { x = Int(try value.whole(place, "pixels from the left")) }
    if let value = fields["y"] { y = Int(try value.whole(place, "pixels from the top")) }
    if let value = fields["size"] { size = Int(try value.whole(6...512, "pixels")) }
    if let value = fields["color"] { color = try Self.color(value) }
  }

  /// CSS's basic colours, by the values that CSS gives them.
  static let colors: OrderedDictionary<String, String> = [
    "white": "#ffffff", "black": "#000000", "red": "#ff0000", "green": "#008000", "lime": "#00ff00", "blue": "#0000ff",
    "yellow": "#ffff00", "cyan": "#00ffff", "magenta": "#ff00ff", "gray": "#808080", "orange": "#ffa500",
  ]

  private static func color(_ value: DocumentValue) throws(RequestError) -> String {
    let names = Array(colors.keys)
    let allowed = "#rrggbb or one of \(names.joined(separator: ", "))"
    let text = try value.scalar(allowed).lowercased()
    if let known = colors[text] { return known }
    guard text.utf8.count == 7, text.hasPrefix("#"), text.dropFirst().allSatisfy(\.isHexDigit) else {
      throw value.refusal(.notAllowed, text, allowed, suggestion: Spelling.nearest(to: text, in: names))
    }
    return text
  }
}

extension AudioWish {
  init(_ value: DocumentValue) throws(RequestError) {
    let fields = try value.fields(["codec", "bitrate", "rate", "channels"])
    self.init()
    if let value = fields["codec"] { _ = try value.word(Codec.self) }
    if let value = fields["bitrate"] { bitrate = try value.bitrate(6_000...510_000) }
    if let value = fields["rate"] {
      let asked = try value.whole(8_000...48_000, "samples a second")
      guard Self.rates.contains(asked) else {
        throw value.refusal(.notAllowed, "\(asked)", Self.rates.map(String.init).joined(separator: ", "))
      }
      rate = asked
    }
    if let value = fields["channels"] { channels = try value.whole(1...2, "") }
  }

  private enum Codec: String, CaseIterable { case opus }
}

extension CaptionWish {
  init(_ value: DocumentValue) throws(RequestError) {
    let fields = try value.fields(["language", "shift", "deliver"])
    self.init()
    if let value = fields["language"] {
      language = try value.line(limit: 35).lowercased()  // the longest that RFC 5646 §4.4.1 asks software to keep
    }
    if let value = fields["shift"] { shift = try value.time(-3_600_000...3_600_000) }
    if let value = fields["deliver"] { isDelivered = try value.word(Delivering.self) == .webvtt }
  }

  private enum Delivering: String, CaseIterable { case webvtt, none }
}
