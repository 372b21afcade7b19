import Base
import Elections
import Foundation
import Identity
import Mandates
import Vocabulary
import Wire

/// What proves to anyone, offline, who manages a request and by whose votes: the answer of `GET /v1/elections/ID` and the food of
/// `millrace verify`. Identifiers are base32, bytes base64; what is not signed is there to be read, and is checked against what is.
public struct ElectionEvidence: Codable, Hashable, Sendable {
  /// Of this format.
  public var version = 1
  /// The request's ID.
  public var request: String
  /// The client's signed envelope.
  public var envelope: SignedText
  /// What the order of candidates follows from; absent for the default order.
  public var orderEvidence: [SignedText]?
  /// One for each epoch after the first; absent in the first.
  public var handovers: [HandoverText]?
  /// The electors of the term's epoch, in the order of the draw.
  public var electorate: [String]
  /// The mandate's term.
  public var term: TermText
  /// The term's candidate.
  public var manager: String
  /// The mandate: a quorum's signed votes.
  public var votes: [SignedText]
  /// The newest version in force; nil where the peer asked does not manage the request.
  public var snapshot: SignedText?
  /// The quorum's acknowledgements of ``snapshot``.
  public var acknowledgements: [SignedText]
  /// The client's newest renewal; absent while the envelope's own time lasts.
  public var renewal: SignedText?
  /// What the manager signed for service nodes.
  public var assignments: [StatementText]
  /// Proofs of fraud against electors of this election; absent when there are none.
  public var frauds: [FraudText]?

  /// A signed statement in text.
  public struct SignedText: Codable, Hashable, Sendable {
    /// Base32 of the key.
    public var signer: String
    /// Base64 of the signed bytes.
    public var body: String
    /// Base64 of 64 bytes.
    public var signature: String
  }

  /// The certificate of a handover in text.
  public struct HandoverText: Codable, Hashable, Sendable {
    /// The epoch that begins.
    public var epoch: UInt32
    /// Its electors.
    public var electorate: [String]
    /// A quorum of the electors before, each of which keeps the version that names the electorate.
    public var words: [SignedText]
    /// See the properties.
    public init(epoch: UInt32, electorate: [String], words: [SignedText]) {
      self.epoch = epoch
      self.electorate = electorate
      self.words = words
    }
    public init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      self.init(
        epoch: try fields.count(forKey: .epoch), electorate: try fields.decode([String].self, forKey: .electorate),
        words: try fields.decode([SignedText].self, forKey: .words))
    }
  }

  /// A term in text.
  public struct TermText: Codable, Hashable, Sendable {
    /// From 0.
    public var epoch: UInt32
    /// From 1.
    public var number: UInt32
    /// See the properties.
    public init(epoch: UInt32, number: UInt32) {
      self.epoch = epoch
      self.number = number
    }
    public init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      self.init(epoch: try fields.count(forKey: .epoch), number: try fields.count(forKey: .number))
    }
  }

  /// A signed statement with its kind.
  public struct StatementText: Codable, Hashable, Sendable {
    /// The kind that separates its signature from those of other statements, e.g. `assignment`.
    public var kind: String
    /// Base32 of the key.
    public var signer: String
    /// Base64 of the signed bytes.
    public var body: String
    /// Base64 of 64 bytes.
    public var signature: String
  }

  /// Two statements of one peer that contradict each other.
  public struct FraudText: Codable, Hashable, Sendable {
    /// Base32 of the culprit's key.
    public var culprit: String
    /// `twoVotes`, `brokenPromise` or `twoVersions`.
    public var kind: String
    /// The one…
    public var first: StatementText
    /// … and the other.
    public var second: StatementText
  }

  /// - Parameters:
  ///   - mandate: who manages.
  ///   - snapshot: the newest version in force.
  ///   - acknowledgements: its certificate.
  ///   - order: what the order of candidates follows from.
  public init(
    mandate: Mandate, snapshot: Signed<Snapshot>? = nil, acknowledgements: [Signed<Acknowledgement>] = [],
    order: [SignedEnvelope] = []
  ) {
    orderEvidence = order.isEmpty ? nil : order.map { SignedText($0) }
    let texts = mandate.succession.handovers.enumerated().map { index, handover in
      HandoverText(
        epoch: UInt32(index) + 1, electorate: handover.electorate.members.map(\.description),
        words: handover.words.map { SignedText($0) })
    }
    handovers = texts.isEmpty ? nil : texts
    request = mandate.request.description
    envelope = SignedText(mandate.envelope.envelope)
    electorate = mandate.electorate.members.map(\.description)
    term = TermText(epoch: mandate.term.epoch, number: mandate.term.number)
    manager = mandate.manager.description
    votes = mandate.votes.map { SignedText($0) }
    self.snapshot = snapshot.map { SignedText($0.envelope) }
    self.acknowledgements = acknowledgements.map { SignedText($0.envelope) }
    renewal = mandate.renewal.map { SignedText($0.envelope) }
    assignments = []
  }

  /// Adds a proof of fraud, if its culprit is or was one of the electors.
  public mutating func append(_ proof: FraudProof, ofElectorsIn succession: Succession) {
    guard (0...succession.epoch).contains(where: { succession.electorate(in: $0)?.contains(proof.culprit) ?? false })
    else { return }
    let culprit = proof.culprit.description
    func text(_ part: Utterance) -> StatementText {
      let text = SignedText(part.statement)
      return StatementText(kind: part.kind, signer: text.signer, body: text.body, signature: text.signature)
    }
    frauds =
      (frauds ?? []) + [
        FraudText(culprit: culprit, kind: proof.kind.rawValue, first: text(proof.first), second: text(proof.second))
      ]
  }

  /// Adds what the manager signed for a service node.
  public mutating func append(_ statement: SignedEnvelope, kind: String) {
    let text = SignedText(statement)
    assignments.append(StatementText(kind: kind, signer: text.signer, body: text.body, signature: text.signature))
  }

  /// Reads JSON. Throws what was wrong and where.
  public init(json: Data) throws(InvalidMessage) {
    do {
      self = try JSONDecoder().decode(ElectionEvidence.self, from: json)
    } catch DecodingError.keyNotFound(let key, let context) {
      throw InvalidMessage(path(context.codingPath + [key]), "is missing")
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
      throw InvalidMessage(path(context.codingPath), context.debugDescription)
    } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
      throw InvalidMessage(path(context.codingPath), context.debugDescription)
    } catch { throw InvalidMessage("evidence", "not JSON, as GET /v1/elections/ID gives it") }
  }

  /// JSON with sorted keys, for people.
  public func json() -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Strings and numbers only: nothing here can fail to encode.
    return (try? encoder.encode(self)) ?? Data()
  }
}

