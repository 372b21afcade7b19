import Base
import Foundation
import Testing

@testable import Identity

struct KeyFileTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "millrace-key-\(UUID().uuidString)").path
  private var path: String { "\(folder)/deep/key" }

  private func clean() { try? FileManager.default.removeItem(atPath: folder) }

  @Test("a first run makes a key that only its owner can read, and later runs find it")
  func loadOrCreate() throws {
    defer { clean() }
    let keys = try KeyFile.loadOrCreate(at: path)
    #expect(try KeyFile.loadOrCreate(at: path).id == keys.id)
    #expect(try KeyFile.load(at: path).seed == keys.seed)
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/deep") == ["key"], "a draft was left")
    // Making one again finds the first, and does not replace it.
    #expect(try KeyFile.create(at: path).id == keys.id)
  }

  @Test("a key file that others can read is refused, with the command that mends it", arguments: [0o640, 0o604, 0o620])
  func exposed(mode: Int) throws {
    defer { clean() }
    _ = try KeyFile.create(at: path)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    #expect(throws: KeyFileError.exposed(path, mode: UInt16(mode))) { _ = try KeyFile.loadOrCreate(at: path) }
    #expect(KeyFileError.exposed(path, mode: 0o640).description.contains("chmod 600 \(path)"))
  }

  @Test("a damaged key file is refused by name, without showing the secret")
  func corrupt() throws {
    defer { clean() }
    let keys = try KeyFile.create(at: path)
    let good = try String(contentsOfFile: path, encoding: .utf8)
    let seed = TextForm.base32(keys.seed.bytes)
    let other = TextForm.base32(KeyPair.generate().seed.bytes)
    for bad in ["", "x", String(good.dropLast(60)), good.replacing(seed, with: other), good.replacing(seed, with: "a")]
    {
      let handle = try #require(FileHandle(forWritingAtPath: path))
      try handle.truncate(atOffset: 0)
      try handle.write(contentsOf: Data(bad.utf8))
      try handle.close()
      let error = #expect(throws: KeyFileError.self) { _ = try KeyFile.loadOrCreate(at: path) }
      guard case .corrupt(path, _) = error else { return #expect(Bool(false), "\(error as Any)") }
      #expect(error!.description.contains(path))
      #expect(!error!.description.contains(seed) && !error!.description.contains(other))
    }
  }

  @Test("what is no file, or may not be read, is named")
  func unreadable() throws {
    defer { clean() }
    #expect(throws: KeyFileError.missing(path)) { _ = try KeyFile.load(at: path) }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    #expect(throws: KeyFileError.unreadable(path, reason: "not a regular file")) { _ = try KeyFile.load(at: path) }
  }
}
