import Base
import Identity
import Testing

@testable import Transport

/// Peers whose datagrams a test carries by hand; addresses are numbers.
private struct Post {
  var peers: [Int: DatagramSessions<Int>] = [:]
  var now = Instant.zero
  /// Everything that was ever sent.
  var sent: [(from: Int, to: Int, bytes: [UInt8])] = []
  var received: [(at: Int, from: NodeID, bytes: [UInt8])] = []
  var otherVersions: [UInt8] = []

  mutating func add(_ address: Int, _ keys: KeyPair = .generate(), incarnation: UInt64 = 1, overlay: String = "test") {
    peers[address] = DatagramSessions(keys: keys, incarnation: incarnation, overlay: overlay)
  }
  func id(_ address: Int) -> NodeID { peers[address]!.keys.id }
  func counters(_ address: Int) -> DatagramCounters { peers[address]!.counters }

  mutating func send(_ message: [UInt8], from: Int, to: Int, carry: Bool = true) {
    perform(peers[from]!.send(message, to: id(to), at: to, now: now), at: from, carry)
  }
  mutating func carry(_ datagram: [UInt8], from: Int, to: Int) {
    guard peers[to] != nil else { return }
    let before = sent.count
    perform(peers[to]!.receive(datagram, from: from, now: now), at: to, true)
    // A forged sender address must not turn this peer into an amplifier.
    if before < sent.count, DatagramKind(rawValue: datagram[1]) != .welcome, sent[before].to == from,
      DatagramKind(rawValue: datagram[1]) != .challenge, DatagramKind(rawValue: datagram[1]) != .reset
    {
      #expect(sent[before].bytes.count <= datagram.count)
    }
  }
  private mutating func perform(_ actions: [DatagramSessions<Int>.Action], at: Int, _ carries: Bool) {
    for action in actions {
      switch action {
      case .transmit(let bytes, let to):
        #expect(bytes.count <= Limits.datagramBytes)
        sent.append((at, to, bytes))
        if carries { carry(bytes, from: at, to: to) }
      case .deliver(let node, _, let bytes): received.append((at, node, bytes))
      case .otherVersion(_, let version): otherVersions.append(version)
      }
    }
  }
}

struct DatagramSessionsTests {
  private func pair() -> Post {
    var post = Post()
    post.add(1)
    post.add(2)
    return post
  }

  @Test("a first message is delivered after one greeting and one welcome, later ones at once, both ways")
  func firstContact() {
    var post = pair()
    post.send([1], from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [[1]] && post.received[0].from == post.id(1))
    #expect(post.sent.map { DatagramKind(rawValue: $0.bytes[1]) } == [.greeting, .welcome, .message])
    post.send([2], from: 2, to: 1)
    #expect(post.received.map(\.bytes) == [[1], [2]] && post.sent.count == 4)
    #expect(post.counters(1).keysMade == 1 && post.counters(2).keysMade == 1)
  }

  @Test("a message of the greatest length makes a datagram of the greatest length")
  func greatestLength() {
    var post = pair()
    let message = [UInt8](repeating: 5, count: DatagramSocket.messageBytes)
    post.send(message, from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [message])
    #expect(post.sent.last!.bytes.count == Limits.datagramBytes)
  }

  @Test("two peers that greet each other at once end with one session")
  func bothGreet() {
    var post = pair()
    post.send([1], from: 1, to: 2, carry: false)
    post.send([2], from: 2, to: 1, carry: false)
    for letter in post.sent { post.carry(letter.bytes, from: letter.from, to: letter.to) }
    #expect(Set(post.received.map(\.bytes)) == [[1], [2]])
    let count = post.sent.count
    post.send([3], from: 1, to: 2)
    post.send([4], from: 2, to: 1)
    #expect(post.received.count == 4 && post.sent.count == count + 2)
  }

