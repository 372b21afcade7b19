import Base

/// What the kernel says of a machine and of this peer's processes, read at one moment. Reading is the shell's; the meaning of
/// the text is here, so that it can be tested.
public struct MachineSample: Hashable, Sendable {
  /// Ticks of all CPUs that were not idle, since boot.
  public var busyTicks: UInt64
  /// Ticks of all CPUs, since boot.
  public var allTicks: UInt64
  /// Ticks of this peer's processes, since their start; may fall when a worker ends.
  public var ownTicks: UInt64
  /// Microseconds in which some task waited for a CPU, since boot; nil where the kernel does not say.
  public var stalledMicroseconds: UInt64?
  /// Bytes of memory of this peer's processes.
  public var ownMemory: Int64
  /// Bytes over all interfaces but loopback, since boot: (received, sent).
  public var received: UInt64
  /// See ``received``.
  public var sent: UInt64

  /// Each text as the kernel gives it; what is missing counts as nothing.
  /// - Parameters:
  ///   - stat: `/proc/stat`.
  ///   - processes: `/proc/PID/stat` of this peer and its workers.
  ///   - pressure: `/proc/pressure/cpu`.
  ///   - network: `/proc/net/dev`.
  public init(stat: String, processes: [String], pressure: String?, network: String, pageSize: Int64 = 4096) {
    let ticks = ProcText.cpuTicks(stat)
    busyTicks = ticks.busy
    allTicks = ticks.all
    let own = processes.compactMap(ProcText.process)
    ownTicks = own.reduce(0) { $0 &+ $1.ticks }
    ownMemory = own.reduce(0) { $0 &+ $1.pages } &* pageSize
    stalledMicroseconds = pressure.flatMap(ProcText.stalled)
    (received, sent) = ProcText.traffic(network)
  }
}

/// The kernel's texts (proc(5)).
enum ProcText {
  /// The first line of `/proc/stat`: user nice system idle iowait irq softirq steal.
  static func cpuTicks(_ text: String) -> (busy: UInt64, all: UInt64) {
    guard let line = text.split(separator: "\n").first, line.hasPrefix("cpu ") else { return (0, 0) }
    let fields = line.split(separator: " ").dropFirst().prefix(8).compactMap { UInt64($0) }
    guard fields.count >= 5 else { return (0, 0) }
    let all = fields.reduce(0, &+)
    return (all &- fields[3] &- fields[4], all)
  }

  /// Ticks in user and kernel mode and resident pages; the command in parentheses may hold anything.
  static func process(_ text: String) -> (ticks: UInt64, pages: Int64)? {
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = UInt64(fields[11]), let kernel = UInt64(fields[12]),
      let pages = Int64(fields[21])
    else { return nil }
    return (user &+ kernel, pages)
  }

  /// `some … total=MICROSECONDS` of `/proc/pressure/cpu`.
  static func stalled(_ text: String) -> UInt64? {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("some") }),
      let total = line.split(separator: " ").first(where: { $0.hasPrefix("total=") })
    else { return nil }
    return UInt64(total.dropFirst(6))
  }

  /// Sums of all interfaces but `lo`: bytes received, bytes sent.
  static func traffic(_ text: String) -> (UInt64, UInt64) {
    var (received, sent): (UInt64, UInt64) = (0, 0)
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let name = line[..<colon].trimmingSpaces
      let fields = line[line.index(after: colon)...].split(separator: " ")
      guard name != "lo", fields.count >= 9, let down = UInt64(fields[0]), let up = UInt64(fields[8]) else { continue }
      received &+= down
      sent &+= up
    }
    return (received, sent)
  }
}

extension Substring {
  fileprivate var trimmingSpaces: Substring { drop { $0 == " " } }
}

/// A rate out of a growing counter, smoothed over about three seconds.
public struct RateMeter: Hashable, Sendable {
  private var last: (count: UInt64, at: Instant)?
  /// Units a second; 0 before two readings.
  public private(set) var rate = 0.0

  /// Nothing read yet.
  public init() {}

  /// Reads the counter. One that fell has begun anew.
  public mutating func read(_ count: UInt64, at now: Instant) {
    defer { last = (count, now) }
    guard let last, now > last.at, count >= last.count else { return }
    let seconds = (now - last.at).seconds
    let weight = min(1, seconds / 3)
    rate += (Double(count - last.count) / seconds - rate) * weight
  }

  public static func == (a: RateMeter, b: RateMeter) -> Bool { a.rate == b.rate && a.last?.count == b.last?.count }
  public func hash(into hasher: inout Hasher) { hasher.combine(rate) }
}
