import Assignments
import Desks
import Elections
import Foundation
import Identity
import Mandates
import Portal
import Rivals
import Sessions
import Vocabulary
import Wire

/// What there is to show of an election without a quorum: the client's envelope, the manager's claim, what it signed for service nodes.
/// All of it proves who said what, and none of it who manages: another may have said the same. So a check of it never comes out valid.
public struct ClaimEvidence: Codable, Hashable, Sendable {
  /// Of this format.
  public var version = 1
  /// The request's ID.
  public var request: String
  /// The protocol that the client signed.
  public var strategy: String
  /// What may be believed of its managers; see `ElectionStrategy.Safety`.
  public var safety: String
  /// The same in a sentence.
  public var warning: String
  /// Who claims.
  public var manager: String
  /// In which term.
  public var term: UInt32
  /// The client's word: kind `request`.
  public var envelope: Text
  /// The manager's word: kind `manager-claim`.
  public var claim: Text
  /// The manager's assignments: kind `assignment`.
  public var assignments: [Text]

  /// A signed statement: base32 of the key, base64 of bytes and signature.
  public struct Text: Codable, Hashable, Sendable {
    /// Separates its signature from those of other statements.
    public var kind: String
    /// Base32 of the key.
    public var signer: String
    /// Base64 of the signed bytes.
    public var body: String
    /// Base64 of 64 bytes.
    public var signature: String

    init(_ statement: SignedEnvelope, kind: String) {
      self.kind = kind
      signer = statement.signer.description
      body = Data(statement.bytes).base64EncodedString()
      signature = Data(statement.signature.bytes).base64EncodedString()
    }

    func parsed() throws(InvalidMessage) -> SignedEnvelope {
      guard let signer = NodeID(signer) else { throw InvalidMessage("signer", "not 52 base32 characters") }
      guard let bytes = Data(base64Encoded: body) else { throw InvalidMessage("body", "not base64") }
      guard let signed = Data(base64Encoded: signature), let signature = Signature(Array(signed)) else {
        throw InvalidMessage("signature", "not the base64 of 64 bytes")
      }
      return SignedEnvelope(bytes: Array(bytes), signer: signer, signature: signature)
    }
  }

  init(_ claim: ManagerClaim, assignments: [SignedEnvelope]) {
    let strategy = claim.envelope.body.strategy
    request = "\(claim.request)"
    self.strategy = strategy.rawValue
    safety = strategy.safety.rawValue
    warning = strategy.warning ?? ""
    manager = "\(claim.manager)"
    term = claim.term.number
    envelope = Text(claim.envelope.envelope, kind: Envelope.kind)
    self.claim = Text(claim.statement.envelope, kind: ClaimStatement.kind)
    self.assignments = assignments.map { Text($0, kind: Assignment.kind) }
  }

  var json: JSONValue {
    let data = (try? JSONEncoder().encode(self)) ?? Data()
    return (try? JSONDecoder().decode(JSONValue.self, from: data)) ?? .null
  }

  private struct Answer: Decodable { let evidence: ClaimEvidence }

  /// Reads it from a file; nil where the file holds something else, e.g. a quorum's evidence.
  /// - Parameter file: the answer of `GET /v1/elections/ID`, whole or its `evidence` member.
  public init?(file: String) {
    guard let data = FileManager.default.contents(atPath: file) else { return nil }
    let decoder = JSONDecoder()
    guard
      let read = (try? decoder.decode(Answer.self, from: data).evidence)
        ?? (try? decoder.decode(ClaimEvidence.self, from: data))
    else { return nil }
    self = read
  }

  /// What is wrong with it, by part; the last finding is always that nothing is proved.
  public func findings() -> [(part: String, problem: String)] {
    var findings: [(part: String, problem: String)] = []
    func find(_ part: String, _ check: () throws(InvalidMessage) -> Void) {
      do { try check() } catch { findings.append((part, "\(error.field): \(error.reason)")) }
    }
    func expect(_ holds: Bool, _ field: String, _ reason: String) throws(InvalidMessage) {
      guard holds else { throw InvalidMessage(field, reason) }
    }
    var signed: Signed<Envelope>?
    var claimed: ManagerClaim?
    find("envelope") { () throws(InvalidMessage) in signed = try Signed(verifying: try envelope.parsed()) }
    find("claim") { () throws(InvalidMessage) in
      let statement: Signed<ClaimStatement> = try Signed(verifying: try claim.parsed())
      if let signed { claimed = try ManagerClaim(signed, statement) }
    }
    if let claimed {
      let known = ClaimEvidence(claimed, assignments: [])
      for (name, said, signed) in [
        ("request", request, known.request), ("strategy", strategy, known.strategy), ("safety", safety, known.safety),
        ("warning", warning, known.warning), ("manager", manager, known.manager), ("term", "\(term)", "\(known.term)"),
      ] where said != signed {
        findings.append((name, "“\(said.prefix(80))” where what was signed says “\(signed)”"))
      }
      for (index, text) in assignments.enumerated() {
        find("assignments[\(index)]") { () throws(InvalidMessage) in
          let assignment: Signed<Assignment> = try Signed(verifying: try text.parsed())
          try expect(assignment.signer == claimed.manager, "signer", "not the manager")
          try expect(assignment.body.request == claimed.request, "request", "another")
          try expect(assignment.body.mandate == claimed.digest, "mandate", "not this claim")
        }
      }
    }
    let warning = signed?.body.strategy.warning ?? "nothing is proved"
    findings.append(("claim", findings.isEmpty ? "every signature holds, and nothing is proved: \(warning)" : warning))
    return findings
  }
}
