import Base
import Composition
import Core
import Elections
import Evidence
import Foundation
import Identity
import Mandates
import Measurements
import Membership
import Portal
import Rivals
import Streams
import Vocabulary
import Wire

// What the node knows, in the portal's words.

extension ServiceView {
  init(_ request: RequestID, _ report: ServiceReport, at peer: PeerLoop) {
    let wire = report.wire
    let warrant = report.warrant
    let call = warrant.flatMap { try? ClientCall(validating: $0.envelope.body.document) }
    let document = call.map { String(decoding: $0.request, as: UTF8.self) } ?? ""
    let asked = call.flatMap { try? ServiceRequest(canonical: $0.request) }
    let age =
      report.portal.map { (PeerLoop.now - $0.began).seconds } ?? warrant.map {
        (PeerLoop.wall - $0.envelope.body.issued).seconds
      } ?? 0
    self.init(
      id: "\(request)", state: ServiceState(wire.state, frozen: wire.frozen), ageSeconds: max(0, age),
      request: document,
      portal: warrant.map { "\($0.envelope.body.portal)" } ?? "\(peer.keys.id)",
      electorate: warrant.map { $0.electorate.members.map { "\($0)" } } ?? [])
    heardSecondsAgo = report.age.seconds
    manager = Bytes32(wire.manager).map { "\(NodeID($0))" }
    term = wire.hasTerm ? "\(Term(wire.term))" : nil
    epoch = wire.hasTerm ? Int(wire.term.epoch) : nil
    frozen = wire.frozen
    if frozen { warnings.append("fewer than a quorum of electors answer: media flows on, nothing can be repaired") }
    if let warning = warrant?.strategy.warning { warnings.append(warning) }
    if !wire.problem.isEmpty {
      failure = Problem(failed: wire.problem)
    }
    stages = wire.stages.map { stage in
      StageView(
        id: Int(stage.id), component: stage.component,
        parameters: Dictionary(stage.parameters.map { ($0.name, JSONValue($0)) }, uniquingKeysWith: { $1 }),
        inputs: stage.inputs.map(Int.init), node: Bytes32(stage.node).map { "\(NodeID($0))" },
        group: Bytes32(stage.node) == nil ? nil : Int(stage.group), reused: stage.reused)
    }
    let primaries = Set(stages.compactMap { stage in stage.node.map { Seat(node: $0, group: stage.group) } })
    sockets = wire.sockets.map { wire in
      var socket = SocketView(wire)
      // A standby's sockets stand ready: no media flows through them.
      if socket.role == .primary, !primaries.contains(Seat(node: socket.node, group: socket.group)) {
        socket.role = .standby
      }
      return socket
    }
    hops = ServiceView.hops(stages)
    outputs = (report.portal?.outputs ?? []).map { OutputView(request, $0, asked) }
    if let times = report.portal {
      func milliseconds(_ from: Instant?, _ to: Instant?) -> Double? {
        from.flatMap { from in to.map { ($0 - from).milliseconds } }
      }
      timings = TimingsView(
        electionMs: milliseconds(times.called, times.managed), placementMs: milliseconds(times.managed, times.running))
      let first = peer.hubsByOutput.filter { $0.key.request == request }.compactMap { peer.hubs[$0.value]?.firstChunk }
        .min()
      timings.firstMediaMs = milliseconds(times.began, first)
    }
  }

  private struct Seat: Hashable {
    let node: String
    let group: Int?
  }

  /// Links between different nodes on the longest way from a source to the edge, and the edge's own to the client.
  private static func hops(_ stages: [StageView]) -> Int {
    var longest: [Int: Int] = [:]
    let nodes = Dictionary(stages.map { ($0.id, $0.node) }, uniquingKeysWith: { $1 })
    for stage in stages {
      longest[stage.id] =
        stage.inputs.map { input in
          (longest[input] ?? 0) + (nodes[input] != nil && nodes[input]! != stage.node && stage.node != nil ? 1 : 0)
        }.max() ?? 0
    }
    return stages.isEmpty ? 0 : (longest.values.max() ?? 0) + 1
  }
}

