import Base
import Identity
import Vocabulary

/// Turns counters into shares and rates.
struct Gauge: Sendable {
  private var last: (sample: MachineSample, at: Instant)?
  private var framesDue = 0.0
  private var framesLate = 0.0
  private var framesAt = Instant.zero
  private var interfaceUp = RateMeter()
  private var interfaceDown = RateMeter()
  private var peersUp = RateMeter()
  private var peersDown = RateMeter()

  /// Bits a second over this node's link, both ways, whatever the larger reading says.
  var rate: Double { 8 * max(interfaceUp.rate + interfaceDown.rate, peersUp.rate + peersDown.rate) }

  mutating func read(_ sample: MachineSample, offer: NodeOffer, into load: inout LoadVector, at now: Instant) {
    defer { last = (sample, now) }
    interfaceUp.read(sample.sent, at: now)
    interfaceDown.read(sample.received, at: now)
    load.memory = share(Double(sample.ownMemory) / Double(max(offer.memory, 1)))
    guard let last, sample.allTicks > last.sample.allTicks else { return }
    let all = Double(sample.allTicks - last.sample.allTicks)
    let seconds = max((now - last.at).seconds, 0.001)
    let busy = Double(sample.busyTicks - min(sample.busyTicks, last.sample.busyTicks))
    let own = Double(sample.ownTicks - min(sample.ownTicks, last.sample.ownTicks))
    smooth(&load.machineCPU, busy / all)
    smooth(&load.ownCPU, own / all * offer.machineCores / max(offer.cores, 0.1))
    if let stalled = sample.stalledMicroseconds, let before = last.sample.stalledMicroseconds, stalled >= before {
      smooth(&load.cpuPressure, Double(stalled - before) / 1e6 / seconds)
    }
    decay(at: now, into: &load)
  }

  mutating func count(due: UInt64, late: UInt64, into load: inout LoadVector, at now: Instant) {
    decay(at: now, into: &load)
    framesDue += Double(due)
    framesLate += Double(min(late, due))
    load.deadlineMisses = framesDue >= 1 ? share(framesLate / framesDue) : 0
  }

  mutating func count(_ traffic: [(node: NodeID, sent: UInt64, received: UInt64)], at now: Instant) {
    peersUp.read(traffic.reduce(0) { $0 &+ $1.sent }, at: now)
    peersDown.read(traffic.reduce(0) { $0 &+ $1.received }, at: now)
  }

  func rates(best: (up: Int64, down: Int64), offer: NodeOffer) -> LinkRates {
    func capped(_ measured: Int64, _ cap: Int64) -> Int64 {
      cap == 0 ? measured : measured == 0 ? cap : min(measured, cap)
    }
    return LinkRates(
      upCapacity: capped(best.up, offer.upCap), downCapacity: capped(best.down, offer.downCap),
      upUsed: Int64(8 * max(interfaceUp.rate, peersUp.rate)),
      downUsed: Int64(8 * max(interfaceDown.rate, peersDown.rate)))
  }

  /// Half of what was counted is forgotten every five seconds.
  private mutating func decay(at now: Instant, into load: inout LoadVector) {
    while now - framesAt >= .seconds(5) {
      framesDue /= 2
      framesLate /= 2
      framesAt = framesAt == .zero ? now : framesAt + .seconds(5)
    }
    if framesDue < 1 { load.deadlineMisses = 0 }
  }

  private func smooth(_ value: inout Double, _ reading: Double) { value = share(value * 0.6 + share(reading) * 0.4) }
  private func share(_ value: Double) -> Double { value.isFinite ? min(1, max(0, value)) : 0 }
}
