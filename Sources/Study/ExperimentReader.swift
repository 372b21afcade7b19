import Base
import Elections
import Foundation
import Lab
import Mandates

// From a study file to a checked ``Experiment``. Paths in it are relative to its folder.

extension Experiment {
  /// Reads a study file.
  /// - Throws: what is wrong, with file, line, field and what is allowed.
  public init(file: String) throws(StudyError) {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw StudyError(file: file, line: nil, field: "", found: "cannot be read as text", allowed: "")
    }
    try self.init(text: text, file: file)
  }

  /// Reads a study file's text.
  /// - Parameter file: its name, for errors and for what it names.
  public init(text: String, file: String) throws(StudyError) {
    let top = try StudyValue(text: text, file: file)
    let common = ["title", "question", "study", "runs", "seed"]
    let kind = try Experiment.kind(top)
    let fields = try top.fields(common + kind.fields)
    title = try fields["title"]?.text("one line") ?? (file as NSString).lastPathComponent
    question = try fields["question"].map(Experiment.paragraphs) ?? []
    runs = try fields["runs"]?.whole(Experiment.runsAllowed) ?? 1
    seed = UInt64(try fields["seed"]?.whole(0...Int.max) ?? 1)
    switch kind {
    case .elections: form = .elections(try ElectionStudy(fields, folder: (file as NSString).deletingLastPathComponent))
    case .leaderFailure: form = .leaderFailure(try LeaderFailureStudy(fields))
    case .liars: form = .liars(try LiarStudy(fields))
    case .herding: form = .herding(try HerdingStudy(fields))
    }
  }

  private enum Kind: String, CaseIterable {
    case elections, leaderFailure, liars, herding
    var fields: [String] {
      switch self {
      case .elections:
        [
          "nodes", "mix", "topology", "weather", "warmup", "lasts", "requests", "faults", "churn", "storms",
          "strategies",
          "attackers",
        ]
      case .leaderFailure: ["servers", "oneWay", "jitter", "disk", "timeout", "spreads", "patience", "ours"]
      case .liars: ["nodes", "shares", "sizes"]
      case .herding: ["load", "servers", "ages", "jobs", "policies"]
      }
    }
  }

  private static func kind(_ top: StudyValue) throws(StudyError) -> Kind {
    // Which fields there may be depends on it.
    let all = Set(Kind.allCases.flatMap(\.fields)).sorted()
    return try top.fields(["title", "question", "study", "runs", "seed"] + all)["study"]?.word(Kind.self) ?? .elections
  }

  private static func paragraphs(_ value: StudyValue) throws(StudyError) -> [String] {
    try value.text("text").components(separatedBy: "\n\n").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
      .filter { !$0.isEmpty }
  }
}

extension StudyValue {
  /// Every value of a list, each read alike.
  func each<Value>(
    _ allowed: String, _ read: (StudyValue) throws(StudyError) -> Value
  ) throws(StudyError) -> [Value] {
    var values: [Value] = []
    for value in try list(allowed) { values.append(try read(value)) }
    guard !values.isEmpty else { throw wrong("is empty", allowed) }
    return values
  }

  /// The same of values that each stand for a part of the study: twice the same would be counted as one.
  func distinct<Value: Hashable>(
    _ allowed: String, _ read: (StudyValue) throws(StudyError) -> Value
  ) throws(StudyError) -> [Value] {
    var seen = Set<Value>()
    return try each(allowed) { value throws(StudyError) in
      let one = try read(value)
      guard seen.insert(one).inserted else { throw value.wrong("stands there before", "\(allowed), each once") }
      return one
    }
  }
}

