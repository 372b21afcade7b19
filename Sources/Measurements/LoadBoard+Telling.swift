import Base
import Identity
import Vocabulary

// The own report, and how all reports spread beside probes.

extension LoadBoard {
  // MARK: - The own report

  /// Signs what moved or is due; `.published` when something moved, so that it is spread at once.
  mutating func tell(at now: Instant, wall: WallTime) -> [BoardEffect] {
    paths.settle()
    if let toldAt, now - toldAt < Limits.reportPause {
      let hasNews = drafts(at: now).contains { $0.verdict == .moved }
      return hasNews ? [.setTimer(.publish, at: toldAt + Limits.reportPause)] : []
    }
    let drafts = drafts(at: now)
    if !drafts.contains(where: \.isOfPaths) { judgedPaths = paths.version }
    guard !drafts.isEmpty else { return [] }
    for draft in drafts {
      sequence += 1
      hold(Signed(ReportPart(node: node, sequence: sequence, wall: wall, content: draft.content), by: keys), at: now)
    }
    toldAt = now
    let pulse = place(of: .pulse, ofNodeAt: nodes.index(forKey: node)).map { rows[$0].received } ?? now
    return (drafts.contains { $0.verdict == .moved } ? [.published] : [])
      + [.setTimer(.publish, at: pulse + Limits.reportInterval)]
  }

  private enum Verdict { case moved, due, stale }

  /// Something to tell.
  private struct Draft {
    var content: ReportPart.Content
    var verdict: Verdict
    var isOfPaths: Bool { if case .paths = content { true } else { false } }
  }

  private func judge(_ content: ReportPart.Content, besideThatOf index: Int?, at now: Instant) -> Verdict {
    let slot = content.slot
    guard let held = place(of: slot, ofNodeAt: index) else { return .moved }
    if content.movedNoticeably(since: parts[held].body.content) { return .moved }
    return slot == .pulse && now - rows[held].received >= Limits.reportInterval ? .due : .stale
  }

  /// What there is to tell; pages that were told and are empty now are told as such.
  private func drafts(at now: Instant) -> [Draft] {
    let known = nodes.index(forKey: node)
    var drafts: [Draft] = []
    func consider(_ content: ReportPart.Content) {
      let verdict = judge(content, besideThatOf: known, at: now)
      if verdict != .stale { drafts.append(Draft(content: content, verdict: verdict)) }
    }
    consider(
      .pulse(
        ReportPart.Pulse(
          load: load, rates: gauge.rates(best: paths.best, offer: offer), coordinate: own.coordinate,
          promisedSlots: own.promisedSlots, promisedCores: own.promisedCores)))
    // The offer stays what it is: told once, it is not judged again.
    if place(of: .offer, ofNodeAt: known) == nil { consider(.offer(offer.components)) }
    for page in LoadReport.pages(own.streams, of: Limits.streamsPerPage, most: Limits.reportedStreams) {
      consider(.streams(page.index, page.items))
    }
    // What was judged before is not judged again.
    let pathsMoved = paths.version != judgedPaths
    if pathsMoved {
      for page in LoadReport.pages(paths.rates, of: Limits.pathsPerPage, most: Limits.reportedPaths) {
        consider(.paths(page.index, page.items))
      }
    }
    for place in known.map({ nodes.values[$0].places }) ?? [] {
      switch marks[place].slot {
      case .streams(let page) where page * Limits.streamsPerPage >= own.streams.count: consider(.streams(page, []))
      case .paths(let page) where pathsMoved && page * Limits.pathsPerPage >= paths.rates.count:
        consider(.paths(page, []))
      default: break
      }
    }
    return drafts
  }

  // MARK: - Beside a datagram

  /// Parts to send beside a datagram, within `bytes` and the budget: the newest, nearest, most changed and least told first.
  /// What came first goes first would be worse: where there is more to tell than the budget allows, old news then delay all.
  /// - Parameter isFirstHand: nobody else may tell the addressee of this node, so its own parts go first, however often they were told.
  public mutating func piggyback(
    bytes: Int = Limits.reportBytes, isFirstHand: Bool = false, at now: Instant
  ) -> [SignedEnvelope] {
    allowance = min(
      Limits.reportBudget * Limits.reportSavings.seconds, allowance + (now - allowanceAt).seconds * Limits.reportBudget)
    allowanceAt = now
    var room = min(bytes, Int(allowance))
    guard room >= Limits.envelopeBytes, !rows.isEmpty else { return [] }
    let most = Int32(max(2, Int((Limits.reportRetransmits * digits(of: members.count + 1)).rounded())))
    if isFirstHand, let own = nodes.index(forKey: node) { for place in nodes.values[own].places { list(place) } }
    var taken: [SignedEnvelope] = []
    // Taken out while they are worked on: this goes over all of them for each datagram, and nobody else looks meanwhile.
    var (untold, rows) = ([Int32](), [Row]())
    swap(&untold, &self.untold)
    swap(&rows, &self.rows)
    defer {
      swap(&untold, &self.untold)
      swap(&rows, &self.rows)
    }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: max(untold.count, 1)) { weights in
      let kept = untold.withUnsafeMutableBufferPointer { untold in
        rows.withUnsafeMutableBufferPointer { rows in
          LoadBoard.weigh(untold, rows, into: weights, most: most, isFirstHand: isFirstHand, marks, at: now)
        }
      }
      untold.removeLast(untold.count - kept)
      // The best one that fits, then the next: a few fit, of hundreds.
      while room >= Limits.envelopeBytes {
        var best = -1
        var weight = 0.0
        for index in 0..<kept where weights[index] > weight && rows[Int(untold[index])].size <= room {
          (best, weight) = (index, weights[index])
        }
        guard best >= 0 else { break }
        weights[best] = -1
        let place = Int(untold[best])
        taken.append(parts[place].envelope)
        rows[place].sent += 1
        room -= Int(rows[place].size)
        allowance -= Double(rows[place].size)
      }
    }
    return taken
  }

  /// Leaves in `untold` what is still to be told, each with its weight.
  /// - Returns: how many these are.
  private static func weigh(
    _ untold: UnsafeMutableBufferPointer<Int32>, _ rows: UnsafeMutableBufferPointer<Row>,
    into weights: UnsafeMutableBufferPointer<Double>, most: Int32, isFirstHand: Bool, _ marks: [Mark], at now: Instant
  ) -> Int {
    var kept = 0
    for place in untold {
      let row = rows[Int(place)]
      let isForced = isFirstHand && row.isOwn
      guard row.sent < most && row.isWanted || isForced else {
        rows[Int(place)].isUntold = false
        continue
      }
      if isForced {
        // First what makes a report at all.
        let slot = marks[Int(place)].slot
        weights[kept] = slot == .pulse ? 7 : slot == .offer ? 6 : 5
      } else {
        let age = 1 + Double(now.nanoseconds - row.received.nanoseconds) / 1e9
        weights[kept] = row.nearness * (row.moved ? 1 : 0.25) / (age * Double(1 + row.sent))
      }
      untold[kept] = place
      kept += 1
    }
    return kept
  }

  /// log10, at least 1, straight between powers of ten.
  private func digits(of count: Int) -> Double {
    var (rest, digits) = (Double(max(count, 10)), 0.0)
    while rest >= 10 { (rest, digits) = (rest / 10, digits + 1) }
    return digits + (rest - 1) / 9
  }
}
