import Base

// What the swarm's sources hold beside pictures, and what is asked of them.

extension ScenarioMaker {
  /// Of so many scenarios the sources may have sound and captions. As with liars a stream of chance of its own, so that all else in a seed's
  /// scenario is what it would be without.
  private static let mediaShare = 0.65

  /// What takes part in more than pictures.
  static let parts = ["video.burn", "audio.resample", "audio.opus", "mux.ogg", "mux.webvtt"]

  static func addMedia(to scenario: inout Scenario) {
    var random = SeededRandom(seed: scenario.seed &* 0xC2B2_AE35 &+ 7)
    guard random.fraction() < mediaShare else { return }
    for number in scenario.sources.indices {
      if random.fraction() < 0.85 {
        scenario.sources[number].sound = Scenario.Track(
          interval: [20, 40, 100][random.index(below: 3)], bytes: 20 + random.index(below: 200))
      }
      if random.fraction() < 0.75 {
        scenario.sources[number].captions = Scenario.Track(
          interval: [500, 2_000][random.index(below: 2)], bytes: 8 + random.index(below: 60))
      }
    }
    if random.fraction() < 0.5 { scenario.chunk = [200, 500][random.index(below: 2)] }
    for number in scenario.requests.indices {
      let source = scenario.requests[number].source
      let wishes = Scenario.Wish.allCases.filter { scenario.sources[source].fulfils($0) }
      // Equal and half equal requests share what they can.
      let other = scenario.requests[..<number].last { $0.source == source }
      let drawn = wishes[random.index(below: wishes.count)]
      scenario.requests[number].wants = random.fraction() < 0.4 ? other?.wants ?? drawn : drawn
    }
    for part in parts {
      // As with the others: twice at least.
      let order = random.permuted(0..<scenario.nodes.count)
      for (place, number) in order.enumerated() where place < 2 || random.fraction() < 0.4 {
        scenario.nodes[number].components?.append(part)
      }
    }
  }
}

extension Scenario.Source {
  /// Whether it holds what a client wants.
  func fulfils(_ wish: Scenario.Wish) -> Bool {
    switch wish {
    case .picture: true
    case .film, .sound: sound != nil
    case .captionedFilm, .burnedFilm: sound != nil && captions != nil
    case .captions: captions != nil
    }
  }
}

extension Scenario {
  /// The same where sources are pictures alone, and nothing else is asked; nil when they are.
  var picturesOnly: Scenario? {
    var shorter = self
    shorter.chunk = nil
    for number in sources.indices {
      (shorter.sources[number].sound, shorter.sources[number].captions) = (nil, nil)
    }
    for number in requests.indices { shorter.requests[number].wants = nil }
    guard shorter != self else { return nil }
    for number in nodes.indices { shorter.nodes[number].components?.removeAll(where: ScenarioMaker.parts.contains) }
    return shorter
  }
}