extension ElectionStudy {
  init(_ fields: StudyFields, folder: String) throws(StudyError) {
    self.init()
    if let value = fields["nodes"] { nodes = try value.whole(1...20_000) }
    if let value = fields["mix"] { mix = try value.each("kinds of machine", Mix.init) }
    if let value = fields["topology"] { topology = try Topology(value, folder: folder) }
    if let value = fields["weather"] { weather = try Scenario.Weather(value) }
    if let value = fields["warmup"] { warmup = try value.seconds(1...3_600) }
    if let value = fields["lasts"] { lasts = try value.seconds(1...86_400) }
    if let value = fields["requests"] { load = try Load(value, until: lasts) }
    if let value = fields["faults"] { faults = try value.each("what goes wrong", Trouble.init) }
    if let value = fields["churn"] { churn = try Churn(value, folder: folder) }
    if let value = fields["storms"] { storms = try value.each("joins at once", Storm.init) }
    if let value = fields["strategies"] {
      strategies = try value.distinct("strategies") { value throws(StudyError) in try value.word(ElectionStrategy.self)
      }
    }
    if let value = fields["attackers"] { attackers = try value.share() }
  }
}

extension ElectionStudy.Mix {
  init(_ value: StudyValue) throws(StudyError) {
    let fields = try value.fields(["share", "slots", "cores", "up", "down", "disk", "drift", "skew"])
    share = try fields["share"]?.share() ?? 1
    machine = Scenario.Machine()
    if let value = fields["slots"] { machine.slots = try value.whole(1...256) }
    if let value = fields["cores"] { machine.cores = try value.number(0.1...1_024) }
    if let value = fields["up"] { machine.up = try value.bits() }
    if let value = fields["down"] { machine.down = try value.bits() }
    if let value = fields["disk"] { machine.disk = try value.seconds(0...10) * 1_000 }
    if let value = fields["drift"] { machine.drift = Int64(try value.whole(-50_000...50_000)) }
    if let value = fields["skew"] { machine.skew = Int64(try value.number(-30...30) * 1_000) }
  }
}

extension Topology {
  init(_ value: StudyValue, folder: String) throws(StudyError) {
    let forms = "one of plane, transitStub, matrix"
    let names = ["plane", "transitStub", "matrix"]
    let fields = try value.fields(names)
    let named = names.filter { fields[$0] != nil }
    guard named.count < 2 else { throw value.wrong("names \(named.joined(separator: " and "))", forms) }
    if let plane = try fields["plane"]?.fields(["side", "least"]) {
      self = .plane(
        side: try plane.required("side", "a time").seconds(0...10).milli,
        least: try plane["least"]?.seconds(0...10).milli ?? 1)
    } else if let stubs = try fields["transitStub"]?.fields([
      "transits", "stubsPerTransit", "inStub", "toTransit", "between",
    ]) {
      self = .transitStub(
        transits: try stubs["transits"]?.whole(1...1_000) ?? 4,
        stubsPerTransit: try stubs["stubsPerTransit"]?.whole(1...1_000) ?? 4,
        inStub: try stubs["inStub"]?.seconds(0...10).milli ?? 1,
        toTransit: try stubs["toTransit"]?.seconds(0...10).milli ?? 3,
        between: try stubs["between"]?.seconds(0...10).milli ?? 60)
    } else if let matrix = try fields["matrix"]?.fields(["file", "unit"]) {
      let file = try matrix.required("file", "a file of round trips").text("a file of round trips")
      let units = "s, ms, us: what the file's numbers are"
      let unit = try matrix.required("unit", units)
      guard let known = Unit(rawValue: try unit.text(units)) else { throw unit.wrong("is no unit", units) }
      self = .matrix(file: Topology.path(file, folder), unit: known)
    } else {
      throw value.wrong("names no form", forms)
    }
  }

  static func path(_ file: String, _ folder: String) -> String {
    file.hasPrefix("/") || folder.isEmpty ? file : (folder as NSString).appendingPathComponent(file)
  }
}

extension Double {
  fileprivate var milli: Double { self * 1_000 }
}

extension Scenario.Weather {
  init(_ value: StudyValue) throws(StudyError) {
    self.init()
    let fields = try value.fields(["loss", "duplication", "reordering", "jitter"])
    if let value = fields["loss"] { loss = try value.share() }
    if let value = fields["duplication"] { duplication = try value.share() }
    if let value = fields["reordering"] { reordering = try value.share() }
    if let value = fields["jitter"] { jitter = try value.seconds(0...10) * 1_000 }
  }
}

