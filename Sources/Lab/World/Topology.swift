import Base
import Foundation

/// How far apart machines are. All delays are one-way, in nanoseconds.
public enum Topology: Codable, Hashable, Sendable {
  /// Points on a square; the side is crossed in so many milliseconds one way, and every path takes at least `least`.
  case plane(side: Double, least: Double)
  /// Stub networks on transit networks (Zegura, Calvert, Bhattacharjee, INFOCOM 1996): milliseconds one way within a stub, from stub to
  /// transit, and between two transits at most.
  case transitStub(transits: Int, stubsPerTransit: Int, inStub: Double, toTransit: Double, between: Double)
  /// Measured round trips: a file of N×N numbers separated by white space, row i column j, in this unit.
  case matrix(file: String, unit: Unit)

  /// Of the numbers in a matrix file.
  public enum Unit: String, Codable, CaseIterable, Hashable, Sendable {
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"
    var nanoseconds: Double {
      switch self {
      case .seconds: 1e9
      case .milliseconds: 1e6
      case .microseconds: 1e3
      }
    }
  }
}

/// A ``Topology`` with its machines put in their places.
struct DelayMap: Sendable {
  private enum Form {
    case points([(x: Double, y: Double)], least: Double)
    case stubs(transitOf: [Int], stubOf: [Int], transits: [[Double]], inStub: Double, toTransit: Double)
    case table([Int64], size: Int, row: [Int])
  }
  private let form: Form
  /// What people should know, e.g. how many entries of a matrix had to be filled.
  let notes: [String]

  init(_ topology: Topology, nodes: Int, using random: inout SeededRandom) throws(TopologyError) {
    switch topology {
    case .plane(let side, let least):
      let points = (0..<nodes).map { _ in (x: random.fraction() * side * 1e6, y: random.fraction() * side * 1e6) }
      form = .points(points, least: least * 1e6)
      notes = []
    case .transitStub(let count, let stubs, let inStub, let toTransit, let between):
      guard count > 0, stubs > 0 else { throw .empty("transits and stubs") }
      var distances = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
      for a in 0..<count {
        for b in 0..<a {
          distances[a][b] = (0.2 + 0.8 * random.fraction()) * between * 1e6
          distances[b][a] = distances[a][b]
        }
      }
      let stubOf = (0..<nodes).map { _ in random.index(below: count * stubs) }
      form = .stubs(
        transitOf: stubOf.map { $0 / stubs }, stubOf: stubOf, transits: distances, inStub: inStub * 1e6,
        toTransit: toTransit * 1e6)
      notes = []
    case .matrix(let file, let unit):
      let matrix = try RoundTripMatrix(file: file, unit: unit)
      // More machines than rows: several share one, a millisecond apart.
      let order = random.permuted(0..<matrix.size)
      form = .table(matrix.oneWay, size: matrix.size, row: (0..<nodes).map { order[$0 % matrix.size] })
      notes = matrix.notes + (nodes > matrix.size ? ["\(nodes) nodes share the \(matrix.size) rows"] : [])
    }
  }

  /// No path takes less, in nanoseconds.
  var least: Int64 {
    switch form {
    case .points(_, let least): max(1_000, Int64(least))
    case .stubs(_, _, _, let inStub, _): max(1_000, Int64(inStub))
    case .table(let table, _, _): max(1_000, min(500_000, table.lazy.filter { $0 > 0 }.min() ?? 500_000))
    }
  }

  /// One way, in nanoseconds; at least 1 µs.
  func delay(_ a: Int, _ b: Int) -> Int64 {
    switch form {
    case .points(let points, let least):
      let (x, y) = (points[a].x - points[b].x, points[a].y - points[b].y)
      return max(1_000, Int64(least + (x * x + y * y).squareRoot()))
    case .stubs(let transitOf, let stubOf, let transits, let inStub, let toTransit):
      if stubOf[a] == stubOf[b] { return max(1_000, Int64(inStub)) }
      return max(1_000, Int64(inStub + 2 * toTransit + transits[transitOf[a]][transitOf[b]]))
    case .table(let table, let size, let row):
      return row[a] == row[b] ? 500_000 : max(1_000, table[row[a] * size + row[b]])
    }
  }
}

