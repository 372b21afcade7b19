// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The rooms of the house, lowest first; an arrow only ever points down (see "The house" in README.md).
// `MILLRACE_ROOMS=Elections,Streams swift test` builds just those rooms, what lies below them and their tests:
// the pure layers then build and test in seconds, without NIO, SQLite or FFmpeg.

struct Room {
  enum Kind { case library, executable }
  var name: String
  var kind = Kind.library
  var below: [String] = []
  var system: [String] = []
  var products: [Target.Dependency] = []
  var linker: [LinkerSetting] = []
  var resources: [Resource] = []
  var exclude: [String] = []
  var tested = true
  /// What its tests use besides.
  var testedWith: [String] = []
}

let collections = Target.Dependency.product(name: "OrderedCollections", package: "swift-collections")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let nio: [Target.Dependency] = [
  .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
]

let rooms = [
  // L0
  Room(name: "Base", products: [collections]),
  // L1
  Room(name: "Identity", below: ["Base"], system: ["CSodium"]),
  Room(name: "Vocabulary", below: ["Base", "Identity"]),
  Room(name: "Wire", below: ["Base", "Identity", "Vocabulary"], products: [protobuf], exclude: ["Protos"]),
  // L2: pure, siblings do not see each other except where shown
  Room(name: "Membership", below: ["Base", "Identity", "Vocabulary", "Wire"]),
  Room(name: "Measurements", below: ["Base", "Identity", "Vocabulary", "Wire"]),
  Room(name: "Mandates", below: ["Base", "Identity", "Vocabulary", "Wire"], tested: false),
  Room(
    name: "Elections", below: ["Base", "Identity", "Vocabulary", "Wire", "Mandates"],
    testedWith: ["Evidence", "Assignments"]),
  Room(name: "Evidence", below: ["Base", "Identity", "Vocabulary", "Wire", "Mandates", "Elections", "Assignments"]),
  Room(name: "Rivals", below: ["Base", "Identity", "Vocabulary", "Wire", "Mandates", "Elections"]),
  Room(name: "Composition", below: ["Base", "Identity", "Vocabulary"], products: [yams]),
  Room(name: "Placement", below: ["Base", "Identity", "Vocabulary", "Composition"]),
  Room(name: "Assignments", below: ["Base", "Identity", "Vocabulary", "Wire"], tested: false),
  Room(name: "Desks", below: ["Base", "Identity", "Vocabulary", "Assignments"], tested: false),
  Room(name: "Sessions", below: ["Base", "Identity", "Vocabulary", "Wire", "Assignments"], testedWith: ["Desks"]),
  Room(name: "Streams", below: ["Base", "Identity", "Vocabulary", "Wire"]),
  // L3
  Room(
    name: "Core",
    below: [
      "Base", "Identity", "Vocabulary", "Wire", "Membership", "Measurements", "Mandates", "Elections", "Evidence",
      "Rivals", "Composition", "Placement", "Assignments", "Desks", "Sessions", "Streams",
    ]),
  // L4
  Room(
    name: "Transport", below: ["Base", "Identity", "Vocabulary", "Wire"], system: ["CSodium"],
    products: nio + [
      .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "NIOTLS", package: "swift-nio"),
      .product(name: "SwiftASN1", package: "swift-asn1"), .product(name: "Logging", package: "swift-log"),
    ]),
  Room(
    name: "Media", below: ["Base", "Identity", "Vocabulary", "Wire", "Composition"], system: ["CFFmpeg", "COpus"]),
  Room(
    name: "Store", below: ["Base", "Identity", "Vocabulary"],
    products: [.product(name: "GRDB", package: "GRDB.swift")]),
  Room(
    name: "Portal", below: ["Base"],
    products: nio + [
      .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "HTTPTypes", package: "swift-http-types"),
      .product(name: "HummingbirdCore", package: "hummingbird"), .product(name: "Logging", package: "swift-log"),
    ],
    exclude: ["Page"]),
  Room(
    name: "Lab",
    below: [
      "Base", "Identity", "Vocabulary", "Wire", "Measurements", "Mandates", "Elections", "Evidence", "Rivals",
      "Composition", "Assignments", "Desks", "Sessions", "Streams", "Core",
    ]),
  Room(name: "Reports"),
  Room(
    name: "Study",
    below: [
      "Base", "Identity", "Vocabulary", "Mandates", "Elections", "Rivals", "Composition", "Placement", "Lab", "Reports",
    ],
    products: [yams, .product(name: "HeapModule", package: "swift-collections")]),
  // L5
  Room(
    name: "Runtime",
    below: [
      "Base", "Identity", "Vocabulary", "Wire", "Membership", "Measurements", "Mandates", "Elections", "Evidence",
      "Rivals", "Composition", "Assignments", "Desks", "Sessions", "Streams", "Core", "Transport", "Store", "Portal",
    ],
    products: nio + [yams, .product(name: "Logging", package: "swift-log")]),
  Room(
    name: "millrace", kind: .executable,
    below: ["Base", "Identity", "Portal", "Lab", "Reports", "Study", "Runtime"],
    products: [.product(name: "ArgumentParser", package: "swift-argument-parser")], tested: false),
  // Linked against FFmpeg, so that the node is not: see Decisions/WorkerExecutable.md
  Room(name: "millrace-worker", kind: .executable, below: ["Media"], tested: false),
]

