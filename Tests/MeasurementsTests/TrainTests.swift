import Base
import Identity
import Testing
import Vocabulary

@testable import Measurements

/// Two boards with a path between them that carries so many bits a second, from one seed.
private struct Path {
  var boards: [LoadBoard]
  let keys: [KeyPair]
  var bits: Double
  var loss = 0.0
  var now = Instant.zero
  var trace: [String] = []
  private var random: SeededRandom
  private var queue: [(at: Instant, order: Int, to: Int, input: BoardInput)] = []
  private var free: [Instant] = [.zero, .zero]
  private var order = 0

  init(bits: Double, seed: UInt64 = 1, loss: Double = 0) {
    self.bits = bits
    self.loss = loss
    random = SeededRandom(seed: seed)
    keys = [1, 2].map { KeyPair(seed: Digest.of([$0], kind: "train")) }
    let offer = NodeOffer(components: nil, slots: 4, cores: 2, machineCores: 2, memory: 1 << 30)
    boards = keys.map { LoadBoard(keys: $0, offer: offer, sequence: 1) }
    for number in 0...1 { tell(number, .members([keys[1 - number].id])) }
  }

  mutating func run(for length: Duration) {
    let end = now + length
    while let index = queue.indices.min(by: { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }),
      queue[index].at <= end
    {
      let next = queue.remove(at: index)
      now = next.at
      tell(next.to, next.input)
    }
    now = end
  }

  mutating func tell(_ number: Int, _ input: BoardInput) {
    let wall = WallTime(milliseconds: now.nanoseconds / 1_000_000)
    for effect in boards[number].handle(input, at: now, wall: wall, using: &random) {
      if case .published = effect {} else { trace.append("\(now.nanoseconds) \(number) \(effect)") }
      switch effect {
      case .published: break
      case .setTimer(let timer, let at): push(number, .timer(timer), at: at)
      case .sendTrain(let message, _):
        // One after the other through the narrow place, each for as long as its bytes take.
        let bytes = if case .car = message { Limits.trainBytes } else { 100 }
        free[number] = max(now, free[number]) + .fromSeconds(Double(8 * bytes) / bits)
        guard random.fraction() >= loss, let wire = try? TrainMessage(validating: message.wire) else { continue }
        push(1 - number, .train(wire, from: keys[number].id), at: free[number] + .milliseconds(10))
      }
    }
  }

  private mutating func push(_ to: Int, _ input: BoardInput, at: Instant) {
    order += 1
    queue.append((max(now, at), order, to, input))
  }

  /// What a board says of the path to the other.
  mutating func measured(by number: Int) -> LoadReport? {
    tell(number, .timer(.publish))
    return boards[number][keys[number].id]?.report
  }
}

@Suite("Packet trains")
struct TrainTests {
  @Test(
    "measure what a path carries within ten per cent",
    arguments: [500_000, 5_000_000, 100_000_000, 1_000_000_000] as [Double])
  func estimate(bits: Double) throws {
    var path = Path(bits: bits)
    path.run(for: .seconds(10))
    let said = path.measured(by: 0)
    let report = try #require(said)
    let rate = try #require(report.paths.first { $0.to == path.keys[1].id })
    #expect(abs(Double(rate.capacity) - bits) <= bits / 10, "\(rate.capacity) of \(bits)")
    #expect(abs(Double(report.rates.upCapacity) - bits) <= bits / 10)
    #expect(abs(Double(report.rates.downCapacity) - bits) <= bits / 10)
  }

  @Test(
    "a train that lost cars tells no more than the path carries, and something", arguments: 1...5 as ClosedRange<UInt64>
  )
  func lost(seed: UInt64) throws {
    var path = Path(bits: 5_000_000, seed: seed, loss: 0.2)
    path.run(for: .seconds(1_000))
    let said = path.measured(by: 0)
    let rate = try #require(said?.paths.first)
    #expect(Double(rate.capacity) <= 5_500_000, "\(rate.capacity)")
    #expect(Double(rate.capacity) >= 1_500_000, "\(rate.capacity)")
  }

  @Test("a path is measured seldom while nothing flows, and never with more than one train at a time")
  func seldom() {
    var path = Path(bits: 5_000_000)
    path.run(for: .seconds(600))
    let cars = path.trace.count { $0.contains(" 0 ") && $0.contains("car(") }
    let trains = Limits.firstTrains + 2
    #expect(
      cars == trains * Limits.trainCars,
      "\(cars) cars in ten minutes: three at the start, one after four and after eight")
  }

  @Test("the word of an arrival that nobody asked for changes nothing")
  func unasked() {
    var path = Path(bits: 5_000_000)
    path.run(for: .seconds(10))
    let before = path.measured(by: 0)?.paths
    path.tell(0, .train(.arrival(train: 999, bytes: 1_000_000, nanoseconds: 1), from: path.keys[1].id))
    path.tell(0, .train(.arrival(train: 1, bytes: 1_000_000, nanoseconds: 1), from: path.keys[1].id))
    let after = path.measured(by: 0)?.paths
    #expect(after == before && before?.isEmpty == false)
  }

  @Test("a car survives the wire and fills its datagram; one with absurd numbers is refused")
  func wire() throws {
    let car = TrainMessage.car(train: 3, index: 9, count: 10)
    #expect(try TrainMessage(validating: car.wire) == car)
    #expect(car.wire.wireBytes.count <= Limits.trainBytes && car.wire.wireBytes.count > Limits.trainBytes - 100)
    for absurd in [
      TrainMessage.car(train: 1, index: 10, count: 10), .car(train: 1, index: 0, count: 1),
      .arrival(train: 1, bytes: 1, nanoseconds: -1),
    ] {
      #expect(throws: InvalidMessage.self) { try TrainMessage(validating: absurd.wire) }
    }
  }

  @Test("who begins one train after the other has one timer here, and no more trains than are allowed are on their way")
  func manyTrains() {
    var prober = PathProber()
    let keys = (0..<Limits.arrivingTrains + 10).map { number in
      KeyPair(seed: Digest.of(Array("\(number)".utf8), kind: "train")).id
    }
    func car(_ train: UInt64, from node: NodeID) -> [BoardEffect] {
      prober.onTrain(.car(train: train, index: 0, count: 10), from: node, at: .zero)
    }
    let timers = (0..<100 as Range<UInt64>).flatMap { car($0, from: keys[0]) }
      .compactMap { if case .setTimer(let timer, _) = $0 { timer } else { nil } }
    #expect(timers.count == 100 && Set(timers).count == 1)
    for node in keys { _ = car(1, from: node) }
    #expect(prober.arrivals == Limits.arrivingTrains)
  }

  @Test("one seed, one course")
  func determinism() {
    func course(_ seed: UInt64) -> [String] {
      var path = Path(bits: 5_000_000, seed: seed, loss: 0.1)
      path.run(for: .seconds(300))
      return path.trace
    }
    let once = course(4)
    #expect(once.count > 30 && once == course(4) && once != course(5))
  }
}
