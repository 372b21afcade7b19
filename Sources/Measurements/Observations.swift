import Base
import Identity
import Vocabulary

/// What was seen of a node by others than itself. It weighs more than what the node says, and less with every second.
public enum Observation: Hashable, Sendable {
  /// It refused work for want of this.
  case refused(Shortage)
  /// Share of the frames expected from it that came late: 0…1.
  case missed(Double)
  /// Bits a second that a saturated link from this node to it carried.
  case sent(Int64)
  /// Bits a second that a saturated link from it to this node carried.
  case received(Int64)
}

/// What a node may be short of.
public enum Shortage: Hashable, Sendable {
  case slots, cores, memory, bandwidth
}

/// Corrections of one node's word.
struct Observations: Sendable {
  private var shortages: OrderedDictionary<Shortage, Instant> = [:]
  private var missed: (share: Double, at: Instant)?
  private var received: (bits: Int64, at: Instant)?

  mutating func note(_ observation: Observation, at now: Instant) {
    switch observation {
    case .refused(let shortage): shortages[shortage] = now
    case .missed(let share): missed = (max(0, min(1, share.isFinite ? share : 0)), now)
    case .received(let bits): received = (max(0, bits), now)
    case .sent: break  // A path of this node's own: see PathProber.
    }
  }

  /// The report as it must be read now.
  func corrected(_ report: LoadReport, at now: Instant) -> LoadReport {
    var report = report
    func toward(_ seen: Double, from said: Double, _ since: Instant) -> Double {
      said + (seen - said) * Observations.weight(after: now - since)
    }
    for (shortage, since) in shortages {
      switch shortage {
      case .slots:
        let used = toward(Double(report.load.slots), from: Double(report.load.slotsUsed), since)
        report.load.slotsUsed = max(report.load.slotsUsed, Int(used.rounded()))
      case .cores: report.load.ownCPU = max(report.load.ownCPU, toward(1, from: report.load.ownCPU, since))
      case .memory: report.load.memory = max(report.load.memory, toward(1, from: report.load.memory, since))
      case .bandwidth:
        let (capacity, used) = (Double(report.rates.upCapacity), Double(report.rates.upUsed))
        report.rates.upUsed = max(report.rates.upUsed, Int64(toward(capacity, from: used, since)))
      }
    }
    if let missed { report.load.deadlineMisses = toward(missed.share, from: report.load.deadlineMisses, missed.at) }
    if let received {
      // A saturated link proves that much and, as the link was full, hardly more.
      let said = report.rates.upCapacity
      report.rates.upCapacity =
        said == 0 ? received.bits : Int64(toward(Double(received.bits), from: Double(said), received.at))
    }
    return report
  }

  /// 1 at once, a half after ``Base/Limits/observationHalfLife``, straight in between, and so on; 0 after ten half-lives.
  static func weight(after age: Duration) -> Double {
    var halves = max(0, age.seconds) / Limits.observationHalfLife.seconds
    guard halves < 10 else { return 0 }
    var weight = 1.0
    while halves >= 1 {
      weight /= 2
      halves -= 1
    }
    return weight * (1 - halves / 2)
  }
}
