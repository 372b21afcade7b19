import ArgumentParser
import Portal

/// `millrace status`: members with their age, load and rates, services, and how much loss the overlay bears.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Shows members, their load and rates, running services and fault tolerance.")

  @OptionGroup var peer: PeerOptions

  func run() async throws {
    let client = try peer.client
    let status = try await client.overlay()
    if peer.json { return try Print.json(status) }
    var rows = [
      [
        "node", "state", "age", "address", "cpu", "machine", "memory", "late", "slots", "up", "down", "enc/dec MP/s",
        "rtt",
      ]
    ]
    for member in status.members {
      let load = member.load
      rows.append([
        Form.node(member.node) + (member.isSelf ? "*" : ""), member.state.rawValue,
        Form.seconds(load?.ageSeconds ?? member.ageSeconds), member.address,
        load.map { Form.percent($0.ownCpu) } ?? "–", load.map { Form.percent($0.machineCpu) } ?? "–",
        load.map { Form.percent($0.memory) } ?? "–", load.map { Form.percent($0.deadlineMisses) } ?? "–",
        load.map { "\($0.slotsUsed)/\($0.slots)" } ?? "–", load.map { Form.rate($0.upBitsPerSecond) } ?? "–",
        load.map { Form.rate($0.downBitsPerSecond) } ?? "–",
        load.map { "\(Int($0.encodeMegapixelsPerSecond))/\(Int($0.decodeMegapixelsPerSecond))" } ?? "–",
        Form.milliseconds(member.roundTripMs),
      ])
    }
    Print.table(rows)
    let services = try await client.services()
    Print.line()
    Print.line(services.isEmpty ? "no services known here" : "services:")
    for service in services {
      Print.line(
        "  \(service.id)  \(service.state.rawValue)  manager \(service.manager.map(Form.node) ?? "–")  \(Form.seconds(service.ageSeconds))"
      )
    }
    let tolerance = status.tolerance
    Print.line()
    Print.line(
      "electorates of \(tolerance.k): quorum \(tolerance.quorum); tolerates \(tolerance.crashes) lost, \(tolerance.f) lying"
    )
    Print.line("managers are found by \(status.strategy), safety \(status.safety)")
    for fraud in status.frauds {
      Print.line("fraud: \(fraud.summary) (\(fraud.kind)); ignored in elections")
    }
    for warning in status.warnings { Print.line("warning: \(warning)") }
  }
}
