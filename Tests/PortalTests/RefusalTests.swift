import Base
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import Portal

@Suite("what is refused is refused with a problem document", .timeLimit(.minutes(1)))
struct RefusalTests {
  private func problem(
    _ client: PortalClient, _ method: HTTPMethod, _ path: String, _ headers: HTTPHeaders = [:], body: [UInt8] = []
  ) async throws -> Problem {
    let (head, bytes) = try await client.whole(method, path, headers: headers, body: body)
    #expect(head.headers.first(name: "Content-Type") == "application/problem+json")
    let problem: Problem = try PortalClient.decode(bytes)
    #expect(problem.status == Int(head.status.code))
    return problem
  }

  @Test("a fault in the document reaches the client with field, line, value and what is allowed")
  func field() async throws {
    let fault = Problem(
      "out-of-range", status: 422, title: "Value out of range", detail: "99999 is too wide",
      field: "outputs[0].video.width",
      line: 7, value: "99999", allowed: ["16…7680"])
    try await withPortal(FakeOverlay { $0.refusal = fault }) { client async throws in
      let seen = await refusal { _ = try await client.submit([1], format: .yaml, idempotencyKey: nil) }
      #expect(seen == fault)
      #expect(seen?.kind == "out-of-range")
      #expect("\(fault)" == "outputs[0].video.width (line 7): 99999 is too wide (allowed: 16…7680)")
      #expect(await refusal { _ = try await client.plan([1], format: .yaml) } == fault)
    }
  }

  @Test("unknown paths are 404, known paths with another method 405 with Allow")
  func unknown() async throws {
    try await withPortal(FakeOverlay()) { client async throws in
      #expect(try await problem(client, .GET, "/nowhere").status == 404)
      #expect(try await problem(client, .GET, "/v1/services/none").kind == "not-found")
      #expect(try await problem(client, .GET, "/v1/services/none/media").status == 404)
      #expect(try await problem(client, .GET, "/v1/services/none/events").status == 404)
      #expect(try await problem(client, .GET, "/v1/services/%2e%2e%2fetc").status == 404)
      let wrong = try await problem(client, .DELETE, "/v1/services", [:])
      #expect(wrong.status == 405 && wrong.allowed == ["POST", "GET"])
      let (head, _) = try await client.whole(.PUT, "/v1/overlay")
      #expect(head.headers.first(name: "Allow") == "GET")
    }
  }