let systemLibraries: [Target] = [
  .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
  .systemLibrary(
    name: "CFFmpeg", pkgConfig: "libavformat libavcodec libavfilter libavutil libswresample libswscale",
    providers: [
      .apt([
        "libavformat-dev", "libavcodec-dev", "libavfilter-dev", "libavutil-dev", "libswresample-dev", "libswscale-dev",
      ])
    ]),
  .systemLibrary(name: "COpus", pkgConfig: "opus", providers: [.apt(["libopus-dev"])]),
]

// MARK: - Which rooms to build

let asked = Context.environment["MILLRACE_ROOMS"].map { $0.split(separator: ",").map(String.init) }

func closure(of names: [String]) -> Set<String> {
  var wanted = Set<String>()
  var open = names
  while let name = open.popLast() {
    guard wanted.insert(name).inserted, let room = rooms.first(where: { $0.name == name }) else { continue }
    open += room.below + (asked?.contains(name) ?? true ? room.testedWith : [])
  }
  return wanted
}

let wanted = closure(of: asked ?? rooms.map(\.name))
let tested = Set(asked ?? rooms.map(\.name))
let built = rooms.filter { wanted.contains($0.name) }

let settings: [SwiftSetting] =
  [.enableUpcomingFeature("ExistentialAny")]
  + (Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)])
  // What every peer does all the time crosses rooms: gossip from Core into Membership, and back.
  + [.unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))]

func dependencies(_ room: Room) -> [Target.Dependency] {
  room.below.map { .target(name: $0) } + room.system.map { .target(name: $0) } + room.products
}

func hasFiles(_ folder: String) -> Bool {
  let files = try? FileManager.default.contentsOfDirectory(atPath: "\(Context.packageDirectory)/\(folder)")
  return files?.contains { $0.hasSuffix(".swift") } ?? false
}

func hasFolder(_ folder: String) -> Bool {
  FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/\(folder)")
}

// Only folders that exist are test targets; SimulationTests and EndToEndTests stand above all rooms.
let testTargets: [Target] = built.filter { $0.tested && tested.contains($0.name) && hasFiles("Tests/\($0.name)Tests") }
  .map { room in
    .testTarget(
      name: room.name + "Tests",
      dependencies: [.target(name: room.name)] + dependencies(room) + room.testedWith.map { .target(name: $0) },
      exclude: hasFolder("Tests/\(room.name)Tests/Golden") ? ["Golden"] : [], swiftSettings: settings)
  }

let usedPackages = Set(
  built.flatMap(\.products).compactMap { dependency -> String? in
    if case .productItem(_, let package, _, _) = dependency { return package }
    return nil
  })

let packages: [(String, Package.Dependency)] = [
  ("swift-collections", .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0")),
  ("swift-protobuf", .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0")),
  ("Yams", .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2")),
  ("swift-nio", .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2")),
  ("swift-nio-ssl", .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6")),
  ("swift-asn1", .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4")),
  ("swift-log", .package(url: "https://github.com/apple/swift-log", exact: "1.16.2")),
  ("GRDB.swift", .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0")),
  ("swift-http-types", .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0")),
  ("hummingbird", .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1")),
  ("swift-argument-parser", .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")),
]

let package = Package(
  name: "millrace",
  platforms: [.macOS(.v15)],
  products: built.filter { $0.kind == .executable }.map { .executable(name: $0.name, targets: [$0.name]) },
  dependencies: packages.filter { usedPackages.contains($0.0) }.map(\.1),
  targets: systemLibraries
    + built.map { room in
      switch room.kind {
      case .library:
        .target(
          name: room.name, dependencies: dependencies(room), exclude: room.exclude, resources: room.resources,
          swiftSettings: settings)
      case .executable:
        .executableTarget(name: room.name, dependencies: dependencies(room), swiftSettings: settings)
      }
    } + testTargets,
  swiftLanguageModes: [.v6]
)