extension ServiceReport {
  /// The mandate, or the manager's own claim, that came with the report; checked by whoever shows it as valid.
  var warrant: Warrant? {
    var verified = VerifiedDigests(capacity: 16)
    return wire.mandate.isEmpty ? nil : try? Warrant(validating: Array(wire.mandate), using: &verified)
  }
}

extension ServiceState {
  init(_ phase: String, frozen: Bool) {
    switch phase {
    case "electing": self = .electing
    case "placing", "recording": self = .planning
    case "reserving", "committing": self = .reserving
    case "running", "repairing": self = frozen ? .frozen : .running
    case "failed": self = .failed
    case "ending", "ended": self = .ended
    default: self = .electing
    }
  }
}

extension JSONValue {
  init(_ parameter: WireParameter) {
    switch parameter.value {
    case .integer(let value): self = .integer(value)
    case .rational(let value):
      self = .text(value.denominator == 1 ? "\(value.numerator)" : "\(value.numerator)/\(value.denominator)")
    case .text(let value): self = .text(value)
    case .flag(let value): self = .flag(value)
    case nil: self = .null
    }
  }
}

extension OutputView {
  init(_ request: RequestID, _ name: String, _ asked: ServiceRequest?) {
    let captions = name == "captions" || asked?.delivery == .webvtt
    let mime =
      switch asked?.delivery {
      case _ where captions: "text/vtt"
      case .mp4: "video/mp4"
      case .ogg: "audio/ogg"
      default: "video/webm"
      }
    self.init(name: name, url: "/v1/services/\(request)/media/\(name)", mimeType: mime)
  }
}

extension SocketView {
  init(_ wire: WireSocketReport) {
    func address(_ wire: WireAddress) -> String {
      (try? PeerAddress(validating: wire, "address")).map { "\($0)" } ?? ""
    }
    self.init(
      group: wire.group == 0 ? nil : Int(wire.group) - 1, node: Bytes32(wire.node).map { "\(NodeID($0))" } ?? "",
      direction: wire.direction == "in" ? .input : .output,
      role: wire.group == 0 ? .sink : .primary, streamKey: Bytes32(wire.stream).map { "\(StreamKey($0))" } ?? "",
      address: address(wire.address),
      peer: Bytes32(wire.peer).map { "\(NodeID($0))" })
    peerAddress = wire.hasPeerAddress ? address(wire.peerAddress) : nil
    codec = wire.format.split(separator: " ").first.map(String.init)
    format = wire.format.isEmpty ? nil : wire.format
    bytes = wire.bytesMoved
    packets = wire.packets
    firstPosition = wire.hasFirstPosition ? wire.firstPosition : nil
    lastPosition = wire.hasLastPosition ? wire.lastPosition : nil
    acknowledged = wire.hasAcknowledged ? wire.acknowledged : nil
    switches = Int(wire.switches)
    bitsPerSecond = Double(wire.bitsPerSecond)
    ageSeconds = Double(wire.ageMs) / 1_000
  }
}

extension OverlayStatus {
  init(_ peer: PeerLoop) {
    let tolerance = peer.node.tolerance
    self.init(
      node: "\(peer.keys.id)", atMs: PeerLoop.wall.milliseconds,
      members: peer.node.view.map { Portal.MemberView($0, peer) },
      services: peer.node.services.filter { ["running", "repairing"].contains($0.report.wire.state) }.map {
        "\($0.request)"
      }, workers: peer.workerCount,
      tolerance: tolerance.map { ToleranceView($0, peer.node.strategy) } ?? ToleranceView(k: 1, f: 0, quorum: 1),
      strategy: peer.node.strategy.rawValue, safety: peer.node.strategy.safety.rawValue,
      warnings: OverlayStatus.warnings(peer), frauds: peer.node.fraudProofs.map { FraudView($0) })
  }

