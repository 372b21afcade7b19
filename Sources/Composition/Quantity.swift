/// Quantities as people write them, and back: exact, in decimal, without a detour through floating point.
public enum Quantity {
  /// `800000`, `800k`, `1.5M` → bits a second; nil for anything else.
  static func bits(_ text: String) -> Int64? {
    if text.hasSuffix("k") { return decimal(text.dropLast(), places: 3) }
    if text.hasSuffix("M") { return decimal(text.dropLast(), places: 6) }
    return decimal(text, places: 0)
  }

  /// The shortest form that ``bits(_:)`` reads back.
  static func bitrate(_ bits: Int64) -> String {
    if bits != 0, bits % 1_000_000 == 0 { return "\(bits / 1_000_000)M" }
    if bits != 0, bits % 1_000 == 0 { return "\(bits / 1_000)k" }
    return "\(bits)"
  }

  /// `1.5s`, `-200ms`, `2m`, `1:30`, `0:01:30.5` → milliseconds; nil for anything else, bare numbers included.
  public static func milliseconds(_ text: String) -> Int64? {
    if text.hasPrefix("-") { return text.hasPrefix("--") ? nil : milliseconds(String(text.dropFirst())).map { -$0 } }
    if text.hasSuffix("ms") { return decimal(text.dropLast(2), places: 0) }
    if text.hasSuffix("s") { return decimal(text.dropLast(), places: 3) }
    if text.hasSuffix("m") { return decimal(text.dropLast(), places: 3).map { $0 * 60 } }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (2...3).contains(parts.count), let seconds = decimal(parts[parts.count - 1], places: 3) else { return nil }
    var total = seconds
    var unit: Int64 = 60_000
    for part in parts.dropLast().reversed() {
      guard let value = decimal(part, places: 0) else { return nil }
      total += value * unit
      unit *= 60
    }
    return total
  }

  /// The shortest form that ``milliseconds(_:)`` reads back.
  static func time(_ milliseconds: Int64) -> String {
    milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
  }

  /// Digits, at most nine, with at most `places` more after a point, times ten to `places`.
  private static func decimal(_ text: some StringProtocol, places: Int) -> Int64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, (1...9).contains(parts[0].count),
      parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
      let whole = Int64(parts[0])
    else { return nil }
    let scale = (0..<places).reduce(Int64(1)) { power, _ in power * 10 }
    guard parts.count == 2 else { return whole * scale }
    guard (1...max(places, 1)).contains(parts[1].count), places > 0 else { return nil }
    let padded = parts[1] + String(repeating: "0", count: places - parts[1].count)
    return Int64(padded).map { whole * scale + $0 }
  }
}
