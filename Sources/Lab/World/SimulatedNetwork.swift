import Base
import Core
import Wire

/// What lies between the machines: who hears whom, how long it takes, what is lost; and the links, which keep order and hold what
/// cannot pass until it can, or until they break.
struct SimulatedNetwork {
  /// A link's one direction for one purpose.
  struct Lane {
    let from: Int
    let to: Int
    /// On its way, in order.
    var queue = Ring()
    var lastArrival = Instant.zero
    var isPumping = false
  }
  /// First in, first out, without moving what waits.
  struct Ring {
    private var items: [(message: WireLinkMessage, arrival: Instant)?] = []
    private var head = 0
    var first: (message: WireLinkMessage, arrival: Instant)? { head < items.count ? items[head] : nil }
    var count: Int { items.count - head }
    mutating func append(_ message: WireLinkMessage, _ arrival: Instant) { items.append((message, arrival)) }
    mutating func removeFirst() {
      items[head] = nil
      head += 1
      if head > 64, head * 2 > items.count {
        items.removeFirst(head)
        head = 0
      }
    }
    mutating func removeAll() { (items, head) = ([], 0) }
  }

  var weather: Scenario.Weather
  let map: DelayMap
  let nodes: Int
  /// On top of the weather's.
  var rain = 0.0
  /// Nanoseconds more, by machine.
  var slowness: [Int64]
  private(set) var lanes: [Lane] = []
  /// Looked up, never iterated.
  private var laneNumbers: [Int: Int] = [:]
  /// How many faults keep what the first sends from the second.
  private var blocks: [Int: Int] = [:]
  /// When each machine's uplink is free again.
  private var upFree: [Instant]
  private let upRate: [Int64]

  init(map: DelayMap, weather: Scenario.Weather, upRate: [Int64]) {
    self.map = map
    self.weather = weather
    nodes = upRate.count
    self.upRate = upRate
    slowness = Array(repeating: 0, count: upRate.count)
    upFree = Array(repeating: .zero, count: upRate.count)
  }

  // MARK: Who hears whom

  func passes(_ from: Int, _ to: Int) -> Bool { blocks.isEmpty || blocks[from * nodes + to] == nil }

  mutating func block(_ from: Int, _ to: Int) { blocks[from * nodes + to, default: 0] += 1 }
  mutating func unblock(_ from: Int, _ to: Int) {
    let key = from * nodes + to
    if let count = blocks[key] { blocks[key] = count > 1 ? count - 1 : nil }
  }
  var isWhole: Bool { blocks.isEmpty }

  // MARK: How long it takes

  func delay(_ from: Int, _ to: Int, using random: inout SeededRandom) -> Duration {
    let spread = Int64(random.fraction() * weather.jitter * 1e6)
    return .nanoseconds(map.delay(from, to) + spread + slowness[from] + slowness[to])
  }

  /// When the last of so many bytes has left the machine. A link waits for its turn on the uplink; a datagram waits for no more
  /// than a router's queue, 100 ms.
  mutating func departure(of bytes: Int, from: Int, isDatagram: Bool, at now: Instant) -> Instant {
    let rate = upRate[from]
    guard rate > 0 else { return now }
    let begin = max(now, upFree[from])
    let end = begin + .nanoseconds(Int64(bytes) * 8_000_000_000 / rate)
    upFree[from] = end
    return isDatagram ? min(end, now + .milliseconds(100)) : end
  }

  /// When each copy of a datagram arrives: none, once or twice.
  mutating func arrivals(from: Int, to: Int, bytes: Int, at now: Instant, using random: inout SeededRandom) -> [Instant]
  {
    // The lots are drawn in any case, so that a partition changes nothing but itself.
    let (lot, twice, held) = (random.fraction(), random.fraction(), random.fraction())
    let way = delay(from, to, using: &random)
    let left = departure(of: bytes, from: from, isDatagram: true, at: now)
    guard passes(from, to), lot >= weather.loss + rain else { return [] }
    let late = held < weather.reordering ? Duration.nanoseconds(Int64(weather.jitter * 1e7)) : .zero
    let once = left + way + late
    return twice < weather.duplication ? [once, once + .milliseconds(3)] : [once]
  }

  // MARK: Links

  mutating func lane(from: Int, to: Int, _ purpose: LinkPurpose) -> Int {
    let key = (from * nodes + to) * 2 + (purpose == .media ? 1 : 0)
    if let number = laneNumbers[key] { return number }
    lanes.append(Lane(from: from, to: to))
    laneNumbers[key] = lanes.count - 1
    return lanes.count - 1
  }

  /// Puts a message on its way; when the lane is to be pumped, if it is not being pumped already.
  mutating func send(
    _ message: WireLinkMessage, on lane: Int, bytes: Int, at now: Instant, using random: inout SeededRandom
  ) -> Instant? {
    let (from, to) = (lanes[lane].from, lanes[lane].to)
    let left = departure(of: bytes, from: from, isDatagram: false, at: now)
    let arrival = max(lanes[lane].lastArrival, left + delay(from, to, using: &random))
    lanes[lane].lastArrival = arrival
    lanes[lane].queue.append(message, arrival)
    guard !lanes[lane].isPumping else { return nil }
    lanes[lane].isPumping = true
    return arrival
  }

  /// The message that has arrived, if it can pass; and when to come again.
  mutating func pump(_ lane: Int, at now: Instant) -> (arrived: WireLinkMessage?, again: Instant?) {
    guard let first = lanes[lane].queue.first else {
      lanes[lane].isPumping = false
      return (nil, nil)
    }
    guard first.arrival <= now else { return (nil, first.arrival) }
    guard passes(lanes[lane].from, lanes[lane].to) else { return (nil, now + SimulatedNetwork.retransmission) }
    lanes[lane].queue.removeFirst()
    let next = lanes[lane].queue.first?.arrival
    if next == nil { lanes[lane].isPumping = false }
    return (first.message, next.map { max($0, now) })
  }

  /// What is on its way between two machines, either way, is lost; whether there was a link at all.
  mutating func breakLinks(_ a: Int, _ b: Int) -> Bool {
    var found = false
    for (from, to) in [(a, b), (b, a)] {
      for purpose in 0...1 {
        guard let lane = laneNumbers[(from * nodes + to) * 2 + purpose] else { continue }
        found = true
        lanes[lane].queue.removeAll()
      }
    }
    return found
  }

  /// Whether two machines have spoken over a link since the last break.
  func haveLink(_ a: Int, _ b: Int) -> Bool {
    laneNumbers[(a * nodes + b) * 2] != nil || laneNumbers[(a * nodes + b) * 2 + 1] != nil
      || laneNumbers[(b * nodes + a) * 2] != nil || laneNumbers[(b * nodes + a) * 2 + 1] != nil
  }

  /// TCP tries again after this, roughly, while nothing passes.
  static let retransmission = Duration.milliseconds(200)
  /// A link on which nothing passes breaks after this, and one to a silent machine is not opened.
  static let linkTimeout = Duration.seconds(3)
}
