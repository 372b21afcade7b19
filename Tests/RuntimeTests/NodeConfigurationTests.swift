import Foundation
import Testing

@testable import Runtime

@Suite("A peer's configuration")
struct NodeConfigurationTests {
  static let bootstrap = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Bootstrap")
    .standardizedFileURL
  static let exampleText: String =
    (try? String(contentsOf: bootstrap.appending(path: "node.example.yaml"), encoding: .utf8)) ?? ""

  /// Reads a text as a file of its own.
  static func read(_ text: String) throws -> NodeConfiguration {
    let file = FileManager.default.temporaryDirectory.appending(path: "node-\(UUID().uuidString).yaml")
    try text.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    var configuration = NodeConfiguration()
    try configuration.read(file: file.path)
    return configuration
  }

  static func refusal(_ text: String) -> String {
    do {
      _ = try read(text)
      return ""
    } catch { return "\(error)" }
  }

  /// The keys of the example, those of its commented lines too: `# key: value`.
  static func keys(of text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
      let bare = line.hasPrefix("# ") ? line.dropFirst(2) : line
      guard let colon = bare.firstIndex(of: ":"), colon != bare.startIndex,
        bare[..<colon].allSatisfy({ $0 == "_" || $0.isLowercase && $0.isLetter })
      else { return nil }
      return String(bare[..<colon])
    }
  }

  @Test("the example names every key, and no other") func completeness() {
    let shown = Self.keys(of: Self.exampleText).filter { NodeConfiguration.settings[$0] != nil }
    #expect(Set(shown) == Set(NodeConfiguration.settings.keys))
    #expect(shown.count == Set(shown).count, "a key stands twice")
  }

  @Test("every key of the example is explained on the line above it, or above its neighbour") func explanations() {
    let lines = Self.exampleText.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for (number, line) in lines.enumerated() {
      guard let key = Self.keys(of: line).first, NodeConfiguration.settings[key] != nil else { continue }
      let above = lines[..<number].reversed().prefix { !$0.isEmpty }
      #expect(above.contains { $0.hasPrefix("# ") && Self.keys(of: $0).isEmpty }, "\(key) is not explained")
    }
  }

  @Test("as it stands the example says the defaults") func defaults() throws {
    let read = try Self.read(Self.exampleText)
    #expect("\(read)" == "\(NodeConfiguration())")
  }

  @Test("with every commented key in force the program still takes it") func everything() throws {
    let all = Self.exampleText.split(separator: "\n").map { line in
      guard line.hasPrefix("# "), let key = Self.keys(of: String(line)).first, NodeConfiguration.settings[key] != nil
      else { return String(line) }
      return String(line.dropFirst(2))
    }.joined(separator: "\n").replacing("./overlay.yaml", with: Self.bootstrap.appending(path: "overlay.yaml").path)
    let read = try Self.read(all)
    #expect(read.share == "/srv/media")
    #expect(read.cores == 2)
    #expect(read.memory == 4 << 30)
    #expect(read.up == 20_000_000)
    #expect(read.down == 100_000_000)
    #expect(read.trace?.hasSuffix("/trace.jsonl") == true)
  }

  @Test(
    "an unknown or ill-typed key is refused with its line, what was found and what was expected",
    arguments: [
      ("overlay: x\nslotz: 3\n", ":2: unknown key “slotz”"),
      ("slots: many\n", ":1 (slots): “many” where a number from 1.0 to 256.0"),
      ("\nlisten: here\n", ":2 (listen): “here” where ADDRESS:PORT"),
      ("listen: 0.0.0.0:7400\n", "where the address was expected that other peers see"),
      ("join: [here]\n", ":1 (join): “here” where HOST:PORT#NODEID"),
      ("components: [video.scale, video.sclae]\n", "“video.sclae” where `all` or components were expected"),
      ("memory: lots\n", "a size such as 512MiB"), ("up: 3\n", "a rate such as 20mbit"),
      ("log: loud\n", "one of error, warning, info, debug"), ("data: {}\n", "wants a value or a list, not a mapping"),
      ("- a\n", "a mapping of keys to values was expected"), ("a: [\n", "is not YAML"),
    ])
  func refusals(text: String, said: String) {
    let refusal = Self.refusal(text)
    #expect(refusal.contains(said), "“\(refusal)”")
  }

  @Test("a flag wins over the environment, the environment over the file") func precedence() throws {
    var read = try Self.read("log: error\nslots: 3\ntrace: from-file\n")
    try read.read(environment: ["MILLRACE_LOG": "warning", "MILLRACE_SLOTS": "4", "PATH": "/bin"])
    try read.read(flag: "--log", "debug")
    #expect(read.log == "debug")
    #expect(read.slots == 4)
    #expect(read.trace?.hasSuffix("from-file") == true)
  }

  @Test("the bootstrap file that ships is read") func bootstrapFile() throws {
    let path = Self.bootstrap.appending(path: "overlay.yaml").path
    let read = try Self.read("bootstrap: \(path)\n")
    #expect(read.overlay == "millrace")
    #expect(read.join.isEmpty)
  }
}
