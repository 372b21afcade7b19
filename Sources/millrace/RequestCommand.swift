import ArgumentParser
import Portal
import Runtime

/// `millrace request`: asks a portal for a service and takes what it delivers.
struct RequestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "request", abstract: "Asks any peer for a service; plays or records it.")

  @Argument(help: "The request (YAML or JSON).") var request: String
  @OptionGroup var peer: PeerOptions
  @Flag(help: "Play with ffplay.") var play = false
  @Option(help: "Record into this file.") var record: String?
  @Option(help: "Which output, e.g. captions; the main one by default.") var output: String?

  func run() async throws {
    do { try await serve() } catch let refusal as Refusal { throw refusal } catch { throw Refusal(error) }
  }

  private func serve() async throws {
    let document = try RequestFile.read(request)
    let client = try peer.client
    let recording = try Recording(record: record, play: play)
    let reception = Reception()
    let accepted = try await client.submit(
      document.bytes, format: document.format, idempotencyKey: RequestFile.freshKey())
    reception.accepted()
    if !peer.json {
      StandardStreams.complain("service \(accepted.id), manager \(accepted.manager.map(Form.node) ?? "–")")
    }

    guard record != nil || play else {
      // Nobody takes the media: follow the service to its end.
      if peer.json { try Print.json(accepted) }
      try await client.watch(accepted.id) { event in
        if !peer.json { Print.line("\(event.kind): \(event.summary)") }
        return event.kind != "service.ended" && event.kind != "service.failed"
      }
      return
    }
    var next: UInt64?
    var attempts = 0
    receiving: while true {
      do {
        try await client.receive(accepted.id, output: output, from: next) { part in
          switch part {
          case .opened: break
          case .preamble(let bytes): if next == nil { try recording.write(bytes) }
          case .chunk(let chunk):
            attempts = 0
            try reception.take(chunk)
            try recording.write(chunk.bytes)
            next = chunk.position + 1
            progress(reception)
          }
        }
        break receiving
      } catch let error as PortalClientError {
        // The connection broke, not the stream: go on where it stopped.
        guard case .cutOff = error, attempts < 5 else { throw error }
        attempts += 1
      }
    }
    recording.close()
    let view = try? await client.service(accepted.id)
    let summary = reception.summary(of: accepted.id, output: output, view)
    if peer.json {
      try Print.json(summary)
    } else {
      StandardStreams.complain(
        "\n\(summary.chunks) chunks, \(summary.bytes) bytes; first media after \(Form.milliseconds(summary.firstMediaMs))"
      )
    }
  }

  private func progress(_ reception: Reception) {
    guard !peer.json, StandardStreams.isTerminal else { return }
    StandardStreams.overwrite("\(reception.chunks) chunks, \(reception.bytes / 1024) KiB ")
  }
}
