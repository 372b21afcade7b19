import Base
import Vocabulary

/// What an output socket still holds of its stream: everything that some subscriber has not acknowledged, back to the key
/// packet before, and as much of what lies before that as ``Limits/retention`` allows, for joiners. It begins at a key
/// packet wherever that costs no unacknowledged one.
struct ReplayWindow: Sendable {
  struct Entry: Sendable {
    let packet: Packet
    /// Which of the stream's formats it is in.
    let format: Int
    /// Cost of all packets ever appended, this one included: differences are the cost of stretches.
    let through: Int
    let madeAt: Instant
  }

  private var entries = Ring<Entry>()
  /// Sequence numbers (packets ever appended) of the key packets held.
  private var keys = Ring<Int>()
  private var formats: [(number: Int, format: MediaFormat)] = []
  private var appended = 0
  private var through = 0
  private var droppedThrough = 0
  /// Whether the stream's first packet is held, or none has been dropped yet.
  private(set) var holdsBeginning: Bool

  /// - Parameter beginning: whether the first packet appended will be the stream's first.
  init(beginning: Bool) { holdsBeginning = beginning }

  var count: Int { entries.count }
  var first: Position? { entries.first?.packet.position }
  var last: Position? { entries.last?.packet.position }
  /// Cost of all that is held, in bytes.
  var bytes: Int { through - droppedThrough }
  /// When the newest packet was made.
  var madeAt: Instant? { entries.last?.madeAt }
  var format: MediaFormat? { formats.last?.format }
  var formatNumber: Int? { formats.last?.number }
  var lastKey: Position? { keys.last.map { self[$0 - firstSequence].packet.position } }
  var firstKey: Position? { keys.first.map { self[$0 - firstSequence].packet.position } }

  subscript(offset: Int) -> Entry { entries[offset] }
  func format(_ number: Int) -> MediaFormat? { formats.first { $0.number == number }?.format }

  private var firstSequence: Int { appended - entries.count }

  // MARK: Appending

  /// The packets to come are in this format; the same as before changes nothing. False: more changes than a window can
  /// bear.
  mutating func announce(_ format: MediaFormat) -> Bool {
    guard format != formats.last?.format else { return true }
    forgetFormats()
    guard formats.count < Limits.windowFormats else { return false }
    formats.append((number: (formats.last?.number ?? 0) + 1, format: format))
    return true
  }

  /// - Precondition: a format was announced, and the packet continues the stream.
  mutating func append(_ packet: Packet, at now: Instant) {
    guard let format = formats.last?.number else { preconditionFailure("a packet before its format") }
    through += packet.payload.count + Limits.packetOverhead
    if packet.isKey { keys.append(appended) }
    appended += 1
    entries.append(Entry(packet: packet, format: format, through: through, madeAt: now))
  }

  // MARK: Asking

  /// The offset of the first packet at or after a position; ``count`` when all are before, 0 for nil.
  func offset(of position: Position?) -> Int {
    guard let position else { return 0 }
    if let last, last < position { return entries.count }
    return entries.prefixCount { $0.packet.position < position }
  }

  /// Cost of all that is held at or after a position, in bytes; of everything for nil.
  func bytes(from position: Position?) -> Int { through - cost(before: offset(of: position)) }

  /// How many packets are held at or after a position; all for nil.
  func packets(from position: Position?) -> Int { entries.count - offset(of: position) }

  /// The newest packet below a position.
  func newest(below position: Position) -> Packet? {
    let offset = offset(of: position)
    return offset == 0 ? nil : entries[offset - 1].packet
  }

  private func cost(before offset: Int) -> Int { offset == 0 ? droppedThrough : entries[offset - 1].through }

  /// Whether what is held at or after a position is all that a window may hold; the worker then stops.
  func isFull(from position: Position?) -> Bool {
    let held = bytes(from: position)
    return held >= Limits.windowHard || (held >= Limits.windowSoft && packets(from: position) >= Limits.pipelinePackets)
  }

  // MARK: Letting go

  /// Lets go of what is acknowledged and beyond the retention; nil: nothing is acknowledged.
  mutating func trim(acknowledgedBelow position: Position?) {
    guard let position, !entries.isEmpty else { return }
    let acknowledged = firstSequence + offset(of: position)
    let newest = min(acknowledged, appended - 1)
    while kept(before: acknowledged) > Limits.retention, let key = nextKey(after: firstSequence, notAfter: newest) {
      drop(before: key)
    }
    // A stream without key packets would be kept for ever.
    if kept(before: acknowledged) > Limits.retention + Limits.windowSoft { drop(before: acknowledged) }
  }

  private func kept(before sequence: Int) -> Int { cost(before: sequence - firstSequence) - droppedThrough }

  private func nextKey(after sequence: Int, notAfter limit: Int) -> Int? {
    let next = keys.prefixCount { $0 <= sequence }
    return next < keys.count && keys[next] <= limit ? keys[next] : nil
  }

  private mutating func drop(before sequence: Int) {
    while firstSequence < sequence, let entry = entries.popFirst() { droppedThrough = entry.through }
    while let key = keys.first, key < firstSequence { keys.popFirst() }
    holdsBeginning = false
    forgetFormats()
  }

  private mutating func forgetFormats() {
    guard formats.count > 1 else { return }
    let oldest = entries.first?.format ?? formats.last?.number ?? 0
    let newest = formats.last?.number
    formats.removeAll { $0.number < oldest && $0.number != newest }
  }
}
