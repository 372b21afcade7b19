import Base
import Vocabulary

// The canonical form: compact JSON, fields in the order of the documentation, what is unsaid left out. Equal requests have
// equal bytes; the bytes are themselves a request document, so evidence can be read by people.

extension ServiceRequest {
  /// For the client's envelope.
  public var canonicalBytes: [UInt8] {
    var top = CanonicalObject()
    top.add("source", text: source.description)
    if !title.isEmpty { top.add("title", text: title) }
    if start != 0 { top.add("start", text: Quantity.time(start)) }
    top.add("pacing", text: pacing.rawValue)
    if let delivery { top.add("delivery", text: delivery.rawValue) }
    if let latency { top.add("latency", text: Quantity.time(latency)) }
    top.add("video", video) { $0.canonical }
    top.add("audio", audio) { $0.canonical }
    top.add("captions", captions) { $0.canonical }
    return Array(top.text.utf8)
  }

  /// Reads what ``canonicalBytes`` wrote, and nothing else: an envelope has one form.
  /// - Throws: as ``init(document:)``; `.notAllowed` for a request that is sound but not in its canonical form.
  public init(canonical bytes: [UInt8]) throws(RequestError) {
    try self.init(document: bytes)
    guard canonicalBytes == bytes else {
      throw RequestError(
        .notAllowed, field: "", line: nil, value: "another form", allowed: "the canonical form of a request")
    }
  }
}

extension VideoWish {
  fileprivate var canonical: CanonicalObject {
    var object = CanonicalObject()
    if let codec { object.add("codec", text: codec.rawValue) }
    switch size {
    case .exact(let width, let height): object.add("size", text: "\(width)x\(height)")
    case .height(let height): object.add("height", raw: "\(height)")
    case nil: break
    }
    if let rate { object.add("fps", text: rate.description) }
    if let bitrate { object.add("bitrate", raw: "\(bitrate)") }
    if let gop { object.add("gop", raw: "\(gop)") }
    if let overlay {
      var inner = CanonicalObject()
      inner.add("text", text: overlay.text)
      inner.add("x", raw: "\(overlay.x)")
      inner.add("y", raw: "\(overlay.y)")
      inner.add("size", raw: "\(overlay.size)")
      inner.add("color", text: overlay.color)
      object.add("overlay", raw: inner.text)
    }
    if burnsCaptions { object.add("captions", text: "burn") }
    return object
  }
}

extension AudioWish {
  fileprivate var canonical: CanonicalObject {
    var object = CanonicalObject()
    if let bitrate { object.add("bitrate", raw: "\(bitrate)") }
    if let rate { object.add("rate", raw: "\(rate)") }
    if let channels { object.add("channels", raw: "\(channels)") }
    return object
  }
}

extension CaptionWish {
  fileprivate var canonical: CanonicalObject {
    var object = CanonicalObject()
    if !language.isEmpty { object.add("language", text: language) }
    if shift != 0 { object.add("shift", text: Quantity.time(shift)) }
    if let isDelivered { object.add("deliver", text: isDelivered ? "webvtt" : "none") }
    return object
  }
}

/// A JSON object in the order in which it was filled.
struct CanonicalObject {
  private var members: [String] = []

  var text: String { "{" + members.joined(separator: ",") + "}" }

  mutating func add(_ name: String, raw: String) { members.append("\"\(name)\":\(raw)") }

  /// Quotes and escapes as JSON does; the text is one line without control characters by the time it gets here.
  mutating func add(_ name: String, text: String) { add(name, raw: Self.quoted(text)) }

  mutating func add<Asked>(_ name: String, _ wish: Wish<Asked>, _ form: (Asked) -> CanonicalObject) {
    switch wish {
    case .unsaid: break
    case .none: add(name, text: "none")
    case .asked(let asked): add(name, raw: form(asked).text)
    }
  }

  static func quoted(_ text: String) -> String {
    // By scalars: a quote with a combining mark on it is one character, but still ends the string.
    "\"" + text.unicodeScalars.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
  }
}
