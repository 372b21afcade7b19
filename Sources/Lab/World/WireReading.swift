import Base
import Identity
import Vocabulary
import Wire

// Which request an election message is about, without checking anything: only counted by it.

extension WireRivalMessage {
  /// Nil when it names none.
  var requestID: RequestID? { Bytes32(request).map(RequestID.init) }
}

extension WireElectionMessage {
  /// Nil when it names none.
  var requestID: RequestID? {
    func request(of envelope: WireSignedBytes) -> RequestID? {
      RequestID(Digest.of(Array(envelope.body) + Array(envelope.signer), kind: "request"))
    }
    func named(_ bytes: some Sequence<UInt8>) -> RequestID? { Bytes32(Array(bytes)).map(RequestID.init) }
    switch body {
    case .call(let call): return request(of: call.envelope)
    case .vote(let vote): return request(of: vote.envelope)
    case .elected(let mandate): return request(of: mandate.envelope)
    case .heartbeat(let beat): return named(beat.request)
    case .heartbeatAnswer(let answer): return named(answer.request)
    case .proposal(let proposal):
      return (try? WireSnapshotStatement(parsing: Array(proposal.snapshot.body))).flatMap { named($0.request) }
    case .acknowledgement(let answer):
      return (try? WireAcknowledgementStatement(parsing: Array(answer.acknowledgement.body))).flatMap {
        named($0.request)
      }
    case .decline(let decline):
      return (try? WireDeclineStatement(parsing: Array(decline.decline.body))).flatMap { named($0.request) }
    case .refusal(let refusal): return named(refusal.request)
    case .end(let end): return named(end.request)
    case .handover(let handover):
      return (try? WireSnapshotStatement(parsing: Array(handover.newest.snapshot.body))).flatMap { named($0.request) }
    case .renewal(let renewal): return request(of: renewal.envelope)
    // A draw comes before there is a request.
    case .lotCall, .lot: return nil
    case nil: return nil
    }
  }
}