  @Test("a datagram counts once, however often it comes, and late ones count too")
  func replay() {
    var post = pair()
    post.send([0], from: 1, to: 2)
    for number in 1...5 { post.send([UInt8(number)], from: 1, to: 2, carry: false) }
    let late = post.sent.suffix(5)
    for letter in late.reversed() { post.carry(letter.bytes, from: 1, to: 2) }
    for letter in late { post.carry(letter.bytes, from: 1, to: 2) }
    #expect(post.received.map { $0.bytes[0] } == [0, 5, 4, 3, 2, 1])
    #expect(post.counters(2).replayed == 5)
  }

  @Test("a restart voids old datagrams, and the peers find each other again")
  func restart() {
    var post = pair()
    post.send([1], from: 1, to: 2)
    let old = post.sent.last!.bytes
    post.add(2, post.peers[2]!.keys, incarnation: 2)
    post.carry(old, from: 1, to: 2)
    #expect(post.received.count == 1, "the old datagram was taken")
    // The reset made 1 greet again: the next message goes straight through.
    post.send([2], from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [[1], [2]])
    post.carry(old, from: 1, to: 2)
    #expect(post.received.count == 2)
  }

  @Test("a restarted peer that speaks first replaces its old session")
  func restartedSpeaks() {
    var post = pair()
    post.send([1], from: 1, to: 2)
    post.add(2, post.peers[2]!.keys, incarnation: 2)
    post.send([2], from: 2, to: 1)
    post.send([3], from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [[1], [2], [3]])
  }

  @Test("a replayed greeting of an earlier life changes nothing")
  func replayedGreeting() {
    var post = pair()
    post.send([1], from: 2, to: 1)
    let greeting = post.sent[0].bytes
    post.add(2, post.peers[2]!.keys, incarnation: 2)
    post.send([2], from: 2, to: 1)
    post.carry(greeting, from: 9, to: 1)
    let before = post.sent.count
    post.send([3], from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [[1], [2], [3]] && post.sent.count == before + 1)
  }

  @Test("a forged reset makes a peer greet and no more")
  func forgedReset() {
    var post = pair()
    post.send([1], from: 1, to: 2)
    let session = DatagramLayout.number(post.sent.last!.bytes, at: 2)
    post.now += .seconds(1)
    post.carry(DatagramLayout.reset(session: session), from: 9, to: 1)
    post.send([2], from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [[1], [2]])
    #expect(post.counters(2).keysMade == 1, "it cost the other peer public-key work")
  }

  @Test("any altered byte makes noise of a message")
  func altered() {
    var post = pair()
    post.send([1], from: 1, to: 2)
    post.send([2, 3], from: 1, to: 2, carry: false)
    let good = post.sent.last!.bytes
    for index in good.indices {
      var bad = good
      bad[index] ^= 0x40
      post.carry(bad, from: 1, to: 2)
    }
    #expect(post.received.count == 1)
    post.carry(good, from: 1, to: 2)
    #expect(post.received.count == 2)
  }

  @Test("noise and other overlays cost no public-key work, and get hardly an answer")
  func noise() {
    var post = pair()
    var random = SeededRandom(seed: 4)
    for _ in 0..<5_000 {
      var bytes = (0..<random.index(below: 1_300)).map { _ in UInt8(random.index(below: 256)) }
      if bytes.count > 1, random.index(below: 2) == 0 { (bytes[0], bytes[1]) = (1, UInt8(2 + random.index(below: 3))) }
      post.carry(bytes, from: 9, to: 1)
    }
    post.add(3, overlay: "another")
    for _ in 0..<100 {
      post.now += .seconds(1)
      post.send([1], from: 3, to: 1)
    }
    #expect(post.counters(1).keysMade == 0 && post.received.isEmpty)
    // What happens to look like a greeting of another version is answered in ten bytes.
    let answers = post.sent.filter { $0.from == 1 }
    #expect(answers.count < 50 && answers.allSatisfy { $0.bytes.count == 10 })
    #expect(post.counters(1).noise + post.counters(1).otherVersion == 5_100)
  }

