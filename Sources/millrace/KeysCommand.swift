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
    @Flag(help: "Print JSON.") var json = false
    func run() async throws {
      do { try KeysCommand.tell(try Keys.existing(in: data), json) } catch { throw Refusal(error) }
    }
  }

  struct New: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a key, mode 0600, and prints its node ID; never overwrites one.")
    @Option(help: "The data directory.") var data = "./millrace-data"
    @Flag(help: "Print JSON.") var json = false
    func run() async throws {
      do { try KeysCommand.tell(try Keys.new(in: data), json) } catch { throw Refusal(error) }
    }
  }

  private static func tell(_ keys: KeyPair, _ json: Bool) throws {
    if json { try Print.json(["node": keys.id.description]) } else { Print.line(keys.id.description) }
  }
}
