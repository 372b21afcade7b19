import Base
import Composition
import Core
import Portal
import Vocabulary

// Refusals of the rooms, in the words of RFC 9457.

extension Problem {
  init(_ error: RequestError) {
    let status =
      switch error.problem {
      case .malformed: 400
      case .tooLarge: 413
      default: 422
      }
    self.init(
      error.problem.slug, status: status, title: "The request cannot be taken", detail: "\(error)",
      field: error.field.isEmpty ? nil : error.field, line: error.line,
      value: error.value.isEmpty ? nil : error.value, allowed: error.allowed.isEmpty ? nil : [error.allowed])
  }

  /// A service that ran, and does no more.
  init(failed reason: String) {
    self.init("service-failed", status: 503, title: "The service failed", detail: reason)
  }

  init(_ reason: Refused) {
    switch reason {
    case .source(let fault, let node):
      let status = fault.kind == "source_missing" ? 404 : fault.kind == "internal" ? 502 : 422
      self.init(
        fault.kind.replacing("_", with: "-"), status: status, title: "The source cannot be used", detail: fault.message,
        field: "source", peer: "\(node)")
    case .sourceNodeUnreachable(let node):
      self.init(
        "source-node-unreachable", status: 503, title: "The source's node cannot be reached",
        detail: "Node \(node), which is to share the source, is not a member now or does not answer.",
        field: "source", peer: "\(node)", retryAfterSeconds: 10)
    case .graph(let text):
      let field = text.split(separator: ":", maxSplits: 1).first.map(String.init)
      self.init(
        "source-does-not-fit", status: 422, title: "Request and source do not go together", detail: text, field: field)
    case .election(let text):
      self.init("no-manager", status: 503, title: "No manager was elected", detail: text, retryAfterSeconds: 5)
    case .manager(let text, let node):
      self.init(
        "not-served", status: 503, title: "The service could not be started", detail: text, peer: node.map { "\($0)" },
        retryAfterSeconds: 5)
    case .idempotencyKeyReused:
      self.init(
        "idempotency-key-reused", status: 422, title: "The key stood for another document",
        detail: "This Idempotency-Key came with another document before: use a new one.",
        field: "Idempotency-Key")
    case .busy:
      self.init(
        "busy", status: 503, title: "Too many requests",
        detail: "This portal has \(Limits.submissions) requests under way; try again or ask another.",
        retryAfterSeconds: 5)
    }
  }
}

extension RequestError.Problem {
  /// Lower case with hyphens.
  fileprivate var slug: String {
    rawValue.reduce(into: "") { text, character in
      if character.isUppercase { text += "-" }
      text += character.lowercased()
    }
  }
}
