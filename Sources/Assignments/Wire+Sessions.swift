import Base
import Foundation
import Identity
import Vocabulary
import Wire

// What managers and service nodes say to each other: wire words to checked values and back. Refusals and reports have files
// of their own.

extension SessionMessage {
  /// The only way in.
  public init(validating wire: WireSessionMessage) throws(InvalidMessage) {
    switch wire.body {
    case .reserve(let body): self = .reserve(try Reserve(validating: body))
    case .reserveAnswer(let body): self = .reserved(try ReserveAnswer(validating: body))
    case .commit(let body): self = .commit(try Commit(validating: body))
    case .commitAnswer(let body): self = .committed(try CommitAnswer(validating: body))
    case .release(let body): self = .release(try Release(validating: body))
    case .released(let body): self = .released(try PlanMark(body.request, body.term, body.version, "ReleasedWork"))
    case .renew(let body): self = .renew(try PlanMark(body.request, body.term, body.version, "RenewWork"))
    case .report(let body): self = .report(try NodeReport(validating: body))
    case nil: throw InvalidMessage("SessionMessage", "says nothing that this version understands")
    }
  }

  /// For sending.
  public var wire: WireSessionMessage {
    .with {
      switch self {
      case .reserve(let body): $0.reserve = body.wire
      case .reserved(let body): $0.reserveAnswer = body.wire
      case .commit(let body): $0.commit = body.wire
      case .committed(let body): $0.commitAnswer = body.wire
      case .release(let body): $0.release = body.wire
      case .released(let mark):
        $0.released = .with {
          $0.request = mark.request.hash.data
          $0.term = mark.term.wire
          $0.version = mark.version
        }
      case .renew(let mark):
        $0.renew = .with {
          $0.request = mark.request.hash.data
          $0.term = mark.term.wire
          $0.version = mark.version
        }
      case .report(let body): $0.report = body.wire
      }
    }
  }
}

extension PlanMark {
  init(_ request: Data, _ term: WireTermMark, _ version: UInt32, _ message: String) throws(InvalidMessage) {
    self.init(
      request: RequestID(try Field.bytes32(request, "\(message).request")),
      term: try Term(validating: term, "\(message).term"), version: try Field.step(version, "\(message).version"))
  }
}

extension Reserve {
  package init(validating wire: WireReserve) throws(InvalidMessage) {
    var items: [Item] = []
    var ordinals: Set<UInt32> = []
    for item in try Field.list(wire.items, "Reserve.items", limit: Limits.workItems) {
      guard ordinals.insert(item.ordinal).inserted else {
        throw InvalidMessage("Reserve.items.ordinal", "\(item.ordinal) stands twice")
      }
      items.append(
        Item(
          ordinal: item.ordinal, work: try AssignedWork(validating: item.work, "Reserve.items.work"),
          demand: try Demand(validating: item.demand, "Reserve.items.demand")))
    }
    self.init(
      mark: try PlanMark(wire.request, wire.term, wire.version, "Reserve"),
      mandate: try Field.mandate(wire.mandate, "Reserve.mandate"), items: items, isFresh: wire.fresh)
  }

  package var wire: WireReserve {
    .with {
      $0.request = mark.request.hash.data
      $0.term = mark.term.wire
      $0.version = mark.version
      $0.mandate = Data(mandate)
      $0.fresh = isFresh
      $0.items = items.map { item in
        .with {
          $0.ordinal = item.ordinal
          $0.work = item.work.wire
          $0.demand = item.demand.wire
        }
      }
    }
  }
}

extension ReserveAnswer {
  package init(validating wire: WireReserveAnswer) throws(InvalidMessage) {
    let mark = try PlanMark(wire.request, wire.term, wire.version, "ReserveAnswer")
    switch wire.result {
    case .grant(let grant):
      var shared: [SharedStream] = []
      for stream in try Field.list(grant.shared, "ReserveAnswer.shared", limit: Limits.workItems) {
        shared.append(try SharedStream(validating: stream, "ReserveAnswer.shared"))
      }
      self.init(mark: mark, result: .success(shared))
    case .refusal(let refusal):
      let reason = try Refusal(validating: refusal, "ReserveAnswer.refusal")
      self.init(mark: mark, result: .failure(ItemRefused(RefusedItem(ordinal: refusal.ordinal, reason: reason))))
    case nil: throw InvalidMessage("ReserveAnswer", "neither granted nor refused")
    }
  }

