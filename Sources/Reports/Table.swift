/// Columns and rows of text, as a report shows them and as CSV (RFC 4180) carries them.
public struct Table: Hashable, Sendable {
  /// Above it in a report; empty: nothing.
  public var title: String
  /// What a reader must know to read it; one sentence or two.
  public var note: String
  /// Names, units included.
  public var columns: [String]
  /// Cells are sentences rather than figures.
  public var isProse = false
  /// Each as long as ``columns``.
  public var rows: [[String]]

  /// See the properties.
  public init(title: String = "", note: String = "", columns: [String], rows: [[String]] = []) {
    self.title = title
    self.note = note
    self.columns = columns
    self.rows = rows
  }

  /// Appends a row, which must be as long as the columns.
  public mutating func add(_ row: [String]) {
    precondition(row.count == columns.count, "\(row.count) cells for \(columns.count) columns")
    rows.append(row)
  }

  /// With a line of names first; lines end in a line feed.
  public var csv: String { ([columns] + rows).map { $0.map(Table.quoted).joined(separator: ",") + "\n" }.joined() }

  private static func quoted(_ cell: String) -> String {
    guard cell.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return cell }
    return "\"" + cell.replacing("\"", with: "\"\"") + "\""
  }
}

/// Figures as people read them.
public enum Figure {
  /// With so many significant digits and no exponent; `–` for nil and what is not finite.
  public static func text(_ value: Double?, significant: Int = 3) -> String {
    guard let value, value.isFinite else { return "–" }
    guard value != 0 else { return "0" }
    var size = 0
    var rest = value.magnitude
    while rest >= 10 {
      rest /= 10
      size += 1
    }
    while rest < 1 {
      rest *= 10
      size -= 1
    }
    return fixed(value, decimals: max(0, min(9, significant - 1 - size)))
  }

  /// The same without zeros that say nothing, for prose and axes.
  public static func plain(_ value: Double?, significant: Int = 3) -> String {
    var figure = text(value, significant: significant)
    guard figure.contains(".") else { return figure }
    while figure.hasSuffix("0") { figure.removeLast() }
    return figure.hasSuffix(".") ? String(figure.dropLast()) : figure
  }

  /// With so many decimals.
  public static func fixed(_ value: Double, decimals: Int) -> String {
    var scale: Int64 = 1
    for _ in 0..<decimals { scale *= 10 }
    guard value.magnitude < 9e17 / Double(scale) else { return "\(value)" }
    let scaled = Int64((value.magnitude * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return "\(sign)\(scaled)" }
    let fraction = String(scaled % scale)
    return "\(sign)\(scaled / scale).\(String(repeating: "0", count: decimals - fraction.count))\(fraction)"
  }

  /// 0…1 as per cent.
  public static func percent(_ share: Double?, significant: Int = 2) -> String {
    share.map { $0.isFinite ? plain($0 * 100, significant: significant) + " %" : "–" } ?? "–"
  }
}