extension Ballots {
  /// What proves the election to a third party: with the newest version in force and its certificate where this peer manages.
  public func evidence(of request: RequestID) -> ElectionEvidence? {
    guard let mandate = mandate(of: request) else { return nil }
    let certificate = certificate(of: request)
    return ElectionEvidence(
      mandate: mandate, snapshot: certificate?.snapshot, acknowledgements: certificate?.words ?? [],
      order: orderEvidence(of: request))
  }
}

extension KeyedDecodingContainer {
  /// A count. The decoder itself takes a number that does not fit for a fault of the JSON, and does not say where.
  fileprivate func count(forKey key: Key) throws -> UInt32 {
    let number = try decode(Double.self, forKey: key)
    guard let count = UInt32(exactly: number) else {
      throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: "\(number) is no count")
    }
    return count
  }
}

private func path(_ keys: [any CodingKey]) -> String {
  keys.reduce(into: "evidence") { text, key in text += key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }
}

extension ElectionEvidence.SignedText {
  init(_ statement: SignedEnvelope) {
    signer = statement.signer.description
    body = Data(statement.bytes).base64EncodedString()
    signature = Data(statement.signature.bytes).base64EncodedString()
  }

  /// The parts, well-formed but not yet verified.
  func parsed(_ part: String) throws(InvalidMessage) -> SignedEnvelope {
    // Several texts can decode to the same bytes: only the one that encoding gives is taken, so that no change goes unseen.
    guard let key = NodeID(self.signer), key.description == self.signer else {
      throw InvalidMessage("\(part).signer", "not a node ID of 52 base32 characters")
    }
    guard let body = Data(base64Encoded: self.body), body.base64EncodedString() == self.body else {
      throw InvalidMessage("\(part).body", "not base64")
    }
    guard let bytes = Data(base64Encoded: self.signature), bytes.base64EncodedString() == self.signature,
      let signature = Signature(Array(bytes))
    else {
      throw InvalidMessage("\(part).signature", "not the base64 of 64 bytes")
    }
    return SignedEnvelope(bytes: Array(body), signer: key, signature: signature)
  }
}

extension ElectionEvidence.StatementText {
  /// The parts, well-formed but not yet verified.
  func parsed(_ part: String) throws(InvalidMessage) -> SignedEnvelope {
    try ElectionEvidence.SignedText(signer: signer, body: body, signature: signature).parsed(part)
  }
}
