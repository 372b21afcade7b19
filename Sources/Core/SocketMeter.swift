import Assignments
import Base
import Desks
import Identity
import Sessions
import Vocabulary

/// How fast each socket of this node moves payload: an average that forgets with a time constant of ``Limits/rateMemory``, out of byte
/// counters that are read now and then.
struct SocketMeter: Sendable {
  private struct Name: Hashable, Sendable {
    var user: LocalUser
    var stream: StreamKey
    var isIncoming: Bool
    var peer: NodeID
  }
  private struct Reading: Sendable {
    var bytes: UInt64
    var at: Instant
    /// Bits a second; nil before there were two readings.
    var rate: Double?
  }
  private var readings: OrderedDictionary<Name, Reading> = [:]

  /// - Returns: bits a second of the socket that stands so now; 0 until it was read twice. One that was opened anew counts anew.
  mutating func rate(of counter: StreamCounters, _ user: LocalUser, at now: Instant) -> UInt64 {
    let name = Name(user: user, stream: counter.stream, isIncoming: counter.isIncoming, peer: counter.peer)
    guard let before = readings[name], counter.bytes >= before.bytes else {
      readings[name] = Reading(bytes: counter.bytes, at: now)
      return 0
    }
    let seconds = (now - before.at).seconds
    guard seconds > 0 else { return UInt64(before.rate ?? 0) }
    let current = Double(counter.bytes - before.bytes) * 8 / seconds
    let weight = seconds / (seconds + Limits.rateMemory.seconds)
    let rate = before.rate.map { $0 + (current - $0) * weight } ?? current
    readings[name] = Reading(bytes: counter.bytes, at: now, rate: rate)
    return UInt64(rate)
  }

  /// Sockets that were not read just now are closed.
  mutating func forgetUnread(at now: Instant) { readings.removeAll { $0.value.at < now } }
}

extension Limits {
  /// Rates of sockets are averaged over about so long: a person sees a figure that neither jumps nor lags.
  public static let rateMemory = Duration.seconds(2)
}