  package var wire: WireReserveAnswer {
    .with {
      $0.request = mark.request.hash.data
      $0.term = mark.term.wire
      $0.version = mark.version
      switch result {
      case .success(let shared):
        $0.grant = .with {
          $0.ttlMs = UInt32(Limits.reservationTTL.milliseconds)
          $0.shared = shared.map(\.wire)
        }
      case .failure(let refused):
        $0.refusal = refused.item.reason.wire
        $0.refusal.ordinal = refused.item.ordinal
      }
    }
  }
}

extension SharedStream {
  package init(validating wire: WireSharedStream, _ field: String) throws(InvalidMessage) {
    self.init(
      stream: StreamKey(try Field.bytes32(wire.stream, "\(field).stream")),
      standbys: try Provider.list(wire.standbys, "\(field).standbys"))
  }

  package var wire: WireSharedStream {
    .with {
      $0.stream = stream.hash.data
      $0.standbys = standbys.map(\.wire)
    }
  }
}

extension Commit {
  package init(validating wire: WireCommitWork) throws(InvalidMessage) {
    var assignments: [ClaimedAssignment] = []
    for assignment in try Field.list(wire.assignments, "CommitWork.assignments", limit: Limits.workItems) {
      assignments.append(try ClaimedAssignment(validating: assignment, "CommitWork.assignments"))
    }
    self.init(
      mark: try PlanMark(wire.request, wire.term, wire.version, "CommitWork"),
      mandate: try Field.mandate(wire.mandate, "CommitWork.mandate"), assignments: assignments)
  }

  package var wire: WireCommitWork {
    .with {
      $0.request = mark.request.hash.data
      $0.term = mark.term.wire
      $0.version = mark.version
      $0.mandate = Data(mandate)
      $0.assignments = assignments.map(\.wire)
    }
  }
}

extension CommitAnswer {
  package init(validating wire: WireCommitAnswer) throws(InvalidMessage) {
    var rejected: [Rejection] = []
    for rejection in try Field.list(wire.rejected, "CommitAnswer.rejected", limit: Limits.workItems) {
      guard case .unauthorized(let reason) = try Refusal(validating: rejection.reason, "CommitAnswer.rejected") else {
        throw InvalidMessage("CommitAnswer.rejected", "“\(rejection.reason.code)” is not an assignment's error")
      }
      rejected.append(Rejection(index: Int(rejection.index), reason: reason))
    }
    self.init(mark: try PlanMark(wire.request, wire.term, wire.version, "CommitAnswer"), rejected: rejected)
  }

  package var wire: WireCommitAnswer {
    .with {
      $0.request = mark.request.hash.data
      $0.term = mark.term.wire
      $0.version = mark.version
      $0.rejected = rejected.map { rejection in
        .with {
          $0.index = UInt32(rejection.index)
          $0.reason = Refusal.unauthorized(rejection.reason).wire
        }
      }
    }
  }
}

extension Release {
  package init(validating wire: WireReleaseWork) throws(InvalidMessage) {
    let mark = try PlanMark(wire.request, wire.term, wire.version, "ReleaseWork")
    let mandate = try Field.mandate(wire.mandate, "ReleaseWork.mandate")
    guard !wire.everything else {
      self.init(mark: mark, mandate: mandate, scope: .everything)
      return
    }
    var streams: [StreamKey] = []
    for stream in try Field.list(wire.streams, "ReleaseWork.streams", limit: Limits.workItems) {
      streams.append(StreamKey(try Field.bytes32(stream, "ReleaseWork.streams")))
    }
    var outputs: [String] = []
    for output in try Field.list(wire.outputs, "ReleaseWork.outputs", limit: Limits.workItems) {
      outputs.append(try Field.text(output, "ReleaseWork.outputs", limit: 64))
    }
    self.init(mark: mark, mandate: mandate, scope: .some(streams: streams, outputs: outputs))
  }

  package var wire: WireReleaseWork {
    .with {
      $0.request = mark.request.hash.data
      $0.term = mark.term.wire
      $0.version = mark.version
      $0.mandate = Data(mandate)
      switch scope {
      case .everything: $0.everything = true
      case .some(let streams, let outputs):
        $0.streams = streams.map(\.hash.data)
        $0.outputs = outputs
      }
    }
  }
}