extension ElectionStudy.Load {
  init(_ value: StudyValue, until end: Double) throws(StudyError) {
    self.init()
    let fields = try value.fields(["rate", "at", "sources", "popularity", "length"])
    if let value = fields["rate"] { rate = try value.rate() }
    if let value = fields["at"] {
      guard fields["rate"] == nil else { throw value.wrong("contradicts rate", "either a rate or times") }
      rate = nil
      times = try value.each("times after the warm-up") { value throws(StudyError) in
        let at = try value.seconds()
        guard at <= end else { throw value.wrong("is after the study's end", "at most lasts, \(end) s") }
        return at
      }
    }
    if let value = fields["sources"] { sources = try value.whole(1...10_000) }
    if let value = fields["popularity"] { popularity = try value.number(0...5) }
    if let value = fields["length"] { length = try value.seconds(1...3_600) }
  }
}

extension ElectionStudy.Trouble {
  init(_ value: StudyValue) throws(StudyError) {
    let fields = try value.fields(["what", "at", "lasts", "share", "by"])
    let words = What.allCases.map(\.rawValue).joined(separator: ", ")
    what = try fields.required("what", words).word(What.self)
    at = try fields.required("at", "a time").seconds()
    lasts = try fields["lasts"]?.seconds() ?? 10
    share = try fields["share"]?.share() ?? 0.1
    by = try fields["by"]?.seconds(0...60).milli ?? 100
  }
}

extension ElectionStudy.Churn {
  init(_ value: StudyValue, folder: String) throws(StudyError) {
    let fields = try value.fields(["rate", "session", "crashing", "trace"])
    if let trace = fields["trace"] {
      guard fields["rate"] == nil else { throw trace.wrong("contradicts rate", "either a rate or a trace") }
      self = .trace(try ChurnTrace(file: Topology.path(try trace.text("a file"), folder)))
    } else {
      self = .poisson(
        rate: try fields.required("rate", "newcomers, as 2/min; or trace: FILE").rate(),
        session: try fields.required("session", "how long they stay in the mean").seconds(1...86_400),
        crashing: try fields["crashing"]?.share() ?? 0.5)
    }
  }
}

extension ElectionStudy.Storm {
  init(_ value: StudyValue) throws(StudyError) {
    let fields = try value.fields(["at", "count", "within"])
    at = try fields.required("at", "a time").seconds()
    count = try fields.required("count", "how many").whole(1...20_000)
    within = try fields["within"]?.seconds() ?? 1
  }
}

extension LeaderFailureStudy {
  init(_ fields: StudyFields) throws(StudyError) {
    self.init()
    if let value = fields["servers"] { servers = try value.whole(3...101) }
    if let value = fields["oneWay"] { oneWay = try value.seconds(0...1) }
    if let value = fields["jitter"] { jitter = try value.seconds(0...1) }
    if let value = fields["disk"] { disk = try value.seconds(0...1) }
    if let value = fields["timeout"] { timeout = try value.seconds(0.001...10) }
    if let value = fields["spreads"] {
      spreads = try value.distinct("times") { value throws(StudyError) in try value.seconds(0...10) }
    }
    if let value = fields["patience"] { patience = try value.seconds(1...600) }
    if let value = fields["ours"] { ours = try value.whole(0...10_000) }
  }
}

extension LiarStudy {
  init(_ fields: StudyFields) throws(StudyError) {
    self.init()
    if let value = fields["nodes"] { nodes = try value.whole(1...100_000) }
    if let value = fields["shares"] {
      shares = try value.distinct("shares") { value throws(StudyError) in try value.share() }
    }
    if let value = fields["sizes"] {
      let most = nodes
      sizes = try value.distinct("sizes") { value throws(StudyError) in try value.whole(1...most) }
    }
  }
}

extension HerdingStudy {
  init(_ fields: StudyFields) throws(StudyError) {
    self.init()
    if let value = fields["load"] { load = try value.number(0.01...0.99) }
    if let value = fields["servers"] { servers = try value.whole(2...1_000) }
    if let value = fields["ages"] {
      ages = try value.distinct("times") { value throws(StudyError) in try value.number(0.001...1_000) }
    }
    if let value = fields["jobs"] { jobs = try value.whole(10...10_000_000) }
    if let value = fields["policies"] {
      policies = try value.distinct("policies") { value throws(StudyError) in try value.word(Policy.self) }
    }
  }
}
