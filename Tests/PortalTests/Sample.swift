@testable import Portal

/// A small overlay with one service, as a real one looks.
enum Sample {
  static let nodes = ["amber", "birch", "cedar", "delta", "ember"].map { name in
    name + String(repeating: "a2b3c4d5", count: 6).prefix(52 - name.count)
  }
  static let service = "q7xk2m4p" + String(repeating: "n5w3r6t7", count: 6).prefix(44)

  static let outputs = [
    OutputView(name: "main", url: "/v1/services/\(service)/media/main", mimeType: "video/webm; codecs=\"vp8, opus\""),
    OutputView(name: "captions", url: "/v1/services/\(service)/media/captions", mimeType: "text/vtt", language: "en"),
  ]

  static func overlay(services: [String]) -> OverlayStatus {
    let members = nodes.enumerated().map { index, node in
      let state: MemberView.State = index == 3 ? .suspect : .alive
      var member = MemberView(
        node: node, address: "127.0.0.\(index + 1):7400", state: state, isSelf: index == 0,
        ageSeconds: Double(index) * 0.7)
      member.portal = "http://127.0.0.\(index + 1):8080"
      member.roundTripMs = index == 0 ? nil : 4.2 * Double(index)
      member.coordinate = [[0, 0], [14, 6], [-9, 16], [22, -11], [-17, -8]][index] + [0, 0]
      member.coordinateHeightMs = 0.4
      member.coordinateError = 0.2
      member.components = ["source.video", "video.scale", "video.vp8", "mux.webm"]
      member.load = LoadView(
        ageSeconds: 1.2 + Double(index), ownCpu: [0.12, 0.55, 0.31, 0.91, 0.04][index],
        machineCpu: [0.2, 0.6, 0.4, 0.95, 0.3][index], cpuPressure: 0.02, memory: 0.2 + 0.1 * Double(index),
        deadlineMisses: index == 3 ? 0.12 : 0, slotsUsed: index, slots: 4, cores: 2, decodeMegapixelsPerSecond: 240,
        encodeMegapixelsPerSecond: 38, filterMegapixelsPerSecond: 410, upBitsPerSecond: Int64(index) * 1_400_000,
        downBitsPerSecond: 3_100_000, upCapacityBitsPerSecond: 20_000_000, downCapacityBitsPerSecond: 50_000_000)
      return member
    }
    return OverlayStatus(
      node: nodes[0], atMs: 1_700_000_000_000, members: members, services: services, workers: 3,
      tolerance: ToleranceView(k: 5, f: 1, quorum: 4),
      warnings: ["one node is suspect; one more loss would freeze services"])
  }

  static let request = """
    source: millrace://amber/talk.mkv
    outputs:
      - name: main
        container: webm
        video: {codec: vp8, height: 360, text: "Millrace"}
        audio: {codec: opus}
      - name: captions
        container: webvtt

    """

  static func running() -> ServiceView {
    var view = ServiceView(
      id: service, state: .running, ageSeconds: 42.5, request: request, portal: nodes[0], electorate: nodes,
      outputs: outputs)
    view.manager = nodes[1]
    view.term = "1"
    view.epoch = 0
    let plan: [(String, Int, Int, [Int])] = [
      ("source.video", 0, 0, []), ("source.audio", 0, 1, []), ("video.scale", 1, 2, [0]), ("video.overlay", 1, 2, [2]),
      ("video.vp8", 2, 3, [3]), ("audio.opus", 2, 4, [1]), ("mux.webm", 4, 5, [4, 5]),
    ]
    view.stages = plan.enumerated().map { index, stage in
      StageView(
        id: index, component: stage.0, parameters: stage.0 == "video.scale" ? ["width": 640, "height": 360] : [:],
        inputs: stage.3, node: nodes[stage.1], group: stage.2, reused: index < 2)
    }
    view.sockets = [(0, 0, 1), (1, 0, 2), (2, 1, 2), (3, 2, 4), (4, 2, 4)].map { group, from, to in
      var socket = SocketView(
        group: group, node: nodes[from], direction: .output, streamKey: "k\(group)",
        address: "127.0.0.\(from + 1):7400",
        peer: nodes[to])
      socket.codec = group == 1 || group == 4 ? "opus" : "h264"
      socket.format = "640×360 yuv420p 30/s"
      socket.bytes = 12_345_678
      socket.packets = 900
      socket.bitsPerSecond = 1_250_000 * Double(group + 1)
      socket.firstPosition = 0
      socket.lastPosition = 899
      socket.acknowledged = 880
      return socket
    }
    view.hops = 3
    view.timings = TimingsView(electionMs: 6.1, placementMs: 41.8, reservationMs: 12.0, firstMediaMs: 322.4)
    return view
  }

  static func election(_ id: String) -> ElectionView {
    ElectionView(
      request: id, strategy: "rendezvous", safety: "quorum", epoch: 0, term: "1", manager: nodes[1], electorate: nodes,
      tolerance: ToleranceView(k: 5, f: 1, quorum: 4),
      votes: nodes.prefix(4).map { VoteView(elector: $0, candidate: nodes[1], term: "1", signature: "00ff") },
      mandateValid: true, ageSeconds: 42,
      evidence: ["mandate_digest": "ab", "camelKept": [1, 2.5, true, .null, "x"], "snake_kept": ["inner_Key": 1]])
  }

  static func explanation(_ id: String) -> ExplanationView {
    ExplanationView(
      service: id, manager: nodes[1], inputsDigest: "d1", ageSeconds: 41,
      stages: [
        .init(
          stage: 2, component: "video.scale",
          candidates: [
            .init(node: nodes[1], total: 12.5, costs: ["link_latency": 4, "node_load": 8.5]),
            .init(node: nodes[3], total: nil, costs: [:], excluded: "the link carries 1 Mbit/s of 14"),
          ], winner: nodes[1], why: "nearest to the source with CPU to spare")
      ], totals: ["total": 12.5])
  }

  static func event(_ sequence: UInt64, kind: String = "service.running") -> ServiceEvent {
    ServiceEvent(
      sequence: sequence, atMs: 1_700_000_000_000, service: service, kind: kind, summary: "first media\nafter 322 ms",
      details: ["first_media_ms": 322.4])
  }
}
