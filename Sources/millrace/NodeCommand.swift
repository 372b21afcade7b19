import ArgumentParser
import Runtime

/// `millrace node`: runs one peer until SIGTERM or SIGINT.
struct NodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "node", abstract: "Runs one peer.")

  @Option(help: "A configuration file; see Bootstrap/node.example.yaml.") var config: String?
  @Option(help: "The overlay's name.") var overlay: String?
  @Option(help: "Where key and database live.") var data: String?
  @Option(help: "ADDRESS:PORT for UDP and TCP, as other peers reach it.") var listen: String?
  @Option(help: "ADDRESS:PORT for HTTP.") var portal: String?
  @Option(help: "HOST:PORT#NODEID to join through; may be repeated.") var join: [String] = []
  @Option(help: "A directory of media files to offer.") var share: String?
  @Option(
    help: """
      Who stands first in an election: \(NodeConfiguration.orders); or, without a quorum, \(NodeConfiguration.rivals).
      """)
  var election: String?
  @Option(help: "A file for the trace, one JSON line an event.") var trace: String?
  @Option(help: "error, warning, info or debug.") var log: String?

  func run() async throws {
    let configuration: NodeConfiguration
    do {
      var made = NodeConfiguration()
      if let config { try made.read(file: config) }
      try made.read(environment: Environment.all)
      for (flag, value) in [
        ("--overlay", overlay), ("--data", data), ("--listen", listen), ("--portal", portal), ("--share", share),
        ("--election", election), ("--trace", trace), ("--log", log),
      ] {
        if let value { try made.read(flag: flag, value) }
      }
      for value in join { try made.read(flag: "--join", value) }
      configuration = made
    } catch { throw Refusal(error) }
    do { try await Peer.run(configuration) } catch { throw Refusal(error) }
  }
}
