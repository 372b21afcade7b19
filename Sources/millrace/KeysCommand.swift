import ArgumentParser
import Identity
import Runtime

/// `millrace keys`: this node's identity.
struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "Shows or makes a node's identity.", subcommands: [Show.self, New.self])

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Prints the node ID of a data directory's key.")
    @Option(help: "The data directory.") var data = "./millrace-data"
    func run() async throws { Print.line(try Keys.existing(in: data).id.description) }
  }

  struct New: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a key, mode 0600, and prints its node ID; never overwrites one.")
    @Option(help: "The data directory.") var data = "./millrace-data"
    func run() async throws { Print.line(try Keys.new(in: data).id.description) }
  }
}