  @Test("a document must call itself YAML or JSON: a form cannot, so a foreign page's form cannot submit")
  func mediaType() async throws {
    let overlay = FakeOverlay()
    try await withPortal(overlay) { client async throws in
      for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        #expect(try await problem(client, .POST, "/v1/services", ["Content-Type": type], body: [1]).status == 415)
      }
      #expect(try await problem(client, .POST, "/v1/services", [:], body: [1]).status == 415)
      #expect(try await problem(client, .POST, "/v1/plan", [:], body: [1]).status == 415)
    }
    #expect(overlay.submissions.isEmpty)
  }

  @Test("a document at the bound passes, one byte more is 413, announced or not")
  func size() async throws {
    let overlay = FakeOverlay()
    try await withPortal(overlay) { client async throws in
      let limit = Limits.requestBytes
      _ = try await client.submit(Array(repeating: 32, count: limit), format: .yaml, idempotencyKey: nil)
      let large = await refusal {
        _ = try await client.submit(Array(repeating: 32, count: limit + 1), format: .yaml, idempotencyKey: nil)
      }
      #expect(large?.status == 413 && large?.kind == "body-too-large")
      let huge = await refusal {
        _ = try await client.submit(Array(repeating: 32, count: 32 << 20), format: .yaml, idempotencyKey: nil)
      }
      #expect(huge?.status == 413)
      let chunked = try await BareConnection(port: client.address.port)
      try await chunked.send(
        "POST /v1/services HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/yaml\r\nConnection: close\r\n"
          + "Transfer-Encoding: chunked\r\n\r\n20000\r\n\(String(repeating: " ", count: 0x20000))\r\n0\r\n\r\n")
      #expect(try await chunked.rest().hasPrefix("HTTP/1.1 413"))
    }
    #expect(overlay.submissions.count == 1)
  }

  @Test("empty documents, unreadable keys, coordinates, positions and event IDs are 400 and name the field")
  func unreadable() async throws {
    try await withPortal(FakeOverlay { $0.services = [Sample.running()] }) { client async throws in
      let yaml: HTTPHeaders = ["Content-Type": "application/yaml"]
      #expect(try await problem(client, .POST, "/v1/services", yaml).kind == "empty-document")
      func field(_ name: String, _ value: String) async throws -> String? {
        var headers = yaml
        headers.add(name: name, value: value)
        return try await problem(client, .POST, "/v1/services", headers, body: [1]).field
      }
      #expect(try await field("Idempotency-Key", String(repeating: "k", count: 256)) == "Idempotency-Key")
      for text in ["", "1,2,3,4", "1,2,3,4,-1", "1,2,3,4,nan", "1,2,3,4,5,6", "a,b,c,d,e", "1e300,0,0,0,0"] {
        #expect(try await field("Millrace-Coordinate", text) == "Millrace-Coordinate")
      }
      let media = "/v1/services/\(Sample.service)/media?from="
      for text in ["-1", "x", "18446744073709551616", ""] {
        #expect(try await problem(client, .GET, media + text).field == "from")
      }
      #expect(try await problem(client, .GET, "/v1/events", ["Last-Event-ID": "x"]).field == "Last-Event-ID")
    }
  }

  @Test("noise instead of HTTP closes the connection, and the portal goes on")
  func noise() async throws {
    try await withPortal(FakeOverlay()) { client async throws in
      for text in [
        "\u{1}\u{2}\u{3}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n\0\0",
      ] {
        let connection = try await BareConnection(port: client.address.port)
        try? await connection.send(text)
        try? await connection.channel.close(mode: .output)
        let answer = try await connection.rest()
        #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"))
      }
      #expect(try await client.health().status == .ok)
    }
  }

  // MARK: - Other people's pages

  @Test(
    "a foreign name that resolves to loopback is refused: the Host header must be an address, localhost, or configured")
  func rebinding() async throws {
    let configuration = PortalConfiguration(port: 0, names: ["streams.example"])
    try await withPortal(FakeOverlay(), configuration: configuration) { client async throws in
      for host in [
        "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil", "[::1", "a:b:c", "",
      ] {
        #expect(try await problem(client, .GET, "/v1/overlay", ["Host": host]).status == 421)
      }
      for host in ["localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST", "Streams.Example"] {
        #expect(try await client.whole(.GET, "/healthz", headers: ["Host": host]).0.status == .ok)
      }
    }
  }

  @Test("a foreign page changes nothing here, and no answer carries CORS headers")
  func crossOrigin() async throws {
    let overlay = FakeOverlay { $0.services = [Sample.running()] }
    try await withPortal(overlay) { client async throws in
      let own = "http://\(client.address.authority)"
      let path = "/v1/services/\(Sample.service)"
      for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        #expect(try await problem(client, .DELETE, path, ["Origin": origin]).kind == "cross-origin")
      }
      #expect(try await problem(client, .DELETE, path, ["Sec-Fetch-Site": "cross-site"]).status == 403)
      #expect(try await client.service(Sample.service).state == .running)
      #expect(try await problem(client, .OPTIONS, path, ["Origin": own]).status == 405)
      let (head, _) = try await client.whole(.GET, path, headers: ["Origin": "https://evil.example"])
      #expect(!head.headers.contains { $0.name.lowercased().hasPrefix("access-control") })
      #expect(try await client.whole(.DELETE, path, headers: ["Origin": own]).0.status == .ok)
    }
  }

  // MARK: - Listening and reaching

  @Test("a port in use is a typed error that says what to do")
  func portInUse() async throws {
    try await withPortal(FakeOverlay()) { client async throws in
      let port = client.address.port
      let second = PortalServer(
        backend: FakeOverlay(), configuration: PortalConfiguration(port: port), logger: Logger(label: "second"))
      await #expect(throws: ListeningError.portInUse(host: "127.0.0.1", port: port)) { try await second.run() }
    }
    let nowhere = PortalServer(
      backend: FakeOverlay(), configuration: PortalConfiguration(host: "192.0.2.1", port: 0), logger: Logger(label: "x")
    )
    await #expect(throws: ListeningError.noSuchAddress(host: "192.0.2.1")) { try await nowhere.run() }
  }

  @Test("a portal that is not there, says nothing, or is no portal gives its own error")
  func unreachable() async throws {
    let port = try await withPortal(FakeOverlay()) { $0.address.port }
    await #expect(
      throws: PortalClientError.unreachable(
        peer: "127.0.0.1:\(port)", reason: "connection refused; is a peer running there?")
    ) {
      _ = try await PortalClient("127.0.0.1:\(port)").health()
    }
    let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(
      host: "127.0.0.1", port: 0
    ).get()
    let mute = try PortalClient("http://127.0.0.1:\(silent.localAddress!.port!)", patience: .milliseconds(50))
    await #expect(throws: PortalClientError.silent(peer: mute.address.authority, seconds: 0)) {
      _ = try await mute.health()
    }
    try await silent.close()
    for text in ["", "ftp://x", "http://", "http://a:0", "http://a:70000", "http://a/b", "https://a"] {
      #expect(throws: PortalClientError.invalidAddress(text)) { _ = try PortalClient(text) }
    }
    #expect(try PortalClient("http://[::1]:8080/").address.authority == "[::1]:8080")
  }
}
