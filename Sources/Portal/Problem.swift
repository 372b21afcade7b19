/// What went wrong, in the terms of RFC 9457 (`application/problem+json`): what, where, what was expected, what to do.
public struct Problem: Error, Hashable, Sendable, Codable {
  /// A URI that names the kind of problem, `urn:millrace:problem:KIND`; programs compare this.
  public var type: String
  /// The kind in a few words, the same for every occurrence.
  public var title: String
  /// The HTTP status, 400…599.
  public var status: Int
  /// This occurrence, in a sentence: what was wrong, what was expected, what to do.
  public var detail: String
  /// The field of the document (`outputs[0].video.width`) or the name of the header at fault.
  public var field: String?
  /// Line of the document, from 1.
  public var line: Int?
  /// What stood there.
  public var value: String?
  /// What may stand there: names, or a range such as `16…7680`.
  public var allowed: [String]?
  /// The member (node ID or address) that refused or did not answer.
  public var peer: String?
  /// Seconds after which trying again may help; also sent as `Retry-After`.
  public var retryAfterSeconds: Int?

  /// - Parameters:
  ///   - kind: the last part of ``type``: lower case, hyphens, e.g. `unknown-field`.
  ///   - status: 400…599.
  ///   - title: the kind in a few words.
  ///   - detail: this occurrence.
  public init(
    _ kind: String, status: Int, title: String, detail: String, field: String? = nil, line: Int? = nil,
    value: String? = nil, allowed: [String]? = nil, peer: String? = nil, retryAfterSeconds: Int? = nil
  ) {
    self.type = Problem.typePrefix + kind
    self.title = title
    self.status = status
    self.detail = detail
    self.field = field
    self.line = line
    self.value = value
    self.allowed = allowed
    self.peer = peer
    self.retryAfterSeconds = retryAfterSeconds
  }

  /// Common to all types.
  public static let typePrefix = "urn:millrace:problem:"
  /// The last part of ``type``.
  public var kind: String {
    type.hasPrefix(Problem.typePrefix) ? String(type.dropFirst(Problem.typePrefix.count)) : type
  }
}

extension Problem: CustomStringConvertible {
  /// For a terminal: `outputs[0].video.width (line 7): 99999 is too wide (allowed: 16…7680)`.
  public var description: String {
    var text = ""
    if let field { text += field }
    if let line { text += text.isEmpty ? "line \(line)" : " (line \(line))" }
    text += text.isEmpty ? detail : ": \(detail)"
    if let allowed, !allowed.isEmpty { text += " (allowed: \(allowed.joined(separator: ", ")))" }
    return text
  }
}

// MARK: - Problems that the portal itself finds

extension Problem {
  /// 404: nothing of this name.
  public static func notFound(_ what: String) -> Problem {
    Problem("not-found", status: 404, title: "Not found", detail: "\(what) is not known here.")
  }
  /// 405: the path exists, the method does not.
  static func methodNotAllowed(_ method: String, path: String, allowed: [String]) -> Problem {
    Problem(
      "method-not-allowed", status: 405, title: "Method not allowed", detail: "\(path) does not take \(method).",
      value: method, allowed: allowed)
  }
  /// 413: a body beyond its bound.
  static func tooLarge(limit: Int) -> Problem {
    Problem(
      "body-too-large", status: 413, title: "Body too large",
      detail: "A request document may have \(limit) bytes; this one has more.", allowed: ["0…\(limit) bytes"])
  }
  /// 415: neither YAML nor JSON.
  static func unsupportedMediaType(_ value: String?) -> Problem {
    Problem(
      "unsupported-media-type", status: 415, title: "Unsupported media type",
      detail: value.map { "A request document is YAML or JSON, not \($0)." } ?? "The request has no Content-Type.",
      field: "Content-Type", value: value, allowed: ["application/yaml", "application/json"])
  }
  /// 406: the client accepts nothing that this resource can be.
  static func notAcceptable(_ value: String, allowed: [String]) -> Problem {
    Problem(
      "not-acceptable", status: 406, title: "Not acceptable", detail: "This resource cannot be had as \(value).",
      field: "Accept", value: value, allowed: allowed)
  }
  /// 400: a header or query that cannot be read.
  static func badRequest(_ field: String, value: String, detail: String, allowed: [String]? = nil) -> Problem {
    Problem(
      "bad-request", status: 400, title: "Bad request", detail: detail, field: field, value: value, allowed: allowed)
  }
  /// 500: something unforeseen; the details stay in this peer's log.
  static let inner = Problem(
    "internal", status: 500, title: "Internal error", detail: "This peer failed at the request; its log says more.")
}
