import Base
import Identity
import Testing
import Vocabulary
import Wire

@testable import Assignments
@testable import Desks
@testable import Sessions

// Numbers that whoever gets them counts on from: a liar's must not stop his nodes or his successors.

@Suite("What a manager counts with is bounded where it comes in") struct BoundsTests {
  static let far: [UInt32] = [.max, .max - 1, (1 << 30) + 1]
  var counter = Counter()

  @Test("the version and the term of a message", arguments: far) func marks(far: UInt32) {
    var word = SessionMessage.renew(counter.mark(1)).wire
    word.renew.version = far
    #expect(throws: InvalidMessage.self) { try SessionMessage(validating: word) }
    word = SessionMessage.renew(counter.mark(1)).wire
    word.renew.term.number = far
    #expect(throws: InvalidMessage.self) { try SessionMessage(validating: word) }
    word.renew.term.number = 0
    #expect { try SessionMessage(validating: word) } throws: { "\($0)".contains("RenewWork.term.number: 0 where 1 to") }
    word.renew.term.number = 1 << 30
    #expect(throws: Never.self) { try SessionMessage(validating: word) }
  }

  @Test("the term that a node says to have heeded", arguments: far) func refusals(far: UInt32) {
    let refused = RefusedItem(ordinal: 0, reason: .unauthorized(.staleTerm(seen: Term(2))))
    var word = SessionMessage.reserved(
      ReserveAnswer(mark: counter.mark(1), result: .failure(ReserveAnswer.ItemRefused(refused)))
    ).wire
    #expect(throws: Never.self) { try SessionMessage(validating: word) }
    word.reserveAnswer.refusal.term.number = far
    #expect(throws: InvalidMessage.self) { try SessionMessage(validating: word) }
  }

  @Test("those of an assignment", arguments: far) func assignments(far: UInt32) throws {
    func read(_ change: (inout WireAssignment) -> Void) throws -> Assignment {
      var wire = try WireAssignment(parsing: counter.assignment().encoded())
      change(&wire)
      return try Assignment(validating: wire.wireBytes)
    }
    #expect(try read { _ in } == counter.assignment())
    #expect(throws: InvalidMessage.self) { try read { $0.version = far } }
    #expect(throws: InvalidMessage.self) { try read { $0.ordinal = far } }
    #expect(throws: InvalidMessage.self) { try read { $0.term.number = far } }
    #expect(throws: InvalidMessage.self) { try read { $0.term.epoch = far } }
    #expect(throws: InvalidMessage.self) { try read { $0.expiresMs = .max } }
    #expect(throws: InvalidMessage.self) { try read { $0.expiresMs = .min } }
  }

  @Test("those of the plan that a successor takes over", arguments: far) func plans(far: UInt32) throws {
    let delivery = ServiceDelivery(
      ordinal: 3, output: "main", stream: ChainPlanner.stream([1], 2), node: counter.other.id, demand: .none)
    let plan = ServicePlan(groups: [], deliveries: [delivery])
    let service = RecordedService(
      phase: .running, version: 1, plan: plan, endedOutputs: [], problem: "", repairs: 0)
    func read(_ change: (inout WireServiceSnapshot) -> Void) throws -> RecordedService {
      var wire = try WireServiceSnapshot(parsing: service.encoded())
      change(&wire)
      return try RecordedService(validating: wire.wireBytes)
    }
    #expect(try read { _ in } == service)
    #expect(throws: InvalidMessage.self) { try read { $0.version = far } }
    #expect(throws: InvalidMessage.self) { try read { $0.repairs = far } }
    #expect(throws: InvalidMessage.self) { try read { $0.deliveries[0].ordinal = far } }
  }
}