  static func warnings(_ peer: PeerLoop) -> [String] {
    guard let tolerance = peer.node.tolerance else { return [] }
    if let warning = peer.node.strategy.warning { return ["managers are found by \(warning)"] }
    var warnings: [String] = []
    if tolerance.size - tolerance.quorum == 0 {
      warnings.append("no fault is tolerated: the loss of one elector would freeze services")
    }
    for service in peer.node.services where service.report.wire.state == "running" {
      guard let electors = service.report.warrant?.electorate else { continue }
      let alive = electors.members.count { $0 == peer.keys.id || peer.node.member($0)?.isMember == true }
      if alive == electors.quorum {
        warnings.append("one more loss among its electors would freeze service \(service.request.short)…")
      }
      if alive < electors.quorum {
        warnings.append(
          "service \(service.request.short)… is frozen: \(alive) of \(electors.size) electors live, \(electors.quorum) are needed"
        )
      }
    }
    return warnings
  }
}

extension FraudView {
  init(_ record: FraudRecord) {
    let proof = record.proof
    self.init(
      culprit: "\(proof.culprit)", kind: proof.kind.rawValue, request: "\(proof.request)", summary: proof.summary,
      sinceMs: record.since.milliseconds, untilMs: record.until.milliseconds)
  }
}

extension Portal.MemberView {
  init(_ entry: (member: Member, report: LoadReport?, received: Instant?), _ peer: PeerLoop) {
    let (member, report, received) = entry
    let now = PeerLoop.now
    self.init(
      node: "\(member.node)", address: "\(member.address)", state: State(rawValue: member.state.rawValue) ?? .dead,
      isSelf: member.node == peer.keys.id,
      ageSeconds: member.lastHeard.map { (now - $0).seconds } ?? received.map { (now - $0).seconds }
        ?? (now - member.stateSince).seconds)
    portal = member.record.body.portal.isEmpty ? nil : member.record.body.portal
    roundTripMs = member.roundTrip
    guard let report, let received else { return }
    coordinate = report.coordinate.vector
    coordinateHeightMs = report.coordinate.height
    coordinateError = report.coordinate.error
    components = report.components ?? Array(Catalogue.standard.components.keys)
    let (measured, rates) = (report.load, report.rates)
    load = LoadView(
      ageSeconds: (now - received).seconds, ownCpu: measured.ownCPU, machineCpu: measured.machineCPU,
      cpuPressure: measured.cpuPressure, memory: measured.memory,
      deadlineMisses: measured.deadlineMisses, slotsUsed: measured.slotsUsed, slots: measured.slots,
      cores: measured.cores, decodeMegapixelsPerSecond: measured.decodeRate,
      encodeMegapixelsPerSecond: measured.encodeRate, filterMegapixelsPerSecond: measured.filterRate,
      upBitsPerSecond: rates.upUsed, downBitsPerSecond: rates.downUsed,
      upCapacityBitsPerSecond: rates.upCapacity == 0 ? nil : rates.upCapacity,
      downCapacityBitsPerSecond: rates.downCapacity == 0 ? nil : rates.downCapacity)
    streams = report.streams.map {
      ServedStreamView(streamKey: "\($0.key)", bitsPerSecond: $0.bitrate, spareFanOut: $0.spareFanOut)
    }
    paths = report.paths.map {
      PathView(to: "\($0.to)", capacityBitsPerSecond: $0.capacity, usedBitsPerSecond: $0.used)
    }
  }
}

extension ToleranceView {
  /// Without a quorum no liar is borne; raft's majority may crash but for itself, and of the others one member is enough to go on.
  init(_ electorate: Electorate, _ strategy: ElectionStrategy) {
    switch strategy.safety {
    case .quorum: self.init(k: electorate.size, f: electorate.faults, quorum: electorate.quorum)
    case .majorityCrashOnly: self.init(k: electorate.size, f: 0, quorum: electorate.size / 2 + 1)
    case .unsafe: self.init(k: electorate.size, f: 0, quorum: 1)
    }
  }
}

extension ElectionView {
  init?(_ request: RequestID, _ report: ServiceReport) {
    switch report.warrant {
    case .mandate(let mandate): self.init(request, report, mandate)
    case .claim(let claim): self.init(request, report, claim)
    case nil: return nil
    }
  }

