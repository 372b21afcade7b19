import Base
import Identity
import Vocabulary

// The own report, and how all reports spread beside probes.

extension LoadBoard {
  // MARK: - The own report

  /// Signs what moved or is due; `.published` when something moved, so that it is spread at once.
  mutating func tell(at now: Instant, wall: WallTime) -> [BoardEffect] {
    if let toldAt, now - toldAt < Limits.reportPause {
      return hasNews(at: now) ? [.setTimer(.publish, at: toldAt + Limits.reportPause)] : []
    }
    var moved = false
    var isTold = false
    for content in contents {
      let verdict = judge(content, at: now)
      guard verdict != .stale else { continue }
      sequence += 1
      hold(Signed(ReportPart(node: node, sequence: sequence, wall: wall, content: content), by: keys), at: now)
      moved = moved || verdict == .moved
      isTold = true
    }
    guard isTold else { return [] }
    toldAt = now
    let pulse = nodes[node]?.parts[.pulse]?.received ?? now
    return (moved ? [.published] : []) + [.setTimer(.publish, at: pulse + Limits.reportInterval)]
  }

  private enum Verdict { case moved, due, stale }

  private func judge(_ content: ReportPart.Content, at now: Instant) -> Verdict {
    let slot = ReportPart(node: node, sequence: 0, wall: WallTime(milliseconds: 0), content: content).slot
    guard let held = nodes[node]?.parts[slot] else { return .moved }
    if content.movedNoticeably(since: held.part.body.content) { return .moved }
    return slot == .pulse && now - held.received >= Limits.reportInterval ? .due : .stale
  }

  private func hasNews(at now: Instant) -> Bool { contents.contains { judge($0, at: now) == .moved } }

  /// What there is to tell; pages that were told and are empty now are told as such.
  private var contents: [ReportPart.Content] {
    var contents = current.contents
    for slot in nodes[node]?.parts.keys ?? [] {
      switch slot {
      case .streams(let page) where page * Limits.streamsPerPage >= own.streams.count:
        contents.append(.streams(page, []))
      case .paths(let page) where page * Limits.pathsPerPage >= paths.rates.count: contents.append(.paths(page, []))
      default: break
      }
    }
    return contents
  }

  private var current: LoadReport {
    var report = LoadReport(node: node, sequence: sequence, wall: WallTime(milliseconds: 0))
    report.load = load
    report.rates = gauge.rates(best: paths.best, offer: offer)
    report.paths = paths.rates
    report.coordinate = own.coordinate
    report.streams = Array(own.streams.prefix(Limits.reportedStreams))
    report.components = offer.components
    report.promisedSlots = own.promisedSlots
    report.promisedCores = own.promisedCores
    return report
  }

  // MARK: - Beside a datagram

  /// Parts to send beside a datagram, within `bytes` and the budget: the newest, nearest, most changed and least told first.
  /// What came first goes first would be worse: where there is more to tell than the budget allows, old news then delay all.
  public mutating func piggyback(bytes: Int = Limits.reportBytes, at now: Instant) -> [SignedEnvelope] {
    allowance = min(
      Limits.reportBudget * Limits.reportSavings.seconds, allowance + (now - allowanceAt).seconds * Limits.reportBudget)
    allowanceAt = now
    var room = min(bytes, Int(allowance))
    var taken: [SignedEnvelope] = []
    for candidate in candidates(at: now) {
      guard candidate.size <= room, let held = nodes[candidate.node]?.parts[candidate.slot] else { continue }
      taken.append(held.part.envelope)
      nodes[candidate.node]!.parts[candidate.slot]!.sent += 1
      room -= candidate.size
      allowance -= Double(candidate.size)
      if room < Limits.envelopeBytes { break }
    }
    return taken
  }

  private struct Candidate {
    var node: NodeID
    var slot: ReportPart.Slot
    var size: Int
    var weight: Double
  }

  private func candidates(at now: Instant) -> [Candidate] {
    let most = max(2, Int((Limits.reportRetransmits * digits(of: members.count + 1)).rounded()))
    var candidates: [Candidate] = []
    for (node, known) in nodes where known.parts.values.contains(where: { $0.sent < most }) {
      // Near nodes are what near peers place on; the own report has nobody else to begin with.
      let nearness =
        node == self.node ? 4 : 50 / (50 + (known.report.map { own.coordinate.roundTrip(to: $0.coordinate) } ?? 0))
      for (slot, held) in known.parts where held.sent < most {
        let weight = nearness * (held.moved ? 1 : 0.25) / (1 + (now - held.received).seconds) / Double(1 + held.sent)
        candidates.append(
          Candidate(node: node, slot: slot, size: held.part.bytes.count + Limits.envelopeBytes, weight: weight))
      }
    }
    return candidates.sorted { $0.weight > $1.weight }
  }

  /// log10, at least 1, straight between powers of ten.
  private func digits(of count: Int) -> Double {
    var (rest, digits) = (Double(max(count, 10)), 0.0)
    while rest >= 10 { (rest, digits) = (rest / 10, digits + 1) }
    return digits + (rest - 1) / 9
  }
}
