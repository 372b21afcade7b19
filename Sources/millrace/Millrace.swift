import ArgumentParser
import Base
import Portal
import Runtime

/// The command. Argument parsing and printing only: what it does is in `Runtime` and `Portal`.
@main
struct Millrace: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "millrace",
    abstract: "A peer-to-peer overlay on which communities run streaming media services together.",
    discussion: """
      Exit status: 0 done; 1 refused or failed, for the reason on standard error; 64 wrong usage; 130 ended by Ctrl-C.
      """,
    version: Build.version,
    subcommands: [
      NodeCommand.self, RequestCommand.self, PlanCommand.self, StatusCommand.self, ExplainCommand.self,
      VerifyCommand.self, KeysCommand.self, LabCommand.self,
    ])
}

/// What every command that asks a peer takes.
struct PeerOptions: ParsableArguments {
  @Option(help: "The portal to ask, e.g. http://127.0.0.1:8400.")
  var peer = "http://127.0.0.1:8400"

  @Flag(help: "Print JSON.")
  var json = false

  var client: PortalClient {
    get throws {
      do { return try PortalClient(peer) } catch { throw Refusal(error) }
    }
  }
}

/// Ends the command with a message on standard error and exit code 1.
struct Refusal: Error, CustomStringConvertible {
  let description: String
  init(_ error: any Error) { description = "\(error)" }
  init(_ text: String) { description = text }
}

/// Standard output is block-buffered into a pipe: every line is flushed.
enum Print {
  static func line(_ text: String = "") {
    print(text)
    flush()
  }
  static func flush() { StandardStreams.flush() }
  static func json(_ value: some Encodable) throws {
    line(String(decoding: try PortalJSON.encode(value, pretty: true), as: UTF8.self))
  }
  /// One value, one line.
  static func jsonLine(_ value: some Encodable) throws {
    line(String(decoding: try PortalJSON.encode(value), as: UTF8.self))
  }
  /// Columns padded to their widest cell.
  static func table(_ rows: [[String]]) {
    var widths: [Int] = []
    for row in rows {
      for (column, cell) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], cell.count)
      }
    }
    for row in rows {
      var text = ""
      for (column, cell) in row.enumerated() {
        text += column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
      }
      line(text)
    }
  }
}

/// How figures look to a person.
enum Form {
  static func node(_ id: String) -> String { String(id.prefix(8)) }
  static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
  static func seconds(_ value: Double?) -> String { value.map { "\(($0 * 10).rounded() / 10) s" } ?? "–" }
  static func milliseconds(_ value: Double?) -> String { value.map { "\(($0 * 10).rounded() / 10) ms" } ?? "–" }
  static func rate(_ bits: Int64?) -> String {
    guard let bits else { return "?" }
    if bits >= 1_000_000 { return "\((Double(bits) / 1e5).rounded() / 10) Mbit/s" }
    return "\((Double(bits) / 100).rounded() / 10) kbit/s"
  }
}
