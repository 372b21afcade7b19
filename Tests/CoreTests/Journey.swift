import Base
import Composition
import Elections
import Foundation
import Identity
import Mandates
import Testing
import Vocabulary

@testable import Core

/// Five peers that have found each other, of which each offers but a part, so that a chain must cross several of them; and
/// requests for the talk that peer 0 shares.
struct Journey {
  /// n1 and n2 can stand in for each other, and so can n3 and n4.
  static let offers = [
    ["source.video", "source.audio", "source.text"], ["video.scale", "video.overlay"],
    ["video.scale", "video.overlay"],
    ["video.vp8", "mux.webm"], ["video.vp8", "mux.webm"],
  ]
  static let portal = 4
  static let components = ["source.video", "video.scale", "video.overlay", "video.vp8", "mux.webm"]

  var world: World
  /// When the newest request came in.
  private(set) var asked = Instant.zero

  /// Everybody knows everybody and what they offer.
  init(seed: UInt64, election: ElectionStrategy = .rendezvous) throws {
    world = World(seed: seed, offers: Journey.offers, election: election)
    world.joinAll()
    world.run(for: .seconds(15))
    for peer in world.peers {
      let known = peer.node.view.filter { $0.member.isMember && $0.report != nil }
      try #require(known.count == Journey.offers.count, "n\(world.number(of: peer.node.id)!) knows \(known.count)")
    }
  }

  /// Asks the portal for the talk and waits until the service runs and its manager says so.
  mutating func begin() throws -> RequestID {
    asked = world.now
    let document = try Talk.request(from: world.peers[Talk.sharedBy].node.id)
    let token = world.ask(Journey.portal, .submit(document, idempotencyKey: nil, place: nil, extra: 0))
    _ = world.run(atMost: .seconds(5)) { $0.answers[token] != nil }
    guard case .accepted(let request, let outputs, false) = world.answers[token] else {
      throw Refusal(what: "the portal answered \(String(describing: world.answers[token]))")
    }
    #expect(outputs.count == 1)
    #expect(world.run(atMost: .seconds(2)) { !$0.events("service.running", of: request).isEmpty })
    return request
  }

  struct Refusal: Error { var what: String }

  // MARK: - What is looked at

  /// Who manages a request now: the newest mandate that somebody alive holds.
  func manager(of request: RequestID) -> Int? {
    world.peers.indices.last { world.peers[$0].isAlive && world.peers[$0].node.director.services[request] != nil }
  }

  /// Where each stage of a request stands, in the graph's order, as its manager tells it.
  func places(of request: RequestID) throws -> [(component: String, peer: Int)] {
    let manager = try #require(self.manager(of: request), "somebody manages it")
    let report = try #require(world.peers[manager].node.managerReport(of: request, explanation: false))
    return try report.stages.map { stage in
      let node = try #require(Bytes32(stage.node).map(NodeID.init), "\(stage.component) has no node")
      return (stage.component, try #require(world.number(of: node)))
    }
  }

  /// Who watches a request at the portal.
  func viewer(of request: RequestID) -> Viewer? { world.viewers.values.first { $0.request == request } }

  /// Every position once, in order, of the right value, then the end; and nobody broke a rule of the world.
  func expectWhole(_ request: RequestID) throws {
    let viewer = try #require(self.viewer(of: request), "a sink was opened")
    let wanted = Array(0..<Talk.frames)
    let values = wanted.map { Talk.value($0, through: Journey.components) }
    let firstWrong = zip(viewer.positions, wanted).first { $0 != $1 }.map { "\($0.0) where \($0.1) was due" } ?? ""
    let (isInOrder, isRight) = (viewer.positions == wanted, viewer.values == values)
    #expect(isInOrder, "\(viewer.positions.count) positions \(firstWrong)")
    #expect(isRight, "a packet holds something else than its position's frame")
    let hasEnded = viewer.hasEnded
    #expect(hasEnded)
    #expect(world.problems == [])
  }

  // MARK: - A transcript for people

  /// What peers told since then, but for membership, with names instead of numbers.
  func transcript(since: Instant) throws -> [String] {
    let graph = try GraphBuilder.graph(
      for: try Talk.request(from: world.peers[Talk.sharedBy].node.id), on: Talk.source)
    func named(_ text: String) -> String {
      var text = text
      for (number, peer) in world.peers.enumerated() {
        text = text.replacingOccurrences(of: peer.node.id.description, with: "n\(number)")
        text = text.replacingOccurrences(of: "\(peer.node.id.short)…", with: "n\(number)")
      }
      for stage in graph.stages { text = text.replacingOccurrences(of: "\(stage.key.short)…", with: stage.component) }
      return text
    }
    let told = world.heard.filter { $0.at >= since && !$0.event.kind.hasPrefix("member.") }
    return ["n0 shares the talk; n4 is the portal. One request, and its end after a second."]
      + told.map { heard in
        let tenths = (heard.at - since).nanoseconds / 100_000
        let time = "\(tenths / 10).\(tenths % 10)"
        let kind = heard.event.kind
        return String(repeating: " ", count: max(0, 7 - time.count)) + "\(time) ms  n\(heard.peer)  \(kind)"
          + String(repeating: " ", count: max(1, 20 - kind.count)) + named(heard.event.summary)
      }
  }
}