/// A square of measured round trips. Missing entries (zero, negative or no number) take the other direction's value; where both are
/// missing, the median of the row's and the column's known values.
struct RoundTripMatrix {
  /// The longest round trip that is believed, in seconds: what is longer is in another unit, or no round trip.
  static let longest = 60.0
  let size: Int
  /// One way, nanoseconds, row by row.
  let oneWay: [Int64]
  let notes: [String]

  init(file: String, unit: Topology.Unit) throws(TopologyError) {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { throw .unreadable(file) }
    try self.init(text: text, name: file, unit: unit)
  }

  init(text: String, name: String, unit: Topology.Unit) throws(TopologyError) {
    let rows = text.split(whereSeparator: \.isNewline).map { $0.split(whereSeparator: \.isWhitespace) }
      .filter { !$0.isEmpty }
    guard !rows.isEmpty else { throw .empty(name) }
    let size = rows.count
    for (number, row) in rows.enumerated() where row.count != size {
      throw .notSquare(name, row: number + 1, columns: row.count, rows: size)
    }
    var known = [Double?](repeating: nil, count: size * size)
    for (i, row) in rows.enumerated() {
      for (j, entry) in row.enumerated() where i != j {
        // Words for infinity say that nothing was measured; digits that come to one are a number out of range.
        guard let value = Double(entry), value > 0, value.isFinite || entry.contains(where: \.isNumber) else {
          continue
        }
        guard value * unit.nanoseconds <= RoundTripMatrix.longest * 1e9 else {
          throw .entry(name, row: i + 1, column: j + 1, value: String(entry.prefix(40)), unit: unit)
        }
        known[i * size + j] = value * unit.nanoseconds / 2
      }
    }
    let all = known.compactMap { $0 }.sorted()
    guard !all.isEmpty else { throw .empty(name) }
    func median(_ values: [Double]) -> Double? { values.isEmpty ? nil : values.sorted()[values.count / 2] }
    let rowMedians = (0..<size).map { i in median((0..<size).compactMap { known[i * size + $0] }) }
    var table = [Int64](repeating: 0, count: size * size)
    var (mirrored, guessed) = (0, 0)
    for i in 0..<size {
      for j in 0..<size where i != j {
        if let value = known[i * size + j] {
          table[i * size + j] = Int64(value)
        } else if let value = known[j * size + i] {
          table[i * size + j] = Int64(value)
          mirrored += 1
        } else {
          let guesses = [rowMedians[i], rowMedians[j]].compactMap { $0 }
          table[i * size + j] = Int64(
            guesses.isEmpty ? all[all.count / 2] : guesses.reduce(0, +) / Double(guesses.count))
          guessed += 1
        }
      }
    }
    self.size = size
    oneWay = table
    var notes: [String] = []
    if mirrored > 0 { notes.append("\(mirrored) missing round trips took the other direction's value") }
    if guessed > 0 { notes.append("\(guessed) missing round trips took the mean of the two machines' medians") }
    self.notes = notes
  }
}

/// Why a topology cannot be made.
public enum TopologyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file is not there, or not text.
  case unreadable(String)
  /// Nothing in it.
  case empty(String)
  /// A row has another number of entries than there are rows.
  case notSquare(String, row: Int, columns: Int, rows: Int)
  /// An entry is longer than any round trip; row and column from 1.
  case entry(String, row: Int, column: Int, value: String, unit: Topology.Unit)

  public var description: String {
    switch self {
    case .unreadable(let file): "\(file): not to be read as text"
    case .empty(let name): "\(name): no distances in it; a matrix is whitespace-separated numbers, a line for each row"
    case .notSquare(let file, let row, let columns, let rows):
      "\(file): row \(row) has \(columns) entries where \(rows) rows want \(rows); "
        + "a matrix is whitespace-separated numbers, without commas, headings or comments"
    case .entry(let file, let row, let column, let value, let unit):
      "\(file): row \(row), column \(column): \(value) \(unit.rawValue) is no round trip; allowed: more than 0 to "
        + "\(Int(RoundTripMatrix.longest * 1e9 / unit.nanoseconds)) \(unit.rawValue); 0, a negative number or a word where none was measured"
    }
  }
}
