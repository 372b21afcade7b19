import Elections
import Evidence
import Foundation
import Identity
import Mandates
import Portal

/// Checks a mandate and its assignments offline, from signatures alone: `millrace verify`.
public enum EvidenceFile {
  /// The portal's whole answer, of which only this is signed.
  private struct Answer: Decodable { let evidence: JSONValue }

  /// What holds and what does not.
  public typealias Outcome = EvidenceCheck

  /// - Parameters:
  ///   - file: evidence as `GET /v1/elections/ID` gives it: whole, or its `evidence` member.
  ///   - roster: a file of node IDs, one a line; nil when nobody knows who should have been asked.
  /// - Throws: ``ConfigurationError`` with the file for what cannot be read.
  public static func check(_ file: String, roster: String?) throws -> Outcome {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw ConfigurationError(file, "cannot be read")
    }
    let whole = try? JSONDecoder().decode(Answer.self, from: data)
    let own = try whole.map { try JSONEncoder().encode($0.evidence) } ?? data
    let evidence: ElectionEvidence
    do { evidence = try ElectionEvidence(json: own) } catch { throw ConfigurationError(file, "\(error)") }
    var members: [NodeID]?
    if let roster {
      guard let text = try? String(contentsOfFile: roster, encoding: .utf8) else {
        throw ConfigurationError(roster, "cannot be read")
      }
      members = []
      for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        let word = line.prefix { $0 != "#" }.split(separator: " ").first ?? ""
        guard !word.isEmpty else { continue }
        guard let node = NodeID(word) else {
          throw ConfigurationError("\(roster):\(number + 1)", "“\(word.prefix(60))” where a node ID was expected")
        }
        members!.append(node)
      }
    }
    return EvidenceCheck(evidence, roster: members)
  }
}
