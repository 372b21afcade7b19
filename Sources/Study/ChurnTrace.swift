import Foundation

/// Who came and went in some overlay, from a file: a line an event, `SECONDS join|leave|crash NAME`, in any order; empty lines and what
/// follows `#` are left out. Names are for the file alone: whoever first joins under one is a new machine.
public struct ChurnTrace: Hashable, Sendable {
  /// One stay of one machine.
  public struct Stay: Hashable, Sendable {
    /// Seconds.
    public var from: Double
    /// Seconds; nil: to the end.
    public var to: Double?
    /// It crashed rather than left.
    public var crashed: Bool
  }
  /// By machine, in the order of first joining; the stays of each in order.
  public private(set) var machines: [[Stay]]

  /// Reads a file.
  public init(file: String) throws(StudyError) {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw StudyError(file: file, line: nil, field: "", found: "cannot be read as text", allowed: "")
    }
    try self.init(text: text, file: file)
  }

  init(text: String, file: String) throws(StudyError) {
    let form = "SECONDS join|leave|crash NAME"
    var events: [(at: Double, line: Int, what: String, name: String)] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      if words.isEmpty { continue }
      guard words.count == 3, let at = Double(words[0]), at >= 0, at.isFinite,
        ["join", "leave", "crash"].contains(words[1])
      else {
        throw StudyError(
          file: file, line: index + 1, field: "", found: "“\(line.prefix(60))” is no event", allowed: form)
      }
      events.append((at, index + 1, String(words[1]), String(words[2])))
    }
    guard !events.isEmpty else { throw StudyError(file: file, line: nil, field: "", found: "is empty", allowed: form) }
    events.sort { ($0.at, $0.line) < ($1.at, $1.line) }
    var numbers: [String: Int] = [:]
    machines = []
    for event in events {
      func wrong(_ found: String) -> StudyError {
        StudyError(file: file, line: event.line, field: event.name, found: found, allowed: "a join before each leave")
      }
      if event.what == "join" {
        let number = numbers[event.name] ?? machines.count
        if number == machines.count { machines.append([]) }
        numbers[event.name] = number
        if let last = machines[number].last, last.to == nil { throw wrong("joins while it is there") }
        machines[number].append(Stay(from: event.at, to: nil, crashed: false))
      } else {
        guard let number = numbers[event.name], machines[number].last?.to == nil else { throw wrong("is not there") }
        machines[number][machines[number].count - 1].to = event.at
        machines[number][machines[number].count - 1].crashed = event.what == "crash"
      }
    }
  }
}
