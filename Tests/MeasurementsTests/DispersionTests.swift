import Base
import Identity
import Testing
import Vocabulary

@testable import Measurements

/// Packet trains find how much a path carries.
@Suite("Dispersion of trains")
struct DispersionTests {
  static let nodes = (0..<300).map { NodeID(Digest.of([UInt8($0 / 256), UInt8($0 % 256)], kind: "test")) }

  /// A sender, a receiver, and a path of so many bits a second between them. Returns what the sender believes after its trains.
  static func measure(
    bits: Double, trains: Int, seed: UInt64 = 1, busyReceiver: Double = 0, loss: Double = 0
  ) -> Int64 {
    var (sender, receiver, random) = (PathProber(), PathProber(), SeededRandom(seed: seed))
    var now = Instant.zero
    _ = sender.follow(nodes[1], at: now)
    _ = receiver.follow(nodes[0], at: now)
    for _ in 0..<trains {
      now += .seconds(300)
      // The cars leave the narrow link one after the other; a busy receiver reads them at its own times.
      var leaves = now + .milliseconds(20)
      var readsAgain = now
      for effect in sender.sendNext(isBusy: false, at: now, using: &random) {
        guard case .sendTrain(let car, _) = effect else { continue }
        leaves += .fromSeconds(Double(Limits.trainBytes) * 8 / bits)
        if random.fraction() < loss { continue }
        if random.fraction() < busyReceiver { readsAgain = leaves + .milliseconds(1 + random.index(below: 10)) }
        for answer in receiver.onTrain(car, from: nodes[0], at: max(leaves, readsAgain)) {
          if case .sendTrain(let arrival, _) = answer { _ = sender.onTrain(arrival, from: nodes[1], at: leaves) }
        }
      }
      for answer in receiver.judge(nodes[0], at: now + Limits.trainTimeout) {
        if case .sendTrain(let arrival, _) = answer { _ = sender.onTrain(arrival, from: nodes[1], at: now) }
      }
    }
    sender.settle()
    return sender.rates.first?.capacity ?? 0
  }

  @Test("one train on a quiet path reads it to within two per cent", arguments: [1e6, 10e6, 100e6, 900e6])
  func quiet(bits: Double) {
    let read = Double(DispersionTests.measure(bits: bits, trains: 1))
    #expect(abs(read - bits) / bits < 0.02, "\(read)")
  }

  @Test("a receiver that is often busy does not make a thin path look fat", arguments: 1...5 as ClosedRange<UInt64>)
  func busyReceiver(seed: UInt64) {
    let read = Double(DispersionTests.measure(bits: 5e6, trains: 5, seed: seed, busyReceiver: 0.2))
    #expect(read > 2.5e6 && read < 10e6, "\(read)")
  }

  @Test("a path that drops some cars is measured all the same", arguments: 1...5 as ClosedRange<UInt64>)
  func lossy(seed: UInt64) {
    let read = Double(DispersionTests.measure(bits: 5e6, trains: 5, seed: seed, loss: 0.1))
    #expect(read > 3e6 && read < 5.5e6, "\(read)")
  }

  @Test("the report of a train that was not sent changes nothing")
  func forged() {
    var prober = PathProber()
    _ = prober.follow(DispersionTests.nodes[1], at: .zero)
    _ = prober.onTrain(.arrival(train: 7, bytes: 9_900, nanoseconds: 1_000), from: DispersionTests.nodes[1], at: .zero)
    prober.settle()
    #expect(prober.rates.isEmpty)
  }

  @Test("a link that was saturated says as much as a train")
  func reached() {
    var prober = PathProber()
    _ = prober.follow(DispersionTests.nodes[1], at: .zero)
    prober.reached(DispersionTests.nodes[1], 3_000_000)
    prober.settle()
    #expect(prober.rates == [PathRate(to: DispersionTests.nodes[1], capacity: 3_000_000, used: 0)])
  }

  @Test("an idle node's trains cost the same few bytes whatever the number of peers", arguments: [4, 49, 199])
  func idleCost(peers: Int) {
    var (prober, random) = (PathProber(), SeededRandom(seed: 1))
    var effects = DispersionTests.nodes.prefix(peers).flatMap { prober.follow($0, at: .zero) }
    var sent: [Int] = []
    var now = Instant.zero
    let hours = 2
    while now < .zero + .seconds(hours * 3_600) {
      guard case .setTimer(.train, let next)? = effects.last else {
        Issue.record("the next train was not planned")
        return
      }
      now = next
      effects = prober.sendNext(isBusy: false, at: now, using: &random)
      for case .sendTrain in effects { sent.append(Int(now.nanoseconds / 1_000_000_000)) }
    }
    let later = sent.count { $0 >= 3_600 }
    let rate = Double(later * (Limits.trainBytes + 62)) / 3_600
    print("trains of an idle node with \(peers) peers: \(Int(rate)) B/s after the first hour")
    #expect(rate <= 60)
    #expect(sent.count >= peers * Limits.trainCars, "each path was measured")
    let perSecond = Dictionary(grouping: sent, by: { $0 }).values.map(\.count).max() ?? 0
    #expect(perSecond <= 2 * Limits.trainCars)
  }
}