  /// Without a quorum there are no votes, and nothing that could be valid.
  private init(_ request: RequestID, _ report: ServiceReport, _ claim: ManagerClaim) {
    let strategy = claim.envelope.body.strategy
    let electorate = claim.envelope.body.electorate
    let assignments = report.wire.assignments.compactMap { try? SignedEnvelope(validating: $0, "assignment") }
    self.init(
      request: "\(request)", strategy: strategy.rawValue, safety: strategy.safety.rawValue, epoch: 0,
      term: "\(claim.term)", manager: "\(claim.manager)", electorate: electorate.members.map { "\($0)" },
      tolerance: ToleranceView(electorate, strategy), votes: [], mandateValid: false, mandateFault: strategy.warning,
      ageSeconds: report.age.seconds, evidence: ClaimEvidence(claim, assignments: assignments).json)
    warning = strategy.warning
  }

  private init(_ request: RequestID, _ report: ServiceReport, _ mandate: Mandate) {
    let electorate = mandate.electorate
    // The manager's own evidence has more: the version in force with its certificate, what the order follows from.
    let told = try? ElectionEvidence(json: report.wire.evidence)
    var evidence = told?.request == "\(request)" ? told! : ElectionEvidence(mandate: mandate)
    for assignment in report.wire.assignments {
      if let envelope = try? SignedEnvelope(validating: assignment, "assignment") {
        evidence.append(envelope, kind: "assignment")
      }
    }
    var verified = VerifiedDigests(capacity: 64)
    var fault: String?
    do { try mandate.verify(using: &verified) } catch { fault = "\(error)" }
    let json = (try? JSONDecoder().decode(JSONValue.self, from: evidence.json())) ?? .null
    self.init(
      request: "\(request)", strategy: mandate.envelope.body.strategy.rawValue,
      safety: mandate.envelope.body.strategy.safety.rawValue, epoch: Int(mandate.term.epoch), term: "\(mandate.term)",
      manager: "\(mandate.manager)",
      electorate: mandate.succession.order.map { "\($0)" },
      tolerance: ToleranceView(k: electorate.size, f: electorate.faults, quorum: electorate.quorum),
      votes: mandate.votes.map {
        VoteView(
          elector: "\($0.signer)", candidate: "\(mandate.manager)", term: "\(mandate.term)",
          signature: TextForm.hexadecimal($0.signature.bytes))
      },
      mandateValid: fault == nil, mandateFault: fault, ageSeconds: report.age.seconds, evidence: json)
  }
}

extension ExplanationView {
  init?(_ request: RequestID, _ report: ServiceReport) {
    guard let note = PlanNote(json: report.wire.explanation), let manager = Bytes32(report.wire.manager) else {
      return nil
    }
    self.init(
      service: "\(request)", manager: "\(NodeID(manager))", inputsDigest: note.inputs, ageSeconds: report.age.seconds,
      stages: note.stages.map { stage in
        StageDecision(
          stage: stage.stage, component: stage.component,
          candidates: stage.candidates.map {
            CandidateView(node: $0.node, total: $0.total, costs: $0.costs, excluded: $0.excluded, reuses: $0.reuses)
          }, winner: stage.winner, why: stage.why)
      }, totals: note.totals)
  }
}

extension PlanView {
  init(_ graph: ComponentGraph, _ request: ServiceRequest) {
    self.init(
      request: String(decoding: request.canonicalBytes, as: UTF8.self),
      stages: graph.stages.map { stage in
        StageView(
          id: stage.id, component: stage.component,
          parameters: Dictionary(stage.parameters.map { ($0.name, .text("\($0.value)")) }, uniquingKeysWith: { $1 }),
          inputs: stage.inputs)
      }, streamKeys: graph.stages.map { "\($0.key)" },
      outputs: graph.outputs.map { OutputView(name: $0.name, url: "", mimeType: $0.delivery.rawValue) })
  }
}
