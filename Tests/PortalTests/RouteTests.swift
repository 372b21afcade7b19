import Base
import NIOHTTP1
import Testing

@testable import Portal

@Suite("each route answers over real HTTP", .timeLimit(.minutes(1)))
struct RouteTests {
  private func overlay() -> FakeOverlay { FakeOverlay { $0.services = [Sample.running()] } }

  @Test("a request is taken: 201, Location, its bytes, format, idempotency key and the client's place handed on")
  func submitting() async throws {
    let overlay = FakeOverlay()
    try await withPortal(overlay) { client async throws in
      let (head, bytes) = try await client.whole(
        .POST, "/v1/services",
        headers: [
          "Content-Type": "application/yaml; charset=utf-8", "Idempotency-Key": "k 1",
          "Millrace-Coordinate": "1,-2.5, 0,0,0.3",
        ],
        body: Array("source: x".utf8))
      #expect(head.status == .created)
      #expect(head.headers.first(name: "Location") == "/v1/services/\(Sample.service)")
      let accepted: ServiceAccepted = try PortalClient.decode(bytes)
      #expect(accepted.outputs == Sample.outputs && accepted.term == "1")
    }
    let taken = try #require(overlay.submissions.first)
    #expect(taken.bytes == Array("source: x".utf8) && taken.format == .yaml && taken.idempotencyKey == "k 1")
    #expect(taken.client.coordinate == [1, -2.5, 0, 0, 0.3] && taken.client.address == "127.0.0.1")
    let roundTrip = try #require(taken.client.roundTripMs)
    #expect(roundTrip > 0 && roundTrip < 1_000)
  }

  @Test("a repeated idempotency key is answered 200, not 201")
  func repeating() async throws {
    try await withPortal(FakeOverlay()) { client async throws in
      let first = try await client.submit([0x7B, 0x7D], format: .json, idempotencyKey: "same")
      let second = try await client.submit([0x7B, 0x7D], format: .json, idempotencyKey: "same")
      #expect(!first.isRepeat && second.isRepeat && first.id == second.id)
      let (head, _) = try await client.whole(
        .POST, "/v1/services", headers: ["Content-Type": "application/json", "Idempotency-Key": "same"],
        body: [0x7B, 0x7D])
      #expect(head.status == .ok)
    }
  }

  @Test("services, one service, its end, overlay, election, explanation and plan come back as they were")
  func documents() async throws {
    try await withPortal(overlay()) { client async throws in
      #expect(try await client.services() == [Sample.running()])
      #expect(try await client.service(Sample.service) == Sample.running())
      #expect(try await client.overlay() == Sample.overlay(services: [Sample.service]))
      #expect(try await client.election(Sample.service) == Sample.election(Sample.service))
      #expect(try await client.explanation(Sample.service) == Sample.explanation(Sample.service))
      #expect(try await client.plan(Array("a: b".utf8), format: .yaml).request == "a: b")
      #expect(try await client.end(Sample.service).state == .ended)
      #expect(try await client.end(Sample.service).state == .ended)
    }
  }

  @Test("documents are snake case with units in their names; what is shown carries its age")
  func names() async throws {
    try await withPortal(overlay()) { client async throws in
      let service = try await client.text("/v1/services/\(Sample.service)")
      for name in [
        "\"election_ms\"", "\"first_media_ms\"", "\"stream_key\"", "\"bits_per_second\"", "\"age_seconds\"",
        "\"mime_type\"",
      ] {
        #expect(service.contains(name))
      }
      let members = try await client.text("/v1/overlay")
      for name in [
        "\"age_seconds\"", "\"own_cpu\"", "\"up_bits_per_second\"", "\"round_trip_ms\"", "\"coordinate_height_ms\"",
      ] {
        #expect(members.contains(name))
      }
    }
  }

  @Test("metrics are Prometheus text: HELP and TYPE once, labels escaped, empty families left out")
  func metrics() async throws {
    let text = try await withPortal(overlay()) { client async throws in
      let (head, _) = try await client.whole(.GET, "/metrics")
      #expect(head.headers.first(name: "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
      return try await client.text("/metrics")
    }
    #expect(
      text == """
        # HELP millrace_link_bytes_total Bytes on links, back\\\\slash and\\nnewline.
        # TYPE millrace_link_bytes_total counter
        millrace_link_bytes_total{peer="a\\"b\\\\c\\nd",direction="in"} 12
        millrace_link_bytes_total 0.5
        millrace_link_bytes_total +Inf

        """)
  }

  @Test(
    "a peer that cannot take requests yet says so with 503",
    arguments: [HealthView.Status.starting, .ok, .degraded, .stopping])
  func health(_ status: HealthView.Status) async throws {
    try await withPortal(FakeOverlay { $0.health = status }) { client async throws in
      let (head, _) = try await client.whole(.GET, "/healthz")
      #expect(head.status == (status == .ok || status == .degraded ? .ok : .serviceUnavailable))
      #expect(try await client.health().status == status)
    }
  }

  @Test("HEAD answers as GET does, without a body; a stream has no HEAD")
  func head() async throws {
    try await withPortal(overlay()) { client async throws in
      let connection = try await BareConnection(port: client.address.port)
      try await connection.send("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      let answer = try await connection.rest()
      #expect(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("\r\n\r\n"))
      let other = try await BareConnection(port: client.address.port)
      try await other.send("HEAD /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      #expect(try await other.rest().hasPrefix("HTTP/1.1 405"))
    }
  }

  @Test("openapi.yaml lists every route of the table, and no other")
  func description() async throws {
    let text = try await withPortal(overlay()) { try await $0.text("/openapi.yaml") }
    var listed: Set<String> = []
    var path = ""
    for line in text.split(separator: "\n") {
      if line.hasPrefix("  /"), line.hasSuffix(":") { path = String(line.dropFirst(2).dropLast()) }
      for method in ["get", "post", "delete"] where line == "    \(method):" {
        listed.insert("\(method.uppercased()) \(path)")
      }
    }
    #expect(listed == Set(Endpoint.routes.map { "\($0.method) \($0.template)" }))
  }
}
