import Foundation
import NIOHTTP1
import Testing

@testable import Portal

@Suite("the page", .timeLimit(.minutes(3)))
struct PageTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  @Test("what is embedded is what stands in Sources/Portal/Page; Tools/generate-page makes it so")
  func embedded() throws {
    let folder = Self.root.appending(path: "Sources/Portal/Page")
    let generated = try String(
      contentsOf: Self.root.appending(path: "Sources/Portal/Generated/PageFiles.swift"), encoding: .utf8)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(files.count == PageFile.all.count + 1)
    for file in files {
      let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
      let name = String(file.map { $0.isLetter || $0.isNumber ? $0 : "_" })
      #expect(
        generated.contains("static let \(name) = ###\"\"\"\n\(text)\n\"\"\"###\n"),
        "\(file) differs: run Tools/generate-page")
    }
  }

  @Test("every file is served with its type, unsniffed, under a policy that runs nothing inline and asks no other host")
  func served() async throws {
    try await withPortal(FakeOverlay()) { client async throws in
      for file in PageFile.all {
        let (head, bytes) = try await client.whole(.GET, file.path)
        #expect(head.status == .ok && String(decoding: bytes, as: UTF8.self) == file.text)
        #expect(head.headers.first(name: "Content-Type") == file.mimeType)
        #expect(head.headers.first(name: "X-Content-Type-Options") == "nosniff")
        let policy = try #require(head.headers.first(name: "Content-Security-Policy"))
        #expect(policy.hasPrefix("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"))
        for foreign in ["https://", "//cdn", "onclick=", "style=", "<script>", "javascript:"] {
          #expect(!file.text.contains(foreign), "\(file.path) contains \(foreign)")
        }
      }
    }
  }

  /// Runs a tool; its exit status, standard output and standard error.
  private func run(_ tool: String, _ arguments: [String]) async throws -> (status: Int32, out: String, error: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [tool] + arguments
    // Into files, not pipes: reading a pipe would block a thread that the portal needs.
    let names = ["out", "error"].map {
      FileManager.default.temporaryDirectory.appending(path: "portal-\(UUID()).\($0)")
    }
    for name in names { try Data().write(to: name) }
    defer { for name in names { try? FileManager.default.removeItem(at: name) } }
    process.standardOutput = try FileHandle(forWritingTo: names[0])
    process.standardError = try FileHandle(forWritingTo: names[1])
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in done.resume() }
      do {
        try process.run()
      } catch {
        process.terminationHandler = nil
        done.resume(throwing: error)
      }
    }
    let said = try names.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
    return (process.terminationStatus, said[0], said[1])
  }

  /// One cue a chunk, as a text stream comes; then it stays open, as a live one does: cues must show before the track has ended.
  @Sendable private static func cue(_ position: UInt64) async throws -> Chunk? {
    guard position < 5 else {
      try await untilCancelled()
      return nil
    }
    let text = "00:00:0\(position * 2).000 --> 00:00:0\(position * 2 + 1).900\nCaption \(position) of the talk\n\n"
    return Chunk(bytes: Array(text.utf8), position: position, isKey: true)
  }

  /// Ten seconds of picture and sound.
  private func film(in folder: URL) async throws -> [UInt8]? {
    let film = folder.appending(path: "film.webm")
    let made = try await run(
      "ffmpeg",
      [
        "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=10", "-f", "lavfi", "-i",
        "sine=330:duration=10",
        "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", "-b:v", "600k", "-c:a", "libopus",
        "-live", "1",
        "-cluster_time_limit", "200", film.path,
      ])
    return made.status == 0 ? Array(try Data(contentsOf: film)) : nil
  }

  @Test("in Chromium the video plays, captions show, and nothing breaches the policy")
  func playing() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "portal-page-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let keep = ProcessInfo.processInfo.environment["PORTAL_PICTURES"]
    defer { try? FileManager.default.removeItem(at: folder) }
    guard let film = try await film(in: folder) else {
      print("skipped: ffmpeg is missing")
      return
    }
    let overlay = FakeOverlay { $0.services = [Sample.running()] }
    overlay.change { state in
      state.named = { output, from in
        if output == "captions" {
          return FakeDelivery(mimeType: "text/vtt", preamble: Array("WEBVTT\n\n".utf8), Self.cue)
        }
        return FakeDelivery(from: from ?? 0) { position in
          let start = Int(position) * 16_384
          guard start < film.count else { return nil }
          return Chunk(bytes: Array(film[start..<min(film.count, start + 16_384)]), position: position, isKey: true)
        }
      }
    }
    let tool = Self.root.appending(path: "Tools/browser/play").path
    let result = try await withPortal(overlay) { client async throws in
      let telling = Task {
        await overlay.watched.wait()
        for (sequence, kind) in ["election.mandate", "plan.placed", "service.running"].enumerated() {
          overlay.tell(Sample.event(UInt64(sequence), kind: kind))
        }
      }
      defer { telling.cancel() }
      return try await run(
        "python3", [tool, "\(client.address)", "--captions"] + (keep.map { ["--pictures", $0] } ?? []))
    }
    if result.status == 77 {
      print(result.error)
      return
    }
    #expect(result.status == 0, "\(result.out)\(result.error)")
    #expect(result.out.contains("of the talk"))
  }

  @Test("in Chromium a service of text alone shows its cues as they come")
  func text() async throws {
    var service = Sample.running()
    service.outputs = [Sample.outputs[1]]
    let overlay = FakeOverlay {
      $0.services = [service]
      $0.delivery = { _ in FakeDelivery(mimeType: "text/vtt", preamble: Array("WEBVTT\n\n".utf8), Self.cue) }
    }
    let tool = Self.root.appending(path: "Tools/browser/play").path
    let result = try await withPortal(overlay) { client async throws in
      try await run("python3", [tool, "\(client.address)", Sample.service])
    }
    if result.status == 77 {
      print(result.error)
      return
    }
    #expect(result.status == 0, "\(result.out)\(result.error)")
  }

  @Test("in Chromium a refused request is explained at its field, with its line selected")
  func refusing() async throws {
    let fault = Problem(
      "out-of-range", status: 422, title: "Value out of range", detail: "99999 is too wide <b>", field: "video.size",
      line: 3,
      value: "99999", allowed: ["16…7680"])
    let request = FileManager.default.temporaryDirectory.appending(path: "portal-\(UUID()).yaml")
    try Data("source: x\nvideo:\n  size: 99999x1\n".utf8).write(to: request)
    defer { try? FileManager.default.removeItem(at: request) }
    let tool = Self.root.appending(path: "Tools/browser/ask").path
    let result = try await withPortal(FakeOverlay { $0.refusal = fault }) { client async throws in
      try await run("python3", [tool, "\(client.address)", request.path])
    }
    if result.status == 77 {
      print(result.error)
      return
    }
    #expect(result.status == 1, "\(result.error)")
    for part in ["video.size, line 3", "99999 is too wide <b>", "Allowed: 16", "\"selected\": \"  size: 99999x1\""] {
      #expect(result.out.contains(part), "\(result.out)")
    }
  }
}
