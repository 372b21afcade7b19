import ArgumentParser
import Base
import Foundation
import Portal
import Runtime

/// `millrace request`: asks a portal for a service and takes what it delivers.
struct RequestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "request", abstract: "Asks any peer for a service; plays or records it.",
    discussion: """
      With --play or --record it takes the media to the stream's end; without, it follows the service's events. Ctrl-C, the time \
      given with --for, and closing the player end the service too.
      Exit status: 0 the stream ended, or its time was up; 1 refused or failed, for the reason on standard error; 130 Ctrl-C.
      """)

  @Argument(help: "The request (YAML or JSON).") var request: String
  @OptionGroup var peer: PeerOptions
  @Flag(help: "Play with ffplay.") var play = false
  @Option(help: "Record into this file.") var record: String?
  @Option(help: "Which output, e.g. captions; the main one by default.") var output: String?
  @Option(name: .customLong("for"), help: "End the service so long after its first media, e.g. 20s or 1:30.")
  var duration: String?

  func validate() throws {
    if duration != nil, record == nil, !play { throw ValidationError("--for goes with --record or --play.") }
  }

  func run() async throws {
    let ending: RequestRun.Ending
    do { ending = try await serve() } catch let refusal as Refusal { throw refusal } catch { throw Refusal(error) }
    if case .interrupted(let signal) = ending { throw ExitCode(128 + signal) }
  }

  private func serve() async throws -> RequestRun.Ending {
    let document = try RequestFile.read(request)
    var run = RequestRun(client: try peer.client)
    run.output = output
    run.record = record
    run.play = play
    run.duration = try duration.map(RequestRun.duration)
    let (json, takesMedia) = (peer.json, run.takesMedia)
    let progress = ProgressLine(isSilent: json)
    let (ending, summary) = try await run.serve(document) { accepted in
      if json, !takesMedia { try Print.jsonLine(accepted) }
      if !json {
        StandardStreams.complain("service \(accepted.id), manager \(accepted.manager.map(Form.node) ?? "–")")
      }
    } progress: { reception in
      progress.show(chunks: reception.chunks, bytes: reception.bytes)
    } event: { event in
      if json { try Print.jsonLine(event) } else { Print.line("\(event.kind): \(event.summary)") }
    }
    progress.end()
    guard takesMedia else { return ending }
    if json {
      try Print.json(summary)
    } else {
      let first = Form.milliseconds(summary.firstMediaMs)
      StandardStreams.complain(
        "\(ending.name): \(summary.chunks) chunks, \(summary.bytes) bytes; first media after \(first)")
    }
    return ending
  }
}

/// How much has come: one line written over and over on a terminal, a line every five seconds elsewhere.
private final class ProgressLine: @unchecked Sendable {
  private let isSilent: Bool
  private let isTerminal = StandardStreams.isTerminal
  private var last = -Double.infinity
  private let began = Monotonic.seconds

  init(isSilent: Bool) { self.isSilent = isSilent }

  /// Called from one task at a time.
  func show(chunks: Int, bytes: Int) {
    guard !isSilent else { return }
    let now = Monotonic.seconds
    guard now - last >= (isTerminal ? 0.2 : 5) else { return }
    last = now
    let elapsed = Int(now - began)
    let text = "\(elapsed / 60):\(elapsed % 60 < 10 ? "0" : "")\(elapsed % 60)  \(chunks) chunks, \(bytes / 1024) KiB"
    if isTerminal { StandardStreams.overwrite(text + "  ") } else { StandardStreams.complain(text) }
  }

  func end() { if !isSilent, isTerminal { StandardStreams.complain("") } }
}
