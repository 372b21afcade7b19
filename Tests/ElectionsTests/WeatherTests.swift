import Base
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Elections

/// `MILLRACE_STORMS=1000 swift test` looks longer.
private let storms = ProcessInfo.processInfo.environment["MILLRACE_STORMS"].flatMap { Int($0) } ?? 60

/// Safety in any weather, then heal and demand progress; and the proof that the witness sees what it should.
@Suite struct WeatherTests {
  /// Seconds of loss, repetition, reordering, crashes and cuts from one seed; returns what happened.
  static func storm(
    seed: UInt64, defect: Ballots.Defect? = nil, healing: Bool = true, strategy: ElectionStrategy = .rendezvous
  ) throws -> Overlay {
    var choices = SeededRandom(seed: seed &* 31 &+ 7)
    let size = 3 + choices.index(below: 5)
    var overlay = Overlay(size, seed: seed, defect: defect)
    overlay.appendEvery = 90
    overlay.weather = Overlay.Weather(
      delay: 1...(5 + choices.index(below: 60)), loss: 0.12 * choices.fraction(), repetition: 0.05,
      disk: 1 + choices.index(below: 20))
    let (envelope, evidence) = try overlay.ordered(by: strategy)
    let electorate = envelope.body.electorate
    var stores = electorate.size - electorate.quorum
    overlay.give(0, .call(envelope, evidence: evidence))
    for _ in 0..<18 {
      overlay.run(Int64(100 + choices.index(below: 1_200)))
      let manager = overlay.peers.firstIndex { $0.log != nil }
      let victim = choices.fraction() < 0.6 ? manager ?? 0 : choices.index(below: size)
      switch choices.index(below: 5) {
      case 0, 1: overlay.crash(victim)
      case 2: overlay.peers[victim].isCutOff.toggle()
      case 3 where stores > 0 && choices.fraction() < 0.4:
        stores -= 1
        overlay.crash(victim, losingStore: true)
      default: break
      }
      for peer in 0..<size where !overlay.peers[peer].isUp && choices.fraction() < 0.7 { try overlay.restart(peer) }
      if choices.fraction() < 0.5 { for peer in 0..<size { overlay.peers[peer].isCutOff = false } }
    }
    guard healing else { return overlay }
    overlay.weather = Overlay.Weather()
    for peer in 0..<size {
      overlay.peers[peer].isCutOff = false
      try overlay.restart(peer)
    }
    overlay.give(0, .call(envelope, evidence: evidence))
    let before = overlay.witness.acceptedVersions
    overlay.run(60_000) { $0.witness.acceptedVersions > before + 1 }
    if overlay.witness.acceptedVersions <= before + 1 {
      overlay.reports.append((0, .callFailed(envelope.request, .tooMany)))
    }
    return overlay
  }

  static func hasStalled(_ overlay: Overlay) -> Bool {
    if case .callFailed(_, .tooMany) = overlay.reports.last?.effect { return true }
    return false
  }

  @Test(
    "in any weather: one tenure a term, promises kept, nothing in force lost; afterwards every service goes on",
    arguments: 1...storms)
  func holds(_ seed: Int) throws {
    let overlay = try WeatherTests.storm(seed: UInt64(seed))
    #expect(overlay.witness.violations == [])
    let hasStalled = WeatherTests.hasStalled(overlay)
    #expect(!hasStalled, "no progress after the storm: \(overlay.peers.map(\.ballots).map(WeatherTests.state))")
  }

  static func state(_ ballots: Ballots) -> String {
    guard let ballot = ballots.ballots.values.first else { return "no ballot" }
    let tenure = ballots.tenures.values.first.map {
      "manages \($0.mandate.term), frozen \($0.isFrozen), outpaced \($0.isOutpaced)"
    }
    return
      "promised \(ballot.record.promised?.description ?? "nothing"), mandate \(ballot.mandate?.term.description ?? "none"), "
      + "\(ballot.heard.values.map { $0.vote.body.term.description }), \(tenure ?? "")"
  }

  @Test("one seed, one history")
  func determinism() throws {
    let histories = try (0..<2).map { _ in try WeatherTests.storm(seed: 11).reports.map { "\($0.peer) \($0.effect)" } }
    #expect(histories[0] == histories[1] && histories[0].count > 3)
  }

  @Test(
    "the witness catches every planted fault",
    arguments: [.promiseNotPersisted, .quorumOffByOne, .effectiveBeforeQuorum] as [Ballots.Defect])
  func canaries(_ defect: Ballots.Defect) throws {
    let caught = try (1...200).first { seed in
      !(try WeatherTests.storm(seed: UInt64(seed), defect: defect, healing: false)).witness.violations.isEmpty
    }
    #expect(caught != nil, "\(defect) stayed unnoticed in 200 storms: checkers or storms are too weak")
  }
}