  @Test("strangers cannot buy more public-key work than the limit, and a peer with a real address still gets in")
  func floodOfStrangers() {
    var post = pair()
    let overlayKey = Array(Digest.of(Array("test".utf8), kind: "datagram-overlay").bytes.prefix(16))
    let noCookie = [UInt8](repeating: 0, count: 16)
    for number in 0..<2_000 {
      // Forged senders at forged addresses, who know the overlay's name and never see an answer.
      let greeting = Greeting(
        echo: UInt64(number), tag: 0, sender: KeyPair.generate().id, incarnation: 1, cookie: noCookie)
      post.carry(DatagramLayout.greeting(greeting, to: post.id(1), overlayKey: overlayKey), from: 1_000 + number, to: 1)
    }
    #expect(post.counters(1).keysMade <= Int(Limits.strangersAtOnce) / 2 + 1)
    #expect(post.counters(1).challenged >= 1_800)
    post.send([1], from: 2, to: 1)
    #expect(post.received.map(\.bytes) == [[1]], "the challenge was not met")
    #expect(post.sent.contains { DatagramKind(rawValue: $0.bytes[1]) == .challenge && $0.to == 2 })
  }

  @Test("real addresses cannot buy more than the limit either")
  func floodOfRealStrangers() {
    var post = pair()
    for address in 10..<600 {
      post.add(address)
      post.send([1], from: address, to: 1)
    }
    #expect(post.counters(1).keysMade <= Int(Limits.strangersAtOnce))
    #expect(post.counters(1).rateLimited > 300)
    post.now += .seconds(2)
    post.send([2], from: 599, to: 1)
    #expect(post.received.contains { $0.bytes == [2] }, "the bucket did not fill again")
  }

  @Test("a peer of another version is told so")
  func otherVersion() {
    var post = pair()
    post.send([1], from: 1, to: 2, carry: false)
    var greeting = post.sent[0].bytes
    greeting[0] = 2
    post.carry(greeting, from: 1, to: 2)
    #expect(post.counters(2).otherVersion == 1)
    var answer = post.sent.last!.bytes
    // As that other version would have said it.
    answer[0] = 2
    post.carry(answer, from: 2, to: 1)
    #expect(post.otherVersions == [2])
  }

  @Test("incarnations learned from a link save the greeting")
  func learned() {
    var post = pair()
    let (one, two) = (post.id(1), post.id(2))
    #expect(post.peers[1]!.learn(two, incarnation: 1, at: 2, now: post.now).isEmpty)
    #expect(post.peers[2]!.learn(one, incarnation: 1, at: 1, now: post.now).isEmpty)
    post.send([1], from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [[1]] && post.sent.count == 1)
  }

  @Test("what waits for a welcome is bounded and does not wait for long")
  func waiting() {
    var post = pair()
    for number in 0..<20 { post.send([UInt8(number)], from: 1, to: 2, carry: false) }
    #expect(post.sent.count == 1, "it greets for each message")
    #expect(post.counters(1).unsent == 20 - Limits.messagesAwaitingWelcome)
    post.now += Limits.welcomeWait
    post.send([99], from: 1, to: 2)
    #expect(post.received.map(\.bytes) == [[99]])
  }
}

struct ReplayWindowTests {
  @Test("a window takes each counter once, in any order within 128")
  func window() {
    var window = ReplayWindow()
    for counter: UInt64 in [0, 5, 3, 200, 73, 199] {
      #expect(window.isFresh(counter))
      window.mark(counter)
      #expect(!window.isFresh(counter))
    }
    #expect(!window.isFresh(72), "older than the window")
    #expect(window.isFresh(74) && window.isFresh(201) && window.isFresh(1 << 60))
    window.mark(1 << 60)
    #expect(!window.isFresh(201) && !window.isFresh(.max))
  }
}
