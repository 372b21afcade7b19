import Core
import Portal

extension MetricFamily {
  /// Everything that a scraper gets of a peer.
  static func all(of peer: PeerLoop) -> [MetricFamily] {
    func gauge(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
      MetricFamily("millrace_\(name)", .gauge, help: help, samples: [.init(value)])
    }
    func counter(_ name: String, _ help: String, _ samples: [Sample]) -> MetricFamily {
      MetricFamily("millrace_\(name)_total", .counter, help: help, samples: samples)
    }
    let view = peer.node.view
    let states = ["alive", "suspect", "dead", "left"]
    let datagrams = peer.datagramCounters
    var families = [
      MetricFamily(
        "millrace_members", .gauge, help: "Members by state, this peer included.",
        samples: states.map { state in
          Sample(Double(view.count { $0.member.state.rawValue == state }), labels: [Label("state", state)])
        }),
      MetricFamily(
        "millrace_election_strategy", .gauge,
        help: "How managers are found, and what may be believed of them; 1 for the one in use.",
        samples: [
          Sample(
            1,
            labels: [
              Label("strategy", peer.node.strategy.rawValue), Label("safety", peer.node.strategy.safety.rawValue),
            ])
        ]),
      gauge("services_managed", "Services that this peer manages.", Double(peer.node.managed)),
      gauge("groups", "Groups that are open here, armed ones included.", Double(peer.node.groups.count)),
      gauge(
        "fraud_proofs", "Members that are ignored in elections because there is a proof of fraud against them.",
        Double(peer.node.fraudProofs.count)),
      counter(
        "frauds_proved", "Proofs of fraud that came to this peer since its start.",
        [Sample(Double(peer.counters.events["fraud.proved"] ?? 0))]),
      gauge("workers", "Worker processes with a job.", Double(peer.workerCount)),
      counter("datagrams_sent", "Sealed datagrams sent.", [Sample(Double(datagrams.sent))]),
      counter("datagrams_received", "Sealed datagrams received and opened.", [Sample(Double(datagrams.received))]),
      counter("datagram_bytes_sent", "UDP payload bytes sent.", [Sample(Double(datagrams.bytesSent))]),
      counter(
        "datagram_bytes_received", "UDP payload bytes received, noise included.",
        [Sample(Double(datagrams.bytesReceived))]),
      counter(
        "datagrams_dropped", "Datagrams dropped, by reason.",
        [
          Sample(Double(datagrams.noise), labels: [Label("reason", "noise")]),
          Sample(Double(datagrams.replayed), labels: [Label("reason", "replayed")]),
          Sample(Double(datagrams.rateLimited), labels: [Label("reason", "rate_limited")]),
        ]),
      counter("connections_refused", "Connections that were turned away.", [Sample(Double(peer.strangersTurnedAway))]),
      counter(
        "messages_refused", "Messages of peers that were not valid.", [Sample(Double(peer.counters.refusedMessages))]),
      counter(
        "events", "Events by kind.",
        peer.counters.events.sorted { $0.key < $1.key }.map {
          Sample(Double($0.value), labels: [Label("kind", $0.key)])
        }),
    ]
    var streamBytes: [Sample] = []
    for group in peer.node.groups {
      streamBytes.append(Sample(Double(group.output.bytes), labels: [Label("stream", group.key.short)]))
    }
    families.append(counter("stream_bytes", "Payload bytes that groups of this node made.", streamBytes))
    if let load = view.first?.report?.load {
      families += [
        gauge("own_cpu_ratio", "CPU of this peer and its workers, of the operator's share.", load.ownCPU),
        gauge("machine_cpu_ratio", "CPU of the machine.", load.machineCPU),
        gauge("memory_ratio", "Memory of this peer and its workers, of the operator's share.", load.memory),
        gauge("deadline_miss_ratio", "Frames late of frames due.", load.deadlineMisses),
      ]
    }
    return families
  }
}
